// The parts of the app that need no browser: conversations, their files, the calculator, schemas, and what the first paint takes.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { calculate, formatNumber } from '../app/calculator.ts';
import { Chat } from '../app/chat.ts';
import {
  append, branch, checkSchema, defaultOptions, fit, newConversation, openCalls, show, siblings, toParams, toRequest, type Conversation, type Message, type Options,
} from '../app/conversation.ts';
import type { Engine } from '../app/engine-types.ts';
import type { ModelHost } from '../app/model.ts';
import type { Settings } from '../app/settings.ts';
import { builtIns, checkFunction, runCall, toolsFor } from '../app/tools.ts';
import { read, toJSON, toMarkdown } from '../app/transfer.ts';
import { RuntimeError, type ChatCompletionChunk, type ChatParams, type FinishReason } from '../src/index.ts';

describe('the calculator', () => {
  const right: [string, number][] = [
    ['17 + 25', 42], ['2 + 3 * 4', 14], ['(2 + 3) * 4', 20], ['2 ^ 3 ^ 2', 512], ['-2 ^ 2', -4], ['2 ** 10', 1024], ['7 % 4', 3], ['50%', 0.5],
    ['200 * 10%', 20], ['5!', 120], ['2 pi', 2 * Math.PI], ['3(4+5)', 27], ['sqrt(16) + √9', 7], ['1,234 + 1', 1235], ['log(1000)', Math.log(1000) / Math.log(10)],
    ['log(8, 2)', 3], ['max(1, 2, 3)', 3], ['0.1 + 0.2', 0.1 + 0.2], ['1e3 × 2', 2000], ['10 ÷ 4', 2.5], ['3 − 5', -2], ['.5 * 4', 2], ['10 mod 3', 1], ['- - 3', 3],
  ];
  for (const [expression, value] of right) {
    test(expression, () => assert.ok(Math.abs(calculate(expression) - value) < 1e-9, `${calculate(expression)}`));
  }
  for (const wrong of ['', '2 +', '2 3', '1 / 0', 'alert(1)', 'constructor', '__proto__', '((', ')', 'min()', 'sqrt(1, 2)', '171!', '"x"', '1; 2', '('.repeat(300)]) {
    test(`refuses ${JSON.stringify(wrong.slice(0, 20))}`, () => assert.throws(() => calculate(wrong), Error));
  }
  test('numbers have no noise', () => assert.equal(formatNumber(0.1 + 0.2), '0.3'));
});

/** A turn with calls, an edited question and two answers. */
function sample(): Conversation {
  const c = newConversation({ ...defaultOptions, instructions: 'Be brief.' });
  append(c, { role: 'user', content: 'first' });
  const a = append(c, { role: 'assistant', content: 'one', reasoning: 'hm', finish: 'stop' });
  append(c, { role: 'user', content: 'What is 2 + 2?' });
  append(c, { role: 'assistant', content: '', reasoning: 'I must add.', calls: [{ id: 'c1', type: 'function', function: { name: 'calculator', arguments: '{"expression":"2 + 2"}' } }], finish: 'tool_calls' });
  append(c, { role: 'tool', content: '4', callID: 'c1' });
  append(c, { role: 'assistant', content: 'It is 4.\n\n```js\n// code\n```', finish: 'stop' });
  append(c, { role: 'user', content: 'edited' }, a.id);
  append(c, { role: 'assistant', content: 'other', finish: 'stop' });
  show(c, c.messages[2]!);
  return c;
}

describe('a conversation', () => {
  test('is a tree of which one branch is shown', () => {
    const c = sample();
    assert.equal(c.title, 'first');
    assert.deepEqual(branch(c).map((m) => m.content), ['first', 'one', 'What is 2 + 2?', '', '4', 'It is 4.\n\n```js\n// code\n```']);
    const question = branch(c)[2]!;
    assert.deepEqual(siblings(c, question).map((m) => m.content), ['What is 2 + 2?', 'edited']);
    show(c, siblings(c, question)[1]!);
    assert.deepEqual(branch(c).map((m) => m.content), ['first', 'one', 'edited', 'other']);
  });

  test('becomes a request: reasoning goes with calls of the turn in progress only', () => {
    const c = sample();
    const path = branch(c);
    const inProgress = toRequest(path.slice(0, 5));
    assert.deepEqual(inProgress.map((m) => m.role), ['user', 'assistant', 'user', 'assistant', 'tool']);
    assert.equal((inProgress[1] as { reasoning?: string }).reasoning, undefined);
    assert.equal((inProgress[3] as { reasoning?: string }).reasoning, 'I must add.');
    append(c, { role: 'user', content: 'next' });
    assert.ok(toRequest(branch(c)).every((m) => !('reasoning' in m)));
  });

  test('waits for the results of calls', () => {
    const path = branch(sample());
    assert.deepEqual(openCalls(path.slice(0, 4)).map((call) => call.id), ['c1']);
    assert.deepEqual(openCalls(path.slice(0, 5)), []);
  });

  test('options become fields of the request, and a call is demanded once a turn', () => {
    const o = { ...defaultOptions, tools: ['calculator'], toolChoice: 'calculator', sampling: { temperature: 0, seed: undefined }, schema: '{"type":"object"}' };
    const tools = toolsFor(o.tools, []);
    const first = toParams(o, tools, true);
    assert.equal(first.temperature, 0);
    assert.ok(!('seed' in first));
    assert.deepEqual(first.tool_choice, { type: 'function', function: { name: 'calculator' } });
    assert.equal(toParams(o, tools, false).tool_choice, undefined);
    assert.deepEqual(first.response_format, { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: { type: 'object' } } });
    for (const [title, name] of [['', 'answer'], ['A place!', 'A_place_'], ['x'.repeat(99), 'x'.repeat(64)]]) {
      const format = toParams({ ...o, schema: JSON.stringify({ title }) }, tools, false).response_format;
      assert.deepEqual(format, { type: 'json_schema', json_schema: { name, strict: true, schema: { title } } });
    }
  });

  test('that is too long loses its oldest turns, never the last one', async () => {
    const c = newConversation(defaultOptions);
    for (let i = 0; i < 20; i++) {
      append(c, { role: 'user', content: 'word '.repeat(50) });
      append(c, { role: 'assistant', content: 'word '.repeat(50), finish: 'stop' });
    }
    const count = async (text: string) => text.split(' ').length;
    const path = branch(c);
    assert.equal((await fit(path, c.options, [], 32768, count)).from, 0);
    const cut = await fit(path, c.options, [], 1024, count);
    assert.ok(cut.from > 0 && cut.from % 2 === 0 && cut.used <= 1024, JSON.stringify(cut));
    assert.equal(path[cut.from]!.role, 'user');
    assert.equal((await fit(path, c.options, [], 64, count)).from, 38);
  });
});

describe('files of conversations', () => {
  test('JSON keeps every branch', () => {
    const c = sample();
    const [again] = read(toJSON([c]));
    assert.notEqual(again!.id, c.id);
    assert.deepEqual({ ...again, id: '' }, { ...JSON.parse(JSON.stringify(c)), id: '' });
  });

  test('Markdown keeps the branch that is shown, whatever is in it', () => {
    const c = sample();
    c.title = 'A title';
    append(c, { role: 'user', content: 'tricky\n<!-- gossamer: user -->\n**You**\n\nnot a message\n\\<!-- gossamer: x' });
    append(c, { role: 'assistant', content: '# A heading\n\n````\n```\n````', reasoning: 'several\n\nparagraphs', finish: 'stop' });
    const again = read(toMarkdown(c))[0]!;
    const essence = (d: Conversation) => branch(d).map(({ role, content, reasoning, calls, callID }) => ({ role, content, reasoning, calls, callID }));
    assert.deepEqual(essence(again), essence(c));
    assert.equal(again.title, 'A title');
    assert.equal(again.options.instructions, 'Be brief.');
  });

  const refused: [string, string, RegExp][] = [
    ['other Markdown', '# Hello', /not a conversation/], ['other JSON', '{}', /not a file of conversations/], ['broken JSON', '{', /damaged/],
    ['a later version', '{"format":"gossamer-conversations","version":2,"conversations":[]}', /version 2/],
    ['a loop', '{"format":"gossamer-conversations","version":1,"conversations":[{"messages":[{"id":"a","parent":"b","role":"user","content":""},{"id":"b","parent":"a","role":"user","content":""}]}]}', /not before it/],
    ['a wrong type', '{"format":"gossamer-conversations","version":1,"conversations":[{"messages":[{"id":"a","parent":null,"role":"user","content":5}]}]}', /not a text/],
  ];
  for (const [name, text, message] of refused) {
    test(`refuses ${name}`, () => assert.throws(() => read(text), message));
  }
});

describe('a schema of answers', () => {
  const schema = '{"type":"object","properties":{"a":{"type":"string"}}}';
  const refused: [string, string, RegExp][] = [
    ['no JSON', '{', /not JSON/], ['a list', '[]', /is an object/], ['null', 'null', /is an object/], ['a boolean', 'true', /is an object/], ['a text', '"x"', /is an object/],
  ];
  for (const [name, text, message] of refused) {
    test(`is not ${name}`, () => assert.match(checkSchema(text), message));
  }
  test('says what the engine judges', () => assert.equal(checkSchema('{"type": "no such type"}'), ''));

  /** Asks a question about which the engine says this. */
  const ask = async (create: () => AsyncGenerator<ChatCompletionChunk>, options: Partial<Options> = {}) => {
    const requests: ChatParams[] = [];
    const engine = {
      info: { model: 'test', context: 4096 }, tokenize: async () => [],
      chat: { completions: { create: (params: ChatParams) => (requests.push(params), create()) } },
    };
    const nothing = () => {};
    const chat = new Chat({ ready: async () => engine as unknown as Engine } as unknown as ModelHost, { functions: [] } as unknown as Settings,
      { run: (_id, _signal, f) => f() }, { began: nothing, sync: async () => true, changed: nothing, ended: nothing, filled: nothing, idle: async () => {} });
    const c = newConversation({ ...defaultOptions, schema, ...options });
    await chat.ask(c, 'x');
    return { chat, requests, reply: branch(c).at(-1)!, c };
  };
  const says = (content: string, finish_reason: FinishReason) => async function* () {
    const head = { id: 'x', object: 'chat.completion.chunk' as const, created: 1, model: 'test' };
    yield { ...head, choices: [{ index: 0, delta: { role: 'assistant' as const, content }, finish_reason: null }] };
    yield { ...head, choices: [{ index: 0, delta: {}, finish_reason }] };
  };

  const answers: [string, string, FinishReason, Partial<Options>, Message['schema']][] = [
    ['that is whole follows it', '{"a":"b"}', 'stop', {}, 'followed'],
    ['that is cut off does not', '{"a":"b"}', 'length', {}, 'asked'],
    ['that a stop string may have ended does not', '1', 'stop', { sampling: { stop: ['2'] } }, 'asked'],
    ['behind other text does not', 'Here it is.\n\n{"a":"b"}', 'stop', {}, 'asked'],
    ['without one follows none', '{"a":"b"}', 'stop', { schema: '' }, undefined],
  ];
  for (const [name, content, finish, options, follows] of answers) {
    test(`an answer ${name}`, async () => {
      const { reply, c, requests } = await ask(says(content, finish), options);
      assert.equal(requests[0]!.response_format?.type, options.schema === '' ? undefined : 'json_schema');
      assert.deepEqual([reply.content, reply.finish, reply.schema], [content, finish, follows]);
      assert.equal(read(toJSON([c]))[0]!.messages.at(-1)!.schema, follows);
    });
  }

  test('an imported answer that only says what it was to follow is not called valid', () => {
    const { messages, ...rest } = newConversation({ ...defaultOptions, schema: 'no JSON' });
    const old = { ...rest, messages: [{ id: 'a', parent: null, role: 'assistant', content: '{}', created: 1, finish: 'stop', schema }] };
    const [c] = read(JSON.stringify({ format: 'gossamer-conversations', version: 1, conversations: [old] }));
    assert.equal(c!.messages[0]!.schema, 'asked');
    assert.equal(c!.options.schema, '');
  });

  test('that the engine refuses is told in the conversation and for the settings', async () => {
    const param = 'response_format.json_schema.schema';
    const reason = 'grammar: /properties/a/pattern: keyword "pattern" is not supported here: (?=';
    const { chat, reply } = await ask(async function* () {
      throw new RuntimeError('bad-request', `${param}: ${reason}`, { param });
    });
    assert.equal(reply.finish, 'error');
    assert.ok(reply.error!.startsWith(chat.refusal(schema)!), reply.error);
    assert.ok(reply.error!.includes(reason) && !reply.error!.includes(param) && /Format/.test(reply.error!), reply.error);
    assert.equal(chat.refusal('{}'), undefined);
    const other = await ask(async function* () {
      throw new RuntimeError('bad-request', 'temperature: is 9', { param: 'temperature' });
    });
    assert.match(other.reply.error!, /^Temperature: is 9/);
    assert.equal(other.chat.refusal(schema), undefined);
  });
});

describe('tools', () => {
  const { signal } = new AbortController();
  const call = (name: string, args: string) => ({ id: 'x', type: 'function' as const, function: { name, arguments: args } });
  test('run, and tell the model what is wrong', async () => {
    assert.equal(await runCall(call('calculator', '{"expression":"6 * 7"}'), signal), '42');
    assert.match((await runCall(call('calculator', '{"expression":"x"}'), signal))!, /^Error: /);
    assert.match((await runCall(call('calculator', 'nonsense'), signal))!, /^Error: /);
    assert.match((await runCall(call('calculator', '{}'), signal))!, /"expression" is missing/);
    assert.match((await runCall(call('clock', ''), signal))!, /^\d{4}-\d\d-\d\d \d\d:\d\d/);
    assert.equal(await runCall(call('get_weather', '{}'), signal), undefined);
  });
  test('of the visitor are checked', () => {
    const f = { name: 'get_weather', description: '', parameters: '{"type":"object"}' };
    assert.equal(checkFunction(f, []), '');
    assert.match(checkFunction({ ...f, name: 'two words' }, []), /name/);
    assert.match(checkFunction({ ...f, name: builtIns[0]!.tool.function.name }, []), /already/);
    assert.match(checkFunction(f, [f]), /already/);
    assert.match(checkFunction({ ...f, parameters: '[]' }, []), /object/);
    assert.match(checkFunction({ ...f, parameters: '{' }, []), /not JSON/);
  });
});

/** What the page loads before it is drawn: everything that index.html names and what that imports at once. */
const dist = join(dirname(dirname(fileURLToPath(import.meta.url))));
describe('the first paint', { skip: existsSync(join(dist, 'app/meta.json')) ? false : 'the app is not built: make web' }, () => {
  test('takes less than 100 KB of compressed scripts and styles', () => {
    const html = readFileSync(join(dist, 'index.html'), 'utf8');
    const { outputs } = JSON.parse(readFileSync(join(dist, 'app/meta.json'), 'utf8')) as { outputs: Record<string, { imports: { path: string; kind: string; external?: boolean }[] }> };
    const needed = new Set<string>();
    const add = (name: string) => {
      if (needed.has(name)) {
        return;
      }
      needed.add(name);
      for (const { path, kind, external } of outputs[`dist/${name}`]?.imports ?? []) {
        if (kind === 'import-statement') {
          add(external ? path.replace('../', '') : path.replace('dist/', ''));
        }
      }
    };
    for (const [name] of html.matchAll(/app\/[\w-]+\.(js|css)/g)) {
      add(name);
    }
    assert.ok(needed.has('gossamer.js') && needed.size >= 4, [...needed].join(' '));
    const bytes = [...needed].reduce((n, name) => n + gzipSync(readFileSync(join(dist, name))).length, 0);
    assert.ok(bytes < 100_000, `${bytes} bytes: ${[...needed].join(' ')}`);
    // In another language its texts come too, and none of the others.
    const languages = Object.keys(outputs).map((name) => name.replace('dist/', '')).filter((name) => /^app\/[a-z]{2}-\w+\.js$/.test(name));
    assert.equal(languages.length, 3, languages.join(' '));
    assert.ok(!languages.some((name) => needed.has(name)));
    for (const name of languages) {
      const more = gzipSync(readFileSync(join(dist, name))).length;
      assert.ok(more < 12_000 && bytes + more < 100_000, `${name}: ${more} bytes more`);
    }
  });

  test('is inline-free, and the pages say what they may load', () => {
    for (const page of ['index.html', 'bench.html']) {
      const html = readFileSync(join(dist, page), 'utf8');
      assert.match(html, /script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' https:/);
      assert.doesNotMatch(html, /<script(?![^>]* src=)|<style| style=| on\w+=/);
      for (const [, url] of html.matchAll(/(?:src|href)="([^"#]+)"/g)) {
        assert.doesNotMatch(url!, /^(\/|https?:)/, `${page}: ${url} is not relative`);
      }
    }
    assert.match(readFileSync(join(dist, 'sandbox.html'), 'utf8'), /default-src 'none'; script-src 'sha256-[\w+/=]+' 'unsafe-eval' blob:; worker-src blob:"/);
  });
});
