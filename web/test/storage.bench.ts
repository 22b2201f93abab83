// How fast a stored model of 1 GiB is loaded in Chromium, by files and by Blobs, as in browsers without synchronous handles for reading.
//
//	node test/run.mjs storage.bench    writes what it measured to test/results/storage.json

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BigModel } from './big-model.ts';
import { skip, timeout, visit, type Gossamer } from './browser.ts';

const results = join(dirname(fileURLToPath(import.meta.url)), '../../test/results');
const runs = 5;

/** Lets the browser read no file by a handle. */
const blobsOnly = `
const { prototype } = FileSystemFileHandle;
const open = prototype.createSyncAccessHandle;
prototype.createSyncAccessHandle = function (options) {
  return options ? Promise.reject(new TypeError('not supported')) : open.call(this);
};`;

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

test('a stored model by files and by Blobs', { skip, timeout }, async (t) => {
  const model = new BigModel('storage');
  t.after(() => model.remove());
  const server = await model.serve({
    '/blobs/worker.js': Buffer.from(`import './handles.js';\nimport '/dist/worker.js';\n`), '/blobs/handles.js': Buffer.from(blobsOnly),
  });
  t.after(() => server.close());
  const visitor = await visit(`${server.url}page.html`);
  /** Loads once; returns the seconds in which the weights came, in a page of its own. */
  const load = async (workerURL?: string) => {
    const page = await visitor.newPage(`${visitor.url}page.html`);
    const result = await page.evaluate(async (workerURL) => {
      const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const abort = new AbortController();
      let began = 0, seconds = 0, bytes = 0, fetched = 0;
      await create({
        model: '/model/', context: 1024, onNotice() {}, signal: abort.signal, ...(workerURL === undefined ? {} : { workerURL }),
        onProgress(p) {
          if (p.phase === 'load') {
            began ||= performance.now();
          } else if (p.phase === 'compile' && !seconds) {
            seconds = (performance.now() - began) / 1000;
            [bytes, fetched] = [p.bytesDone, p.bytesFetched];
            abort.abort();
          }
        },
      }).catch(() => {});
      return { seconds, bytes, fetched };
    }, workerURL);
    await page.close();
    return result;
  };
  const first = await load();
  assert.equal(first.fetched, first.bytes);
  const seconds: { files: number[]; blobs: number[] } = { files: [], blobs: [] };
  for (let i = 0; i < runs; i++) { // in turn, since a machine that others use is not always as fast
    for (const [way, workerURL] of [['files', undefined], ['blobs', '/blobs/worker.js']] as const) {
      const { fetched, bytes, seconds: s } = await load(workerURL);
      assert.equal(fetched, 0);
      assert.equal(bytes, first.bytes);
      seconds[way].push(s);
    }
  }
  await visitor.close();
  const rate = (values: number[]) => Math.round(first.bytes / median(values) / 1e6);
  const ratio = median(seconds.blobs) / median(seconds.files);
  const browser = visitor.context.browser()?.version() ?? '';
  const result = {
    machine: cpus()[0]?.model, cores: cpus().length, browser, adapter: 'SwiftShader', bytes: first.bytes, download: first.seconds, seconds,
    megabytesPerSecond: { files: rate(seconds.files), blobs: rate(seconds.blobs) }, ratio,
  };
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, 'storage.json'), `${JSON.stringify(result, null, 2)}\n`);
  t.diagnostic(JSON.stringify(result));
});
