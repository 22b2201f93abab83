package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
	"gossamer/runtime/sample"
)

// rowCase is a text to be continued on its own and beside others.
type rowCase struct {
	prompt []int32
	d      drawing
	want   []int32 // what the text alone is continued with
}

// rowCases have texts of unlike lengths, on both sides of a split class, and settings of every kind.
func rowCases(t *testing.T, m *Model, n int) []rowCase {
	even := make([]uint32, (m.cfg.Vocab+31)/32)
	for i := range even {
		even[i] = 0x55555555
	}
	few := make([]uint32, len(even))
	few[0] = 0x3f0
	settings := []drawing{{}, {Temperature: 0.8, Seed: 5}, {Allowed: even}, {Temperature: 1.5, Seed: 1 << 60, Allowed: few}}
	var cases []rowCase
	for i, length := range []int{1, 130, 17, 40, 3, 255, 128, 64} {
		c := rowCase{prompt: text(m, length, uint32(i)), d: settings[i%len(settings)]}
		s := newSequence(t, m)
		extend(t, s, c.prompt)
		c.want = decode(t, s, n, c.d)
		s.Close()
		cases = append(cases, c)
	}
	return cases
}

// together continues seqs together by n tokens.
func together(t *testing.T, seqs []*sequence, n int, d []drawing) [][]int32 {
	t.Helper()
	got, err := decodeRows(t.Context(), t, seqs, n, d)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestRowsDecodeAsIfAlone: a batch changes no text. The sums of a row are made in the same order in every batch.
func TestRowsDecodeAsIfAlone(t *testing.T) {
	const n = 8
	m := loadSmall(t, Options{Context: 2048, Chunk: 64, Rows: 8, Sequences: 9, groupFrom: 4}) // 2 rows have experts of their own
	cases := rowCases(t, m, n)
	start := func(t *testing.T, count int) (seqs []*sequence, d []drawing) {
		for _, c := range cases[:count] {
			s := newSequence(t, m)
			extend(t, s, c.prompt)
			seqs, d = append(seqs, s), append(d, c.d)
		}
		return seqs, d
	}
	check := func(t *testing.T, row int, got []int32) {
		t.Helper()
		if want := cases[row].want[:min(len(got), n)]; !slices.Equal(got, want) {
			t.Errorf("row %d: got %v, alone %v", row, got, want)
		}
	}
	for _, count := range []int{2, 3, 4, 8} {
		t.Run(fmt.Sprintf("%dRows", count), func(t *testing.T) {
			seqs, d := start(t, count)
			for row, got := range together(t, seqs, n, d) {
				if len(got) != n || seqs[row].Len() != len(cases[row].prompt)+n {
					t.Errorf("row %d: %d tokens, length %d", row, len(got), seqs[row].Len())
				}
				check(t, row, got)
				closeRows(t, fmt.Sprintf("logits of row %d", row), logits(t, m, seqs[row]), fresh(t, m, seqs[row].tokens), float32Limit)
			}
		})
	}
	t.Run("ChangingRows", func(t *testing.T) {
		seqs, d := start(t, 4)
		got := make([][]int32, 4)
		other := newSequence(t, m)
		for _, rows := range [][]int{{0, 1, 2, 3}, {2, 0}, {3, 1, 2}, {1}, {3, 0}, {0, 1, 2, 3}} {
			var some []*sequence
			var settings []drawing
			for _, r := range rows {
				some, settings = append(some, seqs[r]), append(settings, d[r])
			}
			for i, ids := range together(t, some, 1, settings) {
				got[rows[i]] = append(got[rows[i]], ids...)
			}
			extend(t, other, text(m, 3, 77)) // takes row 0
		}
		for row := range got {
			check(t, row, got[row])
		}
	})
	t.Run("OneTakesTokensBack", func(t *testing.T) {
		seqs, d := start(t, 4)
		got := together(t, seqs, n, d)
		got[1] = got[1][:2]
		if kept, err := seqs[1].Truncate(t.Context(), len(cases[1].prompt)+2); err != nil || kept != len(cases[1].prompt)+2 {
			t.Fatal(kept, err)
		}
		for row, more := range together(t, seqs, 3, d) { // one is given its last token, the others draw
			if row == 1 {
				check(t, row, append(got[row], more...))
			}
			closeRows(t, fmt.Sprintf("logits of row %d", row), logits(t, m, seqs[row]), fresh(t, m, seqs[row].tokens), float32Limit)
		}
	})
	t.Run("APromptBeside", func(t *testing.T) {
		seqs, d := start(t, 2)
		other, prompt := newSequence(t, m), text(m, 100, 77)
		together(t, seqs, 1, d)
		p, err := m.Step(t.Context(), &engine.Step{
			Rows: []engine.Row{d[0].next(t, seqs[0]), d[1].next(t, seqs[1])}, Draws: 3, Prefill: engine.Piece{Seq: other, Tokens: prompt},
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Wait(t.Context())
		if err != nil || out.Prefill != nil || len(out.Rows[0].Tokens) < 2 || len(out.Rows[1].Tokens) < 2 || other.Len() != 100 {
			t.Fatalf("%+v, %v; the prompt's sequence holds %d", out, err, other.Len())
		}
		for row := range seqs {
			check(t, row, seqs[row].tokens[len(cases[row].prompt):])
		}
		closeRows(t, "the prompt", logits(t, m, other), fresh(t, m, prompt), float32Limit)
	})
	t.Run("TwoRowsOfOneSequence", func(t *testing.T) {
		seqs, d := start(t, 1)
		r := d[0].row(t, seqs[0])
		_, err := m.Step(t.Context(), &engine.Step{Rows: []engine.Row{r, r}, Draws: 1})
		if err == nil || err.Error() != "model: the sequence of row 1 takes part twice" {
			t.Error(err)
		}
	})
}

// TestRowsWithFullSampling: rows with filters, penalties, biases and log probabilities beside plain ones draw what package sample draws, in
// steps of several draws, and no row of logits is read.
func TestRowsWithFullSampling(t *testing.T) {
	m := loadSmall(t, Options{Context: 256, Chunk: 64, Rows: 2})
	params := []sample.Params{
		{Temperature: 1, Seed: 3, TopP: 0.9, PresencePenalty: 1, RepetitionPenalty: 1.1, LogitBias: map[int32]float32{5: 2, 299: 1}}, {},
	}
	prompts := [][]int32{text(m, 20, 1), text(m, 30, 2)}
	e := make([]*sequence, 2)
	samplers := make([]*sample.Sampler, 2)
	for i := range e {
		e[i] = newSequence(t, m)
		extend(t, e[i], prompts[i][:len(prompts[i])-1])
		samplers[i], _ = sample.New(params[i], m.cfg.Vocab, prompts[i])
	}
	s := &engine.Step{Draws: 4, Rows: []engine.Row{
		{Seq: e[0], Given: prompts[0][19], Sampler: samplers[0], Logprobs: 3}, {Seq: e[1], Given: prompts[1][29], Sampler: samplers[1], Logprobs: -1},
	}}
	var got [2][]engine.Token
	before := m.dev.Stats()
	for range 3 {
		p, err := m.Step(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Wait(t.Context())
		if err != nil || out.Rows[0].Err != nil || out.Rows[1].Err != nil {
			t.Fatal(out, err)
		}
		for i := range got {
			got[i] = append(got[i], out.Rows[i].Tokens...)
			s.Rows[i].Given = engine.Draw
		}
	}
	if read := m.dev.Stats().BytesRead - before.BytesRead; read != 3*4*2*kernel.LogprobsBytes {
		t.Errorf("%d bytes read in 12 draws of 2 rows, want %d each", read, kernel.LogprobsBytes)
	}
	for i := range got {
		if len(got[i]) != 11 {
			t.Fatalf("row %d has %d tokens of 12 draws, want all but the first, which was given", i, len(got[i]))
		}
		want, _ := sample.New(params[i], m.cfg.Vocab, prompts[i])
		tokens := slices.Clone(prompts[i])
		for n, have := range got[i] {
			row := fresh(t, m, tokens)
			own, top, err := sample.LogProbs(nil, row, have.ID, 3)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 && (len(have.Top) != 3 || have.Top[0].ID != top[0].ID || math.Abs(float64(have.LogProb-own.LogProb)) > 1e-4) {
				t.Errorf("token %d: %+v, want log probability %v and first of all %d", n, have, own, top[0].ID)
			}
			id, err := want.Choose(row, len(tokens), nil)
			if err != nil || id != have.ID {
				t.Errorf("row %d, token %d is %d, want %d, %v", i, n, have.ID, id, err)
			}
			want.Accept(have.ID)
			tokens = append(tokens, have.ID)
		}
	}
}

// TestDeviceSamplesLikeTheCPU: from equal logits, seed and position package sample and the device draw the same token.
func TestDeviceSamplesLikeTheCPU(t *testing.T) {
	m := loadSmall(t, Options{Context: 256, Chunk: 64})
	mask := make([]uint32, (m.cfg.Vocab+31)/32)
	for i := range mask {
		mask[i] = 0x0ff0f00f
	}
	s := newSequence(t, m)
	extend(t, s, text(m, 5, 1))
	distinct := map[int32]bool{}
	for i := range 100 {
		d := drawing{Temperature: float32(i%4) * 0.5, Seed: uint64(i) << 30}
		if i%3 == 0 {
			d.Allowed = mask
		}
		cpu, err := sample.New(sample.Params{Temperature: d.Temperature, Seed: d.Seed}, m.cfg.Vocab, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := cpu.Choose(logits(t, m, s), s.Len(), d.Allowed)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, s, 1, d)[0]; got != want {
			t.Errorf("draw %d: the device drew %d, the CPU %d", i, got, want)
		}
		distinct[want] = true
	}
	if len(distinct) < 30 {
		t.Errorf("only %d different tokens", len(distinct))
	}
}

// TestSeedsRepeatAndMasksHold: the same seed draws the same tokens, another one others, and 2,000 draws stay inside a mask.
func TestSeedsRepeatAndMasksHold(t *testing.T) {
	m := loadSmall(t, Options{Context: 4096, Chunk: 64})
	mask := make([]uint32, (m.cfg.Vocab+31)/32)
	for _, id := range []int{0, 31, 32, 200, m.cfg.Vocab - 1} {
		mask[id/32] |= 1 << (id % 32)
	}
	mask[len(mask)-1] |= 1 << 31 // beyond the vocabulary: no token
	draw := func(n int, d drawing) []int32 {
		s := newSequence(t, m)
		defer s.Close()
		extend(t, s, []int32{1, 2, 3})
		return decode(t, s, n, d)
	}
	drawn := map[int32]int{}
	for _, id := range draw(2000, drawing{Temperature: 2, Seed: 1, Allowed: mask}) {
		if mask[id/32]>>(id%32)&1 == 0 || int(id) >= m.cfg.Vocab {
			t.Fatalf("drew %d, which the mask excludes", id)
		}
		drawn[id]++
	}
	if len(drawn) != 5 {
		t.Errorf("drawn are %v, want all 5 of the mask", drawn)
	}
	first := draw(60, drawing{Temperature: 1, Seed: 3})
	if again := draw(60, drawing{Temperature: 1, Seed: 3}); !slices.Equal(first, again) {
		t.Error("the same seed drew other tokens")
	}
	if other := draw(60, drawing{Temperature: 1, Seed: 4}); slices.Equal(first, other) {
		t.Error("another seed drew the same tokens")
	}
}

// A step that ends before logits are moved to another seat leaves no sequence in the belief that they are there.
func TestSeatsOfAStepThatEnds(t *testing.T) {
	m := loadSmall(t, Options{Context: 256, Chunk: 16, Rows: 2, Sequences: 3})
	seqs := []*sequence{newSequence(t, m), newSequence(t, m)}
	for i, s := range seqs {
		extend(t, s, text(m, 5, uint32(i)))
	}
	if err := engine.Give(t.Context(), m, []engine.Sequence{seqs[0], seqs[1]}, 3); err != nil {
		t.Fatal(err)
	}
	moved := seqs[slices.IndexFunc(seqs, func(s *sequence) bool { return s.seat == 1 })]
	row := drawing{}.row(t, moved)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m.mu.Lock()
	_, err := m.batch.start(ctx, []decodeRow{{Row: &row, seq: moved.state}}, 1) // a program of one row has seat 0 alone
	m.mu.Unlock()
	if !errors.Is(err, context.Canceled) || moved.Ready() {
		t.Errorf("%v; ready: %v, want false", err, moved.Ready())
	}
	closeRows(t, "logits afterwards", logits(t, m, moved), fresh(t, m, moved.tokens), float32Limit)
}

// TestDrawsOfSteps: tokens are the same however they are spread over steps, whatever sampling a row asks for; each step reads its own
// between two submits.
func TestDrawsOfSteps(t *testing.T) {
	m := loadSmall(t, Options{Context: 512, Chunk: 64, Rows: 2})
	prompt := text(m, 250, 1) // the attention of full layers is split from 256 on
	params := []sample.Params{{Temperature: 1, Seed: 3}, {Temperature: 1, Seed: 4, TopP: 0.9, FrequencyPenalty: 0.3}}
	ask := func(logprobs int, draws ...int) (tokens [2][]int32, used gpu.Stats) {
		var s engine.Step
		for _, p := range params {
			seq := newSequence(t, m)
			defer seq.Close()
			prefill(t, seq, prompt[:len(prompt)-1])
			sampler, err := sample.New(p, m.cfg.Vocab, prompt)
			if err != nil {
				t.Fatal(err)
			}
			s.Rows = append(s.Rows, engine.Row{Seq: seq, Given: prompt[len(prompt)-1], Sampler: sampler, Logprobs: logprobs})
		}
		before := m.dev.Stats()
		for _, n := range draws { // the first gives
			s.Draws = n
			p, err := m.Step(t.Context(), &s)
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i := range tokens {
				for _, token := range out.Rows[i].Tokens {
					tokens[i] = append(tokens[i], token.ID)
				}
				s.Rows[i].Given = engine.Draw
			}
		}
		used = m.dev.Stats()
		return tokens, gpu.Stats{Submits: used.Submits - before.Submits, BytesRead: used.BytesRead - before.BytesRead}
	}
	for _, logprobs := range []int{-1, 2} {
		want, few := ask(logprobs, 1, 8, 3)
		got, many := ask(logprobs, 1, 1, 1, 3, 1, 4, 1)
		if d := cmp.Diff(want, got); d != "" || len(got[0]) != 11 {
			t.Errorf("logprobs %d, %d tokens: %s", logprobs, len(got[0]), d)
		}
		if few.Submits != 12 || many.Submits != 12+4 || many.BytesRead != few.BytesRead {
			t.Errorf("logprobs %d: %+v, in few steps %+v", logprobs, many, few)
		}
		before := m.dev.Stats().BuffersCreated
		ask(logprobs, 1, 1, 1, 3, 1, 4, 1)
		if made := m.dev.Stats().BuffersCreated - before; made != 0 {
			t.Errorf("%d buffers were made in steady state", made)
		}
	}
}
