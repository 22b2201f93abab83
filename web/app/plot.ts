// The plot of a benchmark, as an SVG that stands by itself: colours and fonts are attributes.

import type { Report } from './bench-types.ts';
import { number, t } from './language.ts';

const ns = 'http://www.w3.org/2000/svg';

function svg(name: string, attributes: { [name: string]: string | number }, text = ''): SVGElement {
  const element = document.createElementNS(ns, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, String(value));
  }
  element.textContent = text;
  return element;
}

const width = 820;
const height = 380;

/** Draws rates over the length of the prompt: reading at the left, writing at the right. */
export function drawPlot(r: Report): SVGSVGElement {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const [ink, soft, line, paper] = [colour('--ink'), colour('--soft'), colour('--line'), colour('--raised')];
  const title = String(t('plotTitle', { model: r.model }));
  const root = svg('svg', { xmlns: ns, viewBox: `0 0 ${width} ${height}`, class: 'plot', role: 'img', direction: 'ltr', 'aria-label': title, 'font-family': 'system-ui, sans-serif', 'font-size': 13 }) as SVGSVGElement;
  root.append(svg('rect', { width, height, fill: paper }));
  root.append(svg('text', { x: 28, y: 34, fill: ink, 'font-size': 16, 'font-weight': 600 }, r.model));
  root.append(svg('text', { x: 28, y: 54, fill: soft }, `${r.adapter || 'WebGPU'} · ${r.date.slice(0, 10)} · Gossamer`));
  const depths = r.decode.map((d) => d.depth);
  panel(root, 28, String(t('plotRead')), depths, r.prefill.map((p) => p.tokens_per_second), colour('--h-title'), { ink, soft, line });
  panel(root, 28 + width / 2, String(t('plotWritten')), depths, r.decode.map((d) => d.tokens_per_second), colour('--accent'), { ink, soft, line });
  return root;
}

/** The least number of the form 1, 2 or 5 times a power of ten that is not below x. */
function roundUp(x: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(x, 1e-9)));
  return ([1, 2, 5, 10].find((m) => m * power >= x) ?? 10) * power;
}

function panel(root: SVGElement, left: number, title: string, depths: number[], rates: { mean: number; stddev: number }[], colour: string, c: { ink: string; soft: string; line: string }): void {
  const [x0, y0, w, h, inset] = [left + 42, 104, width / 2 - 100, 216, 28];
  const top = roundUp(Math.max(...rates.map((s) => s.mean + s.stddev)) * 1.02);
  const y = (v: number) => y0 + h - (Math.min(v, top) / top) * h;
  const x = (i: number) => (depths.length === 1 ? x0 + w / 2 : x0 + inset + (i / (depths.length - 1)) * (w - 2 * inset));
  const steps = String(top).replace(/[0.]/g, '') === '2' ? 4 : 5; // so that lines are at round numbers
  root.append(svg('text', { x: left, y: 86, fill: c.ink, 'font-weight': 600 }, title));
  for (let i = 0; i <= steps; i++) {
    const v = (top * i) / steps;
    root.append(svg('line', { x1: x0, x2: x0 + w, y1: y(v), y2: y(v), stroke: c.line }));
    root.append(svg('text', { x: x0 - 8, y: y(v) + 4, fill: c.soft, 'text-anchor': 'end', 'font-size': 12 }, String(number(v, v >= 10 || v === 0 ? 0 : 1))));
  }
  const points = rates.map((s, i) => `${x(i)},${y(s.mean)}`).join(' ');
  root.append(svg('polyline', { points, fill: 'none', stroke: colour, 'stroke-width': 2.2, 'stroke-linejoin': 'round' }));
  rates.forEach((s, i) => {
    if (s.stddev > 0) {
      root.append(svg('line', { x1: x(i), x2: x(i), y1: y(s.mean + s.stddev), y2: y(Math.max(0, s.mean - s.stddev)), stroke: colour, 'stroke-width': 1.4, opacity: 0.6 }));
    }
    root.append(svg('circle', { cx: x(i), cy: y(s.mean), r: 4, fill: colour }));
    root.append(svg('text', { x: x(i), y: y(s.mean) - 10, fill: c.ink, 'text-anchor': 'middle', 'font-size': 12 }, String(number(s.mean, s.mean >= 100 ? 0 : 1))));
    root.append(svg('text', { x: x(i), y: y0 + h + 20, fill: c.soft, 'text-anchor': 'middle', 'font-size': 12 }, String(number(depths[i]!))));
  });
  root.append(svg('text', { x: x0 + w / 2, y: y0 + h + 40, fill: c.soft, 'text-anchor': 'middle', 'font-size': 12 }, String(t('plotPrompt'))));
}
