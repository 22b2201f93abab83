// What is done about a reply that does not bring what was asked for. The engine's own downloads follow the same rules
// (runtime/checkpoint/remote/rules.go), which writes examples to testdata/rules; the tests here read the same files.

/** Failures in a row, without a byte of progress, after which a download is given up. */
export const maxFailures = 8;

/** The same, for the small files that a model is opened with: nothing is gained yet. */
export const openFailures = 3;

/** Milliseconds in which a connection must bring an answer, and then minRate. */
export const stallTimeout = 30_000;

/** Bytes a second that count as progress. */
export const minRate = 1024;

/** Milliseconds before the second attempt, doubled for each further one, and at most, unless the host asks for more. */
const firstPause = 500;
const longestPause = 30_000;
/** Milliseconds of the longest Retry-After that is obeyed. */
const longestRetryAfter = 300_000;

/** The bounds of the pause after so many failures in a row, in milliseconds. */
export function backoff(failures: number): { least: number; most: number } {
  const most = Math.min(firstPause * 2 ** (failures - 1), longestPause);
  return { least: most / 2, most };
}

/** What a status means, other than 200 and 206. */
export interface ReplyVerdict {
  /** Another attempt may succeed. */
  retry: boolean;
  /** Milliseconds that the host asks to wait, also where that is too long to try again; 0: it does not say. */
  wait: number;
  /** There is no such file: where manifest.json is missing there may be a repository. */
  missing: boolean;
}

/** Judges a reply by its status and its header Retry-After, null if it has none. now is in milliseconds since 1970. */
export function judge(status: number, retryAfter: string | null, now = Date.now()): ReplyVerdict {
  if (isMissing(status)) {
    return { retry: false, wait: 0, missing: true };
  }
  const mayPass = [408, 425, 429].includes(status) || (status >= 500 && status <= 599 && status !== 501 && status !== 505);
  const wait = mayPass ? parseRetryAfter(retryAfter ?? '', now) : 0;
  return { retry: mayPass && wait <= longestRetryAfter, wait, missing: false };
}

/** Whether a status says that there is no such file. Object stores answer 403 for what is missing. */
export function isMissing(status: number | undefined): boolean {
  return status === 403 || status === 404 || status === 410;
}

/** Reads a number of seconds or a date as HTTP writes it; returns milliseconds from now on, 0 for anything else. */
function parseRetryAfter(value: string, now: number): number {
  if (/^\d+$/.test(value)) {
    return Math.min(Number(value), 2 ** 31 - 1) * 1000;
  }
  const date = /^[A-Z][a-z]+,? /.test(value) ? Date.parse(value.endsWith(' GMT') ? value : `${value} GMT`) : NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
