// Replies of all kinds, as the engine streams them, and what the chat sends next: Go writes the examples and makes sure that the engine
// accepts it (TestRulesOfReplies in runtime/openai, with -update).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Chat, type Listener } from '../app/chat.ts';
import { branch, defaultOptions, newConversation, openCalls } from '../app/conversation.ts';
import type { Engine } from '../app/engine-types.ts';
import type { ModelHost } from '../app/model.ts';
import type { Settings } from '../app/settings.ts';
import type { ChatCompletionChunk, ChatMessage } from '../src/index.ts';

// The bundled tests lie in web/dist/test.
const file = join(dirname(fileURLToPath(import.meta.url)), '../../../testdata/rules/replies.json');
const examples = JSON.parse(readFileSync(file, 'utf8')) as { chunks: ChatCompletionChunk[]; messages: ChatMessage[] }[];

/** Fields of a message that say something. */
const said = (messages: ChatMessage[]) => messages.map((m) => Object.fromEntries(Object.entries(m).filter(([, value]) => value !== undefined)));

examples.forEach(({ chunks, messages }, i) => {
  test(`after reply ${i + 1} the chat sends what the engine accepts`, async () => {
    const requests: ChatMessage[][] = [];
    const engine = {
      info: { model: 'test', context: 4096 },
      tokenize: async () => [],
      chat: { completions: { create: async function* (params: { messages: ChatMessage[] }) {
        requests.push(params.messages);
        yield* requests.length === 1 ? chunks : examples[0]!.chunks;
      } } },
    };
    const nothing = () => {};
    const listener: Listener = { began: nothing, sync: async () => true, changed: nothing, ended: nothing, filled: nothing, idle: async () => {} };
    const host = { ready: async () => engine as unknown as Engine } as unknown as ModelHost;
    const chat = new Chat(host, { functions: [] } as unknown as Settings, { run: (_id, _signal, f) => f() }, listener);
    const c = newConversation(defaultOptions);
    await chat.ask(c, 'x');
    const calls = openCalls(branch(c));
    for (const call of calls) {
      await chat.answer(c, call.id, 'done');
    }
    if (calls.length === 0) {
      await chat.ask(c, 'on');
    }
    assert.equal(requests.length, 2);
    assert.deepEqual(said(requests[1]!), messages);
  });
});
