/**
 * The element <gossamer-chat>: a chat with a model in the tab, in any page, with one tag.
 *
 * ```html
 * <script type="module" src="gossamer/dist/chat.js"></script>
 * <gossamer-chat model="https://example.org/gpt-oss-20b/"></gossamer-chat>
 * ```
 *
 * @module
 */

import { style } from './chat/style.ts';
import { fill, texts } from './chat/texts.ts';
import type { Bill, ChatMessage, ChatParams, ChatParamsStreaming, CreateOptions, Gossamer, Progress } from './index.ts';

// On a server there are no elements; frameworks that render there only import this.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** Bytes to download from which the visitor is asked first, unless the attribute ask-above says otherwise. */
const askAbove = 50_000_000;

/** What the element does. asking: whether the visitor wants the download. */
export type ChatState = 'idle' | 'checking' | 'asking' | 'loading' | 'ready' | 'answering' | 'failed';

/**
 * A chat. Attributes: model (a URL, or the name of a published model), backend, context, system, effort, share, label, placeholder, ask-above,
 * texts (JSON: what it says in another language, by the names in GossamerChat.texts). It is written in the direction of what is around it.
 *
 * Events, which bubble: gossamer-state (detail: ChatState), gossamer-answer (detail: the answer's text), gossamer-error (detail: the error).
 */
export class GossamerChat extends Base {
  /** What the element says, in English. */
  static texts: typeof texts = texts;

  /** The conversation so far. */
  readonly messages: ChatMessage[] = [];
  /** Further options of create, to be set before the first message. */
  options: Partial<CreateOptions> = {};
  /** Further fields of each request, such as { temperature: 0 }. */
  params: Partial<Omit<ChatParams, 'messages' | 'stream'>> = {};
  /** Shows an answer as it grows. Default: as plain text. */
  render: (text: string, element: HTMLElement) => void = (text, element) => (element.textContent = text);

  #ai: Gossamer | undefined;
  #own = false;
  #state: ChatState = 'idle';
  #opening: Promise<Gossamer> | undefined;
  #abort = new AbortController();
  #log!: HTMLElement;
  #input!: HTMLTextAreaElement;
  #button!: HTMLButtonElement;

  /** The open model. Setting it has the element use a model that the page has opened, which the page closes. */
  get ai(): Gossamer | undefined {
    return this.#ai;
  }

  set ai(ai: Gossamer | undefined) {
    this.#ai = ai;
    this.#own = false;
    this.#setState(ai ? 'ready' : 'idle');
  }

  /** What this element says. */
  get #texts(): typeof texts {
    return { ...GossamerChat.texts, ...JSON.parse(this.getAttribute('texts') ?? '{}') };
  }

  get state(): ChatState {
    return this.#state;
  }

  connectedCallback(): void {
    if (!this.shadowRoot) {
      this.#build();
    }
  }

  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (!this.isConnected) { // not only moved to another place
        this.stop();
        if (this.#own) {
          void this.#ai?.close();
          this.ai = undefined;
        }
      }
    });
  }

  /** Opens the model now, instead of with the first message. A large download is asked for. Rejects if the visitor does not want it. */
  open(): Promise<Gossamer> {
    if (this.#ai) {
      return Promise.resolve(this.#ai);
    }
    this.#abort = new AbortController();
    this.#opening ??= this.#load(this.#abort.signal).finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /** Ends the reply, or the loading. */
  stop(): void {
    this.#abort.abort();
  }

  /** Begins a new conversation. */
  clear(): void {
    this.stop();
    this.messages.length = 0;
    this.#log.replaceChildren();
  }

  /** Sends a message, as if the visitor had. Resolves when the answer has ended. */
  async send(text: string): Promise<void> {
    if (this.#opening || this.#state === 'answering' || !text.trim()) {
      return;
    }
    this.#add('user', this.#texts.you).append(text);
    this.messages.push({ role: 'user', content: text });
    await this.#answer();
  }

  async #answer(): Promise<void> {
    try {
      const ai = await this.open();
      await this.#reply(ai);
    } catch (error) {
      if (this.#abort.signal.aborted) {
        this.#setState(this.#ai ? 'ready' : 'idle');
        this.#note(this.#texts.stopped);
      } else {
        this.#fail(error as Error & { hint?: string });
      }
    }
  }

  async #reply(ai: Gossamer): Promise<void> {
    const t = this.#texts;
    this.#abort = new AbortController();
    this.#setState('answering');
    const answer = this.#add('answer', t.assistant);
    const thoughts = make('details'), summary = make('summary', t.thinking), thought = make('p'), said = make('div');
    thoughts.append(summary, thought);
    answer.append(thoughts, said);
    const system = this.getAttribute('system');
    const messages: ChatMessage[] = system ? [{ role: 'system', content: system }, ...this.messages] : this.messages;
    const effort = this.getAttribute('effort') as 'low' | 'medium' | 'high' | null;
    const params: ChatParamsStreaming = { reasoning_effort: effort, ...this.params, messages, stream: true };
    let content = '', reason: string | null = null;
    try {
      for await (const { choices: [choice] } of ai.chat.completions.create(params, { signal: this.#abort.signal })) {
        const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40;
        thought.append(choice?.delta.reasoning ?? '');
        if (choice?.delta.content) {
          content += choice.delta.content;
          summary.textContent = t.thought;
          this.render(content, said);
        }
        reason = choice?.finish_reason ?? reason;
        if (atEnd) { // else the visitor reads further up
          this.#log.scrollTop = this.#log.scrollHeight;
        }
      }
    } finally {
      summary.textContent = t.thought;
      thoughts.hidden = !thought.textContent;
      if (content) {
        this.messages.push({ role: 'assistant', content });
      }
    }
    this.#setState('ready');
    if (reason === 'length') {
      this.#note(t.length);
    }
    this.#tell('gossamer-answer', content);
  }

  async #load(signal: AbortSignal): Promise<Gossamer> {
    const { canRun, create, formatBytes, modelName, models, RuntimeError } = await import('./index.ts');
    const asked = this.getAttribute('model') ?? '';
    const model = models.find((m) => m.name === asked)?.url ?? asked;
    if (!asked && !this.options.model) {
      throw new RuntimeError('bad-model', '<gossamer-chat> has no attribute model', { hint: 'Give the URL of a model, or the name of a published one.' });
    }
    const context = Number(this.getAttribute('context')) || undefined;
    const options: CreateOptions = {
      model, share: this.hasAttribute('share'), ...(context && { context }), ...(this.getAttribute('backend') === 'cpu' && { backend: 'cpu' }), ...this.options,
    };
    this.#setState('checking');
    const card = this.#add('card');
    try {
      card.append(make('p', this.#texts.checking));
      const { ok, code, cause, fix, bill, stored = 0 } = await canRun(options.model, { ...options, signal });
      if (!ok) {
        throw new RuntimeError(code ?? 'limits', cause, { hint: fix });
      }
      const name = typeof options.model === 'string' ? modelName(new URL(options.model, document.baseURI).href) : 'the model';
      const limit = Number(this.getAttribute('ask-above') ?? askAbove);
      if (bill && bill.download - stored > limit) {
        await this.#askFirst(card, name, bill, stored, formatBytes, signal);
      }
      signal.throwIfAborted();
      this.#setState('loading');
      const onProgress = this.#showLoading(card, name, formatBytes);
      this.#ai = await create({ ...options, signal, onProgress: (p) => (onProgress(p), this.options.onProgress?.(p)) });
      this.#own = true;
      return this.#ai;
    } finally {
      const focused = card.contains(this.shadowRoot!.activeElement);
      card.remove();
      if (focused) {
        this.#input.focus();
      }
    }
  }

  /** Asks whether the model is to be downloaded; rejects if not. */
  #askFirst(card: HTMLElement, name: string, bill: Bill, stored: number, formatBytes: (n: number) => string, signal: AbortSignal): Promise<void> {
    const t = this.#texts;
    this.#setState('asking');
    const yes = make('button', t.download), no = make('button', t.cancel), row = make('div');
    no.className = 'quiet';
    row.className = 'row';
    row.append(yes, no);
    const sizes = fill(t.sizes, { download: formatBytes(bill.download - stored), memory: formatBytes(bill.total) });
    card.replaceChildren(make('strong', fill(t.ask, { name })), make('p', sizes), row);
    this.#log.scrollTop = this.#log.scrollHeight;
    if (this.shadowRoot!.activeElement) {
      yes.focus();
    }
    return new Promise((resolve, reject) => {
      yes.onclick = () => resolve();
      no.onclick = () => this.stop();
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  }

  #showLoading(card: HTMLElement, name: string, formatBytes: (n: number) => string): (p: Progress) => void {
    const t = this.#texts;
    const bar = make('progress'), count = make('p');
    const focused = card.contains(this.shadowRoot!.activeElement);
    bar.setAttribute('aria-label', fill(t.loading, { name }));
    count.className = 'note';
    card.replaceChildren(make('strong', fill(t.loading, { name })), bar, count);
    if (focused) {
      this.#button.focus();
    }
    return ({ bytesDone, bytesTotal, retry }) => {
      if (bytesTotal > 0) {
        bar.max = bytesTotal;
        bar.value = bytesDone;
        count.textContent = fill(t.loaded, { done: formatBytes(bytesDone), total: formatBytes(bytesTotal) });
      }
      if (retry) {
        count.textContent = fill(t.interrupted, { seconds: `${retry.seconds}` });
      }
    };
  }

  #fail(error: Error & { hint?: string }): void {
    this.#setState('failed');
    const card = this.#add('card'), again = make('button', this.#texts.retry), why = make('p', error.message);
    why.className = 'bad';
    card.append(why, error.hint ?? '', again);
    again.onclick = () => {
      card.remove();
      this.#input.focus();
      void this.#answer();
    };
    this.#tell('gossamer-error', error);
  }

  #note(text: string): void {
    this.#add('note').textContent = text;
  }

  /** Adds something to the conversation; who: says to screen readers whose it is. */
  #add(name: string, who?: string): HTMLElement {
    const element = make('div');
    element.className = name;
    element.part.add(name);
    element.dir = 'auto';
    if (who) {
      const label = make('span', `${who} `);
      label.className = 'sr';
      element.append(label);
    }
    this.#log.append(element);
    this.#log.scrollTop = this.#log.scrollHeight;
    return element;
  }

  #setState(state: ChatState): void {
    if (state === this.#state) {
      return;
    }
    this.#state = state;
    if (this.shadowRoot) {
      const busy = ['checking', 'asking', 'loading', 'answering'].includes(state);
      this.#log.setAttribute('aria-busy', String(state === 'answering'));
      this.#button.textContent = busy ? this.#texts.stop : this.#texts.send;
    }
    this.#tell('gossamer-state', state);
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #build(): void {
    const t = this.#texts;
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    const sheet = new CSSStyleSheet(); // which no policy of the page forbids
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    const form = make('form');
    this.#log = make('div');
    this.#input = make('textarea');
    this.#button = make('button', t.send);
    this.#log.id = 'log';
    this.#log.role = 'log';
    this.#log.tabIndex = 0; // so that it can be scrolled by keys
    this.#log.ariaLabel = this.getAttribute('label') ?? t.label;
    this.#input.ariaLabel = t.message;
    this.#input.rows = 1;
    this.#input.dir = 'auto';
    this.#input.placeholder = this.getAttribute('placeholder') ?? t.placeholder;
    for (const [name, element] of Object.entries({ log: this.#log, form, input: this.#input, button: this.#button })) {
      element.part.add(name);
    }
    form.append(this.#input, this.#button);
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.#input.onkeydown = (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        if (this.#button.textContent === t.send) {
          this.#submit();
        }
      }
    };
    root.append(this.#log, form);
  }

  #submit(): void {
    if (this.#opening || this.#state === 'answering') {
      this.stop();
      return;
    }
    const text = this.#input.value;
    this.#input.value = '';
    void this.send(text);
  }
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, text?: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

declare global {
  interface HTMLElementTagNameMap {
    'gossamer-chat': GossamerChat;
  }
}

if (globalThis.customElements && !customElements.get('gossamer-chat')) {
  customElements.define('gossamer-chat', GossamerChat);
}
