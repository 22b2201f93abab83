// Where a model's manifest comes from: its host, or the files of a repository that nobody packed, or an earlier visit.

import { fetchSmall, fetchText, type RetryPolicy } from './download.ts';
import type { Chunk, ReadFile } from './engine.ts';
import { errorOf, RuntimeError } from './errors.ts';
import { sameState, versionOf, type FileStates } from './file-state.ts';
import { parseManifest, type Manifest } from './manifest.ts';
import type { ReasonName } from './reasons.ts';
import { isMissing } from './retry.ts';
import { hashText, sha256, type FileStorage } from './storage.ts';

/**
 * Reads the manifest at a URL. If the host has none, fromRepository makes it of the other files there; missing is the error that it
 * throws if it cannot. If the host cannot be reached, the manifest of the last visit is returned, if storage has one, and onOffline
 * is called.
 */
export async function readManifest(
  url: string, storage: FileStorage | undefined, fromRepository: (missing: RuntimeError) => Promise<Manifest>, signal: AbortSignal,
  onOffline: () => void = () => {}, policy?: RetryPolicy,
): Promise<Manifest> {
  let text: string;
  try {
    text = await fetchText(url, signal, policy);
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
    return { ...parseManifest(stored.manifest, url), files: stored.files };
  }
  return parseManifest(text, url);
}

/** The chunks of a manifest whose files are not what they were on the visit whose states are given. */
export function changedChunks(before: FileStates | undefined, manifest: Manifest): Chunk[] {
  return manifest.chunks.filter((chunk) => {
    const url = new URL(chunk.url, manifest.url).href;
    const [old, now] = [before?.[url], manifest.files?.[url]];
    return chunk.sha256 === undefined && old && now && !sameState(old, now);
  });
}

/** Reads files of a repository, given the URL of its manifest or directory, and notes in states what identifies them. */
export function fileReader(base: string, signal: AbortSignal, states: FileStates = {}, policy?: RetryPolicy): ReadFile {
  return async (name, offset, bytes) => {
    const url = new URL(name, base).href;
    const refuse = (why: ReasonName, status?: number) => errorOf('download', why, status === undefined ? {} : { status }, { url, status });
    const { response, data } = await fetchSmall(url, { headers: { Range: `bytes=${offset}-${offset + bytes - 1}` } }, base, bytes, signal, policy, 'whole-file');
    if (isMissing(response.status)) {
      return undefined;
    }
    if (!response.ok) {
      throw refuse('answers', response.status);
    }
    if (response.status !== 206 && offset > 0) {
      throw refuse('whole-files');
    }
    const version = versionOf(response);
    // Hosts need not let a page see Content-Range; the length of an answer to HEAD it may always see.
    const size = response.status !== 206 ? data.length : version.bytes ||
      Number((await fetchSmall(url, { method: 'HEAD' }, base, 0, signal, policy)).response.headers.get('content-length') ?? NaN);
    if (!(size >= data.length)) {
      throw refuse('no-size');
    }
    const before = offset > 0 ? states[url] : undefined;
    const head = version.etag ? '' : await hashText(`${before?.head ?? ''} ${await sha256(data)}`);
    states[url] = { ...version, bytes: size, head };
    return { size, data };
  };
}
