// The version of the package. VERSION is defined by build.mjs, from package.json.

declare const VERSION: string;

/** The release of this package, as in its package.json; the engine in WebAssembly has the same. */
export const version: string = VERSION;
