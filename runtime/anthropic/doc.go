// Package anthropic is the wire form of Anthropic's Messages API: it reads requests into [chat.Request] and writes replies as messages and
// server-sent events. It opens no connection and reads no clock.
//
// # Requests
//
// [Decode] refuses by name what cannot be honoured, and leaves out and names in [Request] what it does not know, which it refuses too
// if it is strict. null counts as absent. What a model wrote is never refused when it comes back.
//
//	model                          any string, for the caller to judge
//	max_tokens                     thinking included; -1 is no limit
//	messages                       user and assistant; system is instructions, which all stand at the beginning. Content is text or blocks,
//	                               of which those of text are joined by blank lines:
//	  text                         its citations have no effect
//	  thinking, redacted_thinking  of the assistant: send it back while calls are in progress. What another model thought is left away if
//	                               it is redacted
//	  tool_use                     calls of any name
//	  tool_result                  text; is_error puts "Error: " before it; tool_reference is the tool's name
//	  image, document, search_result and what Anthropic's own tools write
//	                               refused
//	system                         text or blocks, without lines that begin with x-anthropic-billing-header:
//	tools                          with an input_schema, which calls follow: where a schema cannot be enforced as a whole, strict refuses it,
//	                               else what is left out is named; those of Anthropic's types are left out
//	tool_choice                    auto, any, tool, none; disable_parallel_tool_use either: the model makes one call at a time
//	thinking                       disabled: the model thinks little, and it is not shown. enabled: budget_tokens below 4,096 is low effort,
//	                               below 16,384 medium, else high. adaptive and between_tools are medium. display: with omitted the text is
//	                               in the signature alone
//	output_config.effort           low, medium, high; xhigh and max are high; goes before the budget; none, without tools, does not think
//	output_config.format           json_schema: the answer follows it; one that cannot be enforced as a whole is refused; also output_format
//	stop_sequences                 up to 16, of which none is in the text; thinking is not searched
//	temperature, top_p, top_k, and the further fields of package openai for sampling
//	stream
//	service_tier, speed            only with known values, which mean the same here
//	metadata, cache_control, inference_geo, diagnostics, betas, billing_policy, fallback_credit_token, user_profile_id, anthropic_version; of
//	                               tools eager_input_streaming, defer_loading, allowed_callers; of calls caller, toolset_name
//	                               no effect: labels, hints, and what needs no decision here
//	container, mcp_servers, thread, an assistant's message at the end, which would be continued
//	                               refused
//
// # Replies
//
// A message has a block for each item of the reply, in their order: thinking, with a signature that nobody checks; text; tool_use. The input
// of a call is always an object. Calls of offered functions have arguments that are one; where such a call is cut off, its input is empty.
// Arguments that are no object, which calls of other functions can have, become {"_unparsed": TEXT}, and are that text when they come back.
//
// input_tokens are those that were computed, cache_read_input_tokens those that were known from before.
package anthropic
