// Titles that the model makes of conversations: in Chromium, with the chat of the program, whose replies a file tells.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { Page, Request } from 'playwright-core';
import { root, skip, timeout, visit as open, type Visit } from './browser.ts';
import { Program } from './program.ts';

/** A play that makes a title of a conversation that began with a question. */
const titleOf = (question: string, ...reply: object[]) => ({ name: `title of ${question}`, when: { user: `(?s)Question: ${question}.*a title of` }, reply });
const says = (title: string) => ({ text: `<|channel|>analysis<|message|>A title.<|end|><|start|>assistant<|channel|>final<|message|>${JSON.stringify({ title })}` });
const plays = { version: 1, plays: [
  titleOf('trams', says('Trams of Lisbon')),
  titleOf('straßenbahnen', says('Straßenbahnen in Lissabon')),
  { ...titleOf('late', { wait_ms: 600_000 }, says('Never seen')), name: 'title of late, which takes long', when: { user: '(?s)Question: late.*a title of', nth: 1 } },
  titleOf('late', says('Seen at last')),
  titleOf('slow', { text: '<|channel|>analysis<|message|>Hm.' }, { wait_ms: 2000 }, { text: '<|end|><|start|>assistant<|channel|>final<|message|>{"title":"Of the model"}' }),
  titleOf('broken', { text: '<|channel|>final<|message|>No JSON' }),
  titleOf('failing', { fail: 'error' }),
  { name: 'long', when: { user: '^write' }, reply: [{ text: '<|channel|>final<|message|>It begins' }, { wait_ms: 600_000 }] },
  { name: 'else', when: {}, reply: [{ text: '<|channel|>final<|message|>You said: {user}' }] },
] };

const titles = (page: Page) => page.locator('#conversations .title').allTextContents();
const isTitle = (r: Request) => r.method() === 'POST' && (r.postData() ?? '').includes('a title of');

describe('titles by the model', { skip, timeout }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gossamer-titles-'));
  let program: Program;
  let tab: Visit;
  let page: Page;
  const problems: string[] = [];
  /** Requests of the page for titles, and those that it has ended. */
  let asked: Request[], ended: Request[];

  before(async () => {
    execFileSync(process.execPath, [join(root, 'web/build.mjs'), 'native', join(dir, 'page')], { stdio: 'inherit' });
    writeFileSync(join(dir, 'plays.json'), JSON.stringify(plays));
    program = await Program.start(join(dir, 'page'), '0', '--playback', join(dir, 'plays.json'));
  });
  after(() => program?.stop());
  beforeEach(async () => {
    tab = await open(program.url, { args: ['--disable-gpu'] });
    page = tab.page;
    page.on('pageerror', (e) => problems.push(e.message));
    [asked, ended] = [[], []];
    page.on('request', (r) => isTitle(r) && asked.push(r));
    page.on('requestfailed', (r) => isTitle(r) && ended.push(r));
  });
  afterEach(async () => {
    await tab.close();
    assert.deepEqual(problems.splice(0), []);
  });

  const ask = async (question: string) => {
    await page.getByLabel('Message', { exact: true }).fill(question);
    await page.keyboard.press('Enter');
  };
  const answered = (question: string) => page.locator('.assistant', { hasText: `You said: ${question}` }).locator('.stats').waitFor();
  /** Waits until something was asked, or ended, so many times. */
  const count = async (list: () => Request[], n: number) => {
    while (list().length < n) {
      await page.waitForTimeout(50);
    }
    assert.equal(list().length, n);
  };
  const titled = (title: string) => page.locator('#conversations .current .title', { hasText: title }).waitFor();

  test('a conversation has its question as title, and after the answer one of the model', async () => {
    await ask('trams, and how they run');
    await answered('trams');
    await titled('Trams of Lisbon');
    assert.equal(await page.title(), 'Trams of Lisbon · Gossamer');
    const body = JSON.parse(asked[0]!.postData()!) as { reasoning_effort: string; max_completion_tokens: number };
    assert.deepEqual([body.reasoning_effort, body.max_completion_tokens], ['low', 200]);
    await ask('more');
    await answered('more');
    await page.reload();
    await titled('Trams of Lisbon');
    assert.equal(asked.length, 1, 'once');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await ask('straßenbahnen?');
    await titled('Straßenbahnen in Lissabon');
  });

  test('whoever writes, or asks, ends it at once, and after the next answer it is made', async () => {
    await ask('late');
    await answered('late');
    await count(() => asked, 1);
    await page.keyboard.type('a');
    await count(() => ended, 1);
    await page.keyboard.press('Enter');
    await answered('a');
    await titled('Seen at last');
    assert.equal(asked.length, 2);
  });

  test('another window that asks ends it, and while it writes there is none', async () => {
    await fetch(`${program.url}playback/reset`, { method: 'POST' });
    await ask('late');
    await answered('late');
    await count(() => asked, 1);
    const other = await tab.newPage(tab.url);
    await other.getByLabel('Message', { exact: true }).fill('write');
    await other.keyboard.press('Enter');
    await other.locator('.assistant', { hasText: 'It begins' }).waitFor();
    await count(() => ended, 1);
    await ask('c');
    await answered('c');
    assert.equal(asked.length, 1);
  });

  test('a title that the visitor gives is never replaced', async () => {
    await ask('slow');
    await answered('slow');
    await count(() => asked, 1);
    const answer = asked[0]!.response();
    await page.getByRole('button', { name: 'More for slow' }).click();
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.keyboard.press('Enter'); // the same, but now it is the visitor's
    await answer.then((r) => r?.finished(), () => {});
    await ask('more');
    await answered('more');
    assert.deepEqual(await titles(page), ['slow']);
    assert.equal(asked.length, 1);
    await page.reload();
    await titled('slow');
  });

  test('it fails quietly', async () => {
    for (const question of ['broken', 'failing']) {
      await page.getByRole('button', { name: 'New conversation' }).click();
      asked = [];
      await ask(question);
      await answered(question);
      await count(() => asked, 1);
      await asked[0]!.response().then((r) => r?.finished(), () => {});
      await ask('more');
      await answered('more');
      await titled(question);
      assert.equal(asked.length, 1);
      assert.equal(await page.locator('.toast').count(), 0);
    }
  });

  test('settings turn it off', async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('tab', { name: 'App' }).click();
    await page.getByLabel('Titles by the model').uncheck();
    await page.reload();
    assert.equal(await page.getByLabel('Titles by the model').isChecked(), false);
    await page.keyboard.press('Escape');
    await ask('trams');
    await answered('trams');
    await ask('more');
    await answered('more');
    assert.deepEqual([await titles(page), asked.length], [['trams'], 0]);
  });
});
