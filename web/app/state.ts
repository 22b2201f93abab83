// The state of the chat apart from the open model (model.ts): conversations, which of them is shown, and settings. The parts of the
// page show what is here and change it by these methods.

import { newConversation, type Conversation, type Fill } from './conversation.ts';
import { ConversationStore, loadSettings, saveSettings } from './store.ts';

/** Milliseconds between a change of a reply that is being written and its being saved. */
const saveDelay = 1000;

export interface StateListener {
  /** The list of conversations, their titles or their order have changed. */
  listChanged(): void;
  /** The browser does not save conversations. Called once. */
  saveFailed(error: Error): void;
}

export class AppState {
  readonly settings = loadSettings();
  /** The one used last first. An empty conversation is not among them. */
  conversations: Conversation[] = [];
  /** The one that is shown. */
  current: Conversation = newConversation(this.settings.options);
  /** How full the context is, by conversation. */
  readonly fills = new Map<string, Fill>();
  private readonly listener: StateListener;
  private readonly store = ConversationStore.open();
  /** Of the conversations that are to be saved soon. */
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private hasFailed = false;

  constructor(listener: StateListener) {
    this.listener = listener;
  }

  /** Reads the conversations of earlier visits. Resolves to whether those of this visit will be kept. */
  async load(): Promise<boolean> {
    const store = await this.store;
    const kept = await store.list().catch(() => []);
    this.conversations.push(...kept.filter((c) => !this.conversations.some((begun) => begun.id === c.id))); // one may have begun meanwhile
    this.sort();
    return store.lasting;
  }

  /** Reads what other tabs have saved meanwhile. Resolves to whether it did; it does not while something is still to be saved. */
  async reload(): Promise<boolean> {
    const store = await this.store;
    const kept = await store.list();
    if (!store.lasting || this.timers.size > 0) {
      return false;
    }
    this.conversations = kept.map((c) => (c.id === this.current.id && c.updated <= this.current.updated ? this.current : c));
    this.current = this.conversations.find((c) => c.id === this.current.id) ?? this.current;
    return true;
  }

  /** Shows a conversation. */
  choose(c: Conversation): void {
    this.current = c;
  }

  /** Shows a new conversation. */
  startNew(): void {
    this.current = newConversation(this.settings.options);
  }

  /** Saves a conversation, if it has any messages. */
  save(c: Conversation): void {
    this.cancelSave(c);
    if (c.messages.length === 0) {
      return;
    }
    if (!this.conversations.includes(c)) {
      this.conversations.unshift(c);
    }
    this.sort();
    this.store.then((store) => store.save(c)).catch((error: Error) => {
      if (!this.hasFailed) {
        this.hasFailed = true;
        this.listener.saveFailed(error);
      }
    });
  }

  /** Saves a conversation within a second. */
  saveSoon(c: Conversation): void {
    if (!this.timers.has(c.id)) {
      this.timers.set(c.id, setTimeout(() => this.save(c), saveDelay));
    }
  }

  /** Saves at once what was to be saved soon. */
  flush(): void {
    this.conversations.filter((c) => this.timers.has(c.id)).forEach((c) => this.save(c));
  }

  private cancelSave(c: Conversation): void {
    clearTimeout(this.timers.get(c.id));
    this.timers.delete(c.id);
  }

  private sort(): void {
    this.conversations.sort((a, b) => b.updated - a.updated);
    this.listener.listChanged();
  }

  /** Adds conversations of a file. */
  async add(conversations: Conversation[]): Promise<void> {
    const store = await this.store;
    for (const c of conversations) {
      this.conversations.push(c);
      await store.save(c);
    }
    this.sort();
  }

  /** Removes a conversation; save brings it back. */
  remove(c: Conversation): void {
    this.conversations = this.conversations.filter((o) => o !== c);
    this.cancelSave(c);
    void this.store.then((store) => store.remove(c.id));
    this.listener.listChanged();
  }

  /** Removes all conversations and returns them, for add. */
  removeAll(): Conversation[] {
    const all = this.conversations;
    this.conversations = [];
    void this.store.then((store) => store.clear());
    this.listener.listChanged();
    return all;
  }

  /** Keeps the options of the shown conversation, of which those that do not belong to it alone are for new ones too. */
  optionsChanged(): void {
    this.settings.options = { ...structuredClone(this.current.options), instructions: '', schema: '' };
    saveSettings(this.settings);
    this.saveSoon(this.current);
  }
}
