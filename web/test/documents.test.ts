// Documents that replies were restricted to by random schemas of drafts 7 and 2020-12, judged by Ajv: Go's test of them has its own judge.
// DOCUMENTS is their number.

import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The bundled tests lie in web/dist/test.
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const draft7 = 'http://json-schema.org/draft-07/schema#';

interface Line { schema: { $schema: string }; document: string }

function make(count: number): Line[] {
  const dir = mkdtempSync(join(tmpdir(), 'documents-'));
  try {
    const file = join(dir, 'documents.jsonl');
    const made = spawnSync('go', ['test', './runtime/openai', '-count=1', '-run', '^TestDocumentsOfRandomSchemas$', '-args', `-documents=${count}`, `-documents-to=${file}`],
      { cwd: root, encoding: 'utf8' });
    assert.equal(made.status, 0, `${made.error ?? ''}${made.stdout}${made.stderr}`);
    return readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Line);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('Ajv accepts the documents of random schemas', () => {
  const count = Number(process.env.DOCUMENTS ?? 200);
  const lines = make(count);
  assert.ok(lines.length >= count, `${lines.length} documents`);
  const judges = { 7: new Ajv({ strict: false }), 2020: new Ajv2020({ strict: false }) };
  // Both packages are CommonJS, whose default export Node and the compiler see at different places.
  const addFormats = ((formats as unknown as { default?: unknown }).default ?? formats) as (ajv: Ajv) => void;
  Object.values(judges).forEach(addFormats);
  const judged = { 7: 0, 2020: 0 };
  for (const { schema, document } of lines) {
    const draft = schema.$schema === draft7 ? 7 : 2020;
    const valid = judges[draft].compile(schema);
    assert.ok(valid(JSON.parse(document)), `${JSON.stringify(schema)}\n${document}\n${judges[draft].errorsText(valid.errors)}`);
    judged[draft]++;
  }
  assert.ok(judged[7] > count / 4 && judged[2020] > count / 4, `${judged[7]} documents of draft 7, ${judged[2020]} of draft 2020-12`);
  // It does judge: a document of another schema is none of this one.
  const other = lines.filter(({ schema }) => !judges[schema.$schema === draft7 ? 7 : 2020].compile(schema)({ name: {}, n: {}, tags: {}, ref: {} }));
  assert.ok(other.length > count / 4, `only ${other.length} of ${lines.length} schemas refuse a document that is not theirs`);
});
