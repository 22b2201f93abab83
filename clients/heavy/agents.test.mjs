// Programs that work with files and commands: each is asked what a note says, runs a command that prints it, and says so. Their settings are
// those of docs/clients.md.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { snippet } from '../lib/documents.mjs';
import { answer, call, next, play, think } from '../lib/plays.mjs';
import { serve } from '../lib/server.mjs';

const question = 'What does the note say?';
const program = (name) => fileURLToPath(new URL(`../../build/agents/node_modules/.bin/${name}`, import.meta.url));

/** Tests a program, which calls a tool. How it is run is up to start, how the server is to options. */
function testAgent(title, name, tool, args, start, options = {}) {
  const plays = [
    play('result', { last: 'tool', result: 'seven' }, think('There it is.'), next, answer('The note says seven.')),
    play('command', { tools: [tool], last: 'user', user: 'note' }, think('I look.'), next, call(tool, args)),
  ];
  describe(title, () => {
    let server;
    let home;
    before(async () => {
      home = await mkdtemp(join(homedir(), '.gossamer-clients-')); // Codex takes no home in a folder for temporary files
      await mkdir(join(home, 'work'));
      await writeFile(join(home, 'work', 'note.txt'), 'seven\n');
      server = await serve({ plays, ...options });
    });
    after(async () => {
      await server?.stop();
      await rm(home, { recursive: true, force: true, maxRetries: 3 });
    });

    /** Runs the program at the note, with a home of its own, and returns what it prints. */
    const run = async (words, env = {}) => {
      const own = { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), XDG_DATA_HOME: join(home, 'data'), XDG_CACHE_HOME: join(home, 'cache') };
      const others = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(ANTHROPIC|CLAUDE|CODEX|OPENAI)/.test(key)));
      const child = spawn(program(name), words, {
        cwd: join(home, 'work'), env: { ...others, ...own, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
      });
      const output = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', (text) => { output[stream] += text; });
      const [code] = await once(child, 'close');
      assert.equal(code, 0, output.stderr + output.stdout);
      return output.stdout;
    };
    const settings = async (file, section, more = (text) => text) => {
      const text = (await snippet(section)).replaceAll('http://127.0.0.1:8080', server.url.replace(/\/v1$/, ''));
      await writeFile(join(home, file), more(text));
      return join(home, file);
    };

    test(question, async (t) => {
      if (!await access(program(name)).then(() => true, () => false)) return t.skip(`${name} is missing: run make test-clients`);
      await start({ run, settings, home, url: server.url });
    });
  });
}

const lines = (output) => output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

/** Asks Codex with some settings. */
async function codex({ run, home }, words, env) {
  const free = ['--skip-git-repo-check', '--sandbox', 'danger-full-access'];
  const events = lines(await run(['exec', ...words, ...free, '--json', question], { CODEX_HOME: home, ...env }));
  const items = events.filter((e) => e.type === 'item.completed').map((e) => e.item);
  const command = items.find((i) => i.type === 'command_execution');
  assert.deepEqual([command.aggregated_output, command.exit_code], ['seven\n', 0]);
  assert.equal(items.at(-1).text, 'The note says seven.');
  const { usage } = events.find((e) => e.type === 'turn.completed');
  assert.ok(usage.cached_input_tokens > 0, 'the second request of the turn begins like the first one');
  assert.ok(usage.reasoning_output_tokens > 0);
}
const quietCodex = (text) => `check_for_update_on_startup = false\n${text}\n[analytics]\nenabled = false\n`;

testAgent('Codex', 'codex', 'exec_command', { cmd: 'cat note.txt' }, async (agent) => {
  await agent.settings('config.toml', 'Codex', quietCodex);
  await codex(agent, []);
});

testAgent('Codex that looks for Ollama', 'codex', 'exec_command', { cmd: 'cat note.txt' }, async (agent) => {
  await writeFile(join(agent.home, 'config.toml'), quietCodex(''));
  await codex(agent, ['--oss', '--local-provider', 'ollama'], { CODEX_OSS_PORT: new URL(agent.url).port });
}, { name: 'gpt-oss-20b', args: ['--ollama-discovery'] });

testAgent('Claude Code', 'claude', 'Bash', { command: 'cat note.txt', description: 'Prints the note' }, async ({ run, settings, home }) => {
  const file = await settings('claude.sh', 'Claude Code');
  const env = Object.fromEntries((await readFile(file, 'utf8')).match(/[A-Z_]+=\S+/g).map((assignment) => assignment.split(/=(.*)/s)));
  const quiet = { CLAUDE_CONFIG_DIR: join(home, 'claude'), CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1' };
  const words = ['-p', question, '--allowedTools', 'Bash', '--output-format', 'json'];
  const [{ result, is_error: failed, usage }] = lines(await run(words, { ...env, ...quiet }));
  assert.deepEqual([result, failed], ['The note says seven.', false]);
  assert.ok(usage.cache_read_input_tokens > 0);
});

testAgent('Continue', 'cn', 'Read', { filepath: 'note.txt' }, async ({ run, settings }) => {
  const file = await settings('config.yaml', 'Continue');
  const output = await run(['-p', '--auto', '--config', file, question], { CONTINUE_TELEMETRY_ENABLED: '0' });
  assert.equal(output.trim(), 'The note says seven.');
});

testAgent('Cline', 'cline', 'run_commands', { commands: ['cat note.txt'] }, async ({ run, home, url }) => {
  const data = ['--data-dir', join(home, 'cline')];
  const [, ...auth] = (await snippet('Cline')).trim().replace('http://127.0.0.1:8080/v1', url).split(' ');
  await run([...auth, ...data]);
  const events = lines(await run(['--json', ...data, question]));
  const { text, usage } = events.find((e) => e.type === 'run_result');
  assert.equal(text, 'The note says seven.');
  assert.ok(usage.cacheReadTokens > 0);
});
