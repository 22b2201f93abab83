// The files of questions that are not sent yet, in IndexedDB: they are too long for where drafts.ts keeps the text. Each is a record of its own,
// so that windows that attach to one conversation do not overwrite each other's.

import { newID, type TextFile } from './conversation.ts';
import { result } from './store.ts';

/** A file of a draft. */
export interface DraftFile {
  /** Of the draft. */
  draft: string;
  /** Of the file: those that are attached later come later. */
  id: string;
  file: TextFile;
}

interface Stored extends DraftFile {
  /** At most what the text takes. */
  bytes: number;
}

const name = 'gossamer-drafts', store = 'files';
/** Bytes of all drafts' files together: some times what the largest context has room for. */
const room = 16e6;

export class DraftFiles {
  private db: Promise<IDBDatabase | undefined> | undefined;
  private readonly channel = new BroadcastChannel(name);

  /** Runs f on what is stored, and resolves to its result once that is written. otherwise: the result where nothing is kept. */
  private async run<T>(mode: IDBTransactionMode, otherwise: NoInfer<T>, f: (files: IDBObjectStore) => Promise<T>): Promise<T> {
    const db = await (this.db ??= open().catch(() => undefined));
    if (!db) {
      return otherwise;
    }
    db.onclose = () => (this.db = undefined); // as when a browser has too many open
    const transaction = db.transaction(store, mode);
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('the browser has ended the transaction'));
    });
    done.catch(() => {}); // f tells of it first
    const value = await f(transaction.objectStore(store));
    await done;
    return value;
  }

  /** The files of a draft, as they were attached. */
  list(draft: string): Promise<DraftFile[]> {
    return this.run<DraftFile[]>('readonly', [], (files) => result<Stored[]>(files.getAll(IDBKeyRange.bound([draft], [draft, []]))));
  }

  /** Keeps a file of a draft, or what has changed of it. Resolves to whether there is room for it; rejects where the browser has none. */
  keep({ draft, id, file }: DraftFile): Promise<boolean> {
    return this.run('readwrite', true, async (files) => {
      const bytes = 2 * file.text.length;
      const used = await bytesOf(files, id);
      if (used + bytes > room) {
        return false;
      }
      files.put({ draft, id, file, bytes } satisfies Stored);
      return true;
    });
  }

  /** Removes files, which were sent or taken away. Other windows are told. */
  async remove(removed: DraftFile[]): Promise<void> {
    await this.run('readwrite', undefined, async (files) => removed.forEach(({ draft, id }) => files.delete([draft, id])));
    this.channel.postMessage(removed.map(({ id }) => id));
  }

  /** Calls removed when another window has removed files. */
  removedElsewhere(removed: (ids: string[]) => void): void {
    this.channel.addEventListener('message', ({ data }: MessageEvent<string[]>) => removed(data));
  }

  /** Removes the files of conversations that are no more. */
  async prune(isThere: (draft: string) => boolean): Promise<void> {
    await this.run('readwrite', undefined, async (files) => {
      for (const key of await result(files.getAllKeys()) as [draft: string, id: string][]) {
        if (!isThere(key[0])) {
          files.delete(key);
        }
      }
    });
  }
}

/** A file that is attached now. */
export function newDraftFile(draft: string, file: TextFile): DraftFile {
  return { draft, id: Date.now().toString(36).padStart(9, '0') + newID(), file };
}

/** Bytes of all files but one, which are not read for it. */
function bytesOf(files: IDBObjectStore, except: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const request = files.index('bytes').openKeyCursor();
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor) {
        resolve(bytes);
        return;
      }
      bytes += (cursor.primaryKey as [draft: string, id: string])[1] === except ? 0 : Number(cursor.key);
      cursor.continue();
    };
  });
}

async function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(store, { keyPath: ['draft', 'id'] }).createIndex('bytes', 'bytes');
  return result(request);
}
