// The shown conversation, or what is in its place when it is empty.

import { nano } from './catalogue.ts';
import type { Chat } from './chat.ts';
import { branch, show, type Conversation, type Message } from './conversation.ts';
import { byId, h } from './dom.ts';
import { isNative } from './engine.ts';
import { sentences, t } from './language.ts';
import type { ModelHost } from './model.ts';
import type { AppState } from './state.ts';
import { Thread } from './thread.ts';
import { put, type Said } from './words.ts';

/** What the built-in model has learnt, which speaks English only. */
const miniatureIdeas = ['What is 17 + 25?', 'How many hours are in 3 days?', 'Who are you?'];
/** Tokens from which on reading takes long enough to tell how far it is. */
const manyTokens = 300;

export class ConversationView {
  private readonly element = byId('thread');
  private readonly thread: Thread;
  private readonly state: AppState;
  private readonly host: ModelHost;
  private readonly send: (question: string) => void;
  /** Messages that are shown. */
  private shown = new Set<string>();

  /** changed is called when another branch is to be shown; send asks a question. */
  constructor(state: AppState, host: ModelHost, chat: Chat, changed: () => void, send: (question: string) => void) {
    [this.state, this.host, this.send] = [state, host, send];
    this.thread = new Thread(this.element, byId('scroll'), {
      edit: (m, question) => void chat.ask(state.current, question, { parent: m.parent, files: m.files }),
      again: (m) => void chat.again(state.current, firstOfTurn(state.current, m)),
      goOn: (m) => void chat.continue(state.current, m),
      reply: () => void chat.reply(state.current),
      show: (m) => {
        show(state.current, m);
        changed();
        void state.save(state.current);
      },
      answer: (callID, result) => void chat.answer(state.current, callID, result),
      isRunning: () => chat.isRunning(state.current) || state.isElsewhere(state.current),
      waitingFor: () => this.waitingFor(chat),
    });
  }

  private waitingFor(chat: Chat): { text: Said; done?: number | undefined } {
    const { state, host } = this;
    if (state.isElsewhere(state.current)) {
      return { text: t('otherWindowWaits') };
    }
    if (host.state.phase !== 'ready') {
      return { text: t('waitingForModel') };
    }
    const reading = chat.reading(state.current);
    return reading && reading.tokens >= manyTokens ? { text: t('readingTokens', { n: reading.tokens }), done: reading.done } : { text: t('reading') };
  }

  /** Shows the conversation as it is now. Resolves to whether it is still the one to show. */
  async show(): Promise<boolean> {
    const c = this.state.current;
    if (branch(c).length === 0) {
      this.showEmpty();
    } else {
      await this.thread.show(c);
      if (c !== this.state.current) {
        return false;
      }
      this.shown = new Set(branch(c).map((m) => m.id));
    }
    put(byId('title'), 'text', c.title || t('newConversation'));
    document.title = c.title ? `${c.title} · Gossamer` : 'Gossamer';
    return true;
  }

  /** Shows a greeting. */
  showEmpty(): void {
    this.shown.clear();
    this.thread.toStart();
    this.element.replaceChildren(this.greeting());
  }

  /** Shows what has changed of a reply that is being written. Says whether it is shown already. */
  update(m: Message): boolean {
    const isShown = this.shown.has(m.id);
    if (isShown) {
      this.thread.update(m);
    }
    return isShown;
  }

  /** Marks the message from which on the conversation fits the context. */
  setCut(from: number): void {
    this.thread.setCut(from);
  }

  /** Scrolls to a message and points to it. */
  reveal(m: Message): void {
    this.thread.reveal(m);
  }

  /** Scrolls to the end and stays there. */
  toEnd(): void {
    this.thread.toEnd();
  }

  /** Edits the last question, if there is one. Says whether there is. */
  editLast(): boolean {
    const buttons = this.element.querySelectorAll<HTMLElement>('.user .edit-message');
    buttons[buttons.length - 1]?.click();
    return buttons.length > 0;
  }

  private greeting(): HTMLElement {
    const { state } = this.host;
    const name = 'choice' in state ? state.choice.name : nano.name;
    const isSmall = /\bnano\b/.test(name);
    const ideas: Said[] = isSmall ? miniatureIdeas : [t('ideaSky'), t('ideaWeekend'), t('ideaFunction')];
    return h('section', { class: 'greeting' },
      h('h2', {}, t('greeting')),
      h('p', {}, state.phase === 'failed' || state.phase === 'none' ? t('noModelAbove') : this.about(isSmall)),
      h('div', { class: 'ideas' }, ...ideas.map((idea) => h('button', { type: 'button', dir: 'auto', onclick: () => this.send(String(idea)) }, idea))));
  }

  private about(isSmall: boolean): Said {
    if (isSmall) {
      return sentences(t('aboutMiniature'), !this.host.noGPU && !isNative && t('betterModel'));
    }
    return isNative ? t('runsInProgram') : this.host.noGPU ? t('runsOnProcessor') : t('runsOnGPU');
  }
}

/** The reply that began the turn of a message: to answer again is to begin the turn again. */
function firstOfTurn(c: Conversation, m: Message): Message {
  const path = branch(c, m.id);
  return path[path.findLastIndex((p) => p.role === 'user') + 1] ?? m;
}
