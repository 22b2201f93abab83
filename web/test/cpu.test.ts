// The package in Chromium where the processor computes: without WebGPU, and on a page that is not secure.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { RuntimeError } from '../src/index.ts';
import { serveNano, skip, timeout, visit, type Gossamer } from './browser.ts';
import type { Server } from './server.ts';

// The bundled tests lie in web/dist/test.
const dist = dirname(dirname(fileURLToPath(import.meta.url)));

declare const globalThis: { ai: Awaited<ReturnType<Gossamer['create']>>; frames: number } & typeof window;

type Options = Pick<Parameters<Gossamer['create']>[0], 'model' | 'backend' | 'share' | 'context'>;

/** Loads a model in the page. */
function create(page: Page, options: Options) {
  return page.evaluate(async (options) => {
    const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
    const notices: string[] = [], phases = new Set<string>();
    try {
      globalThis.ai = await create({ ...options, onNotice: (n) => notices.push(n.kind), onProgress: (p) => phases.add(p.phase) });
      return { info: globalThis.ai.info, notices, phases: [...phases] };
    } catch (error) {
      const { code, message, hint } = error as RuntimeError;
      return { failure: { code, message, hint }, notices, phases: [...phases] };
    }
  }, options);
}

function canRun(page: Page, options: Options) {
  return page.evaluate(async ({ model, ...options }) => {
    const { canRun } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
    return canRun(model, options);
  }, options);
}

const sum = {
  messages: [{ role: 'user' as const, content: 'What is 17 + 25?' }], temperature: 0, reasoning_effort: 'low' as const, logprobs: true,
};
/** The reply to a sum, the likeliest token each time. */
const answerSum = async (page: Page) => (await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), sum)).choices[0]!;

describe('the processor in Chromium', { skip }, () => {
  let server: Server;
  const plain = { args: ['--disable-gpu'] }; // no WebGPU
  const nano = '/nano/', backend = 'cpu' as const;
  const insecure = () => `http://insecure.test:${server.port}/page.html`;

  before(async () => {
    const manifest = JSON.parse(readFileSync(join(dist, 'nano/manifest.json'), 'utf8')) as { config: object };
    // As wide as gpt-oss-20b.
    const large = { ...manifest, config: { ...manifest.config, hidden_size: 2880, intermediate_size: 2880, num_local_experts: 32 } };
    server = await serveNano({ '/large/manifest.json': Buffer.from(JSON.stringify(large)) });
  });
  after(async () => {
    await server?.close();
  });

  test('computes the built-in model without WebGPU, the same tokens as a GPU', { timeout }, async () => {
    const { page, close } = await visit(`${server.url}page.html`, plain);
    assert.equal((await canRun(page, { model: nano })).code, 'no-webgpu');
    const verdict = await canRun(page, { model: nano, backend });
    assert.deepEqual([verdict.ok, verdict.severity], [true, 'warning']);
    const { info, failure, notices, phases } = await create(page, { model: nano, backend });
    assert.equal(failure, undefined);
    assert.deepEqual([info!.backend, info!.context, info!.kv, info!.verified, info!.stored], ['cpu', 8192, 'f32', true, true]);
    assert.deepEqual([info!.adapter, info!.device, notices], [undefined, undefined, []]);
    assert.deepEqual(phases.filter((p) => p === 'test' || p === 'compile'), []);
    const { weights, kv, scratch, kvPerToken } = info!.memory, bill = verdict.bill!;
    assert.deepEqual([bill.weights, bill.context * kvPerToken, bill.scratch, bill.total], [weights, kv, scratch, weights + kv + scratch]);
    const mine = await answerSum(page);
    assert.match(mine.message.content!, /\b42\b/);
    assert.deepEqual((await page.evaluate(() => globalThis.ai.stats())).dispatches, 0);
    await close();

    const gpu = await visit(`${server.url}page.html`);
    assert.equal((await create(gpu.page, { model: nano, context: 1024 })).info!.backend, 'webgpu');
    const its = await answerSum(gpu.page);
    assert.deepEqual(mine.message, its.message);
    const [a, b] = [mine.logprobs!.content!, its.logprobs!.content!];
    assert.deepEqual(a.map((t) => t.token), b.map((t) => t.token));
    assert.ok(a.every((t, i) => Math.abs(t.logprob - b[i]!.logprob) < 0.05), 'up to f16 and the order of sums');
    await gpu.close();
  });

  test('computes on a page that is not secure, and verifies what it loads', { timeout }, async () => {
    const { page, close } = await visit(insecure(), plain);
    assert.equal((await canRun(page, { model: nano })).code, 'insecure-context');
    assert.equal((await canRun(page, { model: nano, backend })).ok, true);
    server.fault = (path) => (path.includes('/chunks/') ? { corrupt: true } : undefined);
    assert.equal((await create(page, { model: nano, backend })).failure?.code, 'integrity');
    server.fault = () => undefined;
    const { info, failure, notices } = await create(page, { model: nano, backend, share: true });
    assert.equal(failure, undefined);
    assert.deepEqual([info!.verified, info!.stored, notices], [true, false, ['not-stored']]);
    assert.match((await answerSum(page)).message.content!, /\b42\b/);
    await close();
  });

  test('refuses models that are too large for it, before it loads them', { timeout }, async () => {
    const { page, close } = await visit(insecure(), plain);
    server.requests.length = 0;
    const verdict = await canRun(page, { model: '/large/', backend });
    assert.deepEqual([verdict.ok, verdict.code], [false, 'limits']);
    assert.match(verdict.cause, /has 3\.7 GiB of weights.* up to 1\.0 GiB/);
    assert.match(verdict.fix, /WebGPU.*smaller model/);
    const { failure } = await create(page, { model: '/large/', backend });
    assert.deepEqual([failure?.code, failure?.message, failure?.hint], ['limits', verdict.cause, verdict.fix]);
    assert.deepEqual(server.requests.filter((r) => r.path.includes('/chunks/')), []);
    assert.match((await create(page, { model: nano, backend: 'gpu' as 'cpu' })).failure!.message, /backend is "gpu"/);
    await close();
  });

  test('stops when a reply is no longer wanted', { timeout }, async () => {
    const countFrames = `
      globalThis.frames = 0;
      const Start = Worker;
      globalThis.Worker = class extends Start {
        constructor(...args) {
          super(...args);
          this.addEventListener('message', ({ data }) => { globalThis.frames += data.kind === 'frame' ? 1 : 0; });
        }
      };`;
    const { page, close } = await visit(`${server.url}page.html`, { ...plain, script: countFrames });
    assert.equal((await create(page, { model: nano, backend })).failure, undefined);
    const counts = await page.evaluate(async () => {
      const ask = { messages: [{ role: 'user' as const, content: 'What is 917 + 485?' }], reasoning_effort: 'high' as const, seed: 1, stream: true as const };
      for await (const _ of globalThis.ai.chat.completions.create({ ...ask, max_completion_tokens: 88 })) {
        break; // ends it
      }
      const next = await globalThis.ai.tokenize('The engine is free again.');
      const ended = globalThis.frames;
      for await (const _ of globalThis.ai.chat.completions.create({ ...ask, max_completion_tokens: 88 })) {
        // all of it
      }
      return { ended, whole: globalThis.frames - ended, next: next.length };
    });
    assert.ok(counts.next > 0 && counts.ended < counts.whole / 2, JSON.stringify(counts));
    await close();
  });
});
