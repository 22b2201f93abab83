// Which files of web/ may import which: no cycles, nothing between the threads except through src/shared, and an app that uses the
// package as others do. Imports of types count too.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The bundled tests lie in web/dist/test.
const web = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The files that each file imports, by paths below web/. */
type Graph = Map<string, string[]>;

/** Reads the imports of the sources in these folders of web/. */
function readImports(...folders: string[]): Graph {
  const graph: Graph = new Map();
  for (const folder of folders) {
    for (const name of readdirSync(join(web, folder), { recursive: true, encoding: 'utf8' }).filter((f) => /\.(ts|mjs)$/.test(f))) {
      const file = join(web, folder, name);
      const imports = [...readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^;]*?\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)|^import '(\.[^']+)'/gm)];
      graph.set(relative(web, file), imports.map(([, from, dynamic, bare]) => relative(web, join(dirname(file), (from ?? dynamic ?? bare)!))));
    }
  }
  return graph;
}

/** A cycle of imports, its first file repeated at the end; undefined: there is none. */
function findCycle(graph: Graph): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) {
      return [...path.slice(path.indexOf(file)), file];
    }
    if (done.has(file)) {
      return undefined;
    }
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle) {
        return cycle;
      }
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file);
    if (cycle) {
      return cycle;
    }
  }
  return undefined;
}

/** What files of a folder may import, by what paths begin with. */
const allowed: [folder: string, imports: string[]][] = [
  ['src/shared/', ['src/shared/']],
  ['src/page/', ['src/page/', 'src/shared/']],
  ['src/worker/', ['src/worker/', 'src/shared/']],
  ['src/', ['src/']], // index.ts and service.ts, which the package publishes
  ['app/', ['app/', 'src/index.ts', 'src/service.ts']],
  ['test/', ['test/', 'src/', 'app/']],
];

/** Imports that are not allowed. */
function forbidden(graph: Graph): string[] {
  return [...graph].flatMap(([file, imports]) => {
    const [, from] = allowed.find(([folder]) => file.startsWith(folder))!;
    return imports.filter((i) => !from.some((prefix) => i.startsWith(prefix))).map((i) => `${file} imports ${i}`);
  });
}

describe('imports', () => {
  const graph = readImports('src', 'app', 'test');

  test('are found', () => {
    assert.ok(graph.size > 60, `${graph.size} files`);
    assert.ok(graph.get('src/page/create.ts')!.includes('src/shared/protocol.ts'), 'of types');
    assert.ok(graph.get('app/index.ts')!.includes('app/markdown.ts'), 'that are dynamic');
    assert.ok(graph.get('src/index.ts')!.includes('src/page/create.ts'), 'of exports');
    const missing = [...graph].flatMap(([file, imports]) => imports.filter((i) => !graph.has(i)).map((i) => `${file} imports ${i}`));
    assert.deepEqual(missing, []);
  });

  test('have no cycles', () => {
    assert.equal(findCycle(graph)?.join(' imports '), undefined);
  });

  test('of page and worker meet in src/shared, and the app uses what the package publishes', () => {
    assert.deepEqual(forbidden(graph), []);
  });

  test('that are wrong are noticed', () => {
    assert.deepEqual(findCycle(new Map([['a', ['b']], ['b', ['d', 'c']], ['c', ['d', 'b']], ['d', []]])), ['b', 'c', 'b']);
    assert.deepEqual(findCycle(new Map([['a', ['a']]])), ['a', 'a']);
    assert.deepEqual(findCycle(new Map([...graph, ['src/shared/errors.ts', ['src/shared/download.ts']]]))!.length, 3);
    const wrong: Graph = new Map([
      ['src/page/a.ts', ['src/worker/b.ts', 'src/index.ts']], ['src/worker/b.ts', ['src/page/a.ts']], ['src/shared/c.ts', ['src/page/a.ts']],
      ['app/d.ts', ['src/shared/c.ts', 'test/e.ts', 'src/index.ts']],
    ]);
    assert.deepEqual(forbidden(wrong), [
      'src/page/a.ts imports src/worker/b.ts', 'src/page/a.ts imports src/index.ts', 'src/worker/b.ts imports src/page/a.ts', 'src/shared/c.ts imports src/page/a.ts',
      'app/d.ts imports src/shared/c.ts', 'app/d.ts imports test/e.ts',
    ]);
  });
});
