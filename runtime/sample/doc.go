// Package sample chooses the next token from a row of logits. Every transform is a pure function on slices; Sampler puts them in
// order, reuses its scratch memory and never sorts the vocabulary.
package sample
