// The package in Chromium, with WebGPU by SwiftShader.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { ChatCompletion, ChatCompletionChunk, ModelInfo, Notice, Progress, RuntimeError } from '../src/index.ts';
import { findChromium, launch, serveAll, visit, webgpuFlags, type Gossamer } from './browser.ts';
import type { Server } from './server.ts';

const chromium = findChromium();
const timeout = 120_000; // milliseconds, for what hangs
const skip = chromium ? false : 'Chromium is not installed: install it, or set CHROMIUM to its path';

/** What the tests keep in the page between two calls. */
interface Globals {
  ai: Awaited<ReturnType<Gossamer['create']>>;
  chunks: ChatCompletionChunk[];
  progress: Progress[];
  notices: Notice[];
  destroy(): void;
}
declare const globalThis: Globals & typeof window;

/** An error as it leaves the page. */
interface Failure {
  name: string;
  code?: string;
  message: string;
  hint?: string;
  details?: RuntimeError['details'];
}

type Options = Omit<Parameters<Gossamer['create']>[0], 'onProgress' | 'onNotice' | 'signal'> & { dist?: string };

/** Loads a model in the page. */
function create(page: Page, options: Options): Promise<{ info?: ModelInfo; failure?: Failure; progress: Progress[]; notices: Notice[] }> {
  return page.evaluate(async ({ dist = '/dist/', ...options }) => {
    const { create } = (await import(new URL(`${dist}gossamer.js`, location.href).href)) as Gossamer;
    const progress: Progress[] = (globalThis.progress = []);
    const notices: Notice[] = (globalThis.notices = []);
    try {
      globalThis.ai = await create({ ...options, onProgress: (p) => progress.push(p), onNotice: (n) => notices.push(n) });
      return { info: globalThis.ai.info, progress, notices };
    } catch (error) {
      const { name, code, message, hint, details } = error as RuntimeError;
      return { failure: { name, code, message, hint, details }, progress, notices };
    }
  }, options);
}

describe('gossamer in Chromium', { skip }, () => {
  let server: Server;
  let browser: Browser;
  const isWeights = (path: string) => path === '/model/model.safetensors';
  const weightBytes = () => server.requests.filter((r) => isWeights(r.path)).reduce((n, r) => n + r.sent, 0);
  const pageURL = () => `${server.url}page.html`;
  const model = '/model/';
  const ask = { messages: [{ role: 'user' as const, content: 'Hello' }], seed: 1, max_completion_tokens: 24 };

  before(async () => {
    server = await serveAll();
    browser = await launch(chromium!, webgpuFlags);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test('a model is loaded, answers, and is not downloaded again', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    server.requests.length = 0;
    const { info, failure, progress, notices } = await create(page, { model, context: 1024 });
    assert.deepEqual(failure, undefined);
    assert.equal(info!.model, 'model');
    assert.equal(info!.context, 1024);
    assert.equal(info!.verified, true);
    assert.equal(info!.stored, true);
    assert.deepEqual(notices.map((n) => n.kind), ['software-adapter']);
    const total = progress.at(-1)!.bytesTotal;
    assert.ok(total > 50_000_000);
    assert.equal(weightBytes(), total);
    assert.deepEqual([...new Set(progress.map((p) => p.phase))].filter((p) => ['prepare', 'load', 'ready'].includes(p)), ['prepare', 'load', 'ready']);
    assert.equal(progress.at(-1)!.bytesDone, total);
    assert.equal(progress.at(-1)!.bytesFetched, total);

    const whole = await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask);
    assert.equal(whole.object, 'chat.completion');
    assert.ok(whole.choices[0]!.message.content!.length > 0);
    assert.equal(whole.usage!.completion_tokens, 24);
    assert.ok(whole.usage!.timings!.decode_tokens_per_second > 0);
    assert.equal(whole.choices[0]!.finish_reason, 'length');

    const streamed = await page.evaluate(async (ask) => {
      const chunks: ChatCompletionChunk[] = [];
      for await (const chunk of await globalThis.ai.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
        chunks.push(chunk);
      }
      return chunks;
    }, ask);
    assert.ok(streamed.length > 5);
    assert.equal(streamed.map((c) => c.choices[0]?.delta.content ?? '').join(''), whole.choices[0]!.message.content);
    assert.equal(streamed.map((c) => c.choices[0]?.delta.reasoning ?? '').join(''), whole.choices[0]!.message.reasoning ?? '');
    assert.equal(streamed.at(-1)!.usage!.completion_tokens, 24);

    await page.reload();
    server.requests.length = 0;
    const again = await create(page, { model, context: 1024 });
    assert.deepEqual(again.failure, undefined);
    assert.equal(weightBytes(), 0);
    assert.equal(again.progress.at(-1)!.bytesDone, total);
    assert.equal(again.progress.at(-1)!.bytesFetched, 0);
    const repeated: ChatCompletion = await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask);
    assert.equal(repeated.choices[0]!.message.content, whole.choices[0]!.message.content);

    // Without the host what is stored does.
    await page.evaluate(() => globalThis.ai.close());
    server.fault = (path) => (path.startsWith('/model/') ? { cut: 0 } : undefined);
    const offline = await create(page, { model, context: 1024 });
    server.fault = () => undefined;
    assert.deepEqual(offline.failure, undefined);
    assert.ok(offline.notices.some((n) => n.kind === 'offline'));
    await context.close();
  });

  test('a load that is aborted rejects, and the next one resumes', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    server.requests.length = 0;
    server.fault = (path) => (isWeights(path) ? { stall: 20_000_000 } : undefined);
    const failure = await page.evaluate(async (model) => {
      const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const abort = new AbortController();
      try {
        const onProgress = (p: Progress) => p.bytesDone > 30_000_000 && abort.abort();
        await create({ model, context: 1024, signal: abort.signal, onProgress, onNotice() {} });
      } catch (error) {
        return (error as Error).name;
      }
      return 'loaded';
    }, model);
    assert.equal(failure, 'AbortError');
    server.fault = () => undefined;
    server.requests.length = 0;
    const { failure: none, progress } = await create(page, { model, context: 1024 });
    assert.deepEqual(none, undefined);
    const total = progress.at(-1)!.bytesTotal;
    assert.ok(weightBytes() <= total - 20_000_000, `${weightBytes()} of ${total} bytes were fetched again`);
    await context.close();
  });

  test('a page that dies in the middle of a chunk leaves it to be resumed', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    server.fault = (path) => (isWeights(path) ? { stall: 5_000_000 } : undefined);
    server.requests.length = 0;
    void create(page, { model, context: 1024 }).catch(() => {});
    while (weightBytes() < 11_000_000) {
      await page.waitForTimeout(20);
    }
    await page.waitForTimeout(200); // the bytes are on their way through the browser
    await page.goto('about:blank');
    await page.goto(pageURL());
    server.fault = () => undefined;
    server.requests.length = 0;
    const { failure, info, progress } = await create(page, { model, context: 1024 });
    assert.deepEqual(failure, undefined);
    assert.equal(info!.verified, true);
    const total = progress.at(-1)!.bytesTotal;
    assert.ok(weightBytes() <= total - 8_000_000, `${weightBytes()} of ${total} bytes were fetched again`);
    await context.close();
  });

  test('a chunk that stays corrupt is reported', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    server.fault = (path) => (isWeights(path) ? { corrupt: true } : undefined);
    const { failure } = await create(page, { model, context: 1024 });
    server.fault = () => undefined;
    assert.equal(failure!.code, 'integrity');
    assert.match(failure!.details!.url!, /\/model\.safetensors$/);
    assert.notEqual(failure!.details!.want, failure!.details!.got);
    await context.close();
  });

  test('a full storage degrades to memory', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    const devtools = await context.newCDPSession(page);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.url).origin, quotaSize: 10_000_000 });
    const { failure, info, notices } = await create(page, { model, context: 1024 });
    assert.deepEqual(failure, undefined);
    assert.equal(info!.stored, false);
    assert.ok(notices.some((n) => n.kind === 'quota'), JSON.stringify(notices));
    const answer = await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask);
    assert.ok(answer.choices[0]!.message.content!.length > 0);
    await context.close();
  });

  test('replies can be aborted, and nothing arrives afterwards', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    assert.deepEqual((await create(page, { model, context: 1024 })).failure, undefined);
    const long = { ...ask, max_completion_tokens: 400 };

    const bySignal = await page.evaluate(async (ask) => {
      const abort = new AbortController();
      let chunks = 0, late = 0, name = '';
      try {
        for await (const _ of globalThis.ai.chat.completions.create({ ...ask, stream: true }, { signal: abort.signal })) {
          late += abort.signal.aborted ? 1 : 0;
          if (++chunks === 3) {
            abort.abort();
          }
        }
      } catch (error) {
        name = (error as Error).name;
      }
      return { chunks, late, name };
    }, long);
    assert.deepEqual(bySignal, { chunks: 3, late: 0, name: 'AbortError' });

    const byLeaving = await page.evaluate(async (ask) => {
      const stream = await globalThis.ai.chat.completions.create({ ...ask, stream: true });
      for await (const _ of stream) {
        break;
      }
      return stream.controller.signal.aborted;
    }, long);
    assert.equal(byLeaving, true);

    const whole = await page.evaluate(async (ask) => {
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error('enough')), 200);
      return globalThis.ai.chat.completions.create(ask, { signal: abort.signal }).then(() => 'answered', (e: Error) => e.message);
    }, long);
    assert.equal(whole, 'enough');

    // The engine is free again.
    const after = await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask);
    assert.equal(after.usage!.completion_tokens, 24);
    await context.close();
  });

  test('requests are checked, and tokens can be had', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    assert.deepEqual((await create(page, { model, context: 1024 })).failure, undefined);
    const failure = await page.evaluate(async () => {
      try {
        await globalThis.ai.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }], temperature: 9 });
      } catch (error) {
        const { code, message, details } = error as RuntimeError;
        return { code, message, param: details.param };
      }
      return undefined;
    });
    assert.equal(failure!.code, 'bad-request');
    assert.equal(failure!.param, 'temperature');
    const { tokens, text, list } = await page.evaluate(async () => {
      const tokens = await globalThis.ai.tokenize('Hello, wörld <|end|>');
      return { tokens, text: await globalThis.ai.detokenize(tokens), list: await globalThis.ai.models.list() };
    });
    assert.equal(text, 'Hello, wörld <|end|>');
    assert.deepEqual(tokens.slice(0, 2), [13225, 11]);
    assert.ok(tokens.every((t) => t < 199998), 'a text is never a marker');
    assert.equal(list.data[0]!.id, 'model');
    const logprobs = await page.evaluate(
      (ask) => globalThis.ai.chat.completions.create({ ...ask, max_completion_tokens: 3, logprobs: true, top_logprobs: 2 }), ask,
    );
    assert.equal(logprobs.choices[0]!.logprobs!.content![0]!.top_logprobs.length, 2);
    await page.evaluate(() => globalThis.ai.close());
    const closed = await page.evaluate(() => globalThis.ai.tokenize('x').then(() => '', (e: RuntimeError) => e.code));
    assert.equal(closed, 'closed');
    await context.close();
  });

  test('a reply goes on after the device was lost', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    // A worker that loses its device when told so, otherwise the real one.
    const script = `
      const requestDevice = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...args) {
        const device = await requestDevice.apply(this, args);
        new BroadcastChannel('destroy').onmessage = () => device.destroy();
        return device;
      };
      await import(${JSON.stringify(new URL('/dist/worker.js', server.url).href)});`;
    const workerURL = `data:text/javascript,${encodeURIComponent(script)}`;
    const { failure } = await create(page, { model, context: 1024, workerURL, wasmURL: '/dist/gossamer.wasm', vocabularyURL: '/dist/o200k.bin.gz' });
    assert.deepEqual(failure, undefined);
    const long = { ...ask, max_completion_tokens: 60 };
    const want = await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), long);
    const got = await page.evaluate(async (ask) => {
      let text = '', chunks = 0;
      const finish: unknown[] = [];
      for await (const chunk of globalThis.ai.chat.completions.create({ ...ask, stream: true })) {
        text += chunk.choices[0]?.delta.content ?? '';
        if (chunk.choices[0]?.finish_reason) {
          finish.push(chunk.choices[0].finish_reason);
        }
        if (++chunks === 10) {
          new BroadcastChannel('destroy').postMessage('now');
        }
      }
      return { text, finish, notices: globalThis.notices.map((n) => n.kind) };
    }, long);
    assert.ok(got.notices.includes('recovering'));
    assert.equal(got.text, want.choices[0]!.message.content);
    assert.deepEqual(got.finish, ['length']);
    await context.close();
  });

  test('stored models are listed and deleted', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    assert.deepEqual((await create(page, { model, context: 1024 })).failure, undefined);
    const result = await page.evaluate(async (model) => {
      const { canRun, deleteModel, listModels } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      await globalThis.ai.close();
      const [before, stored] = [await listModels(), (await canRun(model)).stored];
      const deleted = [await deleteModel(model), await deleteModel(model)];
      return { before, stored, deleted, after: await listModels(), left: (await canRun(model)).stored };
    }, model);
    assert.equal(result.before.length, 1);
    assert.equal(result.before[0]!.name, 'model');
    assert.equal(result.before[0]!.complete, true);
    assert.equal(result.stored, result.before[0]!.bytes);
    assert.deepEqual(result.deleted, [true, false]);
    assert.deepEqual(result.after, []);
    assert.equal(result.left, 0);
    await context.close();
  });

  test('the package works from another origin, and inside a bundle at another path', { timeout }, async () => {
    const cross = await visit(browser, pageURL());
    const elsewhere = `http://localhost:${server.port}/dist/`;
    assert.deepEqual((await create(cross.page, { model: '/packed/', context: 1024, dist: elsewhere })).failure, undefined);
    const answer = await cross.page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask);
    assert.ok(answer.choices[0]!.message.content!.length > 0);
    assert.ok(server.requests.some((r) => r.path === '/dist/worker.js'));
    await cross.context.close();

    const bundled = await visit(browser, `${server.url}app/deep/index.html`);
    await bundled.page.waitForFunction(() => document.title !== 'loading', undefined, { timeout: 60_000 });
    assert.equal(await bundled.page.title(), 'answered');
    await bundled.context.close();
  });

  test('what cannot be fetched is named', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    const cases: [string, Options, string, RegExp][] = [
      ['no manifest', { model: '/nowhere/' }, 'download', /nowhere\/manifest\.json.*404/],
      ['no such thing', { model: '/page.html/' }, 'download', /404/],
      ['not a manifest', { model: '/app/deep/package.json' }, 'bad-model', /not the manifest/],
      ['no program', { model, wasmURL: '/none.wasm' }, 'download', /none\.wasm.*404/],
      ['no worker', { model, workerURL: '/none.js' }, 'download', /none\.js/],
      ['no vocabulary', { model, vocabularyURL: '/none.gz' }, 'download', /none\.gz.*404/],
      ['no URL', { model: 'http://[' }, 'bad-model', /not a URL/],
    ];
    for (const [name, options, code, message] of cases) {
      const { failure } = await create(page, { context: 1024, ...options });
      assert.equal(failure?.code, code, `${name}: ${failure?.message}`);
      assert.match(failure!.message, message, name);
      assert.notEqual(failure!.hint, '');
    }
    await context.close();
  });

  test('limits that are too small are named before anything is downloaded', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    server.requests.length = 0;
    const { failure } = await create(page, { model, limits: { maxStorageBufferBindingSize: 65536 } });
    assert.equal(failure!.code, 'limits');
    assert.deepEqual([failure!.details!.limit, failure!.details!.got], ['maxStorageBufferBindingSize', 65536]);
    assert.ok(Number(failure!.details!.want) > 65536);
    assert.equal(weightBytes(), 0);
    await context.close();
  });

  /** environment() and canRun() in a page. */
  const ask4 = (page: Page, options: Parameters<Gossamer['canRun']>[1] = {}) =>
    page.evaluate(async ({ model, options }) => {
      const { environment, canRun, create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const created = await create({ model, onNotice() {} }).then(() => 'created', (e: RuntimeError) => e.code);
      return { environment: await environment(), model: await canRun(model, options), created };
    }, { model: '/model/none/', options });

  test('canRun gives the bill', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL());
    server.requests.length = 0;
    const { env, verdict, missing } = await page.evaluate(async (model) => {
      const { environment, canRun } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      return { env: await environment(), verdict: await canRun(model, { context: 1024 }), missing: await canRun('/model/none/') };
    }, model);
    assert.equal(env.ok, true);
    assert.equal(env.severity, 'warning', 'SwiftShader is slow');
    assert.equal(env.adapter!.software, true);
    assert.ok(env.limits!.maxStorageBufferBindingSize! >= 128 << 20);
    assert.ok(env.storage!.quota > 0);
    assert.equal(verdict.ok, true);
    assert.equal(verdict.bill!.weights, verdict.bill!.download);
    assert.equal(weightBytes(), 0);
    assert.deepEqual([missing.ok, missing.code], [false, 'download']);

    const { info } = await create(page, { model, context: 1024 });
    const { weights, kv, scratch, kvPerToken } = info!.memory;
    assert.equal(verdict.bill!.weights, weights);
    assert.equal(verdict.bill!.kvPer1kTokens, 1024 * kvPerToken);
    // The plan of a software adapter has smaller chunks; elsewhere the sums differ by a few tables.
    assert.ok(verdict.bill!.total >= weights + kv + scratch, `${verdict.bill!.total} < ${weights} + ${kv} + ${scratch}`);
    await context.close();
  });

  test('a page that is not secure is told so', { timeout }, async () => {
    const { page, context } = await visit(browser, `http://insecure.test:${server.port}/page.html`);
    const got = await ask4(page);
    assert.equal(got.environment.code, 'insecure-context');
    assert.match(got.environment.fix, /https/);
    assert.equal(got.model.code, 'insecure-context');
    assert.equal(got.created, 'insecure-context');
    await context.close();
  });

  test('a browser without WebGPU is told so', { timeout }, async () => {
    const { page, context } = await visit(browser, pageURL(), "Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined })");
    const got = await ask4(page);
    assert.deepEqual([got.environment.ok, got.environment.code, got.created], [false, 'no-webgpu', 'no-webgpu']);
    await context.close();

    const plain = await launch(chromium!, ['--disable-gpu']);
    try {
      const { page } = await visit(plain, pageURL());
      const got = await ask4(page);
      assert.deepEqual([got.environment.code, got.model.code, got.created], ['no-webgpu', 'no-webgpu', 'no-webgpu']);
      assert.match(got.environment.cause, /no adapter/);
    } finally {
      await plain.close();
    }
  });

  test('an adapter that allows too little is told by limit', { timeout }, async () => {
    const small = "Object.defineProperty(GPUSupportedLimits.prototype, 'maxComputeInvocationsPerWorkgroup', { get: () => 128 })";
    const { page, context } = await visit(browser, pageURL(), small);
    const got = await ask4(page);
    assert.equal(got.environment.code, 'limits');
    assert.match(got.environment.cause, /maxComputeInvocationsPerWorkgroup 128, .* 256/);
    await context.close();
  });
});
