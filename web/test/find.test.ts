// Finding conversations, and reading those of other programs: no file may do worse than to be refused in a sentence.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { append, branch, defaultOptions, newConversation, siblings, textOf, type Conversation } from '../app/conversation.ts';
import { periods, search } from '../app/search.ts';
import { read, toJSON } from '../app/transfer.ts';

function conversation(title: string, ...messages: string[]): Conversation {
  const c = newConversation(defaultOptions);
  messages.forEach((content, i) => append(c, { role: i % 2 ? 'assistant' : 'user', content }));
  c.title = title;
  return c;
}

describe('search', () => {
  const all = [
    conversation('Weekend', 'Plan a weekend in Lisbon', 'Take the tram to Belém, and eat pastéis.'),
    conversation('Straße', 'Wie lang ist die Straße?', 'STRASSE und ÖL'),
    conversation('東京', '東京の天気は？', '晴れです。'),
    conversation('Code', 'x', `${'a '.repeat(5000)}needle${' b'.repeat(5000)}`),
  ];
  const found: [string, string[]][] = [
    ['lisbon', ['Weekend']], ['BELEM', ['Weekend']], ['pasteis tram', ['Weekend']], ['weekend lisbon', ['Weekend']], ['öl', ['Straße']], ['ol', ['Straße']],
    ['天気', ['東京']], ['needle', ['Code']], ['(.*', []], ['lisbon needle', []], ['  ', []], ['\u0301', []],
  ];
  for (const [query, titles] of found) {
    test(`of ${JSON.stringify(query)}`, () => assert.deepEqual(search(all, query).map((h) => h.conversation.title), titles));
  }

  test('shows what it has found, as it is written', () => {
    const [hit] = search(all, 'belem');
    assert.equal(hit!.excerpt.slice(hit!.start, hit!.end), 'Belém');
    assert.equal(hit!.message, all[0]!.messages[1]);
    const [needle] = search(all, 'NEEDLE');
    assert.equal(needle!.excerpt.slice(needle!.start, needle!.end), 'needle');
    assert.ok(needle!.excerpt.length < 120 && /^….*…$/.test(needle!.excerpt), needle!.excerpt);
  });

  test('prefers the branch that is shown, reads files, and follows what is written', () => {
    const c = conversation('T', 'a cat', 'one');
    const edited = append(c, { role: 'user', content: 'the cat again', files: [{ name: 'notes.txt', text: 'a dog' }] }, null);
    assert.equal(search([c], 'cat')[0]!.message, edited);
    assert.equal(search([c], 'dog')[0]!.message, edited);
    edited.content = 'a bird';
    assert.equal(search([c], 'bird').length, 1);
    assert.notEqual(search([c], 'cat')[0]!.message, edited);
  });

  test('by time: pinned, days, months', () => {
    const now = new Date(2026, 10, 30, 12);
    const at = (date: Date, pinned = false) => ({ ...conversation(String(date), 'x'), updated: date.getTime(), pinned });
    const list = [at(new Date(2026, 10, 30, 0, 1)), at(new Date(2026, 10, 29, 23, 59)), at(new Date(2026, 10, 24)), at(new Date(2026, 10, 2)), at(new Date(2026, 2, 3)), at(new Date(2025, 2, 3), true)];
    const month = 'March 2026';
    assert.deepEqual(periods(list, now).map((p) => [String(p.name), p.conversations.length]),
      [['Pinned', 1], ['Today', 1], ['Yesterday', 1], ['Previous 7 days', 1], ['Previous 30 days', 1], [month, 1]]);
  });
});

describe('an export', () => {
  test('gives everything back: times, models, schemas, files, pins, rates', () => {
    const c = conversation('All', 'Q', 'A');
    c.pinned = true;
    c.options = { effort: 'high', instructions: 'Be brief.', sampling: { temperature: 0, stop: ['x'] }, tools: ['clock'], toolChoice: 'required', schema: '{"type":"object"}' };
    Object.assign(c.messages[0]!, { files: [{ name: 'a.txt', text: '```\nx' }] });
    Object.assign(c.messages[1]!, {
      finish: 'stop', model: 'gpt-oss-20b', schema: 'followed', reasoning: 'hm', reasoningMs: 5, reasoningTokens: 2, created: 12345,
      stats: { promptTokens: 1, tokens: 2, firstTokenMs: 3, tokensPerSecond: 4, prefillPerSecond: 5 },
    });
    const [again] = read(toJSON([c]));
    assert.deepEqual({ ...again, id: '' }, { ...c, id: '' });
  });
});

/** As ChatGPT writes it. */
const chatgpt = () => [{
  title: 'Tides', create_time: 1700000000.5, update_time: 1700000100, current_node: 'f', is_starred: true,
  mapping: {
    root: { id: 'root', message: null, parent: null, children: ['s'] },
    s: { id: 's', message: { author: { role: 'system' }, content: { content_type: 'text', parts: [''] }, metadata: { is_visually_hidden_from_conversation: true } }, parent: 'root', children: ['i'] },
    i: { id: 'i', message: { author: { role: 'user' }, content: { content_type: 'user_editable_context', user_instructions: 'Answer in rhyme.' } }, parent: 's', children: ['a', 'a2'] },
    a: { id: 'a', message: { author: { role: 'user' }, create_time: 1700000001, content: { content_type: 'text', parts: ['Why are there tides?'] } }, parent: 'i', children: ['t'] },
    a2: { id: 'a2', message: { author: { role: 'user' }, content: { content_type: 'multimodal_text', parts: [{ content_type: 'image_asset_pointer' }, 'What is this?'] } }, parent: 'i', children: [] },
    t: { id: 't', message: { author: { role: 'assistant' }, content: { content_type: 'thoughts', thoughts: [{ summary: 'Gravity', content: 'The moon pulls.' }] } }, parent: 'a', children: ['k'] },
    k: { id: 'k', message: { author: { role: 'assistant' }, recipient: 'python', content: { content_type: 'code', text: 'print(1)' } }, parent: 't', children: ['o'] },
    o: { id: 'o', message: { author: { role: 'tool', name: 'python' }, content: { content_type: 'execution_output', text: '1' } }, parent: 'k', children: ['b'] },
    b: { id: 'b', message: { author: { role: 'assistant' }, create_time: 1700000009, recipient: 'all', content: { content_type: 'text', parts: ['The moon.\ue200cite\ue201'] }, metadata: { model_slug: 'gpt-4o' } }, parent: 'o', children: ['c'] },
    c: { id: 'c', message: { author: { role: 'assistant' }, content: { content_type: 'text', parts: ['And the sun.'] } }, parent: 'b', children: ['f', 'g'] },
    f: { id: 'f', message: { author: { role: 'user' }, content: { content_type: 'text', parts: ['How much?'] } }, parent: 'c', children: [] },
    g: { id: 'g', message: { author: { role: 'user' }, content: { content_type: 'text', parts: ['Both?'] } }, parent: 'c', children: [] },
  },
}];

/** As Open WebUI writes it. */
const openwebui = () => [{
  id: '1', title: 'Sums', pinned: true, created_at: 1700000000, updated_at: 1700000200,
  chat: {
    title: 'Sums', params: { system: 'Be exact.' }, history: {
      currentId: 'm4', messages: {
        m1: { id: 'm1', parentId: null, childrenIds: ['m2', 'm3'], role: 'user', content: '1+1?', timestamp: 1700000001 },
        m2: { id: 'm2', parentId: 'm1', childrenIds: [], role: 'assistant', content: '3', model: 'small', timestamp: 1700000002 },
        m3: { id: 'm3', parentId: 'm1', childrenIds: ['m4'], role: 'assistant', timestamp: 1700000003, modelName: 'gpt-oss:20b',
          content: '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n&gt; It is &lt; 3.\n&gt; So 2.\n</details>\n<details type="tool_calls" name="x"></details>\n2 & done' },
        m4: { id: 'm4', parentId: 'm3', childrenIds: [], role: 'user', content: [{ type: 'text', text: 'Sure?' }], timestamp: 1700000004 },
      },
    },
  },
}];

describe('conversations of other programs', () => {
  test('ChatGPT', () => {
    const [c] = read(JSON.stringify(chatgpt()));
    assert.deepEqual([c!.title, c!.created, c!.updated, c!.pinned, c!.options.instructions], ['Tides', 1700000000500, 1700000100000, true, 'Answer in rhyme.']);
    assert.deepEqual(branch(c!).map((m) => [m.role, m.content]), [['user', 'Why are there tides?'], ['assistant', 'The moon.\n\nAnd the sun.'], ['user', 'How much?']]);
    const [question, answer, last] = branch(c!);
    assert.deepEqual([question!.created, answer!.created, answer!.model, answer!.reasoning, answer!.finish], [1700000001000, 1700000009000, 'gpt-4o', 'Gravity\n\nThe moon pulls.', 'stop']);
    assert.deepEqual(siblings(c!, question!).map((m) => m.content), ['Why are there tides?', '[image]\n\nWhat is this?']);
    assert.deepEqual(siblings(c!, last!).map((m) => m.content), ['How much?', 'Both?']);
  });

  test('Open WebUI', () => {
    const [c] = read(JSON.stringify(openwebui()));
    assert.deepEqual([c!.title, c!.created, c!.updated, c!.pinned, c!.options.instructions], ['Sums', 1700000000000, 1700000200000, true, 'Be exact.']);
    assert.deepEqual(branch(c!).map((m) => [m.role, m.content]), [['user', '1+1?'], ['assistant', '2 & done'], ['user', 'Sure?']]);
    assert.deepEqual([branch(c!)[1]!.reasoning, branch(c!)[1]!.model], ['It is < 3.\nSo 2.', 'gpt-oss:20b']);
    assert.deepEqual(siblings(c!, branch(c!)[1]!).map((m) => m.content), ['3', '2 & done']);
  });

  test('many are read in about the time of their size', () => {
    const mapping: Record<string, object> = {};
    for (let i = 0; i < 50_000; i++) { // a conversation that is one long chain, deeper than any stack
      mapping[`n${i}`] = { parent: i ? `n${i - 1}` : null, message: { author: { role: i % 2 ? 'assistant' : 'user' }, content: { content_type: 'text', parts: [`${i}`] } } };
    }
    const [c] = read(JSON.stringify([{ title: 'long', mapping, current_node: 'n49999' }]));
    assert.equal(c!.messages.length, 50_000);
    assert.equal(branch(c!).length, 50_000);
  });

  test('several messages with one id are one', () => {
    const message = { id: 'x', role: 'user', content: 'again' };
    const [c] = read(JSON.stringify([{ chat: { messages: [message, { ...message, content: 'and again' }, { ...message, parentId: 'x' }] } }]));
    assert.deepEqual(c!.messages.map((m) => m.content), ['again']);
  });

  const refused: [string, string, RegExp][] = [
    ['an archive', 'PK\x03\x04...', /unpack it/], ['an empty list', '[]', /not a file of conversations/], ['other lists', '[1, null, "x"]', /not a file of conversations/],
    ['conversations without text', '[{"mapping": {}}, {"mapping": {"a": {"message": null}}}]', /no conversation with any text/],
    ['a loop', '[{"mapping": {"a": {"parent": "b", "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["x"]}}}, "b": {"parent": "a"}}}]', /no conversation with any text/],
    ['a tree of nothing', '[{"chat": {"history": {"messages": {"__proto__": {"role": "user"}}}}}]', /no conversation with any text/],
  ];
  for (const [name, file, message] of refused) {
    test(`refuses ${name}`, () => assert.throws(() => read(file), message));
  }

  test('names of fields do no harm as ids', () => {
    const node = (parent: string | null) => ({ parent, message: { author: { role: 'user' }, content: { content_type: 'text', parts: ['x'] } } });
    const mapping = JSON.parse(`{"__proto__": ${JSON.stringify(node(null))}, "constructor": ${JSON.stringify(node('__proto__'))}, "toString": ${JSON.stringify(node('constructor'))}}`);
    assert.equal(branch(read(JSON.stringify([{ mapping, current_node: 'toString' }]))[0]!).length, 3);
    assert.equal('message' in {}, false);
  });

  /** Numbers that look random and are the same in each run. */
  function* random(seed: number): Generator<number, never> {
    for (let x = seed; ; ) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      yield x;
    }
  }
  const junk = [null, true, 0, -1, 1e300, '', 'x', '__proto__', [], {}, [[]], { a: 1 }, 'a', 'm1', 1700000000, [null], { parts: 5 }, '<details type="reasoning"', '\ud800'];

  /** Replaces, removes or moves some value somewhere in data. */
  function damage(data: unknown, next: () => number): void {
    const places: [Record<string, unknown>, string][] = [];
    const walk = (v: unknown) => {
      if (typeof v === 'object' && v !== null) {
        for (const [key, inner] of Object.entries(v)) {
          places.push([v as Record<string, unknown>, key]);
          walk(inner);
        }
      }
    };
    walk(data);
    if (places.length === 0) {
      return;
    }
    const [holder, key] = places[next() % places.length]!;
    const [other, otherKey] = places[next() % places.length]!;
    switch (next() % 3) {
      case 0:
        holder[key] = junk[next() % junk.length];
        break;
      case 1:
        delete holder[key];
        break;
      default:
        holder[key] = structuredClone(other[otherKey]);
    }
  }

  const own = () => {
    const c = conversation('Own', 'a', 'b', 'c');
    append(c, { role: 'assistant', content: '', calls: [{ id: 'k', type: 'function', function: { name: 'f', arguments: '{}' } }], finish: 'tool_calls' });
    append(c, { role: 'tool', content: '1', callID: 'k' });
    return JSON.parse(toJSON([c])) as unknown;
  };
  for (const [name, make] of [['ChatGPT', chatgpt], ['Open WebUI', openwebui], ['this page', own]] as const) {
    test(`a damaged file of ${name} is read as far as it goes, or refused in a sentence`, () => {
      const numbers = random(7);
      const next = () => numbers.next().value >>> 8;
      let refusals = 0;
      for (let i = 0; i < 4000; i++) {
        const data = make() as unknown;
        for (let n = 1 + (next() % 4); n > 0; n--) {
          damage(data, next);
        }
        const file = JSON.stringify(data);
        let conversations: Conversation[];
        try {
          conversations = read(file);
        } catch (error) {
          refusals++;
          assert.ok(error instanceof Error && error.constructor === Error && /^[A-Z].*\.$/.test(error.message), `${String(error)}: ${file}`);
          continue;
        }
        for (const c of conversations) {
          const ids = new Set(c.messages.map((m) => m.id));
          assert.equal(ids.size, c.messages.length, file);
          const before = new Set<string | null>([null]);
          for (const m of c.messages) {
            assert.ok(before.has(m.parent) && typeof m.content === 'string' && new Date(m.created).toISOString() && textOf(m) !== undefined, file);
            before.add(m.id);
          }
          assert.ok(c.leaf === null ? c.messages.length === 0 || name === 'this page' : ids.has(c.leaf), file);
          assert.ok(new Date(c.created).toISOString() && new Date(c.updated).toISOString() && typeof c.title === 'string', file);
          search([c], 'x');
          read(toJSON([c])); // and leaves again
        }
      }
      assert.ok(refusals > 20, `${refusals} were refused`);
    });
  }

  test('cut-off files are refused in a sentence', () => {
    const file = JSON.stringify(chatgpt());
    for (let n = 1; n < file.length; n += 7) {
      assert.throws(() => read(file.slice(0, n)), /^Error: [A-Z].*\.$/s);
    }
  });
});
