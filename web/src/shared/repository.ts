// Files of a repository that nobody packed, as far as its headers need them: the engine makes a manifest of those.

import type { ReadFile } from './engine.ts';
import { isAbort, RuntimeError } from './errors.ts';
import { fetchFile } from './files.ts';

/** Reads files below a URL. */
export function fileReader(base: string, signal: AbortSignal): ReadFile {
  return async (name, offset, bytes) => {
    const url = new URL(name, base).href;
    const refuse = (why: string, status?: number) => new RuntimeError('download', `${url}: ${why}`, { url, status });
    let response: Response;
    try {
      response = await fetchFile(url, { signal, headers: { Range: `bytes=${offset}-${offset + bytes - 1}` } });
    } catch (error) {
      throw isAbort(error) ? error : refuse((error as Error).message);
    }
    if (response.status === 403 || response.status === 404) {
      return undefined; // some hosts call what is missing forbidden
    }
    if (!response.ok) {
      throw refuse(`the host answers ${response.status}`, response.status);
    }
    const length = Number(response.headers.get('content-length') ?? NaN);
    if (response.status !== 206) {
      if (offset > 0 || length > bytes) {
        void response.body?.cancel();
        throw refuse('the host sends whole files only: pack the model, or use another host');
      }
      const data = new Uint8Array(await response.arrayBuffer());
      return { size: data.length, data };
    }
    const data = new Uint8Array(await response.arrayBuffer());
    // Hosts need not let a page see Content-Range; the length of an answer to HEAD it may always see.
    const range = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
    const size = range ? Number(range[1]) : Number((await fetchFile(url, { method: 'HEAD', signal })).headers.get('content-length') ?? NaN);
    if (!(size >= data.length)) {
      throw refuse('the host does not say how large the file is: pack the model, or use another host');
    }
    return { size, data };
  };
}
