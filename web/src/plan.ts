// What a model takes, computed from its configuration before anything is downloaded. The engine allocates by the same rules
// (runtime/model); its own bill, in ModelInfo.memory, is exact.

import { RuntimeError } from './errors.ts';
import type { Config, Manifest } from './manifest.ts';

/** What a model takes, in bytes. */
export interface Bill {
  /** To download, if nothing is stored. */
  download: number;
  /** Weights on the GPU. */
  weights: number;
  /** Keys and values of 1,024 tokens of context, in the layers that see all of it. */
  kvPer1kTokens: number;
  /** Keys and values that the sliding layers take in any case, and pages that conversations part by. */
  kvFixed: number;
  /** Activations, tables and logits, apart from what the context takes. */
  scratch: number;
  /** Positions that the sum below is for. */
  context: number;
  /** On the GPU, all together. */
  total: number;
  /** Weights that one token of a reply reads. */
  readPerToken: number;
}

/** Choices that change a bill. */
export interface BillOptions {
  /** Positions. Default: 32,768, or as many as the model has. */
  context?: number | undefined;
  /** Default: f16. */
  kv?: 'f16' | 'f32' | undefined;
}

// Of runtime/model and runtime/kv.
const pageTokens = 128;
const prefillTokens = 512;
const sequences = 4;
const checkpoints = 16;
const defaultContext = 32768;

const qDim = (c: Config) => c.num_attention_heads * c.head_dim;
const kvDim = (c: Config) => c.num_key_value_heads * c.head_dim;

/** Positions to make room for. A GPU does not tell its memory, so the default is moderate. */
export function contextFor(c: Config, o: BillOptions): number {
  const most = c.max_position_embeddings;
  const context = o.context ?? Math.min(defaultContext, most);
  if (!Number.isSafeInteger(context) || context < 1 || context > most) {
    throw new RuntimeError('bad-request', `context is ${context}, the model has 1 to ${most} positions`, { param: 'context' });
  }
  return context;
}

/** Adds up what a model takes. */
export function bill(manifest: Manifest, o: BillOptions = {}): Bill {
  const c = manifest.config;
  const context = contextFor(c, o);
  const pageBytes = 2 * pageTokens * kvDim(c) * (o.kv === 'f32' ? 4 : 2); // keys and values of one layer
  const fullLayers = c.layer_types.filter((t) => t === 'full_attention').length;
  const windowPages = Math.ceil((c.sliding_window - 1) / pageTokens) + 1;
  const slidingPages = sequences * (windowPages + prefillTokens / pageTokens + 1) + checkpoints * windowPages;
  const kvFixed = pageBytes * (fullLayers * sequences + (c.layer_types.length - fullLayers) * slidingPages);
  const kvPer1kTokens = (fullLayers * pageBytes * 1024) / pageTokens;
  const hidden = c.hidden_size;
  const row = 4 * (2 * hidden + 3 * qDim(c) + 2 * kvDim(c) + c.num_local_experts + c.num_experts_per_tok * (2 + c.intermediate_size + hidden));
  const scratch = prefillTokens * row + 4 * c.vocab_size;
  const rope = context * c.head_dim * 4;
  const weights = weightBytes(c);
  const kv = kvFixed + Math.ceil(context / pageTokens) * fullLayers * pageBytes;
  return { download: manifest.bytes, weights, kvPer1kTokens, kvFixed, scratch, context, total: weights + kv + scratch + rope, readPerToken: weightBytes(c, true) };
}

/** Bytes of all tensors (runtime/gptoss/tensors.go), or of what one token reads of them. */
function weightBytes(c: Config, oneToken = false): number {
  const h = c.hidden_size, i = c.intermediate_size, e = c.num_local_experts;
  const bf16 = 2, mxfp4 = 17 / 32; // 16 bytes of codes and one of scale for 32 weights
  const attention = (qDim(c) + 2 * kvDim(c)) * (h + 1) + h * (qDim(c) + 1) + c.num_attention_heads + h;
  const router = e * (h + 1) + h;
  const experts = (oneToken ? c.num_experts_per_tok : e) * (bf16 * (2 * i + h) + mxfp4 * 3 * i * h);
  const embedding = oneToken ? h : c.vocab_size * h;
  return c.num_hidden_layers * (bf16 * (attention + router) + experts) + bf16 * (embedding + c.vocab_size * h + h);
}

/** Limits of a device, by WebGPU's names, in bytes or counts. */
export type Limits = Record<string, number>;

/** What every model needs of a device. */
export const leastLimits: Limits = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16384,
};

/** The least that a device must allow for this model: large tensors are cut to what it binds, but not below these. */
export function needs(c: Config, o: BillOptions = {}): Limits {
  const kvBytes = o.kv === 'f32' ? 4 : 2;
  const context = contextFor(c, o);
  const binding = Math.max(
    c.hidden_size * c.intermediate_size, // the larger matrix of one expert: 2 * intermediate * hidden codes of half a byte
    c.hidden_size * 2 * c.head_dim, // a head's rows of a bf16 matrix
    (context + sequences * pageTokens) * kvDim(c) * kvBytes, // a layer's keys
    context * c.head_dim * 4, // the rotary table
    c.vocab_size * 4, // logits
  );
  return { ...leastLimits, maxStorageBufferBindingSize: binding, maxBufferSize: binding };
}

/** Bytes for people. */
export function formatBytes(n: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) {
    n /= 1024;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}
