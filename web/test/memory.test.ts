// What loading a model of 1 GiB takes of memory, in Chromium.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Progress } from '../src/index.ts';
import { BigModel } from './big-model.ts';
import { skip as noChromium, timeout, visit, type Gossamer } from './browser.ts';
import type { Server } from './server.ts';

const skip = noChromium || process.platform !== 'linux' && 'memory is read from /proc';

/** Reads a field of /proc/PID/status, in numbers; undefined where the process has ended. */
function status(pid: number | string, field: string): number | undefined {
  try {
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

/** Anonymous memory in bytes of the renderer process, among this process's descendants, that has most of it. */
function rendererBytes(): number {
  let most = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let command = '';
    try {
      command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {} // it has ended
    if (!command.includes('--type=renderer')) {
      continue;
    }
    let ancestor: number | undefined = Number(pid);
    while (ancestor && ancestor !== process.pid) {
      ancestor = status(ancestor, 'PPid');
    }
    if (ancestor) {
      most = Math.max(most, 1024 * (status(pid, 'RssAnon') ?? 0));
    }
  }
  return most;
}

const model = new BigModel('memory');
let server: Server;
before(async () => {
  if (!skip) {
    server = await model.serve();
  }
});
after(async () => {
  await server?.close();
  model.remove();
});

// The heaps of JavaScript and WebAssembly, ArrayBuffers included, are anonymous memory of the page's renderer process. Counted is all
// that this process takes beyond what it has with an empty page, which includes what is free already and not given back to the system.
// The GPU's memory, which SwiftShader takes of the processor's, belongs to another process.
test('a page takes at most 200 MB while 1 GiB of weights is loaded', { skip, timeout }, async (t) => {
  const { page: empty, url, newPage } = await visit(`${server.url}page.html`);
  const load = async () => {
    const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
    const abort = new AbortController();
    let last: Progress | undefined;
    const onProgress = (p: Progress) => {
      last = p;
      if (p.phase === 'compile') {
        abort.abort(); // the shaders are none of this test's business
      }
    };
    const end = await create({ model: '/model/', context: 1024, onProgress, onNotice() {}, signal: abort.signal }).then(() => 'loaded', (e: Error) => `${e.name}: ${e.message}`);
    return { end, done: last?.bytesDone, total: last?.bytesTotal };
  };
  /** Loads in a page, and so in a process, of its own; returns the peak in bytes. */
  const measure = async (): Promise<number> => {
    const page = await newPage(`${url}page.html`);
    const before = rendererBytes();
    let peak = 0;
    const sampling = setInterval(() => (peak = Math.max(peak, rendererBytes())), 25);
    const { end, done, total } = await page.evaluate(load).finally(() => clearInterval(sampling));
    assert.match(end, /^loaded|AbortError/);
    assert.ok(total! >= 2 ** 30, `${total} bytes`);
    assert.equal(done, total);
    await page.close();
    return peak - before;
  };
  const downloading = await measure();
  const reading = await measure();
  await empty.close();
  t.diagnostic(`at most ${Math.round(downloading / 1e6)} MB from the network, ${Math.round(reading / 1e6)} MB from the storage`);
  assert.ok(downloading <= 200e6 && reading <= 200e6, `${downloading} and ${reading} bytes`);
});
