// The benchmark: loading, time to the first token, prefill and decode at several depths, on the visitor's machine, with the model
// that they chose. The report has the form of `gossamer bench --json`.

import { canRun, listModels, type Bill, type ChatParams } from '../src/index.ts';
import { announce, byId, copyText, errorText, h, icon, saveFile } from './dom.ts';
import { createEngine, type Engine } from './engine.ts';
import { copyBandwidth } from './bandwidth.ts';
import { bytes, explain, look, nameOf, nano } from './models.ts';
import { startOffline } from './offline.ts';
import { applyTheme } from './panel.ts';
import { drawPlot } from './plot.ts';
import { loadSettings } from './store.ts';

interface Speed {
  mean: number;
  stddev: number;
  runs: number;
}

export interface Report {
  model: string;
  backend: 'webgpu';
  adapter: string;
  machine: string;
  date: string;
  context: number;
  kv: string;
  load: { seconds: number; weight_bytes: number; bytes_per_second: number };
  copy_bytes_per_second: number;
  memory: { weight_bytes: number; kv_bytes: number; scratch_bytes: number };
  time_to_first_token_ms: number;
  prefill: { depth: number; tokens: number; tokens_per_second: Speed }[];
  decode: { depth: number; tokens: number; tokens_per_second: Speed; weight_bytes_per_token: number; kv_bytes_per_token: number; gb_per_second: number; of_copy_bandwidth: number }[];
}

const query = new URLSearchParams(location.search);
/** Tokens of a prompt, and of the reply that is measured after it; bench.html?depths=128,1024&runs=5&tokens=100 measures others. */
const depths = (query.get('depths') ?? '128,512,2048,8192,32768').split(',').map(Number).filter((d) => Number.isSafeInteger(d) && d > 0);
const runs = Math.max(1, Math.min(100, Number(query.get('runs')) || 3));
const replyTokens = Math.max(2, Math.min(1000, Number(query.get('tokens')) || 48));
/** Milliseconds after which a depth is measured only once, and no deeper one at all. */
const longEnough = 20_000;

const settings = loadSettings();
applyTheme(settings);

const status = h('p', { role: 'status' });
const bar = h('progress', { 'aria-label': 'Benchmark', hidden: true });
const results = h('div', { class: 'results' });
const model = h('select', { id: 'bench-model' });
const button = h('button', { type: 'button', class: 'primary', disabled: true }, 'Measure');
let abort: AbortController | undefined;

button.addEventListener('click', () => {
  if (abort) {
    abort.abort();
  } else {
    void run();
  }
});

async function start(): Promise<void> {
  byId('bench').append(
    h('nav', {}, h('a', { href: './' }, '← Chat')),
    h('h1', {}, 'Benchmark'),
    h('p', { class: 'muted' }, 'Measures how fast a model loads, reads and writes on this machine. The result stays here, unless you share it.'),
    h('div', { class: 'row' }, h('label', { for: 'bench-model' }, 'Model'), model, button),
    bar, status, results);
  const environment = await look();
  if (!environment.ok) {
    results.replaceChildren(explain(environment));
    return;
  }
  const stored = (await listModels().catch(() => [])).filter((m) => m.complete && nameOf(m.url) !== nano.name);
  const asked = query.get('model');
  const urls = [...(asked ? [asked] : []), nano.url, ...stored.map((m) => m.url)];
  model.replaceChildren(...urls.map((url) => h('option', { value: url }, nameOf(url))));
  button.disabled = false;
}

async function run(): Promise<void> {
  const { signal } = (abort = new AbortController());
  button.textContent = 'Stop';
  bar.hidden = false;
  bar.removeAttribute('value');
  results.replaceChildren();
  let engine: Engine | undefined;
  try {
    const report = await measure(model.value, signal, (opened) => (engine = opened));
    results.replaceChildren(...render(report));
    say('Done.');
    announce('The benchmark is done.');
    void startOffline();
  } catch (error) {
    say(signal.aborted ? 'Stopped.' : errorText(error), !signal.aborted);
  } finally {
    await engine?.close();
    abort = undefined;
    button.textContent = 'Measure';
    bar.hidden = true;
  }
}

function say(text: string, error = false): void {
  status.textContent = text;
  status.className = error ? 'error' : 'muted';
}

async function measure(url: string, signal: AbortSignal, onOpen: (engine: Engine) => void): Promise<Report> {
  say('Measuring how fast the GPU copies');
  const copy = await copyBandwidth();
  signal.throwIfAborted();
  const verdict = await canRun(url, { signal });
  if (!verdict.ok) {
    throw Object.assign(new Error(verdict.cause), { hint: verdict.fix });
  }
  const begin = performance.now();
  const engine = await createEngine({
    model: url, signal, share: false, onNotice: () => {}, // what another tab has open would be measured with its load
    onProgress: (p) => say(`Loading: ${bytes(p.bytesDone)} of ${bytes(p.bytesTotal)}`),
  });
  onOpen(engine);
  const seconds = (performance.now() - begin) / 1000;
  const { info } = engine;
  // Again, since a repository that has no manifest tells of itself in full only when it is open.
  const bill = (await canRun(info.url, { context: info.context, kv: info.kv })).bill ?? verdict.bill!;

  say('Warming up: the first reply compiles the programs of the GPU');
  await reply(engine, 64, 8, signal);

  const report: Report = {
    model: nameOf(url), backend: 'webgpu', adapter: Object.values(info.adapter).filter((v) => typeof v === 'string' && v !== '').join(' '),
    machine: navigator.userAgent, date: new Date().toISOString(), context: info.context, kv: info.kv,
    load: { seconds, weight_bytes: info.memory.weights, bytes_per_second: info.memory.weights / seconds },
    copy_bytes_per_second: copy,
    memory: { weight_bytes: info.memory.weights, kv_bytes: info.memory.kv, scratch_bytes: info.memory.scratch },
    time_to_first_token_ms: 0, prefill: [], decode: [],
  };
  const fitting = depths.filter((d) => d + replyTokens + 200 < info.context);
  bar.max = fitting.length * runs;
  for (const [i, depth] of fitting.entries()) {
    const began = performance.now();
    const samples: Sample[] = [];
    for (let n = 0; n < runs && (n === 0 || performance.now() - began < longEnough); n++) {
      say(`A prompt of ${depth.toLocaleString()} tokens, run ${n + 1} of ${runs}`);
      bar.value = i * runs + n;
      samples.push(await reply(engine, depth, replyTokens, signal));
    }
    add(report, depth, samples, bill);
    if (performance.now() - began > longEnough) {
      break;
    }
  }
  return report;
}

interface Sample {
  promptTokens: number;
  tokens: number;
  firstTokenMs: number;
  prefill: number;
  decode: number;
}

let salt = 0;

/** Has a prompt of about so many tokens read and a reply written. No two prompts begin alike, so that nothing is known of them before. */
async function reply(engine: Engine, promptTokens: number, tokens: number, signal: AbortSignal): Promise<Sample> {
  const words = ['paper', 'river', 'stone', 'light', 'garden', 'winter', 'silver', 'morning'];
  const list = Array.from({ length: Math.max(8, promptTokens - 80) }, (_, i) => words[(i * 5 + i ** 2 + salt) % words.length]);
  const content = `${++salt} ${list.join(' ')}. Tell a long story with these words.`;
  const params: ChatParams = { messages: [{ role: 'user', content }], reasoning_effort: 'high', max_completion_tokens: tokens, seed: 1 };
  const completion = await engine.chat.completions.create({ ...params, stream: false }, { signal });
  const { prompt_tokens, completion_tokens, timings } = completion.usage!;
  return {
    promptTokens: prompt_tokens, tokens: completion_tokens, firstTokenMs: timings!.time_to_first_token_ms,
    prefill: timings!.prefill_tokens_per_second, decode: timings!.decode_tokens_per_second,
  };
}

function add(r: Report, depth: number, samples: Sample[], bill: Bill): void {
  const prefill = speed(samples.map((s) => s.prefill));
  const decode = speed(samples.filter((s) => s.tokens > 1).map((s) => s.decode));
  const kv = (bill.kvPer1kTokens / 1024) * depth; // of the layers that see all of it; the others read 128 positions at most
  const gb = (decode.mean * (bill.readPerToken + kv)) / 1e9;
  const first = samples.reduce((sum, s) => sum + s.firstTokenMs, 0) / samples.length;
  r.time_to_first_token_ms ||= first;
  r.prefill.push({ depth: 0, tokens: samples[0]!.promptTokens, tokens_per_second: prefill });
  r.decode.push({
    depth, tokens: samples[0]!.tokens, tokens_per_second: decode, weight_bytes_per_token: bill.readPerToken, kv_bytes_per_token: Math.round(kv),
    gb_per_second: gb, of_copy_bandwidth: (gb * 1e9) / r.copy_bytes_per_second,
  });
}

function speed(rates: number[]): Speed {
  const mean = rates.reduce((a, b) => a + b, 0) / Math.max(1, rates.length);
  const variance = rates.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, rates.length - 1);
  return { mean, stddev: Math.sqrt(variance), runs: rates.length };
}

const rate = (x: number) => (x >= 100 ? Math.round(x).toLocaleString() : x.toFixed(1));
const spread = (s: Speed) => `${rate(s.mean)}${s.runs > 1 ? ` ± ${rate(s.stddev)}` : ''}/s`;

function render(r: Report): HTMLElement[] {
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
      figure(`${r.load.seconds.toFixed(1)} s`, `to load ${bytes(r.load.weight_bytes)}`),
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

void start();
