// Builds everything static into dist/:
//
//	gossamer.js (the page's side), worker.js, gossamer.wasm, o200k.bin.gz, service.js, chat.js, types/    the package
//	index.html, bench.html, sandbox.html, app/, service-worker.js, nano/             the app, with the built-in model
//	docs/                                                                            the documents
//
// node build.mjs native DIRECTORY [METAFILE] builds the app for the program gossamer, which serves it and runs the models itself, and writes
// what esbuild tells of it.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
import { buildDocuments } from './docs/build.mjs';

const web = dirname(fileURLToPath(import.meta.url));
const root = dirname(web);
const dist = join(web, 'dist');
const app = join(web, 'app');
/** The languages of the app, of which app/texts has a table each. */
const languages = readdirSync(join(app, 'texts')).map((f) => f.replace('.ts', '')).filter((name) => !['types', 'mirrored'].includes(name)).sort();
mkdirSync(dist, { recursive: true });

const run = (command, args, env = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env }, encoding: 'utf8' });
const sha256 = (...parts) => {
  const hash = createHash('sha256');
  parts.forEach((part) => hash.update(part));
  return hash;
};

const options = { bundle: true, format: 'esm', target: 'es2022', minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning' };

if (process.argv[2] === 'native') {
  const metafile = await buildNative(resolve(process.argv[3]));
  if (process.argv[4]) {
    writeFileSync(process.argv[4], JSON.stringify(metafile));
  }
} else if (process.argv[2] === 'docs') {
  buildDocuments(dist); // around what was built before, as the next
} else {
  // node build.mjs app: the pages only.
  if (process.argv[2] !== 'app') {
    await buildPackage();
    packNano();
    buildDocuments(dist);
  }
  await buildApp();
  await buildServiceWorker();
}

/** The npm package. */
async function buildPackage() {
  run('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(dist, 'gossamer.wasm'), './wasm'], { GOOS: 'js', GOARCH: 'wasm', CGO_ENABLED: '0' });
  copyFileSync(join(root, 'runtime/tokenizer/o200k/o200k.bin.gz'), join(dist, 'o200k.bin.gz'));

  // The program and its starter belong to the same release of Go.
  const starter = join(run('go', ['env', 'GOROOT']).trim(), 'lib/wasm/wasm_exec.js');
  const { version } = JSON.parse(readFileSync(join(web, 'package.json'), 'utf8'));
  const VERSION = JSON.stringify(version);
  await build({ ...options, define: { VERSION }, entryPoints: [join(web, 'src/worker/worker.ts')], inject: [starter], outfile: join(dist, 'worker.js') });

  const define = { VERSION, BUILD: JSON.stringify(release()) };
  await build({ ...options, define, entryPoints: [join(web, 'src/index.ts')], outfile: join(dist, 'gossamer.js') });
  await build({ ...options, define, entryPoints: [join(web, 'src/chat.ts')], outfile: join(dist, 'chat.js'), plugins: [library('./gossamer.js')] });
  // For importScripts and import alike.
  const service = { contents: "import { serve } from './service.ts'; serve();", resolveDir: join(web, 'src') };
  await build({ ...options, format: 'iife', stdin: service, outfile: join(dist, 'service.js') });

  buildTypes();
  writeLicences();
}

/** The types in one file, which imports nothing. */
function buildTypes() {
  const bin = (name) => join(web, 'node_modules/.bin', name);
  for (const directory of ['declarations', 'types']) {
    rmSync(join(dist, directory), { recursive: true, force: true });
  }
  run(bin('tsc'), ['-p', join(web, 'tsconfig.types.json')]);
  // The bundler uses an older compiler, which does not know the types of WebGPU, of which nothing is published.
  run(bin('dts-bundle-generator'), ['--silent', '--no-check', '--no-banner', '--export-referenced-types', 'false',
    '-o', join(dist, 'types/index.d.ts'), join(dist, 'declarations/index.d.ts')]);
  // These share their types with index.d.ts.
  mkdirSync(join(dist, 'types/chat'));
  for (const name of ['chat', 'chat/texts']) {
    const text = readFileSync(join(dist, `declarations/${name}.d.ts`), 'utf8').replace(/(from '\.[^']*)\.ts'/g, "$1.js'");
    writeFileSync(join(dist, `types/${name}.d.ts`), text);
  }
  writeFileSync(join(dist, 'types/service.d.ts'), '// Importing it answers requests; it exports nothing.\nexport {};\n');
  rmSync(join(dist, 'declarations'), { recursive: true });
}

/** The licences of the package and of what is compiled into its files, where npm packs them. */
function writeLicences() {
  copyFileSync(join(root, 'LICENSE'), join(web, 'LICENSE'));
  const goroot = run('go', ['env', 'GOROOT']).trim();
  const format = '{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}';
  const listed = run('go', ['list', '-deps', '-f', format, './wasm'], { GOOS: 'js', GOARCH: 'wasm' }).trim().split('\n').filter(Boolean);
  const modules = [...new Set(listed)].sort().map((line) => line.split(' '));
  const parts = [['The Go runtime and standard library (gossamer.wasm, worker.js)', goroot], ...modules.map(([path, directory]) => [`${path} (gossamer.wasm)`, directory])];
  const texts = parts.map(([name, directory]) => `${name}\n\n${readFileSync(join(directory, 'LICENSE'), 'utf8').trim()}`);
  texts.push(`The ranks of the vocabulary o200k_base, of OpenAI's tiktoken (o200k.bin.gz)\n\n${readFileSync(join(root, 'runtime/tokenizer/o200k/LICENSE'), 'utf8').trim()}`);
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  const head = 'Gossamer\nLicensed under the Apache License, Version 2.0 (see LICENSE).\n\nThe package contains, each under its own licence:';
  writeFileSync(join(web, 'NOTICE'), `${[head, ...texts].join(rule)}\n`);
}

/** Part of the URLs under which the page asks for the package's files, so that no cache mixes two releases. */
function release() {
  return sha256(...['gossamer.wasm', 'worker.js', 'o200k.bin.gz'].map((name) => readFileSync(join(dist, name)))).digest('hex').slice(0, 16);
}

/** What imports the package's page side: from the file that is there already, since it finds the worker beside itself. */
function library(path) {
  return { name: 'library', setup: (b) => b.onResolve({ filter: /(^\.|\/src)\/index\.ts$/ }, () => ({ path, external: true })) };
}

/** The pages. Their scripts have the hash of their content in their names, so that caches may keep them. */
async function buildApp() {
  const metafile = await buildPages(dist, ['index.html', 'bench.html'], ['app/index.ts', 'app/bench.ts'], { plugins: [library('../gossamer.js')] });
  writeFileSync(join(dist, 'app/meta.json'), JSON.stringify(metafile));
}

/** The chat alone, with what it needs of the package inside. */
async function buildNative(to) {
  return buildPages(to, ['index.html'], ['app/index.ts'], { define: { NATIVE: 'true', VERSION: '""', BUILD: '""' }, sourcemap: false });
}

async function buildPages(to, pages, scripts, more) {
  rmSync(join(to, 'app'), { recursive: true, force: true });
  mkdirSync(join(to, 'app'), { recursive: true });
  const pdfWorker = readFileSync(join(web, 'node_modules/pdfjs-dist/build/pdf.worker.min.mjs'));
  const pdfName = `pdf-worker-${sha256(pdfWorker).digest('hex').slice(0, 8).toUpperCase()}.js`;
  writeFileSync(join(to, 'app', pdfName), pdfWorker);
  const { define = {}, ...rest } = more;
  const apart = { ...options, format: 'iife', metafile: true, outdir: join(to, 'app'), absWorkingDir: web, entryNames: '[name]-[hash]', ...rest, plugins: [] };
  const math = await build({ ...apart, entryPoints: ['app/math-worker.ts'] });
  const mathName = basename(Object.keys(math.metafile.outputs).find((name) => name.endsWith('.js')));
  const { metafile } = await build({
    ...options, charset: 'utf8', splitting: true, metafile: true, outdir: join(to, 'app'), absWorkingDir: web,
    entryPoints: [...scripts, 'app/style.css', 'app/markdown.ts'],
    entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]', ...rest,
    define: { ...define, PDF_WORKER: JSON.stringify(`./${pdfName}`), MATH_WORKER: JSON.stringify(`./${mathName}`) },
  });
  // What runs before the page is drawn is no module, and has all that it needs inside.
  const early = await build({ ...apart, entryPoints: ['app/early.ts'] });
  const outputs = { ...metafile.outputs, ...early.metafile.outputs };
  const built = (entry) => `app/${basename(Object.entries(outputs).find(([, o]) => o.entryPoint === entry)[0])}`;
  const texts = await readTexts();
  for (const page of pages) {
    const html = readFileSync(join(app, page), 'utf8').replace(/app\/(\w+)\.(js|css)/g, (_, name, ext) => built(`app/${name}.${ext === 'js' ? 'ts' : ext}`));
    writeFileSync(join(to, page), fillPage(html, texts));
  }
  for (const file of ['icon.svg', 'app.webmanifest']) {
    copyFileSync(join(app, file), join(to, file));
  }
  // The sandbox may load nothing, not even its own script: that is inline, and known by its hash.
  const { code } = await transform(readFileSync(join(app, 'sandbox.ts'), 'utf8'), { loader: 'ts', minify: true, target: 'es2022' });
  const hash = sha256(code).digest('base64');
  const html = readFileSync(join(app, 'sandbox.html'), 'utf8').replace('SCRIPT_HASH', () => `sha256-${hash}`).replace('SCRIPT', () => code);
  writeFileSync(join(to, 'sandbox.html'), html);
  return { inputs: { ...metafile.inputs, ...math.metafile.inputs }, outputs: { ...metafile.outputs, ...math.metafile.outputs } };
}

/** The tables of all languages, by the languages. */
async function readTexts() {
  const read = async (language) => {
    const { code } = await transform(readFileSync(join(app, `texts/${language}.ts`), 'utf8'), { loader: 'ts' });
    return [language, (await import(`data:text/javascript,${encodeURIComponent(code)}`))[language]];
  };
  return Object.fromEntries(await Promise.all(languages.map(read)));
}

/**
 * The HTML of a page with its texts in English, which is seen before any script runs: of elements with data-text, of attributes by
 * data-text-NAME, and where a name is in braces. Who has no scripts is told in every language.
 */
function fillPage(html, texts) {
  const { en } = texts;
  const escape = (key, table = en) => table[key].replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  return html
    .replace('{noScript}', languages.map((l) => `<p lang="${l}">${escape('noScript', texts[l])}</p>`).join(''))
    .replace(/\{(\w+)\}/g, (_, key) => escape(key))
    .replace(/ data-text="(\w+)">/g, (all, key) => all + escape(key))
    .replace(/ data-text-label="(\w+)"/g, (all, key) => `${all} aria-label="${escape(key)}"`)
    .replace(/ data-text-placeholder="(\w+)"/g, (all, key) => `${all} placeholder="${escape(key)}"`);
}

/** The built-in model in chunks. */
function packNano() {
  const to = join(dist, 'nano');
  const stamp = sha256(readFileSync(join(root, 'runtime/nano/nano.zip'))).digest('hex');
  if (existsSync(join(to, 'stamp')) && readFileSync(join(to, 'stamp'), 'utf8') === stamp) {
    return;
  }
  rmSync(to, { recursive: true, force: true });
  run('go', ['run', './tools/gossamer', 'pack', 'nano', to], { CGO_ENABLED: '0' }); // no GPU is needed
  writeFileSync(join(to, 'stamp'), stamp);
}

/** The language that a script of the app has the texts of; undefined: none. */
function languageOf(file) {
  return /^([a-z]{2})-\w+\.js$/.exec(file)?.[1];
}

/** The service worker, which knows what the app consists of. */
async function buildServiceWorker() {
  const files = ['index.html', 'bench.html', 'sandbox.html', 'icon.svg', 'app.webmanifest', 'gossamer.js', 'worker.js', 'gossamer.wasm', 'o200k.bin.gz',
    ...readdirSync(join(dist, 'app')).filter((f) => /\.(js|css)$/.test(f) && !f.startsWith('pdf-') && !languageOf(f)).map((f) => `app/${f}`)].sort();
  const texts = Object.fromEntries(readdirSync(join(dist, 'app')).filter((f) => languageOf(f)).map((f) => [languageOf(f), `app/${f}`]));
  const hash = sha256(...[...files, ...Object.values(texts)].flatMap((f) => [f, readFileSync(join(dist, f))])).digest('hex').slice(0, 16);
  await build({
    ...options, entryPoints: [join(app, 'service-worker.ts')], outfile: join(dist, 'service-worker.js'),
    define: { APP_BUILD: JSON.stringify(hash), APP_FILES: JSON.stringify(files), APP_TEXTS: JSON.stringify(texts), PACKAGE_BUILD: JSON.stringify(release()) },
  });
}
