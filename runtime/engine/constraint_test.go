package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// automaton is a constraint with all that there is: states where nearly every token may come and mostly nothing changes, states where few
// may come, and chains of tokens that must come. Near the end of a reply most states narrow.
type automaton struct {
	vocab int
	state uint64
	sets  map[[2]uint64][]uint32
}

func newAutomaton(vocab int, state uint64) *automaton {
	return &automaton{vocab, state, map[[2]uint64][]uint32{}}
}

func mix(a, b uint64) uint64 {
	h := (a+1)*0x9e3779b97f4a7c15 ^ (b+1)*0xbf58476d1ce4e5b9
	return h ^ h>>31
}

func (a *automaton) free() bool { return a.state%3 == 0 }

func (a *automaton) forced() (id int32, ok bool) {
	return int32(a.state / 3 % uint64(a.vocab)), a.state%3 == 1
}

func (a *automaton) Mask(left int) ([]uint32, bool) {
	key := [2]uint64{a.state, 0}
	if a.free() && left < 4 {
		key[1] = 1
	}
	if a.sets[key] == nil {
		set := make([]uint32, (a.vocab+31)/32)
		only, chain := a.forced()
		for id := range int32(a.vocab) {
			h := mix(a.state, uint64(id))
			yes := h%8 == 0 || id == int32(a.state%uint64(a.vocab))
			switch {
			case chain:
				yes = id == only
			case a.free():
				yes = h%7 != 0 && (key[1] == 0 || id%4 == 1)
			}
			if yes {
				set[id/32] |= 1 << (id % 32)
			}
		}
		a.sets[key] = set
	}
	return a.sets[key], a.free()
}

func (a *automaton) Accept(id int32) error {
	if mask, _ := a.Mask(1000); mask[id/32]>>(id%32)&1 == 0 {
		return fmt.Errorf("token %d is not allowed in state %d", id, a.state)
	}
	if !a.free() || id%5 == 0 {
		a.state = mix(a.state, uint64(id))
	}
	return nil
}

func (a *automaton) Forced(to []int32, _ int) []int32 {
	c := *a
	for len(to) < 6 {
		id, ok := c.forced()
		if !ok {
			break
		}
		to = append(to, id)
		c.state = mix(c.state, uint64(id))
	}
	return to
}

// End says that replies in one state of four are whole.
func (a *automaton) End() (int32, bool) { return 3, a.state%4 == 0 }

// constrainedContinuation computes a reply from nothing but the request, token by token, and why it ends.
func constrainedContinuation(vocab, context int, r engine.Request, c engine.Constraint, deterministic bool) (reply []int32, finish engine.Finish) {
	s, err := sample.New(r.Sampling, vocab, r.Tokens)
	if err != nil {
		panic(err)
	}
	limit := min(context, len(r.Tokens)+r.MaxTokens)
	tokens := slices.Clone(r.Tokens)
	row := make([]float32, vocab)
	add := func(id int32) bool {
		if slices.Contains(r.Stop, id) {
			finish = engine.FinishStop
			return false
		}
		tokens = append(tokens, id)
		if c.Accept(id) != nil {
			return false
		}
		if len(tokens) < limit {
			return true
		}
		finish = engine.FinishLength
		if _, whole := c.End(); whole {
			finish = engine.FinishStop
		}
		return false
	}
	for len(tokens) < limit {
		hashLogits(row, tokens, inRows(len(tokens), len(r.Tokens), deterministic))
		mask, _ := c.Mask(limit - len(tokens))
		id, err := s.Choose(row, len(tokens), mask)
		if err != nil || !add(id) {
			break
		}
		s.Accept(id)
		for _, id := range c.Forced(nil, limit-len(tokens)) {
			if !add(id) {
				return tokens[len(r.Tokens):], finish
			}
			if r.Sampling.Penalized() { // forced tokens are repeated ones like others
				s.Accept(id)
			}
		}
	}
	return tokens[len(r.Tokens):], finish
}

// Whatever steps the device takes, and whoever is served beside it: a reply is what its constraint and its request say.
func TestConstrainedReplies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const vocab, window = 40, 120
		b := &hashing{vocab: vocab, context: window, limits: engine.Limits{
			Rows:  rapid.IntRange(1, 3).Draw(t, "rows"),
			Draws: rapid.IntRange(1, 8).Draw(t, "draws"),
			Chunk: rapid.IntRange(1, 20).Draw(t, "chunk"),
			Pages: rapid.SampledFrom([]int{0, 3 * window, window + 5}).Draw(t, "memory"),

			Deterministic: rapid.Bool().Draw(t, "deterministic"),
		}}
		e, err := engine.New(b, engine.Options{MaxSequences: rapid.IntRange(1, 4).Draw(t, "sequences")})
		if err != nil {
			t.Fatal(err)
		}
		type call struct {
			r         engine.Request
			state     uint64
			got, want []int32
			result    engine.Result
			finish    engine.Finish
			err       error
		}
		calls := make([]*call, rapid.IntRange(1, 5).Draw(t, "calls"))
		var wait sync.WaitGroup
		for i := range calls {
			c := &call{
				state: rapid.Uint64().Draw(t, "state"),
				r: engine.Request{
					Tokens:    rapid.SliceOfN(rapid.Int32Range(0, 2), 1, 30).Draw(t, "prompt"),
					MaxTokens: rapid.IntRange(1, 60).Draw(t, "max"),
					Sampling: sample.Params{
						Temperature:     rapid.SampledFrom([]float32{0, 1}).Draw(t, "temperature"),
						PresencePenalty: rapid.SampledFrom([]float32{0, 0, 1}).Draw(t, "penalty"),
						Seed:            rapid.Uint64Range(0, 3).Draw(t, "seed"),
					},
					Logprobs: rapid.SampledFrom([]bool{false, false, true}).Draw(t, "logprobs"),
				},
			}
			if rapid.Bool().Draw(t, "stops") {
				c.r.Stop = []int32{3, 4}
			}
			c.want, c.finish = constrainedContinuation(vocab, window, c.r, newAutomaton(vocab, c.state), b.limits.Deterministic)
			c.r.Constraint = newAutomaton(vocab, c.state)
			calls[i] = c
			wait.Go(func() {
				c.result, c.err = e.Generate(context.Background(), c.r, func(t engine.Token) bool {
					c.got = append(c.got, t.ID)
					return true
				})
			})
		}
		wait.Wait()
		for i, c := range calls {
			if c.err != nil && !errors.Is(c.err, sample.ErrNoToken) {
				t.Fatal(c.err)
			}
			if d := cmp.Diff(c.want, c.got); d != "" && len(c.want)+len(c.got) > 0 {
				t.Fatalf("reply %d: %s", i, d)
			}
			if c.err == nil && c.result.Finish != c.finish {
				t.Fatalf("reply %d of %d tokens ends with %v, want %v", i, len(c.got), c.result.Finish, c.finish)
			}
		}
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
	})
}

// Where nothing changes for long, constrained replies take as many draws a step as others.
func TestSteadyConstraintsTakeManyDraws(t *testing.T) {
	b := &hashing{vocab: 40, context: 200, limits: engine.Limits{Draws: 8, Chunk: 8}}
	steps := 0
	b.step = func(*engine.Step) { steps++ }
	e := newEngine(t, b, engine.Options{})
	free := &automaton{vocab: 40, sets: map[[2]uint64][]uint32{}}
	got, _ := generate(t, e, engine.Request{Tokens: []int32{1}, MaxTokens: 100, Constraint: &stubborn{free}})
	if len(got) != 100 || steps > 100/8+8 {
		t.Errorf("%d tokens in %d steps", len(got), steps)
	}
}

// chains is a constraint where each token that may be chosen is followed by six that must be.
type chains struct {
	all   []uint32
	since int // tokens since the last choice
}

const chain = 6

func (c *chains) Mask(int) ([]uint32, bool)     { return c.all, false }
func (c *chains) Accept(int32) error            { c.since = (c.since + 1) % (1 + chain); return nil }
func (c *chains) End() (stop int32, whole bool) { return 0, false }

func (c *chains) Forced(to []int32, left int) []int32 {
	if c.since == 0 {
		return to
	}
	for n := c.since; n <= chain && len(to) < left; n++ {
		to = append(to, int32(n))
	}
	return to
}

// What must follow takes no steps but the piece that computes it, unless each token has to be a row's.
func TestForcedTokensTakeFewSteps(t *testing.T) {
	for _, k := range []struct {
		deterministic bool
		steps         int
	}{{false, 2 * 20}, {true, 20 * (1 + chain)}} {
		b := &hashing{vocab: 40, context: 200, limits: engine.Limits{Rows: 2, Draws: 8, Chunk: 64, Deterministic: k.deterministic}}
		steps := 0
		b.step = func(*engine.Step) { steps++ }
		e := newEngine(t, b, engine.Options{})
		got, _ := generate(t, e, engine.Request{Tokens: []int32{1}, MaxTokens: 20 * (1 + chain), Constraint: &chains{all: []uint32{1<<20 - 1, 0}}})
		if len(got) != 20*(1+chain) || steps > k.steps {
			t.Errorf("deterministic %v: %d tokens in %d steps, want at most %d", k.deterministic, len(got), steps, k.steps)
		}
	}
}

// stubborn is an automaton that never leaves its state.
type stubborn struct{ *automaton }

func (stubborn) Accept(int32) error { return nil }

// held is an automaton whose masks wait for what happens elsewhere.
type held struct {
	*automaton
	until <-chan struct{}
}

func (h *held) Mask(left int) ([]uint32, bool) {
	<-h.until
	return h.automaton.Mask(left)
}

// TestSlowConstraintHoldsUpNobody: while it is found out what a reply may go on with, another one gets its tokens, and a third ends because
// its caller leaves.
func TestSlowConstraintHoldsUpNobody(t *testing.T) {
	const others = 40
	b := &hashing{vocab: 40, context: 200, limits: engine.Limits{Rows: 3, Draws: 1, Chunk: 8}}
	e := newEngine(t, b, engine.Options{MaxSequences: 3})
	release, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	var wait sync.WaitGroup
	var slow []int32
	var slowErr error
	request := engine.Request{Tokens: []int32{1, 2}, MaxTokens: 10}
	want, _ := constrainedContinuation(40, 200, request, newAutomaton(40, 6), false)
	wait.Go(func() {
		r := request
		r.Constraint = &held{newAutomaton(40, 6), release}
		_, slowErr = e.Generate(t.Context(), r, func(t engine.Token) bool {
			slow = append(slow, t.ID)
			return true
		})
	})
	gone, leave := context.WithCancel(t.Context())
	wait.Go(func() {
		r := engine.Request{Tokens: []int32{3}, MaxTokens: 10, Constraint: &held{newAutomaton(40, 9), never}}
		if result, _ := e.Generate(gone, r, func(engine.Token) bool { return true }); result.Finish != engine.FinishCancelled {
			t.Errorf("the reply whose caller left ended with %v", result.Finish)
		}
	})
	n := 0
	if _, err := e.Generate(t.Context(), engine.Request{Tokens: []int32{4}, MaxTokens: others}, func(engine.Token) bool {
		n++
		return true
	}); err != nil || n != others {
		t.Errorf("beside replies whose next tokens are not known one got %d tokens, want %d, and the error %v", n, others, err)
	}
	leave()
	close(release)
	wait.Wait()
	if !slices.Equal(slow, want) || slowErr != nil {
		t.Errorf("the slow reply: got %v and the error %v, want %v", slow, slowErr, want)
	}
}
