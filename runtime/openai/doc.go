// Package openai is the wire form of OpenAI's chat completions API: it reads requests into [chat.Request] and writes replies as
// completions, chunks and server-sent events. It opens no connection and reads no clock, so that a server and a browser's worker
// can share it.
//
// # Requests
//
// [Decode] refuses by name what cannot be honoured, and leaves out and names in [Request] what it does not know; [DecodeStrict]
// refuses that too. null counts as absent. What a model wrote is never refused when it comes back.
//
//	model                          any string, for the caller to judge
//	messages                       system, developer, user, assistant, tool; content is text, or parts of type text, which are
//	                               joined by line breaks
//	messages[].name                of a user, shown to the model; of others, not shown
//	messages[].reasoning           of the assistant, also as reasoning_content: send it back while calls are in progress
//	messages[].tool_calls, .tool_call_id
//	                               calls of any name; several calls of one id are answered in their order
//	continue_final_message         the last message, the assistant's, with reasoning, content or both, is the beginning of the reply, which
//	                               goes on from there and is not sent again; add_generation_prompt may be there, and follows from it
//	tools                          functions, whose arguments follow their schemas: where a schema cannot be enforced as a whole,
//	                               strict refuses it, else what is left out is named; tools of other types are left out
//	tool_choice                    none, auto, required, or a function
//	parallel_tool_calls            either; the model makes one call at a time
//	response_format                text, json_object, json_schema: the answer follows it, strict as for functions
//	structured_outputs             regex, choice, grammar (EBNF), json, json_object: one of them, which the answer follows
//	reasoning_effort               low, medium, high; none, without tools; minimal is low, xhigh and max are high; also as
//	                               reasoning.effort
//	temperature, top_p             1 if absent, as OpenAI recommends for the model; top_p 0 keeps the most likely token alone
//	top_k, min_p                   0, which is off, if absent; top_k -1 is off too
//	presence_penalty, frequency_penalty, repetition_penalty
//	logit_bias                     by token id
//	seed                           at random if absent
//	stop                           a string or up to 16, of which none is in the content; reasoning is not searched
//	max_completion_tokens          reasoning included; also as max_tokens; -1 is no limit
//	logprobs, top_logprobs         of the answer's tokens
//	stream, stream_options         include_usage; include_obfuscation has no effect
//	n, modalities, service_tier, verbosity, background, truncation
//	                               only with the value that means what happens anyway
//	user, metadata, store, safety_identifier, client_metadata, include, betas, reasoning.summary, cache_control,
//	prompt_cache_key, prompt_cache_options, prompt_cache_retention; of messages annotations, parsed, tool_calls[].index
//	                               no effect: labels, hints, and what replies have
//
// # Replies
//
// A reply has OpenAI's fields. In addition, messages and deltas have reasoning, usage has [Timings], and ignored names the fields of
// the request that were left out, and the keywords of schemas that are not enforced, in the first chunk of a streamed reply.
package openai
