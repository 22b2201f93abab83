// Checks values against JSON schemas: the keywords below, which are what schemas of answers are made of. Others are refused rather
// than ignored, since an answer that they would forbid must not be called valid.

type Schema = { [keyword: string]: unknown } | boolean;

const annotations = ['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'format', '$defs', 'definitions'];
const checked = ['$ref', 'type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties', 'items', 'prefixItems',
  'minItems', 'maxItems', 'uniqueItems', 'minLength', 'maxLength', 'pattern', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf',
  'allOf', 'anyOf', 'oneOf', 'not'];
const types = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'];

const isObject = (v: unknown): v is { [key: string]: unknown } => typeof v === 'object' && v !== null && !Array.isArray(v);

/** What is wrong with a schema's text, a sentence; empty: nothing. */
export function checkSchema(source: string): string {
  let schema: unknown;
  try {
    schema = JSON.parse(source);
  } catch (error) {
    return `This is not JSON: ${(error as Error).message}.`;
  }
  if (!isObject(schema)) {
    return 'A JSON schema is an object, such as {"type": "object", "properties": {…}}.';
  }
  try {
    walk(schema, schema, '', 0);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

function walk(schema: unknown, root: Schema, at: string, depth: number): void {
  const where = at || 'the schema';
  if (typeof schema === 'boolean') {
    return;
  }
  if (!isObject(schema)) {
    throw new Error(`At ${where}: a schema is an object, true or false.`);
  }
  if (depth > 50) {
    throw new Error('The schema is nested too deeply.');
  }
  for (const [keyword, value] of Object.entries(schema)) {
    const here = `${at}/${keyword}`;
    if (![...annotations, ...checked].includes(keyword)) {
      throw new Error(`At ${where}: the keyword "${keyword}" is not supported.`);
    }
    if (['properties', '$defs', 'definitions'].includes(keyword)) {
      if (!isObject(value)) {
        throw new Error(`At ${here}: want an object of schemas.`);
      }
      Object.entries(value).forEach(([name, s]) => walk(s, root, `${here}/${name}`, depth + 1));
    } else if (['allOf', 'anyOf', 'oneOf', 'prefixItems'].includes(keyword)) {
      if (!Array.isArray(value) || value.length === 0) {
        throw new Error(`At ${here}: want an array of schemas.`);
      }
      value.forEach((s, i) => walk(s, root, `${here}/${i}`, depth + 1));
    } else if (['additionalProperties', 'items', 'not'].includes(keyword)) {
      walk(value, root, here, depth + 1);
    } else if (keyword === 'type') {
      const names = Array.isArray(value) ? value : [value];
      const unknown = names.find((t) => !types.includes(t as string));
      if (unknown !== undefined || names.length === 0) {
        throw new Error(`At ${here}: ${JSON.stringify(unknown)} is no type; there are ${types.join(', ')}.`);
      }
    } else if (keyword === '$ref') {
      if (typeof value !== 'string' || resolve(value, root) === undefined) {
        throw new Error(`At ${here}: ${JSON.stringify(value)} is not found; references within the schema begin with "#/".`);
      }
    } else if (keyword === 'pattern') {
      try {
        new RegExp(value as string, 'u');
      } catch {
        throw new Error(`At ${here}: this is not a regular expression.`);
      }
    } else if (keyword === 'enum' || keyword === 'required') {
      if (!Array.isArray(value)) {
        throw new Error(`At ${here}: want an array.`);
      }
    } else if (/^(min|max|exclusive|multiple)/.test(keyword) && typeof value !== 'number') {
      throw new Error(`At ${here}: want a number.`);
    }
  }
}

function resolve(ref: string, root: Schema): Schema | undefined {
  if (ref === '#') {
    return root;
  }
  if (!ref.startsWith('#/')) {
    return undefined;
  }
  let at: unknown = root;
  for (const part of ref.slice(2).split('/')) {
    const key = decodeURIComponent(part).replace(/~1/g, '/').replace(/~0/g, '~');
    at = isObject(at) || Array.isArray(at) ? (at as { [key: string]: unknown })[key] : undefined;
  }
  return isObject(at) || typeof at === 'boolean' ? at : undefined;
}

/** What is wrong with a value: sentences with the place; none if it follows the schema. The schema is one that checkSchema accepts. */
export function validate(value: unknown, schema: Schema, root = schema, at = '', depth = 0): string[] {
  const where = at || 'the answer';
  if (depth > 100) {
    return [`${where}: the schema refers to itself without end`];
  }
  if (typeof schema === 'boolean') {
    return schema ? [] : [`${where} must not be there`];
  }
  const errors: string[] = [];
  const fail = (text: string) => void errors.push(`${where} ${text}`);
  const sub = (v: unknown, s: unknown, path: string) => validate(v, s as Schema, root, path, depth + 1);
  const s = schema as Keywords;

  if (s['$ref'] !== undefined) {
    errors.push(...sub(value, resolve(s['$ref'], root), at));
  }
  if (s['type'] !== undefined) {
    const wanted: string[] = Array.isArray(s['type']) ? s['type'] : [s['type']];
    const is = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
    if (!wanted.some((t) => t === is || (t === 'integer' && Number.isInteger(value)))) {
      fail(`is ${is === 'null' ? 'null' : `of type ${is}`}, want ${wanted.join(' or ')}`);
      return errors;
    }
  }
  if (s['enum'] !== undefined && !s['enum'].some((v: unknown) => equal(v, value))) {
    fail(`is ${brief(value)}, want one of ${s['enum'].map(brief).join(', ')}`);
  }
  if ('const' in s && !equal(s['const'], value)) {
    fail(`is ${brief(value)}, want ${brief(s['const'])}`);
  }
  if (typeof value === 'number') {
    checkNumber(value, s, fail);
  } else if (typeof value === 'string') {
    checkString(value, s, fail);
  } else if (Array.isArray(value)) {
    checkArray(value, s, fail, (i, schema) => errors.push(...sub(value[i], schema, `${at}[${i}]`)));
  } else if (isObject(value)) {
    checkObject(value, s, fail, (name, schema) => errors.push(...sub(value[name], schema, at ? `${at}.${name}` : name)));
  }
  for (const part of s['allOf'] ?? []) {
    errors.push(...sub(value, part, at));
  }
  const matches = (list: unknown[]) => list.filter((part) => sub(value, part, at).length === 0).length;
  if (s['anyOf'] !== undefined && matches(s['anyOf']) === 0) fail('follows none of anyOf');
  if (s['oneOf'] !== undefined && matches(s['oneOf']) !== 1) fail(`follows ${matches(s['oneOf'])} of oneOf, want one`);
  if (s['not'] !== undefined && matches([s['not']]) === 1) fail('is what "not" forbids');
  return errors;
}

/** The keywords of a schema. */
type Keywords = { [keyword: string]: any };
/** Adds a sentence about the value. */
type Fail = (text: string) => void;

function checkNumber(value: number, s: Keywords, fail: Fail): void {
  if (value < s['minimum']) fail(`is ${value}, want at least ${s['minimum']}`);
  if (value > s['maximum']) fail(`is ${value}, want at most ${s['maximum']}`);
  if (value <= s['exclusiveMinimum']) fail(`is ${value}, want more than ${s['exclusiveMinimum']}`);
  if (value >= s['exclusiveMaximum']) fail(`is ${value}, want less than ${s['exclusiveMaximum']}`);
  if (s['multipleOf'] !== undefined && Math.abs(value / s['multipleOf'] - Math.round(value / s['multipleOf'])) > 1e-9) fail(`is ${value}, want a multiple of ${s['multipleOf']}`);
}

function checkString(value: string, s: Keywords, fail: Fail): void {
  const length = [...value].length;
  if (length < s['minLength']) fail(`has ${length} characters, want at least ${s['minLength']}`);
  if (length > s['maxLength']) fail(`has ${length} characters, want at most ${s['maxLength']}`);
  if (s['pattern'] !== undefined && !new RegExp(s['pattern'], 'u').test(value)) fail(`does not match ${s['pattern']}`);
}

function checkArray(value: unknown[], s: Keywords, fail: Fail, checkItem: (i: number, schema: unknown) => void): void {
  if (value.length < s['minItems']) fail(`has ${value.length} items, want at least ${s['minItems']}`);
  if (value.length > s['maxItems']) fail(`has ${value.length} items, want at most ${s['maxItems']}`);
  if (s['uniqueItems'] && value.some((v, i) => value.slice(0, i).some((o) => equal(o, v)))) fail('has an item twice');
  const prefix: unknown[] = s['prefixItems'] ?? [];
  value.forEach((_, i) => {
    const itemSchema = prefix[i] ?? s['items'];
    if (itemSchema !== undefined) {
      checkItem(i, itemSchema);
    }
  });
}

function checkObject(value: object, s: Keywords, fail: Fail, checkProperty: (name: string, schema: unknown) => void): void {
  const names = Object.keys(value);
  if (names.length < s['minProperties']) fail(`has ${names.length} properties, want at least ${s['minProperties']}`);
  if (names.length > s['maxProperties']) fail(`has ${names.length} properties, want at most ${s['maxProperties']}`);
  for (const name of (s['required'] as string[] | undefined) ?? []) {
    if (!Object.hasOwn(value, name)) fail(`lacks "${name}"`);
  }
  const properties: { [name: string]: unknown } = s['properties'] ?? {};
  for (const name of names) {
    if (Object.hasOwn(properties, name)) {
      checkProperty(name, properties[name]);
    } else if (s['additionalProperties'] === false) {
      fail(`has "${name}", which the schema does not know`);
    } else if (s['additionalProperties'] !== undefined) {
      checkProperty(name, s['additionalProperties']);
    }
  }
}

function brief(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function equal(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((v, i) => equal(v, b[i]));
  }
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return names.length === Object.keys(b).length && names.every((n) => Object.hasOwn(b, n) && equal(a[n], b[n]));
  }
  return a === b;
}

/** What is to be said of an answer: the errors, or that it is not JSON. */
export function checkAnswer(answer: string, schema: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(answer);
  } catch {
    return ['the answer is not JSON'];
  }
  return validate(value, JSON.parse(schema) as Schema);
}
