// How full the context is.

import type { Chat } from './chat.ts';
import { branch } from './conversation.ts';
import { byId, h } from './dom.ts';
import { number, sentences, t } from './language.ts';
import type { ModelHost } from './model.ts';
import type { AppState } from './state.ts';
import { joined, put } from './words.ts';

export class ContextMeter {
  private readonly state: AppState;
  private readonly host: ModelHost;
  private readonly chat: Chat;
  /** Marks the message from which on the conversation fits; 0: all of it does. */
  private readonly setCut: (from: number) => void;
  private readonly bar = h('span', {});
  private readonly text = h('span', { class: 'meter-text', dir: 'ltr' });
  private readonly element = h('span', { class: 'meter', role: 'meter', 'aria-label': t('context'), 'aria-valuemin': '0', hidden: true },
    h('span', { class: 'meter-bar' }, this.bar), this.text);

  constructor(state: AppState, host: ModelHost, chat: Chat, setCut: (from: number) => void) {
    [this.state, this.host, this.chat, this.setCut] = [state, host, chat, setCut];
    byId('meter').append(this.element);
  }

  /** Counts how full the context is. */
  async measure(): Promise<void> {
    const c = this.state.current;
    if (c.messages.length === 0 || this.chat.isRunning(c)) {
      return;
    }
    const fill = await this.chat.measure(c).catch(() => undefined);
    if (fill) {
      this.state.fills.set(c.id, fill);
      if (c === this.state.current) {
        this.render();
      }
    }
  }

  render(): void {
    const { current, fills } = this.state;
    const fill = fills.get(current.id);
    if (this.host.state.phase !== 'ready' || !fill || current.messages.length === 0) {
      this.element.hidden = true;
      this.setCut(0);
      return;
    }
    const { context } = this.host.state.engine.info;
    const left = branch(current).slice(0, fill.from).length;
    this.element.hidden = false;
    this.element.setAttribute('aria-valuemax', String(context));
    this.element.setAttribute('aria-valuenow', String(Math.min(fill.used, context)));
    this.bar.style.width = `${Math.max(2, Math.min(1, fill.used / context) * 100)}%`;
    this.element.classList.toggle('full', left > 0);
    const words = joined([t('contextUsed', { used: fill.used, all: context }), left > 0 && t('leftOut', { n: left })], '; ');
    put(this.element, 'aria-valuetext', words);
    put(this.element, 'title', sentences(joined([words, t('fullStop')], ''), t('contextHelp')));
    put(this.text, 'text', joined([number(fill.used), number(context)], ' / '));
    this.setCut(left > 0 ? fill.from : 0);
  }
}
