// Shows the report of a benchmark.

import { formatBytes } from '../src/index.ts';
import { copyText } from './clipboard.ts';
import { h, icon, saveFile } from './dom.ts';
import { drawPlot } from './plot.ts';
import type { Report, Speed } from './bench-types.ts';

const rate = (x: number) => (x >= 100 ? Math.round(x).toLocaleString() : x.toFixed(1));
const spread = (s: Speed) => `${rate(s.mean)}${s.runs > 1 ? ` ± ${rate(s.stddev)}` : ''}/s`;

/** Shows a report, with buttons to copy and save it. */
export function render(r: Report): HTMLElement[] {
  const best = r.decode[0]!;
  const figure = (value: string, name: string) => h('div', { class: 'figure' }, h('strong', {}, value), h('span', {}, name));
  const json = `${JSON.stringify(r, null, 2)}\n`;
  const plot = drawPlot(r);
  const copy = h('button', { type: 'button', onclick: () => copyText(json, copy) }, icon('copy'), 'Copy JSON');
  return [
    h('p', { class: 'muted' }, `${r.model} on ${r.adapter || 'this GPU'}, ${r.context.toLocaleString()} tokens of context, ${r.kv} keys and values`),
    h('div', { class: 'figures' },
      figure(`${rate(best.tokens_per_second.mean)}/s`, 'tokens written'),
      figure(`${rate(Math.max(...r.prefill.map((p) => p.tokens_per_second.mean)))}/s`, 'tokens read, at best'),
      figure(`${(r.time_to_first_token_ms / 1000).toFixed(2)} s`, 'to the first token'),
      figure(`${r.load.seconds.toFixed(1)} s`, `to load ${formatBytes(r.load.weight_bytes)}`),
      figure(`${best.gb_per_second.toFixed(best.gb_per_second < 10 ? 2 : 0)} GB/s`, 'read while writing'),
      figure(`${(r.copy_bytes_per_second / 1e9).toFixed(r.copy_bytes_per_second < 1e10 ? 2 : 0)} GB/s`, 'of a plain copy')),
    h('div', { class: 'plot-frame' }, plot),
    h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Rates' }, h('table', {},
      h('thead', {}, h('tr', {}, ...['Prompt', 'Read', 'Written', 'Weights, keys and values read', 'Of a copy'].map((t) => h('th', { scope: 'col' }, t)))),
      h('tbody', {}, ...r.decode.map((d, i) => h('tr', {},
        h('th', { scope: 'row' }, `${d.depth.toLocaleString()} tokens`),
        h('td', {}, spread(r.prefill[i]!.tokens_per_second)),
        h('td', {}, spread(d.tokens_per_second)),
        h('td', {}, `${d.gb_per_second.toFixed(2)} GB/s`),
        h('td', {}, `${(d.of_copy_bandwidth * 100).toFixed(0)} %`)))))),
    h('div', { class: 'row' }, copy,
      h('button', { type: 'button', onclick: () => saveFile('gossamer-bench.json', 'application/json', json) }, icon('download'), 'Save JSON'),
      h('button', { type: 'button', onclick: () => saveFile('gossamer-bench.svg', 'image/svg+xml', new XMLSerializer().serializeToString(plot)) }, icon('download'), 'Save plot')),
  ];
}
