// Measures the CPU backend beside llama.cpp on the same GGUF file, in one run: node tools/cpubench/cpubench.mjs [RUNS]. Writes JSON to standard
// output and what it does to standard error. Needs bin/gossamer and tools/setup llama; the file is the built-in model's, in build/bench.
//
// The two take turns, RUNS times each (7), and the best rates count, since others may use the machine too. Both read the same number of tokens
// and then write one after the other, greedily, with as many threads as THREADS says (1): those of llama.cpp wait for each other in loops, so
// that several tell something only where nothing else runs.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const gossamer = process.env.GOSSAMER ?? join(root, 'bin/gossamer');
const library = join(root, 'build/llama/node_modules/node-llama-cpp');
const file = join(root, 'build/bench/nano.gguf');
const runs = Number(process.argv[2] ?? 7);
const threads = Number(process.env.THREADS ?? 1);
const [prompt, tokens] = [128, 64];

const run = (args, env = {}) => execFileSync(gossamer, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });

/** Tokens per second of the CPU backend: {prefill, decode}. */
function ours() {
  const report = JSON.parse(run(['bench', '--json', '--backend', 'cpu', '--model', file, '--depths', '0', '--prompt', `${prompt}`, '--tokens', `${tokens}`, '--runs', '1'],
    { GOMAXPROCS: `${threads}` }));
  return { prefill: report.prefill[0].tokens_per_second.mean, decode: report.decode[0].tokens_per_second.mean };
}

/** The same of llama.cpp. The first tokens warm up, as in gossamer bench. */
async function theirs(model) {
  const context = await model.createContext({ contextSize: 8192, batchSize: 512, threads });
  try {
    const sequence = context.getSequence();
    const text = (first, count) => Array.from({ length: count }, (_, i) => ((first + i) * 7919) % 201088);
    await sequence.evaluateWithoutGeneratingNewTokens(text(0, prompt));
    await sequence.clearHistory();
    const start = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(text(0, prompt));
    const filled = performance.now();
    let count = -1; // the first token is computed by a pass of its own, which the others are measured from
    let first;
    // It ends of itself where the model says so: others count as well, since a pass costs the same whatever it yields.
    for await (const _ of sequence.evaluate(text(prompt, 1), { temperature: 0, yieldEogToken: true })) {
      first ??= performance.now();
      if (++count === tokens) break;
    }
    return { prefill: (1000 * prompt) / (filled - start), decode: (1000 * count) / (performance.now() - first) };
  } finally {
    await context.dispose();
  }
}

if (!existsSync(file)) {
  mkdirSync(dirname(file), { recursive: true });
  run(['pack', 'nano', file, '--to', 'gguf']);
}
const { getLlama, getModuleVersion } = await import(pathToFileURL(join(library, 'dist/index.js')).href);
const llama = await getLlama({ build: 'never', gpu: false, maxThreads: threads, logLevel: 'error', progressLogs: false });
const model = await llama.loadModel({ modelPath: file });
const best = { gossamer: { prefill: 0, decode: 0 }, llama: { prefill: 0, decode: 0 } };
for (let i = 0; i < runs; i++) {
  for (const [name, rates] of [['gossamer', ours()], ['llama', await theirs(model)]]) {
    for (const kind of ['prefill', 'decode']) best[name][kind] = Math.max(best[name][kind], rates[kind]);
  }
  process.stderr.write(`run ${i + 1} of ${runs}: ${JSON.stringify(best)}\n`);
}
const version = run(['--version']).trim();
process.stdout.write(`${JSON.stringify({
  model: 'gossamer-nano', file_bytes: statSync(file).size, threads, prompt, tokens, runs, machine: `${process.platform}/${process.arch}, ${cpus().length} cores, ${cpus()[0].model.trim()}`,
  gossamer: version, llama: `node-llama-cpp ${await getModuleVersion()}`, tokens_per_second: best,
}, undefined, 1)}\n`);
process.exit(0);
