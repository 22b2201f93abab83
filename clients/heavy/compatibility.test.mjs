// OpenAI's own test of servers of gpt-oss, the folder compatibility-test of github.com/openai/gpt-oss, as it is but for its list of providers.
// GPT_OSS is the path of a checkout.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { answer, call, next, preamble, think } from '../lib/plays.mjs';
import { serve } from '../lib/server.mjs';

const run = promisify(execFile);
const checkout = process.env.GPT_OSS;
const tries = 5;

/** The right call for each case, and for every other one a sentence to the user before it. */
function plays(cases) {
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return [
    { name: 'result', when: { last: 'tool' }, reply: [{ text: think('That is it.') + next }, { text: answer('It says {result}.') }] },
    ...cases.map((c, i) => ({
      name: `case ${i}`, when: { tools: [c.tool_name], user: `^${escaped(c.input)}$` },
      reply: [
        { text: think('They want that.') + next + (i % 2 ? preamble('One moment.') + next : '') },
        { text: call(c.tool_name, JSON.parse(c.expected_arguments)) },
      ],
    })),
  ];
}

describe('gpt-oss compatibility-test', { skip: checkout ? false : 'GPT_OSS is no path of a checkout of github.com/openai/gpt-oss' }, () => {
  let dir;
  let server;
  let cases;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gossamer-compatibility-'));
    await cp(join(checkout, 'compatibility-test'), dir, { recursive: true });
    await run('npm', ['ci', '--silent', '--no-audit', '--no-fund'], { cwd: dir });
    cases = (await readFile(join(dir, 'cases.jsonl'), 'utf8')).split('\n').filter(Boolean).map((line) => JSON.parse(line));
    server = await serve({ plays: plays(cases), name: 'openai/gpt-oss-120b', args: ['--preamble', 'reasoning'] });
    const provider = (...apiType) => ({ apiBaseUrl: server.url, apiKey: 'none', apiType, modelName: 'openai/gpt-oss-120b', providerDetails: {} });
    const providers = { both: provider('responses', 'chat'), chat: provider('chat') };
    await writeFile(join(dir, 'providers.ts'), `export const PROVIDERS = ${JSON.stringify(providers)};`);
    await build({
      entryPoints: [join(dir, 'index.ts')], outfile: join(dir, 'index.mjs'),
      bundle: true, packages: 'external', platform: 'node', format: 'esm', logLevel: 'error',
    });
  });
  after(async () => {
    await server?.stop();
    if (dir) await rm(dir, { recursive: true });
  });

  // With --streaming its check of the Responses API looks for events inside of events, which no server can have.
  for (const [provider, apis, ...options] of [['both', 2], ['chat', 1, '--streaming']]) {
    test(`${provider} ${options}, k = ${tries}`, async () => {
      await run(process.execPath, ['index.mjs', '--provider', provider, '-k', String(tries), ...options], { cwd: dir, maxBuffer: 64 << 20 });
      const files = await readdir(dir);
      const read = async (kind) => readFile(join(dir, files.find((f) => f.startsWith(`${kind}_${provider}_`))), 'utf8');
      const lines = (await read('rollout')).split('\n').filter(Boolean).map((line) => JSON.parse(line));
      const stats = JSON.parse(await read('analysis'));
      assert.deepEqual(lines.filter((l) => l.error).map((l) => `${l.test_case}: ${l.error}`), []); // they are not in the statistics
      assert.equal(lines.length, cases.length * tries * apis);
      assert.equal(stats.totalTasks, cases.length * apis);
      assert.deepEqual(stats.invalidByApiType, {});
      assert.deepEqual([stats.passAtK, stats.passHatK], [1, 1]);
      assert.equal(stats.wrongInputToolCalls, 0);
    });
  }
});
