import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';
import { person, plays } from '../lib/plays.mjs';
import { model, serve } from '../lib/server.mjs';

setTracingDisabled(true);

describe('@openai/agents 0.20', () => {
  let server;
  before(async () => { server = await serve({ plays }); });
  after(() => server.stop());

  for (const [api, Model] of [['chat', OpenAIChatCompletionsModel], ['responses', OpenAIResponsesModel]]) {
    const runner = () => new Runner({ model: new Model(new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 }), model) });

    for (const stream of [false, true]) {
      for (const question of ['What is the weather?', 'What is the forecast?']) { // without and with a text before the call
        test(`${api}: tool loop, ${stream ? 'streamed' : 'whole'}: ${question}`, async () => {
          const asked = [];
          const weather = tool({
            name: 'get_weather', description: 'The weather in a city.', parameters: z.object({ city: z.string() }),
            execute: ({ city }) => { asked.push(city); return '20 degrees'; },
          });
          const result = await runner().run(new Agent({ name: 'Weather', instructions: 'Help.', tools: [weather] }), question, { stream });
          if (stream) {
            const kinds = new Set();
            for await (const event of result) kinds.add(event.type);
            assert.ok(kinds.has('run_item_stream_event'));
            await result.completed;
          }
          assert.equal(result.finalOutput, 'It is 20 degrees in Paris.');
          assert.deepEqual(asked, ['Paris']);
          assert.ok(result.newItems.some((i) => i.type === 'reasoning_item'));
        });
      }
    }

    test(`${api}: structured output`, async () => {
      const agent = new Agent({ name: 'Reader', outputType: z.object({ name: z.string(), age: z.number().int() }) });
      assert.deepEqual((await runner().run(agent, 'Anna is 31.')).finalOutput, person);
    });

    test(`${api}: the conversation goes on`, async () => {
      const agent = new Agent({ name: 'Friend' });
      const first = await runner().run(agent, 'My name is Ada.');
      const second = await runner().run(agent, [...first.history, { role: 'user', content: 'What is my name?' }]);
      assert.equal(second.finalOutput, 'Your name is Ada.');
    });
  }
});
