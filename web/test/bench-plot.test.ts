// The report of a benchmark as it is seen: on phones, in the dark, with forced colours, and by screen readers. In Chromium, of a report that
// a fast machine could give.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import type { Report } from '../app/bench-types.ts';
import { root, skip, timeout, visit, type Visit } from './browser.ts';
import { serve, type Server } from './server.ts';

const depths = [128, 512, 2048, 8192, 32_768];
const speed = (mean: number) => ({ mean, stddev: mean / 15, runs: 3 });
const report: Report = {
  model: 'gpt-oss-20b', backend: 'webgpu', adapter: 'a GPU with a rather long name, Vulkan', machine: '', date: '2026-01-02T03:04:05Z', context: 131_072, kv: 'f16',
  load: { seconds: 12.3, weight_bytes: 13.8e9, bytes_per_second: 1.1e9 }, copy_bytes_per_second: 9.4e11, time_to_first_token_ms: 210,
  memory: { weight_bytes: 13.8e9, kv_bytes: 3e9, scratch_bytes: 2e8 },
  prefill: depths.map((depth, i) => ({ depth, tokens: depth, tokens_per_second: speed(12_345 - 900 * i) })),
  decode: depths.map((depth, i) => ({ depth, tokens: 48, tokens_per_second: speed(187.4 - 22 * i), weight_bytes_per_token: 2e9, kv_bytes_per_token: 1e6, gb_per_second: 400 - 9 * i, of_copy_bandwidth: 0.4 })),
};
declare const globalThis: { render(r: Report): HTMLElement[] } & typeof window;

describe('the report of a benchmark', { skip, timeout }, () => {
  let server: Server;
  let tab: Visit;
  let page: Page;
  before(async () => {
    const dir = mkdtempSync(join(tmpdir(), 'gossamer-report-'));
    const app = join(root, 'web/app');
    mkdirSync(join(dir, 'app'));
    copyFileSync(join(app, 'style.css'), join(dir, 'app/style.css'));
    copyFileSync(join(app, 'icon.svg'), join(dir, 'icon.svg'));
    await build({ stdin: { contents: "import { render } from './bench-report.ts'; globalThis.render = render;", resolveDir: app }, bundle: true, format: 'esm', outfile: join(dir, 'app/bench.js'), logLevel: 'warning', define: { BUILD: '""', VERSION: '""' } });
    writeFileSync(join(dir, 'index.html'), readFileSync(join(app, 'bench.html'), 'utf8').replace(/.*<script src=.*\n/, '').replace('<main id="bench"></main>', '<main id="bench"><h1>Benchmark</h1><div class="results"></div></main>'));
    server = await serve({ '/': dir });
    tab = await visit(server.url, { args: ['--disable-gpu'] });
    page = tab.page;
    await page.evaluate((report) => document.querySelector('.results')!.append(...globalThis.render(report)), report);
  });
  after(async () => {
    await tab?.close();
    await server?.close();
  });

  /** Pixels of the smallest text of the plots, and how many of their texts overlap. */
  const texts = () => page.evaluate(() => {
    const all = [...document.querySelectorAll('.plot')].map((plot) => [...plot.querySelectorAll('text')]);
    const size = (t: SVGTextElement) => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM()!.a;
    const overlap = (a: DOMRect, b: DOMRect) => a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom; // boxes have room above
    return {
      smallest: Math.min(...all.flat().map(size)),
      overlapping: all.flatMap((plot) => plot.flatMap((a, i) => plot.slice(i + 1).filter((b) => overlap(a.getBoundingClientRect(), b.getBoundingClientRect())).map((b) => `${a.textContent} and ${b.textContent}`))),
      outside: all.flat().filter((t) => { const [b, p] = [t.getBoundingClientRect(), t.closest('svg')!.getBoundingClientRect()]; return b.left < p.left || b.right > p.right || b.bottom > p.bottom; }).map((t) => t.textContent),
    };
  });
  /** Contrast of what the plots draw with what is behind them, at the least. */
  const contrast = () => page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true })!;
    const luminance = (colour: string) => {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const paper = luminance(getComputedStyle(document.querySelector('.plots')!).backgroundColor);
    const ratio = (colour: string) => { const [a, b] = [luminance(colour), paper].sort((x, y) => y - x); return (a! + 0.05) / (b! + 0.05); };
    const least = (selector: string, property: 'fill' | 'stroke') => Math.min(...[...document.querySelectorAll(selector)].map((e) => ratio(getComputedStyle(e)[property])));
    return { text: least('.plot text', 'fill'), points: least('.plot circle', 'fill'), curve: least('.plot polyline', 'stroke') };
  });

  for (const width of [320, 360, 390, 1280]) {
    test(`is legible at ${width} pixels, in all colours`, async (t) => {
      await page.setViewportSize({ width, height: 800 });
      const { smallest, overlapping, outside } = await texts();
      t.diagnostic(`the smallest text has ${smallest.toFixed(1)} pixels`);
      assert.ok(smallest >= 10);
      assert.deepEqual([overlapping, outside], [[], []]);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the page');
      for (const media of [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { forcedColors: 'active', colorScheme: 'light' }, { forcedColors: 'active', colorScheme: 'dark' }] as const) {
        await page.emulateMedia({ forcedColors: 'none', ...media });
        const { text, points, curve } = await contrast();
        assert.ok(text >= 4.5 && points >= 3 && curve >= 3, `${JSON.stringify(media)}: ${text}, ${points}, ${curve}`);
        if (process.env.SCREENSHOTS) {
          await page.screenshot({ path: join(process.env.SCREENSHOTS, `bench-${width}-${Object.values(media).join('-')}.png`), fullPage: true });
        }
      }
    });
  }

  test('says in words and in a table what the plots show', async () => {
    const plots = page.getByRole('img');
    assert.match(await plots.nth(0).getAttribute('aria-label') ?? '', /^Read, tokens\/s; tokens in the prompt: 128: 12,345; .*; 32,768: 8,745$/);
    assert.match(await plots.nth(1).getAttribute('aria-label') ?? '', /^Written, .*128: 187; .*; 32,768: 99\.4$/);
    assert.equal(await page.getByRole('table', { name: 'gpt-oss-20b: tokens per second by the length of the prompt' }).getByRole('row').count(), 1 + depths.length);
    assert.match(await page.getByRole('row', { name: '2,048 tokens' }).innerText(), /10,545[^]*143/);
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`) as { violations: { id: string }[] };
    assert.deepEqual(violations.map((v) => v.id), []);
  });

  test('the file of the plots has its colours inside', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, forcedColors: 'none' });
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save plot' }).click()]);
      const svg = readFileSync(await download.path(), 'utf8');
      assert.doesNotMatch(svg, /var\(|fill=""/);
      assert.match(svg, colorScheme === 'light' ? /<rect[^>]* fill="#fff"/ : /<rect[^>]* fill="#232227"/);
      assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg".*gpt-oss-20b.*Read, tokens\/s.*Written, tokens\/s/s);
    }
  });
});
