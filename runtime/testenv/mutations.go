package testenv

import (
	"math/rand/v2"
	"slices"
)

// Mutations returns n damaged copies of each seed, the same ones in every run: what fuzz targets try in every test, where the time for
// real fuzzing (make fuzz) is missing. Bytes are flipped, inserted, removed, repeated, and replaced by those of another seed; a few bytes
// that mean something in text and in binary headers are preferred.
func Mutations(n int, seeds ...[]byte) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	special := []byte("\x00\x01\x7f\x80\xff{}[]\",:0-9.eE\\ \n<|>")
	var all [][]byte
	for _, seed := range seeds {
		for range n {
			b := slices.Clone(seed)
			for range 1 + rng.IntN(4) {
				b = mutate(rng, b, special, seeds[rng.IntN(len(seeds))])
			}
			all = append(all, b)
		}
	}
	return all
}

// mutate changes b in one place.
func mutate(rng *rand.Rand, b, special, other []byte) []byte {
	at := rng.IntN(len(b) + 1)
	end := at + min(rng.IntN(9), len(b)-at)
	switch rng.IntN(6) {
	case 0: // one bit
		if at < len(b) {
			b[at] ^= 1 << rng.IntN(8)
		}
	case 1:
		if at < len(b) {
			b[at] = special[rng.IntN(len(special))]
		}
	case 2:
		return slices.Insert(b, at, special[rng.IntN(len(special))])
	case 3:
		return slices.Delete(b, at, end)
	case 4: // repeat a piece
		return slices.Insert(b, at, slices.Repeat(slices.Clone(b[at:end]), 1+rng.IntN(20))...)
	case 5: // the end of another seed
		return append(b[:at], other[rng.IntN(len(other)+1):]...)
	}
	return b
}
