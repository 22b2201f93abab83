// Package wire has what the forms of the API share, OpenAI's and Anthropic's: reading requests field by field, errors that name a field, parameters of
// sampling, events of streams.
package wire
