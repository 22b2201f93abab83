// What tells whether a file on a host is still the one that it was. The engine's own downloads follow the same rules
// (runtime/checkpoint/remote/fetch.go and cache.go), but see more: a host must allow a page to read ETag and Content-Range.

/** What a host says of the state of a file, as far as the page may see it. */
export interface FileVersion {
  etag: string;
  modified: string;
  /** 0: unknown. */
  bytes: number;
}

/** The version of the file in a response. Only an ETag that stands for the bytes counts. */
export function versionOf(response: Response): FileVersion {
  const header = (name: string) => response.headers.get(name) ?? '';
  const total = response.status === 206 ? /\/(\d+)$/.exec(header('content-range'))?.[1] : header('content-length');
  return { etag: header('etag').startsWith('"') ? header('etag') : '', modified: header('last-modified'), bytes: Number(total || 0) };
}

/** Whether a file has changed between two responses, as far as both say anything. */
export function differs(a: FileVersion, b: FileVersion): boolean {
  if (a.etag && b.etag) {
    return a.etag !== b.etag;
  }
  return (a.modified !== '' && b.modified !== '' && a.modified !== b.modified) || (a.bytes > 0 && b.bytes > 0 && a.bytes !== b.bytes);
}

/** What identifies the bytes of a file without a published hash: the host's word, and where that is not certain the file's beginning. */
export interface FileState extends FileVersion {
  /** SHA-256 of what was read to open the model; "" where the ETag is enough. */
  head: string;
}

/** States of files by their URLs. */
export type FileStates = { [url: string]: FileState };

/** Whether two states are of the same bytes, as far as anybody can tell. */
export function sameState(a: FileState, b: FileState): boolean {
  return a.etag === b.etag && (a.etag !== '' || (a.modified === b.modified && a.bytes === b.bytes && a.head === b.head));
}
