import type { FetchAnswer, FetchPiece, FetchRequest } from '../shared/fetch-port.ts';
import type { Fetch } from '../shared/files.ts';

/** A fetch that the page answers, which listens at the other end of the port. */
export function askPage(page: MessagePort): Fetch {
  return async (url, init = {}) => {
    init.signal?.throwIfAborted();
    const { port1: port, port2 } = new MessageChannel();
    const request: FetchRequest = {
      url, method: init.method ?? 'GET', headers: Object.fromEntries(new Headers(init.headers)), cache: init.cache, port: port2,
    };
    page.postMessage(request, [port2]);
    const stop = () => {
      port.postMessage('stop');
      port.close();
    };
    let hear: (message: FetchAnswer & FetchPiece) => void = () => {};
    port.onmessage = ({ data }) => hear(data);
    const next = <T extends object>() => new Promise<T>((resolve, reject) => {
      const aborted = () => {
        stop();
        reject(init.signal!.reason);
      };
      init.signal?.addEventListener('abort', aborted, { once: true });
      hear = (message) => {
        init.signal?.removeEventListener('abort', aborted);
        if ('error' in message) {
          reject(new TypeError(message.error));
        } else {
          resolve(message as unknown as T);
        }
      };
    });
    const { status, headers, url: from, redirected, empty } = await next<Exclude<FetchAnswer, { error: string }>>();
    const body = empty ? null : new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(to) {
        port.postMessage('more');
        const { bytes } = await next<Exclude<FetchPiece, { error: string }>>();
        if (bytes) {
          to.enqueue(bytes);
        } else {
          port.close();
          to.close();
        }
      },
      cancel: stop,
    }, { highWaterMark: 0 });
    return Object.defineProperties(new Response(body, { status, headers }), { url: { value: from }, redirected: { value: redirected } });
  };
}
