// What chat.completions.create takes and gives: OpenAI's shapes, as far as the engine honours them; what it cannot honour is refused by
// name, what it does not know is left out and named. `reasoning`, `timings` and `ignored` are ours.

export interface FunctionTool {
  type: 'function';
  function: {
    name: string;
    description?: string;
    /** JSON schema of an object. */
    parameters?: Record<string, unknown>;
    strict?: boolean | null;
  };
}

export interface ToolCall {
  id: string;
  type: 'function';
  function: {
    name: string;
    /** JSON as the model wrote it: check it. */
    arguments: string;
  };
}

export interface TextPart {
  type: 'text';
  text: string;
}

export type ChatMessage =
  | { role: 'system' | 'developer'; content: string | TextPart[]; name?: string }
  | { role: 'user'; content: string | TextPart[]; name?: string }
  | {
      role: 'assistant';
      content?: string | TextPart[] | null;
      /** What the model thought, as it came; needed only between its tool calls and their results. */
      reasoning?: string | null;
      tool_calls?: ToolCall[];
      name?: string;
    }
  | { role: 'tool'; content: string | TextPart[]; tool_call_id: string };

/** Fields of a request. Defaults are the model's own. */
export interface ChatParams {
  messages: ChatMessage[];
  /** Any; the open model answers. */
  model?: string;
  /** Default: medium. */
  reasoning_effort?: 'low' | 'medium' | 'high' | null;
  /** Of the reply, reasoning included. */
  max_completion_tokens?: number | null;
  /** The older name of max_completion_tokens. */
  max_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
  frequency_penalty?: number | null;
  presence_penalty?: number | null;
  logit_bias?: Record<string, number> | null;
  /** Replies to the same prompt, 1 to 16, with seeds that count up; default 1. */
  n?: number | null;
  /** The same seed gives the same reply on the same machine. */
  seed?: number | null;
  /** The answer ends before the first of these; reasoning is not searched. */
  stop?: string | string[] | null;
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  tools?: FunctionTool[];
  /** Either: the model makes one call at a time. */
  parallel_tool_calls?: boolean;
  tool_choice?: 'none' | 'auto' | 'required' | { type: 'function'; function: { name: string } };
  /** Schemas are shown to the model, but not enforced. */
  response_format?:
    | { type: 'text' }
    | { type: 'json_object' }
    | { type: 'json_schema'; json_schema: { name: string; description?: string; schema?: Record<string, unknown>; strict?: boolean | null } };
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
}

export type ChatParamsStreaming = ChatParams & { stream: true };
export type ChatParamsNonStreaming = ChatParams & { stream?: false | null };

export type FinishReason = 'stop' | 'length' | 'tool_calls';

export interface TokenLogprob {
  token: string;
  logprob: number;
  /** UTF-8; a token is not always whole characters. */
  bytes: number[] | null;
}

export interface ChatLogprobs {
  content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[] | null;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number };
  completion_tokens_details?: { reasoning_tokens?: number };
  timings?: {
    /** Waiting in line included. */
    time_to_first_token_ms: number;
    /** Of the part of the prompt that was not known from before. */
    prefill_tokens_per_second: number;
    /** After the first token. */
    decode_tokens_per_second: number;
  };
}

export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  /** Seconds since 1970. */
  created: number;
  model: string;
  system_fingerprint?: string;
  choices: {
    index: number;
    message: { role: 'assistant'; content: string | null; reasoning?: string | null; refusal: null; tool_calls?: ToolCall[] };
    logprobs: ChatLogprobs | null;
    finish_reason: FinishReason;
  }[];
  usage?: Usage;
  /** Unknown fields of the request, which were left out, such as "messages[].foo". */
  ignored?: string[];
}

export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function?: { name?: string; arguments?: string };
}

export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  system_fingerprint?: string;
  choices: {
    index: number;
    delta: { role?: 'assistant'; content?: string | null; reasoning?: string | null; tool_calls?: ToolCallDelta[] };
    logprobs?: ChatLogprobs | null;
    finish_reason: FinishReason | null;
  }[];
  /** In the last chunk, if stream_options.include_usage says so. */
  usage?: Usage | null;
  /** In the first chunk: unknown fields of the request, which were left out, such as "messages[].foo". */
  ignored?: string[];
}

export interface Model {
  id: string;
  object: 'model';
  /** Seconds since 1970. */
  created: number;
  owned_by: string;
}

export interface ModelList {
  object: 'list';
  data: Model[];
}
