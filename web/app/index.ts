// The chat: makes the parts of the page and connects them.

import { environment, type Notice } from '../src/index.ts';
import { nameOf, nano } from './catalogue.ts';
import { Chat } from './chat.ts';
import { Composer } from './composer.ts';
import { ContextMeter } from './context-meter.ts';
import { exportAll, exportJSON, exportMarkdown, importFiles } from './conversation-files.ts';
import type { Conversation, Message } from './conversation.ts';
import { ConversationView } from './conversation-view.ts';
import { announce, byId, iconButton, toast } from './dom.ts';
import { isNative } from './engine.ts';
import { LoadingCard } from './loading-card.ts';
import { ModelButton } from './model-button.ts';
import { ModelDialog } from './model-dialog.ts';
import { ModelHost, type Choice, type ModelState } from './model.ts';
import { takeKey } from './native.ts';
import { NativeModelDialog } from './native-models.ts';
import { Offline } from './offline.ts';
import { Panel } from './panel.ts';
import { Sidebar } from './sidebar.ts';
import { AppState } from './state.ts';
import { saveSettings } from './store.ts';
import { slowNotice } from './unsupported.ts';

class App {
  private readonly state = new AppState({
    listChanged: () => this.renderList(),
    saveFailed: (error) => toast(`The browser does not keep conversations: ${error.message}`, { error: true }),
  });
  private readonly host = new ModelHost();
  private readonly offline = new Offline();
  private readonly chat = new Chat(this.host, this.state.settings, {
    began: (c) => c === this.state.current && this.composer.render(),
    changed: (c, m) => this.messageChanged(c, m),
    ended: (c, m) => this.replyEnded(c, m),
    filled: (c, fill) => {
      this.state.fills.set(c.id, fill);
      if (c === this.state.current) {
        this.meter.render();
      }
    },
    idle: (c) => this.saveAndShow(c),
  });
  private readonly view = new ConversationView(this.state, this.host, this.chat, () => void this.show(), (question) => this.send(question));
  private readonly meter = new ContextMeter(this.state, this.host, (from) => this.view.setCut(from));
  private readonly composer = new Composer(this.state, this.chat, {
    send: (question) => this.send(question),
    optionsChanged: () => this.optionsChanged(),
    showSettings: (tab) => this.panel.show(tab),
    editLast: () => this.view.editLast(),
  });
  private readonly sidebar = new Sidebar({
    choose: (c) => this.choose(c),
    startNew: () => this.startNew(),
    remove: (c) => this.remove(c),
    rename: (c, title) => {
      c.title = title;
      this.state.save(c);
      void this.show();
    },
    exportMarkdown, exportJSON,
    importFiles: () => void this.importFiles(),
  });
  private readonly panel = new Panel(byId<HTMLDialogElement>('panel'), this.state.settings, {
    conversation: () => this.state.current,
    changed: () => this.optionsChanged(),
    refusal: (schema) => this.chat.refusal(schema),
    exportAll: () => exportAll(this.state.conversations),
    deleteAll: () => this.removeAll(),
  });
  private readonly models: { show(): void } = isNative
    ? new NativeModelDialog(byId<HTMLDialogElement>('models'), this.host, (choice) => this.openModel(choice))
    : new ModelDialog(byId<HTMLDialogElement>('models'), this.host, this.state.settings, (choice) => this.openModel(choice));

  /** Draws what needs nothing, then loads conversations and the model. */
  async start(): Promise<void> {
    new ModelButton(this.host, () => this.models.show());
    new LoadingCard(byId('loading'), this.host, () => this.models.show());
    byId('settings-button').append(iconButton('settings', 'Settings', () => this.panel.show()));
    byId('sidebar-open').append(iconButton('menu', 'Show conversations', () => this.sidebar.open(), { id: 'menu' }));
    this.composer.render();
    this.view.showEmpty();
    this.listen();
    if (isNative) {
      takeKey();
      byId('bench-link').remove(); // measures the browser
      byId('docs-link').remove(); // beside the page on a web server
    }
    const looking = isNative ? undefined : environment();
    if (!(await this.state.load())) {
      toast('This window keeps nothing: export what you want to keep.');
    }
    const found = await looking;
    if (found && !found.ok) {
      this.host.noGPU = found;
      byId('hint').replaceChildren(...slowNotice(found));
    }
    void this.host.open(this.firstChoice());
    void import('./markdown.ts'); // for the first reply
  }

  private listen(): void {
    let phase: ModelState['phase'] = this.host.state.phase;
    this.host.addEventListener('change', () => {
      if (this.host.state.phase !== phase) {
        phase = this.host.state.phase;
        this.modelChanged();
      }
    });
    this.host.addEventListener('notice', (event) => this.showNotice((event as CustomEvent<Notice>).detail));
    addEventListener('pagehide', () => this.state.flush());
    document.addEventListener('visibilitychange', () => void this.showOtherTabsChanges());
    addEventListener('keydown', (event) => this.keydown(event));
  }

  /** Shows the current conversation as it is now. */
  private async show(): Promise<void> {
    if (await this.view.show()) {
      this.composer.render();
      this.meter.render();
      this.renderList();
    }
  }

  private renderList(): void {
    this.sidebar.render(this.state.conversations, this.state.current);
  }

  private messageChanged(c: Conversation, m: Message): void {
    this.state.saveSoon(c);
    if (c !== this.state.current) {
      return;
    }
    const isGrowing = m.finish === undefined && m.role === 'assistant';
    if (!isGrowing || !this.view.update(m)) {
      void this.show();
    }
  }

  private replyEnded(c: Conversation, m: Message): void {
    this.saveAndShow(c);
    if (m.finish === 'stop' || m.finish === 'length') {
      announce(`Answer: ${m.content.slice(0, 1000)}`);
    } else if (m.finish === 'error') {
      announce(m.error ?? 'The reply failed.');
    }
  }

  private saveAndShow(c: Conversation): void {
    this.state.save(c);
    if (c === this.state.current) {
      void this.show();
    }
  }

  private optionsChanged(): void {
    this.state.optionsChanged();
    this.composer.render();
  }

  private send(question: string): void {
    const { current } = this.state;
    if (!question.trim() || this.chat.isRunning(current)) {
      return;
    }
    const { phase } = this.host.state;
    if (phase === 'none' || phase === 'failed') {
      toast('No model is open: choose one first.', { error: true });
      return;
    }
    this.composer.clear();
    this.view.toEnd();
    void this.chat.ask(current, question);
  }

  private keydown(event: KeyboardEvent): void {
    if (document.querySelector('dialog[open]')) {
      return;
    }
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName);
    if (event.key === 'Escape' && this.chat.isRunning(this.state.current)) {
      this.chat.stop(this.state.current);
    } else if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.composer.focus();
    } else if (event.code === 'KeyO' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.startNew();
    }
  }

  // Conversations.

  private startNew(): void {
    this.state.startNew();
    void this.show();
    this.sidebar.close();
    this.composer.focus();
  }

  private choose(c: Conversation): void {
    this.state.choose(c);
    this.view.toEnd();
    void this.show().then(() => this.measure());
    this.sidebar.close();
  }

  private remove(c: Conversation): void {
    this.chat.stop(c);
    this.state.remove(c);
    if (c === this.state.current) {
      this.startNew();
    }
    toast('The conversation is deleted.', { undo: () => (this.state.save(c), this.choose(c)) });
  }

  private removeAll(): void {
    const all = this.state.removeAll();
    this.startNew();
    toast('All conversations are deleted.', { undo: () => void this.state.add(all) });
  }

  private async importFiles(): Promise<void> {
    const last = await importFiles(this.state);
    if (last) {
      this.choose(last);
      toast('Imported.');
    }
  }

  /** Shows what another tab has changed meanwhile, when this one is looked at again. */
  private async showOtherTabsChanges(): Promise<void> {
    const isBusy = this.state.conversations.some((c) => this.chat.isRunning(c));
    if (!document.hidden && !isBusy && await this.state.reload()) {
      void this.show();
    }
  }

  /** Counts how full the context is. */
  private async measure(): Promise<void> {
    const c = this.state.current;
    if (c.messages.length === 0 || this.chat.isRunning(c)) {
      return;
    }
    const fill = await this.chat.measure(c).catch(() => undefined);
    if (fill) {
      this.state.fills.set(c.id, fill);
      if (c === this.state.current) {
        this.meter.render();
      }
    }
  }

  // The model.

  private openModel(choice: Choice): void {
    this.state.settings.model = typeof choice.model === 'string' ? choice.model : '';
    saveSettings(this.state.settings);
    void this.host.open(choice);
  }

  /** The model that the page's URL names, or that of the last visit, which a processor could hardly compute, or the built-in one. */
  private firstChoice(): Choice {
    const { model, context } = this.state.settings;
    if (isNative) {
      return { model, name: model || 'The model', store: false };
    }
    const url = new URLSearchParams(location.search).get('model') ?? (!this.host.noGPU && model || nano.url);
    const store = navigator.storage !== undefined; // pages that are not secure have none, which need not be said each time
    return { model: url, name: nameOf(url), context: this.host.noGPU ? undefined : context, store };
  }

  private modelChanged(): void {
    if (this.host.state.phase === 'ready') {
      announce('The model is ready.');
      void this.measure();
      if (isNative) {
        return void this.show(); // the program is here, or nothing is
      }
      this.offline.start(); // now, so that it does not compete with the model for the connection
    }
    void this.show();
  }

  private showNotice({ kind, message }: Notice): void {
    if (kind === 'software-adapter') {
      byId('hint').textContent = message;
    } else if (kind !== 'not-verified') { // the model's button says that
      toast(message);
    }
  }
}

void new App().start();
