package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/kv"
	"gossamer/runtime/sample"
)

// TestChunksAndStepsAgree: how a text is cut into calls and chunks doesn't matter. Chunks of other sizes use other tiles, and so
// other orders of summation.
func TestChunksAndStepsAgree(t *testing.T) {
	dir := write(t, nil)
	dev := gputest.Open(t, gpu.Options{})
	at := []int{0, 6, 100, 128, 219}
	var tokens []int32
	var want [][]float32
	for _, chunk := range []int{200, 1, 7, 64} {
		m := loadDir(t, dev, dir, Options{KV: F32, Context: 256, Chunk: chunk})
		if want == nil {
			tokens = text(m, 220, 1)
		}
		got := rows(t, newSequence(t, m), tokens, at)
		if want == nil {
			want = got
		}
		for i := range at {
			closeRows(t, fmt.Sprintf("chunks of %d, token %d", chunk, at[i]), got[i], want[i], float32Limit)
		}
		if chunk != 64 {
			continue
		}
		s := newSequence(t, m)
		for i, id := range tokens[:12] {
			extend(t, s, []int32{id})
			if i == 0 || i == 6 {
				closeRows(t, fmt.Sprintf("one by one, token %d", i), logits(t, m, s), want[i/6], float32Limit)
			}
		}
		extend(t, s, nil)
		extend(t, s, tokens[12:101])
		closeRows(t, "two calls, token 100", logits(t, m, s), want[2], float32Limit)
	}
}

// TestDecodeAgreesWithPrefill crosses the split classes of decoding (256, 2048), pages, and the window: the logits behind chosen
// tokens are those of a prefill of the same text.
func TestDecodeAgreesWithPrefill(t *testing.T) {
	m := loadDir(t, gputest.Open(t, gpu.Options{}), write(t, func(c *gptoss.Config) { c.Layers, c.Sliding = 2, []bool{true, false} }),
		Options{KV: F32, Context: 4352, Chunk: 64})
	for _, start := range []int{1, 120, 250, 2040} {
		s := newSequence(t, m)
		extend(t, s, text(m, start, 3))
		decode(t, s, 12, drawing{})
		if s.Len() != start+12 {
			t.Fatalf("length %d after 12 tokens at %d", s.Len(), start)
		}
		closeRows(t, fmt.Sprintf("12 tokens after %d", start), logits(t, m, s), fresh(t, m, s.tokens), float32Limit)
		if decoded, want := decode(t, s, 1, drawing{})[0], s.tokens[start+12]; decoded != want {
			t.Errorf("emitted %d, appended %d", decoded, want)
		}
		s.Close()
	}
}

// TestLeastRecentlyUsedResumePointsAreDropped: with no room for all of them the least recently used one is dropped, and Truncate still works.
func TestLeastRecentlyUsedResumePointsAreDropped(t *testing.T) {
	m := loadSmall(t, Options{Context: 1024, Chunk: 64, Sequences: 1, ResumeBytes: 1})
	s := newSequence(t, m)
	tokens := text(m, 1000, 6)
	for i := 0; i < 1000; i += 100 {
		extend(t, s, tokens[i:i+100])
		if err := s.MarkResume(); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []int{900, 620, 100} {
		kept, err := s.Truncate(t.Context(), to)
		if err != nil || kept > to || kept < to-(m.cfg.Window-1)*2-1 {
			t.Fatalf("Truncate(%d) kept %d, error %v", to, kept, err)
		}
		extend(t, s, tokens[kept:to+1])
		closeRows(t, fmt.Sprint("at ", to), logits(t, m, s), fresh1(t, m, s, tokens[:to+1]), float32Limit)
	}
}

// fresh1 is fresh in a model of one sequence: s is closed for it, and holds the tokens afterwards.
func fresh1(t *testing.T, m *Model, s *sequence, tokens []int32) []float32 {
	t.Helper()
	if _, err := s.Truncate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	extend(t, s, tokens)
	return logits(t, m, s)
}

// TestTextsAtRest: any number of texts rest beside those in use. They go on, and are forked, as if they had not, though few have a resume
// point left.
func TestTextsAtRest(t *testing.T) {
	m := loadSmall(t, Options{Context: 1024, KVTokens: 4096, Chunk: 64, Sequences: 2, ResumeBytes: 1})
	const n, length = 6, 150
	texts, seqs := make([][]int32, n), make([]*sequence, n)
	for i := range seqs {
		texts[i], seqs[i] = text(m, length+2, uint32(20+i)), newSequence(t, m)
		extend(t, seqs[i], texts[i][:length])
		if err := seqs[i].Rest(); err != nil || seqs[i].Ready() || seqs[i].Len() != length {
			t.Fatal(err, seqs[i].Ready(), seqs[i].Len())
		}
	}
	if err := seqs[0].Extend(t.Context(), []int32{1}); err == nil || err.Error() != "model: the sequence rests: truncate it first" {
		t.Errorf("a token for a text at rest: %v", err)
	}
	kept := 0
	for i, s := range seqs {
		f, err := s.Fork(length)
		if err != nil {
			t.Fatal(err)
		}
		fork := f.(*sequence)
		extend(t, fork, texts[i][fork.Len():length+1])
		closeRows(t, fmt.Sprint("fork of ", i), logits(t, m, fork), fresh(t, m, texts[i][:length+1]), float32Limit)
		f.Close()
		at, err := s.Truncate(t.Context(), length)
		if err != nil {
			t.Fatal(err)
		}
		if kept += at; at != length && at != length-1-m.passTokens() {
			t.Errorf("text %d goes on at %d", i, at)
		}
		extend(t, s, texts[i][at:])
		got := logits(t, m, s)
		if err := s.Rest(); err != nil {
			t.Fatal(err)
		}
		closeRows(t, fmt.Sprint("text ", i), got, fresh(t, m, texts[i]), float32Limit)
	}
	if kept == n*length {
		t.Error("each text had its resume point: the test is too small")
	}
	for _, s := range seqs {
		s.Close()
	}
	if free := m.FreePages(); free != m.fullPages {
		t.Errorf("%d pages of %d are free", free, m.fullPages)
	}
}

// TestForksAreIndependent: a fork shares the beginning, both go on as if alone, and neither notices the other's end.
func TestForksAreIndependent(t *testing.T) {
	m := loadSmall(t, Options{Context: 512, Chunk: 64})
	tokens := text(m, 300, 7)
	s := newSequence(t, m)
	extend(t, s, tokens[:140])
	if err := s.MarkResume(); err != nil {
		t.Fatal(err)
	}
	extend(t, s, tokens[140:])
	for _, k := range []struct{ n, len int }{{300, 300}, {1000, 300}, {295, 295}, {200, 199 - m.passTokens()}, {150, 140}, {140, 140}, {0, 0}} {
		before := logits(t, m, s)
		e, err := s.Fork(k.n)
		if err != nil {
			t.Fatal(err)
		}
		f := e.(*sequence)
		if f.Len() != k.len {
			t.Errorf("Fork(%d) has %d tokens, want %d", k.n, f.Len(), k.len)
		}
		if err := f.Logits(t.Context(), make([]float32, m.cfg.Vocab)); err != errNoLogits {
			t.Errorf("Logits of a fork: %v", err)
		}
		other := text(m, 30, uint32(k.n))
		extend(t, f, other)
		want := append(tokens[:k.len:k.len], other...)
		closeRows(t, fmt.Sprintf("fork at %d", k.n), logits(t, m, f), fresh(t, m, want), float32Limit)
		// The parent writes into the page that they shared.
		mark := s.Len()
		chosen := decode(t, s, 3, drawing{})
		closeRows(t, "parent after a fork", logits(t, m, s), fresh(t, m, append(tokens[:300:300], chosen...)), float32Limit)
		closeRows(t, fmt.Sprintf("fork at %d afterwards", k.n), logits(t, m, f), fresh(t, m, want), float32Limit)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if kept, err := s.Truncate(t.Context(), mark-1); err != nil || kept != mark-1 {
			t.Fatalf("kept %d, error %v", kept, err)
		}
		extend(t, s, tokens[mark-1:])
		closeRows(t, "parent again", logits(t, m, s), before, float32Limit)
	}
	if _, err := s.Fork(-1); err == nil || err.Error() != "model: fork of -1 tokens" {
		t.Errorf("Fork(-1): %v", err)
	}
}

// TestContextFull, in both senses: the sequence's own positions, and the memory that sequences share.
func TestContextFull(t *testing.T) {
	m := loadSmall(t, Options{Context: 200, Chunk: 64, Sequences: 3})
	s := newSequence(t, m)
	tokens := text(m, 201, 8)
	if err := s.Extend(t.Context(), tokens); !errors.Is(err, engine.ErrContextFull) || s.Len() != 0 {
		t.Errorf("201 tokens: error %v, length %d", err, s.Len())
	}
	extend(t, s, tokens[:197])
	if got := decode(t, s, 3, drawing{}); len(got) != 3 {
		t.Fatalf("%d tokens decoded at the end of the context", len(got))
	}
	closeRows(t, "the full context", logits(t, m, s), fresh(t, m, s.tokens), float32Limit)
	logits(t, m, s)
	_, err := decodeRows(t.Context(), t, []*sequence{s}, 1, []drawing{{}})
	if !errors.Is(err, engine.ErrContextFull) || errors.Is(err, kv.ErrFull) {
		t.Errorf("decode in a full context: %v", err)
	}
	if err := s.Extend(t.Context(), tokens[:1]); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("extend in a full context: %v", err)
	}
	logits(t, m, s) // still there

	// The arena has 2+3 pages: the second sequence fills it but for one page.
	second, third := newSequence(t, m), newSequence(t, m)
	extend(t, second, tokens[:200])
	err = third.Extend(t.Context(), tokens[:200])
	if !errors.Is(err, engine.ErrContextFull) || !errors.Is(err, kv.ErrFull) {
		t.Errorf("a third sequence: %v", err)
	}
	if third.Len() != 128 {
		t.Errorf("the third sequence holds %d tokens, want its one page of 128", third.Len())
	}
	s.Close()
	extend(t, third, tokens[third.Len():190])
	closeRows(t, "after room was made", logits(t, m, third), fresh1(t, m, second, tokens[:190]), float32Limit)
	// Decoding in the shared memory's last positions.
	if _, err := second.Truncate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	fourth := newSequence(t, m)
	extend(t, second, tokens[:100])
	extend(t, fourth, tokens[:126])
	fifth := third
	if _, err := fifth.Truncate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	extend(t, fifth, tokens[:200])
	extend(t, second, tokens[:30]) // 5 pages: second 2, fourth 1, fifth 2
	logits(t, m, fourth)
	got, err := decodeRows(t.Context(), t, []*sequence{fourth}, 10, []drawing{{}})
	if !errors.Is(err, engine.ErrContextFull) || len(got[0]) != 2 || fourth.Len() != 128 {
		t.Errorf("decoded %d tokens to length %d, error %v; want the 2 that fit and ErrContextFull", len(got[0]), fourth.Len(), err)
	}
	row := logits(t, m, fourth) // memory is short, but nothing is lost
	fifth.Close()
	want, _ := argmax(row)
	if next := decode(t, fourth, 1, drawing{})[0]; next != want {
		t.Errorf("then decoded %d, want %d", next, want)
	}
}

// countdown is a context that ends after its Err was asked n times: in the middle of whatever is going on.
type countdown struct {
	context.Context
	n int
}

func (c *countdown) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

func (c *countdown) Done() <-chan struct{} { return nil }

// TestCancelledCallsLeaveWholeSequences ends calls at every possible point. What the sequence then holds must be as if computed
// alone, and its relatives untouched.
func TestCancelledCallsLeaveWholeSequences(t *testing.T) {
	m := loadSmall(t, Options{Context: 512, Chunk: 16, Sequences: 4})
	tokens := text(m, 200, 9)
	parent := newSequence(t, m)
	extend(t, parent, tokens[:140])
	for _, k := range []struct {
		name string
		call func(ctx context.Context, s *sequence) error
	}{
		{"Extend", func(ctx context.Context, s *sequence) error { return s.Extend(ctx, tokens[140:180]) }},
		{"Decode", func(ctx context.Context, s *sequence) error {
			if err := s.Extend(context.Background(), tokens[140:141]); err != nil {
				return err
			}
			_, err := decodeRows(ctx, t, []*sequence{s}, 9, []drawing{{}})
			return err
		}},
		{"Truncate", func(ctx context.Context, s *sequence) error {
			if err := s.Extend(context.Background(), tokens[140:180]); err != nil {
				return err
			}
			kept, err := s.Truncate(ctx, 100)
			if err != nil {
				return err
			}
			return s.Extend(ctx, tokens[kept:110])
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			for n := 0; ; n++ {
				if n == 100 {
					t.Fatal("the call never ends")
				}
				f, err := parent.Fork(parent.Len())
				if err != nil {
					t.Fatal(err)
				}
				s := f.(*sequence)
				err = k.call(&countdown{t.Context(), n}, s)
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if s.Len() != len(s.tokens) {
					t.Fatalf("cancelled at %d: length %d with %d tokens", n, s.Len(), len(s.tokens))
				}
				want := append(slices.Clone(s.tokens), tokens[:5]...)
				extend(t, s, tokens[:5])
				closeRows(t, fmt.Sprintf("cancelled at %d with %d tokens", n, len(want)-5), logits(t, m, s), fresh(t, m, want), float32Limit)
				s.Close()
				if err == nil {
					break
				}
			}
			want := append(tokens[:140:140], decode(t, parent, 1, drawing{})...)
			closeRows(t, "the parent", logits(t, m, parent), fresh(t, m, want), float32Limit)
			if kept, err := parent.Truncate(t.Context(), 140); kept != 140 || err != nil {
				t.Fatal(kept, err)
			}
			if kept, err := parent.Truncate(t.Context(), 139); kept != 139 || err != nil {
				t.Fatal(kept, err)
			}
			extend(t, parent, tokens[139:140])
		})
	}
}

// TestNothingIsSubmittedAfterACancellation: a step that nobody wants any more is not begun.
func TestNothingIsSubmittedAfterACancellation(t *testing.T) {
	m := loadSmall(t, Options{Context: 256, Chunk: 16})
	s := newSequence(t, m)
	extend(t, s, text(m, 20, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	submits := m.dev.Stats().Submits
	for what, step := range map[string]*engine.Step{
		"Rows":    {Rows: []engine.Row{drawing{}.row(t, s)}, Draws: 3},
		"Prefill": {Prefill: engine.Piece{Seq: s, Tokens: []int32{1, 2}}},
	} {
		_, err := m.Step(ctx, step)
		if after := m.dev.Stats().Submits - submits; !errors.Is(err, context.Canceled) || after != 0 || s.Len() != 20 {
			t.Errorf("%s: %d submits, length %d, error %v", what, after, s.Len(), err)
		}
	}
}

// TestSequenceErrors: every misuse is a sentence and changes nothing.
func TestSequenceErrors(t *testing.T) {
	m := loadSmall(t, Options{Context: 128, Chunk: 64, Sequences: 2})
	s, empty := newSequence(t, m), newSequence(t, m)
	extend(t, s, []int32{1, 2, 3})
	want := logits(t, m, s)
	row := func(int, []float32) error { return nil }
	step := func(change func(r *engine.Row, s *engine.Step)) error {
		rows := []engine.Row{drawing{}.row(t, s)}
		whole := &engine.Step{Rows: rows, Draws: 1}
		change(&rows[0], whole)
		return second(m.Step(t.Context(), whole))
	}
	for what, err := range map[string]error{
		"token 1 is 300, outside the vocabulary of 300":                      s.Extend(t.Context(), []int32{1, 300}),
		"token 0 is -1, outside the vocabulary of 300":                       s.Extend(t.Context(), []int32{-1}),
		"rows [1 0] are not ascending indices of 2 tokens":                   s.ExtendRows(t.Context(), []int32{1, 2}, []int{1, 0}, row),
		"rows [2] are not ascending indices of 2 tokens":                     s.ExtendRows(t.Context(), []int32{1, 2}, []int{2}, row),
		"logits for 2 ids, the vocabulary has 300":                           s.Logits(t.Context(), make([]float32, 2)),
		"truncate to -1 tokens":                                              second(s.Truncate(t.Context(), -1)),
		"a mask of 9 words for 300 ids, want 10":                             step(func(r *engine.Row, _ *engine.Step) { r.Allowed = make([]uint32, 9) }),
		"token 300 is outside the vocabulary of 300":                         step(func(r *engine.Row, _ *engine.Step) { r.Given = 300 }),
		"a step of 1 rows and 9 draws, want at most 1 rows and 1 to 8 draws": step(func(_ *engine.Row, s *engine.Step) { s.Draws = 9 }),
		"a step of 2 rows and 1 draws, want at most 1 rows and 1 to 8 draws": step(func(r *engine.Row, s *engine.Step) { s.Rows = append(s.Rows, *r) }),
		"the sequence of row 0 takes part twice":                             step(func(_ *engine.Row, s *engine.Step) { s.Prefill = engine.Piece{Seq: s.Rows[0].Seq, Tokens: []int32{1}} }),
		"2 sequences are in use, the limit: close one or let it rest first":  second(empty.Fork(0)),
		"no logits are available: extend the sequence first":                 step(func(r *engine.Row, _ *engine.Step) { r.Seq = empty }),
	} {
		if err == nil || err.Error() != "model: "+what {
			t.Errorf("error %q, want %q", err, what)
		}
	}
	if got := logits(t, m, s); !slices.Equal(got, want) || s.Len() != 3 {
		t.Error("a refused call has changed the sequence")
	}

	// A mask that allows nothing has no best token.
	_, err := decodeRows(t.Context(), t, []*sequence{s}, 1, []drawing{{Allowed: make([]uint32, 10)}})
	if !errors.Is(err, sample.ErrNoToken) || !strings.HasPrefix(err.Error(), "model: after position 2: sample: no token has a finite logit: the mask allows nothing") {
		t.Errorf("an empty mask: %v", err)
	}
	empty.Close()
	extend(t, s, []int32{4})
	closeRows(t, "after an empty mask", logits(t, m, s), fresh(t, m, []int32{1, 2, 3, 4}), float32Limit)
}

func second[T any](_ T, err error) error { return err }
