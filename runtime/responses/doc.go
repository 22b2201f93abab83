// Package responses is the wire form of OpenAI's Responses API: it reads requests into [chat.Request] and writes replies as response objects and
// server-sent events. It opens no connection, keeps nothing and reads no clock.
//
// # Requests
//
// As in package openai, [Decode] refuses by name what cannot be honoured, and leaves out and names what it does not know; null counts as absent.
//
//	input                    text, or items: message (of user, system, developer, assistant; parts input_text and output_text), reasoning,
//	                         function_call, function_call_output, item_reference; items of hosted tools are left out
//	instructions             before those of system and developer messages; not kept for the next response
//	previous_response_id     the conversation that this one continues
//	tools, tool_choice       functions, as in package openai; tools of other types are left out; also allowed_tools
//	text.format              text, json_object, json_schema
//	reasoning.effort         as in package openai
//	max_output_tokens        reasoning included
//	temperature, top_p, and what else package openai has for sampling
//	include                  reasoning.encrypted_content, message.output_text.logprobs; others have no effect
//	top_logprobs             with logprobs of each token of the answer
//	store                    true if absent: the response can be asked for, and continued
//	stream
//	background, truncation, service_tier, text.verbosity
//	                         only with the value that means what happens anyway
//	metadata, user, safety_identifier, prompt_cache_key, parallel_tool_calls, max_tool_calls, reasoning.summary, client_metadata,
//	stream_options, prompt_cache_retention
//	                         no effect; some are repeated in the response
//
// # Replies
//
// A reply is a sequence of output items: reasoning, whose text is in content; message, whose phase says whether it is the answer
// (final_answer) or comes before calls (commentary); function_call. encrypted_content of reasoning, if asked for, is its text in a form
// that is read back where the content is missing.
package responses
