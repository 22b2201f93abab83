// One engine for many tabs, in Chromium: on WebGPU by SwiftShader what concerns the GPU, and on the processor, which is quicker, what tabs do.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { EngineStats, ModelInfo, Notice, Progress, RuntimeError } from '../src/index.ts';
import { cutReplies, serveNano, skip, timeout, visit, type Gossamer, type Visit } from './browser.ts';
import type { Server } from './server.ts';

/** What the tests keep in a tab. */
interface Globals {
  ai: Awaited<ReturnType<Gossamer['create']>>;
  progress: Progress[];
  notices: Notice[];
  said: string;
  chunks: number;
  reply: Promise<{ text: string; finish: string; code?: string }>;
  failure: Promise<{ code: string; hint: string } | undefined>;
  failed?: boolean;
  framesHeard: number;
}
declare const globalThis: Globals & typeof window;

type Options = Partial<Parameters<Gossamer['create']>[0]>;
type Outcome = { info?: ModelInfo; code?: string; message?: string; hint?: string };

/** Opens the model in a tab, shared. */
function open(page: Page, options: Options = {}): Promise<Outcome> {
  return page.evaluate(async (options) => {
    const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
    globalThis.progress = [];
    globalThis.notices = [];
    try {
      globalThis.ai = await create({
        model: '/nano/', context: 1024, share: true, onProgress: (p) => globalThis.progress.push(p), onNotice: (n) => globalThis.notices.push(n), ...options,
      });
      return { info: globalThis.ai.info };
    } catch (error) {
      const { code, message, hint } = error as RuntimeError;
      return { code, message, hint };
    }
  }, options as object);
}

// Without the markers that end reasoning and answer, a reply goes on until it has its number of tokens.
const endless = { '200002': -100, '200007': -100, '200012': -100 };
const ask = (tokens: number) => ({ messages: [{ role: 'user' as const, content: 'What is 17 + 25?' }], seed: 1, logit_bias: endless, max_completion_tokens: tokens });

/** Begins a streamed reply in a tab, and waits until it has said something; cut: in a tab that does not run the engine, which hears no more of it. */
async function begin(page: Page, tokens: number, cut = false): Promise<void> {
  await page.evaluate(({ ask, cut }) => {
    globalThis.framesHeard = cut ? 10 : Infinity;
    globalThis.said = '';
    globalThis.chunks = 0;
    globalThis.reply = (async () => {
      let finish = '';
      try {
        for await (const chunk of globalThis.ai.chat.completions.create({ ...ask, stream: true })) {
          globalThis.said += chunk.choices[0]?.delta.reasoning ?? '';
          globalThis.chunks++;
          finish = chunk.choices[0]?.finish_reason ?? finish;
        }
        return { text: globalThis.said, finish };
      } catch (error) {
        return { text: globalThis.said, finish, code: (error as RuntimeError).code };
      }
    })();
  }, { ask: ask(tokens), cut });
  await page.waitForFunction(() => globalThis.said.length > 5 && globalThis.framesHeard === Infinity, undefined, { timeout });
}

/** Where only the processor computes. */
const processor = { backend: 'cpu' as const };

const finished = (page: Page) => page.evaluate(() => globalThis.reply);
const notices = (page: Page) => page.evaluate(() => globalThis.notices.map((n) => n.kind));
const stats = (page: Page): Promise<EngineStats> => page.evaluate(() => globalThis.ai.stats());
const answer = (page: Page) =>
  page.evaluate(async (ask) => (await globalThis.ai.chat.completions.create(ask)).choices[0]!.message.reasoning!, ask(8));
const engines = (page: Page) => page.workers().length;

describe('a model that tabs share', { skip }, () => {
  let server: Server;
  let first: Visit;
  let pages: Page[];
  const weightBytes = () => server.requests.filter((r) => /^\/nano\/chunks\//.test(r.path)).reduce((n, r) => n + r.sent, 0);

  const tab = async () => {
    const page = await first.newPage(`${first.url}page.html`);
    pages.push(page);
    return page;
  };

  before(async () => {
    server = await serveNano();
  });
  after(async () => {
    await server?.close();
  });
  const visitBy = async (args?: string[]) => {
    first = await visit(`${server.url}page.html`, { script: cutReplies, ...(args && { args }) });
    pages = [first.page];
  };

  /** The tab that runs the engine, and one that does not. */
  const roles = (): [Page, Page] => {
    const owner = pages.find((p) => engines(p) > 0)!;
    return [owner, pages.find((p) => p !== owner)!];
  };

  test('is downloaded once, and uploaded once to the GPU, and answers in each tab', { timeout }, async () => {
    await visitBy();
    const [first, second] = [pages[0]!, await tab()];
    const [a, b] = await Promise.all([open(first), open(second)]);
    assert.equal(a.code ?? b.code, undefined, a.message ?? b.message);
    assert.deepEqual(a.info, b.info);
    assert.equal(engines(first) + engines(second), 1, 'one tab has a worker');
    const progress = await Promise.all([first, second].map((p) => p.evaluate(() => globalThis.progress.at(-1)!)));
    assert.equal(progress[0]!.bytesDone, progress[0]!.bytesTotal);
    assert.deepEqual(progress[0], progress[1], 'both see how far loading is');
    assert.equal(weightBytes(), progress[0]!.bytesTotal);
    const { bytesWritten } = await stats(first);
    assert.deepEqual(await notices(first), await notices(second));

    const answers = await Promise.all([first, second].map(answer));
    assert.equal(answers[0], answers[1]);
    assert.ok(answers[0]!.length > 0);
    const texts = await Promise.all([first, second].map((p) => p.evaluate(async () => globalThis.ai.detokenize(await globalThis.ai.tokenize('Hello')))));
    assert.deepEqual(texts, ['Hello', 'Hello']);

    // Weights are written when the model is opened; afterwards little is.
    const third = await tab();
    assert.equal((await open(third)).code, undefined);
    const { bytesWritten: later, deviceBytes } = await stats(third);
    assert.ok(bytesWritten > a.info!.memory.weights * 0.9);
    assert.ok(later - bytesWritten < 1e6, `${later - bytesWritten} bytes were written for another tab`);
    assert.ok(deviceBytes < 1.5 * (a.info!.memory.weights + a.info!.memory.kv + a.info!.memory.scratch));
    assert.equal(weightBytes(), progress[0]!.bytesTotal);
    await third.close();
  });

  test('refuses what the tab that opened it has not', { timeout }, async () => {
    const third = await tab();
    const context = await open(third, { context: 4096 });
    assert.equal(context.code, 'conflict');
    assert.match(context.message!, /context of 1024, this one asks for 4096/);
    assert.ok(context.hint);
    assert.equal((await open(third, { kv: 'f32' })).code, 'conflict');
    assert.equal((await open(third, { context: 512, kv: 'f16' })).code, undefined);
    await third.close();
  });

  test('goes to the GPU again, from the storage, when the tab that runs it is closed', { timeout }, async () => {
    const [owner, other] = roles();
    const before = await answer(other);
    server.requests.length = 0;
    await owner.close();
    assert.equal(await answer(other), before);
    assert.equal(engines(other), 1);
    assert.ok((await stats(other)).bytesWritten > 0);
    assert.equal(weightBytes(), 0);
    await other.close();
  });

  test('is downloaded once, and answers in each tab, where the processor computes', { timeout }, async () => {
    await visitBy(['--disable-gpu']);
    const other = await tab();
    server.requests.length = 0;
    const opened = await Promise.all(pages.map((p) => open(p, processor)));
    assert.deepEqual(opened.map((o) => o.message), [undefined, undefined]);
    assert.deepEqual(opened[0]!.info, opened[1]!.info);
    assert.equal(engines(first.page) + engines(other), 1, 'one tab has a worker');
    assert.equal(weightBytes(), await other.evaluate(() => globalThis.progress.at(-1)!.bytesTotal));
    const answers = await Promise.all(pages.map(answer));
    assert.ok(answers[0]! === answers[1] && answers[0]!.length > 0);
  });

  test('a bad request is refused in the tab that made it', { timeout }, async () => {
    const failure = await pages[1]!.evaluate(async () => {
      const messages = [{ role: 'user' as const, content: 'Hello' }];
      return globalThis.ai.chat.completions.create({ messages, temperature: 9 }).then(() => undefined, ({ code, details }: RuntimeError) => ({ code, details }));
    });
    assert.equal(failure!.code, 'bad-request');
    assert.equal(failure!.details.param, 'temperature');
    assert.deepEqual(failure!.details.api, { status: 400, error: { message: failure!.details.api!.error.message, type: 'invalid_request_error', param: 'temperature', code: failure!.details.api!.error.code } });
  });

  /** Waits until the engine works, or has nothing to do, long before 900 tokens are there. */
  const until = async (page: Page, what: 'busy' | 'idle') => {
    const { tokens } = await stats(page);
    for (let now = await stats(page); now.replies > 0 !== (what === 'busy'); now = await stats(page)) {
      assert.ok(now.tokens - tokens < 400, `the engine is not ${what}`);
    }
  };

  test('a long reply holds up the first token of another tab by a few of its own', { timeout }, async () => {
    const [owner, other] = roles();
    await begin(owner, 100);
    const before = await owner.evaluate(() => globalThis.chunks);
    await other.evaluate(async (ask) => {
      for await (const chunk of globalThis.ai.chat.completions.create({ ...ask, stream: true })) {
        if (chunk.choices[0]?.delta.reasoning) {
          break;
        }
      }
    }, ask(8));
    const meanwhile = (await owner.evaluate(() => globalThis.chunks)) - before;
    assert.ok(meanwhile <= 40, `${meanwhile} tokens of the long reply came before the first one of the other`);
    const { text, finish } = await finished(owner);
    assert.ok(finish === 'length' && text.length > 100, `${finish}: ${text}`);
  });

  test('an abort ends the reply in the other tab', { timeout }, async () => {
    const [owner, other] = roles();
    const name = await other.evaluate(async (ask) => {
      const abort = new AbortController();
      try {
        for await (const _ of globalThis.ai.chat.completions.create({ ...ask, stream: true }, { signal: abort.signal })) {
          abort.abort();
        }
      } catch (error) {
        return (error as Error).name;
      }
      return 'ended';
    }, ask(900));
    assert.equal(name, 'AbortError');
    await until(owner, 'idle');
  });

  test('a tab that goes in the middle of a reply leaves the engine idle', { timeout }, async () => {
    const [owner] = roles();
    const third = await tab();
    await open(third, processor);
    await begin(third, 900);
    await until(owner, 'busy');
    await third.goto('about:blank');
    await until(owner, 'idle');
    await third.close();
  });

  test('a tab that runs it and is suspended is told of, and used again when it goes on', { timeout }, async () => {
    const [owner, other] = roles();
    // Timers of the real clock that are left from requests before come to their end.
    await other.evaluate(() => new Promise((resolve) => setTimeout(resolve, 2500)));
    server.requests.length = 0;
    // As for the others: its worker stands still, here until the server says that it is enough.
    const still = owner.workers()[0]!.evaluate((url) => {
      const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
      const request = new XMLHttpRequest();
      do {
        Atomics.wait(new Int32Array(buffer), 0, 0, 500);
        request.open('GET', url, false);
        request.send();
      } while (request.status === 200);
    }, `${first.url}page.html`);
    while (!server.requests.some((r) => r.path === '/page.html')) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // The client's clock is set forward instead of waiting; the other tab does not answer in the meantime.
    await other.clock.install();
    await other.evaluate((ask) => {
      globalThis.notices = [];
      globalThis.failure = globalThis.ai.chat.completions.create(ask).then(() => undefined, ({ code, hint }: RuntimeError) => ({ code, hint }));
      void globalThis.failure.then(() => (globalThis.failed = true));
    }, ask(8));
    const failed = () => other.evaluate(() => globalThis.failed === true);
    await other.clock.runFor(7_000);
    assert.deepEqual(await notices(other), []);
    await other.clock.runFor(2_000);
    assert.deepEqual(await notices(other), ['suspended']);
    await other.clock.runFor(20_000);
    assert.equal(await failed(), false);
    await other.clock.runFor(4_000);
    const failure = await other.evaluate(() => globalThis.failure);
    assert.equal(failure?.code, 'suspended');
    assert.match(failure!.hint, /bring it to the front/);
    assert.deepEqual(await notices(other), ['suspended']);
    await other.clock.resume();
    server.fault = () => ({ status: 404 });
    await still;
    server.fault = () => undefined;
    assert.ok((await answer(other)).length > 0);
  });

  test('another tab takes over when the one that runs it is closed, and replies go on', { timeout }, async () => {
    const [owner, other] = roles();
    const third = await tab();
    await open(third, processor);
    const whole = await other.evaluate(async (ask) => (await globalThis.ai.chat.completions.create(ask)).choices[0]!.message.reasoning!, ask(20));
    await Promise.all([begin(other, 20, true), begin(third, 20, true)]);
    server.requests.length = 0;
    await owner.close();
    pages = [other, third];
    for (const page of pages) {
      const { text, finish, code } = await finished(page);
      assert.equal(code, undefined);
      assert.equal(text, whole, 'the same reply, each part once');
      assert.equal(finish, 'length');
      assert.ok((await notices(page)).includes('recovering'));
    }
    assert.equal(engines(other) + engines(third), 1);
    assert.equal(weightBytes(), 0, 'from the storage');
  });

  test('another tab takes over when the one that runs it crashes', { timeout }, async () => {
    const [owner, other] = roles();
    await begin(other, 20, true);
    owner.goto('chrome://crash').catch(() => {});
    const { finish, code } = await finished(other);
    assert.deepEqual([finish, code], ['length', undefined]);
    assert.equal(engines(other), 1);
    await owner.close();
    pages = [other];
  });
});
