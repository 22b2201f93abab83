import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, isStepCount, Output, streamObject, streamText, tool } from 'ai';
import { z } from 'zod';
import { person, plays } from '../lib/plays.mjs';
import { model, serve } from '../lib/server.mjs';

const Person = z.object({ name: z.string(), age: z.number().int() });

describe('ai 7', () => {
  let server;
  before(async () => { server = await serve({ plays }); });
  after(() => server.stop());

  const providers = {
    '@ai-sdk/openai-compatible': () => {
      const options = { name: 'gossamer', baseURL: server.url, apiKey: 'none', supportsStructuredOutputs: true };
      return createOpenAICompatible(options)(model);
    },
    '@ai-sdk/openai, responses': () => createOpenAI({ baseURL: server.url, apiKey: 'none' }).responses(model),
    '@ai-sdk/openai, chat': () => createOpenAI({ baseURL: server.url, apiKey: 'none' }).chat(model),
  };
  for (const [name, provider] of Object.entries(providers)) {
    const reasons = name === '@ai-sdk/openai-compatible'; // the others read summaries alone, which there are none of
    const weather = (asked) => tool({
      description: 'The weather in a city.', inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => { asked.push(city); return '20 degrees'; },
    });

    for (const question of ['What is the weather?', 'What is the forecast?']) {
      test(`${name}: generateText with tools: ${question}`, async () => {
        const asked = [];
        const result = await generateText({
          model: provider(), maxRetries: 0, prompt: question, tools: { get_weather: weather(asked) }, stopWhen: isStepCount(3),
        });
        assert.equal(result.text, 'It is 20 degrees in Paris.');
        assert.deepEqual(asked, ['Paris']);
        assert.equal(result.steps.length, 2);
        assert.equal(result.steps[0].finishReason, 'tool-calls');
        if (reasons) assert.equal(result.steps[0].reasoningText, 'I need the weather.');
      });

      test(`${name}: streamText with tools: ${question}`, async () => {
        const asked = [];
        const result = streamText({
          model: provider(), maxRetries: 0, prompt: question, tools: { get_weather: weather(asked) }, stopWhen: isStepCount(3),
          onError: ({ error }) => { throw error; },
        });
        const parts = [];
        for await (const part of result.stream) parts.push(part);
        const joined = (type) => parts.filter((p) => p.type === type).map((p) => p.text ?? p.delta).join('');
        assert.deepEqual(parts.filter((p) => p.type === 'error'), []);
        assert.ok(joined('text-delta').endsWith('It is 20 degrees in Paris.'), joined('text-delta'));
        assert.deepEqual(asked, ['Paris']);
        if (reasons) assert.equal(joined('reasoning-delta'), 'I need the weather.The tool says 20 degrees.');
      });
    }

    test(`${name}: objects`, async () => {
      const request = { model: provider(), maxRetries: 0, schema: Person, prompt: 'Anna is 31.' };
      assert.deepEqual((await generateObject(request)).object, person);
      const streamed = streamObject(request);
      for await (const partial of streamed.partialObjectStream) assert.ok(partial);
      assert.deepEqual(await streamed.object, person);
      const { output } = await generateText({ model: provider(), maxRetries: 0, prompt: 'Anna is 31.', output: Output.object({ schema: Person }) });
      assert.deepEqual(output, person);
    });

    test(`${name}: usage and errors`, async () => {
      const { usage } = await generateText({ model: provider(), maxRetries: 0, prompt: 'Hello!' });
      assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
      await assert.rejects(generateText({ model: provider(), maxRetries: 0, prompt: 'x', topP: 9 }), (error) => error.statusCode === 400);
    });
  }
});
