// Remembers which adapters have passed the self-test, which takes seconds of compiling.

/** What the verdict is about: this adapter, with this driver and browser as far as they can be known, and this release. */
function key(info: GPUAdapterInfo, release: string): string {
  const about = [info.vendor, info.architecture, info.device, info.description, navigator.userAgent, release];
  return `/gossamer-self-test?${new URLSearchParams(about.map((v, i) => [String(i), v]))}`;
}

const name = 'gossamer-self-test';

/** Whether the adapter has passed. */
export async function hasPassed(info: GPUAdapterInfo, release: string): Promise<boolean> {
  try {
    return (await (await caches.open(name)).match(key(info, release))) !== undefined;
  } catch {
    return false; // this window keeps nothing
  }
}

/** Remembers that the adapter has passed; verdicts on other releases, drivers and browsers are forgotten. */
export async function setPassed(info: GPUAdapterInfo, release: string): Promise<void> {
  try {
    await caches.delete(name);
    await (await caches.open(name)).put(key(info, release), new Response());
  } catch {
    // Then the test is made again next time.
  }
}
