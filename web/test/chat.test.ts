// The element <gossamer-chat> in Chromium, in a page whose policy is the one that README.md asks for. The processor computes.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { GossamerChat } from '../src/chat.ts';
import { holdReplies, serveNano, skip, timeout, visit } from './browser.ts';
import type { Server } from './server.ts';

// The bundled tests lie in web/dist/test.
const pictures = join(dirname(fileURLToPath(import.meta.url)), '../screenshots');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";
const page = (attributes: string, root = 'lang="en"') => Buffer.from(`<!doctype html><html ${root}><meta charset="utf-8"><title>Chat</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark"><script type="module" src="/dist/chat.js"></script>
<main><h1>Help</h1><gossamer-chat backend="cpu" effort="low" ${attributes}></gossamer-chat></main>`);

declare const globalThis: { framesShown: number } & typeof window;

const chat = (p: Page) => p.locator('gossamer-chat');
const state = (p: Page, want: string) => p.waitForFunction((want) => document.querySelector<GossamerChat>('gossamer-chat')!.state === want, want);

/** Has axe find nothing, light and dark and with the colours that the system forces, and takes a picture of each. */
async function looks(p: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  for (const [scheme, forced] of [['light', 'none'], ['dark', 'none'], ['dark', 'active']] as const) {
    await p.emulateMedia({ colorScheme: scheme, forcedColors: forced });
    const { violations } = await p.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`) as { violations: { id: string; nodes: { html: string }[] }[] };
    assert.deepEqual(violations.map((v) => `${name}, ${scheme}, ${forced}: ${v.id}: ${v.nodes.map((n) => n.html).join()}`), []);
    await p.screenshot({ path: join(pictures, `chat-${name}-${forced === 'none' ? scheme : 'forced'}.png`) });
  }
  await p.emulateMedia({ colorScheme: null, forcedColors: null });
}

describe('<gossamer-chat>', { skip }, () => {
  let server: Server;
  before(async () => {
    const texts = JSON.stringify({ send: 'إرسال', placeholder: 'اكتب سؤالك', retry: 'أعد المحاولة', you: 'قلت:' });
    server = await serveNano({
      '/arabic.html': page(`model="/nothing/" texts='${texts}'`, 'lang="ar" dir="rtl"'), '/plain.html': page('model="/nano/"'),
      '/asking.html': page('model="/nano/" ask-above="1000"'), '/missing.html': page('model="/nothing/"'),
    });
  });
  after(async () => {
    await server?.close();
  });
  const open = async (name: string) => {
    const visitor = await visit(`${server.url}${name}.html`, { args: ['--disable-gpu'], script: holdReplies });
    await visitor.page.evaluate(() => (document.querySelector<GossamerChat>('gossamer-chat')!.params = { temperature: 0 }));
    return visitor;
  };
  const focused = (p: Page) => p.evaluate(() => {
    const element = document.querySelector('gossamer-chat')!.shadowRoot!.activeElement;
    return element && `${element.localName} ${element.textContent}`;
  });

  test('answers by one tag, streamed, and can be stopped', { timeout }, async () => {
    const { page, close } = await open('plain');
    const faults: string[] = [];
    page.on('console', (m) => m.type() === 'error' && faults.push(m.text()));
    await page.setViewportSize({ width: 640, height: 640 });
    await chat(page).getByRole('textbox', { name: 'Message' }).waitFor();
    assert.equal(server.requests.filter((r) => r.path.startsWith('/nano/') || r.path.endsWith('.wasm')).length, 0, 'nothing is loaded before it is needed');
    await looks(page, 'empty');
    const parts = page.evaluate(() => new Promise<string[]>((resolve) => {
      const seen: string[] = [];
      const element = document.querySelector<GossamerChat>('gossamer-chat')!;
      const look = new MutationObserver(() => {
        const text = element.shadowRoot!.querySelector('.answer')?.textContent ?? '';
        if (text !== seen.at(-1)) {
          seen.push(text);
        }
      });
      look.observe(element.shadowRoot!, { subtree: true, childList: true, characterData: true });
      element.addEventListener('gossamer-answer', () => resolve(seen), { once: true });
    }));
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'textarea ');
    await page.keyboard.type('What is 17 + 25?');
    await page.keyboard.press('Enter');
    await chat(page).getByRole('button', { name: 'Stop' }).waitFor();
    assert.ok((await parts).length > 5, 'it comes in parts');
    await state(page, 'ready');
    assert.match(await chat(page).getByRole('log').innerText(), /What is 17 \+ 25\?[^]*42/);
    assert.equal(await focused(page), 'textarea ', 'the focus stays');
    await looks(page, 'answered');

    await page.keyboard.type('What is 917 + 485?');
    await page.evaluate(() => {
      globalThis.framesShown = 3;
      document.querySelector('gossamer-chat')!.setAttribute('effort', 'high');
    });
    await page.keyboard.press('Enter');
    await state(page, 'answering');
    await chat(page).getByRole('button', { name: 'Stop' }).click();
    await state(page, 'ready');
    assert.match(await chat(page).getByRole('log').innerText(), /Stopped\.$/);
    await page.evaluate(() => { globalThis.framesShown = Infinity; });
    const told = await page.evaluate(async () => {
      const element = document.querySelector<GossamerChat>('gossamer-chat')!;
      const roles = element.messages.map((m) => m.role).slice(0, 3);
      element.clear();
      element.style.setProperty('--gossamer-accent', 'rgb(1, 2, 3)');
      const accent = getComputedStyle(element.shadowRoot!.querySelector('button')!).backgroundColor;
      const { ai } = element;
      element.remove();
      await new Promise((resolve) => setTimeout(resolve));
      const closed = await ai!.tokenize('x').then(() => '', (e) => e.code);
      return { roles, accent, closed, left: element.messages.length };
    });
    assert.deepEqual(told, { roles: ['user', 'assistant', 'user'], accent: 'rgb(1, 2, 3)', closed: 'closed', left: 0 });
    assert.deepEqual(faults, []);
    await close();
  });

  test('asks before a large download, in a narrow page too', { timeout }, async () => {
    const { page, close } = await open('asking');
    const chunks = () => server.requests.filter((r) => r.path.includes('/chunks/')).length;
    server.requests.length = 0;
    await page.setViewportSize({ width: 320, height: 640 });
    await chat(page).getByRole('textbox').fill('What is 17 + 25?');
    await page.keyboard.press('Enter');
    await state(page, 'asking');
    const card = await chat(page).getByRole('log').innerText();
    assert.match(card, /Download nano\?\s+It is downloaded once, [\d.]+ [MG]i?B, .*takes [\d.]+ [MG]i?B/);
    assert.match((await focused(page))!, /button Download/);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    await looks(page, 'asking');
    await chat(page).getByRole('button', { name: 'Cancel' }).click();
    await state(page, 'idle');
    assert.equal(chunks(), 0);
    await page.waitForFunction(() => document.querySelector('gossamer-chat')!.shadowRoot!.activeElement?.localName === 'textarea');
    await page.keyboard.type('Hello');
    await page.keyboard.press('Enter');
    await state(page, 'asking');
    await page.keyboard.press('Enter'); // on the button that has the focus
    await state(page, 'ready');
    assert.ok(chunks() > 0);
    assert.equal(await page.evaluate(() => document.querySelector<GossamerChat>('gossamer-chat')!.messages.length), 3);
    await close();
  });

  test('is written from right to left where the page is, in the words of its attribute', { timeout }, async () => {
    const { page, close } = await open('arabic');
    await page.setViewportSize({ width: 320, height: 640 });
    await chat(page).getByRole('button', { name: 'إرسال' }).waitFor();
    await looks(page, 'arabic-empty');
    await chat(page).getByRole('textbox').fill('مرحبا');
    await page.keyboard.press('Enter');
    await state(page, 'failed');
    await chat(page).getByRole('button', { name: 'أعد المحاولة' }).waitFor();
    await looks(page, 'arabic-failed');
    const places = await page.evaluate(() => {
      const root = document.querySelector('gossamer-chat')!.shadowRoot!;
      const box = (selector: string) => root.querySelector(selector)!.getBoundingClientRect();
      const [log, user, send, input] = [box('#log'), box('.user'), box('form button'), box('textarea')];
      return [user.left - log.left < log.right - user.right, send.right <= input.left, document.documentElement.scrollWidth];
    });
    assert.deepEqual(places, [true, true, 320], 'what was said is at the left, and so is the button');
    await close();
  });

  test('says what is wrong, and tries again', { timeout }, async () => {
    const { page, close } = await open('missing');
    await page.setViewportSize({ width: 640, height: 640 });
    await chat(page).getByRole('textbox').fill('What is 17 + 25?');
    await page.keyboard.press('Enter');
    await state(page, 'failed');
    assert.match(await chat(page).getByRole('log').innerText(), /404/);
    await looks(page, 'failed');
    await page.evaluate(() => document.querySelector('gossamer-chat')!.setAttribute('model', '/nano/'));
    await chat(page).getByRole('button', { name: 'Try again' }).click();
    await state(page, 'ready');
    assert.match(await chat(page).getByRole('log').innerText(), /42/);
    await close();
  });
});
