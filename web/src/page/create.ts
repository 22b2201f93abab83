// create: finds the package's files and connects to the engine.

import { Client, Gossamer } from './client.ts';
import { findAdapter } from '../shared/device.ts';
import type { Backend } from '../shared/engine.ts';
import { RuntimeError } from '../shared/errors.ts';
import { addFiles, type Fetch, type LocalFiles } from '../shared/files.ts';
import { WorkerConnection } from './connection.ts';
import { Log, type Logger, type LogLevel } from './log.ts';
import { baseURL, manifestURL } from '../shared/manifest.ts';
import type { Notice, Progress } from '../shared/protocol.ts';
import { SharedConnection } from './shared-connection.ts';

/** Options of create. They cannot be changed later. */
export interface CreateOptions {
  /**
   * URL of a directory that `gossamer pack` wrote, or of its manifest.json, relative to the page; or of a repository on Hugging Face.
   * Or the visitor's own files.
   */
  model: string | LocalFiles;
  /**
   * What computes: the GPU, or with cpu the processor, in any browser and also on pages that are not secure. That is slow, on one core, and
   * for small models: more than 1 GiB of weights is refused with `limits`. Default: webgpu.
   */
  backend?: Backend;
  /**
   * Sent with each request for the model to its own origin, such as { authorization: 'Bearer …' }; chunks on other hosts are asked without
   * them. The host must allow them (Access-Control-Allow-Headers).
   */
  headers?: Record<string, string>;
  /**
   * Answers the model's requests, on whatever host, in the place of the browser's fetch: to sign URLs, ask for a login, or take files from
   * elsewhere. It runs in the page, and gets the URL, and method, headers, cache and signal. The model's requests are GET and HEAD.
   */
  fetch?: Fetch;
  /** Positions that a conversation can have, in tokens. Default: 32,768, with cpu 8,192, or as many as the model has; canRun gives the memory that they take. */
  context?: number;
  /** How keys and values are stored. Default: f16, with cpu f32. */
  kv?: 'f16' | 'f32';
  /** Keep the weights in the browser for the next visit. Default: true. */
  store?: boolean;
  /** Connections at a time, each with a chunk of up to 24 MiB in memory. Default: 3. */
  parallel?: number;
  /**
   * Use the engine that another tab of this site has opened the model with, or be the tab whose engine the others use: weights are
   * downloaded and uploaded once. The tab that opened the model first decides on its options. Default: false.
   */
  share?: boolean;
  /** Called up to ten times a second during loading. */
  onProgress?: (progress: Progress) => void;
  /** Called with notices, which do not stop anything. Default: the log, as warnings. */
  onNotice?: (notice: Notice) => void;
  /** What is logged: notices are warn, the stages of loading and what replies took are info, requests are debug. Default: warn. */
  logLevel?: LogLevel;
  /** Where to. Default: console. */
  logger?: Logger;
  /** Ends loading; what was downloaded is kept. */
  signal?: AbortSignal;

  /** Where the worker is. Default: worker.js beside this module. */
  workerURL?: string | URL;
  /** Where the program is. Default: gossamer.wasm beside this module. */
  wasmURL?: string | URL;
  /** Where the vocabulary is. Default: o200k.bin.gz beside this module. */
  vocabularyURL?: string | URL;
  /** Upper bounds on what is asked of the GPU, by the names of WebGPU's limits, to try what a weaker one does. */
  limits?: { maxStorageBufferBindingSize?: number; maxBufferSize?: number };
}

/**
 * Loads a model and returns it, ready to chat. Weights that an earlier visit left are not downloaded again.
 *
 * Rejects with RuntimeError, or with the signal's reason.
 */
export async function create(options: CreateOptions): Promise<Gossamer> {
  options.signal?.throwIfAborted();
  const { backend = 'webgpu' } = options;
  if (backend !== 'webgpu' && backend !== 'cpu') {
    throw new RuntimeError('bad-request', `backend is ${JSON.stringify(backend)}, want "webgpu" or "cpu"`, { param: 'backend' });
  }
  if (options.logLevel !== undefined && !Log.knows(options.logLevel)) {
    throw new RuntimeError('bad-request', `logLevel is ${JSON.stringify(options.logLevel)}, want "debug", "info", "warn", "error" or "off"`, { param: 'logLevel' });
  }
  if (backend === 'webgpu') {
    await findAdapter(); // says what is wrong before a worker is started
  }
  if (options.store !== false) {
    // Asks the browser not to delete the weights when space is short. It decides by itself or asks the user.
    navigator.storage?.persist?.().catch(() => {});
  }
  const { model, headers, context, kv, limits, store, parallel, workerURL, wasmURL, vocabularyURL } = options;
  const share = options.share && navigator.locks !== undefined; // which pages that are not secure lack: each has an engine of its own
  const files = typeof model === 'string' ? undefined : model;
  const url = manifestURL(typeof model === 'string' ? model : await addFiles(model), baseURL());
  const own = new WorkerConnection(assetURL(workerURL, beside.worker), {
    kind: 'open', manifestURL: url, files, headers, context, kv, backend, limits,
    wasmURL: assetURL(wasmURL, beside.wasm).href, vocabularyURL: assetURL(vocabularyURL, beside.vocabulary).href,
    store: store ?? true, parallel: parallel ?? 3, share,
  }, options.fetch);
  const log = new Log(options.logLevel, options.logger);
  const client = new Client(share ? new SharedConnection(url, { context, kv }, own) : own, { ...options, log });
  return new Gossamer(client, await client.open(options.signal));
}

// The version keeps hosts' and browsers' caches from mixing files of two releases. BUILD is defined by build.mjs.
declare const BUILD: string;

/**
 * The package's files. Bundlers know these expressions and put the files where the URLs lead to. They are evaluated in create only: on
 * a server, and in bundles that are no modules, they lead nowhere.
 */
const beside = {
  worker: () => new URL('./worker.js', import.meta.url),
  wasm: () => new URL('./gossamer.wasm', import.meta.url),
  vocabulary: () => new URL('./o200k.bin.gz', import.meta.url),
};

function assetURL(given: string | URL | undefined, otherwise: () => URL): URL {
  if (given !== undefined) {
    return new URL(given, baseURL());
  }
  let url: URL;
  try {
    url = new URL(String(otherwise()), baseURL()); // Next.js makes them relative to the origin
  } catch {
    throw new RuntimeError('download', 'the package\'s files cannot be found beside a script that is no module', {
      hint: 'Load the script with type="module", or give workerURL, wasmURL and vocabularyURL.',
    });
  }
  // The development server of Vite before version 8 serves packages from another directory than their files.
  url.pathname = url.pathname.replace(/\/node_modules\/\.vite\/deps(_\w+)?\/(?=[^/]+$)/, '/node_modules/gossamer/dist/');
  if (url.protocol.startsWith('http')) {
    url.searchParams.set('v', BUILD);
  }
  return url;
}
