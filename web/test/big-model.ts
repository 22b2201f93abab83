// A model of 1 GiB, which takes long enough to load.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve, type Server } from './server.ts';

// The bundled tests lie in web/dist/test.
const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const root = dirname(dirname(dist));

/** Random weights of 1 GiB: the published vocabulary, and three layers of 32 experts. */
export class BigModel {
  private readonly directory: string;

  /** name: of its directory. */
  constructor(name: string) {
    this.directory = join(dist, 'test', name);
  }

  /** Makes the model, and serves it with the package and an empty page. */
  async serve(files: { [prefix: string]: Uint8Array } = {}): Promise<Server> {
    this.make();
    return serve({
      '/page.html': Buffer.from('<!doctype html><title>gossamer</title>'), '/dist/': dist, '/model/': join(this.directory, 'model'), ...files,
    });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private make(): void {
    this.remove();
    mkdirSync(this.directory, { recursive: true });
    const config = JSON.parse(readFileSync(join(root, 'testdata/golden/full_vocab/model/config.json'), 'utf8'));
    Object.assign(config, {
      hidden_size: 1024, intermediate_size: 1536, num_local_experts: 32, num_experts_per_tok: 4, num_hidden_layers: 3,
      num_attention_heads: 16, head_dim: 64, sliding_window: 128, layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
    });
    delete config.experts_per_token; // the same, by its older name
    writeFileSync(join(this.directory, 'config.json'), JSON.stringify(config));
    const options = { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] as ('ignore' | 'inherit')[] };
    const model = join(this.directory, 'model');
    execFileSync('go', ['run', './tools/randmodel', '-config', join(this.directory, 'config.json'), '-out', model], options);
    const command = process.env.GOSSAMER ? [resolve(root, process.env.GOSSAMER)] : ['go', 'run', './tools/gossamer'];
    execFileSync(command[0]!, [...command.slice(1), 'pack', '--manifest-only', model, model], options);
  }
}
