import type { FetchAnswer, FetchPiece, FetchRequest } from '../shared/fetch-port.ts';
import type { Fetch } from '../shared/files.ts';

/** Answers the requests that a worker sends to the other end of the port that is returned. */
export function answerWorker(fetcher: Fetch): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }: MessageEvent<FetchRequest>) => void answer(fetcher, data);
  return port2;
}

async function answer(fetcher: Fetch, { url, method, headers, cache, port }: FetchRequest): Promise<void> {
  const abort = new AbortController();
  let body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const fail = (error: unknown) => port.postMessage({ error: String((error as Error)?.message ?? error) } satisfies FetchAnswer);
  port.onmessage = async ({ data }: MessageEvent<'more' | 'stop'>) => {
    if (data === 'stop') {
      abort.abort();
      body?.cancel().catch(() => {});
      port.close();
      return;
    }
    try {
      const { value, done } = await body!.read();
      const bytes = done ? undefined : value.slice(); // of which the memory can be given away
      port.postMessage({ bytes } satisfies FetchPiece, bytes ? [bytes.buffer] : []);
    } catch (error) {
      fail(error);
    }
  };
  try {
    const response = await fetcher(url, { method, headers, ...(cache === undefined ? {} : { cache }), signal: abort.signal });
    body = response.body?.getReader();
    port.postMessage({
      status: response.status, headers: Object.fromEntries(response.headers), url: response.url, redirected: response.redirected, empty: !body,
    } satisfies FetchAnswer);
  } catch (error) {
    fail(error);
  }
}
