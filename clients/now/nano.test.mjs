// The model that is built in: answers that are right.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Agent, OpenAIResponsesModel, Runner, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';
import { serve } from '../lib/server.mjs';

describe('a hosted provider\'s request to the built-in model', () => {
  let server;
  before(async () => { server = await serve({ name: 'gossamer-nano', args: ['--alias', 'openai/gpt-oss-120b'] }); });
  after(() => server.stop());

  const request = (content) => ({
    model: 'openai/gpt-oss-120b', messages: [{ role: 'user', content }],
    temperature: 1.0, top_p: 1.0, reasoning_effort: 'medium', stream: true,
  });
  const reply = async (content) => {
    const client = new OpenAI({ baseURL: server.url, apiKey: 'any', maxRetries: 0 });
    let reasoning = '';
    let answer = '';
    let finish;
    for await (const chunk of await client.chat.completions.create(request(content))) {
      assert.equal(chunk.model, 'openai/gpt-oss-120b');
      assert.equal(chunk.object, 'chat.completion.chunk');
      reasoning += chunk.choices[0].delta.reasoning ?? '';
      answer += chunk.choices[0].delta.content ?? '';
      finish = chunk.choices[0].finish_reason ?? finish;
    }
    return { reasoning, answer, finish };
  };

  for (const [question, right] of [
    ['If all roses are flowers and some flowers are red, can we conclude that some roses are red?', /^No\b/],
    ['What is 17 + 25?', /\b42\b/],
  ]) {
    test(question, async () => {
      // At temperature 1 any answer may come, if rarely: two of three have to be right.
      const answers = [];
      for (let i = 0; i < 3; i++) {
        const { reasoning, answer, finish } = await reply(question);
        assert.notEqual(reasoning, '');
        assert.equal(finish, 'stop');
        answers.push(answer);
      }
      assert.ok(answers.filter((a) => right.test(a)).length >= 2, JSON.stringify(answers));
    });
  }
});

describe('the built-in model with a function', () => {
  let server;
  let client;
  before(async () => {
    server = await serve({ name: 'gossamer-nano' });
    client = new OpenAI({ baseURL: server.url, apiKey: 'any', maxRetries: 0 });
  });
  after(() => server.stop());
  const question = 'What is the weather in Paris?';
  const weather = { name: 'get_weather', description: 'The weather in a city.' };
  const right = (answer, asked) => {
    assert.deepEqual(asked, ['Paris']);
    assert.match(answer, /20 degrees/);
    assert.match(answer, /sunny/);
  };

  test('chat completions, by OpenAI\'s library', async () => {
    const asked = [];
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const runner = client.chat.completions.runTools({
      model: 'gossamer-nano', temperature: 0, messages: [{ role: 'user', content: question }],
      tools: [{
        type: 'function',
        function: { ...weather, parameters, parse: JSON.parse, function: ({ city }) => { asked.push(city); return '20 degrees, sunny'; } },
      }],
    });
    right(await runner.finalContent(), asked);
  });

  test('responses, by the Agents SDK', async () => {
    const asked = [];
    setTracingDisabled(true);
    const runner = new Runner({ model: new OpenAIResponsesModel(client, 'gossamer-nano'), modelSettings: { temperature: 0 } });
    const parameters = z.object({ city: z.string() });
    const execute = ({ city }) => { asked.push(city); return '20 degrees, sunny'; };
    const { finalOutput } = await runner.run(new Agent({ name: 'Weather', tools: [tool({ ...weather, parameters, execute })] }), question);
    right(finalOutput, asked);
  });
});
