package playback

import (
	"cmp"
	"math"
	"slices"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// others is how many tokens share the probability that a file gives to none.
const others = 24

// token returns a token with the log probabilities that a row asks for: its own, and those of the top most likely ones. What the file
// leaves of the probability is spread over tokens at random.
func (m *Model) token(id int32, o *odds, top, position int) engine.Token {
	t := engine.Token{ID: id}
	if top < 0 {
		return t
	}
	if o == nil {
		o = &odds{p: usual}
	}
	all := []chance{{id, o.p}}
	left := 1 - o.p
	add := func(c chance) {
		if !slices.ContainsFunc(all, func(o chance) bool { return o.id == c.id }) {
			all = append(all, c)
		}
	}
	for _, c := range o.alternatives {
		left -= c.p
		add(c)
	}
	random := m.random(position)
	var weights [others]float64
	sum := 0.0
	for i := range weights {
		weights[i] = random.ExpFloat64()
		sum += weights[i]
	}
	for _, w := range weights {
		add(chance{random.Int32N(tokenizer.StartOfText), max(0, left) * w / sum})
	}
	slices.SortFunc(all, func(a, b chance) int { return cmp.Or(-cmp.Compare(a.p, b.p), cmp.Compare(a.id, b.id)) })
	t.LogProb = logarithm(o.p)
	for _, c := range all[:min(top, len(all))] {
		t.Top = append(t.Top, sample.LogProb{ID: c.id, LogProb: logarithm(c.p)})
	}
	return t
}

// logarithm is that of a probability. What cannot happen is as unlikely as it takes to stay a number.
func logarithm(p float64) float32 { return float32(math.Log(max(p, 1e-30))) }
