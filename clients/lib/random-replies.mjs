// Whatever a model writes, OpenAI's library reads the streams, and has at the end what a whole reply says.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { responsesTools, tools } from './openai.mjs';
import { randomPlays } from './random.mjs';
import { model, serve } from './server.mjs';

/** How many replies there are of each API: fewer than `make test-clients` tries by default. */
const count = Number(process.env.REPLIES ?? 100);
const seed = Number(process.env.SEED ?? 7);

const text = (message, reasoning) => ({
  content: message.content || null, reasoning: reasoning ?? '',
  calls: (message.tool_calls ?? []).map((c) => [c.function.name, c.function.arguments]),
});
const item = ({ type, status, phase, name, arguments: args, content }) => (
  { type, status, phase, name, args, content: content?.map((p) => [p.type, p.text]) }
);

/** Tries replies with a version of the library, several at a time. */
export function testRandomReplies(version, { OpenAI, helpers, z }) {
  describe(`${version}: ${count} random replies, seed ${seed}`, () => {
    let server;
    let client;
    before(async () => {
      server = await serve({ plays: randomPlays(count, seed) });
      client = new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 });
    });
    after(() => server.stop());
    const each = async (check) => {
      let next = 0;
      const worker = async () => {
        for (let i = next++; i < count; i = next++) {
          const limit = i % 5 ? undefined : 1 + (i * 7) % 40;
          await check(`reply ${i}`, limit).catch((error) => { throw new Error(`reply ${i}: ${error.message}`, { cause: error }); });
        }
      };
      await Promise.all(Array.from({ length: 4 }, worker));
    };

    test('chat', () => each(async (question, limit) => {
      const request = { model, messages: [{ role: 'user', content: question }], tools, max_completion_tokens: limit };
      const stream = client.chat.completions.stream(request);
      let reasoning = ''; // which the library does not put together
      stream.on('chunk', (chunk) => { reasoning += chunk.choices[0].delta.reasoning ?? ''; });
      const [streamed] = (await stream.finalChatCompletion()).choices;
      const [whole] = (await client.chat.completions.create(request)).choices;
      assert.equal(streamed.finish_reason, whole.finish_reason);
      assert.deepEqual(text(streamed.message, reasoning), text(whole.message, whole.message.reasoning));
    }));

    test('responses', () => each(async (question, limit) => {
      const request = { model, input: question, tools: responsesTools, max_output_tokens: limit };
      const stream = client.responses.stream(request);
      let last;
      stream.on('event', (event) => { last = event; });
      await stream.finalResponse();
      const whole = await client.responses.create(request);
      assert.equal(last.type, `response.${whole.status}`);
      assert.deepEqual(last.response.output.map(item), whole.output.map(item));
    }));

    // What is not the schema's cannot be written, and room is left for the end.
    test('answers that follow a schema', () => each(async (question) => {
      const Person = z.object({ name: z.string(), age: z.number().int(), tags: z.array(z.enum(['a', 'b'])) });
      const request = { model, messages: [{ role: 'user', content: question }], max_completion_tokens: 200 };
      const { choices: [choice] } = await client.chat.completions.parse({ ...request, response_format: helpers.zodResponseFormat(Person, 'person') });
      assert.equal(choice.finish_reason, 'stop');
      assert.ok(Person.safeParse(choice.message.parsed).success);
      const text = { format: helpers.zodTextFormat(Person, 'person') };
      const stream = client.responses.stream({ model, input: question, max_output_tokens: 200, text });
      assert.ok(Person.safeParse((await stream.finalResponse()).output_parsed).success);
    }));
  });
}
