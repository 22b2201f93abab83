// The measurements of the benchmark: loading, time to the first token, prefill and decode at several depths.

import { canRun, type Bill, type ChatParams } from '../src/index.ts';
import { copyBandwidth } from './bandwidth.ts';
import type { Report, Speed } from './bench-types.ts';
import { nameOf } from './catalogue.ts';
import { createEngine } from './engine.ts';
import type { Engine } from './engine-types.ts';
import { bytes, t } from './language.ts';
import type { Said } from './words.ts';

export interface BenchOptions {
  /** Tokens of the prompts that are measured, from the shortest. */
  depths: number[];
  /** Repetitions at each depth. */
  runs: number;
  /** Tokens of the reply after each prompt. */
  replyTokens: number;
  /** Says what is being done. */
  say: (words: Said) => void;
  /** Says how many repetitions are done of all. */
  progress: (done: number, all: number) => void;
}

/** Milliseconds after which a depth is measured only once, and no deeper one at all. */
const longEnough = 20_000;

/** Loads a model, measures it and closes it. Rejects with the signal's reason. */
export async function measure(url: string, options: BenchOptions, signal: AbortSignal): Promise<Report> {
  const { say } = options;
  say(t('benchCopying'));
  const copy = await copyBandwidth();
  signal.throwIfAborted();
  const verdict = await canRun(url, { signal });
  if (!verdict.ok) {
    throw Object.assign(new Error(verdict.cause), { hint: verdict.fix, code: verdict.code });
  }
  const begin = performance.now();
  const engine = await createEngine({
    model: url, signal, share: false, onNotice: () => {}, // an engine that another tab uses would be measured with its load
    onProgress: (p) => say(t('benchLoading', { done: bytes(p.bytesDone), all: bytes(p.bytesTotal) })),
  });
  try {
    const seconds = (performance.now() - begin) / 1000;
    const info = engine.info.inBrowser!;
    // Again, since the size of a repository without a manifest is known completely only when it is open.
    const footprint = (await canRun(info.url, { context: info.context, kv: info.kv })).bill ?? verdict.bill!;
    const report: Report = {
      model: nameOf(url), backend: 'webgpu', adapter: Object.values(info.adapter ?? {}).filter((v) => typeof v === 'string' && v !== '').join(' '),
      machine: navigator.userAgent, date: new Date().toISOString(), context: info.context, kv: info.kv,
      load: { seconds, weight_bytes: info.memory.weights, bytes_per_second: info.memory.weights / seconds },
      copy_bytes_per_second: copy,
      memory: { weight_bytes: info.memory.weights, kv_bytes: info.memory.kv, scratch_bytes: info.memory.scratch },
      time_to_first_token_ms: 0, prefill: [], decode: [],
    };
    await measureReplies(engine, report, footprint, options, signal);
    return report;
  } finally {
    await engine.close();
  }
}

/** Measures prompts and replies, and adds the results to the report. */
async function measureReplies(engine: Engine, report: Report, footprint: Bill, options: BenchOptions, signal: AbortSignal): Promise<void> {
  const { depths, runs, replyTokens, say, progress } = options;
  let prompts = 0;
  say(t('benchWarming'));
  await reply(engine, prompts++, 64, 8, signal);
  const fitting = depths.filter((d) => d + replyTokens + 200 < engine.info.context);
  for (const [i, depth] of fitting.entries()) {
    const began = performance.now();
    const samples: Sample[] = [];
    for (let n = 0; n < runs && (n === 0 || performance.now() - began < longEnough); n++) {
      say(t('benchRun', { tokens: t('tokens', { n: depth }), run: n + 1, runs }));
      progress(i * runs + n, fitting.length * runs);
      samples.push(await reply(engine, prompts++, depth, replyTokens, signal));
    }
    add(report, depth, samples, footprint);
    if (performance.now() - began > longEnough) {
      break;
    }
  }
}

interface Sample {
  promptTokens: number;
  tokens: number;
  firstTokenMs: number;
  prefill: number;
  decode: number;
}

/**
 * Has a prompt of about so many tokens read and a reply written. id is different for each prompt, and begins it, so that no part of it
 * is in the cache.
 */
async function reply(engine: Engine, id: number, promptTokens: number, tokens: number, signal: AbortSignal): Promise<Sample> {
  const words = ['paper', 'river', 'stone', 'light', 'garden', 'winter', 'silver', 'morning'];
  const list = Array.from({ length: Math.max(8, promptTokens - 80) }, (_, i) => words[(i * 5 + i ** 2 + id) % words.length]);
  const content = `${id + 1} ${list.join(' ')}. Tell a long story with these words.`;
  const params: ChatParams = { messages: [{ role: 'user', content }], reasoning_effort: 'high', max_completion_tokens: tokens, seed: 1 };
  const completion = await engine.chat.completions.create({ ...params, stream: false }, { signal });
  const { prompt_tokens, completion_tokens, timings } = completion.usage!;
  return {
    promptTokens: prompt_tokens, tokens: completion_tokens, firstTokenMs: timings!.time_to_first_token_ms,
    prefill: timings!.prefill_tokens_per_second, decode: timings!.decode_tokens_per_second,
  };
}

function add(r: Report, depth: number, samples: Sample[], footprint: Bill): void {
  const prefill = speed(samples.map((s) => s.prefill));
  const decode = speed(samples.filter((s) => s.tokens > 1).map((s) => s.decode));
  const kv = (footprint.kvPer1kTokens / 1024) * depth; // of the layers that see all of it; the others read 128 positions at most
  const gb = (decode.mean * (footprint.readPerToken + kv)) / 1e9;
  const first = samples.reduce((sum, s) => sum + s.firstTokenMs, 0) / samples.length;
  r.time_to_first_token_ms ||= first;
  r.prefill.push({ depth: 0, tokens: samples[0]!.promptTokens, tokens_per_second: prefill });
  r.decode.push({
    depth, tokens: samples[0]!.tokens, tokens_per_second: decode, weight_bytes_per_token: footprint.readPerToken, kv_bytes_per_token: Math.round(kv),
    gb_per_second: gb, of_copy_bandwidth: (gb * 1e9) / r.copy_bytes_per_second,
  });
}

function speed(rates: number[]): Speed {
  const mean = rates.reduce((a, b) => a + b, 0) / Math.max(1, rates.length);
  const variance = rates.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, rates.length - 1);
  return { mean, stddev: Math.sqrt(variance), runs: rates.length };
}
