// Runs a program that was built with GOOS=js GOARCH=wasm as the browser's worker would, but in Node: WebGPU is Dawn (npm package
// webgpu in build/dawn) on Chromium's SwiftShader, or on the driver that VK_ICD_FILENAMES names.
//
//   node wasmexec.mjs PROGRAM.wasm ARGUMENTS...
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);

const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (!process.env.VK_ICD_FILENAMES && !process.env.VK_DRIVER_FILES && existsSync(swiftShader)) process.env.VK_ICD_FILENAMES = swiftShader;

// What wasm_exec.js expects in Node.
globalThis.require = require;
globalThis.fs = require('node:fs');
globalThis.path = require('node:path');
const goroot = process.env.GOROOT || execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();
require(join(goroot, 'lib/wasm/wasm_exec.js'));

const go = new Go();
go.argv = process.argv.slice(2);
go.env = { TMPDIR: tmpdir(), ...process.env };
go.exit = process.exit;

// The page's side of runtime/gpu, without its types.
const esbuild = createRequire(join(root, 'web/package.json'))('esbuild');
const { outputFiles } = await esbuild.build({ entryPoints: [join(root, 'web/src/worker/gpu.ts')], bundle: true, write: false, format: 'esm' });
const { GPUTable } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
const table = new GPUTable();
go.importObject.gossamer_gpu = table.imports();

const { create, globals } = require(join(root, 'build/dawn/node_modules/webgpu'));
Object.assign(globalThis, globals);
// SwiftShader compiles the extension's zeros one by one, which takes most of the time; Dawn can write the same zeros in a loop.
const gpu = create(['disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension']);

globalThis.gossamer = {
  gpu: table,
  openDevice: async () => {
    const adapter = await gpu.requestAdapter();
    if (!adapter) throw new Error('Dawn finds no adapter: install Chromium for its SwiftShader, or a Vulkan driver');
    const requiredLimits = {};
    for (const name in adapter.limits) requiredLimits[name] = adapter.limits[name];
    const requiredFeatures = ['shader-f16', 'subgroups'].filter((f) => adapter.features.has(f));
    return { device: await adapter.requestDevice({ requiredLimits, requiredFeatures }), info: adapter.info };
  },
};

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), go.importObject);
table.memory = instance.exports.mem;
process.on('exit', (code) => {
  if (code === 0 && !go.exited) { // nothing will happen any more: let Go say what it waits for
    go._pendingEvent = { id: 0 };
    go._resume();
  }
});
await go.run(instance);
