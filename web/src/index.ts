/**
 * Runs gpt-oss in the tab, on the visitor's GPU, from weights on any static host.
 *
 * ```js
 * import { create } from 'gossamer';
 *
 * const ai = await create({ model: 'https://example.org/gpt-oss-20b/' });
 * const messages = [{ role: 'user', content: 'Why is the sky blue?' }];
 * for await (const chunk of ai.chat.completions.create({ messages, stream: true })) {
 *   console.log(chunk.choices[0]?.delta.content ?? '');
 * }
 * ```
 *
 * @module
 */

export { localFetch } from './answer.ts';
export type { Completions, Gossamer, RequestOptions, StreamPromise } from './client.ts';
export { create, type CreateOptions } from './create.ts';
export { canRun, deleteModel, environment, listModels, type Environment, type ModelVerdict, type Verdict } from './environment.ts';
export { RuntimeError, type RuntimeErrorCode, type RuntimeErrorDetails } from './errors.ts';
export type { AdapterInfo } from './device.ts';
export type { EngineStats } from './engine.ts';
export type { LocalFiles } from './files.ts';
export type { Bill, BillOptions } from './plan.ts';
export type { ModelInfo, Notice, Phase, Progress } from './protocol.ts';
export type { StoredModel } from './storage.ts';
export type { Stream } from './stream.ts';
export type * from './types.ts';
