// The conversation as it is seen. Messages that are there already stay; only what changed is touched.

import type { ToolCall } from '../src/index.ts';
import { branch, hasBegun, openCalls, siblings, type Conversation, type Message } from './conversation.ts';
import { copyText, h, icon, iconButton, oncePerFrame } from './dom.ts';
import type { MarkdownView, PlainText } from './markdown.ts';

/** What visitors do with messages. */
export interface Actions {
  edit(message: Message, text: string): void;
  again(message: Message): void;
  /** Goes on with a reply that was cut off. */
  goOn(message: Message): void;
  /** Answers the last message, which has no reply. */
  reply(): void;
  show(message: Message): void;
  answer(callID: string, text: string): void;
  /** Whether a reply is being written, here or in another window. */
  isRunning(): boolean;
  /** What a reply that has not begun waits for. */
  waitingFor(): string;
}

/** What draws texts. It is loaded when it is needed first, after the page is drawn. */
type Renderer = typeof import('./markdown.ts');

interface View {
  readonly element: HTMLElement;
  update(message: Message, c: Conversation, path: Message[]): void;
}

export class Thread {
  private readonly element: HTMLElement;
  private readonly scroller: HTMLElement;
  private readonly actions: Actions;
  private views = new Map<string, View>();
  private conversation: Conversation | undefined;
  private readonly cut = h('div', { class: 'cut', role: 'note' }, 'The context is full: the model is no longer shown what is above this line.');
  /** What is at the end where nothing replied, since the page was left before. */
  private readonly unanswered = h('div', { class: 'unanswered row' });
  /** Whether the view follows what is written. */
  private following = true;

  constructor(element: HTMLElement, scroller: HTMLElement, actions: Actions) {
    this.element = element;
    this.scroller = scroller;
    this.actions = actions;
    this.unanswered.append(h('span', { class: 'note' }, 'There is no reply.'), h('button', { type: 'button', onclick: () => actions.reply() }, 'Answer'));
    scroller.addEventListener('scroll', () => {
      this.following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
    }, { passive: true });
    new ResizeObserver(() => this.follow()).observe(element);
  }

  private follow(): void {
    if (this.following) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
    }
  }

  /** Goes to the end and stays there. */
  toEnd(): void {
    this.following = true;
    this.follow();
  }

  /** Scrolls to a message and points to it. */
  reveal(message: Message): void {
    const element = this.views.get(message.id)?.element;
    if (!element) {
      return;
    }
    this.following = false;
    element.scrollIntoView({ block: 'start' });
    element.classList.add('found');
    element.addEventListener('animationend', () => element.classList.remove('found'), { once: true });
  }

  /** Shows a conversation. */
  async show(c: Conversation): Promise<void> {
    const renderer = await import('./markdown.ts');
    if (this.conversation?.id !== c.id) {
      this.views.clear();
      this.following = true;
    }
    this.conversation = c;
    const path = branch(c);
    const elements: HTMLElement[] = [];
    const views = new Map<string, View>();
    for (const message of path) {
      if (message.role === 'tool') {
        continue; // shown with its call
      }
      const view = this.views.get(message.id) ?? (message.role === 'user' ? new UserView(this.actions, renderer) : new AssistantView(this.actions, renderer));
      view.update(message, c, path);
      views.set(message.id, view);
      elements.push(view.element);
    }
    this.views = views;
    if (!this.actions.isRunning() && path.at(-1)?.role !== 'assistant' && openCalls(path).length === 0) {
      elements.push(this.unanswered);
    }
    // Elements that are where they belong are not moved, which would end selections and lose the focus.
    const cut = this.cut.parentElement ? this.cut : undefined;
    cut?.remove();
    [...this.element.children].filter((e) => !elements.includes(e as HTMLElement)).forEach((e) => e.remove());
    elements.forEach((e, i) => {
      if (this.element.children[i] !== e) {
        this.element.insertBefore(e, this.element.children[i] ?? null);
      }
    });
  }

  /** Shows what has changed of a message that is there. */
  update(message: Message): void {
    if (this.conversation) {
      this.views.get(message.id)?.update(message, this.conversation, branch(this.conversation));
    }
  }

  /** Marks from where on the model is shown the conversation. */
  setCut(from: number): void {
    this.cut.remove();
    const first = from > 0 && this.conversation ? branch(this.conversation)[from] : undefined;
    const view = first && this.views.get(first.id);
    view?.element.before(this.cut);
  }
}

/** Buttons that go through the alternatives to a message. */
function alternatives(message: Message, c: Conversation, actions: Actions): HTMLElement | undefined {
  const all = siblings(c, message);
  if (all.length < 2) {
    return undefined;
  }
  const at = all.findIndex((m) => m.id === message.id);
  const go = (step: number) => actions.show(all[at + step]!);
  const what = message.role === 'user' ? 'version' : 'answer';
  return h('span', { class: 'alternatives' },
    iconButton('left', `Previous ${what}`, () => go(-1), { disabled: at === 0 }),
    h('span', { 'aria-label': `${what} ${at + 1} of ${all.length}`, role: 'img' }, `${at + 1}/${all.length}`),
    iconButton('right', `Next ${what}`, () => go(1), { disabled: at === all.length - 1 }));
}

class UserView implements View {
  readonly element = h('article', { class: 'message user', 'aria-label': 'Your message' });
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
    const text = new this.renderer.PlainText();
    text.show(message.content);
    const copy = iconButton('copy', 'Copy message', () => copyText(message.content, copy));
    const edit = iconButton('edit', 'Edit message', () => this.edit(message, c), { disabled: running });
    this.element.replaceChildren(
      h('div', { class: 'bubble' }, text.element),
      h('div', { class: 'actions' }, alternatives(message, c, this.actions), copy, edit));
  }

  /** Puts a text box in the message's place. */
  private edit(message: Message, c: Conversation): void {
    const box = h('textarea', { 'aria-label': 'Edit message', dir: 'auto', value: message.content });
    const close = () => {
      this.shown = '';
      this.element.replaceChildren();
      this.update(message, c);
      this.element.querySelector<HTMLElement>('[aria-label="Edit message"]')?.focus();
    };
    const submit = () => {
      const text = box.value;
      this.element.replaceChildren();
      this.shown = '';
      this.update(message, c);
      if (text.trim() && text !== message.content) {
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
    }, box, h('div', { class: 'row end' }, h('button', { type: 'button', onclick: close }, 'Cancel'), h('button', { type: 'submit', class: 'primary' }, 'Ask this instead')));
    this.element.replaceChildren(form);
    box.style.height = `${Math.min(box.scrollHeight + 4, 400)}px`;
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

/** Seconds for people. */
export function duration(ms: number): string {
  const s = ms / 1000;
  return s < 60 ? `${s < 10 ? s.toFixed(1) : Math.round(s)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
}

class AssistantView implements View {
  readonly element = h('article', { class: 'message assistant', 'aria-label': 'Answer' });
  private readonly actions: Actions;
  private readonly renderer: Renderer;
  private readonly summary = h('summary', {});
  private readonly reasoningText: PlainText;
  private readonly reasoning: HTMLDetailsElement;
  private readonly status = h('p', { class: 'status' }, h('span', { class: 'dots', 'aria-hidden': 'true' }), h('span', {}));
  private content: MarkdownView;
  private readonly rest = h('div', { class: 'rest' });
  private readonly calls = h('div', { class: 'calls' });
  private finished = false;
  private lastRest = '';
  private lastCalls = '';
  private message!: Message;
  private c!: Conversation;
  private path!: Message[];
  private readonly draw = oncePerFrame(() => this.render());

  constructor(actions: Actions, renderer: Renderer) {
    [this.actions, this.renderer] = [actions, renderer];
    this.reasoningText = new renderer.PlainText();
    this.reasoning = h('details', { class: 'reasoning', hidden: true }, this.summary, this.reasoningText.element);
    this.content = new renderer.MarkdownView();
    this.element.append(this.reasoning, this.content.element, this.calls, this.status, this.rest);
  }

  update(message: Message, c: Conversation, path: Message[]): void {
    [this.message, this.c, this.path] = [message, c, path];
    if (this.isWriting) {
      this.draw();
    } else {
      this.render();
    }
  }

  /** Whether the reply is being written. One that is not, and has no end, was interrupted. */
  private get isWriting(): boolean {
    return this.message.finish === undefined && this.path.at(-1)?.id === this.message.id && this.actions.isRunning();
  }

  private render(): void {
    const m = this.message;
    const done = !this.isWriting;
    if (m.reasoning) {
      this.reasoning.hidden = false;
      const thinking = !done && !m.content && !m.calls;
      const time = m.reasoningMs === undefined ? '' : ` ${thinking ? '' : 'for '}${duration(m.reasoningMs)}`;
      const tokens = m.reasoningTokens ? ` · ${m.reasoningTokens.toLocaleString()} tokens` : '';
      this.summary.textContent = `${thinking ? 'Thinking' : 'Thought'}${time}${tokens}`;
      this.summary.classList.toggle('busy', thinking);
      this.reasoningText.show(m.reasoning);
    }
    const waiting = !done && !m.content && !m.reasoning && !m.calls;
    this.status.hidden = !waiting;
    if (waiting) {
      this.status.lastElementChild!.textContent = this.actions.waitingFor();
    }
    this.renderContent(done);
    this.renderCalls();
    this.renderRest(done);
  }

  private renderContent(done: boolean): void {
    if (!done && this.finished) { // it goes on
      this.finished = false;
      const content = new this.renderer.MarkdownView();
      this.content.element.replaceWith(content.element);
      this.content = content;
    }
    if (done && !this.finished) {
      this.finished = true;
      void this.content.finish(markdownOf(this.message));
    } else if (!done) {
      this.content.update(markdownOf(this.message));
    }
  }

  private renderCalls(): void {
    const { calls } = this.message;
    if (!calls?.length) {
      if (this.lastCalls) {
        this.lastCalls = '';
        this.calls.replaceChildren();
      }
      return;
    }
    const results = new Map(this.path.filter((m) => m.role === 'tool').map((m) => [m.callID!, m.content]));
    const waiting = this.path.findLast((m) => m.role === 'assistant') === this.message && !this.actions.isRunning() ? openCalls(this.path) : [];
    const state = JSON.stringify([calls, [...results], waiting.map((w) => w.id)]);
    if (state !== this.lastCalls) {
      this.lastCalls = state;
      this.calls.replaceChildren(...calls.map((call) => this.callCard(call, results.get(call.id), waiting.includes(call))));
    }
  }

  private callCard(call: ToolCall, result: string | undefined, waiting: boolean): HTMLElement {
    const card = h('div', { class: 'call', role: 'group', 'aria-label': `Call of ${call.function.name}` },
      h('p', { class: 'call-name' }, icon('tool'), h('span', {}, call.function.name)), h('pre', { class: 'arguments', tabindex: '0', role: 'group', 'aria-label': 'Arguments' }, pretty(call.function.arguments)));
    if (result !== undefined) {
      const text = new this.renderer.PlainText(true);
      text.show(result);
      card.append(h('div', { class: 'result', role: 'group', 'aria-label': 'Result', tabindex: '0' }, text.element));
    } else if (waiting) {
      const box = h('textarea', { 'aria-label': `Result of ${call.function.name}`, placeholder: 'What the function returns', rows: '2', dir: 'auto' });
      card.append(h('form', { class: 'answer', onsubmit: (e: Event) => (e.preventDefault(), this.actions.answer(call.id, box.value)) },
        box, h('button', { type: 'submit', class: 'primary' }, 'Send result')));
    }
    return card;
  }

  /** What is below a reply: errors, whether it follows the schema, buttons, rates. */
  private renderRest(done: boolean): void {
    const m = this.message;
    const next = this.path[this.path.findIndex((p) => p.id === m.id) + 1];
    const turnGoesOn = next !== undefined && next.role !== 'user';
    const running = this.actions.isRunning();
    const state = JSON.stringify([done, m.finish, m.error, m.stats, turnGoesOn, running, siblings(this.c, m).map((s) => s.id)]);
    if (state === this.lastRest) {
      return;
    }
    this.lastRest = state;
    this.rest.replaceChildren();
    if (!done) {
      return;
    }
    const add = (...elements: (HTMLElement | undefined)[]) => this.rest.append(...elements.filter((e) => e !== undefined));
    if (m.error) {
      add(h('p', { class: 'error', role: 'alert' }, m.error));
    } else if (m.finish !== 'stop' && m.finish !== 'tool_calls') {
      add(h('p', { class: 'note' }, cutOff[m.finish ?? 'interrupted']!));
    }
    if (m.schema === 'followed') {
      add(h('p', { class: 'valid' }, icon('check'), 'The answer follows the schema.'));
    }
    if (turnGoesOn) {
      return;
    }
    if (m.finish !== 'stop' && m.finish !== 'tool_calls' && !running) {
      add(h('div', { class: 'row' }, hasBegun(m)
        ? h('button', { type: 'button', onclick: () => this.actions.goOn(m) }, icon('play'), 'Continue')
        : h('button', { type: 'button', onclick: () => this.actions.goOn(m) }, icon('redo'), 'Answer')));
    }
    const copy = iconButton('copy', 'Copy answer', () => copyText(m.content, copy));
    const again = iconButton('redo', 'Answer again', () => this.actions.again(m), { disabled: running });
    const s = m.stats;
    const stats = s && h('span', { class: 'stats', title: `${m.model ?? ''}: ${s.promptTokens.toLocaleString()} tokens read${s.prefillPerSecond ? ` at ${s.prefillPerSecond.toFixed(0)}/s` : ''}, first token after ${duration(s.firstTokenMs)}` },
      `${s.tokens.toLocaleString()} tokens · ${s.tokensPerSecond.toFixed(1)}/s · first after ${duration(s.firstTokenMs)}`);
    add(h('div', { class: 'actions' }, alternatives(m, this.c, this.actions), m.content ? copy : undefined, again, stats));
  }
}

/** What is said of a reply that was cut off, by why. */
const cutOff: Record<string, string> = {
  stopped: 'Stopped.',
  length: 'Stopped: the reply is as long as the settings or the context allow.',
  interrupted: 'Interrupted: the page was left while this was written.',
};

/** Characters of JSON that is divided into lines when it is complete. What is longer stays as it grew. */
const longestPretty = 10_000;

/** The answer as Markdown: JSON that was asked for as code, since its quotes, stars and backslashes are no markup. */
function markdownOf(m: Message): string {
  if (!m.schema || !/^\s*["[{]/.test(m.content)) {
    return m.content;
  }
  return `\`\`\`json\n${m.finish && m.content.length <= longestPretty ? pretty(m.content) : m.content}`;
}

/** JSON in lines, if it is JSON. */
function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
