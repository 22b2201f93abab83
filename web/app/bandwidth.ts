// What a plain copy on the GPU achieves: what the kernels, which mostly read weights, are compared with.

// GPUBufferUsage.COPY_SRC and COPY_DST.
const copySource = 0x4;
const copyTarget = 0x8;

/** Bytes a second that a copy between two buffers moves, counted once. */
export async function copyBandwidth(): Promise<number> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  const device = await adapter!.requestDevice();
  try {
    const size = 64 << 20;
    const [from, to] = [0, 1].map(() => device.createBuffer({ size, usage: copySource | copyTarget }));
    const time = async (copies: number) => {
      const encoder = device.createCommandEncoder();
      for (let i = 0; i < copies; i++) {
        encoder.copyBufferToBuffer(i % 2 ? to! : from!, 0, i % 2 ? from! : to!, 0, size);
      }
      const begin = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return (performance.now() - begin) / 1000;
    };
    await time(2); // the buffers become real
    // Two lengths, so that what submitting and waiting cost falls out; as many copies as a quarter of a second takes.
    const one = await time(2);
    const copies = Math.max(4, Math.min(400, Math.round((0.25 / one) * 2)));
    const [short, long] = [await time(2), await time(2 + copies)];
    return (copies * size) / Math.max(long - short, 1e-6);
  } finally {
    device.destroy();
  }
}
