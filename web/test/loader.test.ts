import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { defaultRetryPolicy, fetchText, type RetryPolicy } from '../src/shared/download.ts';
import type { Chunk, ChunkData } from '../src/shared/engine.ts';
import { RuntimeError } from '../src/shared/errors.ts';
import type { FileStates } from '../src/shared/file-state.ts';
import { addHeaders } from '../src/shared/files.ts';
import { parseManifest, type Manifest } from '../src/shared/manifest.ts';
import { changedChunks, fileReader } from '../src/shared/repository.ts';
import { chunkKey } from '../src/shared/storage.ts';
import { Loader, type LoaderOptions } from '../src/worker/loader.ts';
import type { Notice } from '../src/shared/protocol.ts';
import { Directory, FileDirectory, serve, type Server } from './server.ts';

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

test('headers go to the origin that they are for, and to no other', async (t) => {
  const [own, other] = [await fixture(t, 100), await fixture(t, 100)];
  addHeaders(`${own.server.url}model/manifest.json`, { authorization: 'Bearer key' });
  await own.loader().get({ ...own.chunk, offset: 0 }, never);
  await other.loader().get(other.chunk, never);
  await fetchText(`${own.server.url}model/chunk.bin`, never);
  assert.deepEqual(own.server.requests.map((r) => r.headers.authorization), ['Bearer key', 'Bearer key']);
  assert.ok(own.server.requests[0]!.range, 'its own headers are there too');
  assert.deepEqual(other.server.requests.map((r) => r.headers.authorization), [undefined]);
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
  assert.deepEqual(new Uint8Array(Buffer.concat(parts as Uint8Array[])), f.data);
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

test('bytes that trickle count as none', async (t) => {
  const f = await fixture(t, 100_000);
  f.server.fault = (_, i) => (i < 2 ? { trickle: 20 } : undefined);
  assert.deepEqual(await f.loader({}, { stall: 300 }).get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 3);
  f.server.fault = () => ({ trickle: 20 });
  const error = await fails(f.loader({ storage: undefined }, { stall: 300, attempts: 3 }).get(f.chunk, never), 'download');
  assert.match(error.message, /fewer than 1024 bytes a second for 0.3 s \(3 attempts\)/);
});

test('bytes of two versions of a file are not mixed in a chunk', async (t) => {
  for (const header of ['last-modified', 'etag']) {
    const f = await fixture(t, 400_000);
    f.server.fault = (_, i) => ({ ...(i === 0 ? { cut: 200_000, corrupt: true } : {}), headers: { [header]: i === 0 ? '"one"' : '"two"' } });
    const chunk = { url: 'chunk.bin', offset: 1000, bytes: 399_000 };
    assert.deepEqual(await f.loader().get(chunk, never), new Uint8Array(f.data.subarray(1000)), header);
    assert.deepEqual(f.server.requests.map((r) => r.range?.startsWith('bytes=1000-')), [true, false, true], header);
  }
});

test('a file without a hash that changes while the model is loaded is an error', async (t) => {
  const f = await fixture(t, 5000);
  const url = `${f.server.url}model/chunk.bin`;
  const files = { [url]: { etag: '', modified: 'then', bytes: 5000, head: '' } };
  f.server.fault = () => ({ headers: { 'last-modified': 'now' } });
  const error = await fails(f.loader({ files }).get({ url: 'chunk.bin', offset: 0, bytes: 1000 }, never), 'download');
  assert.match(error.message, /has changed on the host since the model was opened/);
  assert.deepEqual(await f.loader({ files }).get(f.chunk, never), f.data, 'a hash tells better');
});

test('the files of a repository that changed between two visits are known', async (t) => {
  const f = await fixture(t, 2000);
  const base = `${f.server.url}model/manifest.json`;
  const visit = async (headers: Record<string, string> = {}) => {
    const files: FileStates = {};
    f.server.fault = () => ({ headers });
    assert.equal((await fileReader(base, never, files)('chunk.bin', 0, 1000))!.size, 2000);
    await fileReader(base, never, files)('chunk.bin', 1000, 1000);
    return files;
  };
  const chunks = [{ url: 'chunk.bin', offset: 0, bytes: 100 }, { url: 'chunk.bin', offset: 100, bytes: 100, sha256: 'a' }, { url: 'other.bin', bytes: 1 }];
  const changed = (before: FileStates | undefined, files: FileStates) => changedChunks(before, { url: base, chunks, files } as unknown as Manifest);
  const plain = await visit();
  const tagged = await visit({ etag: '"1"' });
  const dated = await visit({ 'last-modified': 'a' });
  for (const same of [[plain, await visit()], [tagged, await visit({ etag: '"1"', 'last-modified': 'b' })], [dated, await visit({ 'last-modified': 'a' })]]) {
    assert.deepEqual(changed(same[0], same[1]!), []);
  }
  assert.deepEqual(changed(undefined, plain), []);
  assert.deepEqual(changed(tagged, await visit({ etag: '"2"' })), [chunks[0]]);
  assert.deepEqual(changed(dated, await visit({ 'last-modified': 'b' })), [chunks[0]]);
  f.data[1500]! ^= 1; // of what is read to open the model
  assert.deepEqual(changed(plain, await visit()), [chunks[0]]);
});

test('a redirect to where a model may not ask is not used', async (t) => {
  const f = await fixture(t, 1000);
  const elsewhere = await serve({ '/chunk.bin': f.data });
  t.after(() => elsewhere.close());
  f.server.fault = (path) => (path === '/model/chunk.bin' ? { redirect: `${elsewhere.url}chunk.bin` } : undefined);
  const error = await fails(f.loader().get(f.chunk, never), 'download');
  assert.match(error.message, /is not asked, because it is not https/);
  assert.equal(f.server.requests.length, 1, 'it is not tried again');
  f.server.fault = (path) => (path === '/model/chunk.bin' ? { redirect: '/moved/chunk.bin' } : undefined);
  const moved = await serve({ '/model/chunk.bin': f.data, '/moved/chunk.bin': f.data });
  t.after(() => moved.close());
  moved.fault = f.server.fault;
  assert.deepEqual(await f.loader({ base: `${moved.url}model/manifest.json` }).get(f.chunk, never), f.data);
});

test('a manifest that names other places is refused', () => {
  const config = Object.fromEntries(['num_hidden_layers', 'hidden_size', 'intermediate_size', 'num_attention_heads', 'num_key_value_heads', 'head_dim',
    'num_local_experts', 'num_experts_per_tok', 'vocab_size', 'sliding_window', 'max_position_embeddings'].map((k) => [k, 1]));
  const text = (url: string) => JSON.stringify({ format: 'gossamer-manifest', version: 1, config: { ...config, layer_types: [] }, chunks: [{ url, bytes: 1 }] });
  const base = 'https://models.example.org/manifest.json';
  assert.equal(parseManifest(text('https://cdn.example.net/a'), base).chunks.length, 1);
  for (const url of ['http://127.0.0.1/a?x=1', 'https://192.168.0.1/a', '../a', 'https://user:secret@models.example.org/a']) {
    assert.throws(() => parseManifest(text(url), base), (e) => e instanceof RuntimeError && e.code === 'bad-model' && !e.message.includes('secret'), url);
  }
});

test('small files are bounded in size and time', async (t) => {
  const f = await fixture(t, 20_000_000);
  const policy = { ...defaultRetryPolicy, stall: 300, sleep: async () => {} };
  const url = `${f.server.url}model/chunk.bin`;
  assert.match((await fails(fetchText(url, never, { ...policy, stall: defaultRetryPolicy.stall }), 'download')).message, /more than 8388608 bytes/);
  f.server.fault = () => ({ trickle: 20 });
  assert.match((await fails(fetchText(url, never, policy), 'download')).message, /fewer than 1024 bytes a second/);
  f.server.fault = () => ({ wait: new Promise(() => {}) });
  assert.match((await fails(fetchText(url, never, policy), 'download')).message, /no answer for 0.3 s/);
  assert.equal(f.server.requests.length, 7);
  f.server.fault = () => ({ noRange: true });
  assert.match((await fails(Promise.resolve(fileReader(url, never, {}, policy)('chunk.bin', 0, 1000)), 'download')).message, /serves whole files only/);
});

test('a manifest that gives another length to a hash does not remove the stored chunk', async (t) => {
  const f = await fixture(t, 5000);
  await f.loader().get(f.chunk, never);
  await fails(f.loader().get({ ...f.chunk, url: 'other.bin', bytes: 5 }, never), 'bad-model');
  assert.deepEqual(await f.loader().get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 1);
});

/** A store whose files are opened for reading. */
async function fileFixture(t: TestContext, nBytes: number): Promise<Fixture & { closed: () => boolean }> {
  const f = await fixture(t, nBytes);
  const files = new FileDirectory(f.directory.path);
  return { ...f, directory: files, closed: () => files.opened === 0, loader: (options, p) => f.loader({ storage: files, ...options }, p) };
}

/** The bytes of a chunk that has to come from a file. */
async function ofFile(data: ChunkData): Promise<Uint8Array> {
  assert.ok(!(data instanceof Uint8Array), 'it is not a file');
  const [first, second] = [new Uint8Array(1001), new Uint8Array(data.length - 1001)];
  data.read(second, 1001);
  data.read(first, 0);
  assert.deepEqual(await data.bytes(), new Uint8Array(Buffer.concat([first, second])));
  return data.bytes();
}

const busy = async () => {};
const asFile = (loader: Loader, chunk: Chunk) => loader.get(chunk, never, undefined, true);

test('a stored chunk is read from its file, and verified afterwards', async (t) => {
  const f = await fileFixture(t, 300_000);
  const first = f.loader();
  assert.deepEqual(await asFile(first, f.chunk), f.data);
  assert.equal(await first.verify(never, () => assert.fail('nothing came from a file')), 0);
  let counted = 0;
  const loader = f.loader();
  const file = await loader.get(f.chunk, never, (n) => (counted += n), true);
  assert.deepEqual(await ofFile(file), f.data);
  loader.release(file);
  assert.equal(counted, f.data.length);
  let pauses = 0;
  assert.equal(await loader.verify(never, async () => void pauses++), 0);
  assert.equal(pauses, 1);
  assert.equal(f.server.requests.length, 1);
  assert.ok(f.closed());
});

test('a damaged file is found by the verification, and its chunk fetched anew', async (t) => {
  for (const published of [true, false]) {
    const f = await fileFixture(t, 300_000);
    const chunk = published ? f.chunk : { url: 'chunk.bin', bytes: f.chunk.bytes };
    const key = await chunkKey(chunk, `${f.server.url}model/manifest.json`);
    await f.loader().get(chunk, never);
    await f.directory.damage(key);
    const loader = f.loader();
    const file = await asFile(loader, chunk);
    assert.notDeepEqual(await ofFile(file), f.data);
    loader.release(file);
    assert.equal(await loader.verify(never, busy), 1);
    const next = f.loader();
    assert.deepEqual(await asFile(next, chunk), f.data);
    assert.equal(await next.verify(never, busy), 0);
    assert.equal(f.server.requests.length, 2);
    if (!published) { // the hash that was seen at first is still known
      await f.directory.damage(key);
      const again = f.loader();
      again.release(await asFile(again, chunk));
      assert.equal(await again.verify(never, busy), 1);
      f.server.fault = () => ({ corrupt: true });
      assert.equal((await fails(f.loader().get(chunk, never), 'integrity')).details.want, hash(f.data));
    }
    assert.ok(f.closed());
  }
});

test('a file that cannot be read in parts is taken as a whole, verified', async (t) => {
  const f = await fileFixture(t, 50_000);
  await f.loader().get(f.chunk, never);
  await f.directory.damage(f.chunk.sha256!);
  const loader = f.loader();
  loader.release(await asFile(loader, f.chunk));
  assert.deepEqual(await loader.get(f.chunk, never), f.data);
  assert.equal(f.server.requests.length, 2, 'it was damaged');
});

test('a model that is deleted while it is verified is not damaged', async (t) => {
  const f = await fileFixture(t, 50_000);
  await f.loader().get(f.chunk, never);
  const loader = f.loader();
  loader.release(await asFile(loader, f.chunk));
  assert.equal(await loader.verify(never, () => f.directory.remove(f.chunk.sha256!)), 0);
});

test('a file of another length is not the chunk', async (t) => {
  const f = await fileFixture(t, 50_000);
  await f.loader().get(f.chunk, never);
  const writer = await f.directory.open(f.chunk.sha256!, 30_000);
  writer.close();
  assert.deepEqual(await asFile(f.loader(), f.chunk), f.data);
  await fails(asFile(f.loader(), { ...f.chunk, url: 'other.bin', bytes: 5 }), 'bad-model');
  assert.ok(f.closed());
});

test('the verification ends when it is aborted', async (t) => {
  const f = await fileFixture(t, 5000);
  await f.loader().get(f.chunk, never);
  const loader = f.loader();
  loader.release(await asFile(loader, f.chunk));
  const abort = new AbortController();
  await assert.rejects(loader.verify(abort.signal, async () => abort.abort()), { name: 'AbortError' });
});
