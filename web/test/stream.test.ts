import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromWire, RuntimeError, toWire } from '../src/shared/errors.ts';
import { Stream } from '../src/page/stream.ts';

const stream = () => new Stream<number>(new AbortController());

test('parts arrive in order, whether they come before or after they are waited for', async () => {
  const s = stream();
  s.push(1);
  setTimeout(() => {
    s.push(2);
    s.push(3);
    s.end();
  }, 1);
  assert.deepEqual(await collect(s), [1, 2, 3]);
  assert.equal(s.controller.signal.aborted, false);
});

test('leaving the loop aborts the reply', async () => {
  const s = stream();
  s.push(1);
  for await (const n of s) {
    assert.equal(n, 1);
    break;
  }
  assert.equal(s.controller.signal.aborted, true);
});

test('controller.abort ends the loop quietly, and nothing arrives afterwards', async () => {
  const s = stream();
  s.push(1);
  s.push(2);
  const got: number[] = [];
  for await (const n of s) {
    got.push(n);
    s.controller.abort();
  }
  assert.deepEqual(got, [1]);
});

test('controller.abort wakes a loop that waits', async () => {
  const s = stream();
  setTimeout(() => s.controller.abort(), 1);
  assert.deepEqual(await collect(s), []);
});

test('an error ends the loop after what came before it', async () => {
  const s = stream();
  s.push(1);
  s.end(new RuntimeError('device-lost', 'gone'));
  const got: number[] = [];
  await assert.rejects(async () => {
    for await (const n of s) {
      got.push(n);
    }
  }, { code: 'device-lost' });
  assert.deepEqual(got, [1]);
});

test('a stream can be read once', async () => {
  const s = stream();
  s.end();
  await collect(s);
  await assert.rejects(collect(s), /once/);
});

test('as a ReadableStream each part is a line', async () => {
  const s = stream();
  s.push(1);
  s.push(2);
  s.end();
  assert.equal(await new Response(s.toReadableStream()).text(), '1\n2\n');
});

test('errors cross the worker with code, hint and details', () => {
  const error = new RuntimeError('integrity', 'wrong', { url: 'u', want: 'a', got: 'b' });
  const copy = fromWire(structuredClone(toWire(error))) as RuntimeError;
  assert.deepEqual([copy.code, copy.message, copy.hint, copy.details.url, copy.details.want, copy.details.got],
    ['integrity', 'wrong', error.hint, 'u', 'a', 'b']);
  const abort = fromWire(structuredClone(toWire(new DOMException('stop', 'AbortError'))));
  assert.equal(abort.name, 'AbortError');
  const param = fromWire(toWire({ code: 'bad-request', message: 'no', param: 'stop' })) as RuntimeError;
  assert.equal(param.details.param, 'stop');
  for (const strange of [new TypeError('x'), 'text', undefined, { code: 'ENOENT', message: 'x' }, { code: 'toString', message: 'x' }]) {
    assert.equal((fromWire(toWire(strange)) as RuntimeError).code, 'internal');
  }
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) {
    all.push(item);
  }
  return all;
}
