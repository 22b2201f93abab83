// Options of the package in Chromium, where the processor computes, which needs no shaders.

import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { ChatParamsStreaming, ReplyToken } from '../src/index.ts';
import { holdReplies, serveNano, skip, timeout, visit, type Gossamer } from './browser.ts';
import type { Server } from './server.ts';

// The bundled tests lie in web/dist/test.
const dist = dirname(dirname(fileURLToPath(import.meta.url)));

type Options = Parameters<Gossamer['create']>[0];

interface Globals {
  ai: Awaited<ReturnType<Gossamer['create']>>;
  notices: string[];
  told: string[];
  framesShown: number;
}
declare const globalThis: Globals & typeof window;

const ask = {
  messages: [{ role: 'user' as const, content: 'What is 17 + 25?' }], temperature: 0, reasoning_effort: 'low' as const, stream: true as const,
} satisfies ChatParamsStreaming;

/** Opens the built-in model in a page. */
function open(page: Page, options: Partial<Options> = {}): Promise<{ fetched: number; verified: boolean }> {
  return page.evaluate(async (options) => {
    const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
    let fetched = 0;
    globalThis.notices = [];
    const onProgress: Options['onProgress'] = (p) => (fetched = p.bytesFetched);
    globalThis.ai = await create({ model: '/nano/', backend: 'cpu', onProgress, onNotice: (n) => globalThis.notices.push(n.kind), ...options });
    return { fetched, verified: globalThis.ai.info.verified };
  }, options);
}

/** The text of a reply. */
const reply = (page: Page, params: ChatParamsStreaming = ask) => page.evaluate(async (params) => {
  let text = '';
  for await (const { choices: [choice] } of globalThis.ai.chat.completions.create(params)) {
    text += choice?.delta.reasoning ?? choice?.delta.content ?? '';
  }
  return text;
}, params);

describe('the package in Chromium', { skip }, () => {
  let server: Server;
  const plain = { args: ['--disable-gpu'] };
  const visitor = (script = '') => visit(`${server.url}page.html`, { ...plain, script });

  before(async () => {
    server = await serveNano({ '/signed/': join(dist, 'nano') });
  });
  after(async () => {
    await server?.close();
  });

  test('deletes a model that is open', { timeout }, async () => {
    const { page, close } = await visitor();
    await open(page);
    await page.reload();
    await open(page);
    const left = await page.evaluate(async () => {
      const { deleteModel, listModels } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      return [await deleteModel('/nano/'), (await listModels()).length, globalThis.notices];
    });
    assert.deepEqual(left, [true, 0, []]);
    assert.match(await reply(page), /42/);
    await close();
  });

  test('has the model\'s requests answered by a function of the page', { timeout }, async () => {
    const { page, close } = await visitor();
    server.fault = (path) => (path.startsWith('/nano/') ? { status: 403 } : undefined);
    const told = await page.evaluate(async () => {
      const { canRun, create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const urls: string[] = [];
      const fetch = async (url: string, init?: RequestInit) => {
        urls.push(`${init?.method ?? 'GET'} ${new URL(url).pathname} ${new Headers(init?.headers).get('authorization')}`);
        return globalThis.fetch(url.replace('/nano/', '/signed/'), init);
      };
      const options = { backend: 'cpu' as const, headers: { authorization: 'key' }, fetch };
      const refused = await canRun('/nano/', { backend: 'cpu' });
      const verdict = await canRun('/nano/', options);
      const ai = await create({ model: '/nano/', ...options });
      const failing = await create({ model: '/nano/', backend: 'cpu', store: false, async fetch() { throw new Error('no ticket'); } }).then(() => '', (e) => String(e.message));
      const abort = new AbortController();
      const aborted = create({
        model: '/nano/', backend: 'cpu', store: false, signal: abort.signal,
        fetch: (url, init) => (url.includes('/chunks/') ? new Promise((_, reject) => {
          init!.signal!.addEventListener('abort', () => reject(new Error('ended')));
          abort.abort();
        }) : fetch(url, init)),
      }).then(() => '', (e) => String(e.name));
      return { refused: refused.ok, ok: verdict.ok, verified: ai.info.verified, urls, failing, aborted: await aborted };
    });
    server.fault = () => undefined;
    assert.deepEqual([told.refused, told.ok, told.verified, told.aborted], [false, true, true, 'AbortError']);
    assert.ok(told.urls.filter((u) => u.includes('/chunks/')).length > 0 && told.urls.every((u) => u.endsWith(' key') || u.endsWith(' null')), told.urls.join('\n'));
    assert.match(told.failing, /cannot be reached/);
    await close();
  });

  test('tells of the prompt and of each token, and of what it does', { timeout }, async () => {
    const { page, close } = await visitor();
    const told = await page.evaluate(async (ask) => {
      const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      const lines: string[] = [];
      const write = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
      const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
      const ai = await create({ model: '/nano/', backend: 'cpu', logLevel: 'info', logger });
      const prompt: { done: number; total: number }[] = [], tokens: ReplyToken[] = [], whole: ReplyToken[] = [];
      for await (const _ of ai.chat.completions.create(ask, { onPrompt: (p) => prompt.push(p), onToken: (t) => tokens.push(t) })) {
        // to its end
      }
      const answer = await ai.chat.completions.create({ ...ask, stream: false }, { onToken: (t) => whole.push(t) });
      const text = await ai.detokenize(tokens.map((t) => t.id));
      const wrong = await create({ model: '/nano/', backend: 'cpu', logLevel: 'loud' as 'info' }).catch((e) => e.message);
      return { prompt, tokens, whole, text, answer: answer.choices[0]!.message.content!, usage: answer.usage!, lines, wrong };
    }, ask);
    assert.deepEqual(told.prompt.at(-1), { done: told.usage.prompt_tokens, total: told.usage.prompt_tokens });
    assert.ok(told.prompt.length >= 2 && told.prompt.every((p, i) => i === 0 || p.done >= told.prompt[i - 1]!.done));
    assert.equal(told.tokens.length, told.usage.completion_tokens);
    assert.deepEqual(told.tokens.map((t) => t.index), told.tokens.map((_, i) => i));
    assert.ok(told.tokens.every((t, i) => t.milliseconds > 0 && (i === 0 || t.milliseconds >= told.tokens[i - 1]!.milliseconds)));
    assert.deepEqual(told.whole.map((t) => t.id), told.tokens.map((t) => t.id));
    assert.ok(told.text.includes(told.answer), told.text);
    assert.ok(told.lines.includes('info gossamer: loading: load') && told.lines.includes('info gossamer: a reply has ended'), told.lines.join('\n'));
    assert.ok(!told.lines.some((l) => l.startsWith('debug')));
    assert.match(told.wrong, /logLevel is "loud"/);
    await close();
  });

  test('goes on with a reply after the page was loaded again, at whatever moment', { timeout }, async () => {
    const { page, close } = await visitor(holdReplies);
    await open(page);
    const long = { ...ask, messages: [{ role: 'user' as const, content: 'What is 917 + 485?' }], reasoning_effort: 'high' as const, temperature: 1, seed: 5, max_completion_tokens: 60 };
    const want = await reply(page, long);
    for (const moment of [1, 7, 25]) {
      await page.evaluate(({ long, moment }) => {
        globalThis.framesShown = 40;
        void (async () => {
          let n = 0;
          for await (const _ of globalThis.ai.chat.completions.create(long, { keep: 'sum' })) {
            if (++n === moment) {
              document.title = `after ${moment} chunks`;
            }
          }
        })();
      }, { long, moment });
      await page.waitForFunction((moment) => document.title === `after ${moment} chunks`, moment);
      await page.reload();
      await open(page);
      const got = await page.evaluate(async () => {
        const { completions } = globalThis.ai.chat;
        const names = completions.interrupted();
        let text = '', roles = 0, last = '';
        for await (const { choices: [choice] } of completions.resume('sum')) {
          text += choice?.delta.reasoning ?? choice?.delta.content ?? '';
          roles += choice?.delta.role ? 1 : 0;
          last = choice?.finish_reason ?? last;
        }
        const again = await completions.resume('sum').then(() => '', (e) => e.message);
        return { names, text, roles, last, left: completions.interrupted(), again };
      });
      assert.deepEqual([got.names, got.roles, got.left], [['sum'], 1, []], `after ${moment} chunks`);
      assert.match(got.last, /length|stop/);
      assert.equal(got.text, want, `after ${moment} chunks`);
      assert.match(got.again, /no reply is kept as "sum"/);
    }
    const ended = await page.evaluate(async (long) => {
      const { completions } = globalThis.ai.chat;
      for await (const _ of completions.create(long, { keep: 'ended' })) {
        break; // which ends it
      }
      localStorage.setItem('gossamer reply other', JSON.stringify({ model: 'https://example.org/manifest.json', body: '{}', tokens: [] }));
      const other = await completions.resume('other').then(() => '', (e) => e.message);
      completions.forget('other');
      return [other, completions.interrupted()];
    }, long);
    assert.match(String(ended[0]), /is of the model https:\/\/example\.org/);
    assert.deepEqual(ended[1], []);
    await close();
  });
});
