// A reply: what was thought, the answer, calls of tools, and what can be done with it.

import type { ToolCall } from '../src/index.ts';
import { alternatives } from './alternatives.ts';
import { copyText } from './clipboard.ts';
import { hasBegun, openCalls, siblings, type Conversation, type Message } from './conversation.ts';
import { h, icon, iconButton, oncePerFrame, timeOf } from './dom.ts';
import { duration, number, t } from './language.ts';
import type { MarkdownView, PlainText } from './markdown.ts';
import type { Actions, Renderer, View } from './message-view.ts';
import { joined, put, type Said } from './words.ts';

export class AssistantView implements View {
  readonly element = h('article', { class: 'message assistant', 'aria-label': t('answer') });
  private readonly actions: Actions;
  private readonly renderer: Renderer;
  private readonly summary = h('summary', {});
  private readonly reasoningText: PlainText;
  private readonly reasoning: HTMLDetailsElement;
  private readonly status = h('div', { class: 'status' }, h('span', { class: 'dots', 'aria-hidden': 'true' }), h('span', {}));
  private readonly bar = h('progress', { 'aria-label': t('reading'), max: '1', hidden: true });
  private ticking: ReturnType<typeof setTimeout> | undefined;
  private content: MarkdownView;
  private readonly rest = h('div', { class: 'rest' });
  private readonly calls = h('div', { class: 'calls' });
  private finished = false;
  /** Whether the answer is shown as a block of JSON. */
  private isBlock = false;
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
    this.status.append(this.bar);
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
      const time = m.reasoningMs === undefined ? undefined : duration(m.reasoningMs);
      const what = time ? t(thinking ? 'thinkingSince' : 'thoughtFor', { time }) : t(thinking ? 'thinking' : 'thought');
      put(this.summary, 'text', joined([what, m.reasoningTokens ? t('tokens', { n: m.reasoningTokens }) : undefined], ' · '));
      this.summary.classList.toggle('busy', thinking);
      this.reasoningText.show(m.reasoning);
    }
    const waiting = !done && !m.content && !m.reasoning && !m.calls;
    this.renderStatus(waiting);
    this.renderContent(done);
    this.renderCalls();
    this.renderRest(done);
  }

  /** What the reply waits for, as long as it does. */
  private renderStatus(waiting: boolean): void {
    this.status.hidden = !waiting;
    clearTimeout(this.ticking);
    if (!waiting) {
      return;
    }
    const { text, done } = this.actions.waitingFor();
    put(this.status.children[1]!, 'text', text);
    this.bar.hidden = done === undefined;
    this.bar.value = done ?? 0;
    this.ticking = setTimeout(() => this.element.isConnected && this.draw(), 500);
  }

  private renderContent(done: boolean): void {
    const isBlock = isJSON(this.message, done);
    if (!done && this.finished || isBlock !== this.isBlock) { // it goes on, or is another kind of text than it seemed to be
      this.finished = false;
      this.isBlock = isBlock;
      const content = new this.renderer.MarkdownView();
      this.content.element.replaceWith(content.element);
      this.content = content;
    }
    if (done && !this.finished) {
      this.finished = true;
      void this.content.finish(markdownOf(this.message, isBlock, done));
    } else if (!done) {
      this.content.update(markdownOf(this.message, isBlock, done));
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
    const card = h('div', { class: 'call', role: 'group', 'aria-label': t('callOf', { name: call.function.name }) },
      h('p', { class: 'call-name' }, icon('tool'), h('span', {}, call.function.name)),
      h('pre', { class: 'arguments', dir: 'ltr', tabindex: '0', role: 'group', 'aria-label': t('arguments') },
        pretty(call.function.arguments) ?? call.function.arguments));
    if (result !== undefined) {
      const text = new this.renderer.PlainText(true);
      text.show(result);
      card.append(h('div', { class: 'result', role: 'group', 'aria-label': t('result'), tabindex: '0' }, text.element));
    } else if (waiting) {
      const label = t('resultOf', { name: call.function.name });
      const box = h('textarea', { 'aria-label': label, placeholder: t('whatReturns'), rows: '2', dir: 'auto' });
      card.append(h('form', { class: 'answer', onsubmit: (e: Event) => (e.preventDefault(), this.actions.answer(call.id, box.value)) },
        box, h('button', { type: 'submit', class: 'primary' }, t('sendResult'))));
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
      add(h('p', { class: 'error', role: 'alert', dir: 'auto' }, m.error));
    } else if (m.finish !== 'stop' && m.finish !== 'tool_calls') {
      add(h('p', { class: 'note' }, cutOff(m.finish)));
    }
    if (m.schema === 'followed') {
      add(h('p', { class: 'valid' }, icon('check'), t('followsSchema')));
    }
    if (turnGoesOn) {
      return;
    }
    if (m.finish !== 'stop' && m.finish !== 'tool_calls' && !running) {
      add(h('div', { class: 'row' }, hasBegun(m)
        ? h('button', { type: 'button', onclick: () => this.actions.goOn(m) }, icon('play'), t('continue'))
        : h('button', { type: 'button', onclick: () => this.actions.goOn(m) }, icon('redo'), t('giveAnswer'))));
    }
    const copy = iconButton('copy', t('copyAnswer'), () => copyText(m.content, copy));
    const again = iconButton('redo', t('regenerate'), () => this.actions.again(m), { disabled: running });
    add(h('div', { class: 'actions' }, alternatives(m, this.c, this.actions), m.content ? copy : undefined, again, timeOf(m.created), statsOf(m)));
  }
}

/** How fast a reply was made. */
function statsOf({ stats: s, model }: Message): HTMLElement | undefined {
  if (!s) {
    return undefined;
  }
  const rateOf = (perSecond: number, fraction: number) => t('tokenRate', { rate: number(perSecond, fraction) });
  const read = s.prefillPerSecond ? t('tokensReadAt', { n: s.promptTokens, rate: rateOf(s.prefillPerSecond, 0) }) : t('tokensRead', { n: s.promptTokens });
  const written = [t('tokens', { n: s.tokens }), rateOf(s.tokensPerSecond, 1), t('toFirstToken', { time: duration(s.firstTokenMs) })];
  return h('span', { class: 'stats', title: joined([model, read], ': ') }, joined(written, ' · '));
}

/** What is said of a reply that was cut off, by why. */
function cutOff(finish: Message['finish']): Said {
  return t(finish === 'stopped' ? 'stopped' : finish === 'length' ? 'stoppedAtLength' : 'interrupted');
}

/** Characters of JSON that is divided into lines when it is complete. What is longer stays as it grew. */
const longestPretty = 60_000;

/** Whether an answer is JSON, whose quotes, stars and backslashes are no markup; of one that is being written, whether it looks like that. */
function isJSON(m: Message, done: boolean): boolean {
  if (m.schema) {
    return /^\s*["[{]/.test(m.content);
  }
  return /^\s*(?:\{\s*["}]|\[\s*["[{])/.test(m.content) && (!done || pretty(m.content) !== undefined);
}

/** The answer as Markdown. */
function markdownOf({ content }: Message, isBlock: boolean, done: boolean): string {
  if (!isBlock) {
    return content;
  }
  return `\`\`\`json\n${(done && content.length <= longestPretty && pretty(content)) || content}`;
}

/** JSON in lines; undefined: it is none. */
function pretty(json: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return undefined;
  }
}
