// Starts the engine, a Go program in WebAssembly (wasm/), and gives it the types of engine.ts.

import type { ChatOptions, EngineInfo, EngineStats, OpenOptions, ReadFile, StartEngine } from '../shared/engine.ts';
import { errorOf, type RuntimeError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import { GPUTable } from './gpu.ts';

/** Go's class of wasm_exec.js, which is bundled with the worker. */
declare const Go: new () => { importObject: WebAssembly.Imports; run(instance: WebAssembly.Instance): Promise<void> };

/** What the program provides; see wasm/main_js.go. */
interface GoProgram {
  version: string;
  open(options: Record<string, unknown>): Promise<GoModel>;
  derive(read: ReadFile, signal: AbortSignal): Promise<string>;
  sha256(bytes: Uint8Array): string;
}

interface GoModel {
  info: string;
  chat(body: string, onFrame: (json: string, tokens: number[]) => void, signal: AbortSignal, options: ChatOptions): Promise<void>;
  tokenize(text: string, signal: AbortSignal): Promise<Int32Array>;
  detokenize(tokens: Int32Array): string;
  stats(): Promise<string>;
  close(): Promise<void>;
}

export const startEngine: StartEngine = async (wasm) => {
  const gpu = new GPUTable();
  const go = new Go();
  go.importObject['gossamer_gpu'] = gpu.imports();
  const instance = await WebAssembly.instantiate(wasm, go.importObject);
  gpu.memory = instance.exports['mem'] as WebAssembly.Memory;

  let options: OpenOptions | undefined;
  const host = {
    gpu,
    openDevice: async () => ({ device: options!.device!, info: options!.adapterInfo! }),
    ready: (_: GoProgram) => {},
  };
  const ready = new Promise<GoProgram>((resolve) => (host.ready = resolve));
  Object.assign(globalThis, { gossamer: host });
  // The program ends only by a fault, which it writes to the console. The calls in progress and later ones would never be answered.
  let fault: RuntimeError | undefined;
  const pending = new Set<(fault: RuntimeError) => void>();
  const stop = (why: string) => {
    fault = errorOf('internal', 'stopped', { why });
    pending.forEach((reject) => reject(fault!));
  };
  go.run(instance).then(() => stop('its program has ended'), (error) => stop(String(error?.message ?? error)));
  const guard = <T>(call: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (fault) return reject(fault);
      pending.add(reject);
      call().then(resolve, reject).finally(() => pending.delete(reject));
    });
  const program = await guard(() => ready);
  if (program.version !== version) {
    throw errorOf('internal', 'other-version', { got: program.version, want: version }, {
      hint: 'Serve gossamer.js, worker.js and gossamer.wasm of one release.', want: version, got: program.version,
    });
  }

  return {
    open: async (o) => {
      options = o;
      const { device, adapterInfo: _info, ...rest } = o;
      const model = await guard(() => program.open({ ...rest, cpu: device === undefined }));
      return {
        info: JSON.parse(model.info) as EngineInfo,
        chat: (body, onFrame, signal, options = {}) => guard(() => model.chat(body, onFrame, signal, options)),
        tokenize: (text, signal) => guard(() => model.tokenize(text, signal)),
        detokenize: (tokens) => model.detokenize(tokens),
        stats: async () => JSON.parse(await guard(() => model.stats())) as EngineStats,
        close: () => guard(() => model.close()),
      };
    },
    derive: (read, signal) => guard(() => program.derive(read, signal)),
    sha256: (bytes) => guard(async () => program.sha256(bytes)),
  };
};
