// The box in which questions are written, and the options beside it.

import type { Chat } from './chat.ts';
import type { Effort } from './conversation.ts';
import { byId, h, icon } from './dom.ts';
import type { AppState } from './state.ts';

export interface ComposerActions {
  send(question: string): void;
  /** Options of the conversation have changed. */
  optionsChanged(): void;
  showSettings(tab: 'tools' | 'format' | 'reply'): void;
  /** Edits the last question. Says whether there is one. */
  editLast(): boolean;
}

const efforts = ['low', 'medium', 'high'] as const;

export class Composer {
  private readonly state: AppState;
  private readonly chat: Chat;
  private readonly actions: ComposerActions;
  private readonly text = byId<HTMLTextAreaElement>('text');
  private readonly send = h('button', { type: 'submit', class: 'send' });
  private readonly effort;
  private readonly tools;
  private readonly format;
  private readonly instructions;

  constructor(state: AppState, chat: Chat, actions: ComposerActions) {
    [this.state, this.chat, this.actions] = [state, chat, actions];
    const chip = (tab: 'tools' | 'format' | 'reply', on = false, text = '') =>
      h('button', { type: 'button', class: on ? 'chip on' : 'chip', onclick: () => actions.showSettings(tab) }, text);
    this.effort = h('select', { id: 'effort', 'aria-label': 'Reasoning effort', title: 'How long the model reasons', onchange: () => {
      state.current.options.effort = this.effort.value as Effort;
      actions.optionsChanged();
    } }, ...efforts.map((e) => h('option', { value: e }, `${e[0]!.toUpperCase()}${e.slice(1)} effort`)));
    this.tools = chip('tools');
    this.format = chip('format');
    this.instructions = chip('reply', true, 'Instructions');
    byId('composer-bar').append(this.effort, this.tools, this.format, this.instructions, h('span', { class: 'spacer' }), this.send);
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      if (chat.isRunning(state.current)) {
        void chat.stop(state.current);
        this.text.focus();
      } else {
        actions.send(this.text.value);
      }
    });
    this.text.addEventListener('input', () => this.grow());
    this.text.addEventListener('keydown', (event) => this.keydown(event));
  }

  private keydown(event: KeyboardEvent): void {
    // An Enter that ends a composition of an input method does not send. In Safari only keyCode shows it.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      this.actions.send(this.text.value);
    } else if (event.key === 'ArrowUp' && this.text.value === '' && !this.chat.isRunning(this.state.current) && this.actions.editLast()) {
      event.preventDefault();
    }
  }

  /** Fits the height of the box to its text. */
  private grow(): void {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight, innerHeight * 0.4)}px`;
  }

  focus(): void {
    this.text.focus();
  }

  clear(): void {
    this.text.value = '';
    this.grow();
  }

  /** Shows the options of the conversation, and whether a reply is being written. */
  render(): void {
    const { options } = this.state.current;
    this.effort.value = options.effort;
    const mode = this.chat.isRunning(this.state.current) ? 'stop' : 'send';
    if (this.send.dataset['mode'] !== mode) {
      this.send.dataset['mode'] = mode;
      const label = mode === 'stop' ? 'Stop' : 'Send';
      this.send.replaceChildren(icon(mode));
      this.send.setAttribute('aria-label', label);
      this.send.title = label;
    }
    const renderChip = (button: HTMLButtonElement, on: boolean, name: 'tool' | 'braces', label: string) => {
      button.classList.toggle('on', on);
      button.replaceChildren(icon(name), h('span', {}, label));
    };
    renderChip(this.tools, options.tools.length > 0, 'tool', options.tools.length > 0 ? `Tools: ${options.tools.length}` : 'Tools');
    renderChip(this.format, options.schema !== '', 'braces', options.schema ? 'JSON' : 'Format');
    this.instructions.hidden = options.instructions === '';
  }
}
