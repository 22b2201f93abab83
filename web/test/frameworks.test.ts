// The small app in frameworks, and in the development servers that change packages before they serve them. make test-bundlers runs this.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { app, asks, chatApp, html, serveModel } from './apps.ts';
import { skip, timeout } from './browser.ts';
import { pack, project, run, Tools } from './packed.ts';
import { serve, type Server } from './server.ts';

const tools = new Tools('frameworks');
const why = process.env.BUNDLERS === 'all' ? skip || tools.skip : 'make test-bundlers runs it';
// Node's test runner sets NODE_ENV to test, which Next.js cannot render with.
const environment = { NEXT_TELEMETRY_DISABLED: '1', ASTRO_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };

const page = `'use client';
import { useEffect } from 'react';
${app.replace(/main\(\)\.catch[^]*$/, '')}
export default function Page() {
  useEffect(() => {
    main().catch((error) => {
      document.title = 'failed: ' + error;
    });
  }, []);
  return null;
}
`;
const next = {
  'app/page.jsx': page,
  'app/layout.jsx': 'export default function Layout({ children }) {\n  return <html><body>{children}</body></html>;\n}\n',
};

/** Runs a program that serves until it is ended, and hands over the URL that it tells. */
async function serving(program: string, args: string[], cwd: string, use: (url: string) => Promise<void>, env = {}): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { cwd, env: { ...process.env, ...environment, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  try {
    const url = await new Promise<string>((resolve, reject) => {
      const read = (data: Buffer) => {
        output += data;
        const port = /http:\/\/(?:localhost|127\.0\.0\.1):(\d+)/.exec(output)?.[1];
        if (port) {
          resolve(`http://127.0.0.1:${port}/`);
        }
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.on('exit', () => reject(new Error(output)));
    });
    await use(url).catch((error) => assert.fail(`${error.message}\n${output}`));
  } finally {
    child.kill();
  }
}

describe('an app', { skip: why, timeout }, () => {
  let tarball: string;
  let model: Server;
  before(async () => {
    tarball = pack(join(tools.directory, '../apps')); // in a directory that Turbopack takes for the root
    model = await serveModel();
  });
  after(() => model?.close());

  async function served(directory: string): Promise<void> {
    const server = await serve({ '/': directory });
    try {
      await asks(server.url, model);
    } finally {
      await server.close();
    }
  }

  for (const version of ['vite-6', 'vite-7', 'vite-8']) {
    for (const [name, script] of [['', app], [' with the element', chatApp]] as const) {
      test(`served by ${version}${name} answers`, async () => {
        const root = project(tarball, `${version}-serve${name.replaceAll(' ', '-')}`, { 'index.html': html('/app.js'), 'app.js': script });
        const { createServer } = await tools.load(version, 'dist/node/index.js');
        const server = await createServer({ root, logLevel: 'error', configFile: false, server: { host: '127.0.0.1', port: 0 } });
        try {
          await server.listen();
          await asks(`http://127.0.0.1:${server.httpServer.address().port}/`, model);
        } finally {
          await server.close();
        }
      });
    }

    test(`built by ${version} answers`, async () => {
      const root = project(tarball, `${version}-build`, { 'index.html': html('/app.js'), 'app.js': app });
      const { build } = await tools.load(version, 'dist/node/index.js');
      await build({ root, logLevel: 'error', configFile: false });
      await served(join(root, 'dist'));
    });
  }

  for (const bundler of ['turbopack', 'webpack']) {
    test(`of Next.js, built by ${bundler}, answers`, async () => {
      const root = project(tarball, `next-${bundler}`, next);
      const program = tools.path('next/dist/bin/next');
      run(process.execPath, [program, 'build', `--${bundler}`], root, environment);
      await serving(program, ['start', '-p', '0'], root, (url) => asks(url, model));
    });
  }

  test('of Next.js, served by Turbopack, answers', async () => {
    const root = project(tarball, 'next-serve', next);
    await serving(tools.path('next/dist/bin/next'), ['dev', '--turbopack', '-p', '0'], root, (url) => asks(url.replace('127.0.0.1', 'localhost'), model),
      { NODE_ENV: 'development' });
  });

  test('of SvelteKit answers', async () => {
    const root = project(tarball, 'sveltekit', {
      'svelte.config.js': "import adapter from '@sveltejs/adapter-static';\nexport default { kit: { adapter: adapter() } };\n",
      'vite.config.js': "import { sveltekit } from '@sveltejs/kit/vite';\nexport default { plugins: [sveltekit()] };\n",
      'src/app.html': '<!doctype html><html><head><title>loading</title>%sveltekit.head%</head><body>%sveltekit.body%</body></html>\n',
      'src/routes/+layout.js': 'export const prerender = true;\n',
      'src/routes/+page.svelte': `<script>\nimport { onMount } from 'svelte';\n${app.replace(/main\(\)\.catch[^]*$/, '')}\nonMount(() => {\n  main().catch((error) => {\n    document.title = 'failed: ' + error;\n  });\n});\n</script>\n`,
    });
    run(process.execPath, [tools.path('vite/bin/vite.js'), 'build'], root, environment);
    await served(join(root, 'build'));
  });

  test('of Astro answers', async () => {
    const root = project(tarball, 'astro', { 'src/pages/index.astro': `<!doctype html><title>loading</title><body><script>${app}</script></body>\n` });
    run(process.execPath, [tools.path('astro/astro.js'), 'build'], root, environment);
    await served(join(root, 'dist'));
  });
});
