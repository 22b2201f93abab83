// What exactly went wrong, by names and values, so that a page can say it in its visitor's language. Errors say it in these sentences.

import { formatBytes } from './bytes.ts';

/** The sentences of reasons, by their names. */
export const reasons = {
  // The host of a model
  'answers': 'the host answers {status}',
  'answers-later': 'the host answers {status} and asks to wait for {minutes} minutes',
  'unreachable': 'the host cannot be reached, or does not allow this page (CORS)',
  'no-answer': 'no answer for {seconds} s',
  'no-byte': 'no byte for {seconds} s',
  'too-slow': 'fewer than {rate} bytes a second for {seconds} s',
  'broke': 'the connection broke',
  'ended-early': 'the connection ended after {got} of {want} bytes',
  'empty': 'the answer is empty',
  'too-long': 'the host sends more than the {want} bytes of the manifest',
  'other-file': 'the host sends more than {want} bytes: this is not the file that was asked for',
  'whole-file': 'the host sends more than {want} bytes: it serves whole files only: pack the model, or use another host',
  'whole-files': 'the host sends whole files only: pack the model, or use another host',
  'no-ranges': 'the host does not serve ranges of files',
  'not-as-told': 'the host answers {status}: the file is not as the manifest says',
  'other-range': 'the host answers with bytes from {got} on instead of {want}',
  'no-size': 'the host does not say how large the file is: pack the model, or use another host',
  'to-http': 'the host sends on from https to http, which anybody on the way can change',
  'changed': 'the file has changed on the host',
  'changed-since': 'the file has changed on the host since the model was opened',
  'no-repository': 'the host answers {status}, nor is there a repository: {why}',
  'no-worker': 'the worker cannot be loaded',
  'not-published': 'the bytes are not the ones published: sha256 is {got}, want {want}',
  'not-as-before': 'the bytes are not the ones seen before: sha256 is {got}, want {want}',
  // What is no model
  'no-url': 'model {model} is not a URL',
  'no-web-url': 'model {model} is not a URL of https or http',
  'login-in-url': 'model {model} has a user or password in its URL, which others can see and a page cannot send: use a host that serves the files without a login',
  'query-in-url': 'model {model} has ? or # in its URL, which a directory has not',
  'file-url': 'model {model} is a file: give the directory of the model, its manifest.json or its config.json',
  'no-manifest': 'this is not JSON, so not a manifest',
  'other-manifest': 'this is not the manifest of a packed model',
  'manifest-version': 'the manifest has version {version}, this library reads 1: use the release that packed the model, or a newer one',
  'manifest-config': 'the configuration is incomplete',
  'manifest-chunks': 'the list of chunks is damaged',
  'other-config': 'this is not the configuration of a gpt-oss',
  'no-weights': 'there is a configuration, but no model.safetensors beside it',
  'damaged-files': 'the files beside it are damaged: not JSON',
  // The browser and the GPU
  'insecure': 'WebGPU works only in secure contexts, and {page} is none',
  'no-webgpu': 'this browser has no WebGPU',
  'no-adapter': 'the browser knows WebGPU but offers no adapter',
  'gpu-not-opened': 'the browser does not open the GPU: {why}',
  'limit': 'the GPU allows {limit} {got}, the model needs {want}',
  'too-large': 'the model has {got} of weights, and without a GPU only models of up to {want} can be computed',
  'emulated': 'WebGPU is emulated by the processor: replies are right, but slow',
  'processor': 'the processor computes: replies are right, but slow',
  'much-memory': 'the model takes {want} of GPU memory, which this GPU may not have',
  'no-room': "the browser's storage lacks {want}: the weights will be downloaded again on each visit",
  'context': 'context is {got}, the model has 1 to {want} positions',
  // Tabs and engines
  'other-context': 'another tab has opened the model with a context of {got}, this one asks for {want}',
  'other-kv': 'another tab has opened the model with {got} keys and values, this one asks for {want}',
  'tab-gone': 'the tab that ran the model was closed or loaded it again',
  'tab-closed': 'the tab that ran the model was closed',
  'tab-silent': 'the tab that runs the model does not answer',
  'closed': 'the model was closed',
  'not-open': 'no model is open',
  'damaged-weights': "a part of the weights in the browser's storage turned out to be damaged, replies since the model was loaded may be wrong",
  'gpu-lost': 'the GPU was lost: {why}',
  'reply-lost': 'the GPU was lost, and the reply could not be continued as it had begun',
  'stopped': 'the engine has stopped: {why}',
  'worker-failed': 'the worker failed: {why}',
  'other-version': 'gossamer.wasm is of version {got}, worker.js of {want}',
} as const;

/** The name of a reason. */
export type ReasonName = keyof typeof reasons;

/** What a reason has in its sentence. */
export type ReasonValue = string | number | { bytes: number };

/** What exactly went wrong. */
export interface Reason {
  name: ReasonName;
  values: { [name: string]: ReasonValue };
  /** What it is about, in front of the sentence. */
  url?: string | undefined;
}

/** A reason in its sentence. */
export function sentenceOf({ name, values, url }: Reason): string {
  const sentence = reasons[name].replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = values[key]!;
    return typeof value === 'object' ? formatBytes(value.bytes) : String(value);
  });
  return url === undefined ? sentence : `${url}: ${sentence}`;
}
