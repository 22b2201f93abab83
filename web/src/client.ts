// The page's side: starts the worker, sends it requests, and starts another one where the device is lost.

import { findAdapter } from './device.ts';
import { abortError, fromWire, RuntimeError } from './errors.ts';
import { addFiles, type LocalFiles } from './files.ts';
import { manifestURL } from './manifest.ts';
import type { ModelInfo, Notice, OpenMessage, Progress, Request, Response } from './protocol.ts';
import { Replay } from './replay.ts';
import { Stream } from './stream.ts';
import type { ChatCompletion, ChatCompletionChunk, ChatParams, ChatParamsNonStreaming, ChatParamsStreaming, Model } from './types.ts';

/** Options of create. They cannot be changed later. */
export interface CreateOptions {
  /** URL of a manifest.json, or of its directory, as `gossamer pack` writes it; relative to the page. Or the visitor's own files. */
  model: string | LocalFiles;
  /** Positions that a conversation can have, in tokens. Default: 32,768, or as many as the model has; canRun gives the bill. */
  context?: number;
  /** How keys and values are stored. Default: f16. */
  kv?: 'f16' | 'f32';
  /** Keep the weights in the browser for the next visit. Default: true. */
  store?: boolean;
  /** Connections at a time. Default: 4. */
  parallel?: number;
  /** Told how far loading is, up to ten times a second. */
  onProgress?: (progress: Progress) => void;
  /** Told what is worth knowing and does not stop anything. Default: console.warn. */
  onNotice?: (notice: Notice) => void;
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

/** Options of one request. */
export interface RequestOptions {
  /** Ends the reply: it rejects with the signal's reason, an AbortError. */
  signal?: AbortSignal;
}

/** A stream that can be awaited, as OpenAI's library does, or looped over at once. */
export type StreamPromise<T> = Promise<Stream<T>> & AsyncIterable<T>;

/**
 * Loads a model and returns it, ready to chat. Weights that an earlier visit left are not downloaded again.
 *
 * Rejects with RuntimeError, or with the signal's reason.
 */
export async function create(options: CreateOptions): Promise<Gossamer> {
  options.signal?.throwIfAborted();
  await findAdapter(); // says what is wrong before a worker is started
  if (options.store !== false) {
    // Asks that the weights survive when space gets scarce; browsers decide by themselves, or ask.
    navigator.storage?.persist?.().catch(() => {});
  }
  const client = new Client(options);
  return new Gossamer(client, await client.open(options.signal));
}

/** An open model. */
export class Gossamer {
  /** What the model is and takes. */
  readonly info: ModelInfo;
  /** OpenAI's chat.completions. */
  readonly chat: { readonly completions: Completions };
  /** OpenAI's models. */
  readonly models: { list(): Promise<{ object: 'list'; data: Model[] }> };
  private readonly client: Client;

  /** @internal Use create. */
  constructor(client: Client, info: ModelInfo) {
    this.client = client;
    this.info = info;
    this.chat = { completions: new Completions(client, info) };
    const model: Model = { id: info.model, object: 'model', created: Math.floor(Date.now() / 1000), owned_by: 'gossamer' };
    this.models = { list: async () => ({ object: 'list', data: [model] }) };
  }

  /** The tokens of a text. Markers are never among them, whatever the text says. */
  async tokenize(text: string, { signal }: RequestOptions = {}): Promise<number[]> {
    const answer = await this.client.request((id) => ({ kind: 'tokenize', id, text }), signal);
    return (answer as Extract<Response, { kind: 'tokens' }>).tokens;
  }

  /** The text of tokens; U+FFFD in place of what is not whole characters. */
  async detokenize(tokens: Iterable<number>, { signal }: RequestOptions = {}): Promise<string> {
    const answer = await this.client.request((id) => ({ kind: 'detokenize', id, tokens: Array.from(tokens) }), signal);
    return (answer as Extract<Response, { kind: 'text' }>).text;
  }

  /** Ends replies in progress and gives the GPU's memory back. */
  close(): Promise<void> {
    return this.client.close();
  }
}

/** OpenAI's chat.completions. */
export class Completions {
  private readonly client: Client;
  private readonly info: ModelInfo;

  /** @internal */
  constructor(client: Client, info: ModelInfo) {
    this.client = client;
    this.info = info;
  }

  /** Answers a conversation: whole, or with stream: true in parts. Rejects with RuntimeError, or with the signal's reason. */
  create(params: ChatParamsNonStreaming, options?: RequestOptions): Promise<ChatCompletion>;
  create(params: ChatParamsStreaming, options?: RequestOptions): StreamPromise<ChatCompletionChunk>;
  create(params: ChatParams, options?: RequestOptions): Promise<ChatCompletion> | StreamPromise<ChatCompletionChunk>;
  create(params: ChatParams, options: RequestOptions = {}): Promise<ChatCompletion> | StreamPromise<ChatCompletionChunk> {
    // With a seed the reply can be repeated where the device is lost.
    const body = JSON.stringify({ ...params, model: params.model ?? this.info.model, seed: params.seed ?? randomSeed() });
    return params.stream ? this.stream(body, options) : this.whole(body, options);
  }

  private async whole(body: string, { signal }: RequestOptions): Promise<ChatCompletion> {
    let completion: ChatCompletion | undefined;
    await this.client.request((id) => ({ kind: 'chat', id, body }), signal, { frame: (json) => (completion = JSON.parse(json)), restart() {} });
    return completion!;
  }

  private stream(body: string, { signal }: RequestOptions): StreamPromise<ChatCompletionChunk> {
    const stream = new Stream<ChatCompletionChunk>(new AbortController());
    const replay = new Replay();
    const begun = new Promise<Stream<ChatCompletionChunk>>((resolve, reject) => {
      const listener = {
        frame(json: string) {
          const chunk = replay.next(JSON.parse(json) as ChatCompletionChunk);
          if (chunk) {
            stream.push(chunk);
            resolve(stream);
          }
        },
        restart: () => replay.restart(),
      };
      const either = signal ? AbortSignal.any([signal, stream.controller.signal]) : stream.controller.signal;
      this.client.request((id) => ({ kind: 'chat', id, body }), either, listener).then(
        () => {
          stream.end();
          resolve(stream);
        },
        (error) => {
          stream.end(error, either.aborted);
          reject(error);
        },
      );
    });
    begun.catch(() => {}); // who only loops hears of the error in the loop
    const iterate = async function* () {
      yield* await begun;
    };
    return Object.assign(begun, { [Symbol.asyncIterator]: iterate });
  }
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1;
}

/** Hears of a reply. */
interface Listener {
  frame(json: string): void;
  /** The reply begins again. */
  restart(): void;
}

interface Pending {
  message: Request;
  listener: Listener | undefined;
  resolve(answer: Response): void;
  reject(error: unknown): void;
}

/** How often the device may be lost in a row without a word of any reply in between. */
const lossesInARow = 2;

/** Requests to the worker. */
export class Client {
  private readonly options: CreateOptions;
  private worker: Worker | undefined;
  private readonly pending = new Map<number, Pending>();
  private lastID = 0;
  /** Why nothing more is answered. */
  private failure: RuntimeError | undefined;
  private losses = 0;
  /** Whether the worker is there for requests. */
  private ready = false;

  constructor(options: CreateOptions) {
    this.options = options;
  }

  /** Starts a worker and opens the model in it. */
  async open(signal?: AbortSignal): Promise<ModelInfo> {
    const url = assetURL(this.options.workerURL, defaultWorkerURL);
    const worker = (this.worker = startWorker(url));
    // What a replaced worker said last may still arrive.
    worker.addEventListener('message', (event: MessageEvent<Response>) => worker === this.worker && this.receive(event.data));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker !== this.worker) {
        return;
      }
      const where = url.href;
      // A script that cannot be loaded has no message.
      this.lost(event.message ? new RuntimeError('internal', `the worker failed: ${event.message}`) : new RuntimeError('download', `${where}: the worker cannot be loaded`, {
        url: where, hint: 'Serve the files of the package\'s dist directory beside each other, or give workerURL.',
      }));
    });
    const { model, context, kv, limits, store, parallel, wasmURL, vocabularyURL } = this.options;
    const files = typeof model === 'string' ? undefined : model;
    const modelURL = typeof model === 'string' ? model : await addFiles(model);
    const message = (id: number): OpenMessage => ({
      kind: 'open', id, manifestURL: manifestURL(modelURL, baseURL()), files, context, kv, limits,
      wasmURL: assetURL(wasmURL, defaultWasmURL).href, vocabularyURL: assetURL(vocabularyURL, defaultVocabularyURL).href,
      store: store ?? true, parallel: parallel ?? 4,
    });
    try {
      const answer = await this.request(message, signal);
      this.ready = true;
      return (answer as Extract<Response, { kind: 'opened' }>).info;
    } catch (error) {
      this.fail(error instanceof RuntimeError ? error : new RuntimeError('closed', 'loading was aborted'));
      throw error;
    }
  }

  /** Sends a request and waits for its answer. */
  request(make: (id: number) => Request, signal?: AbortSignal, listener?: Listener): Promise<Response> {
    if (signal?.aborted) {
      return Promise.reject(abortError(signal));
    }
    if (this.failure) {
      return Promise.reject(this.failure);
    }
    return new Promise((resolve, reject) => {
      const id = ++this.lastID;
      const message = make(id);
      const settle = () => {
        signal?.removeEventListener('abort', abort);
        return this.pending.delete(id);
      };
      // The page hears nothing more of an aborted request, whatever the worker still says.
      const abort = () => {
        if (settle()) {
          this.worker?.postMessage({ kind: 'abort', id } satisfies Request);
          reject(abortError(signal));
        }
      };
      signal?.addEventListener('abort', abort);
      this.pending.set(id, {
        message,
        listener,
        resolve: (answer) => settle() && resolve(answer),
        reject: (error) => settle() && reject(error),
      });
      if (this.ready || message.kind === 'open') {
        this.worker?.postMessage(message);
      } // else it is sent when the next worker is ready
    });
  }

  private receive(message: Response): void {
    const pending = this.pending.get(message.id);
    switch (message.kind) {
      case 'progress':
        this.options.onProgress?.(message.progress);
        break;
      case 'notice':
        this.notify(message.notice);
        break;
      case 'lost':
        this.lost(fromWire(message.error) as RuntimeError);
        break;
      case 'frame':
        this.losses = 0;
        try {
          pending?.listener?.frame(message.json);
        } catch (error) {
          this.worker?.postMessage({ kind: 'abort', id: message.id } satisfies Request);
          pending?.reject(error);
        }
        break;
      case 'error': {
        const error = fromWire(message.error);
        if (error instanceof RuntimeError && error.code === 'device-lost') {
          this.lost(error);
        } else {
          pending?.reject(error);
        }
        break;
      }
      default:
        pending?.resolve(message);
    }
  }

  private notify(notice: Notice): void {
    if (this.options.onNotice) {
      this.options.onNotice(notice);
    } else {
      console.warn(`gossamer: ${notice.message}`);
    }
  }

  /** The worker is of no more use: once it has answered, another one takes over its requests. */
  private lost(error: RuntimeError): void {
    if (this.failure) {
      return;
    }
    if (!this.ready || this.losses >= lossesInARow) {
      this.fail(error);
      return;
    }
    this.ready = false;
    this.losses++;
    this.worker?.terminate();
    this.notify({ kind: 'recovering', message: `${error.message}. The model is being loaded again.` });
    this.open().then(
      () => {
        for (const { message, listener } of this.pending.values()) {
          listener?.restart();
          this.worker?.postMessage(message);
        }
      },
      () => {}, // fail has told everybody
    );
  }

  /** Ends everything. */
  private fail(error: RuntimeError): void {
    this.failure ??= error;
    this.ready = false;
    this.worker?.terminate();
    this.worker = undefined;
    for (const pending of [...this.pending.values()]) {
      pending.reject(this.failure);
    }
  }

  async close(): Promise<void> {
    if (this.failure) {
      return;
    }
    if (this.ready) {
      // The memory of a GPU is given back sooner if the worker does it; one that is busy is not waited for.
      const patience = new Promise((resolve) => setTimeout(resolve, 1000));
      await Promise.race([this.request((id) => ({ kind: 'close', id })), patience]).catch(() => {});
    }
    this.fail(new RuntimeError('closed', 'the model was closed'));
  }
}

// The version keeps hosts' and browsers' caches from mixing files of two releases. BUILD is defined by build.mjs.
declare const BUILD: string;

const defaultWorkerURL = new URL('./worker.js', import.meta.url);
const defaultWasmURL = new URL('./gossamer.wasm', import.meta.url);
const defaultVocabularyURL = new URL('./o200k.bin.gz', import.meta.url);

function baseURL(): string {
  return globalThis.document?.baseURI ?? location.href;
}

function assetURL(given: string | URL | undefined, otherwise: URL): URL {
  if (given !== undefined) {
    return new URL(given, baseURL());
  }
  const url = new URL(otherwise);
  if (url.protocol.startsWith('http')) {
    url.searchParams.set('v', BUILD);
  }
  return url;
}

function startWorker(url: URL): Worker {
  if (url.origin === location.origin || url.protocol === 'blob:' || url.protocol === 'data:') {
    return new Worker(url, { type: 'module', name: 'gossamer' });
  }
  // Workers must come from the page's own origin; what they import need not.
  const script = new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' });
  const blob = URL.createObjectURL(script);
  const worker = new Worker(blob, { type: 'module', name: 'gossamer' });
  worker.addEventListener('message', () => URL.revokeObjectURL(blob), { once: true });
  return worker;
}
