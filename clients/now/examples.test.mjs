// examples/node, as it is.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serve } from '../lib/server.mjs';

const clients = dirname(dirname(fileURLToPath(import.meta.url)));
const example = join(clients, '../examples/node');

test('examples/node', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'gossamer-example-'));
  const server = await serve({ name: 'gossamer-nano' });
  try {
    await mkdir(join(dir, 'now'));
    await copyFile(join(example, 'client.mjs'), join(dir, 'now/client.mjs'));
    for (const packages of ['node_modules', 'now/node_modules']) await symlink(join(clients, packages), join(dir, packages));
    const { stdout } = await promisify(execFile)(process.execPath, ['now/client.mjs'], { cwd: dir, env: { ...process.env, OPENAI_BASE_URL: server.url } });
    const [sum, weather] = stdout.trim().split('\n');
    assert.match(sum, /\b42\b/);
    assert.match(weather, /20 degrees/);
    const version = (file) => readFile(file, 'utf8').then((text) => JSON.parse(text));
    assert.equal((await version(join(example, 'package.json'))).dependencies.openai, (await version(join(clients, 'now/package.json'))).devDependencies.openai);
  } finally {
    await server.stop();
    await rm(dir, { recursive: true });
  }
});
