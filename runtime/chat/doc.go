// Package chat answers requests that are made of messages: it renders them as a harmony conversation, lets the engine continue it,
// and reads what the model writes as events.
//
// A turn is everything that the assistant writes in answer to one user message: reasoning, calls of tools with their results in
// between, and the answer. A reply is what one request yields: it ends with the answer, or with calls that wait for results. The
// reasoning of turns that ended with an answer is left out of later prompts, as harmony asks; that of the turn in progress is kept,
// if the caller sends it back ([Message.Reasoning]).
package chat
