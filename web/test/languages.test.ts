// The languages of the page in Chromium: how one is chosen, that choosing loses nothing, what a page looks like that is written from right to
// left, and that the chosen one is there without a network. Replies are told by a file, as in manners.test.ts; pictures of each language are put
// into dist/screenshots.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { root, skip, timeout, visit as open, type Visit } from './browser.ts';
import { Program } from './program.ts';
import { serve } from './server.ts';

const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const pictures = join(dist, 'screenshots');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const answer = 'Lisbon has **trams**, such as `28E`:\n\n- from Graça\n- to Prazeres\n\n| Line | Minutes |\n| --- | --- |\n| 28E | 48 |\n\n```js\nride(28);\n```\n\nمرحبا بالعالم';
const plays = { version: 1, plays: [
  { name: 'wait', when: { user: '^Wait' }, reply: [{ wait_ms: 600_000 }, { text: '<|channel|>final<|message|>Done.' }] },
  { name: 'else', when: {}, reply: [{ text: `<|channel|>analysis<|message|>They ask for trams.<|end|><|start|>assistant<|channel|>final<|message|>${answer}` }] },
] };
/** A browser that prefers German, as it is written in Austria. */
const austrian = "Object.defineProperty(navigator, 'languages', { get: () => ['de-AT', 'en'] });";
const args = ['--disable-gpu'];

describe('languages', { skip, timeout }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gossamer-languages-'));
  let program: Program;
  let tab: Visit;
  let page: Page;
  const problems: string[] = [];

  before(async () => {
    mkdirSync(pictures, { recursive: true });
    execFileSync(process.execPath, [join(root, 'web/build.mjs'), 'native', join(dir, 'page')], { stdio: 'inherit' });
    writeFileSync(join(dir, 'plays.json'), JSON.stringify(plays));
    program = await Program.start(join(dir, 'page'), '0', '--playback', join(dir, 'plays.json'));
    tab = await open(program.url, { args, script: austrian });
    page = tab.page;
    page.on('pageerror', (e) => problems.push(e.message));
  });
  after(async () => {
    await tab?.close();
    await program?.stop();
    assert.deepEqual(problems, []);
  });

  const spoken = (language: string) => page.locator(`html[lang="${language}"]:not([data-untold])`).waitFor({ state: 'attached' });
  const idle = () => page.locator('.send[data-mode="send"]').waitFor();
  const ask = async (question: string) => {
    await page.locator('#text').fill(question);
    await page.keyboard.press('Enter');
  };
  const openApp = async () => {
    await page.locator('#settings-button button').click();
    await page.locator('#tab-app').click();
  };
  const choose = async (language: string) => {
    await openApp();
    await page.locator('#language').selectOption(language);
  };
  const labels = () => page.evaluate(() => ({
    start: document.querySelector('#new-chat')!.textContent, box: document.querySelector<HTMLTextAreaElement>('#text')!.placeholder,
    send: document.querySelector('.send')!.getAttribute('aria-label'), panel: document.querySelector('#panel-title')!.textContent, title: document.title,
  }));

  test('the browser’s is spoken, with its dates and numbers', async () => {
    await spoken('de');
    await page.locator('#model-button', { hasText: /\w/ }).waitFor();
    assert.deepEqual(await labels(), { start: 'Neue Unterhaltung', box: 'Stelle eine Frage', send: 'Senden', panel: 'Einstellungen', title: 'Gossamer' });
    assert.equal(await page.evaluate(() => document.dir), 'ltr');
    await ask('Trams?');
    await idle();
    const stats = page.locator('.assistant .stats').last();
    await stats.filter({ hasText: /^\d+ Token · \d[^·]*,\d Token\/s · \d+(,\d)? s bis zum ersten Token$/ }).waitFor();
    await page.locator('.reasoning summary', { hasText: /^[\d,]+ s lang nachgedacht · \d+ Token$/ }).waitFor();
  });

  test('another one is chosen while a reply is written, and nothing is lost', async () => {
    await page.locator('#new-chat').click();
    await ask('Wait for it');
    await page.locator('.send[data-mode="stop"]').waitFor();
    await page.locator('#text').fill('half a sentence');
    const before = await page.evaluate(() => performance.timeOrigin);
    await choose('ja');
    await spoken('ja');
    assert.deepEqual(await labels(), { start: '新しい会話', box: '質問を入力', send: '停止', panel: '設定', title: 'Wait for it · Gossamer' });
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#text').inputValue(), 'half a sentence');
    assert.equal(await page.locator('.send').getAttribute('data-mode'), 'stop', 'it is still being written');
    assert.equal(await page.locator('.assistant').last().getAttribute('aria-label'), '回答');
    await choose('en');
    await spoken('en');
    assert.equal((await labels()).send, 'Stop');
    await page.keyboard.press('Escape');
    await page.locator('.send').click();
    await page.locator('.note', { hasText: 'Stopped.' }).waitFor();
    await choose('es');
    await page.locator('.note', { hasText: 'Detenida.' }).waitFor();
    await page.locator('#conversations h2, #conversations li').first().waitFor();
    assert.equal(await page.evaluate(() => performance.timeOrigin), before, 'the page was never loaded again');
    await page.keyboard.press('Escape');
  });

  test('the choice is kept, an address comes before it, and the system’s can be chosen again', async () => {
    await page.reload();
    await spoken('es');
    await page.goto(`${tab.url}?lang=ja`);
    await spoken('ja');
    await openApp();
    assert.deepEqual(await page.locator('#language option').allTextContents(), ['システム', 'English', 'Deutsch', 'Español', '日本語']);
    assert.equal(await page.locator('#language').inputValue(), 'es');
    await page.locator('#language').selectOption('system');
    await spoken('de');
    assert.equal(new URL(page.url()).search, '', 'the address asks for nothing any more');
    assert.equal(await page.locator('#tab-app').getAttribute('aria-selected'), 'true');
    await page.reload();
    await spoken('de');
    await page.goto(`${tab.url}?lang=xx`);
    await spoken('de');
  });

  test('texts that cannot be loaded leave the language before', async () => {
    await page.goto(tab.url);
    await spoken('de');
    await page.route('**/app/ja-*.js', (route) => route.abort());
    await choose('ja');
    await page.locator('.toast.error', { hasText: 'Die Texte dieser Sprache konnten nicht geladen werden' }).waitFor();
    await spoken('de');
    await page.unroute('**/app/ja-*.js');
    await page.keyboard.press('Escape');
    await choose('system');
    await page.keyboard.press('Escape');
    // The page may not hide for ever what it cannot say.
    await page.route('**/app/de-*.js', (route) => route.abort());
    await page.reload();
    await spoken('en');
    await page.getByRole('button', { name: 'New conversation' }).waitFor();
    await page.unroute('**/app/de-*.js');
  });

  /** Goes through the main states, and calls see in each. */
  const states = async (see: (state: string) => Promise<void>) => {
    await page.locator('#model-button', { hasText: /\w/ }).waitFor();
    await see('empty');
    await ask('Trams?');
    await page.locator('.assistant .stats').waitFor();
    await idle();
    await page.locator('.reasoning summary').click();
    await see('conversation');
    await page.locator('#settings-button button').click();
    for (const tab of ['reply', 'tools', 'format', 'app']) {
      await page.locator(`#tab-${tab}`).click();
      await see(`settings ${tab}`);
    }
    await page.keyboard.press('Escape');
    await page.locator('#model-button').click();
    await page.locator('#models .model').waitFor();
    await see('models');
    await page.keyboard.press('Escape');
    await page.route('**/v1/chat/completions', (route) => route.abort());
    await ask('And now?');
    await page.locator('.assistant .error').waitFor();
    await page.unroute('**/v1/chat/completions');
    await idle();
    await see('error');
  };

  /** What does not fit: elements whose text is cut off, and whatever is wider than the page. */
  const misfits = () => page.evaluate(() => [
    ...(document.documentElement.scrollWidth > innerWidth ? [`the page is ${document.documentElement.scrollWidth} wide`] : []),
    ...[...document.querySelectorAll<HTMLElement>('button, label, h2, h3, p, dt, dd, .tabs, .chip, .hint, .about, .composer-bar')]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('[inert], .sr-only, #conversations, .block'))
      .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1 && getComputedStyle(e).overflowX !== 'auto' && !e.querySelector('.model-name'))
      .map((e) => `${e.tagName} ${e.className} "${e.textContent!.trim().slice(0, 60)}": ${e.scrollWidth} in ${e.clientWidth}`),
  ]);
  const settled = () => page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished)));
  const check = async (what: string) => {
    await settled();
    const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`) as { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] };
    assert.deepEqual(violations.map((v) => `${what}: ${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join('; ')}`), []);
  };

  for (const language of ['de', 'es', 'ja']) {
    test(`in ${language} everything fits, in wide pages and in narrow ones`, async () => {
      for (const [size, viewport] of [['wide', { width: 1280, height: 800 }], ['narrow', { width: 320, height: 640 }]] as const) {
        await page.setViewportSize(viewport);
        await page.goto(`${tab.url}?lang=${language}`);
        await spoken(language);
        await states(async (state) => {
          await settled();
          await page.screenshot({ path: join(pictures, `${language}-${size}-${state.replace(' ', '-')}.png`) });
          assert.deepEqual(await misfits(), [], `${language}, ${size}, ${state}`);
        });
      }
    });
  }

  test('from right to left nothing is out of place, or out of reach', async () => {
    for (const [size, viewport] of [['wide', { width: 1280, height: 800 }], ['narrow', { width: 320, height: 640 }]] as const) {
      await page.setViewportSize(viewport);
      await page.goto(`${tab.url}?lang=ar-XB`);
      await spoken('ar-XB');
      assert.equal(await page.evaluate(() => document.dir), 'rtl');
      await states(async (state) => {
        for (const colorScheme of ['dark', 'light'] as const) {
          await page.emulateMedia({ colorScheme });
          await check(`${size}, ${state}, ${colorScheme}`);
        }
        await page.screenshot({ path: join(pictures, `rtl-${size}-${state.replace(' ', '-')}.png`) });
        assert.deepEqual(await misfits(), [], `${size}, ${state}`);
      });
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    const box = async (selector: string) => (await page.locator(selector).last().boundingBox())!;
    const [sidebar, thread, bubble, send] = [await box('#sidebar'), await box('#thread'), await box('.bubble'), await box('.send')];
    assert.ok(sidebar.x > thread.x + thread.width - 1, 'the list is at the right');
    assert.ok(bubble.x - thread.x < thread.x + thread.width - bubble.x - bubble.width, 'what the visitor wrote is at the left');
    assert.ok(send.x < thread.x + thread.width / 2, 'and so is the button that sends');
    assert.equal(await page.locator('.code-block').last().evaluate((e) => getComputedStyle(e).direction), 'ltr');
    const directionOf = (text: string) => page.locator('.markdown .block', { hasText: text }).last().evaluate((e) => getComputedStyle(e).direction);
    assert.deepEqual([await directionOf('Lisbon has'), await directionOf('مرحبا')], ['ltr', 'rtl'], 'each paragraph goes its own way');
    // A menu opens within the page, and the arrows go where they point.
    await page.locator('#conversations .current .icon-button').click();
    const menu = await box('.menu:popover-open');
    assert.ok(menu.x >= 0 && menu.x + menu.width <= 1280, JSON.stringify(menu));
    await page.keyboard.press('Escape');
    await page.locator('#settings-button button').click();
    await page.locator('#tab-reply').click();
    const panel = await box('#panel');
    assert.ok(panel.x < 1, 'the settings come from the left');
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.evaluate(() => document.activeElement!.id), 'tab-tools');
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 390, height: 844 });
    await settled();
    assert.equal(await page.locator('#sidebar').evaluate((e) => e.getBoundingClientRect().left >= innerWidth), true, 'the list waits outside, at the right');
    await page.locator('#menu').click();
    await settled();
    assert.equal(Math.round((await box('#sidebar')).x + (await box('#sidebar')).width), 390);
    await check('list');
    await page.screenshot({ path: join(pictures, 'rtl-list.png') });
  });
});

test('the chosen language is there without a network, the others are not downloaded', { skip, timeout }, async () => {
  const server = await serve({ '/': dist });
  const visitor = await open(`${server.url}?lang=de`, { args });
  const { page } = visitor;
  await page.locator('#model-button', { hasText: 'MiB' }).waitFor();
  const kept = () => page.evaluate(async () => {
    const names = await caches.keys();
    const urls = (await Promise.all(names.map(async (name) => (await caches.open(name)).keys()))).flat().map((r) => new URL(r.url).pathname);
    return urls.filter((u) => /\/(de|es|ja)-\w+\.js$/.test(u)).map((u) => u.slice(5, 7));
  });
  const until = async (language: string) => {
    while (!(await kept()).includes(language)) {
      await page.waitForTimeout(100);
    }
  };
  await until('de');
  assert.deepEqual(await kept(), ['de']);
  // What a model takes is told in a narrow dialog too, where German words are long.
  await page.setViewportSize({ width: 320, height: 640 });
  await page.locator('#model-button').click();
  await page.locator('#models .model button').first().click();
  await page.locator('.verdict dl').waitFor();
  await page.locator('.verdict', { hasText: 'Der Prozessor rechnet: Antworten sind richtig, aber langsam.' }).waitFor();
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('#models .model *')].filter((e) => e.checkVisibility()
    && e.getBoundingClientRect().right > e.closest('.model')!.getBoundingClientRect().right + 1).map((e) => e.outerHTML.slice(0, 90))), []);
  await page.screenshot({ path: join(pictures, 'de-narrow-question.png') });
  await page.keyboard.press('Escape');
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.locator('#settings-button button').click();
  await page.locator('#tab-app').click();
  await page.locator('#language').selectOption('es');
  await page.locator('html[lang="es"]').waitFor({ state: 'attached' });
  await until('es');
  assert.equal(server.requests.filter((r) => /\/app\/ja-/.test(r.path)).length, 0);
  await server.close();
  await page.goto(visitor.url);
  await page.locator('#new-chat', { hasText: 'Nueva conversación' }).waitFor();
  await page.goto(`${visitor.url}?lang=de`);
  await page.locator('#new-chat', { hasText: 'Neue Unterhaltung' }).waitFor();
  await visitor.close();
});
