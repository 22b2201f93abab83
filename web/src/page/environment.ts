// Whether this browser can run a model, and why not, before anything is downloaded.

import { describe, findAdapter, limitError, missingLimit, offered, type AdapterInfo } from '../shared/device.ts';
import { addFiles, addHeaders, setFetch, type Fetch, type LocalFiles } from '../shared/files.ts';
import { errorOf, RuntimeError, type RuntimeErrorCode } from '../shared/errors.ts';
import { baseURL, manifestURL, parseManifest, readConfig, type Manifest } from '../shared/manifest.ts';
import { bill, cpuRefusal, leastLimits, needs, type Bill, type BillOptions, type Limits } from '../shared/plan.ts';
import { names } from '../shared/protocol.ts';
import { sentenceOf, type Reason, type ReasonName } from '../shared/reasons.ts';
import { fileReader, readManifest } from '../shared/repository.ts';
import { FileStorage, roomFor, storedBytes, type StoredModel } from '../shared/storage.ts';

/** An answer with its reason. */
export interface Verdict {
  ok: boolean;
  /** 'warning': it works, but not well. */
  severity: 'none' | 'warning' | 'error';
  /** Code of the error that create() would fail with. */
  code?: RuntimeErrorCode | undefined;
  /** Why, a sentence; empty if there is nothing to say. */
  cause: string;
  /** The same, for whoever says it in another language. */
  reason?: Reason | undefined;
  /** What one can do, a sentence; empty if nothing needs to be done. */
  fix: string;
}

/** What this browser and machine offer. */
export interface Environment extends Verdict {
  adapter?: AdapterInfo;
  /** Of the adapter, by WebGPU's names. */
  limits?: Limits;
  /** 'shader-f16' and 'subgroups', where the adapter has them. */
  features?: string[];
  /** Of this origin, in bytes, as far as the browser tells. */
  storage?: { quota: number; usage: number; persisted: boolean };
}

/** Whether a model runs here, and what it takes. */
export interface ModelVerdict extends Verdict {
  /** undefined where the manifest cannot be read. */
  bill?: Bill;
  /** Bytes of the weights that are stored already. */
  stored?: number;
  /** Whether hashes are published for every byte. */
  verified?: boolean;
}

const fine: Verdict = { ok: true, severity: 'none', cause: '', fix: '' };

function warning(name: ReasonName, values: Reason['values'], fix: string, code?: RuntimeErrorCode): Verdict {
  const reason = { name, values };
  return { ok: true, severity: 'warning', code, cause: sentenceOf(reason), reason, fix };
}

function refused(error: unknown): Verdict {
  if (!(error instanceof RuntimeError)) {
    throw error;
  }
  return { ok: false, severity: 'error', code: error.code, cause: error.message, reason: error.details.reason, fix: error.hint };
}

/** Checks the browser and the GPU, without opening or downloading anything. Never rejects. */
export async function environment(): Promise<Environment> {
  let adapter: GPUAdapter;
  try {
    adapter = await findAdapter();
  } catch (error) {
    return refused(error);
  }
  const info = describe(adapter);
  const limits = offered(adapter, { ...leastLimits, maxStorageBufferBindingSize: 0, maxBufferSize: 0 });
  const missing = missingLimit(limits, leastLimits);
  const verdict = missing
    ? refused(limitError(missing))
    : info.software
      ? warning('emulated', {}, "Switch hardware acceleration on in the browser's settings.")
      : fine;
  const features = ['shader-f16', 'subgroups'].filter((f) => adapter.features.has(f as GPUFeatureName));
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  const persisted = await navigator.storage.persisted();
  return { ...verdict, adapter: info, limits, features, storage: { quota, usage, persisted } };
}

/**
 * Says whether a model runs here and what it takes; fetches only its manifest, or the configuration of a repository that has none.
 * Rejects only when aborted.
 *
 * model, headers and fetch are as create() takes them.
 */
export async function canRun(
  model: string | LocalFiles, options: BillOptions & { signal?: AbortSignal; headers?: Record<string, string>; fetch?: Fetch } = {},
): Promise<ModelVerdict> {
  try {
    const url = manifestURL(typeof model === 'string' ? model : await addFiles(model), baseURL());
    addHeaders(url, options.headers);
    setFetch(url, options.fetch);
    const adapter = options.backend === 'cpu' ? undefined : await findAdapter();
    const storage = await FileStorage.open();
    const signal = options.signal ?? new AbortController().signal;
    const manifest = await readManifest(url, storage, (missing) => outline(url, storage, missing, signal), signal);
    const total = bill(manifest, options, adapter && {
      limits: offered(adapter, { maxStorageBufferBindingSize: 0, maxBufferSize: 0 }), software: describe(adapter).software,
    });
    const stored = storage ? await storedBytes(storage, manifest) : 0;
    const verdict = adapter ? await judge(adapter, total, stored, needs(manifest.config, options)) : judgeCPU(manifest);
    return { ...verdict, bill: total, stored, verified: isVerified(manifest) };
  } catch (error) {
    return refused(error);
  }
}

/** Whether every chunk has a published hash; a repository's outline has no chunks. */
const isVerified = (m: Manifest) => m.chunks.length > 0 && m.chunks.every((c) => c.sha256 !== undefined);

/**
 * What a repository in Hugging Face's layout, which has no manifest, says of its size: a manifest without chunks, or the complete one
 * that the engine made on an earlier visit. missing: the error if there is no repository.
 */
async function outline(url: string, storage: FileStorage | undefined, missing: RuntimeError, signal: AbortSignal): Promise<Manifest> {
  const stored = await storage?.model(url);
  if (stored) {
    return parseManifest(stored.manifest, url);
  }
  const read = fileReader(url, signal);
  const text = async (name: string) => {
    const file = await read(name, 0, 1 << 20);
    return file && new TextDecoder().decode(file.data);
  };
  const config = await text('config.json');
  if (config === undefined) {
    throw missing;
  }
  const parsed = readConfig(json(config, url));
  if (!parsed) {
    throw errorOf('bad-model', 'other-config', {}, { url: new URL('config.json', url).href });
  }
  const index = await text('model.safetensors.index.json');
  const bytes = index ? (json(index, url) as { metadata?: { total_size?: number } }).metadata?.total_size : (await read('model.safetensors', 0, 8))?.size;
  if (!bytes) {
    throw errorOf('bad-model', 'no-weights', {}, {
      url, hint: 'GGUF files and other layouts must be packed first: gossamer pack.',
    });
  }
  return { url, text: '', config: parsed, chunks: [], bytes, vocabulary: true };
}

function json(text: string, url: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw errorOf('bad-model', 'damaged-files', {}, { url });
  }
}

async function judge(adapter: GPUAdapter, total: Bill, stored: number, want: Limits): Promise<Verdict> {
  const missing = missingLimit(offered(adapter, want), want);
  if (missing) {
    return refused(limitError(missing));
  }
  if (describe(adapter).software) {
    return warning('emulated', {}, "Switch hardware acceleration on in the browser's settings.");
  }
  // WebGPU does not say how much memory a GPU has. One whose limits are the least allowed has little.
  const gib = 2 ** 30;
  if (total.total > 4 * gib && adapter.limits.maxBufferSize < gib) {
    return warning('much-memory', { want: { bytes: total.total } }, 'Close other programs that use the GPU, or take a smaller model.', 'out-of-memory');
  }
  const room = await roomFor(total.download - stored);
  if (room < 0) {
    return warning('no-room', { want: { bytes: -room } }, 'Free disk space or delete other stored models.', 'quota');
  }
  return fine;
}

function judgeCPU(manifest: Manifest): Verdict {
  const refusal = cpuRefusal(manifest.config);
  return refusal ? refused(refusal) : warning('processor', {}, 'Use a browser with WebGPU where you can.');
}

/** Lists the models in the browser's storage, the one used last first. */
export async function listModels(): Promise<StoredModel[]> {
  const models = (await (await FileStorage.open())?.list()) ?? [];
  return models.map(({ url, name, bytes, complete, lastUsed }) => ({ url, name, bytes, complete, lastUsed }));
}

/** URLs of the manifests of the models that tabs of this site have open for each other. */
export async function openModels(): Promise<string[]> {
  const prefix = names.engine('');
  const { held = [] } = (await globalThis.navigator?.locks?.query()) ?? {}; // which pages that are not secure lack
  return held.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : []));
}

/** Removes a model from the browser's storage; weights that it shares with another model stay. Says whether it was there. */
export async function deleteModel(model: string): Promise<boolean> {
  const url = manifestURL(model, baseURL());
  return (await (await FileStorage.open())?.deleteModel(url)) ?? false;
}
