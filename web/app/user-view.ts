// A message of the visitor: its text, folded where it is long, its files, and the box that edits it.

import { alternatives } from './alternatives.ts';
import { copyText } from './clipboard.ts';
import { siblings, type Conversation, type Message, type TextFile } from './conversation.ts';
import { h, icon, iconButton, timeOf } from './dom.ts';
import { t } from './language.ts';
import type { Actions, Renderer, View } from './message-view.ts';
import { put } from './words.ts';

/** Characters and lines of a message above which only its beginning is shown. */
const longText = 1500, longLines = 20;

export class UserView implements View {
  readonly element = h('article', { class: 'message user', 'aria-label': t('yourMessage') });
  private readonly actions: Actions;
  private readonly renderer: Renderer;
  private shown = '';

  constructor(actions: Actions, renderer: Renderer) {
    [this.actions, this.renderer] = [actions, renderer];
  }

  update(message: Message, c: Conversation): void {
    const running = this.actions.isRunning();
    const state = `${siblings(c, message).map((m) => m.id).join()} ${running}`;
    if (this.shown === state || this.element.querySelector('form')) {
      return;
    }
    this.shown = state;
    const copy = iconButton('copy', t('copyMessage'), () => copyText(message.content, copy));
    const edit = iconButton('edit', t('editMessage'), () => this.edit(message, c), { disabled: running, class: 'edit-message' });
    this.element.replaceChildren(
      ...(message.files ?? []).map((file) => this.file(file)),
      ...(message.content ? this.bubble(message.content) : []),
      h('div', { class: 'actions' }, alternatives(message, c, this.actions), copy, edit, timeOf(message.created)));
  }

  /** The text; of a long one the beginning, with a button for the rest. */
  private bubble(content: string): HTMLElement[] {
    const text = new this.renderer.PlainText();
    text.show(content);
    const bubble = h('div', { class: 'bubble' }, text.element);
    const lines = content.split('\n', longLines + 1).length;
    if (content.length <= longText && lines <= longLines) {
      return [bubble];
    }
    const more = h('button', { type: 'button', class: 'link more', onclick: () => fold(!bubble.classList.contains('folded')) });
    const fold = (folded: boolean) => {
      bubble.classList.toggle('folded', folded);
      put(more, 'text', folded ? t('showAll', { n: content.length }) : t('showLess'));
      more.setAttribute('aria-expanded', String(!folded));
    };
    fold(true);
    return [bubble, more];
  }

  private file({ name, text, tokens }: TextFile): HTMLElement {
    const size = tokens === undefined ? t('characters', { n: text.length }) : t('tokens', { n: tokens });
    const shown = new this.renderer.PlainText(true);
    const details = h('details', { class: 'file', ontoggle: () => details.open && shown.show(text) },
      h('summary', {}, icon('file'), h('span', { dir: 'auto' }, name), h('span', { class: 'muted' }, size)), shown.element);
    return details;
  }

  /** Puts a text box in the message's place. */
  private edit(message: Message, c: Conversation): void {
    const box = h('textarea', { 'aria-label': t('editMessage'), dir: 'auto', value: message.content });
    const close = () => {
      this.shown = '';
      this.element.replaceChildren();
      this.update(message, c);
      this.element.querySelector<HTMLElement>('.edit-message')?.focus();
    };
    const submit = () => {
      const text = box.value;
      this.element.replaceChildren();
      this.shown = '';
      this.update(message, c);
      if ((text.trim() || message.files) && text !== message.content) {
        this.actions.edit(message, text);
      }
    };
    const form = h('form', {
      class: 'edit', onsubmit: (e: Event) => (e.preventDefault(), submit()),
      onkeydown: (e: KeyboardEvent) => {
        if (e.key === 'Escape') {
          e.stopPropagation();
          close();
        } else if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
          e.preventDefault();
          submit();
        }
      },
    }, box, h('div', { class: 'row end' },
      h('button', { type: 'button', onclick: close }, t('cancel')), h('button', { type: 'submit', class: 'primary' }, t('send'))));
    this.element.replaceChildren(form);
    box.style.height = `${Math.min(box.scrollHeight + 4, 400)}px`;
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}
