// Conversations in IndexedDB, for all windows of this site. Each message is a record of its own, so that windows that write into one
// conversation do not overwrite each other's; they tell each other what they have written. A deletion leaves a mark, which keeps a save
// that was under way from bringing the conversation back. Nothing of this leaves the browser.

import type { Conversation, Message } from './conversation.ts';
import { adopt, assemble, headOf, makeTimesGrow, mergeHeads, seenOf, update, type Head } from './merge.ts';

/** What another window has done. */
export interface Change {
  kind: 'saved' | 'removed';
  /** Of conversations. */
  ids: string[];
}

type StoredMessage = Message & { conversation: string };

interface Mark {
  id: string;
  /** Milliseconds since 1970. */
  deleted: number;
}

const name = 'gossamer-chat';
const stores = ['heads', 'messages', 'deleted'] as const;
/** Milliseconds for which a deletion is remembered: a window that sleeps may save for long. */
const markLifetime = 90 * 24 * 3600 * 1000;

export class ConversationStore {
  /** Whether the next visit finds what is saved; a window that keeps nothing has no IndexedDB. */
  readonly lasting: boolean;
  private db: Promise<IDBDatabase> | undefined;
  private opened: IDBDatabase | undefined;
  private readonly channel = new BroadcastChannel(name);
  /** What this window has last seen of heads. */
  private readonly seen = new Map<string, Head>();
  private readonly blocked: () => void;

  private constructor(db: IDBDatabase | undefined, blocked: () => void) {
    this.lasting = db !== undefined;
    this.blocked = blocked;
    this.use(db);
  }

  /**
   * Opens the store. changed is told what other windows do; blocked, that windows with another version of the app have to be closed, or
   * this one has to be loaded again.
   */
  static async open(changed: (change: Change) => void, blocked: () => void): Promise<ConversationStore> {
    const store = new ConversationStore(await openDatabase(blocked).catch(() => undefined), blocked);
    store.channel.addEventListener('message', (event: MessageEvent<Change>) => changed(event.data));
    return store;
  }

  private use(db: IDBDatabase | undefined): void {
    this.opened = db;
    this.db = db && Promise.resolve(db);
    db?.addEventListener('close', () => (this.db = this.opened = undefined)); // as when a browser has too many open
    db?.addEventListener('versionchange', () => {
      db.close();
      this.opened = undefined;
      this.blocked();
    });
  }

  /** Runs f in a transaction, and resolves to its result once that is stored. otherwise: the result where nothing is kept. */
  private async transaction<T>(mode: IDBTransactionMode, otherwise: NoInfer<T>, f: (t: Stores) => Promise<T>): Promise<T> {
    if (!this.lasting) {
      return otherwise;
    }
    if (!this.db) {
      this.db = openDatabase(this.blocked);
      this.db.then((db) => this.use(db), () => (this.db = undefined));
    }
    const transaction = (await this.db).transaction(stores, mode);
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error('the browser has ended the transaction'));
    });
    done.catch(() => {}); // f tells of it first
    const [heads, messages, deleted] = stores.map((s) => transaction.objectStore(s)) as [IDBObjectStore, IDBObjectStore, IDBObjectStore];
    const value = await f({ heads, messages, deleted });
    await done;
    return value;
  }

  private tell(kind: Change['kind'], ids: string[]): void {
    this.channel.postMessage({ kind, ids } satisfies Change);
  }

  private see(head: Head): void {
    this.seen.set(head.id, structuredClone(head));
  }

  /** All conversations. */
  async list(): Promise<Conversation[]> {
    return this.transaction('readonly', [], async ({ heads, messages }) => {
      const [all, every] = await Promise.all([result<Head[]>(heads.getAll()), result<StoredMessage[]>(messages.getAll())]);
      const byID = new Map<string, Message[]>(all.map((head) => [head.id, []]));
      every.forEach(({ conversation, ...m }) => byID.get(conversation)?.push(m));
      const conversations = all.map((head) => assemble(head, byID.get(head.id)!));
      conversations.forEach((c) => this.see(headOf(c)));
      return conversations;
    });
  }

  /** A conversation that this window does not have yet; undefined: it is not stored either. */
  async get(id: string): Promise<Conversation | undefined> {
    return this.transaction('readonly', undefined, async (t) => {
      const stored = await readConversation(t, id);
      if (stored) {
        this.see(headOf(stored));
      }
      return stored;
    });
  }

  /**
   * Brings a conversation up to date with what windows have stored of it, but for the messages that isOwn names, which are this window's to
   * write. Resolves to false if it was deleted.
   */
  async read(c: Conversation, isOwn: (m: Message) => boolean): Promise<boolean> {
    return this.transaction('readonly', true, async (t) => {
      const stored = await readConversation(t, c.id);
      if (stored) {
        update(c, stored, this.seen.get(c.id), isOwn);
        this.see(seenOf(stored, c));
      }
      return stored !== undefined || (await result(t.deleted.get(c.id))) === undefined;
    });
  }

  /** Saves a conversation's head, as far as this window has changed it, and messages of it. Resolves to false if it was deleted. */
  async save(c: Conversation, messages: Iterable<Message>): Promise<boolean> {
    const saved = await this.transaction('readwrite', true, async (t) => {
      if (await result(t.deleted.get(c.id))) {
        return false;
      }
      const stored = await result<Head | undefined>(t.heads.get(c.id));
      const head = stored ? mergeHeads(stored, headOf(c), this.seen.get(c.id)) : headOf(c);
      t.heads.put(head);
      for (const m of messages) {
        t.messages.put({ ...m, conversation: c.id });
      }
      adopt(c, head);
      this.see({ ...head, leaf: c.leaf });
      return true;
    });
    if (saved) {
      this.tell('saved', [c.id]);
    }
    return saved;
  }

  /**
   * Saves messages of a conversation that is stored, while the page is left: nothing is read first, since no answer comes to a page that is
   * gone; a browser keeps what was committed before. Messages of a conversation that another window has deleted are seen by nobody, and go
   * with its mark.
   */
  flush(conversation: string, messages: Iterable<Message>): void {
    const transaction = this.opened?.transaction('messages', 'readwrite');
    for (const m of messages) {
      transaction?.objectStore('messages').put({ ...m, conversation });
    }
    transaction?.commit();
  }

  /** Adds whole conversations: of a file, or those that were deleted. */
  async add(conversations: Conversation[]): Promise<void> {
    conversations.forEach((c) => makeTimesGrow(c.messages));
    await this.transaction('readwrite', undefined, async (t) => {
      for (const c of conversations) {
        t.deleted.delete(c.id);
        put(t, c);
        this.see(headOf(c));
      }
    });
    this.tell('saved', conversations.map((c) => c.id));
  }

  /** Deletes conversations. Resolves to what was stored of them, for add. */
  async remove(ids: string[]): Promise<Conversation[]> {
    const removed = await this.transaction('readwrite', [], async (t) => {
      const found: Conversation[] = [];
      for (const id of ids) {
        const stored = await readConversation(t, id);
        if (stored) {
          found.push(stored);
        }
        t.deleted.put({ id, deleted: Date.now() } satisfies Mark);
        t.heads.delete(id);
        t.messages.delete(messagesOf(id));
      }
      return found;
    });
    this.tell('removed', ids);
    return removed;
  }
}

type Stores = Record<(typeof stores)[number], IDBObjectStore>;

/** The keys of a conversation's messages. */
function messagesOf(conversation: string): IDBKeyRange {
  return IDBKeyRange.bound([conversation], [conversation, []]);
}

async function readConversation({ heads, messages }: Stores, id: string): Promise<Conversation | undefined> {
  const [head, list] = await Promise.all([result<Head | undefined>(heads.get(id)), result<StoredMessage[]>(messages.getAll(messagesOf(id)))]);
  return head && assemble(head, list.map(({ conversation: _, ...m }) => m));
}

function put({ heads, messages }: Pick<Stores, 'heads' | 'messages'>, c: Conversation): void {
  heads.put(headOf(c));
  for (const m of c.messages) {
    messages.put({ ...m, conversation: c.id });
  }
}

async function openDatabase(blocked: () => void): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 2);
  request.onblocked = blocked;
  request.onupgradeneeded = ({ oldVersion }) => {
    const { result: db, transaction } = request;
    const heads = db.createObjectStore('heads', { keyPath: 'id' });
    const messages = db.createObjectStore('messages', { keyPath: ['conversation', 'id'] });
    db.createObjectStore('deleted', { keyPath: 'id' });
    if (oldVersion === 1) { // it had each conversation as one record
      transaction!.objectStore('conversations').getAll().onsuccess = function () {
        for (const c of this.result as Conversation[]) {
          makeTimesGrow(c.messages);
          put({ heads, messages }, c);
        }
        db.deleteObjectStore('conversations');
      };
    }
  };
  const db = await result(request);
  const transaction = db.transaction(['deleted', 'messages'], 'readwrite');
  const marks = transaction.objectStore('deleted');
  for (const { id, deleted } of await result<Mark[]>(marks.getAll())) {
    if (deleted < Date.now() - markLifetime) {
      marks.delete(id);
      transaction.objectStore('messages').delete(messagesOf(id));
    }
  }
  return db;
}

/** What a request of IndexedDB gives. */
export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
