// What the tests in a browser share: Chromium, a packed model, a server for both, and pages.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import type * as gossamer from '../src/index.ts';
import { serve, type Server } from './server.ts';

// The bundled tests lie in web/dist/test.
const dist = dirname(dirname(fileURLToPath(import.meta.url)));
export const root = dirname(dirname(dist));

const flags = [
  '--headless=new', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--host-resolver-rules=MAP insecure.test 127.0.0.1, MAP *.localhost 127.0.0.1',
];
const webgpuFlags = [
  '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader',
  // SwiftShader compiles the zeros of workgroup memory one by one, which takes most of the time; Dawn can write the same zeros in a loop.
  '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension',
];

/** Where Chromium is; undefined: nowhere, which only continuous integration minds. */
export function findChromium(): string | undefined {
  const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'].find((path) => path && existsSync(path));
  if (!found && process.env.CI) {
    throw new Error('Chromium is missing: install the package chromium, or set CHROMIUM to its path');
  }
  return found;
}

/** Milliseconds after which a test that hangs is ended. A processor that plays a GPU and is shared with others may compile for minutes. */
export const timeout = 900_000;

/** Why tests in Chromium are skipped; false: they are not. */
export const skip = findChromium() ? false : 'Chromium is not installed: install it, or set CHROMIUM to its path';

const profiles = mkdtempSync(join(tmpdir(), 'gossamer-'));
process.on('exit', () => rmSync(profiles, { recursive: true, force: true, maxRetries: 5 }));

/** The browsers of this process, by their flags. */
const browsers = new Map<string, Promise<BrowserContext>>();
after(async () => {
  await Promise.all([...browsers.values()].map(async (context) => (await context).close()));
});

/** Starts Chromium with flags, unless it runs already. */
function browser(args: string[]): Promise<BrowserContext> {
  const key = args.join(' ');
  let context = browsers.get(key);
  if (!context) {
    // Its first page stays open, since it ends with its last one.
    context = chromium.launchPersistentContext(mkdtempSync(join(profiles, 'profile-')), {
      executablePath: findChromium()!, args: [...flags, ...args], ignoreDefaultArgs: ['--headless', '--enable-unsafe-swiftshader'], timeout,
    });
    browsers.set(key, context);
  }
  return context;
}

/** Pages of a visitor. */
export interface Visit {
  page: Page;
  context: BrowserContext;
  /** The root of the server for this visitor. */
  url: string;
  /** Opens another page of the same visitor. */
  newPage(url: string): Promise<Page>;
  /** Closes the visitor's pages. */
  close(): Promise<void>;
}

let visits = 0;

/**
 * Opens a page for a visitor who was never here: at an origin of its own, which has nothing stored, in a browser that all visits with
 * the same flags share. url is one of a server here; script runs in each page before everything else.
 */
export async function visit(url: string, { args = webgpuFlags, script = '' } = {}): Promise<Visit> {
  const context = await browser(args);
  const origin = new URL(url);
  if (origin.hostname === '127.0.0.1') {
    origin.hostname = `visit${++visits}.localhost`; // secure, as all below localhost
  }
  const pages: Page[] = [];
  const newPage = async (url: string) => {
    const page = await context.newPage();
    pages.push(page);
    page.setDefaultTimeout(timeout);
    await page.addInitScript(script);
    await page.goto(url);
    return page;
  };
  const close = async () => {
    await Promise.all(pages.map((page) => page.close()));
  };
  try {
    return { page: await newPage(origin.href), context, url: `${origin.origin}/`, newPage, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * A script for visit by which a reply that is computed in the page can be met in its middle, however fast the model is: after
 * globalThis.framesShown of its messages (none are held until that is set) nothing more of it reaches the page, but what an abort ends.
 */
export const holdReplies = `
  globalThis.framesShown = Infinity;
  globalThis.Worker = class extends Worker {
    held = [];
    constructor(...args) {
      super(...args);
      let reply, seen = 0;
      this.addEventListener('message', (event) => {
        const { kind, id } = event.data ?? {}; // pages have other workers, too
        if (kind === 'frame') {
          seen = reply === id ? seen + 1 : 1;
          reply = id;
        }
        if (event.isTrusted && reply === id && seen > globalThis.framesShown && (kind === 'frame' || kind === 'done')) {
          this.held.push(event.data);
          event.stopImmediatePropagation();
        }
      });
    }
    postMessage(message, ...rest) {
      super.postMessage(message, ...rest);
      if (message?.kind === 'abort') {
        this.held.splice(0).forEach((data) => this.dispatchEvent(new MessageEvent('message', { data })));
      }
    }
  };`;

/** Calls check for each of the looks that a page may have: colours, narrow as 400 % of zoom make it, and from right to left. */
export async function inEveryLook(page: Page, check: (look: string) => Promise<void>): Promise<void> {
  const looks = [
    ['light', 'light', 'none', 1280, 'ltr'], ['dark and narrow', 'dark', 'none', 320, 'ltr'], ['from right to left', 'light', 'none', 1280, 'rtl'],
    ['forced colours', 'light', 'active', 1280, 'ltr'], ['dark forced colours, narrow, from right to left', 'dark', 'active', 320, 'rtl'],
  ] as const;
  const turn = (dir: string) => page.evaluate((dir) => (document.documentElement.dir = dir), dir);
  const size = page.viewportSize()!;
  for (const [look, colorScheme, forcedColors, width, dir] of looks) {
    await page.emulateMedia({ colorScheme, forcedColors });
    await page.setViewportSize({ width, height: size.height });
    await turn(dir);
    await check(look);
  }
  await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none' });
  await page.setViewportSize(size);
  await turn('ltr');
}

/** What fingers may press in a page, as far as it can be seen and is not text: those of less than 44 pixels, and how many there are. */
export function smallTargets(page: Page): Promise<{ small: string[]; count: number }> {
  return page.evaluate(() => {
    const modal = document.querySelector('dialog:modal');
    const all = [...document.querySelectorAll<HTMLElement>('a[href], button, input, select, textarea, summary, [role="tab"], [role="button"]')]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('[inert], .block, .skip') && (!modal || modal.contains(e)));
    const small = all.filter((e) => {
      const boxes = [e, e.closest('label')].filter((b) => b !== null).map((b) => b.getBoundingClientRect());
      return !boxes.some((b) => b.width >= 43.9 && b.height >= 43.9);
    });
    return { small: small.map((e) => `${e.outerHTML.slice(0, 90)} ${e.getBoundingClientRect().width} x ${e.getBoundingClientRect().height}`), count: all.length };
  });
}

/**
 * The same for a reply of another tab's engine: after globalThis.framesHeard of its messages, which is Infinity again then, nothing more of it
 * comes from that engine.
 */
export const cutReplies = `
  globalThis.framesHeard = Infinity;
  globalThis.BroadcastChannel = class extends BroadcastChannel {
    constructor(...args) {
      super(...args);
      let reply, seen = 0, cut;
      this.addEventListener('message', (event) => {
        const { kind, id } = event.data ?? {};
        if (kind === 'frame') {
          seen = reply === id ? seen + 1 : 1;
          reply = id;
          if (seen > globalThis.framesHeard) {
            cut = id;
            globalThis.framesHeard = Infinity;
          }
        }
        if (cut === id && (kind === 'frame' || kind === 'done')) {
          event.stopImmediatePropagation();
        }
      });
    }
  };`;

/** A model of testdata/golden twice: as published with a manifest beside it, and packed into chunks. Returns both directories. */
function packModel(name: string): { published: string; packed: string } {
  const published = join(dist, 'test', name, 'published');
  const packed = join(dist, 'test', name, 'packed');
  const golden = join(root, 'testdata/golden', name, 'model');
  rmSync(dirname(published), { recursive: true, force: true });
  mkdirSync(published, { recursive: true });
  for (const file of ['config.json', 'generation_config.json']) {
    copyFileSync(join(golden, file), join(published, file));
  }
  writeFileSync(join(published, 'model.safetensors'), gunzipSync(readFileSync(join(golden, 'model.safetensors.gz'))));
  // GOSSAMER: the command, relative to the repository's root, if it is built already.
  const command = process.env.GOSSAMER ? [resolve(root, process.env.GOSSAMER)] : ['go', 'run', './tools/gossamer'];
  const pack = (...args: string[]) =>
    execFileSync(command[0]!, [...command.slice(1), 'pack', ...args], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  pack(published, packed);
  pack('--manifest-only', published, join(dist, 'test', name, 'manifest'));
  copyFileSync(join(dist, 'test', name, 'manifest/manifest.json'), join(published, 'manifest.json'));
  return { published, packed };
}

/** A small app as a developer would bundle it; the bundler leaves the package's other files to be copied beside the bundle. */
async function bundleApp(): Promise<string> {
  const app = join(dist, 'test/app');
  rmSync(app, { recursive: true, force: true });
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  symlinkSync(dirname(dist), join(app, 'node_modules/gossamer'));
  writeFileSync(join(app, 'package.json'), '{"type": "module"}');
  writeFileSync(join(app, 'app.ts'), `
    import { create, RuntimeError, type ChatCompletion } from 'gossamer';
    try {
      const ai = await create({ model: '../../packed/', context: 1024, onNotice() {} });
      const messages = [{ role: 'user' as const, content: 'Hello' }];
      const answer: ChatCompletion = await ai.chat.completions.create({ messages, seed: 1, max_completion_tokens: 24 });
      document.body.dataset.answer = answer.choices[0]?.message.content ?? '';
      document.title = 'answered';
    } catch (error) {
      document.title = error instanceof RuntimeError ? error.code : String(error);
    }`);
  writeFileSync(join(app, 'index.html'), '<!doctype html><title>loading</title><script type="module" src="app.js"></script>');
  // The types are there as well.
  const tsc = join(dirname(dist), 'node_modules/.bin/tsc');
  execFileSync(tsc, ['--noEmit', '--strict', '--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler',
    '--lib', 'es2023,dom,dom.iterable,dom.asynciterable', '--ignoreConfig', join(app, 'app.ts')], { stdio: 'inherit' });
  await build({ entryPoints: [join(app, 'app.ts')], outfile: join(app, 'app.js'), bundle: true, format: 'esm', minify: true, logLevel: 'warning' });
  for (const name of ['worker.js', 'gossamer.wasm', 'o200k.bin.gz']) {
    copyFileSync(join(dist, name), join(app, name));
  }
  return app;
}

/** Where the page, the package and the models are served. */
export async function serveAll(): Promise<Server> {
  const { published, packed } = packModel('full_vocab');
  return serve({
    '/page.html': Buffer.from('<!doctype html><title>gossamer</title>'),
    '/dist/': dist,
    '/app/deep/': await bundleApp(),
    '/model/': published,
    '/other/manifest.json': Buffer.from('{}'),
    '/packed/': packed,
    '/nano/': join(dist, 'nano'),
  });
}

/** Where an empty page, the package and the built-in model are served. */
export async function serveNano(files: { [prefix: string]: string | Uint8Array } = {}): Promise<Server> {
  return serve({ '/page.html': Buffer.from('<!doctype html><title>gossamer</title>'), '/dist/': dist, '/nano/': join(dist, 'nano'), ...files });
}

/** The library as a page imports it. */
export type Gossamer = typeof gossamer;

/** Where a file of the package's sources is. */
export const sourceOf = (name: string) => join(dirname(dist), 'src', name);
