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

export { localFetch } from './page/http-api.ts';
export type { Completions, Gossamer, RequestOptions, StreamOptions, StreamPromise } from './page/client.ts';
export { create, type CreateOptions } from './page/create.ts';
export type { Logger, LogLevel } from './page/log.ts';
export { canRun, deleteModel, environment, listModels, openModels, type Environment, type ModelVerdict, type Verdict } from './page/environment.ts';
export { RuntimeError, type RuntimeErrorCode, type RuntimeErrorDetails } from './shared/errors.ts';
export type { AdapterInfo } from './shared/device.ts';
export type { Backend, EngineStats } from './shared/engine.ts';
export type { Fetch, LocalFiles } from './shared/files.ts';
export { manifestURL, modelName } from './shared/manifest.ts';
export { models, type PublishedModel } from './shared/models.ts';
export { formatBytes } from './shared/bytes.ts';
export type { Bill, BillOptions } from './shared/plan.ts';
export type { ModelInfo, Notice, Phase, Progress } from './shared/protocol.ts';
export type { Reason, ReasonName, ReasonValue } from './shared/reasons.ts';
export type { StoredModel } from './shared/storage.ts';
export type { ReplyToken } from './page/reply-tokens.ts';
export type { Stream } from './page/stream.ts';
export type * from './shared/types.ts';
export { version } from './shared/version.ts';
