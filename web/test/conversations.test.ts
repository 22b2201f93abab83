// Conversations in several windows, over reloads and deletions, and the addresses that lead to them: in Chromium, with the chat of the
// program, whose replies a file tells.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { root, skip, timeout, visit as open, type Visit } from './browser.ts';
import { Program, withoutTitles } from './program.ts';

const words = Array.from({ length: 30 }, (_, i) => ` word${i}`);
const long = `It begins${words.join('')}.`;
const thought = 'Let me think of it.';
const plays = { version: 1, plays: [
  { name: 'slow', when: { user: 'slow' }, reply: [
    { text: `<|channel|>analysis<|message|>${thought}` }, { wait_ms: 200 }, { text: '<|end|><|start|>assistant<|channel|>final<|message|>It begins' },
    ...words.flatMap((text) => [{ wait_ms: 40 }, { text }]), { text: '.' },
  ] },
  { name: 'endless', when: { user: 'endless' }, reply: [{ text: '<|channel|>final<|message|>It begins' }, { wait_ms: 600_000 }, { text: ' late' }] },
  { name: 'calls', when: { last: 'user', tools: ['calculator'] }, reply: [{ text: '<|channel|>commentary to=functions.calculator <|constrain|>json<|message|>{"expression":"6*7"}<|call|>' }] },
  { name: 'else', when: {}, reply: [{ text: '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: {user}' }] },
] };

const box = (page: Page) => page.getByLabel('Message', { exact: true });
const lastAnswer = (page: Page) => page.locator('.assistant').last();
const idle = (page: Page) => page.locator('.send[data-mode="send"]').waitFor();
const ask = async (page: Page, question: string) => {
  await box(page).fill(question);
  await page.keyboard.press('Enter');
};
const said = (page: Page) => page.locator('.bubble, .assistant .markdown').allTextContents();
const chatOf = (page: Page) => new URLSearchParams(new URL(page.url()).hash.slice(1)).get('chat');
/** Waits until something holds in a page; not by its frames, which a window behind another one may not have. */
const until = (page: Page, f: (text: string) => boolean, text: string) => page.waitForFunction(f, text, { polling: 100 });
/** Waits for the address: it is changed after what it is changed for. */
const at = (page: Page, hash: RegExp) => until(page, (hash) => new RegExp(hash).test(location.hash), hash.source);
/** Waits until a text is in the box. */
const written = (page: Page, text: string) => until(page, (text) => (document.getElementById('text') as HTMLTextAreaElement).value === text, text);
const titles = (page: Page) => page.locator('#conversations .title').allTextContents();
const menu = async (page: Page, title: string, action: string) => {
  const item = page.locator('#conversations li', { hasText: title });
  await item.locator('.icon-button').click();
  await item.getByRole('button', { name: action, exact: true }).click();
};

describe('conversations', { skip, timeout }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gossamer-conversations-'));
  let program: Program;
  const problems: string[] = [];

  before(async () => {
    execFileSync(process.execPath, [join(root, 'web/build.mjs'), 'native', join(dir, 'page')], { stdio: 'inherit' });
    writeFileSync(join(dir, 'plays.json'), JSON.stringify(plays));
    program = await Program.start(join(dir, 'page'), '0', '--playback', join(dir, 'plays.json'));
  });
  after(() => program?.stop());

  const visit = async (path = ''): Promise<Visit> => {
    const visit = await open(program.url + path, { args: ['--disable-gpu'], script: withoutTitles });
    const watch = (page: Page) => void page.on('pageerror', (e) => problems.push(e.message));
    watch(visit.page);
    visit.context.on('page', watch);
    return visit;
  };
  const leave = async (visit: Visit) => {
    await visit.close();
    assert.deepEqual(problems.splice(0), []);
  };

  test('two windows write into one conversation for 50 turns: nothing is lost, and both show the same', async () => {
    const v = await visit();
    const first = v.page;
    await ask(first, 'first');
    await lastAnswer(first).getByText('You said: first').waitFor();
    await at(first, /chat=/);
    const second = await v.newPage(first.url());
    await lastAnswer(second).getByText('You said: first').waitFor();
    /** Asks in a window whose other one writes too: what Enter does not send stays in the box. */
    const insist = async (page: Page, question: string) => {
      await box(page).fill(question);
      do {
        await idle(page);
        await box(page).press('Enter');
        await until(page, (text) => document.querySelector('.send')?.getAttribute('data-mode') === 'send' || (document.getElementById('text') as HTMLTextAreaElement).value === text, '');
      } while (await box(page).inputValue() !== '');
    };
    for (let i = 0; i < 25; i++) {
      await Promise.all([insist(first, `one ${i}`), insist(second, `two ${i}`)]);
    }
    await Promise.all([first, second].map(async (page) => {
      await page.locator('.bubble').nth(50).waitFor();
      await page.locator('.assistant .stats').nth(50).waitFor();
      await idle(page);
    }));
    const shown = await said(first);
    assert.deepEqual(await said(second), shown);
    const questions = shown.filter((_, i) => i % 2 === 0);
    assert.deepEqual(shown.filter((_, i) => i % 2 === 1).map((a) => a.trim()), questions.map((q) => `You said: ${q}`), 'each has its answer');
    assert.deepEqual([...questions].sort(), ['first', ...Array.from({ length: 25 }, (_, i) => [`one ${i}`, `two ${i}`]).flat()].sort());
    await Promise.all([first.reload(), second.reload()]);
    await lastAnswer(first).waitFor();
    await lastAnswer(second).waitFor();
    assert.deepEqual(await said(first), shown);
    assert.deepEqual(await said(second), shown);
    await leave(v);
  });

  test('a window shows what is written in another one, and stops it', async () => {
    const v = await visit();
    await ask(v.page, 'first');
    await lastAnswer(v.page).getByText('You said: first').waitFor();
    await at(v.page, /chat=/);
    const other = await v.newPage(v.page.url());
    await ask(v.page, 'endless');
    await lastAnswer(other).getByText('It begins').waitFor();
    await other.locator('.send[data-mode="stop"]').click();
    await lastAnswer(v.page).getByText('Stopped.').waitFor();
    await lastAnswer(other).getByText('Stopped.').waitFor();
    await idle(other);
    // A window that is closed while it writes leaves a reply that the others can continue.
    await ask(v.page, 'slow');
    await lastAnswer(other).getByText('word3').waitFor();
    await v.page.close();
    await lastAnswer(other).getByRole('button', { name: 'Continue' }).click();
    await lastAnswer(other).locator('.markdown', { hasText: long }).waitFor();
    assert.equal((await lastAnswer(other).locator('.markdown').innerText()).trim(), long);
    await leave(v);
  });

  test('a reload at 20 moments of a reply loses nothing, and the reply goes on or is made', async () => {
    const v = await visit();
    const { page } = v;
    for (let i = 0; i < 20; i++) {
      const question = `slow ${i}`;
      await ask(page, question);
      await page.waitForTimeout(Math.random() * 1800);
      await page.reload();
      // What was asked is there, or still in the box: then it was not sent yet.
      await until(page, (question) => (document.getElementById('text') as HTMLTextAreaElement).value === question
        || [...document.querySelectorAll('.bubble')].at(-1)?.textContent === question, question);
      if (await box(page).inputValue() === question) {
        await box(page).press('Enter');
      }
      const end = lastAnswer(page).locator('.stats');
      const offer = page.locator('#thread').getByRole('button', { name: /^(Continue|Answer)$/ });
      await end.or(offer).last().waitFor();
      if (await offer.count() > 0) {
        await offer.click();
      }
      await page.locator('.assistant').nth(i).waitFor();
      await lastAnswer(page).locator('.markdown', { hasText: 'word29.' }).waitFor();
      await idle(page);
      assert.equal((await lastAnswer(page).locator('.markdown').innerText()).trim(), long, `reload ${i}`);
      assert.equal(await lastAnswer(page).locator('.reasoning .plain').textContent(), thought, `reload ${i}`);
    }
    assert.equal(await page.locator('.assistant').count(), 20);
    assert.equal((await titles(page)).length, 1);
    await leave(v);
  });

  test('a conversation that is deleted while it is written stays deleted, in all windows, until it is brought back', async () => {
    const v = await visit();
    const { page } = v;
    await ask(page, 'other');
    await lastAnswer(page).getByText('You said: other').waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await ask(page, 'endless');
    await lastAnswer(page).getByText('It begins').waitFor();
    await at(page, /chat=/);
    const second = await v.newPage(page.url());
    await lastAnswer(second).getByText('It begins').waitFor();
    await menu(second, 'endless', 'Delete');
    const stayDeleted = async (left: string[]) => {
      await Promise.all([page, second].map(async (p) => {
        await p.getByText('What would you like to know?').waitFor();
        await p.waitForTimeout(2500); // longer than until a save
        assert.deepEqual(await titles(p), left);
      }));
    };
    await stayDeleted(['other']);
    await page.reload();
    await page.locator('#conversations li').waitFor();
    assert.deepEqual(await titles(page), ['other']);
    // Brought back, in both windows.
    await menu(second, 'other', 'Delete');
    await second.getByRole('button', { name: 'Undo' }).last().click();
    await page.locator('#conversations .title', { hasText: 'other' }).click();
    await lastAnswer(page).getByText('You said: other').waitFor();
    // All of them, while one is written.
    await ask(page, 'endless');
    await lastAnswer(page).getByText('It begins').waitFor();
    const deleteAll = async () => {
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('tab', { name: 'App' }).click();
      await page.getByRole('button', { name: 'Delete all conversations' }).click();
    };
    await deleteAll();
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await lastAnswer(page).getByText('It begins').waitFor();
    await second.locator('#conversations .title', { hasText: 'other' }).waitFor();
    await deleteAll();
    await stayDeleted([]);
    await leave(v);
  });

  test('titles and options of one window do not undo those of another', async () => {
    const v = await visit();
    const { page } = v;
    await ask(page, 'one');
    await lastAnswer(page).getByText('You said: one').waitFor();
    await at(page, /chat=/);
    const second = await v.newPage(page.url());
    await lastAnswer(second).getByText('You said: one').waitFor();
    await menu(second, 'one', 'Rename');
    await second.getByLabel('Title').fill('Renamed');
    await second.keyboard.press('Enter');
    await page.getByLabel('Reasoning effort').selectOption('low');
    await page.locator('#conversations .title', { hasText: 'Renamed' }).waitFor();
    await ask(page, 'two');
    await lastAnswer(page).getByText('You said: two').waitFor();
    await until(second, (effort) => (document.getElementById('effort') as HTMLSelectElement).value === effort, 'low');
    assert.deepEqual([await titles(page), await titles(second)], [['Renamed'], ['Renamed']]);
    await leave(v);
  });

  test('conversations of the earlier version are taken over', async () => {
    const v = await visit('icon.svg');
    await v.page.evaluate(() => new Promise<void>((resolve, reject) => {
      const request = indexedDB.open('gossamer-chat', 1);
      request.onerror = () => reject(request.error);
      request.onupgradeneeded = () => request.result.createObjectStore('conversations', { keyPath: 'id' });
      request.onsuccess = () => {
        const db = request.result;
        const options = { effort: 'low', instructions: 'Be brief.', sampling: {}, tools: [], toolChoice: 'auto', schema: '' };
        const messages = [
          { id: 'a', parent: null, role: 'user', content: 'old question', created: 5 }, { id: 'b', parent: 'a', role: 'assistant', content: 'old answer', created: 5, finish: 'stop' },
          { id: 'c', parent: 'a', role: 'assistant', content: 'half an', created: 4 },
        ];
        const t = db.transaction('conversations', 'readwrite');
        t.objectStore('conversations').put({ id: 'x', title: 'Old', created: 5, updated: 6, leaf: 'c', options, messages });
        t.oncomplete = () => (db.close(), resolve());
      };
    }));
    await v.page.goto(`${v.url}#chat=x`);
    await v.page.locator('.bubble', { hasText: 'old question' }).waitFor();
    await lastAnswer(v.page).getByText('Interrupted').waitFor();
    await lastAnswer(v.page).locator('.alternatives', { hasText: '2/2' }).waitFor();
    await v.page.getByRole('button', { name: 'Previous answer' }).click();
    await lastAnswer(v.page).getByText('old answer').waitFor();
    await v.page.reload();
    await lastAnswer(v.page).getByText('old answer').waitFor();
    assert.equal(await v.page.locator('#effort').inputValue(), 'low');
    await leave(v);
  });

  test('what is written and not sent is kept, for each conversation', async () => {
    const v = await visit();
    const { page } = v;
    await box(page).fill('not begun');
    await page.reload();
    await written(page, 'not begun');
    await ask(page, 'one');
    await lastAnswer(page).getByText('You said: one').waitFor();
    assert.equal(await box(page).inputValue(), '');
    await box(page).fill('draft of one');
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.equal(await box(page).inputValue(), '');
    await box(page).fill('draft of a new one');
    await page.locator('#conversations .title', { hasText: 'one' }).click();
    assert.equal(await box(page).inputValue(), 'draft of one');
    const second = await v.newPage(page.url());
    await written(second, 'draft of one');
    await box(page).press('Enter');
    await lastAnswer(page).getByText('You said: draft of one').waitFor();
    await written(second, '');
    await page.goBack();
    await written(page, 'draft of a new one');
    await leave(v);
  });

  test('what is typed right after a question is the next one, also where the question begins a conversation', async () => {
    const v = await visit();
    const { page } = v;
    for (const [question, next] of [['one', 'after one'], ['two', 'after two']] as const) {
      await page.getByRole('button', { name: 'New conversation' }).click();
      await box(page).fill(question);
      await page.evaluate((next) => { // in the same task, before anything is stored
        const text = document.getElementById('text') as HTMLTextAreaElement;
        text.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', cancelable: true }));
        text.value = next;
        text.dispatchEvent(new InputEvent('input'));
      }, next);
      await lastAnswer(page).getByText(`You said: ${question}`).waitFor();
      await idle(page);
      assert.equal(await box(page).inputValue(), next);
      await page.getByRole('button', { name: 'New conversation' }).click();
      assert.equal(await box(page).inputValue(), '');
      await page.locator('#conversations .title', { hasText: question }).click();
      assert.equal(await box(page).inputValue(), next);
      await page.reload();
      await written(page, next);
    }
    await leave(v);
  });

  test('files that come with a question that begins a conversation, or are still being read then, are attached to it', async () => {
    const slowDisk = `
      globalThis.disk = new Promise((resolve) => { globalThis.readOn = resolve; });
      const read = File.prototype.arrayBuffer;
      File.prototype.arrayBuffer = async function () {
        await (this.name === 'slow.txt' && globalThis.disk);
        return read.call(this);
      };`;
    const v = await open(program.url, { args: ['--disable-gpu'], script: `${withoutTitles}; ${slowDisk}` });
    const { page } = v;
    const files = () => page.locator('li.file strong').allTextContents();
    await box(page).fill('begin');
    await page.evaluate(() => { // in the same task, before anything is stored
      const text = document.getElementById('text') as HTMLTextAreaElement;
      const paste = (name: string) => {
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([`text of ${name}`], name, { type: 'text/plain' }));
        text.dispatchEvent(new ClipboardEvent('paste', { clipboardData, cancelable: true }));
      };
      paste('slow.txt');
      text.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', cancelable: true }));
      paste('quick.txt');
    });
    await lastAnswer(page).getByText('You said: begin').waitFor();
    await idle(page);
    await page.locator('li.file', { hasText: 'quick.txt' }).waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.deepEqual(await files(), []);
    await page.evaluate(() => (globalThis as unknown as { readOn(): void }).readOn());
    await page.locator('#conversations .title', { hasText: 'begin' }).click();
    await page.locator('li.file', { hasText: 'slow.txt' }).getByText(/^\d+ tokens?$/).waitFor();
    assert.deepEqual(await files(), ['quick.txt', 'slow.txt']);
    await page.reload();
    await page.locator('li.file').nth(1).waitFor();
    assert.deepEqual(await files(), ['quick.txt', 'slow.txt'], 'they are kept with it');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.waitForFunction(() => document.querySelectorAll('li.file').length === 0);
    await leave(v);
  });

  test('files that are attached and not sent are kept, for each conversation', async () => {
    const v = await visit();
    const { page } = v;
    const attach = async (page: Page, name: string, text: string) => {
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Attach text files' }).click()]);
      await chooser.setFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
      await page.locator('li.file', { hasText: name }).waitFor();
    };
    const files = async (page: Page) => (await page.locator('li.file strong').allTextContents()).join();
    const attached = (page: Page, names: string) => until(page, (names) => [...document.querySelectorAll('li.file strong')].map((e) => e.textContent).join() === names, names);
    await attach(page, 'first.txt', 'one');
    await attach(page, 'second.txt', 'two');
    await page.locator('li.file', { hasText: 'second.txt' }).getByText(/^\d+ tokens?$/).waitFor();
    await page.reload();
    await attached(page, 'first.txt,second.txt');
    await page.locator('li.file', { hasText: 'first.txt' }).getByText(/^\d+ tokens?$/).waitFor(); // no guess
    await page.getByRole('button', { name: 'Remove first.txt' }).click();
    await page.reload();
    await attached(page, 'second.txt');
    await ask(page, 'begin');
    await lastAnswer(page).getByText('begin').waitFor();
    assert.equal(await files(page), '');
    await idle(page);
    await page.reload();
    await lastAnswer(page).getByText('begin').waitFor();
    assert.equal(await files(page), '', 'what was sent is no draft');
    // For each conversation, in all windows.
    await box(page).fill('a draft');
    await attach(page, 'of the old.txt', 'x');
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.equal(await files(page), '');
    await attach(page, 'of the new.txt', 'y');
    await page.locator('#conversations .title', { hasText: 'begin' }).click();
    await attached(page, 'of the old.txt');
    const second = await v.newPage(page.url());
    await attached(second, 'of the old.txt');
    await attach(second, 'of the second.txt', 'z');
    // A deletion that is taken back brings them back.
    await menu(page, 'begin', 'Delete');
    await attached(page, 'of the new.txt');
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await written(page, 'a draft');
    await attached(page, 'of the old.txt');
    await second.goto(page.url());
    await second.reload();
    await attached(second, 'of the old.txt,of the second.txt');
    await box(second).press('Enter');
    await lastAnswer(second).getByText('a draft').waitFor();
    await attached(page, '');
    await menu(page, 'begin', 'Delete');
    await page.reload();
    await attached(page, 'of the new.txt');
    await page.getByRole('button', { name: 'Remove of the new.txt' }).click();
    // What there is no room for is told.
    const large = 'international '.repeat(135_000); // whose tokens are counted once
    for (let i = 0; i < 5; i++) {
      await attach(page, `large ${i}.txt`, large);
    }
    await page.locator('.toast.error', { hasText: 'large 4.txt is attached, but only until this page is closed' }).waitFor();
    await page.reload();
    await attached(page, [0, 1, 2, 3].map((i) => `large ${i}.txt`).join());
    await leave(v);
  });

  test('back, forward and reload lead to conversations and sheets', async () => {
    const v = await visit();
    const { page } = v;
    await ask(page, 'one');
    await lastAnswer(page).getByText('You said: one').waitFor();
    const one = chatOf(page);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await at(page, /^$/);
    await ask(page, 'two');
    await lastAnswer(page).getByText('You said: two').waitFor();
    assert.notEqual(chatOf(page), one);
    await page.goBack();
    await lastAnswer(page).getByText('You said: one').waitFor();
    assert.equal(chatOf(page), one);
    await page.goForward();
    await lastAnswer(page).getByText('You said: two').waitFor();
    await page.goBack();
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('tab', { name: 'Format' }).click();
    await at(page, /sheet=format/);
    await page.reload();
    await page.getByLabel('JSON schema of answers').waitFor();
    assert.equal(chatOf(page), one);
    await page.goBack();
    await page.locator('#panel').waitFor({ state: 'hidden' });
    await page.goForward();
    await page.getByLabel('JSON schema of answers').waitFor();
    await page.keyboard.press('Escape');
    await at(page, /^#chat=\w+$/);
    await page.locator('#model-button').click();
    await page.locator('#models .model').waitFor();
    await at(page, /sheet=models/);
    await page.goBack();
    await page.locator('#models').waitFor({ state: 'hidden' });
    assert.match(await lastAnswer(page).innerText(), /You said: one/);
    await page.goto(`${v.url}#chat=nothing`);
    await page.getByText('This conversation is not in this browser').waitFor();
    await at(page, /^$/);
    await leave(v);
  });

  test('conversations of the list are links: those that open a tab lead there, others as buttons', async () => {
    const v = await visit();
    const { page } = v;
    await ask(page, 'one');
    await lastAnswer(page).getByText('You said: one').waitFor();
    const one = chatOf(page);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await at(page, /^$/);
    const link = page.getByRole('navigation', { name: 'Kept conversations' }).getByRole('link', { name: 'one' });
    const opened = async (open: () => Promise<void>) => {
      const [other] = await Promise.all([v.context.waitForEvent('page'), open()]);
      await lastAnswer(other).getByText('You said: one').waitFor();
      assert.equal(chatOf(other), one);
      await other.close();
      assert.equal(chatOf(page), null, 'this window stays where it is');
    };
    await opened(() => link.click({ button: 'middle' }));
    await opened(() => link.click({ modifiers: ['ControlOrMeta'] }));
    await opened(() => link.press('ControlOrMeta+Enter'));
    const byItsAddress = await v.newPage(await link.evaluate((a: HTMLAnchorElement) => a.href)); // as the browser's menu opens it
    await lastAnswer(byItsAddress).getByText('You said: one').waitFor();
    for (const open of [() => link.click(), () => link.press('Enter'), () => link.press('Space')]) {
      await open();
      await lastAnswer(page).getByText('You said: one').waitFor();
      await at(page, /chat=/);
      assert.equal(chatOf(page), one);
      await page.goBack();
      await page.getByText('What would you like to know?').waitFor();
      await at(page, /^$/);
    }
    await leave(v);
  });
});
