// Loads chunks from the browser's storage, or from their host if they are not stored. What comes from the host is verified before it is
// used; files of the storage, which were verified when they were written, are read at the rate of the disk and verified afterwards.

import { defaultRetryPolicy, download, type RetryPolicy } from '../shared/download.ts';
import type { Chunk, ChunkData, StoredFile } from '../shared/engine.ts';
import { errorOf, RuntimeError } from '../shared/errors.ts';
import { differs, type FileStates } from '../shared/file-state.ts';
import type { Notice } from '../shared/protocol.ts';
import { chunkKey, free, isFull, sha256, type Hash, type Storage, type Writer } from '../shared/storage.ts';

export interface LoaderOptions {
  /** Of the manifest; chunks are relative to it. */
  base: string;
  /** undefined: nothing is kept. */
  storage?: Storage | undefined;
  /** Connections at a time. */
  parallel: number;
  /** What identifies the files of a repository that nobody packed. */
  files?: FileStates | undefined;
  onNotice: (notice: Notice) => void;
  /** Told of bytes that came over the network. */
  onFetched?: (bytes: number) => void;
  retryPolicy?: RetryPolicy;
  /** Default: the browser's. */
  hash?: Hash | undefined;
}

/** Bytes that are written to the storage at a time during a download: a crash loses at most so many for each connection. */
const pieceBytes = 1 << 20;

/** Loads chunks. */
export class Loader {
  readonly parallel: number;
  /** Whether a chunk came without a published hash. */
  unverified = false;
  /** Whether the storage refused bytes: what comes afterwards stays in memory. */
  full = false;
  private readonly options: LoaderOptions;
  private readonly connections: Semaphore;
  private readonly hash: Hash;
  /** A chunk takes its bytes several times while it is read from the storage or hashed, which is quick. */
  private readonly hashing = new Semaphore(2);
  /** The files that were handed out: the hashes that they should have, by keys. */
  private readonly files = new Map<string, string>();

  constructor(options: LoaderOptions) {
    this.options = options;
    this.parallel = options.parallel;
    this.hash = options.hash ?? sha256;
    this.connections = new Semaphore(options.parallel);
  }

  /**
   * Resolves to a chunk's bytes, as ChunkStore has it. onBytes is told of bytes as they arrive (negative where some had to be fetched
   * again).
   */
  async get(chunk: Chunk, signal: AbortSignal, onBytes: (bytes: number) => void = () => {}, asFile = false): Promise<ChunkData> {
    signal.throwIfAborted();
    const key = await chunkKey(chunk, this.options.base, this.hash);
    if (!chunk.sha256 && !this.unverified) {
      this.unverified = true;
      this.options.onNotice({
        kind: 'not-verified',
        message: 'No hashes are published for these weights: they are compared only with what this browser saw at first.',
      });
    }
    const file = asFile ? await this.openFile(key, chunk) : undefined;
    if (file) {
      onBytes(chunk.bytes);
      return file;
    }
    const stored = await this.hashing.run(signal, () => this.stored(key, chunk));
    if (stored.bytes) {
      onBytes(chunk.bytes);
      return stored.bytes;
    }
    // Another tab may be fetching the same chunk: then wait for it and take its bytes.
    return lock(`gossamer ${key}`, signal, () =>
      this.connections.run(signal, async () => {
        const again = await this.stored(key, chunk);
        if (again.bytes) {
          onBytes(chunk.bytes);
          return again.bytes;
        }
        return this.fetch(key, chunk, again.pinned ?? stored.pinned, signal, onBytes);
      }),
    );
  }

  release(data: ChunkData): void {
    if (data instanceof Uint8Array) {
      free(data.buffer);
    } else {
      data.close();
    }
  }

  /**
   * Compares what was read from files with its hashes, file by file, before each of which pause is awaited. Forgets what is damaged, so
   * that it comes from its host the next time, and resolves to how many files that were.
   */
  async verify(signal: AbortSignal, pause: () => Promise<void>): Promise<number> {
    const { storage } = this.options;
    let damaged = 0;
    for (const [key, want] of this.files) {
      await (damaged === 0 ? pause() : undefined); // the sooner it is over, the fewer replies come from damaged weights
      signal.throwIfAborted();
      const file = await storage?.openFile?.(key);
      if (!file) { // the model was deleted meanwhile
        continue;
      }
      let got = '';
      try {
        got = await this.hash(await file.bytes());
      } catch {
        // which is as bad as other bytes
      } finally {
        file.close();
      }
      if (got !== want && (await storage!.record(key))) {
        damaged++;
        await storage!.open(key, 0).then((writer) => writer.close(), (error) => this.giveUpStorage(key, error)); // keeps a hash that nobody published
      }
    }
    return damaged;
  }

  /** The chunk's file, if its bytes were complete when it was written. */
  private async openFile(key: string, chunk: Chunk): Promise<StoredFile | undefined> {
    const { storage } = this.options;
    const opening = storage?.openFile?.(key).catch(() => undefined);
    const record = await storage?.record(key).catch(() => undefined);
    const file = await opening;
    if (!record || file?.length !== chunk.bytes) {
      file?.close();
      return undefined;
    }
    this.files.set(key, chunk.sha256 ?? record.sha256);
    return file;
  }

  /** The chunk as it was kept, if it still is as it was; and the hash that was seen at first, if none is published. */
  private async stored(key: string, chunk: Chunk): Promise<{ bytes?: Uint8Array<ArrayBuffer>; pinned?: string | undefined }> {
    const { storage } = this.options;
    let pinned: string | undefined;
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      const record = await storage?.record(key);
      if (!storage || !record) {
        return {};
      }
      pinned = chunk.sha256 ? undefined : record.sha256;
      bytes = await storage.read(key);
      if ((await this.hash(bytes)) !== (chunk.sha256 ?? record.sha256)) {
        bytes = undefined;
        if (!pinned) {
          await storage.remove(key); // damaged since it was committed
        }
      }
    } catch (error) {
      bytes = undefined;
      await this.giveUpStorage(key, error);
    }
    if (bytes && bytes.length !== chunk.bytes) { // the bytes are right, and another model's: a wrong manifest must not remove them
      throw new RuntimeError('bad-model', `${chunk.url}: the manifest says ${chunk.bytes} bytes, the chunk with this hash has ${bytes.length}`);
    }
    return bytes ? { bytes, pinned } : { pinned };
  }

  private async fetch(
    key: string, chunk: Chunk, pinned: string | undefined, signal: AbortSignal, onBytes: (bytes: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const url = new URL(chunk.url, this.options.base).href;
    const want = chunk.sha256 ?? pinned;
    let got = '';
    for (let fetches = 0, resume = true; fetches < 2; resume = false) {
      const part = new Part(chunk.bytes, await this.openPart(key, chunk, resume));
      let at = part.at;
      fetches += at > 0 ? 0 : 1; // what an earlier visit left may be the damage
      onBytes(at);
      try {
        await download(
          { url, offset: chunk.offset, bytes: chunk.bytes, base: this.options.base },
          at,
          (position, bytes) => {
            part.put(position, bytes);
            this.options.onFetched?.(bytes.length);
            onBytes(position + bytes.length - at);
            at = position + bytes.length;
          },
          signal,
          this.options.retryPolicy ?? defaultRetryPolicy,
          (version) => {
            const opened = chunk.sha256 ? undefined : this.options.files?.[url];
            if (opened && differs(opened, version)) {
              throw errorOf('download', 'changed-since', {}, { url, hint: 'Load the model again.' });
            }
          },
        );
      } catch (error) {
        onBytes(-at); // whoever shows progress may try again
        throw error;
      } finally {
        const failure = part.close();
        if (failure !== undefined) {
          await this.giveUpStorage(key, failure);
        }
      }
      got = await this.hashing.run(signal, () => this.hash(part.bytes));
      if (want === undefined || got === want) {
        await this.commit(key, chunk, got);
        return part.bytes;
      }
      onBytes(-chunk.bytes);
    }
    if (!pinned) {
      await this.options.storage?.remove(key);
    }
    throw errorOf('integrity', chunk.sha256 ? 'not-published' : 'not-as-before', { got, want: want! }, { url, want, got });
  }

  /** Opens the file behind a chunk, with what an earlier visit left of it. */
  private async openPart(key: string, chunk: Chunk, resume: boolean): Promise<PartStorage> {
    const storage = this.options.storage;
    if (!storage || this.full) {
      return { known: undefined, writer: undefined };
    }
    try {
      // Without a hash nobody could tell whether what was left belongs to the file that is there now.
      const known = resume && chunk.sha256 ? (await storage.read(key)).subarray(0, chunk.bytes) : undefined;
      return { known, writer: await storage.open(key, known?.length ?? 0) };
    } catch (error) {
      await this.giveUpStorage(key, error);
      return { known: undefined, writer: undefined };
    }
  }

  private async commit(key: string, chunk: Chunk, got: string): Promise<void> {
    if (!this.options.storage || this.full) {
      return;
    }
    try {
      await this.options.storage.commit(key, { bytes: chunk.bytes, sha256: got });
    } catch (error) {
      await this.giveUpStorage(key, error);
    }
  }

  /** After a failure of the storage, all that comes stays in memory. */
  private async giveUpStorage(key: string, error: unknown): Promise<void> {
    if (!this.full) {
      this.full = true;
      const why = isFull(error) ? "The browser's storage is full" : `The browser's storage fails (${(error as Error)?.message ?? error})`;
      this.options.onNotice({
        kind: isFull(error) ? 'quota' : 'not-stored',
        message: `${why}: the rest of the weights stays in memory only and will be downloaded again on the next visit.`,
      });
    }
    await this.options.storage?.remove(key).catch(() => {});
  }
}

interface PartStorage {
  known: Uint8Array<ArrayBuffer> | undefined;
  writer: Writer | undefined;
}

/** A chunk that is arriving, in memory and on its way to the storage. */
class Part {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Up to where it has come. */
  at = 0;
  private written = 0;
  private writer: Writer | undefined;
  private failure: unknown;

  constructor(nBytes: number, { known, writer }: PartStorage) {
    this.bytes = new Uint8Array(nBytes);
    this.writer = writer;
    if (known) {
      this.bytes.set(known);
      this.at = this.written = known.length;
    }
  }

  put(position: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes.set(bytes, position);
    this.at = position + bytes.length;
    this.written = Math.min(this.written, position); // the host may begin again from 0
    if (this.at - this.written >= pieceBytes) {
      this.save();
    }
  }

  private save(): void {
    if (this.writer && this.at > this.written) {
      try {
        this.writer.write(this.bytes.subarray(this.written, this.at), this.written);
        this.written = this.at;
      } catch (error) {
        this.failure = error;
        this.drop();
      }
    }
  }

  private drop(): void {
    try {
      this.writer?.close();
    } catch (error) {
      this.failure ??= error;
    }
    this.writer = undefined;
  }

  /** Returns what the storage failed with, if it did. */
  close(): unknown {
    this.save();
    this.drop();
    return this.failure;
  }
}

/** Lets a number of tasks run at a time, in the order of their coming. */
class Semaphore {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(n: number) {
    this.free = n;
  }

  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    if (this.free > 0) {
      this.free--;
    } else {
      await new Promise<void>((resolve) => this.waiting.push(resolve)); // the permit is handed over
    }
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      const next = this.waiting.shift();
      if (next) {
        next();
      } else {
        this.free++;
      }
    }
  }
}

/** Runs task while no other tab runs one of this name. */
async function lock<T>(name: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks) {
    return task();
  }
  return (await locks.request(name, { signal }, task)) as T;
}
