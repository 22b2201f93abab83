// What a model takes, computed from its configuration before anything is downloaded, by the rules of runtime/model (sizes.go,
// buffers.go). testdata/plans.json, which the tests of both sides read, holds the two to the same bytes.

import type { Backend } from './engine.ts';
import { errorOf, type RuntimeError } from './errors.ts';
import type { Config, Manifest } from './manifest.ts';

/** What a model takes, in bytes: of the GPU's memory, or of the tab's where the processor computes. */
export interface Bill {
  /** To download, if nothing is stored. */
  download: number;
  /** Weights, on the GPU with the padding between small vectors. */
  weights: number;
  /** Keys and values of 1,024 tokens of context, in the layers that see all of it. */
  kvPer1kTokens: number;
  /** Keys and values that the sliding layers take in any case, and pages that conversations part by. */
  kvFixed: number;
  /** Activations, tables, logits and hidden states. */
  scratch: number;
  /** Positions that the sum below is for. */
  context: number;
  /** All together. */
  total: number;
  /** Weights that one token of a reply reads. */
  readPerToken: number;
}

/** The device that a bill is for. Default: a GPU with the limits that every one has. */
export interface BillDevice {
  /** maxStorageBufferBindingSize and maxBufferSize. */
  limits?: Limits | undefined;
  /** A processor that plays a GPU: it takes smaller chunks. */
  software?: boolean | undefined;
}

/** Choices that change a bill. */
export interface BillOptions {
  /** Positions. Default: 32,768, on the processor 8,192, or as many as the model has. */
  context?: number | undefined;
  /** Default: f16. The processor keeps f32 in any case, and rounds them if f16 is asked for. */
  kv?: 'f16' | 'f32' | undefined;
  /** Default: webgpu. */
  backend?: Backend | undefined;
}

// Of runtime/model, runtime/kernel and runtime/kv.
const pageTokens = 128;
const backtrack = 16;
const chunkTokens = 512, softwareChunkTokens = 64;
const sequences = 4;
const checkpoints = 16;
const prefillClasses = [16, 32, 128, 512, 2048];
const splitClasses = [{ upTo: 256, splits: 1 }, { upTo: 2048, splits: 16 }, { upTo: 16384, splits: 32 }, { upTo: Infinity, splits: 64 }];
const keptMasks = 256;
const maxRun = 8, maxBiases = 1024, topLogprobs = 20, listLanes = 256;
const sampleTile = 1024;
const vectorAlign = 8;
const stepRowBytes = 32;
const defaultContext = 32768, cpuDefaultContext = 8192;
const leastBinding = 128 << 20; // WebGPU's default, which every device has

const qDim = (c: Config) => c.num_attention_heads * c.head_dim;
const kvDim = (c: Config) => c.num_key_value_heads * c.head_dim;

/** Positions to make room for. Neither GPUs nor browsers tell their memory, so the defaults are moderate. */
export function contextFor(c: Config, o: BillOptions): number {
  const most = c.max_position_embeddings;
  const context = o.context ?? Math.min(o.backend === 'cpu' ? cpuDefaultContext : defaultContext, most);
  if (!Number.isSafeInteger(context) || context < 1 || context > most) {
    throw errorOf('bad-request', 'context', { got: context, want: most }, { param: 'context' });
  }
  return context;
}

/** The shape of the key/value cache, and of a prefill chunk, on a device that binds so many bytes at once. */
function cacheShape(c: Config, context: number, o: BillOptions, binding: number, software: boolean) {
  const pageBytes = pageTokens * kvDim(c) * (o.kv === 'f32' ? 4 : 2); // keys of one layer, or values
  // The widest buffer of a prefill chunk has a row for each expert of each token.
  const widest = 4 * Math.max(c.num_experts_per_tok * Math.max(c.hidden_size, c.intermediate_size), qDim(c) + 2 * kvDim(c), c.num_local_experts);
  const chunk = Math.min(software ? softwareChunkTokens : chunkTokens, Math.floor(binding / widest));
  const most = Math.floor(binding / pageBytes);
  const windowPages = Math.ceil((c.sliding_window - 1 + backtrack) / pageTokens) + 1;
  const chunkPages = Math.ceil(chunk / pageTokens) + 1; // more, of the one sequence whose prompt goes on
  const contextPages = Math.ceil(context / pageTokens);
  return {
    pageBytes, widest, chunk, runningPages: windowPages + chunkPages, contextPages,
    slidingPages: Math.min((sequences + checkpoints) * windowPages + chunkPages, most),
    fullPages: Math.min(contextPages + sequences, most), // more than one sequence can fill, so that sequences that share a page can part
  };
}

/** Adds up what a model takes. */
export function bill(manifest: Manifest, o: BillOptions = {}, device: BillDevice = {}): Bill {
  if (o.backend === 'cpu') {
    return cpuBill(manifest, o);
  }
  const c = manifest.config;
  const context = contextFor(c, o);
  const { maxStorageBufferBindingSize = leastBinding, maxBufferSize = Infinity } = device.limits ?? {};
  const shape = cacheShape(c, context, o, Math.min(maxStorageBufferBindingSize, maxBufferSize), device.software === true);
  const layers = c.layer_types.length;
  const fullLayers = c.layer_types.filter((t) => t === 'full_attention').length;
  const pagePair = 2 * shape.pageBytes; // keys and values
  const kv = pagePair * (fullLayers * shape.fullPages + (layers - fullLayers) * shape.slidingPages);
  const weights = weightBytes(c);
  const scratch = scratchBytes(c, context, shape.chunk, shape.pageBytes);
  return {
    download: manifest.bytes, weights, kvPer1kTokens: (fullLayers * pagePair * 1024) / pageTokens,
    kvFixed: kv - pagePair * fullLayers * shape.contextPages, scratch, context, total: weights + kv + scratch, readPerToken: tokenBytes(c),
  };
}

// Of runtime/ref: tokens that go through a layer together, and what is in memory at a time while a model is loaded.
const cpuChunkTokens = 256, cpuLoadingBytes = (2 * 16 + 8 * 24) << 20;

/** bill, where the processor computes: by the rules of runtime/ref (memory.go). */
function cpuBill(manifest: Manifest, o: BillOptions): Bill {
  const c = manifest.config;
  const context = contextFor(c, o);
  const layers = c.num_hidden_layers, h = c.hidden_size, topK = c.num_experts_per_tok;
  const weights = weightBytes(c, 1);
  const perToken = 2 * 4 * layers * kvDim(c);
  const layerVectors = vectors(c).reduce((n, v) => n + v, 0) + c.num_local_experts * (2 * c.intermediate_size + h);
  const row = 4 * h + 2 * qDim(c) + 2 * kvDim(c) + c.num_local_experts + topK * (2 + h) + 2 * h + 3 * c.intermediate_size;
  const scratch = 4 * (layers * layerVectors + h + context * c.head_dim) + 8 * (cpuChunkTokens * row + 2 * c.vocab_size) + Math.min(weights, cpuLoadingBytes);
  const kv = context * perToken;
  return {
    download: manifest.bytes, weights, kvPer1kTokens: 1024 * perToken, kvFixed: 0, scratch, context, total: weights + kv + scratch, readPerToken: tokenBytes(c),
  };
}

/**
 * Bytes of weights that the processor may compute with. Go's memory may grow to twice of what is in use before it is cleaned up, and
 * browsers end tabs, on phones first, that take more than 2 GiB; WebAssembly ends at 4 GiB. A token that reads so many bytes takes
 * seconds as well.
 */
const cpuMaxWeights = 2 ** 30;

/** Why the processor cannot compute with a model; undefined: it can. */
export function cpuRefusal(c: Config): RuntimeError | undefined {
  const weights = weightBytes(c, 1);
  return weights <= cpuMaxWeights ? undefined : errorOf('limits', 'too-large', { got: { bytes: weights }, want: { bytes: cpuMaxWeights } }, {
    hint: 'Use a browser with WebGPU over https or from localhost, or a smaller model.', limit: 'weights', want: weights, got: cpuMaxWeights,
  });
}

/** What lives during a program only, and the tables that programs read. */
function scratchBytes(c: Config, context: number, chunk: number, pageBytes: number): number {
  const h = c.hidden_size, q = qDim(c), experts = c.num_local_experts, topK = c.num_experts_per_tok;
  const tables = 2 * Math.ceil(context / pageTokens) * 4; // of full and of sliding layers
  const shared = context * c.head_dim * 4 + pageBytes; // rotary table, page copy
  const lists = Math.max(...prefillClasses.map((rows) => listBytes(Math.min(rows, chunk), topK, experts)));
  const row = 4 * (2 * h + 3 * q + 2 * kvDim(c) + experts + topK * (2 + c.intermediate_size + h));
  const prefill = 16 + stepRowBytes * chunk + tables + chunk * row + lists;
  const words = 2 * h + 2 * q + experts + topK * (2 + c.intermediate_size) + c.vocab_size + maskWords(c) +
    2 * Math.ceil(c.vocab_size / sampleTile) + maxRun + samplingWords(c.vocab_size) + partialWords(c, context);
  return shared + prefill + stepRowBytes + tables + 4 * words;
}

/** The sets of tokens that formats allow. */
function maskWords(c: Config): number {
  return keptMasks * Math.ceil(c.vocab_size / 32);
}

/** What sampling keeps beside the logits (kernel.SampleFull, kernel.Logprobs): parameters, counts, biases, keys, a list, edges, log probabilities. */
function samplingWords(vocab: number): number {
  return 16 + Math.ceil(vocab / 2) + 2 * maxBiases + vocab + Math.ceil(vocab / listLanes) * listLanes + 2 + maxRun * 2 * (1 + topLogprobs);
}

/** Lists of the assignments of a chunk's rows by expert (kernel.ExpertLists), whose tiles grow with the rows that an expert gets. */
function listBytes(rows: number, topK: number, experts: number): number {
  const n = rows * topK, share = Math.floor(n / experts);
  const height = share <= 24 ? 16 : share <= 96 ? 32 : 64;
  const tiles = Math.min(n, Math.floor(n / height) + experts, experts * Math.ceil(rows / height));
  return 4 * (1 + 3 * tiles + n);
}

/** Partial sums of attention in decode, where the context is split. */
function partialWords(c: Config, context: number): number {
  const reached = splitClasses.slice(0, 1 + splitClasses.findIndex((s) => s.upTo >= context));
  const words = reached.map(({ splits }) => (splits === 1 ? 1 : Math.ceil((c.num_attention_heads * splits * (c.head_dim + 2)) / 4) * 4));
  return Math.max(...words);
}

const bf16 = 2, mxfp4 = 17 / 32; // bytes of a weight; 16 bytes of codes and one of scale for 32 weights

/** Bytes of a layer's matrices, without the experts. */
function denseBytes(c: Config): number {
  const h = c.hidden_size;
  return bf16 * ((qDim(c) + 2 * kvDim(c)) * h + h * qDim(c) + c.num_local_experts * h);
}

/** Elements of a layer's small vectors: norms, biases and sinks. */
function vectors(c: Config): number[] {
  return [c.hidden_size, qDim(c) + 2 * kvDim(c), c.num_attention_heads, c.hidden_size, c.hidden_size, c.num_local_experts];
}

/** Bytes of one expert. */
function expertBytes(c: Config): number {
  const h = c.hidden_size, i = c.intermediate_size;
  return bf16 * (2 * i + h) + mxfp4 * 3 * i * h;
}

/** Bytes of all weights. Small vectors are aligned to so many elements. */
function weightBytes(c: Config, align = vectorAlign): number {
  const aligned = vectors(c).reduce((n, v) => n + Math.ceil(v / align) * align, 0);
  const layer = denseBytes(c) + bf16 * aligned + c.num_local_experts * expertBytes(c);
  return c.num_hidden_layers * layer + bf16 * (2 * c.vocab_size + 1) * c.hidden_size;
}

/** Bytes of the weights that one token reads: a row of the embedding, its experts, everything else whole. */
function tokenBytes(c: Config): number {
  const layer = denseBytes(c) + bf16 * vectors(c).reduce((n, v) => n + v, 0) + c.num_experts_per_tok * expertBytes(c);
  return c.num_hidden_layers * layer + bf16 * (c.vocab_size + 2) * c.hidden_size;
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
  const context = contextFor(c, o);
  const { pageBytes, widest, contextPages } = cacheShape(c, context, o, Infinity, false);
  const oneToken = cacheShape(c, context, o, widest, false); // a chunk may be as short as that
  const binding = Math.max(
    c.hidden_size * c.intermediate_size, // the larger matrix of one expert: 2 * intermediate * hidden codes of half a byte
    c.hidden_size * 2 * c.head_dim, // a head's rows of a bf16 matrix
    contextPages * pageBytes, // a layer's keys
    oneToken.runningPages * pageBytes, // of a sliding layer
    context * c.head_dim * 4, // the rotary table
    c.vocab_size * 4, // logits
    maskWords(c) * 4,
    partialWords(c, context) * 4, widest,
  );
  return { ...leastLimits, maxStorageBufferBindingSize: binding, maxBufferSize: binding };
}
