// Renders the documents beside the app: web/dist/docs/. docs/README.md is their first page, and its lists of links are the navigation: a document
// that is not linked there is no page.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import hljs from 'highlight.js/lib/common';
import { Marked } from 'marked';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const index = 'docs/README.md';

/** What is written from the source of the package instead of from a document, see typedoc in tsconfig.json. */
const reference = { source: 'web/src/index.ts', page: 'api/index.html' };

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);

/** The anchor of a heading, as on hosts of repositories; docs_test.go knows the rule too. */
export const slug = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');

/** Where a link of a document leads in the repository: {file, anchor}; undefined: elsewhere. */
function target(document, href) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(href)) {
    return undefined;
  }
  const [path, anchor] = href.split('#');
  return { file: path ? posix.join(posix.dirname(document), path) : document, anchor };
}

/** Sections of the navigation: [{title, links: [{title, file}]}], from the headings and lists of the first page. */
function contents(text) {
  const sections = [];
  for (const token of new Marked().lexer(text)) {
    if (token.type === 'heading' && token.depth === 2) {
      sections.push({ title: token.text, links: [] });
    } else if (token.type === 'list') {
      for (const { raw } of token.items) {
        const [, title, href] = /^[-*] \[([^\]]+)\]\(([^)\s]+)\)/.exec(raw);
        sections.at(-1).links.push({ title, file: target(index, href).file });
      }
    }
  }
  return sections;
}

/** Renders all documents into a directory, and the reference of the package from dist/types beside them. */
export function buildDocuments(dist) {
  const out = join(dist, 'docs');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const sections = contents(readFileSync(join(root, index), 'utf8'));
  const pages = new Map([[index, 'index.html'], [reference.source, reference.page]]);
  for (const { file } of sections.flatMap((s) => s.links)) {
    // docs/install.md is install.html, web/README.md web.html, README.md readme.html.
    const name = file.replace(/^docs\//, '').replace(/\/README\.md$/, '').replace(/\.md$/, '').replaceAll('/', '-').toLowerCase();
    pages.set(file, pages.get(file) ?? `${name}.html`);
  }
  for (const [file, page] of pages) {
    if (page !== reference.page) {
      writeFileSync(join(out, page), render(file, pages, sections, out));
    }
  }
  copyFileSync(join(here, 'style.css'), join(out, 'style.css'));
  // Its first line says that Node.js runs it, which need not be in the PATH by that name.
  execFileSync(process.execPath, [join(here, 'node_modules/typedoc/bin/typedoc'), '--tsconfig', join(here, 'tsconfig.json'),
    '--entryPoints', join(dist, 'types/index.d.ts'), '--out', join(out, dirname(reference.page))], { cwd: here, stdio: ['ignore', 'inherit', 'inherit'] });
}

/** A page. Links to documents lead to their pages, and those to other files are texts, since these are not on the host. */
function render(document, pages, sections, out) {
  const marked = new Marked({ gfm: true });
  let title = '';
  marked.use({
    renderer: {
      heading({ tokens, depth, text }) {
        const html = this.parser.parseInline(tokens);
        title ||= text;
        return `<h${depth} id="${escape(slug(text))}">${html}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const html = this.parser.parseInline(tokens);
        const to = target(document, href);
        if (!to) {
          return `<a href="${escape(href)}" rel="noreferrer">${html}</a>`;
        }
        const page = pages.get(to.file);
        return page ? `<a href="${page}${to.anchor ? `#${to.anchor}` : ''}">${html}</a>` : html;
      },
      image({ href, text }) {
        const { file } = target(document, href);
        copyFileSync(join(root, file), join(out, basename(file)));
        return `<img src="${basename(file)}" alt="${escape(text)}">`;
      },
      code({ text, lang }) {
        const html = hljs.getLanguage(lang ?? '') ? hljs.highlight(text, { language: lang }).value : escape(text);
        return `<pre tabindex="0"><code>${html}\n</code></pre>\n`;
      },
      // Wide tables scroll by themselves.
      table(token) {
        const row = (cells, tag) => `<tr>${cells.map((c) => `<${tag}>${this.parser.parseInline(c.tokens)}</${tag}>`).join('')}</tr>`;
        const head = token.header.some((c) => c.text) ? `<thead>${row(token.header, 'th')}</thead>` : '';
        return `<div class="table"><table>${head}<tbody>${token.rows.map((r) => row(r, 'td')).join('\n')}</tbody></table></div>\n`;
      },
    },
  });
  const body = marked.parse(readFileSync(join(root, document), 'utf8'));
  const navigation = sections.map(({ title: heading, links }) => {
    const items = links.map((l) => `<li><a href="${pages.get(l.file)}"${l.file === document ? ' aria-current="page"' : ''}>${escape(l.title)}</a></li>`);
    return `<h2>${escape(heading)}</h2>\n<ul>${items.join('\n')}</ul>`;
  });
  const values = { TITLE: escape(title.replaceAll('`', '')), NAVIGATION: navigation.join('\n'), BODY: body };
  return readFileSync(join(here, 'page.html'), 'utf8').replace(/\b(TITLE|NAVIGATION|BODY)\b/g, (name) => values[name]);
}
