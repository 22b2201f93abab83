// The package in Chromium, with WebGPU by SwiftShader; where the processor computes what is no matter of the GPU, since no shaders are compiled there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { ChatCompletion, ChatCompletionChunk, ChatParamsStreaming, ModelInfo, Notice, Progress, RuntimeError } from '../src/index.ts';
import { root, serveAll, skip, timeout, visit, type Gossamer, type Visit } from './browser.ts';
import type { Server } from './server.ts';

/** What the tests keep in the page between two calls. */
interface Globals {
  ai: Awaited<ReturnType<Gossamer['create']>>;
  progress: Progress[];
  notices: Notice[];
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

/** Loads a model in the page; untilStored: only its weights, without what a GPU compiles. */
function create(page: Page, options: Options, untilStored = false): Promise<{ info?: ModelInfo; failure?: Failure; progress: Progress[]; notices: Notice[] }> {
  const load = async ({ options: { dist = '/dist/', ...options }, untilStored }: { options: Options; untilStored: boolean }) => {
    const { create } = (await import(new URL(`${dist}gossamer.js`, location.href).href)) as Gossamer;
    const progress: Progress[] = (globalThis.progress = []);
    const notices: Notice[] = (globalThis.notices = []);
    const abort = new AbortController();
    const onProgress = (p: Progress) => {
      progress.push(p);
      if (untilStored && p.phase === 'compile') { // the engine has all chunks, so their records are written
        abort.abort(new DOMException('That is enough.', 'AbortError'));
      }
    };
    try {
      globalThis.ai = await create({ ...options, onProgress, onNotice: (n) => notices.push(n), signal: abort.signal });
      return { info: globalThis.ai.info, progress, notices };
    } catch (error) {
      const { name, code, message, hint, details } = error as RuntimeError;
      return { failure: { name, code, message, hint, details }, progress, notices };
    }
  };
  return page.evaluate(load, { options, untilStored });
}

describe('gossamer in Chromium', { skip }, () => {
  let server: Server;
  const isWeights = (path: string) => path === '/model/model.safetensors';
  const weightBytes = () => server.requests.filter((r) => isWeights(r.path)).reduce((n, r) => n + r.sent, 0);
  const pageURL = () => `${server.url}page.html`;
  const model = '/model/';
  /** Where the processor computes. */
  const plain = { args: ['--disable-gpu'] }, backend = 'cpu' as const;
  const ask = { messages: [{ role: 'user' as const, content: 'Hello' }], seed: 1, max_completion_tokens: 24 };
  /** The answer, which is the same after every way of loading. */
  let answer = '';
  const content = (c: ChatCompletion) => c.choices[0]!.message.content!;

  /** A page with an open model, for several tests. */
  let first: Visit;
  let page: Page;

  before(async () => {
    server = await serveAll();
  });
  after(async () => {
    await server?.close();
  });

  test('a model is loaded and answers', { timeout }, async () => {
    first = await visit(pageURL());
    page = first.page;
    server.requests.length = 0;
    const verdict = await page.evaluate(async (model) => {
      const { canRun, version } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      return { version, ...(await canRun(model, { context: 1024 })) };
    }, model);
    assert.equal(verdict.version, (JSON.parse(readFileSync(join(root, 'web/package.json'), 'utf8')) as { version: string }).version);
    assert.equal(weightBytes(), 0);
    assert.equal(verdict.ok, true);
    assert.equal(verdict.stored, 0);

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
    const phases = [...new Set(progress.map((p) => p.phase))].filter((p) => ['prepare', 'load', 'ready'].includes(p));
    assert.deepEqual(phases, ['prepare', 'load', 'ready']);
    assert.equal(progress.at(-1)!.bytesDone, total);
    assert.equal(progress.at(-1)!.bytesFetched, total);

    const { weights, kv, scratch, kvPerToken } = info!.memory;
    const bill = verdict.bill!;
    assert.equal(bill.download, total);
    assert.equal(bill.weights, weights);
    assert.equal(bill.kvPer1kTokens, 1024 * kvPerToken);
    assert.equal(bill.scratch, scratch);
    assert.equal(bill.total, weights + kv + scratch);

    const whole = await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask);
    assert.equal(whole.object, 'chat.completion');
    answer = content(whole);
    assert.ok(answer.length > 0);
    assert.equal(whole.usage!.completion_tokens, 24);
    assert.ok(whole.usage!.timings!.decode_tokens_per_second > 0);
    assert.equal(whole.choices[0]!.finish_reason, 'length');
  });

  test('requests are checked, and tokens can be had', { timeout }, async () => {
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
  });

  test('a page that is loaded again fetches no weights', { timeout }, async () => {
    await page.evaluate(() => globalThis.ai.close());
    const closed = await page.evaluate(() => globalThis.ai.tokenize('x').then(() => '', (e: RuntimeError) => e.code));
    assert.equal(closed, 'closed');

    await page.reload();
    server.requests.length = 0;
    const again = await create(page, { model, context: 1024 }, true);
    assert.equal(weightBytes(), 0);
    const last = again.progress.at(-1)!;
    assert.equal(last.bytesDone, last.bytesTotal);
    assert.equal(last.bytesFetched, 0);

    server.fault = (path) => (path.startsWith('/model/') ? { cut: 0 } : undefined);
    const offline = await create(page, { model, context: 1024 }, true);
    server.fault = () => undefined;
    assert.equal(offline.failure!.name, 'AbortError', offline.failure!.message);
    assert.ok(offline.notices.some((n) => n.kind === 'offline'));
  });

  test('weights that were damaged on the disk are found while replies come, and fetched anew', { timeout }, async () => {
    const damage = () => page.evaluate(async () => {
      const top = await navigator.storage.getDirectory();
      const chunks = await (await top.getDirectoryHandle('gossamer')).getDirectoryHandle('chunks');
      for await (const handle of (chunks as unknown as { values(): AsyncIterable<FileSystemFileHandle> }).values()) {
        const file = await handle.createWritable({ keepExistingData: true });
        await file.write({ type: 'write', position: 1000, data: new Uint8Array(2) });
        await file.close();
        return;
      }
    });
    await page.reload();
    await damage();
    server.requests.length = 0;
    assert.equal((await create(page, { model, context: 1024 })).failure, undefined);
    await page.waitForFunction(() => globalThis.notices.some((n) => n.kind === 'recovering'));
    assert.equal(content(await page.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask)), answer);
    const total = (await page.evaluate(() => globalThis.progress.at(-1)))!.bytesTotal;
    assert.ok(weightBytes() > 0 && weightBytes() < total, `${weightBytes()} of ${total} bytes are fetched`);
    const { message } = (await page.evaluate(() => globalThis.notices.find((n) => n.kind === 'recovering')))!;
    assert.match(message, /a part of the weights in the browser's storage turned out to be damaged/);
  });

  test('stored models are listed and deleted', { timeout }, async () => {
    const result = await page.evaluate(async (model) => {
      const { canRun, deleteModel, listModels } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const [before, stored] = [await listModels(), (await canRun(model)).stored];
      const deleted = [await deleteModel(model), await deleteModel(model)];
      return { before, stored, deleted, after: await listModels(), left: (await canRun(model)).stored };
    }, model);
    assert.equal(result.before.length, 1);
    assert.equal(result.before[0]!.name, 'model');
    assert.equal(result.stored, result.before[0]!.bytes);
    assert.deepEqual(result.deleted, [true, false]);
    assert.deepEqual(result.after, []);
    assert.equal(result.left, 0);
    await first.close();
  });

  /** A page in which the built-in model is open, whose replies are streamed as soon as its headers are there, for several tests. */
  let talking: Page;
  /** A long reply of it. */
  const talk = { messages: [{ role: 'user' as const, content: 'What is 917 + 485?' }], reasoning_effort: 'high' as const, seed: 1, max_completion_tokens: 88 };
  const text = (c: ChatCompletion) => (c.choices[0]!.message.reasoning ?? '') + (content(c) ?? '');

  test('the built-in model reasons, answers, calls a function and uses its result', { timeout }, async () => {
    const { page, url } = await visit(pageURL());
    talking = page;
    // A worker that loses its device when told so and keeps what it compiles, otherwise the real one.
    const patch = `
      const { requestDevice } = GPUAdapter.prototype, { createShaderModule } = GPUDevice.prototype;
      GPUAdapter.prototype.requestDevice = async function (descriptor) {
        globalThis.compiled = { features: descriptor.requiredFeatures, sources: [] };
        const device = await requestDevice.call(this, descriptor);
        new BroadcastChannel('destroy').onmessage = () => device.destroy();
        return device;
      };
      GPUDevice.prototype.createShaderModule = function (descriptor) {
        globalThis.compiled.sources.push(descriptor.code);
        return createShaderModule.call(this, descriptor);
      };`;
    const imports = [`data:text/javascript,${encodeURIComponent(patch)}`, `${url}dist/worker.js`].map((url) => `import ${JSON.stringify(url)};`);
    const workerURL = await page.evaluate((text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), imports.join('\n'));
    const { failure } = await create(page, { model: '/nano/', context: 1024, workerURL });
    assert.deepEqual(failure, undefined);
    const ask = (params: Omit<ChatParamsStreaming, 'stream'>) =>
      page.evaluate(async (params) => {
        let reasoning = '', content = '', order = '', finish = '';
        const calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = [];
        for await (const { choices } of globalThis.ai.chat.completions.create({ ...params, stream: true })) {
          const { delta, finish_reason } = choices[0]!;
          reasoning += delta.reasoning ?? '';
          content += delta.content ?? '';
          order += delta.reasoning ? 'r' : delta.content ? 'c' : '';
          finish = finish_reason ?? finish;
          for (const { index, id, function: f } of delta.tool_calls ?? []) {
            calls[index] ??= { id: id!, type: 'function', function: { name: f!.name!, arguments: '' } };
            calls[index].function.arguments += f?.arguments ?? '';
          }
        }
        return { reasoning, content, order, finish, calls };
      }, params);

    const sum = await ask({ messages: [{ role: 'user', content: 'What is 17 + 25?' }], temperature: 0, reasoning_effort: 'low' });
    assert.match(sum.content, /\b42\b/);
    assert.notEqual(sum.reasoning, '');
    assert.match(sum.order, /^rr+cc+$/, 'reasoning comes first, both in several parts');
    assert.equal(sum.finish, 'stop');

    // Chrome's flag is set, but SwiftShader does not multiply matrices: all products are made of numbers.
    const { features, sources } = await page.workers()[0]!.evaluate(() => (globalThis as unknown as { compiled: { features: string[]; sources: string[] } }).compiled);
    assert.ok(!features.includes('chromium-experimental-subgroup-matrix'), `${features}`);
    assert.ok(sources.some((s) => s.includes('fn multiplyTiles(')), 'prompts were computed');
    assert.deepEqual(sources.filter((s) => s.includes('subgroup_matrix')), []);

    const question = { role: 'user' as const, content: 'What is the weather in Paris?' };
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', description: 'Get the weather of a city.', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
    const weather = { messages: [question], tools, temperature: 0 };
    const { calls, finish } = await ask({ ...weather, tool_choice: { type: 'function', function: { name: 'get_weather' } } });
    assert.equal(finish, 'tool_calls');
    assert.deepEqual(calls.map(({ function: f }) => [f.name, Object.values(JSON.parse(f.arguments))]), [['get_weather', ['Paris']]]);
    const result = { role: 'tool' as const, tool_call_id: calls[0]!.id, content: '{"temperature": 21, "condition": "sunny"}' };
    const answer = await ask({ ...weather, messages: [question, { role: 'assistant', content: null, tool_calls: calls }, result] });
    assert.match(answer.content, /21/);
  });

  test('a reply is streamed', { timeout }, async () => {
    const short = { ...talk, max_completion_tokens: 24 };
    const whole = await talking.evaluate((ask) => globalThis.ai.chat.completions.create(ask), short);
    const chunks = await talking.evaluate(async (ask) => {
      const chunks: ChatCompletionChunk[] = [];
      for await (const chunk of await globalThis.ai.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
        chunks.push(chunk);
      }
      return chunks;
    }, short);
    assert.ok(chunks.length > 5);
    assert.equal(chunks.map((c) => c.choices[0]?.delta.reasoning ?? '').join(''), text(whole));
    assert.equal(chunks[0]!.choices[0]!.delta.role, 'assistant');
    assert.equal(chunks.at(-2)!.choices[0]!.finish_reason, 'length');
    assert.equal(chunks.at(-1)!.usage!.completion_tokens, 24);
    assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
  });

  test('replies can be aborted, and nothing arrives afterwards', { timeout }, async () => {
    const bySignal = await talking.evaluate(async (ask) => {
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
    }, talk);
    assert.deepEqual(bySignal, { chunks: 3, late: 0, name: 'AbortError' });

    const byLeaving = await talking.evaluate(async (ask) => {
      const stream = await globalThis.ai.chat.completions.create({ ...ask, stream: true });
      for await (const _ of stream) {
        break;
      }
      return stream.controller.signal.aborted;
    }, talk);
    assert.equal(byLeaving, true);

    const whole = await talking.evaluate(async (ask) => {
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error('enough')), 200);
      return globalThis.ai.chat.completions.create(ask, { signal: abort.signal }).then(() => 'answered', (e: Error) => e.message);
    }, talk);
    assert.equal(whole, 'enough');

    // The engine is free again, and two replies at a time do not mix.
    const both = await talking.evaluate((ask) => Promise.all([ask, ask].map((a) => globalThis.ai.chat.completions.create(a))), { ...talk, max_completion_tokens: 24 });
    assert.notEqual(text(both[0]!), '');
    assert.equal(text(both[1]!), text(both[0]!));
  });

  test('a reply goes on after the device was lost, wherever that happens', { timeout }, async () => {
    // Tokens come in runs of 1, 2, 4 and then 8; the first three are a header, and the first chunk tells the role. Each of these chunks
    // begins another run, so that what comes after the run is from the next device. (The native build is tried at more points: a processor
    // that plays a GPU takes half a minute to make the kernels of a device.)
    const points = [1, 14, 38], ask = { ...talk, max_completion_tokens: 56 };
    const undisturbed = text(await talking.evaluate((ask) => globalThis.ai.chat.completions.create(ask), ask));
    const got = await talking.evaluate(async ({ ask, points }) => {
      let text = '', chunks = 0;
      const finish: unknown[] = [];
      const destroy = new BroadcastChannel('destroy');
      const recoveries = () => globalThis.notices.filter((n) => n.kind === 'recovering').length;
      for await (const chunk of globalThis.ai.chat.completions.create({ ...ask, stream: true })) {
        const delta = chunk.choices[0]?.delta;
        text += (delta?.reasoning ?? '') + (delta?.content ?? '');
        if (chunk.choices[0]?.finish_reason) {
          finish.push(chunk.choices[0].finish_reason);
        }
        if (points.includes(++chunks)) {
          const before = recoveries();
          destroy.postMessage('now');
          while (recoveries() === before) {
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
      }
      return { text, finish, recoveries: recoveries() };
    }, { ask, points });
    assert.equal(got.text, undisturbed, 'the reply is the same, once');
    assert.deepEqual(got.finish, ['length']);
    assert.equal(got.recoveries, points.length);
    await talking.close();
  });

  test('a repository that nobody packed is opened, and its bytes are pinned', { timeout }, async () => {
    const { page, close } = await visit(pageURL(), plain);
    server.fault = (path) => (path === '/model/manifest.json' ? { status: 404 } : undefined);
    const first = await create(page, { model, context: 1024, backend });
    assert.deepEqual(first.failure, undefined);
    assert.equal(first.info!.verified, false);
    assert.ok(first.notices.some((n) => n.kind === 'not-verified'), JSON.stringify(first.notices));
    await page.reload();
    server.requests.length = 0;
    const again = await create(page, { model, context: 1024, backend }, true);
    const { bytesDone, bytesTotal } = again.progress.at(-1)!;
    // The header is read again, in a piece of 256 KiB: it is what the manifest is made of.
    assert.deepEqual([bytesDone, weightBytes()], [bytesTotal, 256 << 10]);
    server.fault = () => undefined;
    await close();
  });

  test('the package works from another origin', { timeout }, async () => {
    const { page, close } = await visit(pageURL(), plain);
    server.requests.length = 0;
    const elsewhere = `http://localhost:${server.port}`;
    const { failure } = await create(page, { model: `${elsewhere}/packed/`, context: 1024, backend, dist: `${elsewhere}/dist/` });
    assert.deepEqual(failure, undefined);
    assert.equal(await page.evaluate(() => globalThis.ai.detokenize([13225])), 'Hello');
    assert.ok(server.requests.some((r) => r.path === '/dist/worker.js'));
    await close();
  });

  test('the package works in a bundle at another path', { timeout }, async () => {
    const { page, close } = await visit(`${server.url}app/deep/index.html`);
    await page.waitForFunction(() => document.title !== 'loading', undefined, { timeout });
    assert.equal(await page.title(), 'answered');
    assert.equal(await page.evaluate(() => document.body.dataset.answer), answer, 'packed weights are the same weights');
    assert.ok(server.requests.some((r) => r.path === '/app/deep/gossamer.wasm'));
    await close();
  });

  test('a load that is aborted rejects, and the next one resumes', { timeout }, async () => {
    const { page, close } = await visit(pageURL(), plain);
    server.fault = (path) => (isWeights(path) ? { stall: 20_000_000 } : undefined);
    const failure = await page.evaluate(async ({ model, backend }) => {
      const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const abort = new AbortController();
      try {
        const onProgress = (p: Progress) => p.bytesDone > 30_000_000 && abort.abort();
        await create({ model, context: 1024, backend, signal: abort.signal, onProgress, onNotice() {} });
      } catch (error) {
        return (error as Error).name;
      }
      return 'loaded';
    }, { model, backend });
    assert.equal(failure, 'AbortError');
    server.fault = () => undefined;
    server.requests.length = 0;
    const { progress } = await create(page, { model, context: 1024, backend }, true);
    const { bytesDone, bytesTotal } = progress.at(-1)!;
    assert.equal(bytesDone, bytesTotal);
    assert.ok(weightBytes() <= bytesTotal - 20_000_000, `${weightBytes()} of ${bytesTotal} bytes were fetched again`);
    await close();
  });

  test('a page that dies in the middle of a chunk leaves it to be resumed', { timeout }, async () => {
    const { page, url, close } = await visit(pageURL(), plain);
    server.fault = (path) => (isWeights(path) ? { stall: 5_000_000 } : undefined);
    server.requests.length = 0;
    void create(page, { model, context: 1024, backend }).catch(() => {});
    await page.waitForFunction(() => (globalThis.progress?.at(-1)?.bytesDone ?? 0) > 11_000_000, undefined, { timeout });
    await page.goto('about:blank');
    await page.goto(`${url}page.html`);
    server.fault = () => undefined;
    server.requests.length = 0;
    const { progress } = await create(page, { model, context: 1024, backend }, true);
    const { bytesDone, bytesTotal } = progress.at(-1)!;
    assert.equal(bytesDone, bytesTotal);
    assert.ok(weightBytes() <= bytesTotal - 8_000_000, `${weightBytes()} of ${bytesTotal} bytes were fetched again`);
    await close();
  });

  test('two tabs fetch a model once', { timeout }, async () => {
    const { page, url, newPage, close } = await visit(pageURL(), plain);
    const other = await newPage(`${url}page.html`);
    server.requests.length = 0;
    const both = await Promise.all([page, other].map((p) => create(p, { model, context: 1024, backend }, true)));
    for (const { progress } of both) {
      assert.equal(progress.at(-1)!.bytesDone, progress.at(-1)!.bytesTotal);
    }
    assert.equal(weightBytes(), both[0]!.progress.at(-1)!.bytesTotal);
    await close();
  });

  test('a chunk that stays corrupt is reported', { timeout }, async () => {
    const { page, close } = await visit(pageURL(), plain);
    server.fault = (path) => (isWeights(path) ? { corrupt: true } : undefined);
    const { failure } = await create(page, { model, context: 1024, backend });
    server.fault = () => undefined;
    assert.equal(failure!.code, 'integrity', failure!.message);
    assert.match(failure!.details!.url!, /\/model\.safetensors$/);
    assert.notEqual(failure!.details!.want, failure!.details!.got);
    await close();
  });

  test('a full storage degrades to memory', { timeout }, async () => {
    const { page, context, url, close } = await visit(pageURL(), plain);
    const devtools = await context.newCDPSession(page);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(url).origin, quotaSize: 10_000_000 });
    const { progress, notices } = await create(page, { model, context: 1024, backend }, true);
    assert.equal(progress.at(-1)!.bytesDone, progress.at(-1)!.bytesTotal);
    assert.ok(notices.filter((n) => n.kind === 'quota').length >= 1, JSON.stringify(notices));
    await close();
  });

  test('what cannot be fetched is named', { timeout }, async () => {
    const { page, close } = await visit(pageURL(), plain);
    const cases: [string, Options, string, RegExp][] = [
      ['no manifest', { model: '/nowhere/' }, 'download', /nowhere\/manifest\.json.*404/],
      ['not a manifest', { model: '/other/' }, 'bad-model', /not the manifest/],
      ['another file', { model: '/app/deep/package.json' }, 'bad-model', /give the directory of the model/],
      ['no program', { model, wasmURL: '/none.wasm' }, 'download', /none\.wasm.*404/],
      ['no worker', { model, workerURL: '/none.js' }, 'download', /none\.js/],
      ['no vocabulary', { model, vocabularyURL: '/none.gz' }, 'download', /none\.gz.*404/],
      ['no URL', { model: 'http://[' }, 'bad-model', /not a URL/],
    ];
    for (const [name, options, code, message] of cases) {
      const { failure } = await create(page, { context: 1024, backend, ...options });
      assert.equal(failure?.code, code, `${name}: ${failure?.message}`);
      assert.match(failure!.message, message, name);
      assert.notEqual(failure!.hint, '');
    }
    await close();
  });

  test('limits that are too small are named before anything is downloaded', { timeout }, async () => {
    const { page, close } = await visit(pageURL());
    server.requests.length = 0;
    const { failure } = await create(page, { model, limits: { maxStorageBufferBindingSize: 65536 } });
    assert.equal(failure!.code, 'limits');
    assert.deepEqual([failure!.details!.limit, failure!.details!.got], ['maxStorageBufferBindingSize', 65536]);
    assert.ok(Number(failure!.details!.want) > 65536);
    assert.equal(weightBytes(), 0);
    await close();
  });

  /** environment() and canRun() in a page. */
  const look = (page: Page, options: Parameters<Gossamer['canRun']>[1] = {}) =>
    page.evaluate(async ({ model, options }) => {
      const { environment, canRun, create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const created = await create({ model, onNotice() {} }).then(() => 'created', (e: RuntimeError) => e.code);
      return { environment: await environment(), model: await canRun(model, options), created };
    }, { model: '/model/none/', options });

  test('a slow adapter is a warning, a missing model an error', { timeout }, async () => {
    const { page, close } = await visit(pageURL());
    const { environment: env, model: missing } = await look(page);
    assert.deepEqual([env.ok, env.severity], [true, 'warning']);
    assert.equal(env.adapter!.software, true);
    assert.ok(env.limits!.maxStorageBufferBindingSize! >= 128 << 20);
    assert.ok(env.storage!.quota > 0);
    assert.deepEqual([missing.ok, missing.code], [false, 'download']);
    await close();
  });

  test('a page that is not secure is told so', { timeout }, async () => {
    const { page, close } = await visit(`http://insecure.test:${server.port}/page.html`);
    const got = await look(page);
    assert.equal(got.environment.code, 'insecure-context');
    assert.match(got.environment.fix, /https/);
    assert.equal(got.model.code, 'insecure-context');
    assert.equal(got.created, 'insecure-context');
    await close();
  });

  test('a browser without WebGPU is told so', { timeout }, async () => {
    const { page, close } = await visit(pageURL(), { script: "Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined })" });
    const got = await look(page);
    assert.deepEqual([got.environment.ok, got.environment.code, got.created], [false, 'no-webgpu', 'no-webgpu']);
    await close();

    const without = await visit(pageURL(), plain);
    const none = await look(without.page);
    assert.deepEqual([none.environment.code, none.model.code, none.created], ['no-webgpu', 'no-webgpu', 'no-webgpu']);
    assert.match(none.environment.cause, /no adapter/);
    await without.close();
  });

  test('an adapter that allows too little is told by limit', { timeout }, async () => {
    const small = "Object.defineProperty(GPUSupportedLimits.prototype, 'maxComputeInvocationsPerWorkgroup', { get: () => 128 })";
    const { page, close } = await visit(pageURL(), { script: small });
    const got = await look(page);
    assert.equal(got.environment.code, 'limits');
    assert.match(got.environment.cause, /maxComputeInvocationsPerWorkgroup 128, .* 256/);
    await close();
  });
});
