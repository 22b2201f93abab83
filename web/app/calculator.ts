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
  const source = expression.replace(/\*\*/g, '^').replace(/[×·]/g, '*').replace(/÷/g, '/').replace(/[−–]/g, '-').replace(/√/g, 'sqrt ').replace(/(\d),(?=\d{3}(\D|$))/g, '$1');
  const words = source.match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|[A-Za-zπ]\w*|\S/gi) ?? [];
  let at = 0;
  let depth = 0;
  const fail = (): never => {
    throw new Error(at < words.length ? `"${words[at]}" is not expected in "${expression}"` : `"${expression}" ends too early`);
  };
  const take = (...wanted: string[]) => (wanted.includes(words[at] ?? '') ? words[at++] : undefined);

  function sum(): number {
    if (++depth > 100) {
      throw new Error('the expression is nested too deeply');
    }
    let x = product();
    for (let op = take('+', '-'); op; op = take('+', '-')) {
      x = op === '+' ? x + product() : x - product();
    }
    depth--;
    return x;
  }
  function product(): number {
    let x = signed();
    for (;;) {
      const op = take('*', '/', '%', 'mod');
      if (op) {
        const y = signed();
        if (y === 0 && op !== '*') {
          throw new Error('division by zero');
        }
        x = op === '*' ? x * y : op === '/' ? x / y : x % y;
      } else if (/^[A-Za-zπ(]/.test(words[at] ?? '')) {
        x *= power(); // 2 pi, 3 (4 + 5)
      } else {
        return x;
      }
    }
  }
  function signed(): number {
    const op = take('+', '-');
    return op ? (op === '-' ? -signed() : signed()) : power();
  }
  function power(): number {
    const x = postfix();
    return take('^') ? x ** signed() : x;
  }
  function postfix(): number {
    let x = primary();
    for (;;) {
      if (take('!')) {
        x = factorial(x);
      } else if (words[at] === '%' && !/^[\dA-Za-zπ(.]/.test(words[at + 1] ?? '')) {
        at++;
        x /= 100; // per cent, where it is no division
      } else {
        return x;
      }
    }
  }
  function primary(): number {
    const word = words[at] ?? '';
    if (/^[\d.]/.test(word) && word !== '.') {
      at++;
      return Number(word);
    }
    if (take('(')) {
      const x = sum();
      return take(')') ? x : fail();
    }
    const name = word.toLowerCase();
    if (Object.hasOwn(constants, name)) {
      at++;
      return constants[name]!;
    }
    if (Object.hasOwn(functions, name)) {
      at++;
      const { arity, f } = functions[name]!;
      if (!take('(')) {
        return arity[0] === 1 ? f(power()) : fail(); // √2
      }
      const x = [sum()];
      while (take(',', ';')) {
        x.push(sum());
      }
      if (!take(')')) {
        return fail();
      }
      if (x.length < arity[0] || x.length > arity[1]) {
        throw new Error(`${name} takes ${arity[0]}${arity[1] > arity[0] ? ' or more' : ''} numbers, not ${x.length}`);
      }
      return f(...x);
    }
    return fail();
  }

  const x = sum();
  if (at < words.length) {
    fail();
  }
  if (!Number.isFinite(x)) {
    throw new Error('the result is not a number, or too large');
  }
  return x;
}

/** The result as people write it: without the noise of binary fractions. */
export function formatNumber(x: number): string {
  return String(Number(x.toPrecision(15)));
}
