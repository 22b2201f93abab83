// Opens a model: fetches its manifest and the package's files, opens the device and the storage, and starts the engine.

import { startEngine } from './bridge.ts';
import { askPage } from './ask-page.ts';
import { Loader } from './loader.ts';
import { Meter } from './progress.ts';
import { hasPassed, setPassed } from './verdict.ts';
import { formatBytes } from '../shared/bytes.ts';
import { describe, openDevice } from '../shared/device.ts';
import { defaultRetryPolicy, type RetryPolicy } from '../shared/download.ts';
import type { Engine, Program } from '../shared/engine.ts';
import { errorOf, isAbort, type RuntimeError } from '../shared/errors.ts';
import type { FileStates } from '../shared/file-state.ts';
import { addFiles, addHeaders, setFetch } from '../shared/files.ts';
import { modelName, parseManifest, type Manifest } from '../shared/manifest.ts';
import { contextFor, cpuRefusal, needs } from '../shared/plan.ts';
import type { ModelInfo, Notice, OpenMessage, Progress } from '../shared/protocol.ts';
import { changedChunks, fileReader, readManifest } from '../shared/repository.ts';
import { chunkKey, FileStorage, roomFor, storedBytes } from '../shared/storage.ts';

/** Called while a model is opened. */
export interface OpenEvents {
  onProgress(progress: Progress): void;
  onNotice(notice: Notice): void;
  /** The device is open; the engine closes it if the model cannot be opened. */
  onDevice(device: GPUDevice): void;
}

/** Opens a model with its device, its storage and its engine. Rejects with RuntimeError, or with the signal's reason. */
export async function openModel(m: OpenMessage, events: OpenEvents, signal: AbortSignal): Promise<{ engine: Engine; info: ModelInfo; loader: Loader }> {
  const notify = events.onNotice;
  const meter = new Meter(events.onProgress);
  meter.begin('prepare');
  const retryPolicy: RetryPolicy = { ...defaultRetryPolicy, onWait: (ms, status) => meter.wait(ms, status) };
  if (m.files) {
    await addFiles(m.files);
  }
  addHeaders(m.manifestURL, m.headers);
  setFetch('', m.fetchPort && askPage(m.fetchPort));

  const storage = m.store ? await FileStorage.open() : undefined;
  if (m.store && !storage) {
    notify({ kind: 'not-stored', message: 'This browser or window keeps no files: the model is downloaded on each visit.' });
  }
  const starting = compile(m.wasmURL, signal).then(startEngine);
  const [manifest, program, vocabulary] = await Promise.all([
    readManifest(m.manifestURL, storage, (missing) => deriveManifest(m.manifestURL, starting, missing, signal, retryPolicy), signal, () =>
      notify({ kind: 'offline', message: 'The host of the model cannot be reached: what is stored is used.' }), retryPolicy),
    starting,
    readVocabulary(m.vocabularyURL, signal),
  ]);
  const gpu = await findPlace(manifest, m, events);
  const adapter = gpu && describe(gpu.adapter);
  if (adapter?.software) {
    notify({ kind: 'software-adapter', message: 'WebGPU is emulated by the processor: replies are right, but slow.' });
  }

  const loader = new Loader({
    base: manifest.url, storage, parallel: m.parallel, files: manifest.files, onNotice: notify, onFetched: (n) => meter.addFetched(n), retryPolicy,
    hash: globalThis.crypto.subtle ? undefined : (bytes) => program.sha256(bytes),
  });
  if (storage) {
    await forgetChanged(storage, manifest, notify);
    await announce(storage, manifest, notify);
  }
  const engine = await program.open({
    manifest: manifest.text,
    model: modelName(manifest.url),
    vocabulary,
    device: gpu?.device,
    adapterInfo: gpu?.adapter.info,
    store: {
      parallel: loader.parallel,
      get: (chunk, signal, asFile) => loader.get(chunk, signal, (n) => meter.add(n), asFile),
      release: (bytes) => loader.release(bytes),
    },
    context: contextFor(manifest.config, m),
    kv: m.kv,
    // The processor's emulation of WebGPU is correct, and would take a minute to compile the self-test.
    tested: !gpu || adapter!.software || (await hasPassed(gpu.adapter.info, m.wasmURL)),
    signal,
    onPhase: (phase) => meter.begin(phase, manifest.bytes),
  });
  if (gpu && engine.info.deviation !== undefined) {
    await setPassed(gpu.adapter.info, m.wasmURL);
  }
  const stored = storage !== undefined && !loader.full;
  if (stored) {
    await recordModel(storage, manifest, true);
  }
  meter.begin('ready');
  return { engine, loader, info: { ...engine.info, url: manifest.url, adapter, verified: !loader.unverified, stored } };
}

/** Opens the GPU that the model needs; undefined: the processor is to compute, and can. */
async function findPlace(manifest: Manifest, m: OpenMessage, events: OpenEvents): Promise<{ device: GPUDevice; adapter: GPUAdapter } | undefined> {
  if (m.backend === 'cpu') {
    const refusal = cpuRefusal(manifest.config);
    if (refusal) {
      throw refusal;
    }
    return undefined;
  }
  const gpu = await openDevice(needs(manifest.config, m), m.limits);
  events.onDevice(gpu.device);
  return gpu;
}

/** Has the engine make a manifest, without hashes, for a repository that has none. */
async function deriveManifest(url: string, program: Promise<Program>, missing: RuntimeError, signal: AbortSignal, policy: RetryPolicy): Promise<Manifest> {
  let text: string;
  const files: FileStates = {};
  try {
    text = await (await program).derive(fileReader(url, signal, files, policy), signal);
  } catch (error) {
    throw isAbort(error) ? error : errorOf('download', 'no-repository', { status: missing.details.status ?? 0, why: (error as Error).message }, missing.details);
  }
  return { ...parseManifest(text, url), files };
}

/** Fetches one of the package's files. */
async function fetchAsset(url: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    throw isAbort(error) ? error : errorOf('download', 'unreachable', {}, { url, hint: assetHint });
  }
  if (!response.ok) {
    throw errorOf('download', 'answers', { status: response.status }, { url, status: response.status, hint: assetHint });
  }
  return response;
}

/** Fetches and compiles the program. */
async function compile(url: string, signal: AbortSignal): Promise<WebAssembly.Module> {
  const response = await fetchAsset(url, signal);
  // Some hosts do not know the type application/wasm, which streaming asks for.
  return response.headers.get('content-type') === 'application/wasm'
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}

const assetHint = 'Serve the files of the package\'s dist directory beside each other, or give wasmURL, workerURL and vocabularyURL.';

/** Fetches and unpacks the vocabulary. */
async function readVocabulary(url: string, signal: AbortSignal): Promise<Uint8Array> {
  const packed = new Uint8Array(await (await fetchAsset(url, signal)).arrayBuffer().catch((error) => {
    throw isAbort(error) ? error : errorOf('download', 'broke', {}, { url, hint: assetHint });
  }));
  // Some hosts send .gz files as something that the browser unpacks.
  if (packed[0] !== 0x1f || packed[1] !== 0x8b) {
    return packed;
  }
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

/** Removes what an earlier visit stored of files that have changed since, so that two versions are not mixed. */
async function forgetChanged(storage: FileStorage, manifest: Manifest, notify: (n: Notice) => void): Promise<void> {
  const changed = changedChunks((await storage.model(manifest.url).catch(() => undefined))?.files, manifest);
  if (changed.length > 0) {
    notify({ kind: 'changed', message: 'Files of this model have changed on its host: they are downloaded again.' });
  }
  for (const chunk of changed) {
    await storage.remove(await chunkKey(chunk, manifest.url));
  }
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
  const { url, bytes, text, files } = manifest;
  try {
    await storage.setModel({ url, name: modelName(url), bytes, complete, lastUsed: Date.now(), manifest: text, chunks, files });
  } catch {
    // Then the model is not listed. Whether chunks can be stored is noticed when they are.
  }
}
