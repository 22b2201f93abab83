// Compiles shaders with Tint, Chrome's WGSL front end, through Dawn in Node.
//
//   node tint.mjs DAWN_PACKAGE [DAWN_FLAG...] < shaders.json > results.json
//
// shaders.json  {"<case>": {"source": WGSL, "subgroups": bool, "f16": bool}}
// results.json  {"adapter": name, "features": [...], "results": {"<case>": null | "skipped: reason" | "error text"}}
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(import.meta.url);
const { create, globals } = await import(pathToFileURL(require.resolve(process.argv[2])));
Object.assign(globalThis, globals);

const gpu = create(process.argv.slice(3));
const adapter = await gpu.requestAdapter();
if (!adapter) {
  process.stderr.write('tint.mjs: Dawn finds no adapter\n');
  process.exit(3);
}
const wanted = ['subgroups', 'shader-f16'].filter((f) => adapter.features.has(f));
const limits = {};
for (const name of ['maxStorageBufferBindingSize', 'maxBufferSize']) limits[name] = adapter.limits[name];
const device = await adapter.requestDevice({ requiredFeatures: wanted, requiredLimits: limits });

const cases = JSON.parse(readFileSync(0, 'utf8'));
const results = {};
for (const [name, { source, subgroups, f16 }] of Object.entries(cases)) {
  if ((subgroups && !wanted.includes('subgroups')) || (f16 && !wanted.includes('shader-f16'))) {
    results[name] = 'skipped: the adapter lacks the feature';
    continue;
  }
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: source, label: name });
  const info = await module.getCompilationInfo();
  const errors = info.messages.filter((m) => m.type === 'error').map((m) => `line ${m.lineNum}: ${m.message}`);
  if (errors.length === 0) {
    try {
      await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
    } catch (e) {
      errors.push(String(e.message ?? e));
    }
  }
  const scoped = await device.popErrorScope();
  if (scoped && errors.length === 0) errors.push(scoped.message);
  results[name] = errors.length === 0 ? null : errors.join('\n');
}
process.stdout.write(JSON.stringify({ adapter: adapter.info.device, features: wanted, results }));
process.exit(0);
