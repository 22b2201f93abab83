// Builds the package into dist/: gossamer.js (the page's side), worker.js, gossamer.wasm, o200k.bin.gz, types/.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const web = dirname(fileURLToPath(import.meta.url));
const root = dirname(web);
const dist = join(web, 'dist');
mkdirSync(dist, { recursive: true });

const run = (command, args, env = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env }, encoding: 'utf8' });

run('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(dist, 'gossamer.wasm'), './wasm'], { GOOS: 'js', GOARCH: 'wasm', CGO_ENABLED: '0' });
copyFileSync(join(root, 'runtime/tokenizer/o200k/o200k.bin.gz'), join(dist, 'o200k.bin.gz'));

const options = { bundle: true, format: 'esm', target: 'es2022', minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning' };
// The program and its starter belong to the same release of Go.
const starter = join(run('go', ['env', 'GOROOT']).trim(), 'lib/wasm/wasm_exec.js');
await build({ ...options, entryPoints: [join(web, 'src/worker.ts')], inject: [starter], outfile: join(dist, 'worker.js') });

// Part of the URLs under which the page asks for the other files, so that no cache mixes two releases.
const hash = createHash('sha256');
for (const name of ['gossamer.wasm', 'worker.js', 'o200k.bin.gz']) {
  hash.update(readFileSync(join(dist, name)));
}
const define = { BUILD: JSON.stringify(hash.digest('hex').slice(0, 16)) };
await build({ ...options, define, entryPoints: [join(web, 'src/index.ts')], outfile: join(dist, 'gossamer.js') });

run(join(web, 'node_modules/.bin/tsc'), ['-p', join(web, 'tsconfig.types.json')]);
