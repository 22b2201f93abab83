// The interface between the worker (worker.ts), which opens the device and the storage, and the engine in WebAssembly (bridge.ts).

/** What computes: a GPU, or the processor, by code in WebAssembly. */
export type Backend = 'webgpu' | 'cpu';

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

/** A chunk in a file of the browser's storage that is open for reading. */
export interface StoredFile {
  readonly length: number;
  /** Copies the bytes from `from` on, as many as `to` has. Throws where the file cannot be read. */
  read(to: Uint8Array<ArrayBuffer>, from: number): void;
  /** All bytes, in memory until the file is closed. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  close(): void;
}

/** A chunk's bytes, to be released. */
export type ChunkData = Uint8Array<ArrayBuffer> | StoredFile;

/** Where chunks come from. Several calls may be in flight; the store bounds the connections. */
export interface ChunkStore {
  /** The number of calls in flight that keeps the connections busy. */
  readonly parallel: number;
  /**
   * Resolves to the chunk's bytes, verified. asFile: they may be in a file, where they were verified when they were stored, and are again
   * later; if it cannot be read, the chunk is to be asked for again, and comes from elsewhere.
   */
  get(chunk: Chunk, signal: AbortSignal, asFile?: boolean): Promise<ChunkData>;
  /**
   * Frees the memory of a chunk's bytes at once, or closes their file. Otherwise it would be freed when Go collects its reference to them,
   * and Go collects nothing while a model is loaded, because loading allocates hardly any of its own memory.
   */
  release(data: ChunkData): void;
}

/** What the engine needs to open a model. */
export interface OpenOptions {
  /** Text of manifest.json. */
  manifest: string;
  /** Name by which the model is known in replies. */
  model: string;
  /** Ranks of the vocabulary, unpacked. */
  vocabulary: Uint8Array;
  /** undefined: the processor computes. */
  device?: GPUDevice | undefined;
  /** Of the device's adapter. */
  adapterInfo?: GPUAdapterInfo | undefined;
  store: ChunkStore;
  /** Positions. undefined: what fits. */
  context?: number;
  /** How keys and values are stored. undefined: f16. */
  kv?: 'f16' | 'f32';
  /** Skip the self-test, which the adapter has passed before. */
  tested?: boolean;
  /** Limits and features not to use, for tests: bytes of a storage binding, shader-f16, subgroups. */
  maxBindingBytes?: number;
  noF16?: boolean;
  noSubgroups?: boolean;
  signal: AbortSignal;
  /** Called when a stage begins: self-test, transfer to the device, compilation. */
  onPhase?: (phase: 'test' | 'load' | 'compile') => void;
}

/** What is known of an open model. */
export interface EngineInfo {
  model: string;
  /** What computes it: the GPU, or the processor. */
  backend: Backend;
  /** Positions of the key/value cache. */
  context: number;
  kv: 'f16' | 'f32';
  /** Bytes on the device, or in the tab's memory where the processor computes. */
  memory: { weights: number; kv: number; scratch: number; kvPerToken: number };
  /** What the kernels use of the device; undefined: there is none. */
  device?: { maxBindingBytes: number; f16: boolean; subgroups: boolean };
  /** Largest error of the self-test's logits, divided by their standard deviation; undefined: it was skipped. */
  deviation?: number;
}

/** What the engine does, and has done since the model was opened. */
export interface EngineStats {
  /** Replies in progress or in line, at most a token ago. */
  replies: number;
  /** Of all replies so far. */
  tokens: number;
  /** Calls between WebAssembly and JavaScript for submits, writes and reads. This and the rest is 0 where the processor computes. */
  crossings: number;
  submits: number;
  dispatches: number;
  readbacks: number;
  /** To the device; and those of them that did not pass through WebAssembly's memory. */
  bytesWritten: number;
  bytesBeside: number;
  bytesRead: number;
  /** Allocated on the device. */
  deviceBytes: number;
}

/** How a request is answered, beside what it says itself. */
export interface ChatOptions {
  /** Unknown fields are refused. */
  strict?: boolean | undefined;
  /** Ids of tokens with which the reply begins: it goes on behind them, in the same frames as if they came now. */
  reply?: number[] | undefined;
  /** Told how many tokens of the prompt are read, of how many, those of `reply` among them. */
  onPrompt?: ((done: number, total: number) => void) | undefined;
}

/** An open model. What fails rejects with an error that may carry `code` (see RuntimeErrorCode), `param` and `hint`. */
export interface Engine {
  readonly info: EngineInfo;
  /**
   * Answers a request: body is the JSON of chat.completions.create. onFrame gets each frame, JSON without "data:": chunks if the
   * request says stream, else one completion. With it come the tokens since the frame before, of a single reply: for each its id and
   * the milliseconds since the call. Resolves after the last frame; an aborted signal rejects with AbortError and delivers nothing afterwards.
   */
  chat(body: string, onFrame: (json: string, tokens: number[]) => void, signal: AbortSignal, options?: ChatOptions): Promise<void>;
  tokenize(text: string, signal: AbortSignal): Promise<Int32Array>;
  detokenize(tokens: Int32Array): string;
  stats(): Promise<EngineStats>;
  close(): Promise<void>;
}

/** Reads a part of one of a repository's files; undefined: there is no such file. */
export type ReadFile = (name: string, offset: number, bytes: number) => Promise<{ size: number; data: Uint8Array<ArrayBuffer> } | undefined>;

/** The program, once it runs. */
export interface Program {
  /** Opens a model; again only after the one before is closed. */
  open(options: OpenOptions): Promise<Engine>;
  /** Makes the text of manifest.json, without hashes, for a repository in Hugging Face's layout that has none. */
  derive(read: ReadFile, signal: AbortSignal): Promise<string>;
  /** SHA-256 in hexadecimal, slower than the browser's, which it keeps from pages that are not secure. */
  sha256(bytes: Uint8Array): Promise<string>;
}

/** What bridge.ts exports: starts the program, once per worker. */
export type StartEngine = (wasm: WebAssembly.Module) => Promise<Program>;
