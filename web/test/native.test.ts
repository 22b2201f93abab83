// The chat where the program gossamer serves it and runs the model itself.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { root, skip, timeout, visit, type Visit } from './browser.ts';
import { Program } from './program.ts';

const answerOf = (page: Page) => page.locator('.message.assistant').last();

describe('the chat of the program', { skip, timeout }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gossamer-native-'));
  const page = join(dir, 'page');
  const keys = join(dir, 'keys');
  const plays = join(dir, 'plays.json');
  let program: Program;
  let tab: Visit;

  before(async () => {
    execFileSync(process.execPath, [join(root, 'web/build.mjs'), 'native', page], { stdio: 'inherit' });
    writeFileSync(keys, 'me secret\n');
    writeFileSync(plays, JSON.stringify({ version: 1, plays: [
      { name: 'endless', when: { user: 'endless' }, reply: [{ text: '<|channel|>final<|message|>It begins' }, { wait_ms: 600_000 }, { text: ' late' }] },
      { name: 'breaks', when: { user: 'breaks' }, reply: [{ text: '<|channel|>final<|message|>It begins' }, { wait_ms: 300 }, { fail: 'error' }] },
      { name: 'else', when: {}, reply: [{ text: '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: {user}' }] },
    ] }));
    program = await Program.start(page, '0', '--api-keys', keys);
  });
  after(async () => {
    await tab?.close();
    await program?.stop();
  });

  const ask = async (question: string) => {
    await tab.page.fill('#text', question);
    await tab.page.keyboard.press('Enter');
  };

  test('answers with the model of the program, whose key is not left in the address', async () => {
    tab = await visit(`${program.url}#key=secret`, { args: [] });
    const violations: string[] = [];
    tab.page.on('console', (m) => m.type() === 'error' && violations.push(m.text()));
    await ask('What is 17 + 25?');
    await answerOf(tab.page).getByText('= 42').waitFor();
    assert.doesNotMatch(tab.page.url(), /key|secret/);
    assert.match(await tab.page.textContent('#model-button') ?? '', /nano/);
    assert.match(await tab.page.textContent('#meter') ?? '', /\d+ \/ 8,192/);
    assert.equal(await tab.page.locator('#bench-link, #docs-link').count(), 0);
    assert.deepEqual(violations, []);
  });

  test('lists the models of the program', async () => {
    await tab.page.click('#model-button');
    await tab.page.locator('#models .model.current', { hasText: 'nano' }).waitFor();
    await tab.page.keyboard.press('Escape');
  });

  test('a conversation opens in another tab, which has the key from this one', async () => {
    const [other] = await Promise.all([tab.context.waitForEvent('page'), tab.page.locator('#conversations .title').click({ modifiers: ['ControlOrMeta'] })]);
    await answerOf(other).getByText('= 42').waitFor();
    await other.locator('#model-button', { hasText: 'nano' }).waitFor();
    await other.close();
  });

  test('needs the key', async () => {
    const other = await visit(program.url, { args: [] });
    await other.page.getByText('Open the address that gossamer has printed').waitFor();
    await other.close();
  });

  test('says when the program is gone, and has the conversations when it is back', async () => {
    const { port } = new URL(program.url);
    await program?.stop();
    await ask('And 2 + 3?');
    await answerOf(tab.page).getByText('gossamer does not answer. Start it again').waitFor();
    program = await Program.start(page, port, '--playback', plays);
    await tab.page.reload();
    await tab.page.locator('#conversations', { hasText: 'What is 17 + 25?' }).waitFor();
  });

  test('stops replies, and shows where one breaks', async () => {
    await ask('endless');
    await answerOf(tab.page).getByText('It begins').waitFor();
    await tab.page.keyboard.press('Escape');
    await answerOf(tab.page).getByText('Stopped').waitFor();
    await ask('breaks');
    await answerOf(tab.page).locator('.error').waitFor();
    assert.match(await answerOf(tab.page).textContent() ?? '', /It begins/);
    await ask('fine');
    await answerOf(tab.page).getByText('You said: fine').waitFor();
  });

  test('lets no page of another origin in', async () => {
    const other = await tab.context.newPage();
    await other.goto('data:text/html,<title>elsewhere</title>');
    const tries = await other.evaluate(async (url) => {
      const outcome = async (path: string, init?: RequestInit) => fetch(url + path, init).then((r) => `${r.type} ${r.status}`, () => 'refused');
      const body = JSON.stringify({ messages: [{ role: 'user', content: 'x' }] });
      const frame = document.createElement('iframe');
      frame.src = url;
      document.body.append(frame);
      await new Promise((resolve) => frame.addEventListener('load', resolve));
      return {
        read: await outcome('v1/models'),
        ask: await outcome('v1/chat/completions', { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
        blind: await outcome('v1/chat/completions', { method: 'POST', body, mode: 'no-cors' }),
        framed: (() => { try { return frame.contentDocument !== null; } catch { return false; } })(),
      };
    }, program.url);
    await other.close();
    assert.match(tries.blind, /refused|opaque 0/); // by the browser, or answered with 403, which nobody can read
    assert.deepEqual({ ...tries, blind: '' }, { read: 'refused', ask: 'refused', blind: '', framed: false });
    const rebound = await visit(program.url.replace('127.0.0.1', 'insecure.test'), { args: [] });
    assert.match(await rebound.page.textContent('body') ?? '', /host_not_allowed/);
    await rebound.close();
  });
});
