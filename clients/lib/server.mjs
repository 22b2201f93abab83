// Starts the server as a user does, and stops it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The program that is tested. */
const gossamer = process.env.GOSSAMER ?? fileURLToPath(new URL('../../bin/gossamer', import.meta.url));

/** The name that the server has for clients in all tests. */
export const model = 'openai/gpt-oss-20b';

/**
 * Starts `gossamer serve` on a free port. With plays they are played, see docs/playback.md; without, the built-in model answers.
 *
 * @param {{plays?: object[], seed?: number, name?: string, args?: string[], env?: Record<string, string>}} options
 * @returns {Promise<{url: string, stop: () => Promise<void>}>} the URL that clients take as their base, and a function that ends the
 *   server, which fails if it does not end well.
 */
export async function serve({ plays, seed = 1, name = model, args = [], env = {} } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'gossamer-clients-'));
  const command = ['serve', '--port', '0', '--name', name, '--drain-delay', '0s', ...args];
  if (plays) {
    const file = join(dir, 'plays.json');
    await writeFile(file, JSON.stringify({ version: 1, defaults: { seed }, plays }));
    command.push('--playback', file);
  }
  const child = spawn(gossamer, command, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { log = (log + text).slice(-10000); });
  const ended = once(child, 'exit');
  const [url] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(([code]) => { throw new Error(`gossamer ${command.join(' ')} ended with ${code}: ${log}`); }),
  ]);
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      const [code, signal] = await ended;
      await rm(dir, { recursive: true });
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, log);
    },
  };
}
