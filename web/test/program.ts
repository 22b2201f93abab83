// The program gossamer, which serves the chat and runs or plays the model itself.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './browser.ts';

/** For pages whose titles are the questions: a script that has the visitor want none of the model's. */
export const withoutTitles = `try { localStorage['gossamer-settings'] ??= '{"titles": false}'; } catch {}`; // the sandbox has no storage

/** The program with the built-in model, or one that plays replies. */
export class Program {
  readonly url: string;
  private readonly process: ChildProcess;

  private constructor(process: ChildProcess, url: string) {
    [this.process, this.url] = [process, url];
  }

  static async start(page: string, port: string, ...args: string[]): Promise<Program> {
    const command = process.env.GOSSAMER ? [resolve(root, process.env.GOSSAMER)] : ['go', 'run', './tools/gossamer'];
    const child = spawn(command[0]!, [...command.slice(1), 'serve', '--port', port, '--page', page, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit').then(([code]) => assert.fail(`gossamer serve has ended with ${code} before it served`));
    ended.catch(() => {}); // it ends when the tests do
    const [line] = (await Promise.race([once(createInterface(child.stdout!), 'line'), ended])) as [string];
    return new Program(child, line.replace(/v1$/, ''));
  }

  async stop(): Promise<void> {
    const exited = once(this.process, 'exit');
    this.process.kill('SIGKILL'); // as a crash
    await exited;
  }
}
