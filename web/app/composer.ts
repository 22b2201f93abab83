// The box in which questions are written, and the options beside it.

import { AttachmentList } from './attachment-list.ts';
import type { Chat } from './chat.ts';
import { branch, type Effort, type TextFile } from './conversation.ts';
import { byId, h, icon, iconButton } from './dom.ts';
import { Drafts } from './drafts.ts';
import { t } from './language.ts';
import type { AppState } from './state.ts';
import { put, type Said } from './words.ts';

export interface ComposerActions {
  send(question: string, files: TextFile[]): void;
  /** Ends the reply that is being written. */
  stop(): void;
  /** Options of the conversation have changed. */
  optionsChanged(): void;
  showSettings(tab: 'tools' | 'format' | 'reply'): void;
  /** Edits the last question. Says whether there is one. */
  editLast(): boolean;
}

/** Milliseconds between a change of what is written and its being kept. */
const draftDelay = 300;
/** The draft of a conversation that has not begun. */
const newDraft = 'new';

const efforts = ['low', 'medium', 'high'] as const;

export class Composer {
  private readonly state: AppState;
  private readonly chat: Chat;
  private readonly actions: ComposerActions;
  private readonly text = byId<HTMLTextAreaElement>('text');
  private readonly send = h('button', { type: 'submit', class: 'send' });
  private readonly drafts = new Drafts();
  private readonly files: AttachmentList;
  /** Whose draft is shown; undefined: nothing is yet. */
  private drafted: string | undefined;
  /** Whether something of it was written in this window. */
  private isEdited = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly effort;
  private readonly tools;
  private readonly format;
  private readonly instructions;

  constructor(state: AppState, chat: Chat, actions: ComposerActions) {
    [this.state, this.chat, this.actions] = [state, chat, actions];
    const chip = (tab: 'tools' | 'format' | 'reply', on = false, text: Said = '') =>
      h('button', { type: 'button', class: on ? 'chip on' : 'chip', onclick: () => actions.showSettings(tab) }, text);
    this.effort = h('select', { id: 'effort', 'aria-label': t('effort'), title: t('effortHelp'), onchange: () => {
      state.current.options.effort = this.effort.value as Effort;
      actions.optionsChanged();
    } }, ...efforts.map((e) => h('option', { value: e }, t(`${e}Effort`))));
    this.tools = chip('tools');
    this.format = chip('format');
    this.instructions = chip('reply', true, t('systemPrompt'));
    this.files = new AttachmentList(this.text, {
      count: (text) => chat.count(text),
      context: () => chat.context,
      added: () => this.text.focus(),
    });
    this.text.before(this.files.element);
    byId('composer-bar').append(iconButton('clip', t('attachFiles'), () => void this.files.pick()), this.effort, this.tools, this.format, this.instructions, h('span', { class: 'spacer' }), this.send);
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.isRunning) {
        actions.stop();
        this.text.focus();
      } else {
        this.ask();
      }
    });
    this.text.addEventListener('paste', (event) => {
      const { files = [], types = [] } = event.clipboardData ?? {};
      if (files.length > 0 && !types.includes('text/plain')) {
        event.preventDefault();
        void this.files.adding()([...files]);
      }
    });
    this.text.addEventListener('input', () => {
      this.grow();
      this.isEdited = true;
      this.timer ??= setTimeout(() => this.keepDraft(), draftDelay);
    });
    addEventListener('pagehide', () => this.timer !== undefined && this.keepDraft());
    this.drafts.removedElsewhere((id) => {
      if (id === this.drafted && !this.isEdited) {
        this.showText('');
      }
    });
    this.text.addEventListener('keydown', (event) => this.keydown(event));
  }

  private keydown(event: KeyboardEvent): void {
    // An Enter that ends a composition of an input method does not send. In Safari only keyCode shows it.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      this.ask();
    } else if (event.key === 'ArrowUp' && this.text.value === '' && !this.isRunning && this.actions.editLast()) {
      event.preventDefault();
    }
  }

  private ask(): void {
    this.actions.send(this.text.value, this.files.files);
  }

  /** Returns what attaches files to what is being written now. */
  attaching(): (files: File[]) => Promise<void> {
    return this.files.adding();
  }

  /** Fits the height of the box to its text. */
  private grow(): void {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight, innerHeight * 0.4)}px`;
  }

  focus(): void {
    this.text.focus();
  }

  /** Removes a question that was asked, unless something else is written already. Its draft is kept until asked resolves. */
  async clear(question: string, files: TextFile[], asked: Promise<void>): Promise<void> {
    const id = this.drafted;
    if (id !== undefined) {
      this.drafts.set(id, question);
    }
    const cleared = this.files.clear(files, asked);
    if (this.text.value === question) {
      this.showText('');
    }
    clearTimeout(this.timer);
    this.timer = undefined;
    this.follow();
    if (this.text.value !== '') {
      this.timer = setTimeout(() => this.keepDraft(), draftDelay);
    }
    await asked;
    if (id !== undefined) {
      this.drafts.remove(id, question);
    }
    await cleared;
  }

  /** What is written already in a conversation that has begun by a question is its draft, and no longer that of a new one. */
  private follow(): void {
    const { id } = this.state.current;
    if (this.drafted === newDraft && this.state.find(id)) {
      this.drafted = id;
      this.files.begin(id);
    }
  }

  private showText(text: string): void {
    this.text.value = text;
    this.isEdited = false;
    this.grow();
  }

  /** Keeps what is written. */
  private keepDraft(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.drafted !== undefined) {
      this.drafts.set(this.drafted, this.text.value);
    }
  }

  /** Shows what was written in the conversation that is shown, and keeps what was written in the one before. */
  private showDraft(): void {
    const { current } = this.state;
    const id = this.state.find(current.id) ? current.id : newDraft;
    if (id === this.drafted) {
      return;
    }
    if (this.timer !== undefined) {
      this.keepDraft();
    }
    const before = this.drafted;
    this.drafted = id;
    const draft = this.drafts.get(id);
    const last = branch(current).findLast((m) => m.role === 'user');
    const isSent = last?.content === draft; // as the page was left at that moment
    void this.files.show(id, isSent && last.files || []);
    if (before !== undefined || this.text.value === '') { // else it was written before the page knew what to show
      this.showText(isSent ? '' : draft);
    }
  }

  /** Removes the drafts of conversations that are no more. */
  pruneDrafts(): void {
    const isThere = (id: string) => id === newDraft || this.state.find(id) !== undefined;
    this.drafts.prune(isThere);
    this.files.prune(isThere);
  }

  /** Whether a reply is being written in the conversation that is shown, here or in another window. */
  private get isRunning(): boolean {
    const { current } = this.state;
    return this.chat.isRunning(current) || this.state.isElsewhere(current);
  }

  /** Shows the options of the conversation, and whether a reply is being written. */
  render(): void {
    const { options } = this.state.current;
    this.showDraft();
    this.effort.value = options.effort;
    const mode = this.isRunning ? 'stop' : 'send';
    if (this.send.dataset['mode'] !== mode) {
      this.send.dataset['mode'] = mode;
      this.send.replaceChildren(icon(mode));
      put(this.send, 'aria-label', t(mode));
      put(this.send, 'title', t(mode));
    }
    const renderChip = (button: HTMLButtonElement, on: boolean, name: 'tool' | 'braces', label: Said) => {
      button.classList.toggle('on', on);
      button.replaceChildren(icon(name), h('span', {}, label));
    };
    renderChip(this.tools, options.tools.length > 0, 'tool', options.tools.length > 0 ? t('toolsChosen', { count: options.tools.length }) : t('tools'));
    renderChip(this.format, options.schema !== '', 'braces', options.schema ? 'JSON' : t('format'));
    this.instructions.hidden = options.instructions === '';
  }
}
