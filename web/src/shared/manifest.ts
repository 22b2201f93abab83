// manifest.json, as far as the page needs it: the engine checks the rest (runtime/weights/manifest.go).

import type { Chunk } from './engine.ts';
import { RuntimeError } from './errors.ts';

/** The fields of config.json from which sizes follow. */
export interface Config {
  num_hidden_layers: number;
  hidden_size: number;
  intermediate_size: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  num_local_experts: number;
  num_experts_per_tok: number;
  vocab_size: number;
  sliding_window: number;
  max_position_embeddings: number;
  layer_types: string[];
}

/** A model as manifest.json describes it. */
export interface Manifest {
  /** Where it is, absolute. */
  url: string;
  text: string;
  config: Config;
  chunks: Chunk[];
  /** Of all chunks, as stored. */
  bytes: number;
  /** Whether its vocabulary is the one that gpt-oss was trained with. */
  vocabulary: boolean;
}

const sizes = [
  'num_hidden_layers', 'hidden_size', 'intermediate_size', 'num_attention_heads', 'num_key_value_heads', 'head_dim',
  'num_local_experts', 'num_experts_per_tok', 'vocab_size', 'sliding_window', 'max_position_embeddings',
] as const;

/**
 * The manifest's URL for what the user calls the model: that of a manifest, or of the directory that holds one, or of a repository's
 * page on huggingface.co.
 */
export function manifestURL(model: string, base: string): string {
  let url: URL;
  try {
    url = new URL(model, base);
  } catch {
    throw new RuntimeError('bad-model', `model ${JSON.stringify(model)} is not a URL`);
  }
  const page = /^\/([^/]+\/[^/]+)(?:\/tree\/([^/]+))?\/?$/.exec(url.pathname);
  if (url.hostname === 'huggingface.co' && page) {
    url.pathname = `/${page[1]}/resolve/${page[2] ?? 'main'}/`;
  }
  if (!url.pathname.endsWith('.json')) {
    url.pathname += url.pathname.endsWith('/') ? 'manifest.json' : '/manifest.json';
  }
  return url.href;
}

/** A name for the model: the directory of its manifest. */
export function modelName(url: string): string {
  const { hostname, pathname } = new URL(url);
  return decodeURIComponent(pathname.replace(/\/resolve\/[^/]+\//, '/').split('/').at(-2) || hostname);
}

/** Whether a configuration has what sizes follow from. */
export function isConfig(c: Partial<Config> | undefined): c is Config {
  return typeof c === 'object' && c !== null && Array.isArray(c.layer_types) && sizes.every((k) => Number.isSafeInteger(c[k]) && c[k]! > 0);
}

/** Reads a manifest. */
export function parseManifest(text: string, url: string): Manifest {
  const refuse = (why: string): never => {
    throw new RuntimeError('bad-model', `${url}: ${why}`, { url });
  };
  let m: { format?: unknown; version?: unknown; config?: Config; chunks?: Chunk[]; tokenizer?: unknown };
  try {
    m = JSON.parse(text);
  } catch {
    return refuse('this is not JSON, so not a manifest');
  }
  if (typeof m !== 'object' || m === null || m.format !== 'gossamer-manifest') {
    return refuse('this is not the manifest of a packed model');
  }
  if (m.version !== 1) {
    return refuse(`the manifest has version ${m.version}, this library reads 1: use the release that packed the model, or a newer one`);
  }
  const { config, chunks } = m;
  if (!isConfig(config)) {
    return refuse('the configuration is incomplete');
  }
  const fits = (c: Chunk) =>
    typeof c?.url === 'string' && Number.isSafeInteger(c.bytes) && c.bytes > 0 && Number.isSafeInteger(c.offset ?? 0) && (c.offset ?? 0) >= 0 &&
    (c.sha256 === undefined || /^[0-9a-f]{64}$/.test(c.sha256));
  if (!Array.isArray(chunks) || !chunks.every(fits)) {
    return refuse('the list of chunks is damaged');
  }
  return { url, text, config, chunks, bytes: chunks.reduce((n, c) => n + c.bytes, 0), vocabulary: m.tokenizer !== undefined };
}
