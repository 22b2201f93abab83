// What a first visit downloads before any weights.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const skip = existsSync(join(dist, 'gossamer.wasm')) ? false : 'the package is not built: make web';

/** Bytes of a file as hosts send it. */
function sentBytes(name: string): number {
  const data = readFileSync(join(dist, name));
  // Level 9: the highest takes a quarter of a minute for the program and saves a few percent; wasm/size_test.go has its size.
  return name.endsWith('.gz') ? data.length : brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }).length;
}

test('page, program and vocabulary are at most 4.5 MB compressed', { skip }, (t) => {
  // All of the page, though much of it comes later; each file as hosts send it. The vocabulary is compressed already.
  // But what reads PDF files comes with the first of them, and is not kept for visits without a network either.
  // And of the languages but English, one comes at most: the largest one is counted.
  const scripts = existsSync(join(dist, 'app')) ? readdirSync(join(dist, 'app')).filter((name) => name.endsWith('.js') || name.endsWith('.css')) : [];
  const isLanguage = (name: string) => /^[a-z]{2}-\w+\.js$/.test(name);
  const [language] = scripts.filter(isLanguage).sort((a, b) => sentBytes(join('app', b)) - sentBytes(join('app', a)));
  const page = [...scripts.filter((name) => !name.startsWith('pdf-') && !isLanguage(name)), ...(language ? [language] : [])].map((name) => join('app', name));
  const files = [...(page.length > 0 ? ['index.html', ...page] : []), 'gossamer.js', 'worker.js', 'gossamer.wasm', 'o200k.bin.gz'];
  let total = 0;
  for (const name of files) {
    const sent = sentBytes(name);
    if (sent > 100_000) {
      t.diagnostic(`${name}: ${sent} bytes`);
    }
    total += sent;
  }
  t.diagnostic(`${total} bytes in all`);
  assert.ok(total <= 4_500_000, `${total} bytes`);
});

test('<gossamer-chat> is at most 4 kB compressed', { skip }, (t) => {
  const sent = sentBytes('chat.js');
  t.diagnostic(`${sent} bytes`);
  assert.ok(sent <= 4000, `${sent} bytes`);
});

test('the README tells the sizes of the package\'s files', { skip }, () => {
  const readme = readFileSync(join(dirname(dist), 'README.md'), 'utf8');
  const rows = [...readme.matchAll(/^\| `([\w.]+)` \|.*\| ([\d.]+) (kB|MB) \|$/gm)];
  assert.equal(rows.length, 6);
  for (const [, name, size, unit] of rows) {
    const [told, is] = [Number(size) * (unit === 'kB' ? 1e3 : 1e6), sentBytes(name!)];
    assert.ok(is <= told && is > 0.85 * told, `${name}: ${is} bytes, the README says ${told}`);
  }
});
