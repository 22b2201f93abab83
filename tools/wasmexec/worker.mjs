// The worker that chromium.mjs starts: what a Go program expects of Node, done by asking the server that this script came from.
import './wasm_exec.js';
import { GPUTable } from './gpu.js';

const start = await (await fetch('start.json')).json();

async function ask(name, args, body = null) {
  const response = await fetch(`${name}?args=${encodeURIComponent(JSON.stringify(args))}`, { method: 'POST', body });
  if (response.ok) return name === 'read' ? new Uint8Array(await response.arrayBuffer()) : response.json();
  const { code, message } = await response.json();
  throw Object.assign(new Error(message), { code });
}

// callback makes Node's kind of function of one that returns a promise.
const callback = (f) => (...args) => {
  const done = args.pop();
  f(...args).then((result) => done(null, result), done);
};
const fs = {
  constants: { O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024, O_SYNC: 1052672, O_DIRECTORY: 65536 },
  read: callback(async (fd, buffer, offset, length, position) => {
    const data = await ask('read', [fd, length, position]);
    buffer.set(data, offset);
    return data.length;
  }),
  write: callback((fd, buffer, offset, length, position) => ask('write', [fd, position], buffer.slice(offset, offset + length))),
};
for (const name of ['open', 'close', 'mkdir', 'readdir', 'unlink', 'rmdir', 'chmod', 'fchmod', 'utimes', 'rename', 'truncate', 'ftruncate', 'fsync']) {
  fs[name] = callback((...args) => ask(name, args));
}
for (const name of ['stat', 'lstat', 'fstat']) {
  fs[name] = callback(async (...args) => {
    const stat = await ask(name, args);
    return { ...stat, isDirectory: () => stat.directory };
  });
}
// What the runtime itself writes, as when it panics, in order and before the end.
let written = Promise.resolve();
fs.writeSync = (fd, buffer) => {
  const copy = buffer.slice();
  written = written.then(() => ask('write', [fd, null], copy));
  return buffer.length;
};
globalThis.fs = fs;
globalThis.process = { pid: start.pid, ppid: -1, cwd: () => start.cwd, umask: () => 0o22, getuid: () => 0, getgid: () => 0, geteuid: () => 0, getegid: () => 0, getgroups: () => [] };
globalThis.path = { resolve: (p) => (p.startsWith('/') ? p : `${start.cwd}/${p}`) };

const go = new Go();
go.argv = ['program', ...start.args];
go.env = start.env;
go.exit = (code) => written.then(() => postMessage(code));
// How long this thread has worked for the program, in milliseconds: every event that it waits for comes in through _resume.
let busy = 0;
const resume = go._resume;
go._resume = function () {
  const before = performance.now();
  resume.call(this);
  busy += performance.now() - before;
};
const table = new GPUTable();
go.importObject.gossamer_gpu = table.imports();
globalThis.gossamer = {
  gpu: table,
  busy: () => busy,
  openDevice: async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error('Chromium offers no adapter');
    const requiredLimits = {};
    for (const name in adapter.limits) requiredLimits[name] = adapter.limits[name];
    const requiredFeatures = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'].filter((f) => adapter.features.has(f));
    return { device: await adapter.requestDevice({ requiredLimits, requiredFeatures }), info: adapter.info };
  },
};
const { instance } = await WebAssembly.instantiateStreaming(fetch('program.wasm'), go.importObject);
table.memory = instance.exports.mem;
await go.run(instance);
