// What OpenAI's API answers besides completions, which the engine makes: model objects, server-sent events and errors, as
// runtime/openai writes them (testdata/rules).

import { isAbort, RuntimeError, type APIError } from '../shared/errors.ts';
import type { Model, ModelList } from '../shared/types.ts';

/** Describes a model; created is in seconds since 1970. */
export function modelObject(id: string, created = Math.floor(Date.now() / 1000), ownedBy = 'gossamer'): Model {
  return { id, object: 'model', created, owned_by: ownedBy };
}

/** Lists models. */
export function modelList(models: Model[]): ModelList {
  return { object: 'list', data: models };
}

/** Server-sent events of a streamed reply. If it fails, the last one is the error. */
export async function* serverSentEvents(chunks: AsyncIterable<unknown>): AsyncGenerator<string> {
  try {
    for await (const chunk of chunks) {
      yield event(JSON.stringify(chunk));
    }
    yield event('[DONE]');
  } catch (error) {
    yield event(JSON.stringify({ error: apiError(error).error }));
  }
}

const event = (data: string) => `data: ${data}\n\n`;

/** Says that no model can answer now, with status 503. */
export class Unavailable extends Error {
  readonly code: string;
  /** Of the response. */
  readonly headers: Record<string, string>;

  constructor(message: string, code: string, headers: Record<string, string>) {
    super(message);
    this.code = code;
    this.headers = headers;
  }
}

/** The status and the object with which OpenAI's API answers an error. */
export function apiError(error: unknown): { status: number; error: APIError } {
  if (error instanceof Unavailable) {
    return { status: 503, error: { message: error.message, type: 'server_error', param: null, code: error.code } };
  }
  if (error instanceof RuntimeError) {
    const { code, message, hint, details } = error;
    const status = code === 'bad-request' ? 400 : code === 'internal' ? 500 : 503;
    const type = status === 400 ? 'invalid_request_error' : 'server_error';
    return details.api ?? { status, error: { message: `${message}. ${hint}`, type, param: details.param ?? null, code: code.replaceAll('-', '_') } };
  }
  if (isAbort(error)) {
    return { status: 499, error: { message: 'the reply was cancelled', type: 'cancelled', param: null, code: 'cancelled' } };
  }
  return { status: 500, error: { message: String((error as Error)?.message ?? error), type: 'server_error', param: null, code: null } };
}
