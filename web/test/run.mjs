// Bundles the tests and runs them: node test/run.mjs [NAME...] [--OPTION...], by default all, with options for node --test. Benchmarks run
// only by their names, such as storage.bench.

import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const test = dirname(fileURLToPath(import.meta.url));
const out = join(test, '../dist/test');
const names = process.argv.slice(2).filter((a) => !a.startsWith('--'));
const options = process.argv.slice(2).filter((a) => a.startsWith('--'));
const isAsked = (f) => (f.endsWith('.test.ts') && names.length === 0) || (f.endsWith('.ts') && names.includes(f.replace(/(\.test)?\.ts$/, '')));
// The largest first, so that no long one is left at the end while other cores have nothing to do.
const size = (f) => statSync(join(test, f)).size;
const files = readdirSync(test).filter(isAsked).sort((a, b) => size(b) - size(a));

await build({
  entryPoints: files.map((f) => join(test, f)), outdir: out, outExtension: { '.js': '.mjs' },
  bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external', sourcemap: 'inline', logLevel: 'warning',
  define: { BUILD: '"test"', VERSION: '"test"' },
});
const compiled = files.map((f) => join(out, f.replace('.ts', '.mjs')));
// At least two files at a time, since those in Chromium wait for pages and timers as well as for the processor.
const concurrency = Math.max(2, Math.min(4, availableParallelism()));
const { status } = spawnSync(process.execPath, ['--test', `--test-concurrency=${concurrency}`, ...options, '--enable-source-maps', ...compiled], { stdio: 'inherit' });
process.exit(status ?? 1);
