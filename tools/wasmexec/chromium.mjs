// Runs a program that was built with GOOS=js GOARCH=wasm in a worker of a page in Chromium, whose WebGPU is SwiftShader's. Files and
// output are those of this machine: the worker (worker.mjs) asks for them.
//
//   node chromium.mjs PROGRAM.wasm ARGUMENTS...
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs, { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(join(root, 'web/package.json'));
const { chromium } = require('playwright-core');
const { build } = require('esbuild');

const goroot = process.env.GOROOT || execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();
const { outputFiles } = await build({ entryPoints: [join(root, 'web/src/worker/gpu.ts')], bundle: true, write: false, format: 'esm' });
const gpu = outputFiles[0].text;
const [program, ...args] = process.argv.slice(2);
const start = { args, env: { ...process.env, TMPDIR: tmpdir() }, cwd: process.cwd(), pid: process.pid };
const javascript = 'text/javascript';
const files = {
  '': ['text/html', '<!doctype html>'],
  'wasm_exec.js': [javascript, readFileSync(join(goroot, 'lib/wasm/wasm_exec.js'))],
  'gpu.js': [javascript, gpu],
  'worker.js': [javascript, readFileSync(new URL('worker.mjs', import.meta.url))],
  'start.json': ['application/json', JSON.stringify(start)],
  'program.wasm': ['application/wasm', readFileSync(program)],
};

// Whoever knows the secret may do to files what this process may.
const secret = `/${randomUUID()}/`;

// file does what Node's function of that name does; bytes are the body, of the request or the answer.
async function file(name, args, body) {
  switch (name) {
    case 'read': {
      const [fd, length, position] = args;
      const data = Buffer.alloc(length);
      return data.subarray(0, fs.readSync(fd, data, 0, length, position));
    }
    case 'write': {
      const [fd, position] = args;
      return fs.writeSync(fd, body, 0, body.length, position);
    }
    case 'stat': case 'lstat': case 'fstat': {
      const stat = fs[`${name}Sync`](...args);
      return { ...stat, directory: stat.isDirectory() };
    }
    default:
      return fs[`${name}Sync`](...args) ?? null;
  }
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const name = url.pathname.startsWith(secret) ? url.pathname.slice(secret.length) : undefined;
  if (request.method === 'GET') {
    const [type, content] = files[name] ?? ['text/plain', ''];
    response.writeHead(name in files ? 200 : 404, { 'content-type': type }).end(content);
    return;
  }
  const body = Buffer.concat(await request.toArray());
  try {
    if (name === undefined) throw new Error('who asks?');
    const result = await file(name, JSON.parse(url.searchParams.get('args')), body);
    response.writeHead(200).end(Buffer.isBuffer(result) ? result : JSON.stringify(result));
  } catch ({ code, message }) {
    response.writeHead(400).end(JSON.stringify({ code, message }));
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => existsSync(p));
if (!executablePath) throw new Error('Chromium is missing: install it, or set CHROMIUM to its path');
// SwiftShader compiles the zeros of workgroup memory one by one, which takes most of the time; Dawn can write the same zeros in a loop.
const zeros = '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension';
const profile = mkdtempSync(join(tmpdir(), 'gossamer-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  args: ['--headless=new', '--no-sandbox', '--disable-background-networking', '--disable-component-update', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', zeros],
  ignoreDefaultArgs: ['--headless', '--enable-unsafe-swiftshader'],
});
let status = 1;
try {
  const page = await browser.newPage();
  const ended = new Promise((resolve, reject) => {
    page.exposeFunction('ended', resolve);
    page.on('crash', () => reject(new Error('the page has crashed')));
  });
  await page.goto(`http://127.0.0.1:${server.address().port}${secret}`);
  await page.evaluate(() => {
    const worker = new Worker('worker.js', { type: 'module' });
    worker.onmessage = ({ data }) => globalThis.ended(data);
    worker.onerror = ({ message }) => globalThis.ended(`the worker failed: ${message}`);
  });
  const result = await ended;
  if (typeof result === 'number') status = result;
  else console.error(result);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(status);
