// The page's side: sends requests to an engine, and repeats them with the next one if that is lost.

import type { EngineStats } from '../shared/engine.ts';
import { abortError, errorOf, fromWire, RuntimeError } from '../shared/errors.ts';
import type { Connection, Loss } from './connection.ts';
import type { ModelInfo, Notice, OpenMessage, Progress, Request, Response } from '../shared/protocol.ts';
import { forgetReply, keptReplies, readReply, ReplyKeeper, type KeptReply } from './kept-replies.ts';
import { Log } from './log.ts';
import { modelList, modelObject } from './openai.ts';
import { Replay } from './replay.ts';
import { TokenList, type ReplyToken } from './reply-tokens.ts';
import { Stream } from './stream.ts';
import type { ChatCompletion, ChatCompletionChunk, ChatParams, ChatParamsNonStreaming, ChatParamsStreaming, ModelList } from '../shared/types.ts';

/** Options of one request. */
export interface RequestOptions {
  /** Ends the reply: it rejects with the signal's reason, an AbortError. */
  signal?: AbortSignal;
  /** Refuse fields that are unknown, instead of leaving them out and naming them in the reply's `ignored`. Default: false. */
  strict?: boolean | undefined;
  /** Told how many tokens of the prompt are read, of how many; those known from before are among them. */
  onPrompt?: ((progress: { done: number; total: number }) => void) | undefined;
  /** Told of each token of a reply, with n: 1, at the latest with the chunk that it completes: reasoning, and the model's own marks, are among them. */
  onToken?: ((token: ReplyToken) => void) | undefined;
}

/** Options of a streamed reply. */
export interface StreamOptions extends RequestOptions {
  /**
   * Keeps the request and the tokens of the reply in localStorage under this name until the reply has ended, so that resume goes on with it
   * after the page was loaded again. With n: 1.
   */
  keep?: string | undefined;
}

/** A stream that can be awaited, as OpenAI's library does, or looped over at once. */
export type StreamPromise<T> = Promise<Stream<T>> & AsyncIterable<T>;

/** An open model. */
export class Gossamer {
  /** OpenAI's chat.completions. */
  readonly chat: { readonly completions: Completions };
  /** OpenAI's models. */
  readonly models: {
    /** The open model. */
    list(): Promise<ModelList>;
  };
  private readonly client: Client;

  /** @internal Use create. */
  constructor(client: Client, info: ModelInfo) {
    this.client = client;
    this.chat = { completions: new Completions(client, info.model) };
    const model = modelObject(info.model);
    this.models = { list: async () => modelList([model]) };
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

  /** The names of kept replies that did not end, because their pages were closed or loaded again. */
  interrupted(): string[] {
    return keptReplies();
  }

  /** Forgets an interrupted reply. */
  forget(name: string): void {
    forgetReply(name);
  }

  /**
   * Goes on with an interrupted reply, of this model. The chunks begin with the first one again: what was there before comes at once, and its
   * tokens are read by the engine, not computed anew.
   */
  resume(name: string, options: RequestOptions = {}): StreamPromise<ChatCompletionChunk> {
    let reply: KeptReply;
    try {
      reply = readReply(name, this.client.info!.url);
    } catch (error) {
      return streamPromise(Promise.reject(error));
    }
    return this.stream(reply.body, { ...options, keep: name }, reply.tokens);
  }

  /** Answers a conversation: whole, or with stream: true in parts. Rejects with RuntimeError, or with the signal's reason. */
  create(params: ChatParamsNonStreaming, options?: RequestOptions): Promise<ChatCompletion>;
  create(params: ChatParamsStreaming, options?: StreamOptions): StreamPromise<ChatCompletionChunk>;
  create(params: ChatParams, options?: StreamOptions): Promise<ChatCompletion> | StreamPromise<ChatCompletionChunk>;
  create(params: ChatParams, options: StreamOptions = {}): Promise<ChatCompletion> | StreamPromise<ChatCompletionChunk> {
    // With a seed the reply can be repeated if the device is lost.
    const body = JSON.stringify({ ...params, model: params.model ?? this.model, seed: params.seed ?? randomSeed() });
    return params.stream ? this.stream(body, options) : this.whole(body, options);
  }

  /** @internal Answers a request given as JSON, whole. */
  async whole(body: string, { signal, strict, onPrompt, onToken }: RequestOptions): Promise<ChatCompletion> {
    let completion: ChatCompletion | undefined;
    const tokens = new TokenList(onToken);
    await this.client.request((id) => ({ kind: 'chat', id, body, strict, prompt: onPrompt !== undefined }), signal, {
      frame: (json, news) => {
        tokens.add(news);
        completion = JSON.parse(json);
      },
      prompt: onPrompt,
      restart: () => undefined,
    });
    this.client.log.write('info', 'a reply has ended', completion!.usage);
    return completion!;
  }

  /** @internal Answers a request given as JSON, in parts. */
  stream(body: string, { signal, strict, onPrompt, onToken, keep }: StreamOptions, reply?: number[]): StreamPromise<ChatCompletionChunk> {
    const tokens = new TokenList(onToken, reply);
    const kept = keep === undefined ? undefined : new ReplyKeeper(keep, { model: this.client.info!.url, body, tokens: tokens.ids });
    const stream = new Stream<ChatCompletionChunk>(new AbortController());
    const replay = new Replay();
    const begun = new Promise<Stream<ChatCompletionChunk>>((resolve, reject) => {
      const listener = {
        prompt: onPrompt,
        frame(json: string, news: number[]) {
          tokens.add(news);
          kept?.grown();
          const chunk = replay.next(JSON.parse(json) as ChatCompletionChunk);
          if (chunk) {
            stream.push(chunk);
            resolve(stream);
          }
        },
        restart() {
          replay.restart();
          return tokens.restart();
        },
      };
      const either = signal ? AbortSignal.any([signal, stream.controller.signal]) : stream.controller.signal;
      this.client.request((id) => ({ kind: 'chat', id, body, strict, reply, prompt: onPrompt !== undefined }), either, listener).then(
        () => {
          kept?.end(true);
          this.client.log.write('info', `a reply has ended, of ${tokens.ids.length} tokens`);
          stream.end();
          resolve(stream);
        },
        (error) => {
          kept?.end(either.aborted || (error as RuntimeError).code === 'bad-request');
          stream.end(error, either.aborted);
          reject(error);
        },
      );
    });
    return streamPromise(begun);
  }
}

function streamPromise(begun: Promise<Stream<ChatCompletionChunk>>): StreamPromise<ChatCompletionChunk> {
  begun.catch(() => {}); // callers that only loop get the error in the loop
  const iterate = async function* () {
    yield* await begun;
  };
  return Object.assign(begun, { [Symbol.asyncIterator]: iterate });
}

/** A seed with which a reply can be repeated. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1;
}

/** Receives the frames of a reply. */
interface ReplyListener {
  frame(json: string, tokens: number[]): void;
  prompt?: ((progress: { done: number; total: number }) => void) | undefined;
  /** The reply begins again. Returns what the request says in addition. */
  restart(): { reply: number[] } | undefined;
}

/** What a client asks for. connect is not sent, but makes the connection. */
type ClientRequest = Exclude<Request, OpenMessage> | { kind: 'connect'; id: number };

interface Pending {
  message: ClientRequest;
  listener: ReplyListener | undefined;
  resolve(answer: Response): void;
  reject(error: unknown): void;
}

/** How often in a row the device may be lost without a frame of any reply in between. After that the model is not loaded again. */
const maxLosses = 2;

/** Callbacks for loading. */
export interface LoadCallbacks {
  onProgress?: ((progress: Progress) => void) | undefined;
  onNotice?: ((notice: Notice) => void) | undefined;
  /** Default: warnings, to the console. */
  log?: Log;
}

/** Requests to an engine. */
export class Client {
  private readonly connection: Connection;
  private readonly callbacks: LoadCallbacks;
  readonly log: Log;
  private phase = '';
  private readonly pending = new Map<number, Pending>();
  private lastID = 0;
  /** Of the model that was opened last. */
  info: ModelInfo | undefined;
  /** Why requests are no longer answered. */
  private failure: RuntimeError | undefined;
  private end: () => void = () => {};
  /** Resolves when requests are no longer answered. */
  readonly ended = new Promise<void>((resolve) => (this.end = resolve));
  private losses = 0;
  /** Whether the engine has the model open. */
  private ready = false;

  constructor(connection: Connection, callbacks: LoadCallbacks) {
    this.connection = connection;
    this.callbacks = callbacks;
    this.log = callbacks.log ?? new Log();
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
  request(make: (id: number) => ClientRequest, signal?: AbortSignal, listener?: ReplyListener): Promise<Response> {
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
      // After an abort no message of the request is delivered, even if the worker still sends some.
      const abort = () => {
        if (settle()) {
          this.connection.send({ kind: 'abort', id });
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
        this.log.write('debug', 'connects to an engine');
        this.connection.connect(id, { receive: (m) => this.receive(m), lost: (error, loss) => this.lost(error, loss) });
      } else if (this.ready) {
        this.log.write('debug', `request ${id}: ${message.kind}`, message);
        this.connection.send(message);
      } // else it is sent when the next engine has opened the model
    });
  }

  private receive(message: Response): void {
    const pending = this.pending.get(message.id);
    switch (message.kind) {
      case 'progress':
        if (message.progress.phase !== this.phase) {
          this.phase = message.progress.phase;
          this.log.write('info', `loading: ${this.phase}`, message.progress);
        }
        this.callbacks.onProgress?.(message.progress);
        break;
      case 'notice':
        this.notify(message.notice);
        break;
      case 'awake':
        keepAwake(message.scope);
        break;
      case 'lost':
        this.lost(fromWire(message.error) as RuntimeError, 'failed');
        break;
      case 'prompt':
        pending?.listener?.prompt?.({ done: message.done, total: message.total });
        break;
      case 'frame':
        this.losses = 0;
        try {
          pending?.listener?.frame(message.json, message.tokens);
        } catch (error) {
          this.connection.send({ kind: 'abort', id: message.id });
          pending?.reject(error);
        }
        break;
      case 'error': {
        const error = fromWire(message.error);
        if (error instanceof RuntimeError && error.code === 'device-lost') {
          this.lost(error, 'failed');
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
    if (this.callbacks.onNotice) {
      this.callbacks.onNotice(notice);
    } else {
      this.log.write('warn', notice.message);
    }
  }

  /** Handles the loss of the engine: the requests in progress are repeated with the next one. */
  private lost(error: RuntimeError, loss: Loss): void {
    if (this.failure) {
      return;
    }
    if (!this.ready || loss === 'ended' || (loss === 'failed' && this.losses >= maxLosses)) {
      this.fail(error);
      return;
    }
    this.ready = false;
    this.losses += loss === 'failed' ? 1 : 0;
    this.notify({ kind: 'recovering', message: `${error.message}. The model is being loaded again.`, reason: error.details.reason });
    this.open().then(
      () => {
        for (const { message, listener } of this.pending.values()) {
          const more = listener?.restart();
          if (message.kind !== 'connect') {
            this.connection.send(message.kind === 'chat' && more ? { ...message, ...more } : message);
          }
        }
      },
      () => {}, // open has rejected every request
    );
  }

  /** Rejects the requests in progress and all later ones. */
  private fail(error: RuntimeError): void {
    this.failure ??= error;
    this.end();
    this.ready = false;
    this.connection.close();
    for (const pending of [...this.pending.values()]) {
      pending.reject(this.failure);
    }
  }

  async close(): Promise<void> {
    if (this.failure) {
      return;
    }
    const error = errorOf('closed', 'closed');
    if (this.ready) {
      // The GPU's memory is freed sooner if the worker does it. A worker that is busy is ended without it.
      const timeout = new Promise((resolve) => setTimeout(resolve, 1000));
      const closed = this.request((id) => ({ kind: 'close', id }));
      this.failure = error; // of all that is asked meanwhile
      await Promise.race([closed, timeout]).catch(() => {});
    }
    this.fail(error);
  }
}

/** Sends an event to a service worker. Browsers stop one that gets no events for half a minute, even in the middle of an answer. */
async function keepAwake(scope: string): Promise<void> {
  const registration = await globalThis.navigator?.serviceWorker?.getRegistration(scope).catch(() => undefined);
  registration?.active?.postMessage({ kind: 'gossamer-awake' });
}
