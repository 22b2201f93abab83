// The GPU: whether there is one, what it allows, and opening it with exactly the limits that a model needs.

import { errorOf, notBrowser, RuntimeError } from './errors.ts';
import type { Limits } from './plan.ts';

/** What the browser says about a GPU. */
export interface AdapterInfo {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
  /** The GPU is emulated by the processor: right, but slow. */
  software: boolean;
}

/** Finds the most capable adapter. Rejects with 'insecure-context' or 'no-webgpu'. */
export async function findAdapter(): Promise<GPUAdapter> {
  if (globalThis.isSecureContext === undefined) {
    throw notBrowser();
  }
  if (!globalThis.isSecureContext) {
    throw errorOf('insecure-context', 'insecure', { page: globalThis.location?.origin ?? 'this page' });
  }
  if (!globalThis.navigator?.gpu) {
    throw errorOf('no-webgpu', 'no-webgpu');
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw errorOf('no-webgpu', 'no-adapter', {}, {
      hint: 'Switch hardware acceleration on in the browser\'s settings and update the GPU\'s driver; the browser\'s GPU page (chrome://gpu) says what it blocks.',
    });
  }
  return adapter;
}

/** Describes an adapter. */
export function describe(adapter: GPUAdapter): AdapterInfo {
  const { vendor, architecture, device, description } = adapter.info;
  const info = adapter.info as GPUAdapterInfo & { isFallbackAdapter?: boolean };
  const software = info.isFallbackAdapter === true || /swiftshader|llvmpipe|basic render/i.test(`${architecture} ${device} ${description}`);
  return { vendor, architecture, device, description, software };
}

/** The first limit that is too small, or undefined. */
export function missingLimit(have: Limits, want: Limits): { limit: string; want: number; got: number } | undefined {
  for (const [limit, least] of Object.entries(want)) {
    const got = have[limit];
    if (got !== undefined && got < least) {
      return { limit, want: least, got };
    }
  }
  return undefined;
}

/** What an adapter allows of the limits in want, lowered to bounds. */
export function offered(adapter: GPUAdapter, want: Limits, bounds: Limits = {}): Limits {
  const limits = adapter.limits as unknown as Limits;
  const all: Limits = {};
  for (const name of Object.keys(want)) {
    all[name] = Math.min(limits[name] ?? Infinity, bounds[name] ?? Infinity);
  }
  return all;
}

/** The error for a limit that is too small. */
export function limitError({ limit, want, got }: { limit: string; want: number; got: number }): RuntimeError {
  const value = (n: number) => (/Size$/.test(limit) && n >= 1024 ? { bytes: n } : n);
  return errorOf('limits', 'limit', { limit, got: value(got), want: value(want) }, { limit, want, got });
}

/** Products of matrices by subgroups: Chrome has them behind its flag for unsafe WebGPU. */
const matrixFeature = 'chromium-experimental-subgroup-matrix';

/** Opens the device for a model that needs these limits. The features that make it faster are taken where they are. */
export async function openDevice(want: Limits, bounds?: Limits): Promise<{ device: GPUDevice; adapter: GPUAdapter }> {
  const adapter = await findAdapter();
  const have = offered(adapter, want, bounds);
  const missing = missingLimit(have, want);
  if (missing) {
    throw limitError(missing);
  }
  // The larger these two are, the fewer parts a tensor is split into. Of the other limits no more is of use than the model needs.
  const requiredLimits: Limits = { ...want, maxStorageBufferBindingSize: have.maxStorageBufferBindingSize!, maxBufferSize: have.maxBufferSize! };
  const requiredFeatures = (['shader-f16', 'subgroups', matrixFeature] as GPUFeatureName[]).filter((f) => adapter.features.has(f));
  if (adapter.features.has(matrixFeature as GPUFeatureName)) {
    requiredLimits['maxComputeWorkgroupStorageSize'] = adapter.limits.maxComputeWorkgroupStorageSize; // the parts that matrices are made of lie there
  }
  try {
    return { device: await adapter.requestDevice({ label: 'gossamer', requiredLimits, requiredFeatures }), adapter };
  } catch (error) {
    throw errorOf('no-webgpu', 'gpu-not-opened', { why: (error as Error).message }, {
      hint: 'Reload the page; if that does not help, restart the browser and update the GPU\'s driver.',
    });
  }
}
