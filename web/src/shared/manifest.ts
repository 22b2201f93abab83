// manifest.json, as far as the page needs it: the engine checks the rest (runtime/checkpoint/packed/manifest.go).

import type { Chunk } from './engine.ts';
import { errorOf, notBrowser, RuntimeError } from './errors.ts';
import type { FileStates } from './file-state.ts';
import { chunkFault, withoutLogin } from './hosts.ts';
import type { Reason, ReasonName } from './reasons.ts';

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
  /** Of a repository that nobody packed: what identifies its files. */
  files?: FileStates | undefined;
}

const sizes = [
  'num_hidden_layers', 'hidden_size', 'intermediate_size', 'num_attention_heads', 'num_key_value_heads', 'head_dim',
  'num_local_experts', 'num_experts_per_tok', 'vocab_size', 'sliding_window', 'max_position_embeddings',
] as const;

/** What relative URLs of models are relative to. */
export function baseURL(): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  if (base === undefined) {
    throw notBrowser();
  }
  return base;
}

/**
 * The manifest's URL for what the user calls the model: the URL of its directory, its manifest.json or its config.json, or of a
 * repository's page on Hugging Face. The engine takes the same URLs for models (runtime/checkpoint/remote/rules.go, testdata/rules),
 * except that a page also has relative ones and its visitor's files (files.ts).
 */
export function manifestURL(model: string, base: string): string {
  const refuse = (why: ReasonName) => errorOf('bad-model', why, { model: JSON.stringify(withoutLogin(model)) });
  let url: URL;
  try {
    url = new URL(model, base);
  } catch {
    throw refuse('no-url');
  }
  if (!['https:', 'http:', 'local:', new URL(base).protocol].includes(url.protocol)) {
    throw refuse('no-web-url');
  }
  if (url.username || url.password) {
    throw refuse('login-in-url');
  }
  if (/[?#]/.test(model)) { // the URLs of its files are made by appending to its own
    throw refuse('query-in-url');
  }
  const path = url.pathname.replace(/\/(manifest|config)\.json$/, '/');
  if (path.endsWith('.json')) {
    throw refuse('file-url');
  }
  url.pathname = path.endsWith('/') ? path : `${path}/`;
  if (url.hostname === 'hf.co') { // it redirects, which a page may not be allowed to follow
    url.hostname = 'huggingface.co';
  }
  const page = /^\/([^/]+\/[^/]+)(?:\/tree\/([^/]+))?\/$/.exec(url.pathname);
  if (url.hostname === 'huggingface.co' && page) {
    url.pathname = `/${page[1]}/resolve/${page[2] ?? 'main'}/`;
  }
  url.pathname += 'manifest.json';
  return url.href;
}

/** A name for the model at a URL, which is that of its directory or its manifest: the name of the directory. */
export function modelName(url: string): string {
  const { hostname, pathname } = new URL(url);
  const directory = pathname.replace(/\/resolve\/[^/]+\//, '/').replace(/\/([^/]*\.json)?$/, '');
  return decodeURIComponent(directory.split('/').at(-1) || hostname);
}

/** What a field of config.json is that is missing or null, in both forms: as ParseConfig of runtime/gptoss/config.go has it. */
const defaults = {
  num_hidden_layers: 36, hidden_size: 2880, intermediate_size: 2880, num_attention_heads: 64, num_key_value_heads: 8, head_dim: 64,
  vocab_size: 201088, sliding_window: 128,
};

/** The configuration that a repository's config.json describes, in Hugging Face's form or in OpenAI's; undefined if it is not gpt-oss's. */
export function readConfig(j: Record<string, unknown>): Config | undefined {
  const original = j.num_experts != null && (j.model_type ?? '') === '';
  if (!original && j.model_type !== 'gpt_oss') {
    return undefined;
  }
  const c = Object.fromEntries(Object.entries(defaults).map(([k, v]) => [k, j[k] ?? v])) as unknown as Config;
  c.num_local_experts = (j.num_local_experts ?? j.num_experts ?? 128) as number;
  c.num_experts_per_tok = (j.num_experts_per_tok ?? j.experts_per_token ?? 4) as number;
  c.max_position_embeddings = (original
    ? Math.floor(((j.initial_context_length ?? 4096) as number) * Math.max((j.rope_scaling_factor ?? 32) as number, 1))
    : j.max_position_embeddings ?? 131072) as number;
  const layers = Math.min(c.num_hidden_layers, 1024) || 0; // more are refused by the engine
  c.layer_types = (j.layer_types ?? Array.from({ length: Math.max(layers, 0) }, (_, i) => (i % 2 === 0 ? 'sliding_attention' : 'full_attention'))) as string[];
  return isConfig(c) && c.layer_types.length === c.num_hidden_layers ? c : undefined;
}

/** Whether a configuration has what sizes follow from. */
function isConfig(c: Partial<Config> | undefined): c is Config {
  return typeof c === 'object' && c !== null && Array.isArray(c.layer_types) && sizes.every((k) => Number.isSafeInteger(c[k]) && c[k]! > 0);
}

/** Reads a manifest. */
export function parseManifest(text: string, url: string): Manifest {
  const refuse = (why: ReasonName, values: Reason['values'] = {}): never => {
    throw errorOf('bad-model', why, values, { url });
  };
  let m: { format?: unknown; version?: unknown; config?: Config; chunks?: Chunk[]; tokenizer?: unknown };
  try {
    m = JSON.parse(text);
  } catch {
    return refuse('no-manifest');
  }
  if (typeof m !== 'object' || m === null || m.format !== 'gossamer-manifest') {
    return refuse('other-manifest');
  }
  if (m.version !== 1) {
    return refuse('manifest-version', { version: JSON.stringify(m.version) });
  }
  const { config, chunks } = m;
  if (!isConfig(config)) {
    return refuse('manifest-config');
  }
  const fits = (c: Chunk) =>
    typeof c?.url === 'string' && Number.isSafeInteger(c.bytes) && c.bytes > 0 && Number.isSafeInteger(c.offset ?? 0) && (c.offset ?? 0) >= 0 &&
    (c.sha256 === undefined || /^[0-9a-f]{64}$/.test(c.sha256));
  if (!Array.isArray(chunks) || !chunks.every(fits)) {
    return refuse('manifest-chunks');
  }
  for (const [i, chunk] of chunks.entries()) {
    const fault = chunkFault(chunk.url, url);
    if (fault) {
      throw new RuntimeError('bad-model', `${url}: chunk ${i}: ${fault}`, { url });
    }
  }
  return { url, text, config, chunks, bytes: chunks.reduce((n, c) => n + c.bytes, 0), vocabulary: m.tokenizer !== undefined };
}
