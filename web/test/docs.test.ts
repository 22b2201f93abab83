// The rendered documents: every link leads somewhere.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The bundled tests lie in web/dist/test.
const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const docs = join(dist, 'docs');

test('links of the documents and of the reference lead to pages and headings', () => {
  const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'));
  const read = new Map<string, string>();
  const text = (file: string) => read.get(file) ?? read.set(file, readFileSync(file, 'utf8')).get(file)!;
  let links = 0;
  for (const page of pages.map((name) => join(docs, name))) {
    const at = relative(dist, page);
    for (const [, link] of text(page).replace(/<pre.*?<\/pre>/gs, '').matchAll(/\s(?:href|src)="([^"]*)"/g)) {
      const [path, anchor] = link!.replaceAll('&amp;', '&').split('#') as [string, string?];
      if (/^[a-z]+:/.test(path)) {
        assert.match(path, /^https:/, `${at} links to ${link}`);
        continue;
      }
      const file = path ? join(dirname(page), decodeURIComponent(path)) : page;
      assert.ok(existsSync(file), `${at} links to ${link}`);
      assert.ok(!anchor || text(file).includes(` id="${anchor}"`), `${at} links to ${link}, which is no heading there`);
      links++;
    }
  }
  for (const name of ['index.html', 'readme.html', 'install.html', 'embedding.html', 'security.html', 'web.html', 'api/index.html', 'api/functions/create.html']) {
    assert.ok(pages.includes(name), name);
  }
  assert.ok(links > 1000, `only ${links} links`);
});

test('each page says what it is, and its place in the navigation', () => {
  const pages = readdirSync(docs).filter((name) => name.endsWith('.html'));
  assert.ok(pages.length > 20, pages.join(' '));
  for (const page of pages) {
    const text = readFileSync(join(docs, page), 'utf8');
    assert.match(text, /<title>[^<]+ · Gossamer<\/title>/, page);
    assert.equal([...text.matchAll(/<h1/g)].length, 1, page);
    assert.equal([...text.matchAll(/aria-current/g)].length, page === 'index.html' ? 0 : 1, page);
  }
});
