// Which places the files of a model may be fetched from. The engine's own downloads follow the same rules (runtime/checkpoint/remote/rules.go
// and runtime/checkpoint/packed/manifest.go), which write examples to testdata/rules/chunks.json; the tests here read the same file. A page
// cannot see what a name resolves to, nor stop a redirect before it is followed: its browser asks the visitor before a page reaches
// into the local network, and what came by a redirect that the rules forbid is not used.

import { errorOf, RuntimeError } from './errors.ts';

/** URLs in the one notation that every reader takes for the same: a plain host, a port, a path of ordinary characters; no user, no fragment. */
const absoluteURL = /^https?:\/\/([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?\/[!$-;=?-[\]_a-z~]*$/;

/** Paths that mean the same as URL and as file name, inside the manifest's directory. */
const relativePath = /^(?!.*[\\:%?#"<>|*])[!-~]+$/;

/** Endings of host names that are never public. */
const localNames = ['localhost', 'local', 'internal', 'lan', 'home.arpa'];

const rule = "a model's files lie on its own host, or on public hosts with https";

/** Why a chunk's URL in the manifest at base is refused; undefined: it is not. */
export function chunkFault(url: string, base: string): string | undefined {
  if (url.length > 2048) {
    return `its URL has ${url.length} characters`;
  }
  if (url.includes('://')) {
    return absoluteURL.test(url) && isURL(url)
      ? placeFault(url, base)
      : `its URL is ${JSON.stringify(withoutLogin(url))}, want http or https, a plain host and path, without user and fragment`;
  }
  const names = url.split('/');
  const inside = relativePath.test(url) && names.every((name) => name !== '' && name !== '.' && name !== '..');
  return inside ? undefined : `its URL is ${JSON.stringify(url)}, want a path below the manifest of ordinary characters`;
}

function isURL(text: string): boolean {
  try {
    new URL(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Why the model at base may not fetch a URL; undefined: it may. It may from its own origin, which the visitor has named, wherever that
 * is, and by https from hosts with public names. Anything else would let a stranger's manifest ask the visitor's machine and network.
 */
function placeFault(url: string, base: string): string | undefined {
  const to = new URL(url);
  const from = new URL(base);
  let why: string | undefined;
  if (to.username || to.password) {
    why = 'has a user or password in it';
  } else if (to.protocol === from.protocol && to.host === from.host) {
    return undefined;
  } else if (to.protocol !== 'https:') {
    why = 'is not https';
  } else if (!isPublicName(to.hostname)) {
    why = 'has no public host name';
  }
  return why && `${to.origin}${to.pathname} is not asked, because it ${why}: ${rule}`;
}

/** Whether a host's name may be in the public name system: it has a dot, does not end in a number, as addresses do, and is not of a local network. */
function isPublicName(hostname: string): boolean {
  const host = hostname.replace(/\.$/, '');
  return /\.[^.0-9:\]][^.:\]]*$/.test(host) && !localNames.some((name) => `.${host}`.endsWith(`.${name}`));
}

/** Refuses a response that came by a redirect to where the model at base may not ask. url is what was asked for. */
export function checkRedirect(response: Response, url: string, base: string): void {
  if (!response.redirected) {
    return;
  }
  const back = url.startsWith('https:') && !response.url.startsWith('https:');
  const fault = back ? undefined : placeFault(response.url, base);
  if (back || fault) {
    void response.body?.cancel();
    const details = { url, status: response.status, hint: 'Use another host, or give the URL that it sends on to.' };
    throw back ? errorOf('download', 'to-http', {}, details) : new RuntimeError('download', `${url}: ${fault}`, details);
  }
}

/** A text that should be a URL, without what may be a user and a password in it, for messages about what is wrong with it. */
export function withoutLogin(text: string): string {
  const at = text.lastIndexOf('@');
  return at < 0 ? text : `…${text.slice(at)}`;
}
