// What several windows do to one conversation, without the windows.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { append, branch, defaultOptions, extend, newConversation, show, siblings, type Conversation } from '../app/conversation.ts';
import { assemble, headOf, makeTimesGrow, mergeHeads, seenOf, sortMessages, update } from '../app/merge.ts';

const nobody = () => false;

/** A turn, as both windows have it. */
function turn(): Conversation {
  const c = newConversation(defaultOptions);
  append(c, { role: 'user', content: 'question' });
  append(c, { role: 'assistant', content: 'answer', finish: 'stop' });
  return c;
}

describe('the heads of a conversation', () => {
  test('are merged by field: what this window has changed, and else what is stored', () => {
    const base = headOf(turn());
    const stored = { ...base, title: 'theirs', updated: 9e15 };
    const mine = { ...base, options: { ...base.options, effort: 'high' as const } };
    const merged = mergeHeads(stored, mine, base);
    assert.deepEqual([merged.title, merged.options.effort, merged.updated], ['theirs', 'high', 9e15]);
    assert.equal(mergeHeads(stored, { ...base, title: 'mine' }, base).title, 'mine');
    const given = { ...stored, named: true };
    assert.equal(mergeHeads(given, { ...base, title: 'of the model' }, base).title, 'theirs', 'what a visitor gave meanwhile stays');
    assert.equal(mergeHeads(given, { ...base, title: 'mine', named: true }, base).title, 'mine');
  });

  test('keep a leaf that this window has yet to save, whatever it reads before', () => {
    const mine = turn();
    const stored = structuredClone(mine);
    append(mine, { role: 'user', content: 'next' });
    update(mine, stored, headOf(stored), () => true);
    assert.equal(mergeHeads(headOf(stored), headOf(mine), seenOf(stored, mine)).leaf, mine.leaf);
    // Which of the stored branches this window looks at is not for another one.
    const other = structuredClone(mine);
    mine.leaf = mine.messages[0]!.id;
    assert.equal(mergeHeads(headOf(other), headOf(mine), seenOf(other, mine)).leaf, other.leaf);
  });
});

describe('messages of two windows', () => {
  test('are all there, in the same order in both', () => {
    const one = turn();
    const two = structuredClone(one);
    for (let i = 0; i < 5; i++) {
      append(one, { role: 'user', content: `one ${i}` });
      append(two, { role: 'user', content: `two ${i}` });
    }
    const stored = { ...structuredClone(one), messages: sortMessages(structuredClone([...one.messages, ...two.messages.slice(2)])) };
    update(one, structuredClone(stored), headOf(one), nobody);
    update(two, structuredClone(stored), headOf(two), nobody);
    assert.equal(one.messages.length, 12);
    assert.deepEqual(two.messages, one.messages);
    for (const c of [one, two]) {
      assert.ok(c.messages.every((m, i) => m.parent === null || c.messages.findIndex((p) => p.id === m.parent) < i), 'each is behind the one that it follows');
    }
  });

  test('keep their identity, and what this window writes', () => {
    const mine = turn();
    const base = headOf(mine);
    const writing = append(mine, { role: 'assistant', content: 'longer than' });
    const shown = mine.messages[1]!;
    const stored = structuredClone(mine);
    stored.messages[2]!.content = 'longer';
    Object.assign(stored.messages[1]!, { content: 'changed' });
    delete stored.messages[1]!.finish;
    update(mine, stored, base, (m) => m === writing);
    assert.equal(mine.messages[1], shown);
    assert.deepEqual([shown.content, shown.finish, writing.content], ['changed', undefined, 'longer than']);
  });
});

describe('the branch that a window shows', () => {
  const follow = (mine: Conversation, theirs: Conversation) => {
    update(mine, theirs, headOf(mine), nobody);
    return branch(mine).map((m) => m.content);
  };
  test('goes on where another window goes on with it', () => {
    const mine = turn();
    const theirs = structuredClone(mine);
    append(theirs, { role: 'user', content: 'next' });
    assert.deepEqual(follow(mine, theirs), ['question', 'answer', 'next']);
  });
  test('goes on also where the leaf is stored before the last message', () => {
    const mine = turn();
    const theirs = structuredClone(mine);
    append(theirs, { role: 'user', content: 'next' });
    append(theirs, { role: 'assistant', content: 'reply' });
    const early = assemble(headOf(theirs), structuredClone(theirs.messages.slice(0, 3)));
    assert.deepEqual(follow(mine, early), ['question', 'answer', 'next']);
    assert.deepEqual(follow(mine, theirs), ['question', 'answer', 'next', 'reply']);
  });
  test('follows an answer that another window makes again, and a question that it edits', () => {
    for (const [index, content] of [[0, 'edited'], [1, 'again']] as const) {
      const mine = turn();
      const theirs = structuredClone(mine);
      append(theirs, { role: index ? 'assistant' : 'user', content }, theirs.messages[index]!.parent);
      assert.equal(follow(mine, theirs).at(-1), content);
    }
  });
  test('stays where another window looks at, or goes on with, another branch', () => {
    const mine = turn();
    append(mine, { role: 'user', content: 'edited' }, null);
    const theirs = structuredClone(mine);
    show(theirs, siblings(theirs, theirs.messages[0]!)[0]!);
    assert.deepEqual(follow(mine, structuredClone(theirs)), ['edited']);
    append(theirs, { role: 'user', content: 'next' });
    assert.deepEqual(follow(mine, theirs), ['edited']);
  });
  test('is not moved by a turn on a branch that is not shown', () => {
    const c = turn();
    const other = append(c, { role: 'user', content: 'edited' }, null);
    extend(c, { role: 'assistant', content: 'late' }, c.messages[1]!.id);
    assert.equal(c.leaf, other.id);
    extend(c, { role: 'assistant', content: 'reply' }, other.id);
    assert.deepEqual(branch(c).map((m) => m.content), ['edited', 'reply']);
  });
});

test('times of earlier versions and of files are made to grow', () => {
  const c = turn();
  c.messages.forEach((m) => (m.created = 0));
  makeTimesGrow(c.messages);
  assert.deepEqual(sortMessages([...c.messages].reverse()), c.messages);
});
