// The request that a hosted provider of gpt-oss documents, unchanged, to the model that is built in.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
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
