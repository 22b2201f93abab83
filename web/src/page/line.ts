// The way from a client to an engine: to a worker of its own (OwnLine), or to one that tabs share (share.ts).

import { RuntimeError } from '../shared/errors.ts';
import type { OpenMessage, Request, Response } from '../shared/protocol.ts';

/** What a client hears by its line. */
export interface Ears {
  receive(message: Response): void;
  /** The engine is gone, and with it what was asked of it. */
  lost(error: RuntimeError, what: Loss): void;
}

/** What can be done about a loss: connect again, where the fault may be the same (again) or surely is not (moved), or nothing (end). */
export type Loss = 'again' | 'moved' | 'end';

/** A client's line to an engine, and to the next one when that is lost. */
export interface Line {
  /** Has an engine open the model. Its messages carry id, and the last is opened or error. Ends an earlier connection. */
  connect(id: number, ears: Ears): void;
  /** Sends a request to the engine; nothing if there is none. */
  send(request: Exclude<Request, { kind: 'open' }>): void;
  close(): void;
}

/** A line to a worker of one's own, which opens the model. */
export class OwnLine implements Line {
  private readonly url: URL;
  private readonly open: Omit<OpenMessage, 'id'>;
  private worker: Worker | undefined;

  constructor(url: URL, open: Omit<OpenMessage, 'id'>) {
    this.url = url;
    this.open = open;
  }

  connect(id: number, ears: Ears): void {
    this.close();
    const worker = (this.worker = startWorker(this.url));
    // What a replaced worker said last may still arrive.
    worker.addEventListener('message', (event: MessageEvent<Response>) => worker === this.worker && ears.receive(event.data));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker !== this.worker) {
        return;
      }
      const where = this.url.href;
      // A script that cannot be loaded has no message.
      const error = event.message ? new RuntimeError('internal', `the worker failed: ${event.message}`) : new RuntimeError('download', `${where}: the worker cannot be loaded`, {
        url: where, hint: 'Serve the files of the package\'s dist directory beside each other, or give workerURL.',
      });
      ears.lost(error, 'again');
    });
    worker.postMessage({ ...this.open, id } satisfies Request);
  }

  send(request: Request): void {
    this.worker?.postMessage(request);
  }

  close(): void {
    this.worker?.terminate();
    this.worker = undefined;
  }
}

function startWorker(url: URL): Worker {
  if (url.origin === location.origin || url.protocol === 'blob:' || url.protocol === 'data:') {
    return new Worker(url, { type: 'module', name: 'gossamer' });
  }
  // Workers must come from the page's own origin; what they import need not.
  const script = new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' });
  const blob = URL.createObjectURL(script);
  const worker = new Worker(blob, { type: 'module', name: 'gossamer' });
  worker.addEventListener('message', () => URL.revokeObjectURL(blob), { once: true });
  return worker;
}
