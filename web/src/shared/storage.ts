// Where downloaded chunks are kept: files in the origin private file system (OPFS), in the directory "gossamer".
//
//	chunks/KEY         bytes of a chunk; incomplete unless there is a record
//	records/KEY.json   Record: written after the bytes, so a crash can only leave bytes without a record
//	models/KEY.json    StoredModel: which chunks a model is made of
//
// KEY is the chunk's SHA-256 if one is published, so models with equal chunks share them, whatever their URLs.

import type { Chunk, StoredFile } from './engine.ts';
import type { FileStates } from './file-state.ts';
import type { Manifest } from './manifest.ts';

/** What is known of a complete chunk. */
export interface Record {
  bytes: number;
  /** Of the bytes: as published, or as they were when first seen. */
  sha256: string;
}

/** Writes a chunk's bytes. */
export interface Writer {
  write(bytes: Uint8Array<ArrayBuffer>, at: number): void;
  /** Flushes what was written to the disk and releases the file. */
  close(): void;
}

/** A place that keeps chunks. */
export interface Storage {
  record(key: string): Promise<Record | undefined>;
  /** The bytes that are stored, complete or not; empty if none. */
  read(key: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Opens a chunk for reading; undefined: there is none, or it can only be read as a whole. */
  openFile?(key: string): Promise<StoredFile | undefined>;
  /** Opens a chunk for writing. Of the bytes that are stored the first `keep` stay. */
  open(key: string, keep: number): Promise<Writer>;
  /** Says that a chunk's bytes are complete. */
  commit(key: string, record: Record): Promise<void>;
  /** Forgets a chunk. */
  remove(key: string): Promise<void>;
}

/** A model in the browser's storage. */
export interface StoredModel {
  /** Of its manifest.json. */
  url: string;
  name: string;
  /** Of the weights. */
  bytes: number;
  /** Whether all of them are there. */
  complete: boolean;
  /** Milliseconds since 1970. */
  lastUsed: number;
}

/** What models/KEY.json holds. */
export interface ModelRecord extends StoredModel {
  manifest: string;
  /** Keys of its chunks. */
  chunks: string[];
  files?: FileStates | undefined;
}

// Declared here, since TypeScript declares the method only for workers, where it exists.
interface SyncAccessHandle {
  getSize(): number;
  read(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
type WorkerFileHandle = FileSystemFileHandle & { createSyncAccessHandle(options?: { mode: 'read-only' }): Promise<SyncAccessHandle> };

/** Seconds after which an operation counts as failed: the model is then loaded without the storage, instead of never. */
const operationTimeout = 10;

/** How much of a file is read at a time. */
const readBytes = 4 << 20;

/** Handles of the operations in progress. Chromium never completes an operation whose handle was garbage-collected meanwhile. */
const inProgress = new Set<{ handle: FileSystemHandle }>();

/**
 * The result of an operation of a handle, or an error after operationTimeout without one. The time is counted in ticks of this
 * thread's timer: a thread that was blocked for longer, waiting for the GPU, would find that the time is over before it gets to the
 * result.
 */
function answered<T>(handle: FileSystemHandle, operation: Promise<T>): Promise<T> {
  const use = { handle };
  inProgress.add(use);
  let ticks = 0, timer: ReturnType<typeof setInterval>;
  const silence = new Promise<never>((_, reject) => {
    timer = setInterval(() => ++ticks >= 10 * operationTimeout && reject(new Error(`no answer for ${operationTimeout} s`)), 100);
  });
  return Promise.race([operation, silence]).finally(() => {
    clearInterval(timer);
    inProgress.delete(use);
  });
}

/** Opens a file for writing. Only one tab at a time can have it open. */
async function openForWriting(dir: FileSystemDirectoryHandle, name: string): Promise<SyncAccessHandle> {
  const file = (await answered(dir, dir.getFileHandle(name, { create: true }))) as WorkerFileHandle;
  return openHandle(file, file.createSyncAccessHandle());
}

async function openHandle(file: FileSystemFileHandle, handle: Promise<SyncAccessHandle>): Promise<SyncAccessHandle> {
  try {
    return await answered(file, handle);
  } catch (error) {
    handle.then((late) => late.close(), () => {});
    throw error;
  }
}

/** Whether an error says that the browser's storage is full. */
export function isFull(error: unknown): boolean {
  return (error as { name?: unknown } | null)?.name === 'QuotaExceededError';
}

/** OPFS. Reading works everywhere, writing chunks in workers only. */
export class FileStorage implements Storage {
  private readonly chunks: FileSystemDirectoryHandle;
  private readonly records: FileSystemDirectoryHandle;
  private readonly models: FileSystemDirectoryHandle;

  private constructor(chunks: FileSystemDirectoryHandle, records: FileSystemDirectoryHandle, models: FileSystemDirectoryHandle) {
    this.chunks = chunks;
    this.records = records;
    this.models = models;
  }

  /** Resolves to undefined where there is no such storage, as in some private windows. */
  static async open(): Promise<FileStorage | undefined> {
    try {
      const top = await navigator.storage.getDirectory();
      const root = await answered(top, top.getDirectoryHandle('gossamer', { create: true }));
      const [chunks, records, models] = await Promise.all(
        ['chunks', 'records', 'models'].map((name) => answered(root, root.getDirectoryHandle(name, { create: true }))),
      );
      return new FileStorage(chunks!, records!, models!);
    } catch {
      return undefined;
    }
  }

  async record(key: string): Promise<Record | undefined> {
    return readJSON<Record>(this.records, key);
  }

  async read(key: string): Promise<Uint8Array<ArrayBuffer>> {
    const handle = await existing(this.chunks, key);
    if (!handle) {
      return new Uint8Array();
    }
    const file = await answered<File>(handle, handle.getFile());
    const bytes = new Uint8Array(file.size);
    for (let at = 0; at < bytes.length; at += readBytes) { // the browser takes twice the memory of what it reads
      const piece = await answered<ArrayBuffer>(handle, file.slice(at, at + readBytes).arrayBuffer());
      bytes.set(new Uint8Array(piece), at);
      free(piece);
    }
    return bytes;
  }

  async openFile(key: string): Promise<StoredFile | undefined> {
    const file = (await existing(this.chunks, key)) as WorkerFileHandle | undefined;
    if (!file?.createSyncAccessHandle) {
      return undefined;
    }
    try {
      // Tabs read at the same time, except where the browser does not know the mode: then one of them has the file to itself.
      return new OpenFile(await openHandle(file, file.createSyncAccessHandle({ mode: 'read-only' })));
    } catch {
      return undefined;
    }
  }

  async open(key: string, keep: number): Promise<Writer> {
    const handle = await openForWriting(this.chunks, key);
    try {
      handle.truncate(keep);
    } catch (error) {
      handle.close();
      throw error;
    }
    return {
      write(bytes, at) {
        if (handle.write(bytes, { at }) < bytes.length) {
          throw new DOMException('The storage is full.', 'QuotaExceededError');
        }
      },
      close() {
        try {
          handle.flush();
        } finally {
          handle.close();
        }
      },
    };
  }

  async commit(key: string, record: Record): Promise<void> {
    await writeJSON(this.records, key, record);
  }

  async remove(key: string): Promise<void> {
    await remove(this.records, `${key}.json`); // first, since bytes without a record do no harm
    await remove(this.chunks, key);
  }

  /** The models that were loaded, completely or in part, the one used last first. */
  async list(): Promise<ModelRecord[]> {
    const found: ModelRecord[] = [];
    for await (const name of (this.models as unknown as { keys(): AsyncIterable<string> }).keys()) {
      const model = await readJSON<ModelRecord>(this.models, name.replace(/\.json$/, ''));
      if (model) {
        found.push(model);
      }
    }
    return found.sort((a, b) => b.lastUsed - a.lastUsed);
  }

  async model(url: string): Promise<ModelRecord | undefined> {
    return readJSON<ModelRecord>(this.models, await hashText(url));
  }

  async setModel(model: ModelRecord): Promise<void> {
    const key = await hashText(model.url);
    // Only one tab at a time can have a file open.
    await navigator.locks.request('gossamer models', () => writeJSON(this.models, key, model));
  }

  /** Removes a model and the chunks that no other model has. Says whether it was there. */
  async deleteModel(url: string): Promise<boolean> {
    const model = await this.model(url);
    if (!model) {
      return false;
    }
    await remove(this.models, `${await hashText(url)}.json`);
    const kept = new Set((await this.list()).flatMap((m) => m.chunks));
    for (const key of model.chunks) {
      if (!kept.has(key)) {
        await this.remove(key);
      }
    }
    return true;
  }
}

/** A file that is read at the rate of the disk, and of memory where the system has it there. */
class OpenFile implements StoredFile {
  readonly length: number;
  private readonly handle: SyncAccessHandle;
  private whole: Uint8Array<ArrayBuffer> | undefined;

  constructor(handle: SyncAccessHandle) {
    this.handle = handle;
    this.length = handle.getSize();
  }

  read(to: Uint8Array<ArrayBuffer>, from: number): void {
    if (this.handle.read(to, { at: from }) < to.length) {
      throw new Error('a file in the browser\'s storage ends early');
    }
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (!this.whole) {
      this.whole = new Uint8Array(this.length);
      this.read(this.whole, 0);
    }
    return this.whole;
  }

  close(): void {
    this.handle.close();
    if (this.whole) {
      free(this.whole.buffer);
    }
  }
}

async function existing(dir: FileSystemDirectoryHandle, name: string): Promise<FileSystemFileHandle | undefined> {
  try {
    return await answered(dir, dir.getFileHandle(name));
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') {
      return undefined;
    }
    throw error;
  }
}

/** Milliseconds between two attempts to remove a file that is open, and how many there are. */
const removalPause = 50;
const removals = 100;

/** Removes a file. One that a tab reads is open for the blink of an eye. */
async function remove(dir: FileSystemDirectoryHandle, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await answered(dir, dir.removeEntry(name));
      return;
    } catch (error) {
      const why = (error as DOMException).name;
      if (why === 'NotFoundError') {
        return;
      }
      if (why !== 'NoModificationAllowedError' || attempt === removals) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, removalPause));
    }
  }
}

/** Reads KEY.json; undefined if there is none or a crash left it damaged. */
async function readJSON<T>(dir: FileSystemDirectoryHandle, key: string): Promise<T | undefined> {
  const file = await existing(dir, `${key}.json`);
  if (!file) {
    return undefined;
  }
  try {
    return JSON.parse(await answered(file, file.getFile().then((f) => f.text()))) as T;
  } catch {
    return undefined;
  }
}

async function writeJSON(dir: FileSystemDirectoryHandle, key: string, value: unknown): Promise<void> {
  const handle = await openForWriting(dir, `${key}.json`);
  try {
    const text = new TextEncoder().encode(JSON.stringify(value));
    handle.truncate(0);
    if (handle.write(text, { at: 0 }) < text.length) {
      throw new DOMException('The storage is full.', 'QuotaExceededError');
    }
    handle.flush();
  } finally {
    handle.close();
  }
}

/** The name under which a chunk is kept; base is the manifest's URL. */
export async function chunkKey(chunk: Chunk, base: string, hash: Hash = sha256): Promise<string> {
  // Without a published hash the chunk is known only by where it is.
  return chunk.sha256 ?? `at-${await hash(encode(`${new URL(chunk.url, base).href} ${chunk.offset ?? 0} ${chunk.bytes}`))}`;
}

/** Bytes of a model's chunks that are stored. */
export async function storedBytes(storage: Storage, manifest: Manifest): Promise<number> {
  const sizes = await Promise.all(
    manifest.chunks.map(async (c) => ((await storage.record(await chunkKey(c, manifest.url))) ? c.bytes : 0)),
  );
  return sizes.reduce((n, b) => n + b, 0);
}

/** Bytes that the browser's storage has left once so many more are stored; negative: it has not enough. */
export async function roomFor(bytes: number): Promise<number> {
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  return quota - usage - bytes;
}

/** SHA-256 in hexadecimal. */
export type Hash = (bytes: Uint8Array<ArrayBuffer>) => Promise<string>;

/** The browser's SHA-256, which pages that are not secure have not; those have no storage either. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** Frees the memory of a buffer at once, instead of at the next garbage collection. */
export function free(buffer: ArrayBuffer): void {
  structuredClone(buffer, { transfer: [buffer] }); // moves the memory to the clone, which is dropped
}

/** SHA-256 of a text. */
export function hashText(text: string): Promise<string> {
  return sha256(encode(text));
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
