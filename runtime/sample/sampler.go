package sample

import (
	"fmt"
	"math"
)

// A Sampler draws the tokens of one reply. It keeps what the penalties need to know and scratch memory; it is used by one
// goroutine.
type Sampler struct {
	params     Params
	vocab      int
	seen       map[int32]int // occurrences in prompt and reply, for RepetitionPenalty
	replied    map[int32]int // occurrences in the reply, for PresencePenalty and FrequencyPenalty
	candidates []candidate
}

// New returns a sampler for rows of vocab logits. prompt is what the reply follows.
func New(p Params, vocab int, prompt []int32) (*Sampler, error) {
	if err := p.Validate(vocab); err != nil {
		return nil, err
	}
	if p.PenaltyVocab == 0 {
		p.PenaltyVocab = math.MaxInt32
	}
	s := &Sampler{params: p, vocab: vocab}
	if p.repetition() {
		s.seen = make(map[int32]int)
		for _, id := range prompt {
			s.count(s.seen, id)
		}
	}
	if p.additive() {
		s.replied = make(map[int32]int)
	}
	return s, nil
}

// Params are those of New.
func (s *Sampler) Params() Params { return s.params }

// Choose returns the token for a position, the position that it will stand at. allowed is a bit set of the tokens that may be
// drawn, [(vocab+31)/32], nil for all. logits, [vocab], is overwritten.
func (s *Sampler) Choose(logits []float32, position int, allowed []uint32) (int32, error) {
	if len(logits) != s.vocab {
		return 0, fmt.Errorf("sample: row has %d logits, want %d", len(logits), s.vocab)
	}
	p := &s.params
	addBias(logits, p.LogitBias)
	if s.seen != nil {
		penalizeRepetition(logits, s.seen, p.RepetitionPenalty)
	}
	if s.replied != nil {
		penalizePresence(logits, s.replied, p.PresencePenalty, p.FrequencyPenalty)
	}
	allowOnly(logits, allowed)
	if p.Greedy() {
		return argmax(logits)
	}

	c, err := candidates(s.candidates[:0], logits, p.Temperature)
	s.candidates = c
	if err != nil {
		return 0, err
	}
	if p.TopK > 0 {
		c = keepTopK(c, p.TopK)
	}
	if p.TopP > 0 && p.TopP < 1 {
		c = keepTopP(c, p.TopP)
	}
	if p.MinP > 0 {
		c = keepMinP(c, p.MinP)
	}
	return draw(c, p.Seed, position), nil
}

// Accept counts a token of the reply for the penalties.
func (s *Sampler) Accept(id int32) {
	s.count(s.seen, id)
	s.count(s.replied, id)
}

// Counts calls visit for every token that a penalty looks for, with whether the repetition penalty holds for it and how often it occurs in the
// reply, as far as the other two want to know.
func (s *Sampler) Counts(visit func(id int32, repeated bool, inReply int)) {
	for id := range s.seen {
		visit(id, true, s.replied[id])
	}
	for id, n := range s.replied {
		if s.seen[id] == 0 {
			visit(id, false, n)
		}
	}
}

func (s *Sampler) count(m map[int32]int, id int32) {
	if m != nil && id < s.params.PenaltyVocab && int(id) < s.vocab {
		m[id]++
	}
}
