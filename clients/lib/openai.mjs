// What is tested of OpenAI's library, in whichever version.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { person, plays } from './plays.mjs';
import { model, serve } from './server.mjs';

export const tools = [{
  type: 'function',
  function: {
    name: 'get_weather', description: 'The weather in a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  },
}];

/** The same for the Responses API. */
export const responsesTools = [{ type: 'function', strict: false, ...tools[0].function }];

export const ask = (content) => [{ role: 'user', content }];

/** Collects what an asynchronous iterable gives. */
export async function collect(iterable) {
  const all = [];
  for await (const one of iterable) all.push(one);
  return all;
}

/**
 * Tests a version of the library.
 *
 * @param {string} version its name in the results
 * @param {{OpenAI: Function, helpers: object, z: object}} parts the library, its helpers for zod, and zod
 */
export function testOpenAI(version, { OpenAI, helpers, z }) {
  describe(version, { concurrency: true }, () => {
    let server;
    let client;
    before(async () => {
      server = await serve({ plays });
      client = new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 });
    });
    after(() => server.stop());
    const Person = z.object({ name: z.string(), age: z.number().int() });

    test('models', async () => {
      const { data } = await client.models.list();
      assert.deepEqual(data.map((m) => m.id), [model, 'gpt-oss-20b', 'gpt-oss:20b']);
      assert.equal((await client.models.retrieve(model)).object, 'model');
    });

    test('chat: create', async () => {
      const reply = await client.chat.completions.create({ model, messages: ask('Hello!') });
      assert.equal(reply.choices[0].message.content, 'You said: Hello!');
      assert.equal(reply.choices[0].message.reasoning, 'Hm.');
      assert.equal(reply.choices[0].finish_reason, 'stop');
      assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
    });

    test('chat: stream', async () => {
      const request = { model, messages: ask('Hello!'), stream: true };
      const chunks = await collect(await client.chat.completions.create({ ...request, stream_options: { include_usage: true } }));
      const joined = (field) => chunks.map((c) => c.choices[0]?.delta[field] ?? '').join('');
      assert.equal(joined('content'), 'You said: Hello!');
      assert.equal(joined('reasoning'), 'Hm.');
      assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
      const last = chunks.at(-1);
      assert.deepEqual(last.choices, []);
      assert.ok(last.usage.completion_tokens > 0);
      const unasked = await collect(await client.chat.completions.create(request));
      assert.ok(unasked.every((c) => c.choices.length === 1));
    });

    test('chat: the stream helper', async () => {
      const stream = client.chat.completions.stream({ model, messages: ask('What is the weather?'), tools });
      const reply = await stream.finalChatCompletion();
      assert.equal(reply.choices[0].finish_reason, 'tool_calls');
      const calls = reply.choices[0].message.tool_calls.map((c) => [c.function.name, c.function.arguments]);
      assert.deepEqual(calls, [['get_weather', '{"city":"Paris"}']]);
    });

    for (const stream of [false, true]) {
      test(`chat: runTools, ${stream ? 'streamed' : 'whole'}`, async () => {
        const asked = [];
        const runner = client.chat.completions.runTools({
          model, stream, messages: ask('What is the forecast?'),
          tools: [{
            type: 'function',
            function: { ...tools[0].function, parse: JSON.parse, function: ({ city }) => { asked.push(city); return '20 degrees'; } },
          }],
        });
        assert.equal(await runner.finalContent(), 'It is 20 degrees in Paris.');
        assert.deepEqual(asked, ['Paris']);
        assert.deepEqual(runner.messages.map((m) => m.role), ['user', 'assistant', 'tool', 'assistant']);
      });
    }

    test('chat: parse with zod', async () => {
      const request = { model, messages: ask('Anna is 31.'), response_format: helpers.zodResponseFormat(Person, 'person') };
      const reply = await client.chat.completions.parse(request);
      assert.deepEqual(reply.choices[0].message.parsed, person);
      const streamed = await client.chat.completions.stream(request).finalChatCompletion();
      assert.deepEqual(streamed.choices[0].message.parsed, person);
    });

    test('chat: parse of a call with zod', async () => {
      const reply = await client.chat.completions.parse({
        model, messages: ask('What is the weather?'),
        tools: [helpers.zodFunction({ name: 'get_weather', parameters: z.object({ city: z.string() }) })],
      });
      assert.deepEqual(reply.choices[0].message.tool_calls[0].function.parsed_arguments, { city: 'Paris' });
    });

    test('chat: a reply that is cut off', async () => {
      const request = { model, messages: ask('endless'), max_completion_tokens: 12 };
      assert.equal((await client.chat.completions.create(request)).choices[0].finish_reason, 'length');
      const f = helpers.zodFunction({ name: 'f', parameters: z.object({ a: z.string() }) });
      const parsed = client.chat.completions.parse({ ...request, tools: [f] });
      await assert.rejects(parsed, (error) => error.constructor.name === 'LengthFinishReasonError');
      const response = await client.responses.create({ model, input: 'endless', max_output_tokens: 12 });
      assert.deepEqual([response.status, response.incomplete_details.reason], ['incomplete', 'max_output_tokens']);
      const last = (await collect(await client.responses.create({ model, input: 'endless', max_output_tokens: 12, stream: true }))).at(-1);
      assert.equal(last.type, 'response.incomplete');
    });

    test('responses: create, retrieve, list, delete', async () => {
      const response = await client.responses.create({ model, input: 'Hello!', instructions: 'Be brief.' });
      assert.equal(response.output_text, 'You said: Hello!');
      assert.deepEqual(response.output.map((i) => i.type), ['reasoning', 'message']);
      assert.equal(response.output[0].content[0].text, 'Hm.');
      assert.equal((await client.responses.retrieve(response.id)).output_text ?? response.output_text, 'You said: Hello!');
      const items = await collect(client.responses.inputItems.list(response.id));
      assert.deepEqual(items.map((i) => i.content[0].text), ['Hello!']);
      await client.responses.delete(response.id);
      await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError);
    });

    test('responses: stream', async () => {
      const stream = client.responses.stream({ model, input: 'What is the forecast?', tools: responsesTools });
      const types = new Set();
      stream.on('event', (event) => types.add(event.type));
      const response = await stream.finalResponse();
      assert.deepEqual(response.output.map((i) => i.type), ['reasoning', 'message', 'function_call']);
      assert.equal(response.output[1].phase, 'commentary');
      assert.deepEqual(response.output[2].arguments, '{"city":"Paris"}');
      for (const type of ['created', 'reasoning_text.delta', 'output_text.delta', 'function_call_arguments.delta', 'completed']) {
        assert.ok(types.has(`response.${type}`), type);
      }
    });

    test('responses: parse with zod', async () => {
      const request = { model, input: 'Anna is 31.', text: { format: helpers.zodTextFormat(Person, 'person') } };
      assert.deepEqual((await client.responses.parse(request)).output_parsed, person);
      assert.deepEqual((await client.responses.stream(request).finalResponse()).output_parsed, person);
    });

    test('responses: a call and its output', async () => {
      const request = { model, tools: [helpers.zodResponsesFunction({ name: 'get_weather', parameters: z.object({ city: z.string() }) })] };
      const input = [{ role: 'user', content: 'What is the weather?' }];
      const first = await client.responses.parse({ ...request, input });
      const call = first.output.find((i) => i.type === 'function_call');
      assert.deepEqual(JSON.parse(call.arguments), { city: 'Paris' });
      const output = { type: 'function_call_output', call_id: call.call_id, output: '20 degrees' };
      const whole = await client.responses.create({ ...request, input: [...input, ...first.output, output], store: false });
      assert.equal(whole.output_text, 'It is 20 degrees in Paris.');
      const continued = await client.responses.create({ ...request, previous_response_id: first.id, input: [output] });
      assert.equal(continued.output_text, 'It is 20 degrees in Paris.');
      assert.equal(continued.usage.input_tokens, whole.usage.input_tokens);
    });

    for (const [name, start] of [
      ['chat', (signal) => client.chat.completions.create({ model, messages: ask('endless'), stream: true }, { signal })],
      ['responses', (signal) => client.responses.create({ model, input: 'endless', stream: true }, { signal })],
    ]) {
      test(`${name}: an abort in the middle`, async () => {
        const stop = new AbortController();
        let events = 0;
        try {
          for await (const event of await start(stop.signal)) {
            if (JSON.stringify(event).includes(' two')) stop.abort();
            events++;
          }
        } catch (error) {
          assert.ok(error instanceof OpenAI.APIUserAbortError, error);
        }
        assert.ok(stop.signal.aborted && events > 1);
        assert.equal((await client.responses.create({ model, input: 'still there?' })).output_text, 'You said: still there?');
      });
    }

    test('responses: cancel', async () => {
      const stream = await client.responses.create({ model, input: 'endless', stream: true });
      let last;
      for await (const event of stream) {
        if (!last) await client.responses.cancel(event.response.id);
        last = event;
      }
      assert.equal(last.type, 'response.failed');
      assert.equal(last.response.error.code, 'cancelled');
    });

    test('errors', async () => {
      const chat = (more) => client.chat.completions.create({ model, messages: ask('Hello!'), ...more });
      const is = (type, expected) => (error) => {
        assert.ok(error instanceof type, `${error.constructor.name}: ${error.message}`);
        const { status, code, param } = error;
        assert.deepEqual({ status, code, param: param ?? null }, { param: null, ...expected });
        assert.ok(error.requestID);
        return true;
      };
      await assert.rejects(chat({ model: 'gpt-9' }), is(OpenAI.NotFoundError, { status: 404, code: 'model_not_found', param: 'model' }));
      await assert.rejects(chat({ temperature: 9 }), is(OpenAI.BadRequestError, { status: 400, code: 'invalid_value', param: 'temperature' }));
      await assert.rejects(chat({ messages: ask('x '.repeat(200000)) }),
        is(OpenAI.BadRequestError, { status: 400, code: 'context_length_exceeded', param: 'messages' }));
      await assert.rejects(client.responses.create({ model, input: 'x', previous_response_id: 'resp_none' }),
        is(OpenAI.BadRequestError, { status: 400, code: 'previous_response_not_found', param: 'previous_response_id' }));
      await assert.rejects(chat({ messages: ask('full') }), is(OpenAI.InternalServerError, { status: 503, code: 'context_full' }));
      await assert.rejects(async () => collect(await chat({ messages: ask('break'), stream: true })),
        (error) => error instanceof OpenAI.APIError && /fail/.test(error.message));
      const failed = (await collect(await client.responses.create({ model, input: 'break', stream: true }))).at(-1);
      assert.deepEqual([failed.type, failed.response.status, failed.response.error.code], ['response.failed', 'failed', 'server_error']);
    });
  });

  describe(`${version}: one at a time`, () => {
    let server;
    before(async () => { server = await serve({ plays, args: ['--parallel', '1', '--max-queue', '1'], env: { GOSSAMER_API_KEY: 'secret' } }); });
    after(() => server.stop());

    test('a wrong key', async () => {
      await assert.rejects(new OpenAI({ baseURL: server.url, apiKey: 'other' }).models.list(), OpenAI.AuthenticationError);
    });

    test('responses: a chain of ten turns', async () => {
      const client = new OpenAI({ baseURL: server.url, apiKey: 'secret', maxRetries: 0 });
      const said = [];
      let previous;
      for (let i = 1; i <= 10; i++) {
        const turn = { role: 'user', content: `Turn ${i}` };
        const chained = await client.responses.create({ model, input: [turn], previous_response_id: previous });
        const whole = await client.responses.create({ model, input: [...said, turn], store: false });
        assert.equal(chained.usage.input_tokens, whole.usage.input_tokens);
        if (i > 1) assert.ok(chained.usage.input_tokens_details.cached_tokens > 0);
        said.push(turn, ...chained.output);
        previous = chained.id;
      }
    });

    test('429 is tried again', async () => {
      const stop = new AbortController();
      const seen = [];
      const client = new OpenAI({
        baseURL: server.url, apiKey: 'secret', maxRetries: 5,
        fetch: async (...request) => {
          const answer = await fetch(...request);
          seen.push(answer.status);
          if (answer.status === 429) {
            assert.match(answer.headers.get('retry-after'), /^\d+$/);
            stop.abort(); // there is room from now on
          }
          return answer;
        },
      });
      const first = await client.chat.completions.create({ model, messages: ask('endless'), stream: true }, { signal: stop.signal });
      // One of these waits in line, for which there is one place, and the others are told to come back.
      const replies = await Promise.all(['a', 'b', 'c'].map((text) => client.chat.completions.create({ model, messages: ask(text) })));
      assert.deepEqual(replies.map((r) => r.choices[0].message.content), ['You said: a', 'You said: b', 'You said: c']);
      assert.ok(seen.includes(429), `statuses ${seen}`);
      await assert.rejects(async () => { await collect(first); stop.signal.throwIfAborted(); });
    });
  });
}
