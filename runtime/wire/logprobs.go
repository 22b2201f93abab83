package wire

import (
	"strings"

	"gossamer/runtime/chat"
)

// TokenLogprob is a token of the answer and the most likely ones in its place.
type TokenLogprob struct {
	Logprob
	Top []Logprob `json:"top_logprobs"`
}

// Logprob is how likely a token is.
type Logprob struct {
	Token   string  `json:"token"`   // U+FFFD in place of what is not whole characters
	Bytes   []int   `json:"bytes"`   // exactly
	Logprob float32 `json:"logprob"` // natural logarithm; -9999 if the token is impossible
}

// Logprobs is how the API has log probabilities.
func Logprobs(tokens []chat.TokenLogprob) []TokenLogprob {
	all := []TokenLogprob{}
	for _, t := range tokens {
		token := TokenLogprob{Logprob: newLogprob(t), Top: []Logprob{}}
		for _, top := range t.Top {
			token.Top = append(token.Top, newLogprob(top))
		}
		all = append(all, token)
	}
	return all
}

func newLogprob(t chat.TokenLogprob) Logprob {
	p := Logprob{Token: strings.ToValidUTF8(string(t.Bytes), "\ufffd"), Bytes: []int{}, Logprob: max(t.LogProb, -9999)}
	for _, b := range t.Bytes {
		p.Bytes = append(p.Bytes, int(b))
	}
	return p
}
