// The state of the chat apart from the open model (model.ts): conversations, which of them is shown, and settings. The parts of the
// page show what is here and change it by these methods.

import { newConversation, type Conversation, type Fill, type Message } from './conversation.ts';
import { loadSettings, saveSettings } from './settings.ts';
import { ConversationStore, type Change } from './store.ts';
import { TurnLock } from './turn-lock.ts';

/** Milliseconds between a change of a reply that is being written and its being saved. */
const saveDelay = 1000;

export interface StateListener {
  /** The list of conversations, their titles or their order have changed. */
  listChanged(): void;
  /** Another window has changed a conversation, or has begun or ended a reply in it. */
  changedElsewhere(c: Conversation): void;
  /** Another window has deleted a conversation. */
  removedElsewhere(c: Conversation): void;
  /** Whether this window replies in a conversation. */
  isOwnTurn(c: Conversation): boolean;
  /** Whether a message is a reply that this window is writing. */
  isWriting(c: Conversation, m: Message): boolean;
  /** Another window wants this one's reply to end. */
  stop(c: Conversation): void;
  /** The browser does not save conversations. Called once. */
  saveFailed(error: Error): void;
  /** Windows with another version of the page keep this one from its conversations, or the other way round. */
  blocked(): void;
}

export class AppState {
  readonly settings = loadSettings();
  /** The one used last first. An empty conversation is not among them. */
  conversations: Conversation[] = [];
  /** The one that is shown. */
  current: Conversation = newConversation(this.settings.options);
  /** How full the context is, by conversation. */
  readonly fills = new Map<string, Fill>();
  readonly turns = new TurnLock((id) => {
    const c = this.find(id);
    if (c) {
      this.listener.stop(c);
    }
  });
  private readonly listener: StateListener;
  private readonly store: Promise<ConversationStore>;
  private opened: ConversationStore | undefined;
  /** Of the conversations that are to be saved soon. */
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Messages that are not saved as they are, by their conversation. */
  private readonly unsaved = new Map<string, Set<Message>>();
  private readonly saving = new Set<Message>();
  /** Ids of conversations that were deleted, so that no save brings them back. */
  private readonly removed = new Set<string>();
  /** Conversations in which other windows reply. */
  private readonly elsewhere = new Set<string>();
  private hasFailed = false;

  constructor(listener: StateListener) {
    this.listener = listener;
    this.store = ConversationStore.open((change) => void this.follow(change), () => listener.blocked());
    void this.store.then((store) => (this.opened = store));
  }

  /** Reads the conversations of earlier visits. Resolves to whether those of this visit will be kept. */
  async load(): Promise<boolean> {
    const store = await this.store;
    const listed = await store.list().catch(() => undefined);
    const kept = listed ?? [];
    this.conversations.push(...kept.filter((c) => !this.find(c.id))); // one may have begun meanwhile
    const isHeld = await this.turns.held();
    this.conversations.filter((c) => isHeld(c.id)).forEach((c) => void this.awaitTurn(c));
    this.sort();
    return store.lasting && listed !== undefined;
  }

  /** Brings a conversation up to date with what other windows have saved of it. Resolves to whether it is there. */
  async sync(c: Conversation): Promise<boolean> {
    const isOwn = (m: Message) => this.listener.isWriting(c, m) || this.unsaved.get(c.id)?.has(m) || this.saving.has(m);
    return (await this.store).read(c, isOwn);
  }

  /** Follows what another window has done. */
  private async follow({ kind, ids }: Change): Promise<void> {
    for (const id of ids) {
      const c = this.find(id);
      if (kind === 'removed') {
        if (c) {
          this.forget(c);
          this.listener.removedElsewhere(c);
        }
      } else if (c) {
        await this.sync(c);
        this.sort();
        this.listener.changedElsewhere(c);
        await this.lookForTurn(c);
      } else {
        this.removed.delete(id);
        await this.fetch(id);
      }
    }
  }

  /** Takes a conversation over that another window has begun. */
  private async fetch(id: string): Promise<void> {
    const c = await (await this.store).get(id);
    if (c && !this.find(id)) {
      this.conversations.push(c);
      this.sort();
      await this.lookForTurn(c);
    }
  }

  private async lookForTurn(c: Conversation): Promise<void> {
    if (!this.elsewhere.has(c.id) && (await this.turns.held())(c.id)) {
      await this.awaitTurn(c);
    }
  }

  /** Waits until no other window replies in a conversation. */
  private async awaitTurn(c: Conversation): Promise<void> {
    if (this.listener.isOwnTurn(c)) {
      return;
    }
    this.elsewhere.add(c.id);
    this.listener.changedElsewhere(c);
    await this.turns.free(c.id);
    this.elsewhere.delete(c.id);
    await this.sync(c);
    this.listener.changedElsewhere(c);
  }

  /** Whether another window replies in a conversation. */
  isElsewhere(c: Conversation): boolean {
    return this.elsewhere.has(c.id);
  }

  /** Whether another window replies in any conversation. */
  get isAnyElsewhere(): boolean {
    return this.elsewhere.size > 0;
  }

  /** A conversation by its id. */
  find(id: string): Conversation | undefined {
    return this.conversations.find((c) => c.id === id);
  }

  /** Shows a conversation. */
  choose(c: Conversation): void {
    this.current = c;
  }

  /** Shows a new conversation. */
  startNew(): void {
    this.current = newConversation(this.settings.options);
  }

  /** Remembers that a message has to be saved with its conversation. */
  touch(c: Conversation, m: Message): void {
    const messages = this.unsaved.get(c.id) ?? new Set();
    this.unsaved.set(c.id, messages.add(m));
  }

  /** Saves a conversation, if it has any messages. Resolves when it is done, also where that failed. */
  async save(c: Conversation): Promise<void> {
    this.cancelSave(c);
    if (c.messages.length === 0 || this.removed.has(c.id)) {
      return;
    }
    if (!this.conversations.includes(c)) {
      this.conversations.unshift(c);
    }
    this.sort();
    await this.write(c);
  }

  /** Writes what is not saved of a conversation. */
  private async write(c: Conversation): Promise<void> {
    const messages = this.unsaved.get(c.id) ?? new Set();
    this.unsaved.delete(c.id);
    messages.forEach((m) => this.saving.add(m));
    try {
      if (!(await (await this.store).save(c, messages)) && !this.removed.has(c.id)) {
        this.forget(c); // another window has deleted it meanwhile
        this.listener.removedElsewhere(c);
      }
    } catch (error) {
      messages.forEach((m) => this.touch(c, m)); // with the next save
      if (!this.hasFailed) {
        this.hasFailed = true;
        this.listener.saveFailed(error as Error);
      }
    } finally {
      messages.forEach((m) => this.saving.delete(m));
    }
  }

  /** Saves a conversation within a second. */
  saveSoon(c: Conversation): void {
    if (!this.timers.has(c.id)) {
      this.timers.set(c.id, setTimeout(() => void this.save(c), saveDelay));
    }
  }

  /** Saves what was to be saved soon, of a page that is left; one that comes back saves it once more. */
  flush(): void {
    this.conversations.filter((c) => this.timers.has(c.id)).forEach((c) => this.opened?.flush(c.id, this.unsaved.get(c.id) ?? []));
  }

  private cancelSave(c: Conversation): void {
    clearTimeout(this.timers.get(c.id));
    this.timers.delete(c.id);
  }

  private sort(): void {
    this.conversations.sort((a, b) => b.updated - a.updated);
    this.listener.listChanged();
  }

  /** Adds conversations: of a file, or those that were deleted. */
  async add(conversations: Conversation[]): Promise<void> {
    conversations.forEach((c) => this.removed.delete(c.id));
    this.conversations.push(...conversations);
    await (await this.store).add(conversations);
    this.sort();
  }

  /** Deletes conversations, also where something of them is being saved. Resolves to what was there of them, for add. */
  async remove(conversations: Conversation[]): Promise<Conversation[]> {
    const unsaved = conversations.filter((c) => this.unsaved.has(c.id));
    const written = unsaved.map((c) => this.write(c)); // for whoever wants it back
    conversations.forEach((c) => this.forget(c));
    await Promise.all(written);
    const store = await this.store;
    const stored = await store.remove(conversations.map((c) => c.id));
    return store.lasting ? stored : conversations;
  }

  private forget(c: Conversation): void {
    this.removed.add(c.id);
    this.conversations = this.conversations.filter((o) => o !== c);
    this.cancelSave(c);
    this.unsaved.delete(c.id);
    this.listener.listChanged();
  }

  /** Keeps the options of the shown conversation, of which those that do not belong to it alone are for new ones too. */
  optionsChanged(): void {
    this.settings.options = { ...structuredClone(this.current.options), instructions: '', schema: '' };
    saveSettings(this.settings);
    this.saveSoon(this.current);
  }
}
