import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../src/shared/errors.ts';
import { parseManifest, readConfig, type Config } from '../src/shared/manifest.ts';
import { models } from '../src/shared/models.ts';
import { formatBytes } from '../src/shared/bytes.ts';
import { bill, needs } from '../src/shared/plan.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** A manifest of the published models' shape; the chunks are made up. */
function published(layers: number, experts: number) {
  const config = {
    num_hidden_layers: layers, hidden_size: 2880, intermediate_size: 2880, num_attention_heads: 64, num_key_value_heads: 8, head_dim: 64,
    num_local_experts: experts, num_experts_per_tok: 4, vocab_size: 201088, sliding_window: 128, max_position_embeddings: 131072,
    layer_types: Array.from({ length: layers }, (_, i) => (i % 2 === 0 ? 'sliding_attention' : 'full_attention')),
  };
  const chunks = [{ url: 'a.bin', bytes: 100, sha256: 'a'.repeat(64) }, { url: 'b.bin', offset: 5, bytes: 11 }];
  return { format: 'gossamer-manifest', version: 1, config, chunks, tensors: [] };
}
const parse = (m: unknown) => parseManifest(JSON.stringify(m), 'https://host/models/20b/manifest.json');

/** Plans of the engine, which runtime/model/plan_test.go writes. */
interface Plans {
  configs: Record<string, Config>;
  cases: {
    config: string; context: number; kv: 'f16' | 'f32'; bindingBytes: number; software: boolean;
    plan: { weights: number; kv: number; kvPerToken: number; kvFixed: number; scratch: number; total: number; readPerToken: number } | null;
    needs: number;
  }[];
}

test('a bill has the bytes that the engine plans and allocates', () => {
  const { configs, cases } = JSON.parse(readFileSync(join(root, 'testdata/plans.json'), 'utf8')) as Plans;
  assert.ok(cases.length >= 24);
  for (const { config, context, kv, bindingBytes, software, plan, needs: least } of cases) {
    const what = `${config}, context ${context}, ${kv}, bindings of ${bindingBytes}`;
    const manifest = parse({ ...published(1, 1), config: configs[config] });
    const need = needs(manifest.config, { context, kv });
    assert.deepEqual([need.maxStorageBufferBindingSize, need.maxBufferSize], [least, least], what);
    if (plan === null) {
      assert.ok(least > bindingBytes, what);
      continue;
    }
    const limits = { maxStorageBufferBindingSize: bindingBytes, maxBufferSize: bindingBytes };
    const b = bill(manifest, { context, kv }, { limits, software });
    const { weights, kvPerToken, kvFixed, scratch, total, readPerToken } = plan;
    assert.deepEqual(b, { download: 111, weights, kvPer1kTokens: 1024 * kvPerToken, kvFixed, scratch, context, total, readPerToken }, what);
    if (bindingBytes === 128 << 20 && !software) {
      assert.deepEqual(bill(manifest, { context, kv }), b, `${what} are the default`);
    }
  }
});

test('weights are the bytes of the published checkpoints', () => {
  assert.deepEqual(models.map((m) => m.bytes), [bill(parse(published(24, 32))).weights, bill(parse(published(36, 128))).weights]);
  assert.equal(bill(parse(published(24, 32))).weights, 13_761_264_768);
  assert.equal(bill(parse(published(36, 128))).weights, 65_248_815_744);
});

test('a token of context costs 24 KiB in 20b and 36 KiB in 120b', () => {
  assert.equal(bill(parse(published(24, 32))).kvPer1kTokens, 24 << 20);
  assert.equal(bill(parse(published(36, 128))).kvPer1kTokens, 36 << 20);
  assert.equal(bill(parse(published(24, 32)), { kv: 'f32' }).kvPer1kTokens, 48 << 20);
});

test('the bill grows with the context by its keys, values and tables', () => {
  const m = parse(published(24, 32));
  const at = (context: number) => bill(m, { context }).total;
  const pages = (32768 - 8192) / 128, moreSplits = 64 - 32;
  assert.equal(at(32768) - at(8192), 24 * ((24 << 20) + 1024 * 64 * 4) + 2 * 2 * 4 * pages + 4 * 64 * moreSplits * (64 + 2));
  assert.equal(bill(m).context, 32768);
  assert.equal(bill(m).total, at(32768));
  assert.equal(bill(m).download, 111);
});

test('a context that the model does not have is refused', () => {
  const m = parse(published(24, 32));
  for (const context of [0, -1, 1.5, NaN, 131073]) {
    assert.throws(() => bill(m, { context }), { code: 'bad-request' }, `${context}`);
  }
  assert.equal(bill(m, { context: 131072 }).context, 131072);
});

test('published models need no more than the limits that every adapter has', () => {
  const n = needs(parse(published(36, 128)).config);
  assert.ok(n.maxStorageBufferBindingSize! <= 128 << 20);
  assert.ok(n.maxBufferSize! <= 256 << 20);
  assert.equal(needs(parse(published(24, 32)).config, { context: 131072 }).maxStorageBufferBindingSize, 128 << 20);
  assert.equal(needs(parse(published(24, 32)).config, { context: 131072, kv: 'f32' }).maxStorageBufferBindingSize, 256 << 20);
});

test('what is not a manifest is refused with a reason', () => {
  const good = published(2, 4);
  const bad: [string, unknown][] = [
    ['not the manifest', {}], ['not the manifest', null], ['version', { ...good, version: 2 }], ['configuration', { ...good, config: undefined }],
    ['configuration', { ...good, config: { ...good.config, hidden_size: '2880' } }], ['chunks', { ...good, chunks: [{ url: 'a', bytes: -1 }] }],
    ['chunks', { ...good, chunks: [{ url: 'a', bytes: 1, sha256: 'no' }] }], ['chunks', { ...good, chunks: [null] }],
  ];
  for (const [why, m] of bad) {
    assert.throws(() => parse(m), (e: RuntimeError) => e.code === 'bad-model' && e.message.includes(why), why);
  }
  assert.throws(() => parseManifest('<!doctype html>', 'https://host/'), { code: 'bad-model' });
});

test('config.json means what it means for the engine, which wrote the examples', () => {
  const examples = JSON.parse(readFileSync(join(root, 'testdata/rules/configs.json'), 'utf8')) as { config: Record<string, unknown>; sizes: Config | null }[];
  assert.ok(examples.length > 0);
  for (const { config, sizes } of examples) {
    assert.deepEqual(readConfig(config) ?? null, sizes, JSON.stringify(config));
  }
});

test('bytes for people', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 128 << 20, 13_761_264_768].map(formatBytes), ['0 bytes', '1023 bytes', '1.0 KiB', '1.5 KiB', '128 MiB', '12.8 GiB']);
});
