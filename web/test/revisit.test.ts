// What a page does by itself when it is opened: nothing large is downloaded unasked, and a reply that a reload cut off goes on. In
// Chromium, with models that run in the page.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import type { Page } from 'playwright-core';
import { holdReplies, skip, timeout, visit } from './browser.ts';
import { serve, type Server } from './server.ts';

const dist = dirname(dirname(fileURLToPath(import.meta.url)));

/** Bytes of a file as hosts send it. */
const compressed = (data: Buffer) => Math.min(data.length, brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }).length);

/** The processor computes: that takes less to start than a GPU that a processor plays. */
const plain = { args: ['--disable-gpu'] };
/** Takes the likeliest token always, and notes what the page's worker is asked. */
const script = `${holdReplies}
  try { localStorage['gossamer-settings'] ??= '{"options": {"sampling": {"top_k": 1}}}'; } catch {}
  globalThis.asked = [];
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message?.kind === 'chat') {
      globalThis.asked.push(JSON.parse(message.body));
    }
    return post.call(this, message, ...rest);
  };`;
interface Asked {
  messages: { role: string; content: string; reasoning?: string }[];
  continue_final_message?: boolean;
}
declare const globalThis: { asked: Asked[]; framesShown: number } & typeof window;

describe('a page that is opened', { skip, timeout }, () => {
  let server: Server;

  before(async () => {
    const nano = JSON.parse(readFileSync(join(dist, 'nano/manifest.json'), 'utf8'));
    const large = { ...nano, chunks: [...nano.chunks, { ...nano.chunks[0], url: 'chunks/large', bytes: 2e8 }] };
    server = await serve({ '/app/': dist, '/large/manifest.json': Buffer.from(JSON.stringify(large)) });
  });
  after(() => server.close());

  const none = (page: Page) => page.getByText('No model is open.').waitFor();
  const fetched = () => server.requests.filter((r) => r.path.startsWith('/large/') && !r.path.endsWith('manifest.json'));

  test('asks before it downloads a large model that its address names, and before one of an earlier visit', async () => {
    const v = await visit(`${server.url}app/?model=/large/`, plain);
    const { page } = v;
    const question = page.locator('#models .verdict');
    await question.locator('dd', { hasText: /^193 MiB/ }).first().waitFor();
    assert.match(await question.innerText(), /Download.*Storage in this browser.*Memory/s);
    await none(page);
    await question.getByRole('button', { name: 'Cancel' }).click();
    await page.keyboard.press('Escape');
    await page.locator('#models').waitFor({ state: 'hidden' });
    await none(page);
    assert.deepEqual(fetched(), []);
    assert.equal(await page.evaluate(() => (JSON.parse(localStorage['gossamer-settings'] ?? '{}') as { model?: string }).model ?? ''), '');
    // The address asks again; what was open last and is not stored any more, too.
    await page.reload();
    await question.getByRole('button', { name: /^Download 193 MiB/ }).waitFor();
    await page.evaluate(() => localStorage.setItem('gossamer-settings', JSON.stringify({ model: '/large/' })));
    await v.close();
    assert.deepEqual(fetched(), []);
  });

  test('downloads at most 5.9 MB on the first visit, weights and all, and nothing on the second', async (t) => {
    const host = await serve({ '/': dist });
    host.isHost = true;
    const v = await visit(host.url, plain);
    const ready = (page: Page) => page.locator('#model-button', { hasText: 'iB, on the processor' }).waitFor();
    await ready(v.page);
    await v.page.waitForFunction(() => navigator.serviceWorker.controller !== null); // all files are kept
    const first = host.requests.splice(0);
    const sent = first.filter((r) => r.sent > 0);
    const files = [...new Set(sent.map((r) => r.path))];
    const best = files.reduce((n, path) => n + compressed(readFileSync(join(dist, path))), 0);
    t.diagnostic(`${files.length} files: ${sent.reduce((n, r) => n + r.sent, 0)} bytes by gzip, by Brotli ${best}`);
    assert.ok(best <= 5_900_000, `${best} bytes`);
    // The page is asked for by its address, and kept by its name.
    assert.deepEqual(sent.map((r) => r.path).sort(), [...files, '/index.html'].sort(), 'nothing else is downloaded twice');
    await v.page.close();
    const again = await v.newPage(v.url);
    await ready(again);
    assert.deepEqual(host.requests.filter((r) => r.sent > 0).map((r) => `${r.path} ${r.sent}`), []);
    await v.close();
    await host.close();
  });

  test('offers to continue a reply that was cut off, from what there is of it', async () => {
    const v = await visit(`${server.url}app/`, { ...plain, script });
    const { page } = v;
    const answer = page.locator('.assistant').last();
    const box = page.getByLabel('Message', { exact: true });
    await page.evaluate(() => { globalThis.framesShown = 30; });
    await box.fill('What is 123 * 45?');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => (document.querySelector('.assistant .reasoning .plain')?.textContent ?? '').length > 12);
    await page.reload();
    await answer.getByText('Interrupted').waitFor();
    await answer.locator('summary').click();
    const begun = await answer.locator('.reasoning .plain').textContent() ?? '';
    assert.ok(begun.length > 5);
    await answer.getByRole('button', { name: 'Continue' }).click();
    await answer.locator('.stats').waitFor({ timeout });
    const [asked] = await page.evaluate(() => globalThis.asked);
    assert.equal(asked!.continue_final_message, true);
    assert.deepEqual(asked!.messages.map((m) => m.role), ['user', 'assistant']);
    const thought = await answer.locator('.reasoning .plain').textContent() ?? '';
    assert.ok(thought.startsWith(asked!.messages[1]!.reasoning!) && thought.length > begun.length, thought);
    assert.match(await answer.locator('.markdown').innerText(), /\S/);
    assert.equal(await page.locator('.alternatives').count(), 0, 'it is the same reply');
    await v.close();
  });
});
