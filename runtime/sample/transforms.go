package sample

import (
	"errors"
	"math"
)

// ErrNoToken means that no logit of a row is a finite number: everything is forbidden, or the model computed NaN.
var ErrNoToken = errors.New("sample: no token has a finite logit")

// argmax returns the id of the largest finite logit, the lowest id on ties. NaN and infinities are never chosen; if there is
// nothing else the error is ErrNoToken.
func argmax(logits []float32) (int32, error) {
	best := -1
	for id, x := range logits {
		if (best < 0 || x > logits[best]) && finite(x) {
			best = id
		}
	}
	if best < 0 {
		return 0, ErrNoToken
	}
	return int32(best), nil
}

// addBias adds bias to single logits.
func addBias(logits []float32, bias map[int32]float32) {
	for id, b := range bias {
		logits[id] += b
	}
}

// penalizeRepetition divides the positive logits and multiplies the negative ones of every token in seen by penalty.
func penalizeRepetition(logits []float32, seen map[int32]int, penalty float32) {
	for id := range seen {
		if logits[id] > 0 {
			logits[id] /= penalty
		} else {
			logits[id] *= penalty
		}
	}
}

// penalizePresence subtracts presence once, and frequency for each of its occurrences, from the logit of every token in counts. Product,
// sum and difference round each for itself on every machine (the conversions forbid to fuse them), as they do on a device.
func penalizePresence(logits []float32, counts map[int32]int, presence, frequency float32) {
	for id, n := range counts {
		logits[id] -= float32(presence + float32(float32(n)*frequency))
	}
}

// allowOnly sets the logits of all tokens outside the bit set to -Inf. allowed is [(vocab+31)/32], bit id%32 of word id/32.
func allowOnly(logits []float32, allowed []uint32) {
	minusInf := float32(math.Inf(-1))
	for w, word := range allowed {
		if word == math.MaxUint32 {
			continue
		}
		for id := w * 32; id < min(w*32+32, len(logits)); id++ {
			if word>>(id%32)&1 == 0 {
				logits[id] = minusInf
			}
		}
	}
}

// A candidate is a token that may still be drawn.
type candidate struct {
	ID     int32
	Logit  float32 // (logit - largest logit) / temperature: 0 or less
	weight float32 // exp(Logit), the probability up to a common factor; computed by TopP
}

// better is the order of candidates: larger logit first, lower id on ties.
func better(a, b candidate) bool { return a.Logit > b.Logit || a.Logit == b.Logit && a.ID < b.ID }

// reach is how far below the largest logit, in units of temperature, a candidate may lie. The noise differs by less than 26
// between two tokens, so that no token beyond is ever drawn; and all of them together have less probability than float32
// resolves (2e5 * exp(-40) = 8e-13).
const reach = 40

// candidates appends the tokens that can be drawn at a temperature to dst, in order of id.
func candidates(dst []candidate, logits []float32, temperature float32) ([]candidate, error) {
	best, err := argmax(logits)
	if err != nil {
		return dst, err
	}
	top := logits[best]
	lowest := top - reach*temperature
	for id, x := range logits {
		if x >= lowest && finite(x) {
			dst = append(dst, candidate{ID: int32(id), Logit: (x - top) / temperature})
		}
	}
	return dst, nil
}

// keepTopK keeps the k best candidates, in any order, and reorders c.
func keepTopK(c []candidate, k int) []candidate {
	if k >= len(c) {
		return c
	}
	return best(c, float64(k), func(candidate) float64 { return 1 })
}

// keepTopP keeps the smallest number of the best candidates that have together at least the fraction p of the probability of all in
// c, in any order, and reorders c.
func keepTopP(c []candidate, p float32) []candidate {
	sum := 0.0
	for i := range c {
		c[i].weight = exp(c[i].Logit)
		sum += float64(c[i].weight)
	}
	return best(c, float64(p)*sum, func(x candidate) float64 { return float64(x.weight) })
}

// keepMinP keeps the candidates that are at least p times as probable as the most probable token, in order. That one has Logit 0.
func keepMinP(c []candidate, p float32) []candidate {
	lowest := float32(math.Log(float64(p)))
	kept := c[:0]
	for _, x := range c {
		if x.Logit >= lowest {
			kept = append(kept, x)
		}
	}
	return kept
}

// best moves the best candidates to the front, as few as have together the given weight, and returns them; all of c if there is
// not that much. It is quickselect by weight: linear time, no sorting.
func best(c []candidate, target float64, weight func(candidate) float64) []candidate {
	lo, hi := 0, len(c) // c[:lo] are in, c[hi:] are out
	have := 0.0         // weight of c[:lo]
	for hi-lo > 1 {
		pivot := partition(c[lo:hi]) + lo
		above := 0.0
		for _, x := range c[lo:pivot] {
			above += weight(x)
		}
		switch {
		case pivot > lo && have+above >= target:
			hi = pivot
		case have+above+weight(c[pivot]) >= target:
			return c[:pivot+1]
		default:
			have += above + weight(c[pivot])
			lo = pivot + 1
		}
	}
	return c[:hi]
}

// partition reorders c around the median of three of its elements and returns where that one came to stand: better ones are before
// it, the others after it.
func partition(c []candidate) int {
	last := len(c) - 1
	a, b, d := 0, last/2, last
	if better(c[b], c[a]) {
		a, b = b, a
	}
	if better(c[d], c[b]) {
		b = d
		if better(c[d], c[a]) {
			b = a
		}
	}
	c[b], c[last] = c[last], c[b]
	n := 0
	for i := range last {
		if better(c[i], c[last]) {
			c[i], c[n] = c[n], c[i]
			n++
		}
	}
	c[n], c[last] = c[last], c[n]
	return n
}

// draw returns the candidate with the largest logit plus Noise(seed, position, id), the lowest id on ties. It is a draw from the
// softmax of the candidates' logits, whatever their order. c is not empty.
func draw(c []candidate, seed uint64, position int) int32 {
	key := noiseKey(seed, position)
	bestID, bestScore := int32(-1), float32(math.Inf(-1))
	for _, x := range c {
		h := mix(key ^ uint32(x.ID))
		if x.Logit+gumbelBound(h) < bestScore {
			continue // the logarithms would not change it
		}
		score := x.Logit + gumbel(h)
		if score > bestScore || score == bestScore && x.ID < bestID {
			bestID, bestScore = x.ID, score
		}
	}
	return bestID
}

// LogProb is the logarithm of a token's probability.
type LogProb struct {
	ID      int32
	LogProb float32
}

// LogProbs returns the log probability of a token under the softmax of the logits as they are, and appends the top most likely
// tokens to dst, most likely first, lowest id first on ties. Tokens without a finite logit have -Inf and are not listed.
func LogProbs(dst []LogProb, logits []float32, id int32, top int) (LogProb, []LogProb, error) {
	bestID, err := argmax(logits)
	if err != nil {
		return LogProb{}, dst, err
	}
	largest := logits[bestID]
	sum := 0.0
	start := len(dst)
	for i, x := range logits {
		if !finite(x) {
			continue
		}
		if d := x - largest; d > -reach {
			sum += float64(exp(d))
		}
		listed := len(dst) - start
		if top == 0 || listed == top && x <= dst[len(dst)-1].LogProb {
			continue
		}
		if listed < top {
			dst = append(dst, LogProb{})
		}
		at := len(dst) - 1
		for ; at > start && dst[at-1].LogProb < x; at-- {
			dst[at] = dst[at-1]
		}
		dst[at] = LogProb{int32(i), x}
	}
	norm := largest + float32(math.Log(sum))
	for i := range dst[start:] {
		dst[start+i].LogProb -= norm
	}
	own := LogProb{ID: id, LogProb: float32(math.Inf(-1))}
	if finite(logits[id]) {
		own.LogProb = logits[id] - norm
	}
	return own, dst, nil
}

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }
