package testenv

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
)

// mutationsPerSeed are tried in every run.
const mutationsPerSeed = 300

// Fuzz is f.Fuzz for a parser of text or bytes. Where nothing is fuzzed, as in the tests, check is also called with damaged copies of the
// seeds, the same ones in every run; make fuzz goes on from the seeds for as long as it is told.
func Fuzz[T string | []byte](f *testing.F, seeds []T, check func(t testing.TB, input T)) {
	f.Helper()
	for _, seed := range seeds {
		f.Add(seed)
	}
	if fuzz := flag.Lookup("test.fuzz"); fuzz == nil || fuzz.Value.String() == "" {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, seed := range seeds {
			for range mutationsPerSeed {
				b := slices.Clone([]byte(seed))
				for range 1 + rng.IntN(4) {
					b = mutate(rng, b, []byte(seeds[rng.IntN(len(seeds))]))
				}
				try(f, T(b), check)
			}
		}
	}
	f.Fuzz(func(t *testing.T, input T) { check(t, input) })
}

// try calls check and tells the input if it fails, in whatever way.
func try[T string | []byte](f *testing.F, input T, check func(t testing.TB, input T)) {
	f.Helper()
	passed := false
	defer func() {
		if !passed {
			f.Fatalf("with the input %q", input)
		}
	}()
	check(f, input)
	passed = !f.Failed()
}

// special are bytes that mean something in text and in binary headers.
const special = "\x00\x01\x7f\x80\xff{}[]\",:0-9.eE\\ \n<|>"

// mutate changes b in one place, or gives it the end of other.
func mutate(rng *rand.Rand, b, other []byte) []byte {
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
