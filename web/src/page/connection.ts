// Connections from a client to an engine: in a worker of its own (WorkerConnection), or one that tabs share (shared-connection.ts).

import { answerWorker } from './answer-worker.ts';
import { errorOf, type RuntimeError } from '../shared/errors.ts';
import type { Fetch } from '../shared/files.ts';
import type { OpenMessage, Request, Response } from '../shared/protocol.ts';

/** Receives what an engine sends. */
export interface EngineListener {
  receive(message: Response): void;
  /** The engine is gone, and with it the requests that it has not answered. */
  lost(error: RuntimeError, loss: Loss): void;
}

/**
 * What can be done about the loss of an engine. failed: connect again, though the fault may happen again. moved: connect again, to
 * another tab's engine. ended: nothing.
 */
export type Loss = 'failed' | 'moved' | 'ended';

/** A client's connection to an engine, and to the next one when that is lost. */
export interface Connection {
  /** Has an engine open the model. Its messages have this id, and the last is opened or error. Ends an earlier connection. */
  connect(id: number, listener: EngineListener): void;
  /** Sends a request to the engine; does nothing if there is none. */
  send(request: Exclude<Request, { kind: 'open' }>): void;
  close(): void;
}

/** A connection to a worker of this client alone, which opens the model. */
export class WorkerConnection implements Connection {
  private readonly url: URL;
  private readonly open: Omit<OpenMessage, 'id'>;
  private readonly fetch: Fetch | undefined;
  private worker: Worker | undefined;

  /** fetch: answers the worker's requests for the model; undefined: the browser does. */
  constructor(url: URL, open: Omit<OpenMessage, 'id'>, fetch?: Fetch) {
    this.url = url;
    this.open = open;
    this.fetch = fetch;
  }

  connect(id: number, listener: EngineListener): void {
    this.close();
    const worker = (this.worker = startWorker(this.url));
    // The last messages of a worker that was replaced may still arrive.
    worker.addEventListener('message', (event: MessageEvent<Response>) => worker === this.worker && listener.receive(event.data));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker !== this.worker) {
        return;
      }
      const where = this.url.href;
      // A script that cannot be loaded has no message.
      const error = event.message ? errorOf('internal', 'worker-failed', { why: event.message }) : errorOf('download', 'no-worker', {}, {
        url: where, hint: 'Serve the files of the package\'s dist directory beside each other, or give workerURL.',
      });
      listener.lost(error, 'failed');
    });
    const fetchPort = this.fetch && answerWorker(this.fetch);
    worker.postMessage({ ...this.open, id, fetchPort } satisfies Request, fetchPort ? [fetchPort] : []);
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
  // The script of a worker must come from the page's own origin, but what it imports need not.
  const script = new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' });
  const blob = URL.createObjectURL(script);
  const worker = new Worker(blob, { type: 'module', name: 'gossamer' });
  worker.addEventListener('message', () => URL.revokeObjectURL(blob), { once: true });
  return worker;
}
