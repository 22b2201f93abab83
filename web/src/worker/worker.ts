// The worker: opens the device, the storage and the engine, and answers the page's requests (protocol.ts). One worker opens one
// model, once; if the device is lost the page starts another worker. Other tabs may use its engine (host.ts).

import { startEngine } from './bridge.ts';
import { describe, openDevice } from '../shared/device.ts';
import type { Engine, Program } from '../shared/engine.ts';
import { isAbort, RuntimeError, toWire } from '../shared/errors.ts';
import { addFiles } from '../shared/files.ts';
import { Host, type ClientSession } from './host.ts';
import { Loader } from './loader.ts';
import { modelName, parseManifest, type Manifest } from '../shared/manifest.ts';
import { contextFor, formatBytes, needs } from '../shared/plan.ts';
import { Meter } from './progress.ts';
import type { JoinOptions, ModelInfo, Notice, OpenMessage, Progress, Request, Response } from '../shared/protocol.ts';
import { fileReader, readManifest } from '../shared/repository.ts';
import { chunkKey, FileStorage, roomFor, storedBytes } from '../shared/storage.ts';
import { hasPassed, setPassed } from './verdict.ts';

const global = globalThis as unknown as { postMessage(message: Response): void };

let engine: Engine | undefined;
let device: GPUDevice | undefined;
let closed = false;
/** Resolves when the device is lost. */
let lost: Promise<void> = new Promise(() => {});
/** Resolves when the model is open, and never if it cannot be opened: clients of other tabs then open it themselves. */
let opening: Promise<ModelInfo> = new Promise(() => {});
let host: Host | undefined;

/** The sessions that wait for the model to be opened, with the ids of their requests, and what has been sent to them. */
const waiting = new Map<Session, number>();
const notices: Notice[] = [];
let progress: Progress | undefined;

type Answerable = Exclude<Request, { kind: 'abort' }>;

/** Answers the requests of one client: the page, or another tab. */
class Session implements ClientSession {
  readonly send: (message: Response) => void;
  /** Of the service worker that the client is in. */
  readonly scope: string | undefined;
  /** Of the requests in progress. */
  private readonly aborts = new Map<number, AbortController>();

  constructor(send: (message: Response) => void, scope?: string) {
    this.send = send;
    this.scope = scope;
  }

  receive(request: Request): void {
    if (request.kind === 'abort') {
      this.aborts.get(request.id)?.abort();
    } else {
      void this.answer(request);
    }
  }

  /** Ends the requests in progress. */
  end(): void {
    waiting.delete(this);
    this.aborts.forEach((abort) => abort.abort());
  }

  /** Answers a request with exactly one last message. */
  private async answer(request: Answerable): Promise<void> {
    const { id } = request;
    const abort = new AbortController();
    this.aborts.set(id, abort);
    try {
      this.send(await perform(this, request, abort.signal));
    } catch (error) {
      // A request that fails because the device is lost may fail before the loss is reported. The page repeats it with the next worker.
      if (isAbort(error) || !(await lostSoon())) {
        this.send({ kind: 'error', id, error: toWire(error) });
      }
    } finally {
      this.aborts.delete(id);
    }
  }
}

const page = new Session((message) => global.postMessage(message));
globalThis.addEventListener('message', (event) => page.receive((event as MessageEvent<Request>).data));

async function perform(session: Session, request: Answerable, signal: AbortSignal): Promise<Response> {
  const { id } = request;
  switch (request.kind) {
    case 'open': {
      waiting.set(session, id);
      const info = open(request, signal);
      opening = info.catch(() => new Promise(() => {}));
      if (request.share) {
        host = new Host(request.manifestURL, (send, scope) => new Session(send, scope));
      }
      return { kind: 'opened', id, info: await info };
    }
    case 'join':
      waiting.set(session, id);
      notices.forEach((notice) => session.send({ kind: 'notice', id, notice }));
      if (progress) {
        session.send({ kind: 'progress', id, progress });
      }
      return { kind: 'opened', id, info: checkJoin(await opening, request) };
    case 'chat':
      await opened().chat(request.body, (json) => signal.aborted || session.send({ kind: 'frame', id, json }), signal);
      return { kind: 'done', id };
    case 'tokenize':
      return { kind: 'tokens', id, tokens: Array.from(opened().tokenize(request.text)) };
    case 'detokenize':
      return { kind: 'text', id, text: opened().detokenize(Int32Array.from(request.tokens)) };
    case 'stats':
      return { kind: 'stats', id, stats: await opened().stats() };
    case 'ping':
      if (session.scope !== undefined) {
        page.send({ kind: 'awake', id: 0, scope: session.scope });
      }
      return { kind: 'pong', id };
    case 'close':
      closed = true;
      host?.close();
      await engine?.close();
      device?.destroy();
      return { kind: 'done', id };
  }
}

/** Refuses a client that asks for more than the model was opened with. */
function checkJoin(info: ModelInfo, { context, kv }: JoinOptions): ModelInfo {
  if (context !== undefined && context > info.context) {
    throw new RuntimeError('conflict', `another tab has opened the model with a context of ${info.context}, this one asks for ${context}`);
  }
  if (kv !== undefined && kv !== info.kv) {
    throw new RuntimeError('conflict', `another tab has opened the model with ${info.kv} keys and values, this one asks for ${kv}`);
  }
  return info;
}

function opened(): Engine {
  if (!engine) {
    throw new RuntimeError('closed', 'no model is open');
  }
  return engine;
}

async function open(m: OpenMessage, signal: AbortSignal): Promise<ModelInfo> {
  const meter = new Meter((p) => {
    progress = p;
    waiting.forEach((id, session) => session.send({ kind: 'progress', id, progress: p }));
  });
  const notify = (notice: Notice) => {
    notices.push(notice);
    waiting.forEach((id, session) => session.send({ kind: 'notice', id, notice }));
  };
  meter.begin('prepare');
  if (m.files) {
    await addFiles(m.files);
  }

  const storage = m.store ? await FileStorage.open() : undefined;
  if (m.store && !storage) {
    notify({ kind: 'not-stored', message: 'This browser or window keeps no files: the model is downloaded on each visit.' });
  }
  const starting = compile(m.wasmURL, signal).then(startEngine);
  const [manifest, program, vocabulary] = await Promise.all([
    readManifest(m.manifestURL, storage, (missing) => deriveManifest(m.manifestURL, starting, missing, signal), signal, () =>
      notify({ kind: 'offline', message: 'The host of the model cannot be reached: what is stored is used.' })),
    starting,
    readVocabulary(m.vocabularyURL, signal),
  ]);
  const gpu = await openDevice(needs(manifest.config, m), m.limits);
  device = gpu.device;
  lost = watch(gpu.device, m.id);
  const adapter = describe(gpu.adapter);
  if (adapter.software) {
    notify({ kind: 'software-adapter', message: 'WebGPU is emulated by the processor: replies are right, but slow.' });
  }

  const loader = new Loader({
    base: manifest.url, storage, parallel: m.parallel, onNotice: notify, onFetched: (n) => meter.addFetched(n),
  });
  if (storage) {
    await announce(storage, manifest, notify);
  }
  engine = await program.open({
    manifest: manifest.text,
    model: modelName(manifest.url),
    vocabulary,
    device: gpu.device,
    adapterInfo: gpu.adapter.info,
    store: {
      parallel: loader.parallel,
      get: (chunk, signal, onBytes) =>
        loader.get(chunk, signal, (n) => {
          meter.add(n);
          onBytes?.(n);
        }),
      release: (bytes) => loader.release(bytes),
    },
    context: contextFor(manifest.config, m),
    kv: m.kv,
    // The processor's emulation of WebGPU computes rightly, and compiles for a minute.
    tested: adapter.software || (await hasPassed(gpu.adapter.info, m.wasmURL)),
    signal,
    onPhase: (phase) => meter.begin(phase, manifest.bytes),
  });
  if (engine.info.deviation !== undefined) {
    await setPassed(gpu.adapter.info, m.wasmURL);
  }
  const stored = storage !== undefined && !loader.full;
  if (stored) {
    await recordModel(storage, manifest, true);
  }
  meter.begin('ready');
  return { ...engine.info, url: manifest.url, adapter, verified: !loader.unverified, stored };
}

/** Has the engine make a manifest, without hashes, for a repository that has none. */
async function deriveManifest(url: string, program: Promise<Program>, missing: RuntimeError, signal: AbortSignal): Promise<Manifest> {
  let text: string;
  try {
    text = await (await program).derive(fileReader(url, signal), signal);
  } catch (error) {
    throw isAbort(error) ? error : new RuntimeError('download', `${missing.message}, nor is there a repository: ${(error as Error).message}`, missing.details);
  }
  return parseManifest(text, url);
}

/** Fetches and compiles the program. */
async function compile(url: string, signal: AbortSignal): Promise<WebAssembly.Module> {
  let response: globalThis.Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    throw isAbort(error) ? error : new RuntimeError('download', `${url}: ${(error as Error).message}`, { url, hint: assetHint });
  }
  if (!response.ok) {
    throw new RuntimeError('download', `${url}: the host answers ${response.status}`, { url, status: response.status, hint: assetHint });
  }
  // Some hosts do not know the type application/wasm, which streaming asks for.
  return response.headers.get('content-type') === 'application/wasm'
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}

const assetHint = 'Serve the files of the package\'s dist directory beside each other, or give wasmURL, workerURL and vocabularyURL.';

/** Fetches and unpacks the vocabulary. */
async function readVocabulary(url: string, signal: AbortSignal): Promise<Uint8Array> {
  let packed: Uint8Array<ArrayBuffer>;
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) {
      throw new Error(`the host answers ${response.status}`);
    }
    packed = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw isAbort(error) ? error : new RuntimeError('download', `${url}: ${(error as Error).message}`, { url, hint: assetHint });
  }
  // Some hosts send .gz files as something that the browser unpacks.
  if (packed[0] !== 0x1f || packed[1] !== 0x8b) {
    return packed;
  }
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new globalThis.Response(unpacked).arrayBuffer());
}

/** Records which chunks the model will have, and sends a notice if the browser has no room for them. */
async function announce(storage: FileStorage, manifest: Manifest, notify: (n: Notice) => void): Promise<void> {
  const room = await roomFor(manifest.bytes - (await storedBytes(storage, manifest)));
  if (room < 0) {
    notify({
      kind: 'quota',
      message: `The browser's storage lacks ${formatBytes(-room)}: a part of the weights will be downloaded again on the next visit.`,
    });
  }
  await recordModel(storage, manifest, false);
}

async function recordModel(storage: FileStorage, manifest: Manifest, complete: boolean): Promise<void> {
  const chunks = await Promise.all(manifest.chunks.map((c) => chunkKey(c, manifest.url)));
  const { url, bytes, text } = manifest;
  try {
    await storage.setModel({ url, name: modelName(url), bytes, complete, lastUsed: Date.now(), manifest: text, chunks });
  } catch {
    // Then the model is not listed. Whether chunks can be stored is noticed when they are.
  }
}

/** Tells the page when the device is lost, and resolves then. Closing the device is not a loss. */
async function watch(device: GPUDevice, id: number): Promise<void> {
  const { reason, message } = await device.lost;
  // The engine closes the device where it cannot be opened.
  if (closed || (reason === 'destroyed' && !engine)) {
    return new Promise(() => {});
  }
  const error = new RuntimeError('device-lost', `the GPU was lost: ${(message || reason).replace(/\.$/, '')}`);
  page.send({ kind: 'lost', id, error: toWire(error) });
}

/** Whether the device is lost, or is reported as lost within 100 ms. */
function lostSoon(): Promise<boolean> {
  const moment = new Promise<false>((resolve) => setTimeout(() => resolve(false), 100));
  return Promise.race([lost.then(() => true), moment]);
}
