// The JavaScript side of runtime/gpu. Go refers to GPU objects by their index in a table. Everything that is called for each token
// is an import of the WebAssembly module with numbers as arguments only: a recorded program is one call, however many dispatches it
// has. Imports never throw: they return 0 and leave a message in `error`. Functions that make objects are asynchronous and may reject.

import type { StoredFile } from '../shared/engine.ts';
import { Staging } from './staging.ts';

/** A device in the table. */
interface Entry {
  device: GPUDevice;
  /** Called at the end of a read, a flush or a compilation; error is '' if there was none. */
  done: (id: number, error: string) => void;
  /** The first uncaptured error: of a submission that the device refused. */
  failure: string;
  /** Why the device is lost, if it is. */
  lost: string;
  closed: boolean;
  /** While a model is loaded from files. */
  staging: Staging | undefined;
}

const STORAGE = 0x80 | 0x4 | 0x8; // GPUBufferUsage.STORAGE | COPY_SRC | COPY_DST
const UNIFORM = 0x40 | 0x8; // GPUBufferUsage.UNIFORM | COPY_DST
const READBACK = 0x1 | 0x8; // GPUBufferUsage.MAP_READ | COPY_DST
const BINDING_TYPES: GPUBufferBindingType[] = ['uniform', 'read-only-storage', 'storage']; // by shaders.Access

const message = (e: unknown): string => (e instanceof Error || e instanceof DOMException ? e.message : '') || String(e);

/** Calls `done` at the end of p. */
function settle(entry: Entry, token: number, p: Promise<unknown>): void {
  const done = (error: string) => entry.closed || entry.done(token, entry.lost || error);
  // A promise that is rejected because the device is lost may be so before device.lost is resolved, on a busy machine long before.
  p.then(() => done(''), async (e) => {
    await Promise.race([entry.device.lost, new Promise((resolve) => setTimeout(resolve, 1000))]);
    done(message(e));
  });
}

export class GPUTable {
  /** Message of the last import that returned 0. */
  error = '';
  /** Go's memory, which is known once the program is instantiated. */
  memory!: WebAssembly.Memory;
  // Objects by number; 0 is not used.
  #objects: any[] = [undefined];
  #free: number[] = [];

  #add(o: object): number {
    const id = this.#free.pop() ?? this.#objects.length;
    this.#objects[id] = o;
    return id;
  }

  /** Removes an object; the memory of buffers is freed. */
  drop(id: number): void {
    const o = this.#objects[id];
    this.#objects[id] = undefined;
    this.#free.push(id);
    if (o instanceof GPUBuffer) o.destroy();
  }

  /** Adds a device. lost is called once, also after closeDevice. */
  addDevice(device: GPUDevice, done: Entry['done'], lost: (message: string) => void): number {
    const entry: Entry = { device, done, failure: '', lost: '', closed: false, staging: undefined };
    device.addEventListener('uncapturederror', (e) => {
      e.preventDefault();
      entry.failure ||= e.error.message;
    });
    void device.lost.then((info) => {
      entry.lost = `device lost: ${info.message || info.reason || 'no reason is given'}`;
      lost(entry.lost);
    });
    return this.#add(entry);
  }

  closeDevice(id: number): void {
    const entry: Entry = this.#objects[id];
    entry.closed = true;
    entry.staging?.close();
    this.drop(id);
    entry.device.destroy();
  }

  /** Makes a buffer of zeros; kind is gpu.Usage, or 2 to read back through. */
  async createBuffer(id: number, label: string, size: number, kind: number): Promise<number> {
    const { device }: Entry = this.#objects[id];
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    const buffer = device.createBuffer({ label, size, usage: [STORAGE, UNIFORM, READBACK][kind]! });
    const [invalid, exhausted] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
    if (exhausted || invalid) {
      buffer.destroy();
      throw new Error(exhausted ? `out of memory: ${exhausted.message}` : invalid!.message);
    }
    return this.#add(buffer);
  }

  /**
   * Compiles a shader; accesses are shaders.Access by binding. Resolves to the numbers of the group's layout and the pipeline once
   * the shader is known to be right. The driver's compiler goes on, beside those of other shaders, and `done` is told of its end.
   */
  async createPipeline(id: number, label: string, code: string, accesses: number[], token: number): Promise<[number, number]> {
    const entry: Entry = this.#objects[id];
    const { device } = entry;
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label, code });
    const layout = device.createBindGroupLayout({
      label,
      entries: accesses.map((a, binding) => ({ binding, visibility: 0x4 /* COMPUTE */, buffer: { type: BINDING_TYPES[a]! } })),
    });
    const compiled = device.createComputePipelineAsync({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    });
    let refused: unknown; // the pipeline's error arrives before that of the error scope
    compiled.catch((e) => (refused = e));
    const [{ messages }, invalid] = await Promise.all([module.getCompilationInfo(), device.popErrorScope()]);
    const errors = messages.filter((m) => m.type === 'error').map((m) => `wgsl:${m.lineNum}:${m.linePos}: ${m.message}`);
    if (errors.length > 0) throw new Error(errors.join('\n'));
    if (invalid || refused) throw new Error(invalid?.message ?? message(refused));
    const compiling = {};
    const pipeline = this.#add(compiling);
    settle(entry, token, compiled.then((p) => {
      if (this.#objects[pipeline] === compiling) this.#objects[pipeline] = p;
    }));
    return [this.#add(layout), pipeline];
  }

  /** Writes bytes that are not in Go's memory: a part of data to a buffer. size is padded to whole words with zeros. */
  writeFrom(id: number, buffer: number, offset: number, data: Uint8Array<ArrayBuffer>, from: number, size: number): void {
    const { device }: Entry = this.#objects[id];
    const whole = size & ~3;
    if (whole > 0) device.queue.writeBuffer(this.#objects[buffer], offset, data, from, whole);
    if (whole < size) {
      const word = new Uint8Array(4);
      word.set(data.subarray(from + whole, from + size));
      device.queue.writeBuffer(this.#objects[buffer], offset + whole, word);
    }
  }

  /** Writes bytes of a file as writeFrom does. Resolves once they are read. */
  async writeFile(id: number, buffer: number, offset: number, file: StoredFile, from: number, bytes: number): Promise<void> {
    const entry: Entry = this.#objects[id];
    entry.staging ??= new Staging(entry.device);
    try {
      await entry.staging.write(this.#objects[buffer], offset, file, from, bytes);
    } catch (e) {
      throw entry.lost ? new Error(entry.lost) : e;
    }
  }

  /**
   * Records the commands of a list of words in Go's memory: {pipeline, group, x, y, z}, or {0, source, word, destination, word, words} to
   * copy. Copies end the compute pass.
   */
  #encode(encoder: GPUCommandEncoder, at: number, words: number): void {
    const objects = this.#objects;
    const list = new Uint32Array(this.memory.buffer, at, words);
    let pass: GPUComputePassEncoder | undefined;
    let pipeline = 0;
    for (let i = 0; i < list.length; ) {
      const next = list[i]!;
      if (next === 0) {
        pass?.end();
        pass = undefined;
        encoder.copyBufferToBuffer(objects[list[i + 1]!], list[i + 2]! * 4, objects[list[i + 3]!], list[i + 4]! * 4, list[i + 5]! * 4);
        i += 6;
        continue;
      }
      if (!pass) {
        pass = encoder.beginComputePass();
        pipeline = 0;
      }
      if (next !== pipeline) pass.setPipeline(objects[(pipeline = next)]);
      pass.setBindGroup(0, objects[list[i + 1]!]);
      pass.dispatchWorkgroups(list[i + 2]!, list[i + 3]!, list[i + 4]!);
      i += 5;
    }
    pass?.end();
  }

  /** The imports of the module "gossamer_gpu"; see runtime/gpu/web_js.go. */
  imports(): Record<string, (...args: number[]) => number> {
    // Runs f for a device. The result is that of f, or 1; 0 if f throws, the device is lost or there was an uncaptured error.
    const attempt = (id: number, f: (entry: Entry) => number | void): number => {
      const entry: Entry = this.#objects[id];
      try {
        entry.staging?.flush(); // which is written before
        const result = f(entry) ?? 1;
        if (!entry.failure && !entry.lost) return result;
        this.error = entry.lost || entry.failure;
        entry.failure = '';
      } catch (e) {
        this.error = message(e);
      }
      return 0;
    };
    return {
      // Runs a list of commands.
      submit: (id, at, words) =>
        attempt(id!, (entry) => {
          entry.staging?.close(); // the model is loaded
          entry.staging = undefined;
          const encoder = entry.device.createCommandEncoder();
          this.#encode(encoder, at!, words!);
          entry.device.queue.submit([encoder.finish()]);
        }),

      // Starts the writes that are queued, and tells `done` when they are over.
      flush: (id, token) =>
        attempt(id!, (entry) => {
          entry.device.queue.submit([]);
          settle(entry, token!, entry.device.queue.onSubmittedWorkDone());
        }),

      write: (id, buffer, offset, at, bytes) =>
        attempt(id!, ({ device }) => {
          device.queue.writeBuffer(this.#objects[buffer!], offset!, new Uint8Array(this.memory.buffer, at, bytes));
        }),

      // Runs a list of commands, then copies bytes to the start of the staging buffer, or clears a word there without a source, and maps it.
      readback: (id, at, words, staging, source, offset, bytes, token) =>
        attempt(id!, (entry) => {
          const { device } = entry;
          const to: GPUBuffer = this.#objects[staging!];
          if (to.mapState !== 'unmapped') to.unmap(); // the result of the read before was not taken
          const encoder = device.createCommandEncoder();
          this.#encode(encoder, at!, words!);
          if (source) encoder.copyBufferToBuffer(this.#objects[source], offset!, to, 0, bytes!);
          else encoder.clearBuffer(to, 0, 4);
          device.queue.submit([encoder.finish()]);
          settle(entry, token!, to.mapAsync(0x1 /* READ */, 0, Math.max(bytes!, 4)));
        }),

      // Copies what was read back to Go's memory.
      take: (id, staging, at, bytes) =>
        attempt(id!, () => {
          const from: GPUBuffer = this.#objects[staging!];
          const whole = Math.max(4, (bytes! + 3) & ~3);
          new Uint8Array(this.memory.buffer, at, bytes).set(new Uint8Array(from.getMappedRange(0, whole), 0, bytes));
          from.unmap();
        }),

      // Makes a bind group of {buffer, offset in words, size in words} for each binding.
      group: (id, layout, at, bindings) =>
        attempt(id!, ({ device }) => {
          const list = new Uint32Array(this.memory.buffer, at!, bindings! * 3);
          const entries = Array.from({ length: bindings! }, (_, binding) => ({
            binding,
            resource: { buffer: this.#objects[list[binding * 3]!], offset: list[binding * 3 + 1]! * 4, size: list[binding * 3 + 2]! * 4 },
          }));
          return this.#add(device.createBindGroup({ layout: this.#objects[layout!], entries }));
        }),
    };
  }
}
