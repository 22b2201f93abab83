// The examples of docs/clients.md, as they are but for the server's address.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { document, snippet } from '../lib/documents.mjs';
import { answer, next, play, think } from '../lib/plays.mjs';
import { model, serve } from '../lib/server.mjs';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const has = (command, ...args) => run(command, args).then(() => true, () => false);

describe('docs/clients.md', () => {
  let server;
  let dir;
  before(async () => {
    server = await serve({ plays: [play('sum', {}, think('17 and 25.'), next, answer('That is 42.'))] });
    dir = await mkdtemp(join(tmpdir(), 'gossamer-examples-'));
    await mkdir(join(dir, 'now'));
    for (const packages of ['node_modules', 'now/node_modules']) await symlink(join(here, '..', packages), join(dir, packages));
  });
  after(async () => {
    await server?.stop();
    await rm(dir, { recursive: true });
  });
  const save = async (title, name) => {
    const file = join(dir, 'now', name);
    await writeFile(file, (await snippet(title)).replaceAll('http://127.0.0.1:8080', server.url.replace(/\/v1$/, '')));
    return file;
  };

  test('curl', async () => {
    const { stdout } = await run('bash', [await save('curl', 'curl.sh')]);
    assert.equal(JSON.parse(stdout).choices[0].message.content, 'That is 42.');
  });

  for (const title of ['JavaScript', 'Anthropic\'s libraries', 'Agents SDK', 'Vercel\'s AI SDK', 'LangChain']) {
    test(title, async () => {
      const { stdout } = await run(process.execPath, [await save(title, `${title.replace(/\W/g, '')}.mjs`)]);
      assert.equal(stdout.trim(), 'That is 42.');
    });
  }

  test('Python', async (t) => {
    if (!await has('python3', '-c', 'import openai')) return t.skip('Python\'s package openai is not installed');
    const { stdout } = await run('python3', [await save('Python', 'example.py')]);
    assert.equal(stdout, 'That is 42.');
  });

  test('Go', async () => {
    const { stdout } = await run('go', ['run', await save('Go', 'example.go')], { cwd: root });
    assert.equal(stdout, 'That is 42.');
  });

  test('settings of editors', async () => {
    for (const title of ['Zed', 'VS Code']) JSON.parse(await snippet(title));
    assert.match(await snippet('Continue'), /^ {4}apiBase: /m);
    for (const title of ['Zed', 'VS Code', 'Continue', 'Codex', 'Python']) assert.ok((await snippet(title)).includes(model), title);
    const urls = new Set((await readFile(document, 'utf8')).match(/http:\/\/127\.0\.0\.1:8080\/[\w/]*/g));
    assert.ok(urls.size > 2);
    for (const url of urls) {
      const path = new URL(url).pathname.replace(/\/v1$/, '/v1/models');
      assert.notEqual((await fetch(new URL(path, server.url))).status, 404, url);
    }
  });
});
