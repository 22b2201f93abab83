// The models that OpenAI has published.

/** A published model. */
export interface PublishedModel {
  name: string;
  /** For create and canRun. */
  url: string;
  /** Of its weights: what is downloaded, and what they take on the GPU. canRun adds what a context takes. */
  bytes: number;
}

/** The models that OpenAI has published, the smaller one first. */
export const models: readonly PublishedModel[] = [
  { name: 'gpt-oss-20b', url: 'https://huggingface.co/openai/gpt-oss-20b', bytes: 13_761_264_768 },
  { name: 'gpt-oss-120b', url: 'https://huggingface.co/openai/gpt-oss-120b', bytes: 65_248_815_744 },
];
