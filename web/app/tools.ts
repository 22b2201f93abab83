// Functions that the model may call: those that the page brings, and the visitor's own, whose results they write.

import type { FunctionTool, ToolCall } from '../src/index.ts';
import { calculate, formatNumber } from './calculator.ts';
import { schemaExample } from './conversation.ts';
import { t } from './language.ts';
import { runInSandbox } from './sandbox-client.ts';
import type { UserFunction } from './settings.ts';
import type { Words } from './words.ts';

interface BuiltIn {
  /** For the visitor. */
  title: Words;
  tool: FunctionTool;
  run(args: Record<string, unknown>, signal: AbortSignal): Promise<string>;
}

function define(name: string, description: string, properties: Record<string, unknown>): FunctionTool {
  return { type: 'function', function: { name, description, parameters: { type: 'object', properties, required: Object.keys(properties) } } };
}

function text(args: Record<string, unknown>, name: string): string {
  const value = args[name];
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new Error(`the argument "${name}" is missing`);
  }
  return String(value);
}

export const builtIns: BuiltIn[] = [
  {
    title: t('toolCalculator'),
    tool: define('calculator', 'Evaluate an arithmetic expression.', { expression: { type: 'string', description: 'The expression, such as 3 * (17 + 25)' } }),
    run: async (args) => formatNumber(calculate(text(args, 'expression'))),
  },
  {
    title: t('toolClock'),
    tool: { type: 'function', function: { name: 'clock', description: 'Get the current date and time.', parameters: { type: 'object', properties: {} } } },
    run: async () => {
      const now = new Date();
      const pad = (n: number) => String(n).padStart(2, '0');
      const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      return `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())} ${pad(now.getHours())}:${pad(now.getMinutes())} (${zone})`;
    },
  },
  {
    title: t('toolJavaScript'),
    tool: define('javascript', 'Run JavaScript in a sandbox without network. Returns what it prints and the value of the last expression.', { code: { type: 'string', description: 'The program' } }),
    run: (args, signal) => runInSandbox(text(args, 'code'), signal),
  },
];

/** The functions of a conversation, as a request has them. */
export function toolsFor(names: string[], own: UserFunction[]): FunctionTool[] {
  const all = [...builtIns.map((b) => b.tool), ...own.map(toTool)];
  return all.filter((t) => names.includes(t.function.name));
}

export function toTool(f: UserFunction): FunctionTool {
  return { type: 'function', function: { name: f.name, ...(f.description && { description: f.description }), parameters: JSON.parse(f.parameters) as Record<string, unknown> } };
}

/** What is wrong with a function that the visitor defines; empty: nothing. */
export function checkFunction(f: UserFunction, others: UserFunction[]): string {
  if (!/^[\w.-]{1,64}$/.test(f.name)) {
    return String(t('toolNameWrong'));
  }
  if (builtIns.some((b) => b.tool.function.name === f.name) || others.some((o) => o.name === f.name)) {
    return String(t('toolNameTaken', { name: f.name }));
  }
  try {
    const schema: unknown = JSON.parse(f.parameters);
    if (typeof schema !== 'object' || schema === null || (schema as { type?: unknown }).type !== 'object') {
      return String(t('toolSchemaWrong', { example: schemaExample }));
    }
  } catch (error) {
    return String(t('toolNotJSON', { reason: (error as Error).message }));
  }
  return '';
}

/** Runs a call; undefined: the visitor writes the result. What fails is told to the model as the result. */
export async function runCall(call: ToolCall, signal: AbortSignal): Promise<string | undefined> {
  const builtIn = builtIns.find((b) => b.tool.function.name === call.function.name);
  if (!builtIn) {
    return undefined;
  }
  try {
    const args: unknown = JSON.parse(call.function.arguments || '{}');
    if (typeof args !== 'object' || args === null) {
      throw new Error('the arguments are not an object');
    }
    return await builtIn.run(args as Record<string, unknown>, signal);
  } catch (error) {
    if (signal.aborted) {
      throw error;
    }
    return `Error: ${(error as Error).message}`;
  }
}
