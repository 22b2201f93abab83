// Whether this browser can run a model, and why not, before anything is downloaded.

import { describe, findAdapter, limitError, missingLimit, offered, type AdapterInfo } from './device.ts';
import { fetchText } from './download.ts';
import { RuntimeError, type RuntimeErrorCode } from './errors.ts';
import { chunkKey } from './loader.ts';
import { manifestURL, parseManifest, type Manifest } from './manifest.ts';
import { bill, formatBytes, leastLimits, needs, type Bill, type BillOptions, type Limits } from './plan.ts';
import { FileStorage, type StoredModel } from './storage.ts';

/** An answer with its reason. */
export interface Verdict {
  ok: boolean;
  /** 'warning': it works, but not well. */
  severity: 'none' | 'warning' | 'error';
  /** Code of the error that create() would fail with. */
  code?: RuntimeErrorCode | undefined;
  /** Why, a sentence; empty if there is nothing to say. */
  cause: string;
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
}

const fine: Verdict = { ok: true, severity: 'none', cause: '', fix: '' };

function warning(cause: string, fix: string, code?: RuntimeErrorCode): Verdict {
  return { ok: true, severity: 'warning', code, cause, fix };
}

function refused(error: unknown): Verdict {
  if (!(error instanceof RuntimeError)) {
    throw error;
  }
  return { ok: false, severity: 'error', code: error.code, cause: error.message, fix: error.hint };
}

/** Looks at the browser and the GPU. Opens nothing, downloads nothing; never rejects. */
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
      ? warning('WebGPU is emulated by the processor: replies are right, but slow', "Switch hardware acceleration on in the browser's settings.")
      : fine;
  const features = ['shader-f16', 'subgroups'].filter((f) => adapter.features.has(f as GPUFeatureName));
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  const persisted = await navigator.storage.persisted();
  return { ...verdict, adapter: info, limits, features, storage: { quota, usage, persisted } };
}

/**
 * Says whether a model runs here and what it takes; fetches only its manifest, a few KB. Rejects only when aborted.
 *
 * model is the URL of a manifest.json, or of its directory.
 */
export async function canRun(model: string, options: BillOptions & { signal?: AbortSignal } = {}): Promise<ModelVerdict> {
  try {
    const base = globalThis.document?.baseURI ?? location.href;
    const url = manifestURL(model, base);
    const adapter = await findAdapter();
    const storage = await FileStorage.open();
    const signal = options.signal ?? new AbortController().signal;
    const manifest = parseManifest(await fetchText(url, signal), url);
    const total = bill(manifest, options);
    const stored = storage ? await storedBytes(storage, manifest) : 0;
    return { ...(await judge(adapter, total, stored, needs(manifest.config, options))), bill: total, stored };
  } catch (error) {
    return refused(error);
  }
}

async function judge(adapter: GPUAdapter, total: Bill, stored: number, want: Limits): Promise<Verdict> {
  const missing = missingLimit(offered(adapter, want), want);
  if (missing) {
    return refused(limitError(missing));
  }
  if (describe(adapter).software) {
    return warning('WebGPU is emulated by the processor: replies are right, but slow', "Switch hardware acceleration on in the browser's settings.");
  }
  // WebGPU does not tell how much memory a GPU has. One that offers no more than the least limits has little.
  const gib = 2 ** 30;
  if (total.total > 4 * gib && adapter.limits.maxBufferSize < gib) {
    return warning(
      `the model takes ${formatBytes(total.total)} of GPU memory, which this GPU may not have`,
      'Close other programs that use the GPU, or take a smaller model.', 'out-of-memory',
    );
  }
  const room = await roomFor(total.download - stored);
  if (room < 0) {
    return warning(
      `the browser's storage lacks ${formatBytes(-room)}: the weights will be downloaded again on each visit`,
      'Free disk space or delete other stored models.', 'quota',
    );
  }
  return fine;
}

/** Bytes that the browser's storage has left after another so many; negative if it has not enough. */
export async function roomFor(bytes: number): Promise<number> {
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  return quota - usage - bytes;
}

/** Bytes of a model's chunks that are stored. */
export async function storedBytes(storage: FileStorage, manifest: Manifest): Promise<number> {
  const sizes = await Promise.all(
    manifest.chunks.map(async (c) => ((await storage.record(await chunkKey(c, manifest.url))) ? c.bytes : 0)),
  );
  return sizes.reduce((n, b) => n + b, 0);
}

/** Lists the models in the browser's storage, the one used last first. */
export async function listModels(): Promise<StoredModel[]> {
  const models = (await (await FileStorage.open())?.list()) ?? [];
  return models.map(({ url, name, bytes, complete, lastUsed }) => ({ url, name, bytes, complete, lastUsed }));
}

/** Removes a model from the browser's storage; weights that it shares with another model stay. Says whether it was there. */
export async function deleteModel(model: string): Promise<boolean> {
  const url = manifestURL(model, globalThis.document?.baseURI ?? location.href);
  return (await (await FileStorage.open())?.deleteModel(url)) ?? false;
}
