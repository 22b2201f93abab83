// Rules that Go and TypeScript both have to know: Go writes examples of them to testdata/rules (TestRules in
// runtime/checkpoint/remote and runtime/openai, with -update), and these tests compare them with what the page does.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { modelList, modelObject, serverSentEvents } from '../src/page/openai.ts';
import { RuntimeError, type APIError } from '../src/shared/errors.ts';
import { chunkFault } from '../src/shared/hosts.ts';
import { manifestURL, modelName } from '../src/shared/manifest.ts';
import { backoff, judge, maxFailures, minRate, openFailures, stallTimeout } from '../src/shared/retry.ts';

// The bundled tests lie in web/dist/test.
const rules = join(dirname(fileURLToPath(import.meta.url)), '../../../testdata/rules');
const examples = <T>(name: string): T => JSON.parse(readFileSync(join(rules, name), 'utf8')) as T;

test('the URLs of models', () => {
  const base = 'https://site/app/page.html';
  for (const { model, url, error } of examples<{ model: string; url: string; error: boolean }[]>('urls.json')) {
    if (error) {
      assert.throws(() => manifestURL(model, base), (e) => e instanceof RuntimeError && e.code === 'bad-model' && !/secret|se\/cret/.test(e.message), model);
    } else {
      assert.equal(manifestURL(model, base), `${url}manifest.json`, model);
      assert.equal(manifestURL(manifestURL(model, base), base), `${url}manifest.json`, `${model}, again`);
    }
  }
});

test('the places where the chunks of a model may be', () => {
  for (const { model, chunk, allowed, why } of examples<{ model: string; chunk: string; allowed: boolean; why: string }[]>('chunks.json')) {
    const fault = chunkFault(chunk, `${model || 'local:/1f2e3d4c/model/'}manifest.json`);
    assert.equal(fault === undefined, allowed, `${chunk} of ${model}: ${why}: ${fault}`);
    assert.ok(!fault?.includes('secret'), fault);
  }
});

test('the URLs of models that only a page has', () => {
  const base = 'https://site/app/page.html?model=x';
  assert.equal(manifestURL('models/20b/', base), 'https://site/app/models/20b/manifest.json');
  assert.equal(manifestURL('/20b', base), 'https://site/20b/manifest.json');
  assert.equal(manifestURL('local:/1f2e3d4c/20b/manifest.json', base), 'local:/1f2e3d4c/20b/manifest.json');
  assert.equal(manifestURL('models/20b', 'chrome-extension://abc/page.html'), 'chrome-extension://abc/models/20b/manifest.json');
});

test('a model is named after its directory', () => {
  assert.equal(modelName('https://host/models/gpt-oss-20b/manifest.json'), 'gpt-oss-20b');
  assert.equal(modelName('https://huggingface.co/openai/gpt-oss-20b/resolve/main/manifest.json'), 'gpt-oss-20b');
  assert.equal(modelName('https://host/manifest.json'), 'host');
  assert.equal(modelName('https://host/models/gpt%2Doss'), 'gpt-oss');
  assert.equal(modelName('https://host/models/gpt-oss/'), 'gpt-oss');
});

test('replies after which a download is tried again', () => {
  const now = Date.UTC(2026, 10, 1); // as in Go's test
  for (const { status, retryAfter, retry, waitMs, missing, why } of
    examples<{ status: number; retryAfter: string; retry: boolean; waitMs: number; missing: boolean; why: string }[]>('retries.json')) {
    assert.deepEqual(judge(status, retryAfter || null, now), { retry, wait: waitMs, missing }, `${status} ${retryAfter}: ${why}`);
  }
});

test('a Retry-After that is a date is read against the clock', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5);
  for (const date of ['Fri, 02 Jan 2026 03:05:05 GMT', 'Friday, 02-Jan-26 03:05:05 GMT', 'Fri Jan  2 03:05:05 2026']) {
    assert.deepEqual(judge(503, date, now), { retry: true, wait: 60_000, missing: false }, date);
  }
  assert.deepEqual(judge(503, 'Fri, 02 Jan 2026 04:04:05 GMT', now), { retry: false, wait: 3_600_000, missing: false });
});

test('the pauses between attempts', () => {
  for (const { failures, leastMs, mostMs, giveUp, giveUpOpening } of
    examples<{ failures: number; leastMs: number; mostMs: number; giveUp: boolean; giveUpOpening: boolean }[]>('backoff.json')) {
    assert.equal(failures >= maxFailures, giveUp, `${failures}`);
    assert.equal(failures >= openFailures, giveUpOpening, `${failures}`);
    if (!giveUp) {
      assert.deepEqual(backoff(failures), { least: leastMs, most: mostMs }, `${failures}`);
    }
  }
});

test('what a connection must bring', () => {
  assert.deepEqual(examples('stall.json'), [{ bytesPerSecond: minRate, windowMs: stallTimeout }]);
});

test('the list of models', () => {
  for (const { models, json } of examples<{ models: { id: string; ownedBy: string; created: number }[]; json: string }[]>('models.json')) {
    assert.equal(JSON.stringify(modelList(models.map((m) => modelObject(m.id, m.created, m.ownedBy)))), json);
  }
});

test('the server-sent events of a streamed reply', async () => {
  for (const { chunks, error, frames } of examples<{ chunks: unknown[]; error: APIError | null; frames: string[] }[]>('sse.json')) {
    const reply = async function* () {
      yield* chunks;
      if (error) {
        throw new RuntimeError('internal', error.message, { api: { status: 500, error } });
      }
    };
    const got: string[] = [];
    for await (const frame of serverSentEvents(reply())) {
      got.push(frame);
    }
    assert.deepEqual(got, frames);
  }
});

test('a reply that was aborted ends with the error of one that was cancelled', async () => {
  const { frames } = examples<{ error: APIError | null; frames: string[] }[]>('sse.json').find(({ error }) => error?.type === 'cancelled')!;
  const reply = async function* () {
    throw new DOMException('stop', 'AbortError');
  };
  for await (const frame of serverSentEvents(reply())) {
    assert.equal(frame, frames.at(-1));
  }
});
