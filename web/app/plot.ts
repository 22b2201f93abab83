// The plots of a benchmark. Their colours are the page's variables, so that they follow the theme; a file gets what these stand for.

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

/** Units of one plot, about as many as a phone has pixels for it: its text is as large as the page's. */
const width = 320, height = 290;
const [left, top, w, h, inset] = [54, 48, 258, 188, 22];
/** Units that a number below the plot takes. */
const labelWidth = 50;
/** Units around the plots of a file, and above them. */
const margin = 24, head = 64;

interface Curve {
  title: string;
  colour: string;
  depths: number[];
  rates: { mean: number; stddev: number }[];
}

function curves(r: Report): Curve[] {
  return [
    { title: String(t('plotRead')), colour: 'var(--h-title)', depths: r.prefill.map((p) => p.depth), rates: r.prefill.map((p) => p.tokens_per_second) },
    { title: String(t('plotWritten')), colour: 'var(--accent)', depths: r.decode.map((d) => d.depth), rates: r.decode.map((d) => d.tokens_per_second) },
  ];
}

/** Draws rates over the length of the prompt: one plot of reading and one of writing. */
export function drawPlots(r: Report): SVGSVGElement[] {
  return curves(r).map((c) => {
    const values = c.rates.map((s, i) => `${whole(c.depths[i]!)}: ${round(s.mean)}`).join('; ');
    const words = `${c.title}; ${t('plotPrompt')}: ${values}`;
    const plot = svg('svg', { viewBox: `0 0 ${width} ${height}`, class: 'plot', role: 'img', direction: 'ltr', 'aria-label': words });
    plot.append(...draw(c));
    return plot as SVGSVGElement;
  });
}

/** The plots as the text of an SVG file that stands by itself. */
export function plotFile(r: Report): string {
  const all = curves(r);
  const size = { width: 2 * margin + all.length * width, height: head + height + margin };
  const root = svg('svg', { xmlns: ns, viewBox: `0 0 ${size.width} ${size.height}`, direction: 'ltr', 'font-family': 'system-ui, sans-serif' });
  root.append(svg('title', {}, String(t('plotTitle', { model: r.model }))), svg('rect', { ...size, fill: 'var(--raised)' }),
    svg('text', { x: margin, y: 34, fill: 'var(--ink)', 'font-size': 16, 'font-weight': 600 }, r.model),
    svg('text', { x: margin, y: 54, fill: 'var(--soft)', 'font-size': 13 }, `${r.adapter || 'WebGPU'} · ${r.date.slice(0, 10)} · Gossamer`));
  all.forEach((c, i) => {
    const place = svg('g', { transform: `translate(${margin + i * width} ${head})` });
    place.append(...draw(c));
    root.append(place);
  });
  const style = getComputedStyle(document.documentElement);
  return new XMLSerializer().serializeToString(root).replace(/var\((--[\w-]+)\)/g, (_, name: string) => style.getPropertyValue(name).trim());
}

/** The least number of the form 1, 2 or 5 times a power of ten that is not below x. */
function roundUp(x: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(x, 1e-9)));
  return ([1, 2, 5, 10].find((m) => m * power >= x) ?? 10) * power;
}

const whole = (v: number) => String(number(v));
const round = (v: number) => String(number(v, v >= 100 ? 0 : 1));

function draw({ title, colour, depths, rates }: Curve): SVGElement[] {
  const most = roundUp(Math.max(...rates.map((s) => s.mean + s.stddev)) * 1.02);
  const y = (v: number) => top + h - (Math.min(v, most) / most) * h;
  const x = (i: number) => (depths.length === 1 ? left + w / 2 : left + inset + (i / (depths.length - 1)) * (w - 2 * inset));
  const steps = String(most).replace(/[0.]/g, '') === '2' ? 4 : 5; // so that lines are at round numbers
  const every = Math.ceil((depths.length * labelWidth) / w); // of the numbers, so that they do not overlap
  const label = (at: number, height: number, text: string, more: { [name: string]: string | number } = {}) =>
    svg('text', { x: at, y: height, fill: 'var(--soft)', 'text-anchor': 'middle', 'font-size': 13, ...more }, text);
  const parts = [label(8, 22, title, { fill: 'var(--ink)', 'text-anchor': 'start', 'font-size': 14, 'font-weight': 600 })];
  for (let i = 0; i <= steps; i++) {
    const v = (most * i) / steps;
    parts.push(svg('line', { x1: left, x2: left + w, y1: y(v), y2: y(v), stroke: 'var(--line)' }));
    parts.push(label(left - 7, y(v) + 4, String(number(v, v >= 10 || v === 0 ? 0 : 1)), { 'text-anchor': 'end' }));
  }
  const points = rates.map((s, i) => `${x(i)},${y(s.mean)}`).join(' ');
  parts.push(svg('polyline', { points, fill: 'none', stroke: colour, 'stroke-width': 2.2, 'stroke-linejoin': 'round' }));
  rates.forEach((s, i) => {
    if (s.stddev > 0) {
      parts.push(svg('line', { x1: x(i), x2: x(i), y1: y(s.mean + s.stddev), y2: y(Math.max(0, s.mean - s.stddev)), stroke: colour, 'stroke-width': 1.4 }));
    }
    parts.push(svg('circle', { cx: x(i), cy: y(s.mean), r: 4, fill: colour }));
    if (i % every === 0) {
      parts.push(label(x(i), y(s.mean + s.stddev) - 9, round(s.mean), { fill: 'var(--ink)', stroke: 'var(--raised)', 'stroke-width': 4, 'paint-order': 'stroke' }), label(x(i), top + h + 20, whole(depths[i]!)));
    }
  });
  parts.push(label(left + w / 2, top + h + 42, String(t('plotPrompt'))));
  return parts;
}
