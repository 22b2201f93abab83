// Coloured code in the page, as it grows: what is as it was stays, so that a line costs little also where many are above it.

import { h } from './dom.ts';

/** What the highlighter writes: text, and spans with a class. */
const spanTags = /(<span class="[^"<>]*">|<\/span>)/;
const quoted: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'", '&amp;': '&' };

export class CodeColours {
  private readonly element: HTMLElement;
  /** What is shown, a part for each node. */
  private pieces: string[] = [];

  constructor(element: HTMLElement) {
    this.element = element;
  }

  /** Shows code in one colour. */
  plain(text: string): void {
    this.pieces = [];
    this.element.textContent = text;
  }

  /** Shows code as the highlighter has coloured it. */
  show(html: string): void {
    if (this.pieces.length === 0) {
      this.element.replaceChildren();
    }
    const pieces = topLevel(html);
    const differs = pieces.findIndex((piece, i) => piece !== this.pieces[i]);
    const same = differs < 0 ? pieces.length : differs;
    while (this.element.childNodes.length > same) {
      this.element.lastChild!.remove();
    }
    this.element.append(...pieces.slice(same).map(nodeOf));
    this.pieces = pieces;
  }
}

/** Divides HTML of the highlighter around its outermost spans. */
function topLevel(html: string): string[] {
  const pieces: string[] = [];
  let depth = 0, piece = '';
  const end = () => {
    if (piece) {
      pieces.push(piece);
    }
    piece = '';
  };
  for (const part of html.split(spanTags)) {
    if (part.startsWith('<span ') && depth++ === 0) {
      end();
    }
    piece += part;
    if (part === '</span>' && --depth === 0) {
      end();
    }
  }
  end();
  return pieces;
}

/** A text or a span of it. Nothing is parsed as HTML: what is no span is text, whatever it says. */
function nodeOf(piece: string): Node {
  const root = document.createDocumentFragment();
  let at: Node = root;
  for (const part of piece.split(spanTags)) {
    if (part === '</span>') {
      at = at.parentNode ?? root;
    } else if (part.startsWith('<span ')) {
      at = at.appendChild(h('span', { class: part.slice('<span class="'.length, -'">'.length) }));
    } else if (part) {
      at.appendChild(document.createTextNode(part.replace(/&(?:lt|gt|quot|#x27|amp);/g, (q) => quoted[q]!)));
    }
  }
  return root.firstChild!;
}
