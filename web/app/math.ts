// Formulas. A worker, which starts with the first one, makes MathML of them, which browsers draw by themselves: it needs no fonts and no styles.

import DOMPurify from 'dompurify';
import type { DrawnFormula, Formula } from './math-worker.ts';

/** The worker's file, beside this one; defined by build.mjs. */
declare const MATH_WORKER: string;

const purifier = DOMPurify();

type Show = (formula: Node) => void;

/** Formulas that were drawn, since a block that grows is drawn again with all that it has; undefined: what was none. */
const drawn = new Map<string, Node | undefined>();
const mostDrawn = 1000;
/** Who waits for formulas that the worker is drawing. */
const waiting = new Map<string, Show[]>();
let worker: Worker | undefined;

/** Draws a formula: show is called with it, at once if it was drawn before, and not at all if it is none. */
export function drawFormula(formula: Formula, show: Show): void {
  const key = keyOf(formula);
  if (drawn.has(key)) {
    const node = drawn.get(key);
    node && show(node.cloneNode(true));
    return;
  }
  const shows = waiting.get(key);
  if (shows) {
    shows.push(show);
  } else {
    waiting.set(key, [show]);
    worker ??= startWorker();
    worker.postMessage(formula);
  }
}

const keyOf = ({ tex, display }: Formula) => `${display} ${tex}`;

function startWorker(): Worker {
  const started = new Worker(new URL(MATH_WORKER, import.meta.url));
  started.onmessage = ({ data }: MessageEvent<DrawnFormula>) => {
    const key = keyOf(data);
    const node = data.html === undefined ? undefined : clean(data.html, data.tex);
    if (drawn.size >= mostDrawn) {
      drawn.clear();
    }
    drawn.set(key, node);
    const shows = waiting.get(key) ?? [];
    waiting.delete(key);
    shows.forEach((show) => node && show(node.cloneNode(true)));
  };
  started.onerror = () => { // it could not be loaded: formulas stay as they are written, until there is another one
    started.terminate();
    worker = undefined;
    waiting.clear();
  };
  return started;
}

/** The MathML of what the worker has made of TeX. */
function clean(html: string, tex: string): Node | undefined {
  // Styles of elements are what the page's policy forbids; formulas do without.
  const fragment = purifier.sanitize(html.replace(/ style="[^"]*"/g, ''), {
    USE_PROFILES: { mathMl: true }, ADD_TAGS: ['semantics'], FORBID_TAGS: ['annotation', 'a', 'img', 'style'], FORBID_ATTR: ['style', 'class', 'href', 'id'], RETURN_DOM_FRAGMENT: true,
  });
  const element = fragment.querySelector('math');
  element?.setAttribute('aria-label', tex);
  return element ?? undefined;
}
