import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { tool } from '@langchain/core/tools';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import { person, plays } from '../lib/plays.mjs';
import { model, serve } from '../lib/server.mjs';

describe('@langchain/openai 1.6', () => {
  let server;
  before(async () => { server = await serve({ plays }); });
  after(() => server.stop());

  for (const useResponsesApi of [false, true]) {
    const api = useResponsesApi ? 'responses' : 'chat';
    const chat = (more) => new ChatOpenAI({ model, apiKey: 'none', maxRetries: 0, useResponsesApi, configuration: { baseURL: server.url }, ...more });

    test(`${api}: invoke`, async () => {
      const reply = await chat().invoke('Hello!');
      assert.equal(reply.text, 'You said: Hello!');
      assert.ok(reply.usage_metadata.total_tokens > 0);
    });

    test(`${api}: stream`, async () => {
      let all;
      for await (const chunk of await chat().stream('Hello!')) all = all ? all.concat(chunk) : chunk;
      assert.equal(all.text, 'You said: Hello!');
      assert.ok(all.usage_metadata.output_tokens > 0);
    });

    for (const streaming of [false, true]) {
      test(`${api}: bindTools, ${streaming ? 'streamed' : 'whole'}`, async () => {
        const weather = tool(({ city }) => `20 degrees in ${city}`, {
          name: 'get_weather', description: 'The weather in a city.', schema: z.object({ city: z.string() }),
        });
        const bound = chat().bindTools([weather]);
        const messages = [new HumanMessage('What is the forecast?')];
        let first;
        if (streaming) {
          for await (const chunk of await bound.stream(messages)) first = first ? first.concat(chunk) : chunk;
        } else {
          first = await bound.invoke(messages);
        }
        assert.deepEqual(first.tool_calls.map(({ name, args }) => ({ name, args })), [{ name: 'get_weather', args: { city: 'Paris' } }]);
        messages.push(first, await weather.invoke(first.tool_calls[0]));
        assert.ok(messages[2] instanceof ToolMessage);
        assert.equal((await bound.invoke(messages)).text, 'It is 20 degrees in Paris in Paris.');
      });
    }

    for (const method of ['jsonSchema', 'functionCalling']) {
      test(`${api}: withStructuredOutput by ${method}`, async () => {
        const Person = z.object({ name: z.string(), age: z.number().int() });
        const [question, expected] = method === 'jsonSchema' ? ['Anna is 31.', person] : ['Extract Berta.', { name: 'Berta', age: 7 }];
        assert.deepEqual(await chat().withStructuredOutput(Person, { name: 'person', method }).invoke(question), expected);
      });
    }
  }
});
