// The page's side: sends requests to an engine, and to the next one where that is lost.

import type { EngineStats } from '../shared/engine.ts';
import { abortError, fromWire, RuntimeError } from '../shared/errors.ts';
import type { Line, Loss } from './line.ts';
import type { ModelInfo, Notice, OpenMessage, Progress, Request, Response } from '../shared/protocol.ts';
import { Replay } from './replay.ts';
import { Stream } from './stream.ts';
import type { ChatCompletion, ChatCompletionChunk, ChatParams, ChatParamsNonStreaming, ChatParamsStreaming, Model } from '../shared/types.ts';

/** Options of one request. */
export interface RequestOptions {
  /** Ends the reply: it rejects with the signal's reason, an AbortError. */
  signal?: AbortSignal;
}

/** A stream that can be awaited, as OpenAI's library does, or looped over at once. */
export type StreamPromise<T> = Promise<Stream<T>> & AsyncIterable<T>;

/** An open model. */
export class Gossamer {
  /** OpenAI's chat.completions. */
  readonly chat: { readonly completions: Completions };
  /** OpenAI's models. */
  readonly models: { list(): Promise<{ object: 'list'; data: Model[] }> };
  private readonly client: Client;

  /** @internal Use create. */
  constructor(client: Client, info: ModelInfo) {
    this.client = client;
    this.chat = { completions: new Completions(client, info.model) };
    const model: Model = { id: info.model, object: 'model', created: Math.floor(Date.now() / 1000), owned_by: 'gossamer' };
    this.models = { list: async () => ({ object: 'list', data: [model] }) };
  }

  /** What the model is and takes. Another tab that takes over may have opened it with another context. */
  get info(): ModelInfo {
    return this.client.info!;
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

  /** What the engine has done since the model was opened. */
  async stats({ signal }: RequestOptions = {}): Promise<EngineStats> {
    const answer = await this.client.request((id) => ({ kind: 'stats', id }), signal);
    return (answer as Extract<Response, { kind: 'stats' }>).stats;
  }

  /** Ends replies in progress and gives the GPU's memory back. Of a shared model, only this tab's replies while another tab runs it. */
  close(): Promise<void> {
    return this.client.close();
  }
}

/** OpenAI's chat.completions. */
export class Completions {
  private readonly client: Client;
  private readonly model: string;

  /** @internal */
  constructor(client: Client, model: string) {
    this.client = client;
    this.model = model;
  }

  /** Answers a conversation: whole, or with stream: true in parts. Rejects with RuntimeError, or with the signal's reason. */
  create(params: ChatParamsNonStreaming, options?: RequestOptions): Promise<ChatCompletion>;
  create(params: ChatParamsStreaming, options?: RequestOptions): StreamPromise<ChatCompletionChunk>;
  create(params: ChatParams, options?: RequestOptions): Promise<ChatCompletion> | StreamPromise<ChatCompletionChunk>;
  create(params: ChatParams, options: RequestOptions = {}): Promise<ChatCompletion> | StreamPromise<ChatCompletionChunk> {
    // With a seed the reply can be repeated where the device is lost.
    const body = JSON.stringify({ ...params, model: params.model ?? this.model, seed: params.seed ?? randomSeed() });
    return params.stream ? this.stream(body, options) : this.whole(body, options);
  }

  /** @internal Answers a request given as JSON, whole. */
  async whole(body: string, { signal }: RequestOptions): Promise<ChatCompletion> {
    let completion: ChatCompletion | undefined;
    await this.client.request((id) => ({ kind: 'chat', id, body }), signal, { frame: (json) => (completion = JSON.parse(json)), restart() {} });
    return completion!;
  }

  /** @internal Answers a request given as JSON, in parts. */
  stream(body: string, { signal }: RequestOptions): StreamPromise<ChatCompletionChunk> {
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

/** A seed with which a reply can be repeated. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1;
}

/** Hears of a reply. */
interface Listener {
  frame(json: string): void;
  /** The reply begins again. */
  restart(): void;
}

/** What a client sends: connect is for the line. */
type Sent = Exclude<Request, OpenMessage> | { kind: 'connect'; id: number };

interface Pending {
  message: Sent;
  listener: Listener | undefined;
  resolve(answer: Response): void;
  reject(error: unknown): void;
}

/** How often the device may be lost in a row without a word of any reply in between. */
const lossesInARow = 2;

/** Who is told of loading. */
export interface Watcher {
  onProgress?: ((progress: Progress) => void) | undefined;
  onNotice?: ((notice: Notice) => void) | undefined;
}

/** Requests to an engine. */
export class Client {
  private readonly line: Line;
  private readonly watcher: Watcher;
  private readonly pending = new Map<number, Pending>();
  private lastID = 0;
  /** Of the model that was opened last. */
  info: ModelInfo | undefined;
  /** Why nothing more is answered. */
  private failure: RuntimeError | undefined;
  private end: () => void = () => {};
  /** Resolves when nothing more is answered. */
  readonly ended = new Promise<void>((resolve) => (this.end = resolve));
  private losses = 0;
  /** Whether the engine is there for requests. */
  private ready = false;

  constructor(line: Line, watcher: Watcher) {
    this.line = line;
    this.watcher = watcher;
  }

  /** Opens the model. */
  async open(signal?: AbortSignal): Promise<ModelInfo> {
    try {
      const answer = await this.request((id) => ({ kind: 'connect', id }), signal);
      this.ready = true;
      return (this.info = (answer as Extract<Response, { kind: 'opened' }>).info);
    } catch (error) {
      this.fail(error instanceof RuntimeError ? error : new RuntimeError('closed', 'loading was aborted'));
      throw error;
    }
  }

  /** Sends a request and waits for its answer. */
  request(make: (id: number) => Sent, signal?: AbortSignal, listener?: Listener): Promise<Response> {
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
          this.line.send({ kind: 'abort', id });
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
      if (message.kind === 'connect') {
        this.line.connect(id, { receive: (m) => this.receive(m), lost: (error, what) => this.lost(error, what) });
      } else if (this.ready) {
        this.line.send(message);
      } // else it is sent when the next engine is ready
    });
  }

  private receive(message: Response): void {
    const pending = this.pending.get(message.id);
    switch (message.kind) {
      case 'progress':
        this.watcher.onProgress?.(message.progress);
        break;
      case 'notice':
        this.notify(message.notice);
        break;
      case 'awake':
        keepAwake(message.scope);
        break;
      case 'lost':
        this.lost(fromWire(message.error) as RuntimeError, 'again');
        break;
      case 'frame':
        this.losses = 0;
        try {
          pending?.listener?.frame(message.json);
        } catch (error) {
          this.line.send({ kind: 'abort', id: message.id });
          pending?.reject(error);
        }
        break;
      case 'error': {
        const error = fromWire(message.error);
        if (error instanceof RuntimeError && error.code === 'device-lost') {
          this.lost(error, 'again');
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
    if (this.watcher.onNotice) {
      this.watcher.onNotice(notice);
    } else {
      console.warn(`gossamer: ${notice.message}`);
    }
  }

  /** The engine is gone: once another one is there, it takes over the requests. */
  private lost(error: RuntimeError, what: Loss): void {
    if (this.failure) {
      return;
    }
    if (!this.ready || what === 'end' || (what === 'again' && this.losses >= lossesInARow)) {
      this.fail(error);
      return;
    }
    this.ready = false;
    this.losses += what === 'again' ? 1 : 0;
    this.notify({ kind: 'recovering', message: `${error.message}. The model is being loaded again.` });
    this.open().then(
      () => {
        for (const { message, listener } of this.pending.values()) {
          listener?.restart();
          if (message.kind !== 'connect') {
            this.line.send(message);
          }
        }
      },
      () => {}, // fail has told everybody
    );
  }

  /** Ends everything. */
  private fail(error: RuntimeError): void {
    this.failure ??= error;
    this.end();
    this.ready = false;
    this.line.close();
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

/** Browsers stop a service worker that gets no events for half a minute, even where it is in the middle of an answer. */
async function keepAwake(scope: string): Promise<void> {
  const registration = await globalThis.navigator?.serviceWorker?.getRegistration(scope).catch(() => undefined);
  registration?.active?.postMessage({ kind: 'gossamer-awake' });
}
