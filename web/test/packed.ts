// The package as npm packs it, installed into a fresh project, and the tools of build/bundlers and build/frameworks.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

// The bundled tests lie in web/dist/test.
export const web = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const dist = join(web, 'dist');

/** Packages that tools/setup installs, from web/test/bundlers and web/test/frameworks. */
export class Tools {
  readonly directory: string;
  /** Why tests with them are skipped; false: they are not. */
  readonly skip: string | false;

  constructor(name: 'bundlers' | 'frameworks') {
    this.directory = join(dirname(web), 'build', name, 'node_modules');
    const built = existsSync(join(dist, 'types/index.d.ts'));
    const missing = !existsSync(this.directory) ? `build/${name} is missing: tools/setup ${name}` : !built && 'the package is not built: make web';
    if (missing && name === 'bundlers' && process.env.CI) {
      throw new Error(missing);
    }
    this.skip = missing;
  }

  /** Where a file of a package is. */
  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** The program of a package. */
  bin(name: string): string {
    return this.path('.bin', name);
  }

  /** What a module of a package exports. */
  async load(...names: string[]): Promise<any> {
    return import(this.path(...names));
  }
}

/** Runs a program, and returns what it writes. Fails with that if the program does. */
export function run(command: string, args: string[], cwd: string, env: Record<string, string> = {}): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`);
  }
}

/** Packs the package into an empty directory, relative to dist/test, and returns the tarball. */
export function pack(directory: string): string {
  const to = resolve(dist, 'test', directory);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  return join(to, run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', to], web).trim());
}

/**
 * Makes a project beside the tarball that has the package installed, and other packages as links; files are what it consists of. Projects are
 * below a directory of their own, since bundlers look for configurations and packages in all directories above.
 */
export function project(tarball: string, name: string, files: Record<string, string>, links: Record<string, string> = {}): string {
  const directory = join(dirname(tarball), name);
  const packages = join(directory, 'node_modules');
  mkdirSync(join(packages, 'gossamer'), { recursive: true });
  run('tar', ['xzf', tarball, '-C', join(packages, 'gossamer'), '--strip-components', '1'], directory);
  for (const [link, to] of Object.entries(links)) {
    mkdirSync(dirname(join(packages, link)), { recursive: true });
    symlinkSync(to, join(packages, link));
  }
  for (const [file, text] of Object.entries({ 'package.json': '{"private": true, "type": "module"}', ...files })) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  }
  return directory;
}

/** Files of a directory of examples/, for project. */
export function example(name: string, files: string[]): Record<string, string> {
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(dirname(web), 'examples', name, file), 'utf8')]));
}
