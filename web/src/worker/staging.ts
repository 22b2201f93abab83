// The way of files to the GPU: they are read straight into memory that the GPU copies from. A queue's writeBuffer would take their bytes
// from memory of the tab, where they would have to be read first.

import type { StoredFile } from '../shared/engine.ts';

/** Bytes of a staging buffer, and how many of them there are: one is filled while the GPU copies from others. */
const slotBytes = 16 << 20;
const slotCount = 3;

const MAP_WRITE_COPY_SRC = 0x2 | 0x4; // GPUBufferUsage
const WRITE = 0x2; // GPUMapMode

interface Slot {
  buffer: GPUBuffer;
  memory: Uint8Array<ArrayBuffer>;
}

/** Copies parts of files to buffers of one device. */
export class Staging {
  private readonly device: GPUDevice;
  private readonly idle: Slot[] = [];
  private readonly copying = new Set<GPUBuffer>();
  private made = 0;
  private wake: () => void = () => {};
  private failure: unknown;
  /** The buffer that is being filled, up to where, and the copies out of it. */
  private slot: Slot | undefined;
  private at = 0;
  private copies: { from: number; to: GPUBuffer; offset: number; bytes: number }[] = [];

  constructor(device: GPUDevice) {
    this.device = device;
  }

  /** Copies bytes of a file to a buffer, at a multiple of 4. The last word is filled up with zeros. */
  async write(to: GPUBuffer, offset: number, file: StoredFile, from: number, bytes: number): Promise<void> {
    while (bytes > 0) {
      this.slot ??= await this.next();
      const n = Math.min(bytes, slotBytes - this.at);
      const words = (n + 3) & ~3;
      file.read(this.slot.memory.subarray(this.at, this.at + n), from);
      this.slot.memory.fill(0, this.at + n, this.at + words);
      this.copies.push({ from: this.at, to, offset, bytes: words });
      this.at += words;
      [offset, from, bytes] = [offset + n, from + n, bytes - n];
      if (this.at === slotBytes) {
        this.flush();
      }
    }
  }

  /** Submits the copies of what was read. Commands that are submitted later find it. */
  flush(): void {
    const { slot, copies } = this;
    if (!slot) {
      return;
    }
    [this.slot, this.at, this.copies] = [undefined, 0, []];
    slot.buffer.unmap();
    const encoder = this.device.createCommandEncoder();
    for (const { from, to, offset, bytes } of copies) {
      encoder.copyBufferToBuffer(slot.buffer, from, to, offset, bytes);
    }
    this.device.queue.submit([encoder.finish()]);
    this.copying.add(slot.buffer);
    slot.buffer.mapAsync(WRITE).then(
      () => {
        if (this.copying.delete(slot.buffer)) {
          this.put(slot.buffer);
        }
      },
      (error) => (this.failure ??= error),
    ).finally(() => this.wake());
  }

  /** Submits what was read, and gives the memory back. */
  close(): void {
    this.flush();
    [...this.copying, ...this.idle.map((slot) => slot.buffer)].forEach((buffer) => buffer.destroy());
    this.copying.clear();
    this.idle.length = 0;
  }

  private put(buffer: GPUBuffer): void {
    this.idle.push({ buffer, memory: new Uint8Array(buffer.getMappedRange()) });
  }

  private async next(): Promise<Slot> {
    for (;;) {
      if (this.failure) {
        throw this.failure;
      }
      if (this.idle.length === 0 && this.made < slotCount) {
        this.made++;
        this.put(this.device.createBuffer({ label: 'staging', size: slotBytes, usage: MAP_WRITE_COPY_SRC, mappedAtCreation: true }));
      }
      const slot = this.idle.shift();
      if (slot) {
        return slot;
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
