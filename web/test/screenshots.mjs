// Pictures of the page, to be looked at: node test/screenshots.mjs [NAME...] writes them to dist/screenshots. Needs `make web` and
// Chromium; takes minutes where a processor plays the GPU. The one in the README is app/screenshot.png: readme.

import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');
const out = join(dist, 'screenshots');
mkdirSync(out, { recursive: true });
const wanted = process.argv.slice(2);

// What goes wrong with chunks of weights.
let stall = false;
let broken = false;
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json', '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json' };
const server = createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname)).replace(/\/$/, '/index.html');
  const file = join(dist, path.replace(/^\/chat\//, '/'));
  const chunk = path.includes('/chunks/');
  if (!existsSync(file) || !statSync(file).isFile() || (broken && chunk)) {
    response.writeHead(broken && chunk ? 403 : 404).end();
    return;
  }
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-length': statSync(file).size });
  createReadStream(file, { end: stall && chunk && statSync(file).size > 200_000 ? 100_000 : Infinity }).pipe(response, { end: !(stall && chunk) });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}/chat/`;

const call = (id, name, args) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(args) } });
let time = Date.UTC(2026, 10, 25, 12);
const conversation = (title, messages, options = {}) => {
  const full = messages.map((m, i) => ({ id: `m${i}`, parent: i ? `m${i - 1}` : null, created: time, finish: m.role === 'assistant' ? 'stop' : undefined, model: 'gpt-oss-20b', ...m }));
  return { id: title, title, created: (time -= 60_000), updated: time, messages: full, leaf: full.at(-1).id, options };
};
const stats = { promptTokens: 214, tokens: 486, firstTokenMs: 640, tokensPerSecond: 38.2 };
const showcase = {
  format: 'gossamer-conversations', version: 1, conversations: [
    conversation('Why is the sky blue?', [{ role: 'user', content: 'Why is the sky blue?' }, { role: 'assistant', content: 'Because air scatters short waves more.', stats }]),
    conversation('خطة لعطلة نهاية الأسبوع', [{ role: 'user', content: 'اقترح خطة لعطلة نهاية الأسبوع في لشبونة' }, { role: 'assistant', content: 'إليك خطة قصيرة:\n\n- **السبت:** ألفاما، ثم المتحف الوطني للبلاط\n- **الأحد:** بيليم\n\nرحلة سعيدة!', stats }]),
    conversation('Weather in Oslo', [
      { role: 'user', content: 'Is it colder in Oslo than 3 * 7 degrees?' },
      { role: 'assistant', content: '', reasoning: 'I need the product first, then the weather.', reasoningMs: 900, reasoningTokens: 11, finish: 'tool_calls', calls: [call('c1', 'calculator', { expression: '3 * 7' })] },
      { role: 'tool', content: '21', callID: 'c1' },
      { role: 'assistant', content: '', finish: 'tool_calls', calls: [call('c2', 'get_weather', { city: 'Oslo', unit: 'celsius' })] },
    ], { tools: ['calculator', 'get_weather'] }),
    conversation('Falling from a tower', [
      { role: 'user', content: 'How long does a ball fall from a tower of 45 m? Show the formula, a table for other heights, and Python that computes it.' },
      {
        role: 'assistant', reasoningMs: 5400, reasoningTokens: 143, stats,
        reasoning: 'The user wants the time of a free fall from 45 m. h = g t²/2, so t = sqrt(2h/g).\n\nWith g = 9.81: t = sqrt(90/9.81) = sqrt(9.174) ≈ 3.03 s.\n\nA table for 10, 20, 45 and 100 m, then a short program. Air resistance is to be mentioned.',
        content: 'Without air resistance a fall from the height $h$ takes\n\n$$t = \\sqrt{\\frac{2h}{g}}$$\n\nFor $h = 45\\,\\mathrm{m}$ and $g = 9.81\\,\\mathrm{m/s^2}$ that is **3.03 seconds**.\n\n| Height | Time | Speed at the ground |\n| ---: | ---: | ---: |\n| 10 m | 1.43 s | 14.0 m/s |\n| 20 m | 2.02 s | 19.8 m/s |\n| 45 m | 3.03 s | 29.7 m/s |\n| 100 m | 4.52 s | 44.3 m/s |\n\nThe same in Python:\n\n```python\nfrom math import sqrt\n\ndef fall_time(height: float, g: float = 9.81) -> float:\n    """Seconds until a body that falls from `height` metres hits the ground."""\n    if height < 0:\n        raise ValueError("the height is negative")\n    return sqrt(2 * height / g)\n\nprint(f"{fall_time(45):.2f} s")  # 3.03 s\n```\n\nA real ball is a little slower: at 30 m/s the air already takes about a tenth of its weight.',
      },
    ]),
  ],
};

/** Replies that were cut off, in ways that differ. */
const cutOff = { ...showcase, conversations: [
  conversation('No reply', [{ role: 'user', content: 'Which river is the longest of Europe?' }]),
  conversation('Cut off', [
    { role: 'user', content: 'Plan a weekend in Lisbon.' },
    { role: 'assistant', reasoning: 'Two days, on foot where it goes.', reasoningMs: 2100, content: 'On **Saturday** begin in Alfama, early, before the trams are', finish: undefined, stats },
  ]),
] };

const profiles = mkdtempSync(join(tmpdir(), 'gossamer-shots-'));
let profile = 0;
/** A visitor's browser; dark and narrow are theirs. */
async function visit({ dark = false, narrow = false, gpu = true, path = '', host = '127.0.0.1' } = {}) {
  const args = ['--headless=new', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--host-resolver-rules=MAP insecure.test 127.0.0.1',
    ...(gpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : ['--disable-gpu'])];
  const context = await chromium.launchPersistentContext(join(profiles, String(profile++)), {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args, ignoreDefaultArgs: ['--headless', '--enable-unsafe-swiftshader'],
    colorScheme: dark ? 'dark' : 'light', viewport: narrow ? { width: 390, height: 844 } : { width: 1280, height: 860 }, deviceScaleFactor: 1,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('console', (m) => m.type() === 'error' && console.error(`console: ${m.text()}`));
  page.on('pageerror', (e) => console.error(`page: ${e.message}`));
  await page.goto(url.replace('127.0.0.1', host) + path);
  return { page, context };
}
const shot = async (page, name) => {
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(out, `${name}.png`), timeout: 120_000 });
  console.log(name);
};
const load = async (page, file = showcase) => {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.evaluate(() => document.getElementById('import').click())]);
  await chooser.setFiles({ name: 'showcase.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file)) });
  await page.locator('#conversations .title', { hasText: file.conversations.at(-1).title }).waitFor({ state: 'attached' });
};
const choose = (page, name) => page.evaluate((name) => [...document.querySelectorAll('#conversations .title')].find((b) => b.textContent === name).click(), name);

const scenes = {
  /** The processor computes: without WebGPU, and by plain http. */
  async nowebgpu() {
    for (const [name, options] of [['nowebgpu', {}], ['nowebgpu-narrow-dark', { narrow: true, dark: true }], ['plain-http', { host: 'insecure.test' }]]) {
      const { page, context } = await visit({ gpu: false, ...options });
      await page.locator('#model-button').filter({ hasText: 'on the processor' }).waitFor({ timeout: 200_000 });
      await shot(page, name);
      await page.getByLabel('Message', { exact: true }).fill('What is 17 + 25?');
      await page.keyboard.press('Enter');
      await page.locator('.assistant .stats').waitFor({ timeout: 300_000 });
      await shot(page, `${name}-answer`);
      await page.getByRole('button', { name: 'How to run real models' }).click();
      await shot(page, `${name}-why`);
      await page.keyboard.press('Escape');
      await page.locator('#model-button').click();
      await page.getByRole('button', { name: /gossamer-nano$/ }).first().click();
      await page.locator('.verdict dl').waitFor();
      await shot(page, `${name}-models`);
      await context.close();
    }
  },
  /** Where a reload has cut a reply off, and what can be brought back. */
  async interrupted() {
    for (const [name, options] of [['light', {}], ['narrow-dark', { narrow: true, dark: true }]]) {
      const { page, context } = await visit({ gpu: false, ...options });
      await load(page, cutOff);
      await choose(page, 'Cut off');
      await page.getByRole('button', { name: 'Continue' }).waitFor();
      await shot(page, `interrupted-${name}`);
      await choose(page, 'No reply');
      await page.locator('.unanswered').waitFor();
      await shot(page, `unanswered-${name}`);
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('button', { name: 'Reset to defaults' }).click();
      await shot(page, `undo-${name}`);
      await context.close();
    }
  },
  async looks() {
    for (const [name, options] of [['light', {}], ['dark', { dark: true }], ['narrow', { narrow: true }], ['narrow-dark', { narrow: true, dark: true }]]) {
      stall = name === 'dark';
      broken = name === 'narrow';
      const { page, context } = await visit(options);
      if (!stall && !broken) {
        await page.locator('#model-button').filter({ hasText: 'of GPU memory' }).waitFor({ timeout: 200_000 });
      }
      await shot(page, `greeting-${name}`);
      await load(page);
      await choose(page, 'Falling from a tower');
      await page.locator('.formula math').first().waitFor();
      await page.locator('#toasts .toast').first().waitFor({ state: 'detached', timeout: 20_000 });
      await page.evaluate(() => (document.getElementById('scroll').scrollTop = 0));
      await shot(page, `chat-${name}`);
      await page.locator('.reasoning summary').click();
      await shot(page, `reasoning-${name}`);
      await choose(page, 'Weather in Oslo');
      await page.locator('.call form').waitFor();
      await shot(page, `tools-${name}`);
      await choose(page, 'خطة لعطلة نهاية الأسبوع');
      await shot(page, `rtl-${name}`);
      await page.getByRole('button', { name: 'Settings' }).click();
      await shot(page, `panel-${name}`);
      await page.getByRole('tab', { name: 'Tools' }).click();
      await shot(page, `panel-tools-${name}`);
      await page.getByRole('button', { name: 'Close' }).click();
      await page.locator('#model-button').click();
      await page.getByRole('button', { name: /gossamer-nano$/ }).first().click();
      await page.locator('.verdict dl').waitFor();
      await shot(page, `models-${name}`);
      await page.getByRole('button', { name: 'Close' }).click();
      if (stall) {
        await page.locator('.numbers').filter({ hasText: /[KM]iB of/ }).waitFor();
        await shot(page, 'progress');
      }
      if (broken) {
        await page.locator('.card.failed').waitFor();
        await shot(page, 'error');
        await page.getByRole('button', { name: 'Show conversations' }).click();
        await shot(page, 'sidebar-narrow');
      }
      stall = broken = false;
      await context.close();
    }
  },
  async chat() {
    const { page, context } = await visit();
    await page.getByLabel('Message', { exact: true }).fill('What is 17 + 25?');
    await page.keyboard.press('Enter');
    await page.locator('.assistant .stats').waitFor({ timeout: 300_000 });
    await page.locator('.reasoning summary').click();
    await shot(page, 'nano');
    await page.getByLabel('Message', { exact: true }).fill('How many hours are in 3 days?');
    await page.keyboard.press('Enter');
    await page.locator('.assistant .stats').nth(1).waitFor({ timeout: 300_000 });
    await page.mouse.move(0, 0);
    await page.setViewportSize({ width: 1120, height: 640 });
    await shot(page, 'readme');
    await context.close();
  },
  /** An answer by a schema, and a schema that is refused. */
  async format() {
    for (const [name, options] of [['light', {}], ['dark', { dark: true }]]) {
      const { page, context } = await visit(options);
      const field = page.getByLabel('JSON schema of answers');
      const schema = (name) => JSON.stringify({ type: 'object', properties: { name, age: { type: 'integer', minimum: 0 } }, required: ['name', 'age'], additionalProperties: false }, null, 2);
      const set = async (text) => {
        await page.getByRole('button', { name: 'Settings' }).click();
        await page.getByRole('tab', { name: 'Format' }).click();
        await field.fill(text);
      };
      const ask = async (seen) => {
        await page.getByRole('button', { name: 'Close' }).click();
        await page.getByLabel('Message', { exact: true }).fill('Anna is 30 years old.');
        await page.keyboard.press('Enter');
        await page.locator('.assistant').last().locator(seen).waitFor({ timeout: 300_000 });
      };
      await set(schema({ type: 'string', maxLength: 20 }));
      await shot(page, `panel-format-${name}`);
      await ask('.valid');
      await shot(page, `format-${name}`);
      await set(schema({ type: 'string', pattern: '(?=A)' }));
      await ask('.error');
      await shot(page, `refused-${name}`);
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('tab', { name: 'Format' }).click();
      await shot(page, `panel-refused-${name}`);
      await context.close();
    }
  },
  async bench() {
    const { page, context } = await visit({ path: 'bench.html?depths=64,128,256,512&runs=1' });
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.locator('.plot').first().waitFor({ timeout: 580_000 });
    await page.setViewportSize({ width: 1100, height: 1000 });
    await shot(page, 'bench');
    await context.close();
  },
};
for (const [name, scene] of Object.entries(scenes)) {
  if (wanted.length === 0 || wanted.includes(name)) {
    await scene();
  }
}
server.closeAllConnections();
server.close();
rmSync(profiles, { recursive: true, force: true, maxRetries: 5 });
