// The chat: makes the parts of the page and connects them.

import { canRun, environment, type Notice } from '../src/index.ts';
import { Address, type Place, type Sheet } from './address.ts';
import { isLarge, nameOf, nano } from './catalogue.ts';
import { Chat } from './chat.ts';
import { Composer } from './composer.ts';
import { ContextMeter } from './context-meter.ts';
import { exportAll, exportJSON, exportMarkdown, importFiles } from './conversation-files.ts';
import { branch, show, type Conversation, type Message, type TextFile } from './conversation.ts';
import { ConversationView } from './conversation-view.ts';
import { isModel, takeDrops } from './drops.ts';
import { announce, byId, iconButton } from './dom.ts';
import { isNative } from './engine.ts';
import { keepFocus } from './focus-keeper.ts';
import { fillPage, t } from './language.ts';
import { LanguageChoice } from './language-choice.ts';
import { LoadingCard } from './loading-card.ts';
import { ModelButton } from './model-button.ts';
import { ModelHost, type Choice, type ModelState } from './model.ts';
import { Models } from './models.ts';
import { showNotice } from './notices.ts';
import { keepKey } from './native.ts';
import { Offline } from './offline.ts';
import { Panel } from './panel.ts';
import { takeShortcuts } from './shortcuts.ts';
import { Sidebar } from './sidebar.ts';
import { AppState } from './state.ts';
import { saveSettings } from './settings.ts';
import { Titles } from './titles.ts';
import { toast } from './toast.ts';
import { slowNotice } from './unsupported.ts';
import type { Said } from './words.ts';

class App {
  private readonly address = new Address((place) => this.goTo(place));
  private readonly state = new AppState({
    listChanged: () => this.renderList(),
    changedElsewhere: (c) => this.changedElsewhere(c),
    removedElsewhere: (c) => this.removedElsewhere(c),
    isOwnTurn: (c) => this.chat.isRunning(c),
    isWriting: (c, m) => this.chat.isWriting(c, m),
    stop: (c) => void this.chat.stop(c),
    saveFailed: (error) => toast(t('notKept', { reason: error.message }), { error: true }),
    blocked: () => toast(t('otherVersion'), { error: true }),
  });
  private readonly languages = new LanguageChoice(this.state.settings, this.address);
  private readonly host = new ModelHost();
  private readonly offline = new Offline();
  private readonly chat = new Chat(this.host, this.state.settings, this.state.turns, {
    began: (c) => (this.titles.cancel(), c === this.state.current && this.composer.render()),
    sync: (c) => this.state.sync(c),
    changed: (c, m) => this.messageChanged(c, m),
    ended: (c, m) => this.replyEnded(c, m),
    filled: (c, fill) => {
      this.state.fills.set(c.id, fill);
      if (c === this.state.current) {
        this.meter.render();
      }
    },
    idle: (c) => this.saveAndShow(c).then(() => void this.titles.make(c)),
  });
  private readonly titles = new Titles(this.host, this.state.settings, {
    isBusy: () => this.chat.isBusy || this.state.isAnyElsewhere,
    titled: (c) => void this.saveAndShow(c),
  });
  private readonly view = new ConversationView(this.state, this.host, this.chat, () => void this.show(), (question) => this.send(question));
  private readonly meter = new ContextMeter(this.state, this.host, this.chat, (from) => this.view.setCut(from));
  private readonly composer = new Composer(this.state, this.chat, {
    send: (question, files) => this.send(question, files),
    stop: () => this.stop(),
    optionsChanged: () => this.optionsChanged(),
    showSettings: (tab) => this.openSheet(tab),
    editLast: () => this.view.editLast(),
  });
  private readonly sidebar = new Sidebar({
    choose: (c, message) => this.choose(c, message),
    startNew: () => this.startNew(),
    remove: (c) => void this.remove(c),
    rename: (c, title) => {
      Object.assign(c, { title, named: true });
      void this.state.save(c);
      void this.show();
    },
    pin: (c, pinned) => {
      c.pinned = pinned;
      void this.state.save(c);
    },
    exportMarkdown, exportJSON,
    importFiles: () => void this.importFiles(),
  });
  private readonly panel = new Panel(byId<HTMLDialogElement>('panel'), this.state.settings, {
    conversation: () => this.state.current,
    changed: () => this.optionsChanged(),
    refusal: (schema) => this.chat.refusal(schema),
    shown: (sheet) => this.address.rename({ ...this.address.place, sheet }),
    languageChosen: (language) => void this.languages.choose(language),
    exportAll: () => exportAll(this.state.conversations),
    deleteAll: () => void this.removeAll(this.state.conversations, t('allDeleted')),
  });
  private readonly models = new Models(this.host, this.state.settings, {
    opened: (choice) => this.openModel(choice),
    isBusy: () => this.chat.isBusy,
  });

  /** Draws what needs nothing, then loads conversations and the model. */
  async start(): Promise<void> {
    const speaking = this.languages.speak();
    new ModelButton(this.host, () => this.openSheet('models'));
    new LoadingCard(byId('loading'), this.host, () => this.openSheet('models'));
    byId('settings-button').append(iconButton('settings', t('settings'), () => this.openSheet('reply')));
    byId('sidebar-open').append(iconButton('menu', t('showConversations'), () => this.sidebar.open(), { id: 'menu' }));
    this.composer.render();
    this.view.showEmpty();
    keepFocus(() => byId('text'));
    this.listen();
    if (isNative) {
      byId('bench-link').remove(); // measures the browser
      byId('docs-link').remove(); // beside the page on a web server
    }
    const looking = isNative ? undefined : environment();
    if (await this.state.load()) {
      this.composer.pruneDrafts();
    } else {
      toast(t('privateWindow'));
    }
    this.goTo(this.address.place);
    const found = await looking;
    if (found && !found.ok) {
      this.host.noGPU = found;
      byId('hint').replaceChildren(...slowNotice(found));
    }
    await speaking;
    void this.openFirst();
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
    this.host.addEventListener('notice', (event) => showNotice((event as CustomEvent<Notice>).detail));
    takeDrops((dropped) => void this.take(dropped));
    byId('models').addEventListener('close', () => this.leaveSheet(['models']));
    byId('panel').addEventListener('close', () => this.leaveSheet(['reply', 'tools', 'format', 'app']));
    addEventListener('pagehide', () => this.state.flush());
    takeShortcuts({
      isRunning: () => this.isRunning, stop: () => this.stop(),
      write: () => this.composer.focus(), startNew: () => this.startNew(), search: () => this.sidebar.search(),
    });
    document.querySelector('.skip')!.addEventListener('click', (event) => {
      event.preventDefault(); // the address says where the page is
      this.composer.focus();
    });
  }

  /** Takes files that were dropped: a model's, or text for what is being written. */
  private async take(dropped: Promise<Map<string, File>>): Promise<void> {
    const [attach, files] = [this.composer.attaching(), await dropped];
    if (isNative || !isModel(files.keys()) && !byId<HTMLDialogElement>('models').open) {
      return attach([...files.values()]);
    }
    this.address.go({ ...this.address.place, sheet: 'models' });
    this.models.openFiles(files);
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
    this.state.touch(c, m);
    if (c === this.state.current && this.address.place.chat !== c.id) {
      this.address.rename({ ...this.address.place, chat: c.id }); // it has begun
    }
    if (m.role === 'assistant') {
      this.state.saveSoon(c);
    } else {
      void this.state.save(c); // what somebody has written, at once
    }
    if (c !== this.state.current) {
      return;
    }
    const isGrowing = m.finish === undefined && m.role === 'assistant';
    if (!isGrowing || !this.view.update(m)) {
      void this.show();
    }
  }

  private replyEnded(c: Conversation, m: Message): void {
    this.state.touch(c, m);
    void this.saveAndShow(c);
    if (m.finish === 'stop' || m.finish === 'length') {
      announce(t('answerIs', { text: m.content.slice(0, 1000) }));
    } else if (m.finish === 'error') {
      announce(m.error ?? t('replyFailed'));
    }
  }

  private async saveAndShow(c: Conversation): Promise<void> {
    if (c === this.state.current) {
      void this.show();
    }
    await this.state.save(c);
  }

  /** Whether a reply is being written in the conversation that is shown. */
  private get isRunning(): boolean {
    return this.chat.isRunning(this.state.current) || this.state.isElsewhere(this.state.current);
  }

  private optionsChanged(): void {
    this.state.optionsChanged();
    this.composer.render();
  }

  private send(question: string, files: TextFile[] = []): void {
    const { current } = this.state;
    if (!question.trim() && files.length === 0 || this.isRunning) {
      return;
    }
    if (['none', 'failed'].includes(this.host.state.phase)) {
      toast(t('noModelChoose'), { error: true });
      return;
    }
    this.view.toEnd();
    void this.chat.ask(current, question, { files, asked: () => void this.composer.clear(question, files, this.state.save(current)) });
  }

  /** Ends the reply that is being written, here or in another window. */
  private stop(): void {
    const { current } = this.state;
    if (this.chat.isRunning(current)) {
      void this.chat.stop(current);
    } else {
      this.state.turns.stop(current.id);
    }
  }

  // Where the page is.

  /** Shows the place that the address names. */
  private goTo({ chat, sheet }: Place): void {
    const c = chat === undefined ? undefined : this.state.find(chat);
    if (c && c !== this.state.current) {
      this.showConversation(c);
    } else if (!c && this.state.find(this.state.current.id)) {
      this.showNew();
    }
    if (chat !== undefined && !c) {
      this.address.rename({ sheet });
      toast(t('notHere'));
    }
    this.showSheet(sheet);
  }

  private openSheet(sheet: Sheet): void {
    this.address.go({ ...this.address.place, sheet });
    this.showSheet(sheet);
  }

  /** Shows a sheet, and closes others; undefined: all. */
  private showSheet(sheet: Sheet | undefined): void {
    if (sheet !== 'models') {
      byId<HTMLDialogElement>('models').close();
    }
    if (sheet === undefined || sheet === 'models') {
      byId<HTMLDialogElement>('panel').close();
    }
    if (sheet === 'models') {
      this.models.show();
    } else if (sheet) {
      this.panel.show(sheet);
    }
  }

  /** One of these sheets was closed. */
  private leaveSheet(closed: Sheet[]): void {
    const { sheet } = this.address.place;
    if (sheet && closed.includes(sheet)) {
      this.address.leaveSheet();
    }
  }

  // Conversations.

  private startNew(): void {
    this.address.go({});
    this.showNew();
    this.sidebar.close();
    this.composer.focus();
  }

  private showNew(): void {
    this.state.startNew();
    this.composer.render(); // at once: what is typed next belongs there
    void this.show();
  }

  /** Shows a conversation; message: as far as it is to be seen. */
  private choose(c: Conversation, message?: Message): void {
    this.address.go({ chat: c.id });
    if (message && !branch(c).includes(message)) {
      show(c, message);
    }
    this.showConversation(c, message);
    this.sidebar.close();
  }

  private showConversation(c: Conversation, message?: Message): void {
    this.state.choose(c);
    this.composer.render(); // at once: what is typed next belongs there
    this.view.toEnd();
    void this.show().then(() => {
      if (message) {
        this.view.reveal(message);
      }
      return this.meter.measure();
    });
  }

  private remove(c: Conversation): Promise<void> {
    return this.removeAll([c], t('conversationDeleted'));
  }

  /** Deletes conversations, for as long as nobody wants them back. */
  private async removeAll(conversations: Conversation[], sentence: Said): Promise<void> {
    const { current } = this.state;
    await Promise.all(conversations.map((c) => this.chat.stop(c)));
    const removed = this.state.remove(conversations);
    if (conversations.includes(current) && current === this.state.current) {
      this.startNew();
    }
    toast(sentence, { undo: async () => {
      const back = await removed;
      await this.state.add(back);
      const shown = back.find((c) => c.id === current.id);
      if (shown) {
        this.choose(shown);
      }
    } });
  }

  private changedElsewhere(c: Conversation): void {
    if (this.state.isElsewhere(c)) {
      this.titles.cancel(); // it may be this window's engine that answers there
    }
    if (c === this.state.current) {
      void this.show();
    }
  }

  private removedElsewhere(c: Conversation): void {
    void this.chat.stop(c);
    if (c === this.state.current) {
      this.startNew();
      toast(t('deletedElsewhere'));
    }
  }

  private async importFiles(): Promise<void> {
    const imported = await importFiles(this.state);
    const last = imported.reduce<Conversation | undefined>((a, b) => (a && a.updated > b.updated ? a : b), undefined);
    if (last) {
      this.choose(last);
      toast(t('imported', { n: imported.length }));
    }
  }

  // The model.

  private openModel(choice: Choice): void {
    this.chat.stopAll();
    this.chosen = choice.model;
    this.address.setModel(typeof choice.model === 'string' ? choice.model : undefined);
    void this.host.open(choice);
  }

  /** Opens a model as the page is loaded. What would have to be downloaded first and is large, is asked about. */
  private async openFirst(): Promise<void> {
    const choice = this.firstChoice();
    if (!isNative && choice.model !== nano.url) {
      const verdict = await canRun(choice.model, { context: choice.context, backend: this.host.backend }).catch(() => undefined); // opening tells of it
      if (this.host.state.phase !== 'starting') {
        return; // the visitor was faster
      }
      if (verdict?.ok && verdict.bill && isLarge(verdict.bill.download - (verdict.stored ?? 0))) {
        this.host.cancel();
        this.address.go({ ...this.address.place, sheet: 'models' });
        this.models.ask(choice);
        return;
      }
    }
    await this.host.open(choice);
  }

  /** The model that the page's URL names, or that of the last visit, which a processor could hardly compute, or the built-in one. */
  private firstChoice(): Choice {
    const { model, context } = this.state.settings;
    if (isNative) {
      return { model, name: model || String(t('theModel')), store: false };
    }
    const url = this.address.model ?? (!this.host.noGPU && model || nano.url);
    const store = navigator.storage !== undefined; // pages that are not secure have none, which need not be said each time
    return { model: url, name: nameOf(url), context: this.host.noGPU ? undefined : context, store };
  }

  /** What the visitor chose last: the next visit opens it, if it could be opened in this one. */
  private chosen: Choice['model'] | undefined;

  private modelChanged(): void {
    const { state } = this.host;
    if (state.phase === 'ready') {
      if (this.chosen !== undefined && this.chosen === state.choice.model) {
        this.state.settings.model = typeof this.chosen === 'string' ? this.chosen : '';
        saveSettings(this.state.settings);
      }
      announce(t('modelReady'));
      const { context } = state.engine.info;
      if (state.choice.context !== undefined && context !== state.choice.context) {
        toast(t('sharedContext', { context }));
      }
      void this.meter.measure();
      if (isNative) {
        return void this.show(); // the program is here, or nothing is
      }
      this.offline.start(); // now, so that it does not compete with the model for the connection
    }
    void this.show();
  }
}

if (isNative) {
  keepKey();
}
fillPage();
void new App().start();
