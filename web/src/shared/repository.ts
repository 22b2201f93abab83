// Where a model's manifest comes from: its host, or the files of a repository that nobody packed, or an earlier visit.

import { fetchText } from './download.ts';
import type { ReadFile } from './engine.ts';
import { isAbort, RuntimeError } from './errors.ts';
import { fetchFile } from './files.ts';
import { parseManifest, type Manifest } from './manifest.ts';
import { isMissing } from './retry.ts';
import type { FileStorage } from './storage.ts';

/**
 * Reads the manifest at a URL. If the host has none, fromRepository makes it of the other files there; missing is the error that it
 * throws if it cannot. If the host cannot be reached, the manifest of the last visit is returned, if storage has one, and onOffline
 * is called.
 */
export async function readManifest(
  url: string, storage: FileStorage | undefined, fromRepository: (missing: RuntimeError) => Promise<Manifest>, signal: AbortSignal,
  onOffline: () => void = () => {},
): Promise<Manifest> {
  let text: string;
  try {
    text = await fetchText(url, signal);
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'download') {
      throw error;
    }
    if (isMissing(error.details.status)) {
      return fromRepository(error);
    }
    const stored = error.details.status === undefined ? await storage?.model(url) : undefined;
    if (!stored) {
      throw error;
    }
    onOffline();
    text = stored.manifest;
  }
  return parseManifest(text, url);
}

/** Reads files of a repository, given the URL of its manifest or directory. */
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
    if (isMissing(response.status)) {
      return undefined;
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
