// The dialog of models in Chromium: what it says before anything is chosen, and where it says how things go.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { offers } from '../app/offers.ts';
import { parseManifest } from '../src/shared/manifest.ts';
import { models } from '../src/shared/models.ts';
import { bill } from '../src/shared/plan.ts';
import { holdReplies, skip, timeout, visit, type Visit } from './browser.ts';
import { serve, type Fault, type Server } from './server.ts';

declare const globalThis: { told: string[]; framesShown: number } & typeof window;

const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

test('what is said of the published models is what they take', () => {
  assert.deepEqual(Object.keys(offers), models.map((m) => m.name));
  const { configs } = JSON.parse(readFileSync(join(dist, '../../testdata/plans.json'), 'utf8')) as { configs: Record<string, object> };
  for (const [name, { memory }] of Object.entries(offers)) {
    const manifest = { format: 'gossamer-manifest', version: 1, config: configs[name.replace('gpt-oss-', '')], chunks: [{ url: 'a.bin', bytes: 1, sha256: 'a'.repeat(64) }], tensors: [] };
    assert.equal(bill(parseManifest(JSON.stringify(manifest), 'https://host/manifest.json')).total, memory, name);
  }
});

describe('the dialog of models', { skip, timeout }, () => {
  let server: Server;
  let tab: Visit;
  let page: Page;
  before(async () => {
    server = await serve({ '/chat/': dist });
    server.fault = (path) => (path.includes('/chunks/') ? { stall: 10_000 } : undefined);
    await open();
  });
  const open = async (options: Parameters<typeof visit>[1] = {}) => {
    tab = await visit(`http://127.0.0.1:${server.port}/chat/`, options);
    page = tab.page;
  };
  after(async () => {
    await tab?.close();
    await server?.close();
  });

  const card = (name: string) => page.locator('.model', { has: page.locator('strong', { hasText: name }) });
  const focused = () => page.evaluate(() => document.activeElement?.textContent || document.activeElement?.getAttribute('aria-label'));
  const ready = (p: Page) => p.locator('#model-button', { hasText: 'on the processor' }).waitFor();
  const violations = async () => {
    const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`) as { violations: { id: string; nodes: { html: string }[] }[] };
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join('; ')}`);
  };
  /** Changes the context of the open model. */
  const changeContext = async (p: Page, tokens: number) => {
    await p.bringToFront();
    await p.locator('#model-button').click();
    await p.getByRole('button', { name: 'Change the context of gossamer-nano' }).click();
    await p.getByRole('combobox', { name: 'Context' }).selectOption(String(tokens));
    await p.locator('.verdict dd', { hasText: `${tokens.toLocaleString('en')} tokens` }).waitFor();
    await p.getByRole('button', { name: 'Open', exact: true }).click();
  };

  test('says what each model needs, asking no other host', async () => {
    const asked: string[] = [];
    page.on('request', (r) => asked.push(r.url()));
    await page.locator('.numbers', { hasText: 'iB of' }).waitFor();
    await page.locator('#model-button').click();
    await card('gpt-oss-20b').filter({ hasText: 'Needs 12.8 GiB to download and to store, 13.9 GiB of GPU memory.' }).filter({ hasText: 'Not downloaded' }).waitFor();
    await card('gpt-oss-120b').filter({ hasText: 'Needs 60.8 GiB to download and to store, 62.3 GiB of GPU memory.' }).waitFor();
    assert.deepEqual(asked.filter((url) => !url.startsWith(tab.url)), []);
    await tab.close();
  });

  // From here on the processor computes: no shaders are compiled each time the model is opened.
  test('shows progress and failures at the model, and keeps the focus', async () => {
    await open({ args: ['--disable-gpu'] });
    await page.locator('.numbers', { hasText: 'iB of' }).waitFor();
    await page.locator('#model-button').click();
    await card('gossamer-nano').locator('.numbers', { hasText: /Loading the weights · .* of [\d.]+ MiB/ }).waitFor();
    await card('gossamer-nano').getByText('Loading', { exact: true }).waitFor();
    assert.deepEqual(await violations(), []);
    await card('gossamer-nano').getByRole('button', { name: 'Pause' }).click();
    await card('gossamer-nano').locator('.numbers', { hasText: 'Paused' }).waitFor();
    assert.equal(await focused(), 'Resume');
    server.fault = (path) => (path.includes('/chunks/') ? { status: 404 } : undefined);
    await page.keyboard.press('Enter');
    await card('gossamer-nano').locator('.error', { hasText: '404' }).waitFor();
    assert.deepEqual(await violations(), []);
    server.fault = () => undefined;
    await card('gossamer-nano').getByRole('button', { name: 'Try again' }).click();
    await card('gossamer-nano').getByText(/^Open · Already downloaded/).waitFor();
    assert.notEqual(await page.evaluate(() => document.activeElement?.tagName), 'BODY');
  });

  test('is the same where another tab runs the model, whose end shows as loading', async () => {
    const other = await tab.newPage(`${tab.url}chat/`);
    await ready(other);
    assert.deepEqual([page.workers().length, other.workers().length], [1, 0]);
    await page.keyboard.press('Escape');
    await other.locator('#model-button').click();
    await other.locator('.model.current', { hasText: 'Open · Already downloaded' }).waitFor();
    await other.locator('.current-model', { hasText: '8,192 tokens of context' }).waitFor();
    await other.keyboard.press('Escape');
    await page.close();
    await other.locator('#loading .card', { hasText: 'The tab that ran the model was closed or loaded it again.' }).waitFor();
    await other.locator('#model-button', { hasText: 'loading' }).waitFor();
    await ready(other);
    assert.equal(await other.locator('#loading .card').count(), 0);
    page = other;
  });

  test('a context that another tab does not have is refused in a sentence, with a way on', async () => {
    const other = await tab.newPage(`${tab.url}chat/`);
    await ready(other);
    await changeContext(page, 1024); // the other tab takes over meanwhile, with what it has asked for
    await page.locator('.toast', { hasText: 'Another tab has the model open with 8,192 tokens of context' }).waitFor();
    await changeContext(page, 16384);
    await page.locator('.card.failed', { hasText: /Another tab has opened the model with a context of 8,192, this one asks for 16,384/ }).waitFor();
    await page.getByRole('button', { name: 'Open it as the other tab has it' }).click();
    await ready(page);
  });

  test('a context that is changed while the model replies ends the reply, and nothing else', async () => {
    server.fault = () => undefined;
    const visitor = await visit(`http://127.0.0.1:${server.port}/chat/`, { args: ['--disable-gpu'], script: holdReplies });
    const { page } = visitor;
    await ready(page);
    await page.evaluate(() => { globalThis.framesShown = 3; });
    await page.getByLabel('Message', { exact: true }).fill('What is 30 + 12?');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('.assistant .reasoning .plain')?.textContent);
    await changeContext(page, 1024);
    await page.locator('.assistant', { hasText: 'Stopped.' }).waitFor();
    await page.evaluate(() => { globalThis.framesShown = Infinity; });
    await page.getByRole('button', { name: 'Regenerate' }).click();
    await page.locator('.alternatives', { hasText: '2/2' }).waitFor();
    await page.locator('.send[data-mode="send"]').waitFor();
    await page.locator('.meter[aria-valuetext*="of 1,024 tokens"]').waitFor({ state: 'attached' });
    assert.equal(await page.locator('.error, .failed').count(), 0);
    await visitor.close();
  });

  test('tells at the model and in the page that a download is tried again, and when', async () => {
    let begin = () => {};
    let goOn = () => {};
    const [begun, others] = [new Promise<void>((resolve) => (begin = resolve)), new Promise<void>((resolve) => (goOn = resolve))];
    const faults: Fault[] = [{ cut: 100 }, { cut: 100 }, { status: 503, retryAfter: '2' }];
    let first: string | undefined;
    server.fault = (path) => {
      if (!path.includes('/chunks/')) {
        return undefined;
      }
      first ??= path;
      const fault = path === first ? faults.shift() : undefined; // of one connection: others that bring bytes would be progress
      if (path === first && !fault) {
        goOn();
      }
      return path === first ? { ...fault, wait: begun } : { wait: others };
    };
    const watch = () => {
      globalThis.told = [];
      new MutationObserver(() => {
        const places = [['page', '#loading .numbers'], ['model', '#models .numbers'], ['screen reader', '#live']] as const;
        for (const [place, selector] of places) {
          const text = `${place}: ${document.querySelector(selector)?.textContent ?? ''}`;
          globalThis.told.includes(text) || globalThis.told.push(text);
        }
      }).observe(document, { subtree: true, childList: true, characterData: true });
    };
    const visitor = await visit(`http://127.0.0.1:${server.port}/chat/`, { args: ['--disable-gpu'], script: `if (origin !== 'null') (${watch.toString()})()` });
    await visitor.page.locator('#loading .numbers', { hasText: 'Loading the weights' }).waitFor();
    await visitor.page.locator('#model-button').click();
    await visitor.page.locator('#models .numbers', { hasText: 'Loading the weights' }).waitFor();
    begin();
    await ready(visitor.page);
    const told = (await visitor.page.evaluate(() => globalThis.told)).join('\n');
    for (const place of ['page', 'model']) {
      assert.match(told, new RegExp(`^${place}: Loading the weights · [\\d.]+ \\w+ of [\\d.]+ MiB · The connection broke; trying again in 1 s$`, 'm'));
      assert.match(told, new RegExp(`^${place}: Loading the weights · .* · The host answers 503; trying again in 2 s$`, 'm'));
    }
    assert.match(told, /^screen reader: The connection broke; trying again in 1 s$/m);
    assert.deepEqual(faults, []);
    await visitor.close();
  });
});
