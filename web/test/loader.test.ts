import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { defaultRetryPolicy, type RetryPolicy } from '../src/shared/download.ts';
import type { Chunk } from '../src/shared/engine.ts';
import { RuntimeError } from '../src/shared/errors.ts';
import { chunkKey } from '../src/shared/storage.ts';
import { Loader, type LoaderOptions } from '../src/worker/loader.ts';
import type { Notice } from '../src/shared/protocol.ts';
import { Directory, serve, type Server } from './server.ts';

const never = new AbortController().signal;
const hash = (p: Uint8Array) => createHash('sha256').update(p).digest('hex');

interface Fixture {
  server: Server;
  data: Uint8Array;
  chunk: Chunk;
  directory: Directory;
  notices: Notice[];
  /** Milliseconds that were waited, instead of waiting. */
  waits: number[];
  fetched: () => number;
  loader(options?: Partial<LoaderOptions>, retryPolicy?: Partial<RetryPolicy>): Loader;
}

/** A file of nBytes on a server, and an empty store. */
async function fixture(t: TestContext, nBytes: number, room?: number): Promise<Fixture> {
  const data = new Uint8Array(randomBytes(nBytes));
  const server = await serve({ '/model/chunk.bin': data });
  const path = await mkdtemp(join(tmpdir(), 'gossamer-'));
  t.after(async () => {
    await server.close();
    await rm(path, { recursive: true });
  });
  const directory = new Directory(path, room);
  const notices: Notice[] = [];
  const waits: number[] = [];
  let fetched = 0;
  return {
    server, data, directory, notices, waits,
    chunk: { url: 'chunk.bin', bytes: nBytes, sha256: hash(data) },
    fetched: () => fetched,
    loader: (options, p) =>
      new Loader({
        base: `${server.url}model/manifest.json`, storage: directory, parallel: 4,
        onNotice: (n) => notices.push(n), onFetched: (n) => (fetched += n),
        retryPolicy: { ...defaultRetryPolicy, sleep: async (ms) => void waits.push(ms), ...p }, ...options,
      }),
  };
}

async function fails(promise: Promise<unknown>, code: string): Promise<RuntimeError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof RuntimeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.notEqual(error.hint, '');
    return error;
  }
  return assert.fail(`did not fail with ${code}`);
}

test('a chunk is fetched once, then read from the store', async (t) => {
  const f = await fixture(t, 3_000_000);
  let counted = 0;
  assert.deepEqual(await f.loader().get(f.chunk, never, (n) => (counted += n)), f.data);
  assert.equal(counted, f.data.length);
  assert.equal(f.fetched(), f.data.length);
  assert.deepEqual(await f.loader().get(f.chunk, never, (n) => (counted += n)), f.data);
  assert.equal(counted, 2 * f.data.length);
  assert.equal(f.server.requests.length, 1);
  assert.deepEqual(f.notices, []);
});

test('a chunk can be a range of a file', async (t) => {
  const f = await fixture(t, 100_000);
  const part = f.data.subarray(70_001, 90_002);
  const chunk = { url: 'chunk.bin', offset: 70_001, bytes: 20_001, sha256: hash(part) };
  assert.deepEqual(await f.loader().get(chunk, never), new Uint8Array(part));
  assert.equal(f.server.requests[0]!.range, 'bytes=70001-90001');
});

test('connections that break at 20 random points are resumed', async (t) => {
  const f = await fixture(t, 4_000_000);
  f.server.fault = (_, i) => (i < 20 ? { cut: 1 + Math.floor(Math.random() * 150_000) } : undefined);
  let counted = 0;
  assert.deepEqual(await f.loader().get(f.chunk, never, (n) => (counted += n)), f.data);
  assert.equal(counted, f.data.length);
  assert.equal(f.server.requests.length, 21);
  assert.equal(f.fetched(), f.data.length, 'no byte is fetched twice');
});

test('a range that breaks is resumed inside the file', async (t) => {
  const f = await fixture(t, 500_000);
  f.server.fault = (_, i) => (i === 0 ? { cut: 65_536 } : undefined);
  const part = f.data.subarray(1000, 400_000);
  assert.deepEqual(await f.loader().get({ url: 'chunk.bin', offset: 1000, bytes: part.length, sha256: hash(part) }, never), new Uint8Array(part));
  assert.match(f.server.requests[1]!.range!, /^bytes=\d{4,6}-399999$/);
});

test('what an aborted visit left is resumed', async (t) => {
  const f = await fixture(t, 8_000_000);
  const abort = new AbortController();
  let counted = 0;
  const visit = f.loader().get(f.chunk, abort.signal, (n) => {
    counted += n;
    if (counted > 5_000_000) {
      abort.abort();
    }
  });
  await assert.rejects(visit, { name: 'AbortError' });
  assert.equal(counted, 0, 'progress is taken back');
  const before = f.fetched();
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.equal(f.fetched(), f.data.length);
  assert.ok(before >= 5_000_000);
});

test('a chunk whose record was not written any more is taken as it is', async (t) => {
  const f = await fixture(t, 1_500_000);
  const writer = await f.directory.open(f.chunk.sha256!, 0);
  writer.write(new Uint8Array(f.data), 0);
  writer.close();
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 0);
  assert.ok(await f.directory.record(f.chunk.sha256!));
});

test('a wrong beginning left by an earlier visit costs no more than itself', async (t) => {
  const f = await fixture(t, 1_500_000);
  const writer = await f.directory.open(f.chunk.sha256!, 0);
  writer.write(new Uint8Array(700_000), 0);
  writer.close();
  f.server.fault = (_, i) => (i === 1 ? { corrupt: true } : undefined);
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 3); // the rest, all of it corrupt, all of it
});

test('a corrupt chunk is fetched again once', async (t) => {
  const f = await fixture(t, 200_000);
  f.server.fault = (_, i) => (i === 0 ? { corrupt: true } : undefined);
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 2);
});

test('a chunk that stays corrupt is reported with url, want and got', async (t) => {
  const f = await fixture(t, 200_000);
  f.server.fault = () => ({ corrupt: true });
  const error = await fails(f.loader().get(f.chunk, never), 'integrity');
  assert.equal(error.details.url, `${f.server.url}model/chunk.bin`);
  assert.equal(error.details.want, f.chunk.sha256);
  assert.match(String(error.details.got), /^[0-9a-f]{64}$/);
  assert.equal(f.server.requests.length, 2);
  assert.equal(await f.directory.record(f.chunk.sha256!), undefined);
  assert.equal((await f.directory.read(f.chunk.sha256!)).length, 0, 'wrong bytes are not kept');
});

test('bytes that were damaged in the store are fetched again', async (t) => {
  const f = await fixture(t, 200_000);
  await f.loader().get(f.chunk, never);
  await f.directory.damage(f.chunk.sha256!);
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 2);
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 2);
});

test('a missing file is reported at once', async (t) => {
  const f = await fixture(t, 1000);
  const error = await fails(f.loader().get({ ...f.chunk, url: 'other.bin' }, never), 'download');
  assert.equal(error.details.status, 404);
  assert.equal(f.server.requests.length, 1);
});

test('a host that does not know Range sends a whole file again', async (t) => {
  const f = await fixture(t, 2_500_000);
  f.server.fault = (_, i) => (i === 0 ? { cut: 1_600_000 } : { noRange: true });
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.deepEqual(await f.directory.read(f.chunk.sha256!), f.data);
});

test('a host that does not know Range cannot serve a part of a file', async (t) => {
  const f = await fixture(t, 1000);
  f.server.fault = () => ({ noRange: true });
  const error = await fails(f.loader().get({ url: 'chunk.bin', offset: 10, bytes: 10 }, never), 'download');
  assert.match(error.message, /ranges/);
});

test('a file longer than the manifest says is refused', async (t) => {
  const f = await fixture(t, 1000);
  await fails(f.loader().get({ ...f.chunk, bytes: 900 }, never), 'download');
  assert.equal(f.server.requests.length, 1);
});

test('a busy host is asked again when it says, with growing pauses otherwise', async (t) => {
  const f = await fixture(t, 1000);
  const faults = [{ status: 503, retryAfter: '7' }, { status: 503 }, { status: 429, retryAfter: '290' }, { status: 500 }];
  f.server.fault = (_, i) => faults[i];
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  const [first, second, third, fourth] = f.waits;
  assert.equal(first, 7000);
  assert.ok(second! >= 500 && second! <= 1000, `${second}`);
  assert.equal(third, 290_000);
  assert.ok(fourth! >= 2000 && fourth! <= 4000, `${fourth}`);
});

test('a host that asks to wait for too long is not waited for, and the error says how long', async (t) => {
  const f = await fixture(t, 1000);
  f.server.fault = () => ({ status: 429, retryAfter: '3600' });
  const error = await fails(f.loader().get(f.chunk, never), 'download');
  assert.match(error.message, /429 and asks to wait for 60 minutes/);
  assert.match(error.hint, /after that time/);
  assert.equal(error.details.status, 429);
  assert.deepEqual([f.server.requests.length, f.waits], [1, []]);
});

test('a host that asks to wait until a date is obeyed', async (t) => {
  const f = await fixture(t, 1000);
  const date = new Date(Date.now() + 20_000).toUTCString();
  f.server.fault = (_, i) => (i === 0 ? { status: 503, retryAfter: date } : undefined);
  await f.loader().get(f.chunk, never);
  assert.ok(f.waits[0]! > 1000 && f.waits[0]! <= 20_000, `${f.waits[0]}`);
});

test('a host that stays busy is given up', async (t) => {
  const f = await fixture(t, 1000);
  f.server.fault = () => ({ status: 503 });
  const error = await fails(f.loader().get(f.chunk, never), 'download');
  assert.equal(error.details.status, 503);
  assert.equal(f.server.requests.length, defaultRetryPolicy.attempts);
});

test('a host that cannot be reached is given up', async (t) => {
  const f = await fixture(t, 1000);
  const loader = f.loader();
  await f.server.close();
  await fails(loader.get(f.chunk, never), 'download');
  assert.equal(f.waits.length, defaultRetryPolicy.attempts - 1);
});

test('a connection that falls silent is replaced', async (t) => {
  const f = await fixture(t, 300_000);
  f.server.fault = (_, i) => (i === 0 ? { stall: 100_000 } : undefined);
  assert.deepEqual(await f.loader({}, { stall: 2000 }).get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 2);
});

test('a full store degrades to memory and says so once', async (t) => {
  const f = await fixture(t, 3_000_000, 1_200_000);
  const loader = f.loader();
  assert.deepEqual(await loader.get(f.chunk, never), f.data);
  assert.deepEqual(await loader.get(f.chunk, never), f.data);
  assert.deepEqual(f.notices.map((n) => n.kind), ['quota']);
  assert.equal(loader.full, true);
  assert.equal((await f.directory.read(f.chunk.sha256!)).length, 0, 'the part gives its room back');
});

test('a store that fails anywhere degrades to memory and says so once', async (t) => {
  for (const method of ['record', 'read', 'open', 'commit'] as const) {
    const f = await fixture(t, 5000);
    await f.loader().get(f.chunk, never);
    if (method === 'open' || method === 'commit') {
      await f.directory.remove(f.chunk.sha256!);
    }
    Object.assign(f.directory, { [method]: () => Promise.reject(new Error('no answer')) });
    const loader = f.loader();
    assert.deepEqual(await loader.get(f.chunk, never), f.data, method);
    assert.deepEqual(await loader.get(f.chunk, never), f.data, method);
    assert.deepEqual(f.notices.map((n) => n.kind), ['not-stored'], method);
    assert.equal(loader.full, true);
  }
});

test('without a store everything is fetched', async (t) => {
  const f = await fixture(t, 1000);
  const loader = f.loader({ storage: undefined });
  assert.deepEqual(await loader.get(f.chunk, never), f.data);
  assert.deepEqual(await loader.get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 2);
});

test('a chunk without a published hash is pinned at first sight', async (t) => {
  const f = await fixture(t, 5000);
  const chunk = { url: 'chunk.bin', bytes: 5000 };
  const loader = f.loader();
  assert.deepEqual(await loader.get(chunk, never), f.data);
  assert.equal(loader.unverified, true);
  assert.deepEqual(f.notices.map((n) => n.kind), ['not-verified']);
  assert.deepEqual(await f.loader().get(chunk, never), f.data);
  assert.equal(f.server.requests.length, 1);

  // The store lost its bytes and the host has other ones now.
  await f.directory.damage(await chunkKey(chunk, `${f.server.url}model/manifest.json`));
  f.server.fault = () => ({ corrupt: true });
  const error = await fails(f.loader().get(chunk, never), 'integrity');
  assert.equal(error.details.want, hash(f.data));
  f.server.fault = () => undefined;
  assert.deepEqual(await f.loader().get(chunk, never), f.data, 'the pin stays');
});

test('never more connections than asked for', async (t) => {
  const f = await fixture(t, 400_000);
  const loader = f.loader({ parallel: 3 });
  const chunks = Array.from({ length: 20 }, (_, i) => {
    const part = f.data.subarray(i * 20_000, (i + 1) * 20_000);
    return { url: 'chunk.bin', offset: i * 20_000, bytes: 20_000, sha256: hash(part) };
  });
  const parts = await Promise.all(chunks.map((c) => loader.get(c, never)));
  assert.deepEqual(new Uint8Array(Buffer.concat(parts)), f.data);
  assert.ok(f.server.busiest <= 3, `${f.server.busiest}`);
});

test('abort ends waiting, queueing and downloading', async (t) => {
  const f = await fixture(t, 50_000);
  f.server.fault = (_, i) => (i === 0 ? { stall: 10_000 } : { status: 503 });
  const abort = new AbortController();
  const { sleep } = defaultRetryPolicy;
  const loader = f.loader({ parallel: 2 }, { sleep });
  const parts = [0, 10_000, 20_000].map((offset) => loader.get({ url: 'chunk.bin', offset, bytes: 10_001 }, abort.signal));
  setTimeout(() => abort.abort(), 50);
  for (const result of await Promise.allSettled(parts)) {
    assert.equal(result.status, 'rejected');
    assert.equal((result as PromiseRejectedResult).reason.name, 'AbortError');
  }
  await assert.rejects(loader.get(f.chunk, abort.signal), { name: 'AbortError' });
});
