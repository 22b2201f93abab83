// Shows the report of a benchmark.

import { copyText } from './clipboard.ts';
import { h, icon, saveFile } from './dom.ts';
import { bytes, number, percent, t } from './language.ts';
import { drawPlots, plotFile } from './plot.ts';
import type { Report, Speed } from './bench-types.ts';
import { Words, type Said } from './words.ts';

const rate = (x: number) => number(x, x >= 100 ? 0 : 1);
const spread = (s: Speed) => t('perSecond', { size: new Words(() => (s.runs > 1 ? `${rate(s.mean)} ± ${rate(s.stddev)}` : `${rate(s.mean)}`)) });
const gigabytes = (perSecond: number, fraction: number) => t('perSecond', { size: new Words(() => `${number(perSecond, fraction)} GB`) });

/** Shows a report, with buttons to copy and save it. */
export function render(r: Report): HTMLElement[] {
  const best = r.decode[0]!;
  const figure = (value: Said, name: Said) => h('div', { class: 'figure' }, h('strong', {}, value), h('span', {}, name));
  const json = `${JSON.stringify(r, null, 2)}\n`;
  const copy = h('button', { type: 'button', onclick: () => copyText(json, copy) }, icon('copy'), t('copyJSON'));
  return [
    h('p', { class: 'muted' }, t('benchOn', { model: r.model, adapter: r.adapter || t('thisGPU'), context: r.context, kv: r.kv })),
    h('div', { class: 'figures' },
      figure(t('perSecond', { size: rate(best.tokens_per_second.mean) }), t('benchWritten')),
      figure(t('perSecond', { size: rate(Math.max(...r.prefill.map((p) => p.tokens_per_second.mean))) }), t('benchRead')),
      figure(t('seconds', { s: number(r.time_to_first_token_ms / 1000, 2) }), t('benchFirst')),
      figure(t('seconds', { s: number(r.load.seconds, 1) }), t('benchLoad', { size: bytes(r.load.weight_bytes) })),
      figure(gigabytes(best.gb_per_second, best.gb_per_second < 10 ? 2 : 0), t('benchReadBytes')),
      figure(gigabytes(r.copy_bytes_per_second / 1e9, r.copy_bytes_per_second < 1e10 ? 2 : 0), t('benchCopy'))),
    h('div', { class: 'plots' }, ...drawPlots(r)),
    h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': t('benchRates') }, h('table', {},
      h('caption', { class: 'sr-only' }, t('plotTitle', { model: r.model })),
      h('thead', {}, h('tr', {}, ...(['benchPrompt', 'benchColumnRead', 'benchColumnWritten', 'benchColumnBytes', 'benchColumnCopy'] as const).map((key) => h('th', { scope: 'col' }, t(key))))),
      h('tbody', {}, ...r.decode.map((d, i) => h('tr', {},
        h('th', { scope: 'row' }, t('tokens', { n: d.depth })),
        h('td', {}, spread(r.prefill[i]!.tokens_per_second)),
        h('td', {}, spread(d.tokens_per_second)),
        h('td', {}, gigabytes(d.gb_per_second, 2)),
        h('td', {}, percent(d.of_copy_bandwidth))))))),
    h('div', { class: 'row' }, copy,
      h('button', { type: 'button', onclick: () => saveFile('gossamer-bench.json', 'application/json', json) }, icon('download'), t('saveJSON')),
      h('button', { type: 'button', onclick: () => saveFile('gossamer-bench.svg', 'image/svg+xml', plotFile(r)) }, icon('download'), t('savePlot'))),
  ];
}
