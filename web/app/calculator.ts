// Arithmetic: a parser of its own, so that nothing the model writes is ever run as code.
//
//	sum      = product {("+" | "-") product}
//	product  = signed {("*" | "/" | "%" | "mod") signed | "(" ...}
//	signed   = {"+" | "-"} power
//	power    = postfix ["^" signed]
//	postfix  = primary {"!" | "%"}
//	primary  = number | constant | name "(" sum {"," sum} ")" | "(" sum ")"

const constants: { [name: string]: number } = { pi: Math.PI, π: Math.PI, e: Math.E, tau: 2 * Math.PI };

const functions: { [name: string]: { arity: [number, number]; f: (...x: number[]) => number } } = {
  sqrt: { arity: [1, 1], f: Math.sqrt }, cbrt: { arity: [1, 1], f: Math.cbrt }, abs: { arity: [1, 1], f: Math.abs },
  exp: { arity: [1, 1], f: Math.exp }, ln: { arity: [1, 1], f: Math.log }, log: { arity: [1, 2], f: (x, base = 10) => Math.log(x) / Math.log(base) },
  log2: { arity: [1, 1], f: Math.log2 }, log10: { arity: [1, 1], f: Math.log10 },
  sin: { arity: [1, 1], f: Math.sin }, cos: { arity: [1, 1], f: Math.cos }, tan: { arity: [1, 1], f: Math.tan },
  asin: { arity: [1, 1], f: Math.asin }, acos: { arity: [1, 1], f: Math.acos }, atan: { arity: [1, 1], f: Math.atan }, atan2: { arity: [2, 2], f: Math.atan2 },
  floor: { arity: [1, 1], f: Math.floor }, ceil: { arity: [1, 1], f: Math.ceil }, trunc: { arity: [1, 1], f: Math.trunc },
  round: { arity: [1, 2], f: (x, digits = 0) => Math.round(x * 10 ** digits) / 10 ** digits },
  min: { arity: [1, 99], f: Math.min }, max: { arity: [1, 99], f: Math.max }, gcd: { arity: [2, 2], f: gcd }, pow: { arity: [2, 2], f: Math.pow },
};

function gcd(a: number, b: number): number {
  [a, b] = [Math.abs(a), Math.abs(b)];
  while (b > 0) {
    [a, b] = [b, a % b];
  }
  return a;
}

function factorial(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 170) {
    throw new Error(`the factorial of ${n} is not defined, or too large`);
  }
  let product = 1;
  for (let i = 2; i <= n; i++) {
    product *= i;
  }
  return product;
}

/** Evaluates an expression such as "3 * (17 + 25)"; throws an Error with a sentence. */
export function calculate(expression: string): number {
  if (expression.length > 1000) {
    throw new Error('the expression is longer than 1,000 characters');
  }
  const x = new Parser(expression).result();
  if (!Number.isFinite(x)) {
    throw new Error('the result is not a number, or too large');
  }
  return x;
}

/** Computes while it parses, with a method for each rule of the grammar. */
class Parser {
  private readonly expression: string;
  private readonly words: string[];
  private at = 0;
  private depth = 0;

  constructor(expression: string) {
    this.expression = expression;
    const source = expression.replace(/\*\*/g, '^').replace(/[×·]/g, '*').replace(/÷/g, '/').replace(/[−–]/g, '-').replace(/√/g, 'sqrt ').replace(/(\d),(?=\d{3}(\D|$))/g, '$1');
    this.words = source.match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|[A-Za-zπ]\w*|\S/gi) ?? [];
  }

  result(): number {
    const x = this.sum();
    return this.at < this.words.length ? this.fail() : x;
  }

  private fail(): never {
    throw new Error(this.at < this.words.length ? `"${this.words[this.at]}" is not expected in "${this.expression}"` : `"${this.expression}" ends too early`);
  }

  /** The next word, if it is one of those wanted. */
  private take(...wanted: string[]): string | undefined {
    return wanted.includes(this.words[this.at] ?? '') ? this.words[this.at++] : undefined;
  }

  private sum(): number {
    if (++this.depth > 100) {
      throw new Error('the expression is nested too deeply');
    }
    let x = this.product();
    for (let op = this.take('+', '-'); op; op = this.take('+', '-')) {
      x = op === '+' ? x + this.product() : x - this.product();
    }
    this.depth--;
    return x;
  }

  private product(): number {
    let x = this.signed();
    for (;;) {
      const op = this.take('*', '/', '%', 'mod');
      if (op) {
        const y = this.signed();
        if (y === 0 && op !== '*') {
          throw new Error('division by zero');
        }
        x = op === '*' ? x * y : op === '/' ? x / y : x % y;
      } else if (/^[A-Za-zπ(]/.test(this.words[this.at] ?? '')) {
        x *= this.power(); // 2 pi, 3 (4 + 5)
      } else {
        return x;
      }
    }
  }

  private signed(): number {
    const op = this.take('+', '-');
    return op ? (op === '-' ? -this.signed() : this.signed()) : this.power();
  }

  private power(): number {
    const x = this.postfix();
    return this.take('^') ? x ** this.signed() : x;
  }

  private postfix(): number {
    let x = this.primary();
    for (;;) {
      if (this.take('!')) {
        x = factorial(x);
      } else if (this.words[this.at] === '%' && !/^[\dA-Za-zπ(.]/.test(this.words[this.at + 1] ?? '')) {
        this.at++;
        x /= 100; // per cent, where it is no division
      } else {
        return x;
      }
    }
  }

  private primary(): number {
    const word = this.words[this.at] ?? '';
    if (/^[\d.]/.test(word) && word !== '.') {
      this.at++;
      return Number(word);
    }
    if (this.take('(')) {
      const x = this.sum();
      return this.take(')') ? x : this.fail();
    }
    const name = word.toLowerCase();
    if (Object.hasOwn(constants, name)) {
      this.at++;
      return constants[name]!;
    }
    if (Object.hasOwn(functions, name)) {
      this.at++;
      return this.call(name, functions[name]!);
    }
    return this.fail();
  }

  private call(name: string, { arity, f }: (typeof functions)[string]): number {
    if (!this.take('(')) {
      return arity[0] === 1 ? f(this.power()) : this.fail(); // √2
    }
    const x = [this.sum()];
    while (this.take(',', ';')) {
      x.push(this.sum());
    }
    if (!this.take(')')) {
      return this.fail();
    }
    if (x.length < arity[0] || x.length > arity[1]) {
      throw new Error(`${name} takes ${arity[0]}${arity[1] > arity[0] ? ' or more' : ''} numbers, not ${x.length}`);
    }
    return f(...x);
  }
}

/** The result as people write it: without the noise of binary fractions. */
export function formatNumber(x: number): string {
  return String(Number(x.toPrecision(15)));
}
