// Finds texts in sources that ought to be in the tables of app/texts: what a person would read, written as a literal.
//
// Two rules. Where a literal is shown (children and labels of elements, toasts, announcements, words that are put somewhere) any word counts.
// Everywhere else counts what reads like language: two words beside each other, or a word with a capital letter. Literals that cannot be read by
// anybody are left out by their place: names of modules, types, keys, classes, selectors, attributes, and what values are compared with.

import { createRequire } from 'node:module';

// The compiler of this package has no parser for programs; that of the bundler of types has, in the version that package.json says.
const require = createRequire(createRequire(import.meta.url).resolve('dts-bundle-generator/package.json'));
const ts = require('typescript') as Compiler;

/** What of the compiler's interface is used here. */
interface Compiler {
  createSourceFile(name: string, text: string, target: number, setParents: boolean): Node & { getLineAndCharacterOfPosition(at: number): { line: number } };
  forEachChild(node: Node, visit: (child: Node) => void): void;
  SyntaxKind: Record<string, number>;
}

interface Node {
  kind: number;
  parent: Node;
  text?: string;
  getText(): string;
  getStart(): number;
  [part: string]: unknown;
}

/** A literal that people would read. */
export interface Found {
  line: number;
  text: string;
}

/** Properties of elements that are read or heard. */
const shownProperties = /^(title|placeholder|alt|label|textContent|innerText|ariaLabel|aria-(label|description|valuetext|roledescription))$/;
/** Functions that show their arguments from this one on. */
const showing: Record<string, number> = { h: 2, iconButton: 1, toast: 0, announce: 0, put: 2, textOf: 0, joined: 0, sentences: 0, alert: 0, confirm: 0, append: 0, replaceChildren: 0, before: 0, after: 0 };
/** Functions whose arguments are names for machines. */
const naming = /^(querySelector(All)?|matches|closest|matchMedia|byId|getElementById|createElement(NS)?|getPropertyValue|add|remove|toggle|contains|addEventListener|removeEventListener|set|get|has|delete|includes|startsWith|endsWith|split|replace|replaceAll|join|test|push|t|import|fetch|request|open|postMessage|objectStore|transaction|createObjectStore|createIndex|DOMException)$/;

const word = /\p{L}{2,}/u;
const language = /\p{L}{2,}[,.:;!?…]* \p{L}+|^\p{Lu}\p{Ll}{2,}(?![\p{L}\d]*[(:=/])/u;

/** Finds the literals of a source that people would read. */
export function findLiterals(name: string, source: string): Found[] {
  const file = ts.createSourceFile(name, source, 99, true);
  const found: Found[] = [];
  const visit = (node: Node): void => {
    const text = textOf(node);
    if (text !== undefined) {
      const place = placeOf(node);
      if (place !== 'named' && (place === 'shown' ? word : language).test(text)) {
        found.push({ line: file.getLineAndCharacterOfPosition(node.getStart()).line + 1, text });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

const is = (node: Node | undefined, ...kinds: string[]) => node !== undefined && kinds.some((k) => node.kind === ts.SyntaxKind[k]);

/** The text of a literal, with {} for what is put into it; undefined: the node is none. */
function textOf(node: Node): string | undefined {
  if (is(node, 'StringLiteral', 'NoSubstitutionTemplateLiteral')) {
    return node.text!;
  }
  if (is(node, 'TemplateExpression')) {
    const spans = node['templateSpans'] as { literal: Node }[];
    return (node['head'] as Node).text! + spans.map((s) => `{}${s.literal.text!}`).join('');
  }
  return undefined;
}

/** Where a literal is: shown to people, a name for machines, or somewhere else. */
function placeOf(literal: Node): 'shown' | 'named' | 'elsewhere' {
  for (let node = literal, { parent } = node; parent; node = parent, { parent } = node) {
    if (is(parent, 'AsExpression')) {
      return 'elsewhere'; // as const: names, of which t() makes texts
    }
    if (is(parent, 'ImportDeclaration', 'ExportDeclaration', 'LiteralType', 'ElementAccessExpression', 'CaseClause', 'TypeAliasDeclaration', 'TemplateLiteralType')) {
      return 'named';
    }
    if (is(parent, 'BinaryExpression')) {
      const operator = (parent['operatorToken'] as Node).getText();
      if (/^[!=]==?$|^in$/.test(operator)) {
        return 'named';
      }
      if (operator === '=' && parent['right'] === node) {
        const target = (parent['left'] as Node).getText().split('.').at(-1)!;
        return shownProperties.test(target) ? 'shown' : /^(className|id|name|type|src|href)$/.test(target) ? 'named' : 'elsewhere';
      }
    } else if (is(parent, 'PropertyAssignment')) {
      const name = (parent['name'] as Node).getText().replace(/'/g, '');
      if (parent['name'] === node) {
        return 'named';
      }
      if (isElement(parent)) {
        return shownProperties.test(name) ? 'shown' : 'named';
      }
      return 'elsewhere';
    } else if (is(parent, 'CallExpression', 'NewExpression') && parent['expression'] !== node) {
      const called = (parent['expression'] as Node).getText().split('.').at(-1)!;
      const at = (parent['arguments'] as Node[]).indexOf(node);
      if (called === 'setAttribute') {
        const first = textOf((parent['arguments'] as Node[])[0]!) ?? '';
        return at === 1 && shownProperties.test(first) ? 'shown' : 'named';
      }
      if (Object.hasOwn(showing, called)) {
        return at >= showing[called]! ? 'shown' : 'named';
      }
      return naming.test(called) ? 'named' : 'elsewhere';
    } else if (is(parent, 'ArrowFunction', 'FunctionDeclaration', 'MethodDeclaration', 'Block', 'SourceFile')) {
      return 'elsewhere';
    }
  }
  return 'elsewhere';
}

/** Whether an object has the properties of an element. */
function isElement(property: Node): boolean {
  for (let { parent } = property; parent; { parent } = parent) {
    if (is(parent, 'CallExpression')) {
      return /^(h|iconButton|svg)$/.test((parent['expression'] as Node).getText());
    }
    if (!is(parent, 'ObjectLiteralExpression', 'ParenthesizedExpression', 'BinaryExpression', 'SpreadAssignment')) {
      return false;
    }
  }
  return false;
}
