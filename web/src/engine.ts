// The seam between the worker (worker.ts) and the engine in WebAssembly (bridge.ts): the worker makes the device and the store,
// the engine computes.

/** A part of the weights: a file, or a range of one. */
export interface Chunk {
  /** Where it is; relative to the manifest's URL, or absolute. */
  url: string;
  /** Of the first byte in the file; undefined: the chunk is the whole file. */
  offset?: number;
  /** Length as it is stored, before any decompression. */
  bytes: number;
  /** Of the stored bytes, in hexadecimal; undefined: none is published. */
  sha256?: string;
}

/** Where chunks come from. Several calls may be in flight; the store bounds the connections. */
export interface ChunkStore {
  /** The number of calls in flight that keeps the connections busy. */
  readonly parallel: number;
  /** Resolves to the chunk's bytes, verified. onBytes is told of bytes as they arrive (negative where some had to be fetched again). */
  get(chunk: Chunk, signal: AbortSignal, onBytes?: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>>;
}

/** What the engine needs to open a model. */
export interface OpenOptions {
  /** Text of manifest.json. */
  manifest: string;
  /** Name by which the model is known in replies. */
  model: string;
  /** Ranks of the vocabulary, unpacked. */
  vocabulary: Uint8Array;
  device: GPUDevice;
  adapterInfo: GPUAdapterInfo;
  store: ChunkStore;
  /** Positions. undefined: what fits. */
  context?: number;
  /** How keys and values are stored. undefined: f16. */
  kv?: 'f16' | 'f32';
  signal: AbortSignal;
  /** The engine's own stages, after which it is ready: bytes of weights that reached the device, compiling, testing. */
  onPhase?: (phase: 'load' | 'compile' | 'test', done: number, total: number) => void;
}

/** What is known of an open model. */
export interface EngineInfo {
  model: string;
  /** Positions of the key/value cache. */
  context: number;
  kv: 'f16' | 'f32';
  /** Bytes on the device. */
  memory: { weights: number; kv: number; scratch: number; kvPerToken: number };
}

/** An open model. What fails rejects with an error that may carry `code` (see RuntimeErrorCode), `param` and `hint`. */
export interface Engine {
  readonly info: EngineInfo;
  /**
   * Answers a request: body is the JSON of chat.completions.create. onFrame gets each frame, JSON without "data:": chunks if the
   * request says stream, else one completion. Resolves after the last frame; an aborted signal rejects with AbortError and
   * delivers nothing afterwards.
   */
  chat(body: string, onFrame: (json: string) => void, signal: AbortSignal): Promise<void>;
  tokenize(text: string): Int32Array;
  detokenize(tokens: Int32Array): string;
  close(): Promise<void>;
}

/** What bridge.ts exports: start instantiates the program once per worker; open may be called again after close. */
export type StartEngine = (wasm: WebAssembly.Module) => Promise<(options: OpenOptions) => Promise<Engine>>;
