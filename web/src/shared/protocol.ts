// Messages between page (client.ts) and worker (worker.ts). Each has the id of the request that it belongs to; the page counts ids.
// Where tabs share a worker (shared-connection.ts, host.ts) the other tabs' messages are the same, on broadcast channels.

import type { WireError } from './errors.ts';
import type { Backend, EngineInfo, EngineStats } from './engine.ts';
import type { LocalFiles } from './files.ts';
import type { Reason } from './reasons.ts';

/** What the worker needs to open a model. URLs are absolute. */
export interface OpenMessage {
  kind: 'open';
  id: number;
  manifestURL: string;
  /** The model, if it is in the visitor's own files. */
  files?: LocalFiles | undefined;
  /** Of requests to the model's origin. */
  headers?: Record<string, string> | undefined;
  /** Where the page answers the model's requests in the browser's place; see fetch-port.ts. */
  fetchPort?: MessagePort | undefined;
  wasmURL: string;
  vocabularyURL: string;
  context?: number | undefined;
  kv?: 'f16' | 'f32' | undefined;
  backend: Backend;
  /** Bounds on what is asked of the adapter, to try what a weaker one does. */
  limits?: Record<string, number> | undefined;
  /** false: nothing is stored. */
  store: boolean;
  parallel: number;
  /** Other tabs may use the engine. */
  share?: boolean | undefined;
}

/** What a tab asks of a model that another one opens. */
export interface JoinOptions {
  context?: number | undefined;
  kv?: 'f16' | 'f32' | undefined;
}

/** From the page. */
export type Request =
  | OpenMessage
  /** reply: as in ChatOptions. prompt: the page wants to know how reading the prompt goes on. */
  | { kind: 'chat'; id: number; body: string; strict?: boolean | undefined; reply?: number[] | undefined; prompt?: boolean | undefined }
  | { kind: 'tokenize'; id: number; text: string }
  | { kind: 'detokenize'; id: number; tokens: number[] }
  | { kind: 'stats'; id: number }
  /** Another tab's open. */
  | ({ kind: 'join'; id: number } & JoinOptions)
  /** Another tab asks whether the worker is alive. */
  | { kind: 'ping'; id: number }
  /** Ends the request with this id, which then answers with an error. */
  | { kind: 'abort'; id: number }
  | { kind: 'close'; id: number };

/** From the worker. Every request but abort is answered by exactly one of opened, done, tokens, text, stats, pong or error. */
export type Response =
  | { kind: 'progress'; id: number; progress: Progress }
  | { kind: 'notice'; id: number; notice: Notice }
  | { kind: 'opened'; id: number; info: ModelInfo }
  /** How many tokens of the prompt are read. */
  | { kind: 'prompt'; id: number; done: number; total: number }
  | { kind: 'frame'; id: number; json: string; tokens: number[] }
  | { kind: 'done'; id: number }
  | { kind: 'tokens'; id: number; tokens: number[] }
  | { kind: 'text'; id: number; text: string }
  | { kind: 'stats'; id: number; stats: EngineStats }
  | { kind: 'pong'; id: number }
  | { kind: 'error'; id: number; error: WireError }
  /** The device is gone, and the worker of no more use. id is that of open. */
  | { kind: 'lost'; id: number; error: WireError }
  /** The service worker of this scope waits for an answer: the page keeps the browser from stopping it. */
  | { kind: 'awake'; id: number; scope: string };

/** Messages on a model's discovery channel, by which tabs find the one that runs it. */
export type Discovery =
  /** An engine has started. */
  | { kind: 'engine-started'; engine: string }
  /** A client looks for the engine. scope: of the service worker that it is in. */
  | { kind: 'connect'; client: string; scope?: string | undefined }
  /** The engine listens to the client on the channel of the two. */
  | { kind: 'accepted'; client: string; engine: string };

/** Names of channels and locks. model is the URL of a manifest; engine and client are their random ids. */
export const names = {
  discovery: (model: string) => `gossamer discovery ${model}`,
  channel: (engine: string, client: string) => `gossamer channel ${engine} ${client}`,
  /** Held by the tab that runs the model. */
  engine: (model: string) => `gossamer engine ${model}`,
  /** Held by a client as long as it lives. */
  client: (client: string) => `gossamer client ${client}`,
};

/** Stages of loading, in this order: small files; the self-test; weights from network or disk to the GPU; shaders. Without a GPU neither test nor shaders. */
export type Phase = 'prepare' | 'test' | 'load' | 'compile' | 'ready';

/** How far loading is. */
export interface Progress {
  phase: Phase;
  /** Of the weights, from network and disk together. */
  bytesDone: number;
  bytesTotal: number;
  /** Of bytesDone, what came over the network. */
  bytesFetched: number;
  /** Bytes per second over the last seconds; 0: not known. */
  rate: number;
  /** Seconds until the weights are there; undefined: not known. */
  eta?: number | undefined;
  /**
   * Nothing comes, since a connection broke or, with a status, since the host has answered that: seconds until the next attempt; 0: it is
   * being made. undefined: nothing is wrong.
   */
  retry?: { seconds: number; status?: number | undefined } | undefined;
}

/** Something worth knowing that does not end the load. */
export interface Notice {
  kind: 'quota' | 'not-verified' | 'changed' | 'offline' | 'not-stored' | 'software-adapter' | 'recovering' | 'suspended';
  message: string;
  /** Of recovering: what went wrong, for whoever says it in another language. */
  reason?: Reason | undefined;
}

/** An open model. */
export interface ModelInfo extends EngineInfo {
  /** Of manifest.json. */
  url: string;
  /** What the browser tells of the GPU; undefined where the processor computes. */
  adapter?: { vendor: string; architecture: string; device: string; description: string };
  /** Whether every byte of the weights was compared with a published hash. */
  verified: boolean;
  /** Whether the next visit finds the weights in the browser's storage. */
  stored: boolean;
}
