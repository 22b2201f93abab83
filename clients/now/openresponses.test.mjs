// The cases of the OpenResponses specification's suite, but for the one with an image: what it sends, and what it looks for in a response
// and in each event.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { answer, call, next, play, think } from '../lib/plays.mjs';
import { model, serve } from '../lib/server.mjs';

const plays = [
  play('weather', { tools: ['get_weather'] }, think('They want the weather.'), next, call('get_weather', { location: 'San Francisco, CA' })),
  play('pirate', { developer: 'pirate' }, think('As a pirate.'), next, answer('Ahoy, matey!')),
  play('name', { user: 'my name', turn: 1 }, think('They said so.'), next, answer('Your name is Alice.')),
  play('count', { user: 'Count' }, think('Easy.'), next, answer('1, 2, 3, 4, 5')),
  play('else', {}, think('Three words.'), next, answer('Hello to you!')),
];

const text = z.string();
const integer = z.number().int();
const part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('reasoning_text'), text }),
  z.object({ type: z.literal('output_text'), text, annotations: z.array(z.never()), logprobs: z.array(z.unknown()) }),
]);
const status = z.enum(['in_progress', 'completed', 'incomplete']);
const item = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message'), id: text, status, role: z.literal('assistant'), content: z.array(part) }),
  z.object({ type: z.literal('reasoning'), id: text, summary: z.array(z.never()), content: z.array(part) }),
  z.object({ type: z.literal('function_call'), id: text, call_id: text, name: text, arguments: text, status }),
]);

/** The object of a response: all 32 keys are there, null where nothing is known. */
const response = z.object({
  id: text, object: z.literal('response'), created_at: integer, completed_at: integer.nullable(), status: text,
  incomplete_details: z.object({ reason: text }).nullable(), model: text, previous_response_id: text.nullable(), instructions: text.nullable(),
  output: z.array(item), error: z.object({ code: text, message: text }).nullable(),
  tools: z.array(z.object({
    type: z.literal('function'), name: text, description: text.nullable(), parameters: z.looseObject({}).nullable(), strict: z.boolean().nullable(),
  })),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), z.looseObject({ type: text })]), truncation: z.enum(['auto', 'disabled']),
  parallel_tool_calls: z.boolean(), text: z.object({ format: z.looseObject({ type: text }), verbosity: z.enum(['low', 'medium', 'high']) }),
  top_p: z.number().positive().max(1), presence_penalty: z.number(), frequency_penalty: z.number(), top_logprobs: integer, temperature: z.number(),
  reasoning: z.object({
    effort: z.enum(['none', 'low', 'medium', 'high', 'xhigh']).nullable(), summary: z.enum(['concise', 'detailed', 'auto']).nullable(),
  }).nullable(),
  user: text.nullable(),
  usage: z.object({
    input_tokens: integer, output_tokens: integer, total_tokens: integer,
    input_tokens_details: z.object({ cached_tokens: integer }), output_tokens_details: z.object({ reasoning_tokens: integer }),
  }).nullable(),
  max_output_tokens: integer.nullable(), max_tool_calls: integer.nullable(), store: z.boolean(), background: z.boolean(), service_tier: text,
  metadata: z.record(text, text), safety_identifier: text.nullable(), prompt_cache_key: text.nullable(),
});
assert.equal(Object.keys(response.shape).length, 32);

/** Events that a stream may have. */
const shape = (type, fields) => z.object({ type: z.literal(type), sequence_number: integer, ...fields });
const inItem = { item_id: text, output_index: integer };
const inPart = { ...inItem, content_index: integer };
const event = z.discriminatedUnion('type', [
  ...['created', 'in_progress', 'completed', 'incomplete', 'failed'].map((kind) => shape(`response.${kind}`, { response })),
  ...['added', 'done'].flatMap((kind) => [
    shape(`response.output_item.${kind}`, { output_index: integer, item }), shape(`response.content_part.${kind}`, { ...inPart, part }),
  ]),
  shape('response.output_text.delta', { ...inPart, delta: text, logprobs: z.array(z.unknown()) }),
  shape('response.output_text.done', { ...inPart, text, logprobs: z.array(z.unknown()) }),
  shape('response.reasoning_text.delta', { ...inPart, delta: text }),
  shape('response.reasoning_text.done', { ...inPart, text }),
  shape('response.function_call_arguments.delta', { ...inItem, delta: text }),
  shape('response.function_call_arguments.done', { ...inItem, arguments: text }),
]);

const message = (role, content) => ({ type: 'message', role, content });
const weather = {
  input: [message('user', 'What\'s the weather like in San Francisco?')],
  tools: [{
    type: 'function', name: 'get_weather', description: 'Get the current weather for a location',
    parameters: {
      type: 'object', properties: { location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' } }, required: ['location'],
    },
  }],
};

describe('OpenResponses', () => {
  let server;
  before(async () => { server = await serve({ plays }); });
  after(() => server.stop());
  const send = async (body) => {
    const reply = await fetch(`${server.url}/responses`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: 'Bearer any' }, body: JSON.stringify({ model, ...body }),
    });
    assert.equal(reply.status, 200);
    return reply;
  };
  const whole = async (body) => response.parse(await (await send({ ...body, stream: false })).json());
  const streamed = async (body) => {
    const events = [];
    for (const block of (await (await send({ ...body, stream: true })).text()).split('\n\n').filter(Boolean)) {
      const [name, data] = block.split('\n');
      const one = event.parse(JSON.parse(data.slice('data: '.length)));
      assert.equal(name, `event: ${one.type}`);
      assert.equal(one.sequence_number, events.length);
      events.push(one);
    }
    return events;
  };
  const said = (r) => r.output.filter((i) => i.type === 'message').map((i) => i.content[0].text).join('');

  test('basic response', async () => {
    const r = await whole({ input: [message('user', 'Say hello in exactly 3 words.')] });
    assert.equal(r.status, 'completed');
    assert.equal(said(r), 'Hello to you!');
  });

  test('streaming response', async () => {
    const events = await streamed({ input: [message('user', 'Count from 1 to 5.')] });
    assert.equal(events.at(-1).type, 'response.completed');
    assert.equal(events.at(-1).response.status, 'completed');
    assert.equal(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), '1, 2, 3, 4, 5');
    assert.equal(events.filter((e) => e.type === 'response.reasoning_text.delta').map((e) => e.delta).join(''), 'Easy.');
  });

  test('system prompt', async () => {
    const r = await whole({ input: [message('system', 'You are a pirate. Always respond in pirate speak.'), message('user', 'Say hello.')] });
    assert.equal(r.status, 'completed');
    assert.equal(said(r), 'Ahoy, matey!');
  });

  test('tool calling', async () => {
    const r = await whole(weather);
    assert.equal(r.status, 'completed');
    assert.deepEqual(r.output.map((i) => i.type), ['reasoning', 'function_call']);
    assert.deepEqual(JSON.parse(r.output[1].arguments), { location: 'San Francisco, CA' });
  });

  test('tool calling, streamed', async () => {
    const events = await streamed(weather);
    const of = (type) => events.filter((e) => e.type === type);
    for (const kind of ['added', 'done']) assert.equal(of(`response.output_item.${kind}`).filter((e) => e.item.type === 'function_call').length, 1);
    const args = of('response.function_call_arguments.done')[0].arguments;
    assert.equal(of('response.function_call_arguments.delta').map((e) => e.delta).join(''), args);
    assert.deepEqual(JSON.parse(args), { location: 'San Francisco, CA' });
  });

  test('multi-turn conversation', async () => {
    const r = await whole({
      input: [
        message('user', 'My name is Alice.'), message('assistant', 'Hello Alice! Nice to meet you. How can I help you today?'),
        message('user', 'What is my name?'),
      ],
    });
    assert.equal(r.status, 'completed');
    assert.equal(said(r), 'Your name is Alice.');
  });

  test('a response that is cut off, and one that is continued', async () => {
    const events = await streamed({ input: [message('user', 'Count from 1 to 5.')], max_output_tokens: 3 });
    assert.equal(events.at(-1).type, 'response.incomplete');
    assert.equal(events.at(-1).response.incomplete_details.reason, 'max_output_tokens');
    const more = { metadata: { a: 'b' }, user: 'u', reasoning: { effort: 'xhigh' } };
    const r = await whole({ previous_response_id: events.at(-1).response.id, input: 'Go on.', ...more });
    assert.equal(r.previous_response_id, events.at(-1).response.id);
    assert.deepEqual([r.metadata, r.user, r.reasoning.effort], [{ a: 'b' }, 'u', 'high']);
  });
});
