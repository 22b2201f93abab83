// The page's side of runtime/gpu. Go names GPU objects by numbers, their places in a table. What happens for every token are
// imports of the WebAssembly module that take nothing but numbers: a recorded program is one call, however many dispatches it has.
// Nothing throws into Go: an import returns 0 and leaves its message in `error`; making things is asynchronous and may reject.

/** A device as it stands in the table. */
interface Entry {
  device: GPUDevice;
  /** Told when a read, a flush or a compilation is over; error is '' if it went well. */
  done: (id: number, error: string) => void;
  /** The first error that nobody caught: something was submitted that the device refused. */
  failure: string;
  /** Why the device is lost, if it is. */
  lost: string;
  closed: boolean;
}

const STORAGE = 0x80 | 0x4 | 0x8; // GPUBufferUsage.STORAGE | COPY_SRC | COPY_DST
const UNIFORM = 0x40 | 0x8; // GPUBufferUsage.UNIFORM | COPY_DST
const READBACK = 0x1 | 0x8; // GPUBufferUsage.MAP_READ | COPY_DST
const BINDING_TYPES: GPUBufferBindingType[] = ['uniform', 'read-only-storage', 'storage']; // by shaders.Access

const message = (e: unknown): string => (e instanceof Error || e instanceof DOMException ? e.message : '') || String(e);

/** Tells `done` of the end of p. */
function settle(entry: Entry, token: number, p: Promise<unknown>): void {
  const done = (error: string) => entry.closed || entry.done(token, entry.lost || error);
  // What is rejected because of a loss may be so a moment before the loss is told.
  p.then(() => done(''), (e) => setTimeout(() => done(message(e)), 0));
}

export class GPUTable {
  /** Message of the last import that returned 0. */
  error = '';
  /** Go's memory, which is known once the program is instantiated. */
  memory!: WebAssembly.Memory;
  // Objects by number. 0 is nobody's.
  #objects: any[] = [undefined];
  #free: number[] = [];

  #add(o: object): number {
    const id = this.#free.pop() ?? this.#objects.length;
    this.#objects[id] = o;
    return id;
  }

  /** Forgets an object; buffers give their memory back. */
  drop(id: number): void {
    const o = this.#objects[id];
    this.#objects[id] = undefined;
    this.#free.push(id);
    if (o instanceof GPUBuffer) o.destroy();
  }

  /** Takes a device in. lost is called once, also after closeDevice. */
  addDevice(device: GPUDevice, done: Entry['done'], lost: (message: string) => void): number {
    const entry: Entry = { device, done, failure: '', lost: '', closed: false };
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
    let refused: unknown; // what is wrong with the pipeline is told before the scope's answer comes
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

  /** The imports of the module "gossamer_gpu"; see runtime/gpu/web_js.go. */
  imports(): Record<string, (...args: number[]) => number> {
    // Runs f for a device; without an error, its own or one that nobody caught, the result is f's, or 1.
    const attempt = (id: number, f: (entry: Entry) => number | void): number => {
      const entry: Entry = this.#objects[id];
      try {
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
      // Runs the commands of a list of 32-bit words: {pipeline, group, x, y, z}, or {0, source, word, destination, word, words}
      // to copy. Copies end the compute pass.
      submit: (id, at, words) =>
        attempt(id!, ({ device }) => {
          const list = new Uint32Array(this.memory.buffer, at!, words);
          const objects = this.#objects;
          const encoder = device.createCommandEncoder();
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
          device.queue.submit([encoder.finish()]);
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

      // Copies bytes to the start of the staging buffer, or clears a word there without a source, and maps it.
      readback: (id, staging, source, offset, bytes, token) =>
        attempt(id!, (entry) => {
          const { device } = entry;
          const to: GPUBuffer = this.#objects[staging!];
          if (to.mapState !== 'unmapped') to.unmap(); // nobody took what was read before
          const encoder = device.createCommandEncoder();
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
