// Fingers: everything in all dialogs, and what opens over the page, has 44 pixels on a device with a coarse pointer. In Chromium, with a host whose
// model never arrives.

import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { skip, smallTargets, timeout, visit, type Visit } from './browser.ts';
import { serve, type Server } from './server.ts';

// The bundled tests lie in web/dist/test.
const dist = dirname(dirname(fileURLToPath(import.meta.url)));

/** A function and a preset of the visitor's. */
const settings = {
  functions: [{ name: 'get_weather', description: '', parameters: '{"type":"object"}' }], presets: [{ name: 'Captain', prompt: 'Speak like a captain.' }],
};

describe('fingers', { skip, timeout }, () => {
  let server: Server;
  let tab: Visit;
  let page: Page;
  /** Whether a part of the model is there. */
  let arrived: () => boolean;
  /** What was looked at, so that no dialog is forgotten. */
  let looked = 0;

  before(async () => {
    server = await serve({ '/': dist });
    const chunks = () => server.requests.filter(({ path }) => path.includes('/chunks/')).length;
    server.fault = (path) => (path.includes('/chunks/') && chunks() > 1 ? { stall: 10_000 } : undefined); // the first one arrives
    arrived = () => chunks() > 3; // three at a time are asked for
    tab = await visit(server.url, { args: ['--disable-gpu'], script: `try { localStorage['gossamer-settings'] ??= ${JSON.stringify(JSON.stringify(settings))}; } catch {}` });
    page = tab.page;
    const devtools = await tab.context.newCDPSession(page);
    await devtools.send('Emulation.setTouchEmulationEnabled', { enabled: true });
    await page.setViewportSize({ width: 390, height: 844 });
    assert.ok(await page.evaluate(() => matchMedia('(pointer: coarse)').matches));
  });
  after(async () => {
    await tab?.close();
    await server?.close();
  });

  const large = async (what: string) => {
    const { small, count } = await smallTargets(page);
    looked += count;
    assert.deepEqual(small, [], what);
  };
  const press = (name: string | RegExp) => page.getByRole('button', { name }).click();

  test('in the dialog of models, with each of its questions', async () => {
    await page.locator('#model-button').click();
    await page.locator('#models .model').nth(2).waitFor();
    await large('models, one of them loading');
    while (!arrived()) {
      await page.waitForTimeout(50);
    }
    await page.locator('#models').getByRole('button', { name: 'Pause' }).click();
    await page.locator('#models').getByRole('button', { name: 'Resume' }).waitFor();
    await large('models, paused');
    await page.locator('#models').getByRole('button', { name: 'Cancel' }).click();
    await press(/^Open gossamer-nano/);
    await page.locator('#model-context').waitFor();
    await large('what the model takes');
    await page.locator('#models').getByRole('button', { name: 'Cancel' }).click();
    await press(/^Open gpt-oss-120b/);
    await page.locator('#models .verdict .error').waitFor();
    await large('a model that does not fit');
    await press('Remove gossamer-nano'); // what has arrived of it
    await page.getByRole('button', { name: 'Keep it' }).waitFor();
    await large('removing');
    await press('Close');
    await large('no model');
  });

  test('in the settings, with each of their forms', async () => {
    await press('Settings');
    for (const name of ['Replies', 'Tools', 'Format', 'App']) {
      await page.getByRole('tab', { name }).click();
      await large(name);
    }
    await page.getByRole('tab', { name: 'Replies' }).click();
    await page.getByLabel('Prompt preset', { exact: true }).selectOption('Captain');
    await page.getByRole('button', { name: 'Delete preset' }).waitFor();
    await large('a preset');
    await page.getByLabel('System prompt').fill('Another one.');
    await press('Save as preset');
    await large('the name of a preset');
    await press('Cancel');
    await press('Reset to defaults');
    await page.getByRole('button', { name: 'Undo' }).waitFor();
    await large('a sentence that can be taken back');
    await page.getByRole('tab', { name: 'Tools' }).click();
    await press('Edit get_weather');
    await page.getByRole('button', { name: 'Save function' }).waitFor();
    await large('a function');
    await press('Close');
  });

  test('in the list of conversations and its menus', async () => {
    const answer = { id: 'b', parent: 'a', role: 'assistant', content: 'Yes.', finish: 'stop', created: 2 };
    const file = { format: 'gossamer-conversations', version: 1, conversations: Array.from({ length: 5 }, (_, i) => ({
      id: `${i}`, title: `Conversation ${i}`, created: 1, updated: i + 1, options: {}, leaf: 'b', messages: [{ id: 'a', parent: null, role: 'user', content: 'Is it?', created: 1 }, answer] })) };
    await press('Show conversations');
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), press('Import')]);
    await chooser.setFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file)) });
    await page.locator('.assistant', { hasText: 'Yes.' }).waitFor();
    await large('a conversation');
    await press('Show conversations');
    await large('the list');
    await press('More for Conversation 4');
    await large('the menu');
    await press('Rename');
    await large('renaming');
    await page.keyboard.press('Escape');
    assert.ok(looked > 150, `${looked} things were looked at`);
  });
});
