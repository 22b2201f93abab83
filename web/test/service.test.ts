// OpenAI's API through a service worker, in Chromium: OpenAI's own library as its users bundle it. The processor computes, which is quicker
// than a GPU that a processor plays; what it says is the same (cpu.test.ts).

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import type OpenAI from 'openai';
import type { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import type { CDPSession, Page } from 'playwright-core';
import type { z } from 'zod';
import { serveNano, skip, sourceOf, timeout, visit, type Gossamer, type Visit } from './browser.ts';
import type { ChatCompletion, ChatParams, StructuredOutputs } from '../src/index.ts';
import type { Server } from './server.ts';

/** What the tests keep in a page. */
interface Globals {
  openai: OpenAI;
  /** The same, without the service worker. */
  direct: OpenAI;
  zod: { z: typeof z; zodFunction: typeof zodFunction; zodResponseFormat: typeof zodResponseFormat };
  ai: Awaited<ReturnType<Gossamer['create']>>;
  reply: Promise<{ text: string; content: string; finish: string; error?: string; after: number }>;
  said: string;
  OpenAI: typeof OpenAI;
  abort: AbortController;
  whole: Promise<'answered' | boolean>;
}
declare const globalThis: Globals & typeof window;

// Without the markers that end reasoning and answer, a reply goes on until it has its number of tokens.
const endless = { '200002': -100, '200007': -100, '200012': -100 };
const ask = (tokens: number) =>
  ({ model: 'nano', messages: [{ role: 'user' as const, content: 'What is 17 + 25?' }], seed: 1, logit_bias: endless, max_completion_tokens: tokens });

/** A schema of answers as it is in a request. */
const format = (schema: object, strict: boolean) => ({ type: 'json_schema', json_schema: { name: 'answer', schema, strict } });
/** A schema that cannot be enforced. */
const lookahead = { type: 'object', properties: { a: { type: 'string', pattern: '(?=b)' } }, required: ['a'], additionalProperties: false };

/** A page that uses OpenAI's library, with schemas of zod. */
const app = `
  import OpenAI from 'openai';
  import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
  import { z } from 'zod';
  import { localFetch } from 'gossamer';
  const options = { baseURL: new URL('v1', document.baseURI).href, apiKey: 'none', dangerouslyAllowBrowser: true };
  Object.assign(globalThis, { openai: new OpenAI(options), direct: new OpenAI({ ...options, fetch: localFetch }), OpenAI, zod: { z, zodFunction, zodResponseFormat } });`;

/** A service worker of a site that has other things to do as well. */
const worker = `
  import { serve } from ${JSON.stringify(sourceOf('service.ts'))};
  serve();
  addEventListener('install', () => skipWaiting());
  addEventListener('activate', (event) => event.waitUntil(clients.claim()));
  addEventListener('fetch', (event) => {
    if (event.request.url.endsWith('/own')) {
      event.respondWith(new Response('of the site'));
    }
  });`;

async function bundle(contents: string, format: 'esm' | 'iife'): Promise<Uint8Array> {
  const resolveDir = join(sourceOf(''), '..');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir }, bundle: true, format, write: false, logLevel: 'warning', alias: { gossamer: sourceOf('index.ts') }, define: { BUILD: '"test"' },
  });
  return outputFiles[0]!.contents;
}

describe('the API of a service worker', { skip }, () => {
  let server: Server;
  let visitor: Visit;
  /** A page that uses the API, and the one that runs the model. */
  let page: Page, owner: Page;
  let devtools: CDPSession;

  before(async () => {
    const html = Buffer.from('<!doctype html><title>app</title><script type="module" src="app.js"></script>');
    server = await serveNano({ '/site/app.html': html, '/site/app.js': await bundle(app, 'esm'), '/site/service-worker.js': await bundle(worker, 'iife') });
    visitor = await visit(`${server.url}site/app.html`, { args: ['--disable-gpu'] });
    page = visitor.page;
    await page.evaluate(async () => {
      await navigator.serviceWorker.register('service-worker.js');
      await navigator.serviceWorker.ready;
    });
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null && globalThis.openai !== undefined);
    devtools = await visitor.context.newCDPSession(page);
    await devtools.send('ServiceWorker.enable');
  });
  after(async () => {
    await server?.close();
  });

  /** A raw request. */
  const post = (body: string, path = 'v1/chat/completions', method = 'POST', more: Record<string, string> = {}) =>
    page.evaluate(async ({ body, path, method, more }) => {
      const response = await fetch(path, { method, ...(method === 'POST' && { body, headers: { 'content-type': 'application/json', ...more } }) });
      const text = await response.text();
      return { status: response.status, type: response.headers.get('content-type'), text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
    }, { body, path, method, more });

  test('says what to do where no model is open', { timeout }, async () => {
    const chat = await post(JSON.stringify(ask(8)));
    assert.equal(chat.status, 503);
    assert.deepEqual(chat.json.error, {
      message: `No tab of this site has a model open. Open ${visitor.url}site/ and load one, then ask again.`, type: 'server_error', param: null, code: 'no_model',
    });
    assert.equal((await post('', 'v1/models', 'GET')).status, 503);
    const thrown = await page.evaluate((ask) => globalThis.openai.chat.completions.create(ask).then(() => '', (e) => `${e.constructor === globalThis.OpenAI.InternalServerError} ${e.status} ${e.code}`), ask(8));
    assert.equal(thrown, 'true 503 no_model');
    const direct = await page.evaluate((ask) => globalThis.direct.chat.completions.create(ask).then(() => '', (e) => e.code), ask(8));
    assert.equal(direct, 'no_model');
    assert.equal((await post('', 'own', 'GET')).text, 'of the site');
  });

  test('lists the models that are open, one that is being loaded not yet', { timeout }, async () => {
    owner = await visitor.newPage(`${visitor.url}page.html`);
    // Weights come when all has been seen that there is to see without them.
    let go = () => {};
    const wait = new Promise<void>((resolve) => (go = resolve));
    server.fault = (path) => (path.includes('/chunks/') ? { wait } : undefined);
    const opening = owner.evaluate(async () => {
      const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      globalThis.ai = await create({ model: '/nano/', backend: 'cpu', context: 1024, share: true, onNotice() {} });
    });
    let early;
    do {
      early = await post(JSON.stringify(ask(8)));
    } while (['no_model', 'suspended'].includes(early.json.error?.code)); // a tab that is busy for long is taken for a suspended one
    assert.equal(early.status, 503);
    assert.equal(early.json.error.code, 'model_loading');
    go();
    await opening;
    const models = await page.evaluate(async () => {
      const list = [];
      for await (const model of globalThis.openai.models.list()) {
        list.push(model);
      }
      return { list, one: await globalThis.openai.models.retrieve('nano'), none: await globalThis.openai.models.retrieve('other').catch((e) => [e.status, e.code]) };
    });
    assert.equal(models.list.length, 1);
    assert.deepEqual([models.list[0]!.id, models.list[0]!.object, models.list[0]!.owned_by], ['nano', 'model', 'gossamer']);
    assert.deepEqual(models.one, models.list[0]);
    assert.deepEqual(models.none, [404, 'model_not_found']);
  });

  test('answers OpenAI\'s library, whole and in parts', { timeout }, async () => {
    const { whole, parts, usage } = await page.evaluate(async (ask) => {
      const whole = await globalThis.openai.chat.completions.create(ask);
      const parts = [];
      for await (const chunk of await globalThis.openai.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
        parts.push(chunk);
      }
      return { whole, parts, usage: parts.at(-1)!.usage };
    }, ask(12));
    const reasoning = (message: object | undefined) => (message as { reasoning?: string } | undefined)?.reasoning ?? '';
    assert.equal(whole.object, 'chat.completion');
    assert.ok(reasoning(whole.choices[0]!.message).length > 0);
    assert.ok(parts.length > 4);
    assert.equal(parts.map((p) => reasoning(p.choices[0]?.delta)).join(''), reasoning(whole.choices[0]!.message));
    assert.equal(usage!.completion_tokens, 12);
    const { type, text } = await post(JSON.stringify({ ...ask(4), stream: true }));
    assert.equal(type, 'text/event-stream');
    assert.ok(text.split('\n\n').slice(0, -1).every((event) => event.startsWith('data: ')));
    assert.ok(text.endsWith('data: [DONE]\n\n'));
  });

  test('makes a round trip to a tool', { timeout }, async () => {
    const { first, second } = await page.evaluate(async () => {
      const tools = [{
        type: 'function' as const,
        function: { name: 'get_time', description: 'Tells the time.', parameters: { type: 'object', properties: { zone: { type: 'string' } }, required: ['zone'] } },
      }];
      const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'What time is it in Paris?' }];
      const ask = { model: 'nano', tools, seed: 1, max_completion_tokens: 60 };
      const stream = globalThis.openai.chat.completions.stream({ ...ask, messages, tool_choice: { type: 'function', function: { name: 'get_time' } } });
      const first = await stream.finalChatCompletion();
      const { message } = first.choices[0]!;
      messages.push(message);
      for (const call of message.tool_calls ?? []) {
        messages.push({ role: 'tool', tool_call_id: call.id, content: '{"time": "12:34"}' });
      }
      const second = await globalThis.openai.chat.completions.create({ ...ask, messages, tool_choice: 'none' });
      return { first: first.choices[0]!, second: second.choices[0]! };
    });
    const call = first.message.tool_calls![0]!;
    assert.equal(call.type, 'function');
    assert.equal(call.type === 'function' && call.function.name, 'get_time');
    assert.ok(call.id);
    assert.equal(first.finish_reason, 'tool_calls');
    assert.equal(typeof JSON.parse(call.type === 'function' ? call.function.arguments : '').zone, 'string');
    assert.equal(second.message.role, 'assistant');
    assert.ok(['stop', 'length'].includes(second.finish_reason));
  });

  test('refuses hostile and invalid requests', { timeout }, async () => {
    const hello = '[{"role":"user","content":"Hello"}]';
    const cases: [string, string, number, string | null][] = [
      ['no JSON', '{', 400, null],
      ['not an object', '[1]', 400, null],
      ['null', 'null', 400, null],
      ['empty', '', 400, null],
      ['empty object', '{}', 400, 'messages'],
      ['no messages', '{"messages":[]}', 400, 'messages'],
      ['type', '{"messages":"Hello"}', 400, 'messages'],
      ['role', '{"messages":[{"role":"root","content":"x"}]}', 400, 'messages[0].role'],
      ['twice', `{"messages":${hello},"messages":${hello}}`, 400, 'messages'],
      ['range', `{"messages":${hello},"temperature":9}`, 400, 'temperature'],
      ['unsupported', `{"messages":${hello},"n":30,"stream":true}`, 400, 'n'],
      ['no schema', `{"messages":${hello},"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true}}}`, 400, 'response_format.json_schema.schema'],
      ['two formats', `{"messages":${hello},"response_format":{"type":"json_object"},"structured_outputs":{"regex":"a"}}`, 400, 'structured_outputs'],
      ['effort', `{"messages":${hello},"reasoning_effort":"none","tools":[{"type":"function","function":{"name":"f"}}]}`, 400, 'reasoning_effort'],
      ['deep', `{"messages":${'['.repeat(5000)}${']'.repeat(5000)}}`, 400, null],
      ['too long', JSON.stringify({ messages: [{ role: 'user', content: 'word '.repeat(4000) }] }), 400, 'messages'],
      ['large', `{"messages":${hello},"temperature":9,"user":"${'x'.repeat(12 << 20)}"}`, 400, 'temperature'],
      ['too large', `{"messages":${hello},"user":"${'x'.repeat(17 << 20)}"}`, 413, null],
    ];
    for (const [name, body, status, param] of cases) {
      const got = await post(body).catch((e: Error) => { throw new Error(`${name}: ${e.message}`); });
      assert.equal(got.status, status, `${name}: ${got.text}`);
      assert.equal(got.json.error.type, 'invalid_request_error', name);
      assert.equal(got.json.error.param, param, `${name}: ${got.text}`);
      assert.ok(got.json.error.message.length > 10, name);
    }
    const unknown = `{"messages":${hello},"__proto__":{"x":1},"colour":"red","max_tokens":1}`;
    assert.deepEqual((await post(unknown)).json.ignored, ['__proto__', 'colour']);
    assert.equal((await post(unknown, undefined, undefined, { 'x-gossamer-strict': 'true' })).json.error.param, '__proto__');
    assert.equal((await post('', 'v1/chat/completions', 'GET')).status, 405);
    assert.equal((await post('{}', 'v1/embeddings')).json.error.code, 'unknown_url');
    const thrown = await page.evaluate(() =>
      globalThis.openai.chat.completions.create({ model: 'nano', messages: [], temperature: 9 }).then(() => undefined, (e) => ({ kind: e instanceof globalThis.OpenAI.BadRequestError, param: e.param })));
    assert.equal(thrown!.kind, true);
  });

  test('refuses a schema that cannot be enforced, before a reply begins, or names what is not enforced', { timeout }, async () => {
    const requests = (strict: boolean) => [
      { response_format: format(lookahead, strict) },
      { tools: [{ type: 'function', function: { name: 'f', parameters: lookahead, strict } }] },
    ];
    const fields = ['response_format.json_schema.schema', 'tools[0].function.parameters'];
    for (const stream of [false, true]) {
      for (const [i, more] of requests(true).entries()) {
        const { status, json } = await post(JSON.stringify({ ...ask(40), ...more, stream }));
        assert.equal(status, 400);
        const { message, ...error } = json.error;
        assert.deepEqual(error, { type: 'invalid_request_error', param: fields[i], code: 'unsupported_schema' });
        assert.match(message, /\/properties\/a\b.*pattern/);
      }
      for (const [i, more] of requests(false).entries()) {
        const { status, text } = await post(JSON.stringify({ ...ask(40), ...more, stream }));
        assert.equal(status, 200, text);
        const first = JSON.parse(stream ? text.slice('data: '.length, text.indexOf('\n')) : text);
        assert.deepEqual(first.ignored, [`${fields[i]!.replace('[0]', '[]')}/properties/a/pattern`]);
      }
    }
    const thrown = await page.evaluate((more) =>
      globalThis.openai.chat.completions.create({ model: 'nano', messages: [{ role: 'user', content: 'Hello' }], ...more } as OpenAI.ChatCompletionCreateParamsNonStreaming)
        .then(() => undefined, (e) => [e instanceof globalThis.OpenAI.BadRequestError, e.code, e.param]), requests(true)[0]!);
    assert.deepEqual(thrown, [true, 'unsupported_schema', fields[0]]);
  });

  test('OpenAI\'s library parses answers by a zod schema, whatever is drawn and however few tokens there are', { timeout }, async () => {
    const replies = await page.evaluate(async () => {
      const { z, zodResponseFormat } = globalThis.zod;
      const trip = z.object({ kind: z.literal('trip'), days: z.int().min(1).max(30), towns: z.array(z.enum(['Rome', 'Oslo'])).min(1).max(3) });
      const talk = z.object({ kind: z.literal('talk'), room: z.string().regex(/^[A-Z]-\d{3}$/), mail: z.email().nullable() });
      const Event = z.object({ title: z.string().min(1).max(40), date: z.iso.date(), what: z.discriminatedUnion('kind', [trip, talk]) });
      const ask = {
        model: 'nano', messages: [{ role: 'user' as const, content: 'Plan something for Anna.' }], response_format: zodResponseFormat(Event, 'event'),
        temperature: 1.5, max_completion_tokens: 100,
      };
      const whole = await globalThis.openai.chat.completions.parse({ ...ask, seed: 1, n: 2 });
      const short = await globalThis.openai.chat.completions.parse({ ...ask, seed: 2, reasoning_effort: 'none', max_completion_tokens: 60 });
      const streamed = await globalThis.openai.chat.completions.stream({ ...ask, seed: 3 }).finalChatCompletion();
      return [whole, short, streamed].flatMap(({ choices, usage }) => choices.map(({ message: { content, parsed }, finish_reason }) => ({
        content, parsed, finish_reason, tokens: usage?.completion_tokens, valid: Event.safeParse(JSON.parse(content ?? '')).success,
      })));
    });
    assert.equal(replies.length, 4);
    for (const { content, parsed, finish_reason, valid } of replies) {
      assert.equal(finish_reason, 'stop', content!);
      assert.ok(valid && parsed !== null, content!);
      assert.deepEqual(parsed, JSON.parse(content!));
    }
    assert.ok(replies[2]!.tokens! <= 60);
    assert.ok(new Set(replies.map((r) => r.content)).size > 1, 'they are drawn');
  });

  test('OpenAI\'s library parses the arguments of a zod function', { timeout }, async () => {
    const replies = await page.evaluate(async () => {
      const { z, zodFunction } = globalThis.zod;
      const Query = z.object({ city: z.string().max(20), unit: z.enum(['celsius', 'kelvin']).nullable(), days: z.int().min(1).max(7) });
      const ask = {
        model: 'nano', messages: [{ role: 'user' as const, content: 'What is the weather in Paris?' }], temperature: 1.5, max_completion_tokens: 70,
        tools: [zodFunction({ name: 'get_weather', description: 'Get the weather of a city.', parameters: Query }), zodFunction({ name: 'get_time', parameters: z.object({}) })],
      };
      const named = await globalThis.openai.chat.completions.parse({ ...ask, seed: 1, n: 2, tool_choice: { type: 'function', function: { name: 'get_weather' } } });
      const required = await globalThis.openai.chat.completions.stream({ ...ask, seed: 2, tool_choice: 'required' }).finalChatCompletion();
      return [named, required].flatMap(({ choices }) => choices.map(({ message, finish_reason }) => {
        const [call] = message.tool_calls!;
        const { name, arguments: text, parsed_arguments: parsed } = (call as OpenAI.Chat.ParsedFunctionToolCall).function;
        return { name, text, parsed, finish_reason, calls: message.tool_calls!.length, valid: name === 'get_time' || Query.safeParse(JSON.parse(text)).success };
      }));
    });
    assert.equal(replies.length, 3);
    for (const [i, { name, text, parsed, finish_reason, calls, valid }] of replies.entries()) {
      assert.deepEqual([finish_reason, calls], ['tool_calls', 1], text);
      assert.ok(i < 2 ? name === 'get_weather' : ['get_weather', 'get_time'].includes(name), name);
      assert.ok(valid, text);
      assert.deepEqual(parsed, JSON.parse(text));
    }
  });

  test('other forms of answers are enforced too', { timeout }, async () => {
    const forms: [StructuredOutputs, (answer: string) => boolean][] = [
      [{ choice: ['yes', 'no', 'perhaps'] }, (answer) => ['yes', 'no', 'perhaps'].includes(answer)],
      [{ regex: '[A-Z]{2}-\\d{3}' }, (answer) => /^[A-Z]{2}-\d{3}$/.test(answer)],
      [{ grammar: 'root ::= sum ("+" sum)*\nsum ::= [0-9]+ | "(" root ")"' }, (answer) => /^[0-9()+]+$/.test(answer)],
      [{ json: { type: 'array', items: { type: 'boolean' }, maxItems: 3 } }, (answer) => (JSON.parse(answer) as unknown[]).every((v) => typeof v === 'boolean')],
      [{ json_object: true }, (answer) => answer.startsWith('{') && typeof JSON.parse(answer) === 'object'],
    ];
    for (const [structured_outputs, follows] of forms) {
      for (const reasoning_effort of ['none', 'low'] as const) {
        const params: ChatParams = { messages: [{ role: 'user', content: 'Say something.' }], structured_outputs, reasoning_effort, temperature: 1.5, seed: 4, max_completion_tokens: 32 };
        const { json, text } = await post(JSON.stringify(params));
        const [choice] = (json as ChatCompletion).choices;
        assert.equal(choice?.finish_reason, 'stop', text);
        assert.ok(follows(choice.message.content!), `${JSON.stringify(structured_outputs)}: ${choice.message.content}`);
        assert.equal(reasoning_effort === 'none', !choice.message.reasoning, text);
      }
    }
  });

  const stats = () => owner.evaluate(() => globalThis.ai.stats());

  /** Waits until the engine has nothing to do, long before 900 tokens are there. */
  const idle = async () => {
    const { tokens } = await stats();
    for (let now = await stats(); now.replies > 0; now = await stats()) {
      assert.ok(now.tokens - tokens < 400, 'the reply goes on');
    }
  };

  test('ends a reply whose request is aborted', { timeout }, async () => {
    const streamed = await page.evaluate(async (ask) => {
      const stream = await globalThis.openai.chat.completions.create({ ...ask, stream: true });
      let chunks = 0;
      for await (const _ of stream) {
        if (++chunks === 3) {
          stream.controller.abort();
        }
      }
      return chunks;
    }, ask(900));
    assert.equal(streamed, 3);
    await idle();
    await page.evaluate((ask) => {
      globalThis.abort = new AbortController();
      globalThis.whole = globalThis.openai.chat.completions.create(ask, { signal: globalThis.abort.signal })
        .then(() => 'answered', (e) => e.constructor === globalThis.OpenAI.APIUserAbortError);
    }, ask(900));
    while ((await stats()).replies === 0) {} // the engine has not begun it
    assert.equal(await page.evaluate(() => (globalThis.abort.abort(), globalThis.whole)), true);
    await idle();
  });

  /** Begins a streamed reply, and waits until it has said something. */
  const begin = async (by: 'openai' | 'direct', tokens: number, more: object = {}) => {
    await page.evaluate(({ ask, by }) => {
      globalThis.said = '';
      const reply = async () => {
        let finish = '';
        let content = '';
        let error: string | undefined;
        const stream = await globalThis[by].chat.completions.create({ ...ask, stream: true });
        try {
          for await (const chunk of stream) {
            globalThis.said += (chunk.choices[0]?.delta as { reasoning?: string })?.reasoning ?? '';
            content += chunk.choices[0]?.delta.content ?? '';
            finish = chunk.choices[0]?.finish_reason ?? finish;
          }
        } catch (e) {
          error = String(e);
        }
        return { text: globalThis.said, content, finish, error, after: performance.now() };
      };
      globalThis.reply = reply() as typeof globalThis.reply;
    }, { ask: { ...ask(tokens), ...more }, by });
    await page.waitForFunction(() => globalThis.said.length > 5, undefined, { timeout });
  };

  test('survives that the browser stops the service worker', { timeout }, async () => {
    // What is on its way through the service worker breaks, at once and not silently, and the engine goes on to other things.
    await begin('openai', 900);
    await devtools.send('ServiceWorker.stopAllWorkers');
    const broken = await page.evaluate(() => globalThis.reply);
    assert.match(broken.error ?? '', /network error|terminated|Connection/i);
    await idle();

    // The next request starts it again. Replies that do not go through it do not notice.
    await begin('direct', 20);
    await devtools.send('ServiceWorker.stopAllWorkers');
    const { text, finish, error } = await page.evaluate(() => globalThis.reply);
    assert.deepEqual([finish, error], ['length', undefined]);
    const again = await page.evaluate(async (ask) => (await globalThis.openai.chat.completions.create(ask)).choices[0]!.message, ask(20));
    assert.equal((again as { reasoning?: string }).reasoning, text);
  });

  test('goes on when another tab takes over', { timeout }, async () => {
    const heir = await visitor.newPage(`${visitor.url}page.html`);
    await heir.evaluate(async () => {
      const { create } = (await import(new URL('/dist/gossamer.js', location.href).href)) as Gossamer;
      globalThis.ai = await create({ model: '/nano/', backend: 'cpu', context: 1024, share: true, onNotice() {} });
    });
    await begin('openai', 60, { response_format: format({ type: 'object', properties: { a: { enum: [1, 2] } }, required: ['a'], additionalProperties: false }, true) });
    await owner.close();
    owner = heir;
    const { finish, content, error } = await page.evaluate(() => globalThis.reply);
    assert.deepEqual([finish, error], ['stop', undefined]);
    assert.match(content, /^\{"a":[12]\}$/);
  });

  test('tells of the end where no tab takes over', { timeout }, async () => {
    await begin('openai', 900);
    await owner.close();
    const { error } = await page.evaluate(() => globalThis.reply);
    assert.match(error!, /the tab that ran the model was closed\. Open the model in another tab/);
    assert.equal((await post(JSON.stringify(ask(8)))).json.error.code, 'no_model');
  });
});
