// What chat.completions.create takes and gives: OpenAI's shapes, as far as the engine honours them; what it cannot honour is refused by
// name, what it does not know is left out and named. `reasoning`, `timings` and `ignored` are ours.

/** A function that the model may call. */
export interface FunctionTool {
  type: 'function';
  function: {
    name: string;
    description?: string;
    /** JSON schema of an object, which the arguments follow. */
    parameters?: Record<string, unknown>;
    /** Refuse a schema that cannot be enforced as a whole. Default: false; what is not enforced of it is named in `ignored`. */
    strict?: boolean | null;
  };
}

/** A call of a function, as the model wrote it: arguments is JSON. */
export interface ToolCall {
  id: string;
  type: 'function';
  function: {
    name: string;
    /**
     * JSON that follows the function's schema. If that is not strict, check what `ignored` names. A reply with finish_reason 'length' may end
     * within it.
     */
    arguments: string;
  };
}

/** A part of a message; there are none but texts. */
export interface TextPart {
  type: 'text';
  text: string;
}

/** A message of a conversation. */
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

/** What an answer has to be. The model is shown a schema; JSON has no spaces between its symbols. */
export type ResponseFormat =
  | { type: 'text' }
  /** Any object. */
  | { type: 'json_object' }
  | {
      type: 'json_schema';
      json_schema: {
        name: string;
        description?: string;
        /** The answer follows it. */
        schema: Record<string, unknown>;
        /** Refuse a schema that cannot be enforced as a whole. Default: false; what is not enforced of it is named in `ignored`. */
        strict?: boolean | null;
      };
    };

/** Other forms of an answer, as vLLM's clients ask for them: one of these. */
export type StructuredOutputs =
  /** Of the whole answer, in the syntax of JavaScript. */
  | { regex: string }
  | { choice: string[] }
  /** EBNF, which begins at its rule `root`. */
  | { grammar: string }
  /** As a json_schema that is not strict. */
  | { json: Record<string, unknown> }
  | { json_object: true };

/** Fields of a request. Defaults are the model's own. */
export interface ChatParams {
  messages: ChatMessage[];
  /** Any; the open model answers. */
  model?: string;
  /** Default: medium. none: without reasoning, and without tools; minimal is low, xhigh and max are high. */
  reasoning_effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' | null;
  /** Of the reply, reasoning included. An answer with a format, or a call that is demanded, is complete before they run out. */
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
  /** A call that is demanded comes behind the reasoning. */
  tool_choice?: 'none' | 'auto' | 'required' | { type: 'function'; function: { name: string } };
  response_format?: ResponseFormat;
  /** The last message is the assistant's: the beginning of the reply, which goes on from there. It is not sent again. */
  continue_final_message?: boolean;
  /** In place of response_format. */
  structured_outputs?: StructuredOutputs;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
}

/** A request for a reply in parts. */
export type ChatParamsStreaming = ChatParams & { stream: true };
/** A request for a whole reply. */
export type ChatParamsNonStreaming = ChatParams & { stream?: false | null };

/** Why a reply ended: of itself, for want of tokens, or with calls that wait for their results. */
export type FinishReason = 'stop' | 'length' | 'tool_calls';

/** A token of the answer and the logarithm of its probability. */
export interface TokenLogprob {
  token: string;
  logprob: number;
  /** UTF-8; a token is not always whole characters. */
  bytes: number[] | null;
}

/** The tokens of an answer, with likely others in place of each. */
export interface ChatLogprobs {
  content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[] | null;
  refusal: null;
}

/** Tokens of a request and its reply. */
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

/** A whole reply. */
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
  /**
   * Unknown fields of the request, which were left out, such as "messages[].foo", and what is not enforced of schemas, such as
   * "response_format.json_schema.schema/properties/a/pattern".
   */
  ignored?: string[];
}

/** A part of a call; index says of which. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function?: { name?: string; arguments?: string };
}

/** A part of a reply. */
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
  /** In the first chunk; as in ChatCompletion. */
  ignored?: string[];
}

/** An open model, by the name that requests may use. */
export interface Model {
  id: string;
  object: 'model';
  /** Seconds since 1970. */
  created: number;
  owned_by: string;
}

/** The open models. */
export interface ModelList {
  object: 'list';
  data: Model[];
}
