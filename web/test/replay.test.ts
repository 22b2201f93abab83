import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RuntimeError } from '../src/shared/errors.ts';
import { Replay } from '../src/page/replay.ts';
import type { ChatCompletionChunk } from '../src/shared/types.ts';

type Choice = ChatCompletionChunk['choices'][number];

const chunk = (id: string, delta: Choice['delta'], rest: Partial<Choice> = {}): ChatCompletionChunk => ({
  id, object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...rest }],
});
const token = (text: string) => ({ token: text, logprob: -1, bytes: null, top_logprobs: [] });

/** A whole reply, cut into chunks differently by n. */
function reply(id: string, n: number): ChatCompletionChunk[] {
  const cut = (text: string) => text.match(new RegExp(`.{1,${n}}`, 'gs'))!;
  return [
    chunk(id, { role: 'assistant', content: '' }),
    ...cut('I think about it. ').map((reasoning) => chunk(id, { reasoning })),
    ...cut('Let me look 🔎 that up.').map((content) => chunk(id, { content }, { logprobs: { content: [...content].map(token), refusal: null } })),
    chunk(id, { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'search', arguments: '' } }] }),
    ...cut('{"query":"gossamer"}').map((text) => chunk(id, { tool_calls: [{ index: 0, function: { arguments: text } }] })),
    chunk(id, {}, { finish_reason: 'tool_calls' }),
    { ...chunk(id, {}), choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } },
  ];
}

/** What a page makes of chunks. */
function collect(chunks: ChatCompletionChunk[]) {
  const all = { roles: 0, reasoning: '', content: '', logprobs: '', calls: '', starts: 0, ends: 0, usages: 0, ids: new Set<string>() };
  for (const c of chunks) {
    all.ids.add(c.id);
    all.usages += c.usage ? 1 : 0;
    for (const { delta, finish_reason, logprobs } of c.choices) {
      all.roles += delta.role ? 1 : 0;
      all.reasoning += delta.reasoning ?? '';
      all.content += delta.content ?? '';
      all.logprobs += logprobs?.content?.map((t) => t.token).join('') ?? '';
      all.starts += delta.tool_calls?.filter((t) => t.id).length ?? 0;
      all.calls += delta.tool_calls?.map((t) => t.function?.arguments ?? '').join('') ?? '';
      all.ends += finish_reason ? 1 : 0;
    }
  }
  return all;
}

test('a reply that runs once passes unchanged', () => {
  const replay = new Replay();
  const chunks = reply('a', 3);
  assert.deepEqual(chunks.map((c) => replay.next(structuredClone(c))), chunks);
});

test('a reply that is interrupted anywhere arrives once, however it is cut', () => {
  const want = collect(reply('a', 1));
  const first = reply('a', 3);
  for (let cut = 0; cut <= first.length; cut++) {
    const replay = new Replay();
    const got = first.slice(0, cut).map((c) => replay.next(structuredClone(c)));
    for (const [attempt, n] of [['b', 5], ['c', 3]] as const) {
      replay.restart();
      const again = reply(attempt, n);
      got.push(...(attempt === 'b' ? again.slice(0, cut) : again).map((c) => replay.next(structuredClone(c))));
    }
    const all = got.filter((c) => c !== undefined);
    const { ids, ends, usages, ...texts } = collect(all);
    const { ids: _, ends: __, usages: ___, ...wanted } = want;
    assert.deepEqual(texts, wanted, `after ${cut} chunks`);
    assert.equal(ids.size, 1);
    assert.ok(ends >= 1 && usages >= 1);
  }
});

test('several replies to a request are continued each where it was', () => {
  const of = (index: number, c: ChatCompletionChunk) => ({ ...c, choices: c.choices.map((choice) => ({ ...choice, index })) });
  const texts = (all: (ChatCompletionChunk | undefined)[]) => [0, 1].map((index) => collect(
    all.filter((c) => c !== undefined).map((c) => ({ ...c, choices: c.choices.filter((choice) => choice.index === index) }))));
  const first = reply('a', 3).slice(0, -1), second = reply('a', 5).slice(0, -1).map((c) => of(1, c));
  const replay = new Replay();
  const got = [...first.slice(0, 7), ...second.slice(0, 3)].map((c) => replay.next(structuredClone(c)));
  replay.restart();
  got.push(...[...second, ...first].map((c) => replay.next(structuredClone(c))));
  assert.deepEqual(texts(got), texts([...first, ...second]));
});

test('a reply that says something else the second time fails', () => {
  const replay = new Replay();
  replay.next(chunk('a', { content: 'The sky is' }));
  replay.restart();
  replay.next(chunk('b', { content: 'The ' }));
  assert.throws(() => replay.next(chunk('b', { content: 'sea' })), (e: RuntimeError) => e.code === 'device-lost' && e.hint === 'Ask again.');
});
