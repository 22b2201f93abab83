// What a long reply costs the page while it is written: the work of a task does not grow with what is there already. In Chromium, with the
// chat of the program, whose replies a file tells. How long the page is held up is told, and judged by nobody: other programs have a part in it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, before } from 'node:test';
import { root, skip, timeout, visit } from './browser.ts';
import { longReply } from './long-reply.ts';
import { Program, withoutTitles } from './program.ts';

/** What is watched in the page. */
interface Watched {
  /** Milliseconds of tasks of more than 50 ms, and of frames. */
  tasks: number[];
  frames: { duration: number; blocking: number; script: string }[];
  /** Elements and texts that came and went in a task. */
  changed: number[];
  /** Blocks that changed when there was another one behind them already. */
  again: string[];
}
declare const globalThis: { watched: Watched } & typeof window;

/** Watches the page from its beginning. */
const watcher = () => {
  if (origin === 'null') {
    return; // the sandbox
  }
  const watched: Watched = { tasks: [], frames: [], changed: [], again: [] };
  globalThis.watched = watched;
  new PerformanceObserver((list) => watched.tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask' });
  type Frame = PerformanceEntry & { blockingDuration: number; scripts: { duration: number; invoker: string; sourceFunctionName: string }[] };
  new PerformanceObserver((list) => watched.frames.push(...(list.getEntries() as Frame[]).map((e) => {
    const longest = [...e.scripts].sort((a, b) => b.duration - a.duration)[0];
    return { duration: e.duration, blocking: e.blockingDuration, script: longest ? `${longest.invoker} ${longest.duration} ms` : '' };
  }))).observe({ type: 'long-animation-frame' });
  const finished = new WeakSet<Element>();
  const size = (node: Node): number => 1 + [...node.childNodes].reduce((n, child) => n + size(child), 0);
  new MutationObserver((records) => {
    let change = 0;
    for (const { target, addedNodes, removedNodes } of records) {
      const element = target instanceof Element ? target : target.parentElement;
      const block = element?.closest('.block');
      if (!element?.closest('.markdown') || !block && !element.matches('.markdown')) {
        continue;
      }
      change += [...addedNodes, ...removedNodes].reduce((n, node) => n + size(node), 0);
      const [gone] = removedNodes;
      const isDrawn = gone instanceof Element && gone.matches('code.math'); // a formula takes the place of its TeX, once
      if (block && finished.has(block) && !isDrawn) {
        watched.again.push(block.outerHTML.slice(0, 200));
      }
    }
    if (change > 0) {
      watched.changed.push(change);
    }
    document.querySelectorAll('.markdown > .block:not(:last-child)').forEach((block) => finished.add(block));
  }).observe(document, { subtree: true, childList: true, characterData: true });
};

describe('a long reply', { skip, timeout }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gossamer-streaming-'));
  before(() => {
    execFileSync(process.execPath, [join(root, 'web/build.mjs'), 'native', join(dir, 'page')], { stdio: 'inherit' });
  });

  for (const [rate, rounds] of [[0, 4], [400, 1]] as const) {
    test(`costs a task no more than its last block and what is new, ${rate ? `at ${rate} tokens a second` : 'as fast as it goes'}`, async (t) => {
      const plays = join(dir, `plays-${rate}.json`);
      writeFileSync(plays, JSON.stringify({ version: 1, defaults: { tokens_per_second: rate }, plays: [
        { name: 'warm', when: { user: '^warm' }, reply: [{ text: '<|channel|>final<|message|>$x$\n\n```go\nx := 1\n```\n\nwarm' }] },
        { name: 'long', when: {}, reply: [{ text: `<|channel|>final<|message|>${longReply(rounds)}` }] },
      ] }));
      const program = await Program.start(join(dir, 'page'), '0', '--playback', plays);
      const { page, close } = await visit(program.url, { args: ['--disable-gpu'], script: `${withoutTitles}; (${watcher.toString()})()` });
      try {
        const ask = async (question: string, nth: number) => {
          await page.getByLabel('Message', { exact: true }).fill(question);
          await page.keyboard.press('Enter');
          await page.locator('.assistant').nth(nth).locator('.stats').waitFor();
        };
        await page.locator('.send').waitFor(); // the page is there
        await page.evaluate(() => (globalThis.watched.tasks.length = 0));
        await ask('warm', 0); // loads what colours code and draws formulas
        await page.locator('.hljs-number').waitFor();
        await page.locator('math').waitFor();
        const first = Math.max(0, ...await page.evaluate(() => globalThis.watched.tasks));
        t.diagnostic(`with the first code and formula: longest task ${first > 0 ? `${first.toFixed(0)} ms` : 'under 50 ms'}`);
        await page.evaluate(() => Object.assign(globalThis.watched, { tasks: [], frames: [], changed: [], again: [] }));
        await ask('long', 1);
        const { tasks, frames, changed, again } = await page.evaluate(() => globalThis.watched);
        const blocks = page.locator('.assistant').last().locator('.block');
        const [count, largest, whole] = await blocks.evaluateAll((all) => {
          const sizes = all.map((b) => document.createTreeWalker(b)).map((w) => { let n = 1; while (w.nextNode()) { n++; } return n; });
          return [sizes.length, Math.max(...sizes), sizes.reduce((a, b) => a + b, 0)] as const;
        });
        const longest = Math.max(0, ...tasks);
        const frame = [...frames].sort((a, b) => b.blocking - a.blocking)[0];
        t.diagnostic(`longest task ${longest.toFixed(0)} ms, ${tasks.length} of more than 50 ms; longest frame ${frame ? `${frame.duration.toFixed(0)} ms, ${frame.script}` : 'under 50 ms'}`);
        const drawn = changed.reduce((a, b) => a + b, 0);
        t.diagnostic(`${count} blocks, ${whole} nodes, of the largest ${largest}; ${changed.length} tasks drew ${drawn} of them, at most ${Math.max(...changed)} in one`);
        assert.equal(count, rounds * 11);
        assert.deepEqual(again, [], 'what is finished stays as it is');
        // The last block is taken away and drawn again, and everything else is drawn once.
        assert.ok(drawn <= whole + changed.length * 2 * largest, 'a task draws the last block again, and what is new');
      } finally {
        await close();
        await program?.stop();
      }
    });
  }
});
