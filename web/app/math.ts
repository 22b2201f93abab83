// Formulas; loaded when there is one. They become MathML, which browsers draw by themselves: it needs no fonts and no styles.

import DOMPurify from 'dompurify';
import katex from 'katex';

const purifier = DOMPurify();

/** Formulas that were drawn, since a block that grows is drawn again with all that it has. */
const drawn = new Map<string, Node | undefined>();
const mostDrawn = 1000;

/** A formula; undefined: it is none. */
export function formula(tex: string, display: boolean): Node | undefined {
  const key = `${display} ${tex}`;
  if (!drawn.has(key)) {
    if (drawn.size >= mostDrawn) {
      drawn.clear();
    }
    drawn.set(key, draw(tex, display));
  }
  return drawn.get(key)?.cloneNode(true);
}

function draw(tex: string, display: boolean): Node | undefined {
  let html: string;
  try {
    // Styles of elements are what the page's policy forbids; formulas do without.
    html = katex.renderToString(tex, { displayMode: display, output: 'mathml', throwOnError: true, strict: 'ignore', trust: false, maxSize: 20, maxExpand: 200 }).replace(/ style="[^"]*"/g, '');
  } catch {
    return undefined;
  }
  const clean = purifier.sanitize(html, { USE_PROFILES: { mathMl: true }, ADD_TAGS: ['semantics'], FORBID_TAGS: ['annotation', 'a', 'img', 'style'], FORBID_ATTR: ['style', 'class', 'href', 'id'], RETURN_DOM_FRAGMENT: true });
  const element = clean.querySelector('math');
  element?.setAttribute('aria-label', tex);
  return element ?? undefined;
}
