/** A reply in parts, as they arrive. Leaving the loop, or controller.abort(), ends the reply; it can be read once. */
export class Stream<T> implements AsyncIterable<T> {
  /** abort() ends the reply and the loop, without an error. */
  readonly controller: AbortController;
  private readonly queue: T[] = [];
  private ended = false;
  private error: unknown;
  private wake: () => void = () => {};
  private read = false;

  constructor(controller: AbortController) {
    this.controller = controller;
  }

  /** @internal */
  push(item: T): void {
    this.queue.push(item);
    this.wake();
  }

  /** @internal Ends the stream, with an error if there was one. What was pushed before is still delivered, unless drop. */
  end(error?: unknown, drop = false): void {
    this.ended = true;
    this.error = error;
    if (drop) {
      this.queue.length = 0;
    }
    this.wake();
  }

  /** The parts, once: a stream is read by one loop. */
  async *[Symbol.asyncIterator](): AsyncIterator<T, void> {
    if (this.read) {
      throw new Error('a stream can be read only once');
    }
    this.read = true;
    const { signal } = this.controller;
    try {
      for (;;) {
        if (signal.aborted) {
          return;
        }
        if (this.queue.length > 0) {
          yield this.queue.shift()!;
        } else if (!this.ended) {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
        } else if (this.error !== undefined) {
          throw this.error;
        } else {
          return;
        }
      }
    } finally {
      if (!this.ended) {
        this.controller.abort();
      }
    }
  }

  /** The same as a stream of lines, each the JSON of a part. */
  toReadableStream(): ReadableStream<Uint8Array> {
    const parts = this[Symbol.asyncIterator]();
    const encoder = new TextEncoder();
    return new ReadableStream({
      async pull(to) {
        const { value, done } = await parts.next();
        if (done) {
          to.close();
        } else {
          to.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
        }
      },
      async cancel() {
        await parts.return?.();
      },
    });
  }
}
