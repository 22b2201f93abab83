// Package openai is the wire form of OpenAI's chat completions API: it reads requests into [chat.Request] and writes replies as
// completions, chunks and server-sent events. It opens no connection and reads no clock, so that a server and a browser's worker
// can share it.
//
// # Requests
//
// [Decode] is strict: what it does not know, and what cannot be honoured, is refused by name. null counts as absent.
//
//	model                          any string, for the caller to judge
//	messages                       system, developer, user, assistant, tool; content is text, or parts of type text, which are
//	                               joined by line breaks
//	messages[].reasoning           of the assistant, also as reasoning_content: send it back while calls are in progress
//	messages[].tool_calls, .tool_call_id
//	tools                          functions; strict is refused, arguments are not enforced
//	tool_choice                    none, auto, required, or a function
//	parallel_tool_calls            either; the model makes one call at a time
//	response_format                text; json_object and json_schema are shown to the model but not enforced, strict is refused
//	reasoning_effort               low, medium, high; also as reasoning.effort
//	temperature, top_p             1 if absent, as OpenAI recommends for the model; top_p 0 keeps the most likely token alone
//	top_k, min_p                   0, which is off, if absent
//	presence_penalty, frequency_penalty, repetition_penalty
//	logit_bias                     by token id
//	seed                           at random if absent
//	stop                           a string or up to 16, of which none is in the answer; reasoning is not searched
//	max_completion_tokens          reasoning included; also as max_tokens
//	logprobs, top_logprobs         of the answer's tokens
//	stream, stream_options         include_usage
//	n, store, modalities, service_tier, verbosity
//	                               only with the value that means what happens anyway
//	user, metadata, safety_identifier, prompt_cache_key, prompt_cache_options, prompt_cache_retention
//	                               no effect: labels and hints
//
// # Replies
//
// A reply has OpenAI's fields. In addition, messages and deltas have reasoning, and usage has [Timings].
package openai
