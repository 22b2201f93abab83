// What the browser keeps: conversations in IndexedDB, settings in localStorage. Nothing of it leaves the browser.

import { defaultOptions, type Conversation, type Options } from './conversation.ts';

/** A function of the visitor's own, whose results they write. */
export interface UserFunction {
  name: string;
  description: string;
  /** JSON schema of an object, as text. */
  parameters: string;
}

export interface Settings {
  theme: 'system' | 'light' | 'dark';
  /** URL of the model that was open last; empty: the built-in one. */
  model: string;
  /** Positions; undefined: the default. */
  context?: number | undefined;
  functions: UserFunction[];
  /** Of the next new conversation. */
  options: Options;
}

const key = 'gossamer-settings';

export function loadSettings(): Settings {
  let stored: Partial<Settings> = {};
  try {
    stored = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Settings>;
  } catch {
    // damaged, or this window keeps nothing
  }
  return { theme: 'system', model: '', functions: [], ...stored, options: { ...defaultOptions, ...stored.options } };
}

export function saveSettings(settings: Settings): void {
  try {
    localStorage.setItem(key, JSON.stringify(settings));
  } catch {
    // Then they last as long as the page.
  }
}

/** Conversations in IndexedDB; in memory only where a window has none. */
export class ConversationStore {
  /** Whether the next visit finds what is saved. */
  readonly lasting: boolean;
  private readonly db: IDBDatabase | undefined;

  private constructor(db: IDBDatabase | undefined) {
    this.db = db;
    this.lasting = db !== undefined;
  }

  static async open(): Promise<ConversationStore> {
    try {
      const request = indexedDB.open('gossamer-chat', 1);
      request.onupgradeneeded = () => request.result.createObjectStore('conversations', { keyPath: 'id' });
      return new ConversationStore(await result(request));
    } catch {
      return new ConversationStore(undefined);
    }
  }

  private objects(mode: IDBTransactionMode): IDBObjectStore | undefined {
    return this.db?.transaction('conversations', mode).objectStore('conversations');
  }

  /** All conversations, the one used last first. */
  async list(): Promise<Conversation[]> {
    const objects = this.objects('readonly');
    const all = objects ? await result<Conversation[]>(objects.getAll()) : [];
    return all.sort((a, b) => b.updated - a.updated);
  }

  async save(c: Conversation): Promise<void> {
    const objects = this.objects('readwrite');
    if (objects) {
      await result(objects.put(c));
    }
  }

  async remove(id: string): Promise<void> {
    const objects = this.objects('readwrite');
    if (objects) {
      await result(objects.delete(id));
    }
  }

  async clear(): Promise<void> {
    const objects = this.objects('readwrite');
    if (objects) {
      await result(objects.clear());
    }
  }
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
