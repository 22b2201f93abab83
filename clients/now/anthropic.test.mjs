import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';
import { person, plays } from '../lib/plays.mjs';
import { randomPlays } from '../lib/random.mjs';
import { model, serve } from '../lib/server.mjs';

const tools = [{
  name: 'get_weather', description: 'The weather in a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
}];
const ask = (content) => [{ role: 'user', content }];
const count = Number(process.env.REPLIES ?? 100);
const seed = Number(process.env.SEED ?? 7);

describe('@anthropic-ai/sdk 1.14', () => {
  let server;
  let random;
  before(async () => {
    server = await serve({ plays });
    random = await serve({ plays: randomPlays(count, seed) });
  });
  after(async () => {
    await server?.stop();
    await random?.stop();
  });
  const client = (at = server) => new Anthropic({ baseURL: at.url.replace(/\/v1$/, ''), apiKey: 'any', maxRetries: 0 });
  const request = (content, more) => ({ model, max_tokens: 1000, messages: ask(content), ...more });
  const blocks = (message) => message.content.map((b) => [b.type, b.text ?? b.thinking ?? b.input]);

  test('create', async () => {
    const message = await client().messages.create(request('Hello!', { system: 'Be brief.' }));
    assert.deepEqual(blocks(message), [['thinking', 'Hm.'], ['text', 'You said: Hello!']]);
    assert.equal(message.stop_reason, 'end_turn');
    assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
  });

  test('stream', async () => {
    const stream = client().messages.stream(request('What is the forecast?', { tools }));
    const text = [];
    const thinking = [];
    stream.on('text', (delta) => text.push(delta)).on('thinking', (delta) => thinking.push(delta));
    const message = await stream.finalMessage();
    assert.deepEqual(blocks(message), [['thinking', 'I need the weather.'], ['text', 'I look it up.'], ['tool_use', { city: 'Paris' }]]);
    assert.deepEqual([text.join(''), thinking.join('')], ['I look it up.', 'I need the weather.']);
    assert.equal(message.stop_reason, 'tool_use');
  });

  for (const stream of [false, true]) {
    test(`tool loop, ${stream ? 'streamed' : 'whole'}`, async () => {
      const send = (r) => (stream ? client().messages.stream(r).finalMessage() : client().messages.create(r));
      const first = await send(request('What is the weather?', { tools, thinking: { type: 'enabled', budget_tokens: 2000 }, max_tokens: 4000 }));
      const call = first.content.find((b) => b.type === 'tool_use');
      assert.deepEqual(call.input, { city: 'Paris' });
      const second = await send(request('', {
        tools,
        messages: [
          ...ask('What is the weather?'), { role: 'assistant', content: first.content },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: '20 degrees' }] },
        ],
      }));
      assert.deepEqual(second.content.at(-1).text, 'It is 20 degrees in Paris.');
      assert.ok(second.usage.cache_read_input_tokens > 0);
    });
  }

  test('structured output', async () => {
    const format = zodOutputFormat(z.object({ name: z.string(), age: z.number().int() }));
    const message = await client().messages.parse(request('Anna is 31.', { output_config: { format } }));
    assert.deepEqual(message.parsed_output, person);
  });

  test('count_tokens', async () => {
    const { usage } = await client().messages.create(request('How many are these?', { tools }));
    const { input_tokens: counted } = await client().messages.countTokens({ model, messages: ask('How many are these?'), tools });
    assert.equal(counted, usage.input_tokens + (usage.cache_read_input_tokens ?? 0));
  });

  test('an abort in the middle', async () => {
    const stream = client().messages.stream(request('endless'));
    stream.on('text', (delta) => { if (delta.includes(' two')) stream.abort(); });
    await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
    assert.equal((await client().messages.create(request('still there?'))).content.at(-1).text, 'You said: still there?');
  });

  test('errors', async () => {
    await assert.rejects(client().messages.create({ ...request('x'), model: 'claude-9' }), Anthropic.NotFoundError);
    await assert.rejects(client().messages.create(request('x', { temperature: 9 })), (error) => (
      error instanceof Anthropic.BadRequestError && error.error.error.type === 'invalid_request_error' && error.requestID !== null
    ));
    await assert.rejects(client().messages.stream(request('break')).finalMessage(), Anthropic.APIError);
  });

  test(`${count} random replies, seed ${seed}`, async () => {
    for (let i = 0; i < count; i++) {
      const r = request(`reply ${i}`, { tools, max_tokens: i % 5 ? 1000 : 1 + (i * 7) % 40 });
      const streamed = await client(random).messages.stream(r).finalMessage();
      const whole = await client(random).messages.create(r);
      assert.equal(streamed.stop_reason, whole.stop_reason, r.messages[0].content);
      assert.deepEqual(blocks(streamed), blocks(whole), r.messages[0].content);
    }
  });
});
