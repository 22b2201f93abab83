// Finding and keeping, and how the page behaves: in Chromium, with the chat of the program, whose replies a file tells. No state of it has an
// accessibility violation.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { root, skip, smallTargets, timeout, visit as open, type Visit } from './browser.ts';
import { makePDF } from './pdf.ts';
import { Program, withoutTitles } from './program.ts';

const paragraphs = Array.from({ length: 60 }, (_, i) => `Paragraph ${i} of trams and tiles.`).join('\n\n');
const plays = { version: 1, plays: [
  { name: 'json', when: { user: '^json$' }, reply: [{ text: '<|channel|>final<|message|>{"answer": 42, "list": [1, 2]}' }] },
  { name: 'list', when: { user: '^link$' }, reply: [{ text: '<|channel|>final<|message|>[a link](https://example.org) and more' }] },
  { name: 'long', when: { user: '^long' }, reply: [{ text: `<|channel|>final<|message|>${paragraphs}` }] },
  { name: 'read', when: { user: '^Read it' }, reply: [{ wait_ms: 60_000 }, { text: '<|channel|>final<|message|>Read.' }] },
  { name: 'else', when: {}, reply: [{ text: '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: {user}' }] },
] };
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const day = 86_400_000;

/** A file of conversations, the first one used last. */
function fileOf(conversations: [title: string, daysAgo: number, question: string, answer: string][]): string {
  return JSON.stringify({ format: 'gossamer-conversations', version: 1, conversations: conversations.map(([title, daysAgo, question, answer], i) => {
    const created = Date.now() - daysAgo * day;
    return { id: `c${i}`, title, created, updated: created, options: {}, leaf: 'b', messages: [
      { id: 'a', parent: null, role: 'user', content: question, created }, { id: 'b', parent: 'a', role: 'assistant', content: answer, finish: 'stop', created: created + 1 }] };
  }) });
}

describe('finding, keeping and manners', { skip, timeout }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gossamer-manners-'));
  let program: Program;
  let tab: Visit;
  let page: Page;
  const problems: string[] = [];

  before(async () => {
    execFileSync(process.execPath, [join(root, 'web/build.mjs'), 'native', join(dir, 'page')], { stdio: 'inherit' });
    writeFileSync(join(dir, 'plays.json'), JSON.stringify(plays));
    program = await Program.start(join(dir, 'page'), '0', '--playback', join(dir, 'plays.json'));
    tab = await open(program.url, { args: ['--disable-gpu'], script: `${withoutTitles}; addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI))` });
    page = tab.page;
    page.on('pageerror', (e) => problems.push(e.message));
    page.on('console', (m) => m.type() === 'error' && problems.push(m.text()));
  });
  after(async () => {
    await tab?.close();
    await program?.stop();
    assert.deepEqual(problems, []);
  });

  const box = () => page.getByLabel('Message', { exact: true });
  const lastAnswer = () => page.locator('.assistant').last();
  const idle = () => page.locator('.send[data-mode="send"]').waitFor();
  const ask = async (question: string) => {
    await box().fill(question);
    await page.keyboard.press('Enter');
  };
  /** Asks as by pasting: to type so many lines takes a browser minutes. */
  const paste = async (question: string) => {
    await box().evaluate((e: HTMLTextAreaElement, question) => {
      e.value = question;
      e.dispatchEvent(new Event('input'));
    }, question);
    await box().press('Enter');
  };
  const startNew = () => page.getByRole('button', { name: 'New conversation' }).click();
  const focused = () => page.evaluate(() => {
    const e = document.activeElement!;
    return e.getAttribute('aria-label') ?? (e.textContent?.trim() || e.id || e.tagName);
  });
  const check = async (what: string) => {
    await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished)));
    const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`) as { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] };
    assert.deepEqual(violations.map((v) => `${what}: ${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join('; ')}`), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what}: nothing is wider than the page`);
  };
  const choose = async (files: { name: string; mimeType: string; buffer: Buffer }[], press: () => Promise<void>) => {
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), press()]);
    await chooser.setFiles(files);
  };
  const importText = (name: string, text: string) => choose([{ name, mimeType: 'application/json', buffer: Buffer.from(text) }], () => page.getByRole('button', { name: 'Import', exact: true }).click());
  const attach = (name: string, buffer: Buffer) => choose([{ name, mimeType: '', buffer }], () => page.getByRole('button', { name: 'Attach text files' }).click());
  const found = () => page.locator('#conversations .title > span:first-child').allTextContents();

  test('conversations are grouped by date, searched in titles and texts, and pinned', async () => {
    await importText('many.json', fileOf([
      ['Weekend', 0, 'Plan a weekend in Lisbon', paragraphs.replace('Paragraph 40', 'The tower of Belém is paragraph 40')], ['Taxes', 1, 'When are taxes due?', 'In May.'], ['Letters', 12, 'Write a letter', 'Dear friend'], ['Old', 400, 'Old question', 'Old answer'],
    ]));
    await page.getByText('4 conversations are imported.').waitFor();
    const groups = () => page.locator('#conversations h2').allTextContents();
    assert.deepEqual((await groups()).slice(0, 3), ['Today', 'Yesterday', 'Previous 30 days']);
    await check('list');
    await page.locator('#conversations li', { hasText: 'Letters' }).hover();
    await page.getByRole('button', { name: 'More for Letters' }).click();
    await check('menu');
    await page.getByRole('button', { name: 'Pin', exact: true }).click();
    await page.locator('#conversations h2').first().filter({ hasText: 'Pinned' }).waitFor();
    assert.equal((await found())[0], 'Letters');
    assert.equal(await focused(), 'More for Letters', 'the focus stays at what was pressed');
    await page.reload();
    await page.locator('#conversations h2').first().filter({ hasText: 'Pinned' }).waitFor();

    await startNew();
    await page.keyboard.press('Control+K');
    await page.keyboard.type('belem');
    await page.locator('mark', { hasText: 'Belém' }).waitFor();
    assert.deepEqual(await found(), ['Weekend']);
    await page.locator('#live', { hasText: '1 conversation' }).waitFor({ state: 'attached' });
    await check('search');
    await page.keyboard.press('Enter');
    await page.locator('.assistant', { hasText: 'The tower of Belém' }).waitFor();
    await page.keyboard.press('Control+K');
    await page.keyboard.type('nothing like this');
    await page.getByText('No conversation has this.').waitFor();
    await check('nothing found');
    await page.keyboard.press('Escape');
    assert.equal((await found()).length, 4);
  });

  test('an export of ChatGPT is imported, and what is none is refused in a sentence', async () => {
    const node = (id: string, parent: string | null, role: string, text: string) => [id, { id, parent, message: { author: { role }, create_time: 1700000000, content: { content_type: 'text', parts: [text] }, metadata: { model_slug: 'gpt-4o' } } }];
    await importText('conversations.json', JSON.stringify([{ title: 'Tides', update_time: 1700000000, current_node: 'b', mapping: Object.fromEntries([node('a', null, 'user', 'Why tides?'), node('b', 'a', 'assistant', 'The moon.')]) }]));
    await page.locator('.assistant', { hasText: 'The moon.' }).waitFor();
    await importText('x.json', '{"a": 1}');
    await page.locator('.toast.error', { hasText: 'x.json: This is not a file of conversations' }).waitFor();
    await check('refusal');
  });

  test('text and PDF files go with a question, and others are refused in a sentence', async () => {
    await startNew();
    const late = () => page.evaluate(() => performance.getEntriesByType('resource').filter((e) => /\/pdf-/.test(e.name)).length);
    await attach('notes.txt', Buffer.from('A secret: 42.\n'));
    await page.locator('li.file', { hasText: 'notes.txt' }).filter({ hasText: /^notes\.txt\d+ tokens$/ }).waitFor();
    assert.equal(await late(), 0, 'what reads PDF files is loaded with the first one');
    await attach('paper.pdf', makePDF('Text of the paper.'));
    await page.locator('li.file', { hasText: 'paper.pdf' }).filter({ hasText: /\d tokens/ }).waitFor();
    assert.ok(await late() > 0);
    const refused: [string, Buffer, RegExp][] = [
      ['photo.png', Buffer.from([137, 80, 78, 71, 0, 1, 2, 255]), /photo.png: This is not a text file/], ['empty.txt', Buffer.from(' \n'), /empty.txt: The file is empty/],
      ['broken.pdf', Buffer.from('%PDF-1.7\nnothing'), /broken.pdf: This PDF is damaged/], ['pictures.pdf', makePDF(''), /pictures.pdf: This PDF has no text/],
      ['huge.txt', Buffer.alloc(3e6, 'word '), /huge.txt: The text of the file is too long/],
    ];
    for (const [name, data, message] of refused) {
      await attach(name, data);
      await page.locator('.toast.error', { hasText: message }).waitFor();
    }
    await check('attached');
    await page.getByRole('button', { name: 'Remove paper.pdf' }).click();
    assert.equal(await focused(), 'Remove notes.txt');
    await attach('paper.pdf', makePDF('Text of the paper.'));
    await page.locator('li.file').nth(1).waitFor();
    await ask('What is in them?');
    await lastAnswer().getByText('You said:').waitFor();
    assert.match(await lastAnswer().locator('.markdown').innerText(), /notes\.txt[^]*A secret: 42\.[^]*Text of the paper\.[^]*What is in them\?/);
    assert.equal(await page.locator('li.file').count(), 0);
    await page.locator('details.file summary', { hasText: 'notes.txt' }).click();
    await page.locator('details.file', { hasText: 'A secret: 42.' }).waitFor();
    await check('files of a message');
    await page.reload();
    await page.locator('details.file', { hasText: 'paper.pdf' }).waitFor();
    // They stay with an edited question.
    await page.locator('.user').hover();
    await page.getByRole('button', { name: 'Edit message' }).click();
    await page.getByRole('textbox', { name: 'Edit message' }).fill('And now?');
    await page.keyboard.press('Enter');
    await page.locator('.user .alternatives', { hasText: '2/2' }).waitFor();
    await idle();
    assert.match(await lastAnswer().locator('.markdown').innerText(), /A secret: 42\.[^]*And now\?/);
  });

  test('a file that is dropped is attached', async () => {
    await startNew();
    const path = join(dir, 'dropped.md');
    writeFileSync(path, '# Dropped');
    const devtools = await tab.context.newCDPSession(page);
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      await devtools.send('Input.dispatchDragEvent', { type, x: 600, y: 300, data: { items: [], files: [path], dragOperationsMask: 1 } });
    }
    await page.locator('li.file', { hasText: 'dropped.md' }).waitFor();
    await page.getByRole('button', { name: 'Remove dropped.md' }).click();
    await page.waitForFunction(() => document.activeElement?.id === 'text');
  });

  test('long messages fold, JSON answers are blocks, and the end is a button away', async () => {
    await startNew();
    await paste(`long\n${'pasted line\n'.repeat(1000)}`);
    await idle();
    const bubble = page.locator('.bubble').last();
    assert.ok(await bubble.evaluate((e) => e.getBoundingClientRect().height < innerHeight / 2));
    await page.getByRole('button', { name: /^Show all [\d,]+ characters$/ }).click();
    assert.ok(await bubble.evaluate((e) => e.getBoundingClientRect().height > 10 * innerHeight), 'nothing scrolls within the page');
    await page.getByRole('button', { name: 'Show less' }).click();
    await ask('long');
    await page.locator('.assistant').nth(1).locator('.stats').waitFor();
    await page.locator('.assistant').nth(1).getByText('Paragraph 59').waitFor();
    const end = page.getByRole('button', { name: 'Scroll to the end' });
    await end.waitFor({ state: 'hidden' }); // the view has followed what was written
    await page.locator('#scroll').evaluate((e) => (e.scrollTop = 0));
    await end.waitFor();
    await check('scrolled up');
    await end.click();
    await end.waitFor({ state: 'hidden' });
    assert.ok(await page.locator('#scroll').evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight < 40));
    await page.waitForFunction(() => document.activeElement?.id === 'text'); // the button is gone, the focus is not
    await ask('json');
    await page.locator('.assistant').nth(2).locator('.stats').waitFor();
    assert.equal(await lastAnswer().locator('.code-block code').innerText(), '{\n  "answer": 42,\n  "list": [\n    1,\n    2\n  ]\n}');
    await ask('link');
    await lastAnswer().locator('a', { hasText: 'a link' }).waitFor();
    await check('blocks');
  });

  test('what a long prompt waits for is told', async () => {
    await startNew();
    await ask(`Read it: ${'many words '.repeat(1000)}`);
    await page.locator('.status', { hasText: /Reading [\d,]{4,} tokens/ }).waitFor();
    await check('reading');
    await page.keyboard.press('Escape');
    await lastAnswer().getByText('Stopped.').waitFor();
  });

  test('system prompts are kept by name', async () => {
    await startNew();
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByLabel('Prompt preset', { exact: true }).selectOption('Brief');
    assert.match(await page.getByLabel('System prompt').inputValue(), /few words/);
    await page.getByLabel('System prompt').fill('Speak like a captain.');
    await page.getByRole('button', { name: 'Save as preset' }).click();
    await page.getByLabel('Name of the preset').fill('Captain');
    await check('preset');
    await page.keyboard.press('Enter');
    await page.reload();
    await page.getByLabel('Prompt preset', { exact: true }).selectOption('Captain'); // the address leads to the settings
    assert.equal(await page.getByLabel('System prompt').inputValue(), 'Speak like a captain.');
    await page.getByRole('button', { name: 'Delete preset' }).click();
    await page.locator('.toast', { hasText: 'The preset Captain is deleted.' }).waitFor();
    await check('toast over a dialog');
    await page.getByRole('button', { name: 'Undo' }).click(); // which works over the dialog
    await page.locator('#preset option', { hasText: 'Captain' }).waitFor({ state: 'attached' });
    assert.notEqual(await focused(), 'BODY');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'System prompt', exact: true }).waitFor();
    assert.equal(await page.locator('#toasts').evaluate((e) => e.parentElement!.tagName), 'BODY');
  });

  test('the focus never falls to the body', async () => {
    await startNew();
    await ask('one');
    await idle();
    const notLost = async (what: string) => {
      await page.waitForFunction(() => document.activeElement !== document.body).catch(() => assert.fail(`after ${what} it is lost`));
    };
    const press = async (name: string) => {
      const button = lastAnswer().getByRole('button', { name }).or(page.locator('.user').last().getByRole('button', { name })).first();
      await button.focus();
      await page.keyboard.press('Enter');
    };
    await press('Regenerate');
    await page.locator('.alternatives', { hasText: '2/2' }).waitFor();
    await idle();
    await notLost('regenerating');
    await press('Previous answer');
    await page.locator('.alternatives', { hasText: '1/2' }).waitFor();
    await notLost('showing another answer');
    await press('Edit message');
    await page.getByRole('textbox', { name: 'Edit message' }).fill('two');
    await page.keyboard.press('Enter');
    await idle();
    await notLost('editing');
    await page.locator('#conversations .current .icon-button').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Rename' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('Renamed');
    await page.keyboard.press('Enter');
    await page.locator('#conversations .current', { hasText: 'Renamed' }).waitFor();
    await notLost('renaming');
    await page.locator('#conversations .current .icon-button').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Delete', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Undo' }).focus();
    await notLost('deleting');
    await page.keyboard.press('Enter');
    await page.locator('.bubble', { hasText: 'two' }).waitFor();
    await notLost('undoing');
    // But who clicks beside everything wants none.
    await page.mouse.click(640, 500);
    await page.waitForTimeout(100);
    assert.equal(await page.evaluate(() => ['BODY', 'MAIN'].includes(document.activeElement!.tagName)), true);
  });

  test('the focus goes through the page in the order in which it is read, past nothing', async () => {
    await startNew();
    await ask('one');
    await page.locator('.assistant .stats').waitFor();
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.locator('.skip').focus();
    /** Where the focus is: the number of its element among all that it may reach, and the part of the page. */
    const place = () => page.evaluate(() => {
      const all = [...document.querySelectorAll<HTMLElement>('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
        .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.matches(':disabled, [tabindex="-1"]') && !e.closest('[inert]'));
      const e = document.activeElement as HTMLElement;
      return { at: all.indexOf(e), count: all.length, part: e.closest('#sidebar, #bar, #scroll, #foot')?.id ?? e.className };
    });
    const places = [await place()];
    while (places.length < places[0]!.count) {
      await page.keyboard.press('Tab');
      places.push(await place());
    }
    assert.deepEqual(places.map((p) => p.at), Array.from({ length: places[0]!.count }, (_, i) => i));
    assert.deepEqual([...new Set(places.map((p) => p.part))], ['skip', 'sidebar', 'bar', 'scroll', 'foot']);
    assert.equal(await focused(), 'Send');
    await page.keyboard.press('Shift+Tab');
    assert.deepEqual((await place()).at, places.at(-2)!.at, 'and back');
  });

  test('toasts are beside the column, and stay while they are looked at', async () => {
    await page.setViewportSize({ width: 1280, height: 800 });
    await importText('y.json', '{"b": 1}');
    const toast = page.locator('.toast.error', { hasText: 'y.json' });
    const [box, column] = [await toast.boundingBox(), await page.locator('#foot').boundingBox()];
    assert.ok(box!.x + box!.width <= column!.x, 'not over what is read or written');
  });

  test('at 400 % zoom a conversation can be read, and everything is reached', async () => {
    await page.setViewportSize({ width: 320, height: 256 });
    await page.locator('#scroll').evaluate((e) => (e.scrollTop = 0));
    assert.ok(await page.locator('#scroll').evaluate((e) => e.getBoundingClientRect().height > 120));
    await check('zoomed');
    await page.getByRole('button', { name: 'Settings' }).click();
    for (const name of ['Tools', 'Format', 'App', 'Replies']) {
      await page.getByRole('tab', { name }).click();
      await check(`zoomed, ${name}`);
    }
    assert.ok(await page.locator('#panel').evaluate((e) => [...e.querySelectorAll('*')].every((c) => c.getBoundingClientRect().right <= innerWidth + 1)));
    await page.keyboard.press('Escape');
    await page.locator('#model-button').click();
    await page.locator('#models .model').waitFor();
    await check('zoomed, models');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.locator('#sidebar.open').waitFor();
    await check('zoomed, conversations');
    await page.keyboard.press('Escape');
  });

  test('forced colours leave nothing out', async () => {
    await page.setViewportSize({ width: 1280, height: 800 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ forcedColors: 'active', colorScheme });
      await check(`forced colours, ${colorScheme}`);
      for (const selector of ['.bubble', '#composer', '.send', '#conversations .current']) {
        const shown = await page.locator(selector).first().evaluate((e) => [getComputedStyle(e).borderStyle, getComputedStyle(e).outlineStyle].some((s) => s !== 'none'));
        assert.ok(shown, `${selector} has an outline where colours say nothing`);
      }
    }
    await page.emulateMedia({ forcedColors: 'none', colorScheme: 'light' });
  });

  test('fingers find 44 pixels', async () => {
    const devtools = await tab.context.newCDPSession(page);
    await devtools.send('Emulation.setTouchEmulationEnabled', { enabled: true });
    await page.setViewportSize({ width: 390, height: 844 });
    const small = async () => (await smallTargets(page)).small;
    assert.ok(await page.evaluate(() => matchMedia('(pointer: coarse)').matches));
    assert.deepEqual(await small(), []);
    await check('touch');
    await page.getByRole('button', { name: 'Settings' }).click();
    for (const name of ['Replies', 'Tools', 'Format', 'App']) {
      await page.getByRole('tab', { name }).click();
      assert.deepEqual(await small(), [], name);
    }
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.locator('#sidebar.open').waitFor();
    assert.deepEqual(await small(), []);
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 1280, height: 800 });
    await devtools.send('Emulation.setTouchEmulationEnabled', { enabled: false });
  });

  test('print has the conversation, all of it and nothing else', async () => {
    await startNew();
    await paste(`long\n${'pasted line\n'.repeat(100)}`);
    await idle();
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    for (const selector of ['#sidebar', '#bar', '#foot', '#toasts', '.message .icon-button', '.more']) {
      assert.equal(await page.locator(selector).first().isVisible(), false, selector);
    }
    assert.ok(await page.locator('.bubble').first().evaluate((e) => getComputedStyle(e).borderStyle === 'solid' && e.getBoundingClientRect().height > 2000), 'bubbles are seen, unfolded');
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).overflowY), 'visible');
    assert.equal(await page.locator('#title').isVisible(), true);
    await check('print');
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  });
});
