// Renders Markdown while it is written. What the model says is hostile until proven otherwise: of its HTML only a few tags without
// attributes are taken for more than text, all that is rendered passes a sanitiser, and what is too long to be parsed at every
// frame is shown as plain text.

import DOMPurify from 'dompurify';
import { Lexer, Marked, type Links, type Token, type TokenizerAndRendererExtension } from 'marked';
import { copyText } from './clipboard.ts';
import { CodeColours } from './code-colours.ts';
import { h, iconButton, oncePerFrame } from './dom.ts';
import { t } from './language.ts';
import { drawFormula } from './math.ts';
import { put } from './words.ts';

/** Characters of one block above which it is plain text: parsers of Markdown may take quadratic time. */
const longestBlock = 20_000;
/** The same for a block of code, which is only coloured. */
const longestCode = 60_000;
/** Characters that are parsed at a time, and where a block is longer than that. */
const windowSize = 16_000, largeWindow = 80_000;
/** Milliseconds of rendering in one frame. */
const frameBudget = 12;

const math = (name: string, level: 'block' | 'inline', start: RegExp, pattern: RegExp, display: boolean): TokenizerAndRendererExtension => ({
  name, level,
  start: (src) => { const at = src.search(start); return at < 0 ? undefined : at; },
  tokenizer(src) {
    const match = pattern.exec(src);
    return match ? { type: name, raw: match[0], text: match[1] ?? match[2] ?? '' } : undefined;
  },
  renderer: ({ text }) => `<code class="math${display ? ' display' : ''}">${escapeHTML(text as string)}</code>`,
});

// Formulas are bounded, so that a lone dollar does not make the search for its partner long. One dollar is a formula only where
// no space is inside and no digit follows, as in "from $5 to $10".
const marked = new Marked({ gfm: true, breaks: false }, {
  extensions: [
    math('mathBlock', 'block', /^ {0,3}(\$\$|\\\[)/m, /^ {0,3}(?:\$\$([^$]{1,4000}?)\$\$|\\\[([^]{1,4000}?)\\\])[ \t]*(?:\n|$)/, true),
    math('mathDisplay', 'inline', /\$\$|\\\[/, /^(?:\$\$([^$\n]{1,2000}?)\$\$|\\\[([^\n]{1,2000}?)\\\])/, true),
    math('mathInline', 'inline', /\$|\\\(/, /^(?:\$(?!\s)([^$\n]{0,1000}?[^$\s\\])\$(?!\d)|\\\(([^\n]{1,1000}?)\\\))/, false),
  ],
});

/** Tags that models use in Markdown for what it lacks. Everything else that looks like HTML is shown as it is written. */
const plainTags = /<(?:\/?(?:sub|sup|kbd|mark|u|s|del|b|i|em|strong|details|summary|p)|br ?\/?|hr ?\/?)>/gi;

marked.use({
  renderer: {
    html: ({ text }) => {
      const tags = text.match(plainTags) ?? [];
      return text.split(plainTags).map((between, i) => escapeHTML(between) + (tags[i] ?? '')).join('');
    },
  },
});

const purifier = DOMPurify();
purifier.setConfig({
  ALLOWED_TAGS: ['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'em', 'strong', 'b', 'i', 'del', 's', 'u', 'sub', 'sup', 'kbd', 'mark', 'code', 'pre', 'blockquote',
    'ul', 'ol', 'li', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'details', 'summary', 'input'],
  ALLOWED_ATTR: ['href', 'start', 'align', 'class', 'type', 'checked', 'disabled'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#)/i,
  ADD_URI_SAFE_ATTR: ['start', 'align', 'class', 'type', 'checked', 'disabled'], // values that are no URLs
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
});
purifier.addHook('uponSanitizeAttribute', (element, data) => {
  if (data.attrName === 'class' && !(element.nodeName === 'CODE' && /^(language-[\w+#-]{1,30}|math|math display)$/.test(data.attrValue))) {
    data.keepAttr = false; // the page's own classes are no business of the model's
  }
});
purifier.addHook('afterSanitizeAttributes', (element) => {
  if (element.nodeName === 'A') {
    element.setAttribute('target', '_blank');
    element.setAttribute('rel', 'noopener noreferrer nofollow');
    element.setAttribute('title', element.getAttribute('href') ?? '');
  }
  if (element.nodeName === 'INPUT') { // of task lists; nothing to fill in
    element.setAttribute('type', 'checkbox');
    element.setAttribute('disabled', '');
    element.setAttribute('aria-label', String(t(element.hasAttribute('checked') ? 'taskDone' : 'taskOpen')));
  }
});

function escapeHTML(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Characters that turn the direction of what follows: harmless within a block, but a lie in code. */
const bidiControls = /[\u202a-\u202e\u2066-\u2069]/g;

/** Text without characters that turn its direction; markers tell of them where it matters what is copied. */
function unturned(text: string, markers: boolean): string {
  return text.replace(bidiControls, (c) => (markers ? `[U+${c.charCodeAt(0).toString(16).toUpperCase()}]` : ''));
}

/** Renders one text into an element, as it grows. */
export class MarkdownView {
  readonly element = h('div', { class: 'markdown' });
  private text = '';
  /** Where the blocks that are finished end. */
  private done = 0;
  /** The last block, which may still grow. */
  private tail: Block | undefined;
  /** What is parsed behind done and not drawn yet. */
  private parsed: Token[] = [];
  /** The last of it, where more text may change it. */
  private growing: Token | undefined;
  /** Where the text ended that it was parsed from. */
  private parsedTo = 0;
  private readonly links: Links = {};
  private complete = false;
  /** When the next rendering may begin: after three times as long as the last one took. */
  private notBefore = 0;
  private readonly schedule = oncePerFrame(() => this.render());
  private settled: (() => void)[] = [];

  /** Shows text, which begins with what was shown before. */
  update(text: string): void {
    this.text = lines(text);
    this.schedule();
  }

  /** Shows text, all of it; resolves when it is there. */
  finish(text: string): Promise<void> {
    this.text = lines(text);
    this.complete = true;
    this.parsed = []; // nothing grows any more
    this.notBefore = 0;
    return new Promise((resolve) => {
      this.settled.push(resolve);
      this.render();
    });
  }

  private render(): void {
    const start = performance.now();
    if (start < this.notBefore) {
      setTimeout(this.schedule, this.notBefore - start);
      return;
    }
    while (this.step()) {
      if (performance.now() - start > frameBudget) {
        this.schedule();
        return;
      }
    }
    this.notBefore = this.complete ? 0 : start + 4 * (performance.now() - start);
    if (this.complete) {
      this.settled.splice(0).forEach((resolve) => resolve());
    }
  }

  /** Draws the next block; says whether there is more to do. */
  private step(): boolean {
    if (this.tail?.plain) {
      return this.growPlain();
    }
    if (this.parsed.length === 0) {
      this.read();
    }
    const token = this.parsed.shift();
    if (!token) {
      return false;
    }
    const grows = token === this.growing;
    if (grows && this.parsedTo < this.text.length) {
      return true; // there is more of it already
    }
    if (token.type !== 'space') {
      const block = (this.tail ??= new Block(this.element));
      block.show(token, this.links);
      if (block.plain) {
        this.parsed = []; // it may end elsewhere
        return true;
      }
      if (grows) {
        return false;
      }
      this.tail = undefined;
    }
    this.done += token.raw.length;
    return this.done < this.text.length;
  }

  /** Parses what follows what is done. */
  private read(size = windowSize): void {
    const rest = this.text.slice(this.done, this.done + size);
    this.parsedTo = this.done + rest.length;
    const whole = this.parsedTo === this.text.length;
    const tokens = rest === '' ? [] : this.parse(rest);
    const last = tokens.findLastIndex((t) => t.type !== 'space');
    if (!whole && last <= 0 && size < largeWindow) {
      return this.read(largeWindow);
    }
    const mayGrow = whole ? !this.complete : last > 0;
    this.growing = mayGrow ? tokens[last] : undefined;
    this.parsed = mayGrow ? tokens.slice(0, last + 1) : tokens;
  }

  private parse(text: string): Token[] {
    try {
      const lexer = new Lexer(marked.defaults);
      Object.assign(lexer.tokens.links, this.links);
      const tokens = lexer.lex(text);
      Object.assign(this.links, tokens.links);
      return tokens;
    } catch {
      return [{ type: 'text', raw: text, text }]; // nested too deeply for the parser
    }
  }

  /** Lets a plain block grow up to its end. */
  private growPlain(): boolean {
    const plain = this.tail!.plain!;
    const end = this.tail!.end(this.text, this.done);
    plain.show(this.text.slice(this.done, end ?? this.text.length));
    if (end !== undefined) {
      this.done = end;
      this.tail = undefined;
    }
    return end !== undefined && end < this.text.length;
  }
}

/** Text with the ends of lines that the parser counts by. */
function lines(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}

/** One block: a paragraph, a list, a table, ... */
class Block {
  readonly element = h('div', { class: 'block', dir: 'auto' });
  plain: PlainText | undefined;
  private raw = '';
  private fence = '';
  private code: CodeView | undefined;

  constructor(parent: HTMLElement) {
    parent.append(this.element);
  }

  show(token: Token, links: Links): void {
    if (token.raw === this.raw) {
      return;
    }
    this.raw = token.raw;
    const isCode = token.type === 'code';
    if (isCode) {
      this.fence = /^ {0,3}(`{3,}|~{3,})/.exec(token.raw)?.[1] ?? '';
    }
    if (token.raw.length > (isCode ? longestCode : longestBlock)) {
      this.plain = new PlainText(isCode);
      this.plain.show(token.raw);
      this.element.replaceChildren(this.plain.element);
      return;
    }
    if (isCode) {
      if (!this.code) {
        this.code = new CodeView();
        this.element.replaceChildren(this.code.element);
      }
      this.code.show(token.text as string, (token.lang as string | undefined) ?? '');
      return;
    }
    this.code = undefined;
    let html: string;
    try {
      html = marked.parser(Object.assign([token], { links }));
    } catch {
      html = `<p>${escapeHTML(token.raw)}</p>`;
    }
    const fragment = purifier.sanitize(html) as unknown as DocumentFragment;
    decorate(fragment);
    this.element.replaceChildren(fragment);
  }

  /** Where the plain block that begins at from ends in text; undefined: it may go on. */
  end(text: string, from: number): number | undefined {
    const pattern = this.fence ? new RegExp(`\\n {0,3}${this.fence[0]}{${this.fence.length},}[ \\t]*(\\n|$)`, 'g') : /\n[ \t]*\n/g;
    pattern.lastIndex = from + Math.max(1, this.plain!.shown - 40);
    for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
      const end = match.index + match[0].length;
      if (end >= from + this.plain!.shown) {
        return end;
      }
    }
    return undefined;
  }
}

/** Plain text that grows, in pieces that the browser lays out only when they are seen. */
export class PlainText {
  readonly element: HTMLElement;
  /** Characters that are there. */
  shown = 0;
  private readonly code: boolean;

  constructor(code = false) {
    this.code = code;
    this.element = h('div', { class: code ? 'plain code' : 'plain' });
  }

  /** Shows text, which begins with what is shown already. */
  show(text: string): void {
    for (let at = this.shown; at < text.length; ) {
      let piece = this.element.lastElementChild;
      let node = piece?.firstChild as Text | null | undefined;
      if (!piece || !node || node.length >= longestBlock) {
        node = document.createTextNode('');
        piece = h('div', { dir: 'auto' }, node);
        this.element.append(piece);
      }
      let end = Math.min(text.length, at + longestBlock - node.length);
      const code = text.charCodeAt(end - 1);
      if (end < text.length && code >= 0xd800 && code < 0xdc00) {
        end++; // no character is cut in two
      }
      node.appendData(unturned(text.slice(at, end), this.code));
      at = end;
    }
    this.shown = text.length;
  }
}

/** A block of code with its language and a button that copies it. */
class CodeView {
  readonly element: HTMLElement;
  private readonly code = h('code', { dir: 'ltr' });
  private readonly name = h('span', {});
  private text = '';
  private readonly colours = new CodeColours(this.code);

  constructor() {
    const copy = iconButton('copy', t('copyCode'), () => copyText(this.text, copy));
    const pre = h('pre', { tabindex: '0', role: 'group', 'aria-label': t('code') }, this.code);
    this.element = h('div', { class: 'code-block', dir: 'ltr' }, h('div', { class: 'code-head' }, this.name, copy), pre);
  }

  show(text: string, info: string): void {
    this.text = text;
    const language = info.trim().split(/\s/)[0]!.toLowerCase().slice(0, 30);
    put(this.name, 'text', language || t('plainText'));
    const shown = unturned(text, true);
    if (!highlight || text.length > longestBlock) {
      this.colours.plain(shown);
      void loadHighlight().then(() => text.length <= longestBlock && this.text === text && this.colour(shown, language));
    } else {
      this.colour(shown, language);
    }
  }

  private colour(text: string, language: string): void {
    const html = highlight!(text, language);
    if (html === undefined) {
      this.colours.plain(text);
    } else {
      this.colours.show(html);
    }
  }
}

let highlight: typeof import('./highlight.ts').highlight | undefined;
let loadingHighlight: Promise<void> | undefined;

/** Loads what colours code, the first time that there is any. */
function loadHighlight(): Promise<void> {
  return (loadingHighlight ??= import('./highlight.ts').then((m) => {
    highlight = m.highlight;
  }, () => {})); // without it code has one colour
}

/** Finishes what the sanitiser lets through: code, formulas, tables, hidden characters. */
function decorate(fragment: DocumentFragment): void {
  for (const pre of fragment.querySelectorAll('pre')) { // code within lists and quotes
    const code = pre.querySelector('code');
    const view = new CodeView();
    view.show((code ?? pre).textContent ?? '', /language-(\S+)/.exec(code?.className ?? '')?.[1] ?? '');
    pre.replaceWith(view.element);
  }
  for (const element of fragment.querySelectorAll<HTMLElement>('code.math')) {
    const display = element.classList.contains('display');
    drawFormula({ tex: element.textContent ?? '', display }, (formula) =>
      element.replaceWith(h('span', { class: display ? 'formula display' : 'formula', dir: 'ltr' }, formula)));
  }
  for (const table of fragment.querySelectorAll('table')) {
    const frame = h('div', { class: 'table', tabindex: '0', role: 'group', 'aria-label': t('table') });
    table.replaceWith(frame);
    frame.append(table);
  }
  const texts = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode as Text;
    if (node.data.search(bidiControls) >= 0) {
      node.data = unturned(node.data, node.parentElement?.closest('code') !== null);
    }
  }
}
