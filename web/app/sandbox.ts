// The page in which programs of the model run: in a worker, so that one that never ends can be ended.

addEventListener('message', ({ data, ports }: MessageEvent<{ code: string; programTime: number }>) => {
  const port = ports[0]!;
  // Runs in the worker, which inherits the page's policy: no network, no files.
  const main = () => {
    const printed: string[] = [];
    const show = (value: unknown): string => {
      if (typeof value === 'string') {
        return value;
      }
      try {
        return JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : typeof v === 'function' ? String(v) : v)) ?? String(value);
      } catch {
        return String(value);
      }
    };
    const print = (...values: unknown[]) => void (printed.length < 1000 && printed.push(values.map(show).join(' ')));
    Object.assign(console, { log: print, info: print, warn: print, error: print, debug: print });
    onmessage = async (event: MessageEvent<string>) => {
      const post = postMessage as (message: unknown) => void;
      try {
        const value: unknown = await (0, eval)(event.data);
        post({ printed, ...(value !== undefined && { value: show(value) }) });
      } catch (error) {
        post({ printed, error: String(error) });
      }
    };
    postMessage(undefined);
  };
  const worker = new Worker(URL.createObjectURL(new Blob([`(${main})()`], { type: 'text/javascript' })));
  const end = (message: unknown) => {
    port.postMessage(message);
    worker.terminate();
  };
  worker.onerror = (event) => end({ printed: [], error: event.message || 'it could not be run' });
  // The worker says when it is there, so that its start is not counted as the program's time.
  worker.onmessage = () => {
    worker.onmessage = (event) => end(event.data);
    worker.postMessage(data.code);
    setTimeout(() => end({ printed: [], error: `it did not end within ${data.programTime / 1000} seconds` }), data.programTime);
  };
});
