// Turns formulas into MathML, in a worker: to evaluate what does it takes a page longer than a frame, and so may a large formula.

import katex from 'katex';

/** A formula in TeX. */
export interface Formula {
  tex: string;
  display: boolean;
}

/** What became of it; undefined: it is none. */
export interface DrawnFormula extends Formula {
  html: string | undefined;
}

addEventListener('message', ({ data }: MessageEvent<Formula>) => postMessage({ ...data, html: draw(data) } satisfies DrawnFormula));

function draw({ tex, display }: Formula): string | undefined {
  try {
    return katex.renderToString(tex, { displayMode: display, output: 'mathml', throwOnError: true, strict: 'ignore', trust: false, maxSize: 20, maxExpand: 200 });
  } catch {
    return undefined;
  }
}
