// A small app built by bundlers without a configuration, opened in Chromium and asked one question, and the examples. frameworks.test.ts has more of them,
// browser.test.ts the package with esbuild, without a bundler and from another origin.

import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { app, asks, chatApp, html, serveModel, submits } from './apps.ts';
import { skip, timeout } from './browser.ts';
import { example, pack, project, Tools, web } from './packed.ts';
import { serve, type Server } from './server.ts';

const tools = new Tools('bundlers');

describe('an app', { skip: skip || tools.skip, timeout }, () => {
  let tarball: string;
  let model: Server;
  before(async () => {
    tarball = pack('bundlers');
    model = await serveModel();
  });
  after(() => model?.close());

  /** Serves a directory, and asks the app in it. */
  async function served(directory: string): Promise<void> {
    const server = await serve({ '/': directory });
    try {
      await asks(server.url, model);
    } finally {
      await server.close();
    }
  }

  test('that Vite builds answers: examples/vite', async () => {
    const root = project(tarball, 'vite', example('vite', ['index.html', 'main.ts', 'package.json']));
    const { build } = await tools.load('vite-8/dist/node/index.js');
    await build({ root, logLevel: 'error', configFile: false });
    const server = await serve({ '/model/': join(web, 'dist/nano'), '/': join(root, 'dist') });
    try {
      await submits(server.url);
    } finally {
      await server.close();
    }
  });

  test('without a bundler answers: examples/html', async () => {
    const dist = join(web, 'dist');
    const server = await serve({ '/gossamer/': dist, '/model/': join(dist, 'nano'), '/': join(web, '../examples/html') });
    try {
      await submits(server.url);
    } finally {
      await server.close();
    }
  });

  test('with the element, that Vite builds, answers', async () => {
    const root = project(tarball, 'vite-chat', { 'index.html': html('/app.js'), 'app.js': chatApp });
    const { build } = await tools.load('vite-8/dist/node/index.js');
    await build({ root, logLevel: 'error', configFile: false });
    await served(join(root, 'dist'));
  });

  test('that webpack builds answers', async () => {
    const root = project(tarball, 'webpack', { 'dist/index.html': html('main.js'), 'src/index.js': app });
    const { default: webpack } = await tools.load('webpack/lib/index.js');
    await new Promise<void>((resolve, reject) => webpack({ context: root, mode: 'production', output: { path: join(root, 'dist') } }, (error: unknown, stats: any) =>
      error || stats.hasErrors() ? reject(error ?? new Error(stats.toString())) : resolve()));
    await served(join(root, 'dist'));
  });
});
