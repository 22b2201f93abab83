// The packed package: what is in it, its types for each compiler, the snippets of its README, and what it does outside a browser.

import { build } from 'esbuild';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { example, pack, project, run, Tools, web } from './packed.ts';

const tools = new Tools('bundlers');
const compilers = ['typescript-5.5', 'typescript-5.9', 'typescript-6'].map((name) => ({ name, path: tools.path(name, 'bin/tsc') }));
compilers.push({ name: 'typescript 7', path: join(web, 'node_modules/typescript/bin/tsc') });

/** A tsconfig.json for some files. */
const config = (files: string[], more: object) => JSON.stringify({
  files, compilerOptions: { noEmit: true, strict: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler', types: [], ...more },
});

/** The blocks of code of a document in a language. */
const blocks = (document: string, language: string) =>
  [...readFileSync(join(web, document), 'utf8').matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code!);

/** The modules in the documents, with the scripts of pages: one without an import goes on where the one above it ended. */
function snippets(): string[] {
  const scripts = blocks('README.md', 'html').flatMap((html) => [...html.matchAll(/<script type="module">(.*?)<\/script>/gs)].map(([, code]) => code!))
    .map((code) => code.trim().replace('https://cdn.example.org/gossamer/dist/gossamer.js', 'gossamer'));
  const files = [...scripts];
  for (const code of [...blocks('README.md', 'js'), ...blocks('../docs/browsers.md', 'js')]) {
    if (/^import /m.test(code)) {
      files.push(code);
    } else {
      files[files.length - 1] += code;
    }
  }
  return files;
}

describe('the packed package', { skip: tools.skip }, () => {
  let tarball: string;
  before(() => {
    tarball = pack('package');
  });

  test('has nothing that publint and are-the-types-wrong mind', () => {
    run(tools.bin('publint'), ['run', tarball, '--strict'], web);
    // Nothing can be required of what needs import.meta.url.
    run(tools.bin('attw'), [tarball, '--profile', 'esm-only'], web);
  });

  test('contains the licences of all that is compiled into it', () => {
    const names = run('tar', ['tzf', tarball], web).trim().split('\n');
    const text = (name: string) => run('tar', ['xzfO', tarball, `package/${name}`], web);
    assert.ok(names.includes('package/LICENSE') && names.includes('package/README.md'), names.join(' '));
    assert.match(text('LICENSE'), /Apache License/);
    const notice = text('NOTICE');
    for (const holder of ['The Go Authors', 'Klaus Post', 'OpenAI']) {
      assert.match(notice, new RegExp(`Copyright.* ${holder}`), holder);
    }
  });

  test('has types for each compiler and resolution', () => {
    const app = project(tarball, 'types', {
      'app.ts': `
        import { create, RuntimeError, type ChatCompletion, type CreateOptions } from 'gossamer';
        import 'gossamer/service';
        import { GossamerChat, type ChatState } from 'gossamer/chat';
        export const chat: GossamerChat | null = document.querySelector('gossamer-chat');
        export const state: ChatState | undefined = chat?.state;
        export async function ask(options: CreateOptions): Promise<ChatCompletion | string> {
          const ai = await create(options);
          for await (const chunk of ai.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }], stream: true })) {
            if (chunk.choices[0]?.delta.content) break;
          }
          return ai.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }] }).catch((e: unknown) => (e as RuntimeError).hint);
        }`,
      'right.json': config(['app.ts'], { skipLibCheck: false, exactOptionalPropertyTypes: true, lib: ['es2022', 'dom', 'dom.iterable'] }),
      'wrong.json': config(['wrong.ts'], { lib: ['es2022', 'dom'] }),
      'wrong.ts': `import { create } from 'gossamer'; export const ai = create({ modell: 'x' });`,
    });
    const declarations = readFileSync(join(app, 'node_modules/gossamer/dist/types/index.d.ts'), 'utf8');
    assert.doesNotMatch(declarations, /^\s*(import|export .* from|\/\/\/ <reference)/m);
    for (const { name, path } of compilers) {
      for (const [module, resolution] of [['node16', 'node16'], ['nodenext', 'nodenext'], ['esnext', 'bundler']] as const) {
        assert.doesNotThrow(() => run(path, ['-p', 'right.json', '--module', module, '--moduleResolution', resolution], app), `${name} ${resolution}`);
      }
      assert.throws(() => run(path, ['-p', 'wrong.json'], app), /modell/, name);
    }
  });

  test('has answers that are OpenAI\'s, and a README and an example that compile', () => {
    const files: Record<string, string> = Object.fromEntries(snippets().map((code, i) => [`snippet${i}.ts`, `${code}\nexport {};\n`]));
    assert.ok(Object.keys(files).length > 6);
    Object.assign(files, example('vite', ['main.ts']));
    const workers = Object.fromEntries(blocks('README.md', 'javascript').map((code, i) => [`worker${i}.ts`, `declare const self: ServiceWorkerGlobalScope;\n${
      code.replace(/\b(addEventListener|skipWaiting|clients|importScripts)\b/g, 'self.$1')}\nexport {};\n`]));
    assert.ok(Object.keys(workers).length > 0);
    for (const [, attributes] of blocks('README.md', 'html').join('').matchAll(/<gossamer-chat ([^>]*)>/g)) {
      for (const [, name] of attributes!.matchAll(/([\w-]+)=/g)) {
        assert.match(readFileSync(join(web, 'README.md'), 'utf8'), new RegExp(`^\\| .*\`${name}\`.* \\|`, 'm'), name);
      }
    }
    const app = project(tarball, 'snippets', {
      ...files,
      ...workers,
      'workers.json': config(Object.keys(workers), { lib: ['es2023', 'webworker'] }),
      'tsconfig.json': config([...Object.keys(files), 'openai.ts'], { skipLibCheck: true, lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'] }),
      'openai.ts': `
        import type { ChatCompletion, ChatCompletionChunk } from 'gossamer';
        import type OpenAI from 'openai';
        export const whole = (answer: ChatCompletion): OpenAI.ChatCompletion => answer;
        export const part = (chunk: ChatCompletionChunk): OpenAI.ChatCompletionChunk => chunk;`,
    }, Object.fromEntries(['openai', 'zod'].map((name) => [name, join(web, 'node_modules', name)])));
    run(compilers.at(-1)!.path, ['-p', 'tsconfig.json'], app);
    run(compilers.at(-1)!.path, ['-p', 'workers.json'], app);
  });

  test('is what the component in docs/embedding.md is bundled with', async () => {
    const [component, ...others] = blocks('../docs/embedding.md', 'jsx');
    assert.deepEqual(others, []);
    const root = project(tarball, 'component', { 'page.jsx': component! });
    const { outputFiles } = await build({
      absWorkingDir: root, entryPoints: ['page.jsx'], bundle: true, format: 'esm', write: false, external: ['react', 'react/jsx-runtime'], jsx: 'automatic',
      logLevel: 'silent',
    });
    assert.match(outputFiles[0]!.text, /worker\.js/);
  });

  test('is imported anywhere, and says in Node that it needs a browser', () => {
    const app = project(tarball, 'node', {
      'app.js': `
        import * as gossamer from 'gossamer';
        import 'gossamer/chat';
        const calls = {
          create: () => gossamer.create({ model: 'https://example.org/m/' }), canRun: () => gossamer.canRun('m/').then((v) => { throw v; }),
          environment: () => gossamer.environment().then((v) => { throw v; }), deleteModel: () => gossamer.deleteModel('https://example.org/m/'),
          listModels: () => gossamer.listModels(), localFetch: () => gossamer.localFetch('https://example.org/v1/models'),
        };
        const told = {};
        for (const [name, call] of Object.entries(calls)) {
          await call().then((v) => (told[name] = v), (e) => (told[name] = e.message ?? e.cause));
        }
        console.log(JSON.stringify(told));`,
    });
    const sentence = 'this is not a browser: the package runs models in pages';
    assert.deepEqual(JSON.parse(run(process.execPath, ['app.js'], app)), {
      create: sentence, canRun: sentence, environment: sentence, deleteModel: sentence, listModels: [], localFetch: sentence,
    });
  });
});
