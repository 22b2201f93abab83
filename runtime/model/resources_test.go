package model

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// writeTiny is a checkpoint of one layer, for tests of many steps.
func writeTiny(t testing.TB) string {
	return write(t, func(c *gptoss.Config) { c.Layers, c.Sliding = 1, []bool{true} })
}

// TestCloseReleasesEverything: the device holds what it held before, whatever the model was used for, and what is closed says so.
func TestCloseReleasesEverything(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	before := dev.Stats()
	m := loadDir(t, dev, writeTiny(t), Options{Context: 1024, Chunk: 64, Rows: 2})
	if dev.Stats().LiveBytes < before.LiveBytes+m.Footprint().total() {
		t.Errorf("%d bytes are live, the footprint says %s", dev.Stats().LiveBytes-before.LiveBytes, m.Footprint())
	}
	a, b := newSequence(t, m), newSequence(t, m)
	extend(t, a, text(m, 300, 1))
	extend(t, b, text(m, 3, 1))
	together(t, []*sequence{a, b}, 3, make([]drawing, 2))
	if err := errors.Join(a.MarkResume(), b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	if err := b.Extend(t.Context(), []int32{1}); err == nil || err.Error() != "model: the sequence is closed" {
		t.Errorf("Extend of a closed sequence: %v", err)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if after := dev.Stats(); after.LiveBuffers != before.LiveBuffers || after.LiveBytes != before.LiveBytes {
		t.Errorf("%d buffers of %d bytes are left", after.LiveBuffers-before.LiveBuffers, after.LiveBytes-before.LiveBytes)
	}

	const closed = "model: the sequence is closed"
	for what, err := range map[string]error{
		"Extend":     a.Extend(t.Context(), []int32{1}),
		"ExtendRows": a.ExtendRows(t.Context(), []int32{1}, nil, nil),
		"Truncate":   second(a.Truncate(t.Context(), 1)),
		"MarkResume": a.MarkResume(),
		"Rest":       a.Rest(),
		"Logits":     a.Logits(t.Context(), make([]float32, m.cfg.Vocab)),
		"Step":       second(m.Step(t.Context(), &engine.Step{Rows: []engine.Row{drawing{}.row(t, a)}, Draws: 1})),
		"Fork":       second(a.Fork(1)),
	} {
		if err == nil || err.Error() != closed {
			t.Errorf("%s after Close: %v, want %q", what, err, closed)
		}
	}
	for what, err := range map[string]error{"NewSequence": second(m.NewSequence()), "DecodeCost": second(m.DecodeCost(1))} {
		if err != errClosed {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	if err := a.Close(); err != nil || a.Len() != 0 {
		t.Errorf("closing again: %v, length %d", err, a.Len())
	}
}

// TestCloseWhileDecoding ends a step that was queued with an error.
func TestCloseWhileDecoding(t *testing.T) {
	m := loadDir(t, gputest.Open(t, gpu.Options{}), writeTiny(t), Options{Context: 1024, Chunk: 64})
	s := newSequence(t, m)
	extend(t, s, []int32{1})
	p, err := m.Step(t.Context(), &engine.Step{Rows: []engine.Row{drawing{}.row(t, s)}, Draws: 5})
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	out, err := p.Wait(t.Context())
	if err != nil || out.Rows[0].Err == nil || out.Rows[0].Err.Error() != "model: the sequence is closed" || len(out.Rows[0].Tokens) > 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestMemoryIsConstantOverManyTurns runs 2,000 turns of all kinds: device memory and heap stay as they were after the first hundred.
func TestMemoryIsConstantOverManyTurns(t *testing.T) {
	m := loadDir(t, gputest.Open(t, gpu.Options{}), writeTiny(t), Options{Context: 512, Chunk: 64})
	if err := m.WarmUp(t.Context()); err != nil { // no program is recorded later
		t.Fatal(err)
	}
	s := newSequence(t, m)
	rng := rand.New(rand.NewPCG(1, 1))
	tokens := text(m, 20, 1)
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	var device gpu.Stats
	var before uint64
	turns := 2000
	if testing.Short() {
		turns = 500
	}
	for turn := range turns {
		if turn == 100 {
			device, before = m.dev.Stats(), heap()
		}
		if s.Len() > 400 {
			if _, err := s.Truncate(t.Context(), rng.IntN(300)); err != nil {
				t.Fatal(err)
			}
		}
		extend(t, s, tokens[:1+rng.IntN(len(tokens))])
		switch rng.IntN(4) {
		case 0:
			if err := s.MarkResume(); err != nil {
				t.Fatal(err)
			}
		case 1:
			f, err := s.Fork(s.Len())
			if err != nil {
				t.Fatal(err)
			}
			extend(t, f.(*sequence), tokens[:1])
			f.Close()
		}
		decode(t, s, 1+rng.IntN(2), drawing{})
	}
	after := m.dev.Stats()
	if after.LiveBuffers != device.LiveBuffers || after.LiveBytes != device.LiveBytes {
		t.Errorf("%d buffers more, %d bytes", after.LiveBuffers-device.LiveBuffers, after.LiveBytes-device.LiveBytes)
	}
	// A leak of one small object a turn would be 100 KiB and more.
	if grown := int64(heap()) - int64(before); grown > 64<<10 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// TestEndedRepliesLeaveNothing: of 2,000 replies that are whole, cancelled, left by their callers or end with the context, in the queue, in
// their prompts or between tokens, no page, buffer or goroutine is left.
func TestEndedRepliesLeaveNothing(t *testing.T) {
	m := loadDir(t, gputest.Open(t, gpu.Options{}), writeTiny(t), Options{Context: 256, Chunk: 64, Rows: 4, ResumeBytes: 1 << 16})
	var device gpu.Stats
	var goroutines int
	replies := 2000
	if testing.Short() {
		replies = 400
	}
	for round, n := range []int{100, replies} { // after the first all is made that there is
		if round > 0 {
			device, goroutines = m.dev.Stats(), runtime.NumGoroutine()
		}
		e, err := engine.New(m, engine.Options{MaxSequences: 4})
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for caller := range 6 {
			rng := rand.New(rand.NewPCG(uint64(round), uint64(caller)))
			callers.Go(func() {
				for range n / 6 {
					endReply(t, e, m, rng)
				}
			})
		}
		callers.Wait()
		t.Logf("%+v", e.Load())
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if free := m.FreePages(); free != m.fullPages || len(m.alive) != 0 {
		t.Errorf("%d pages of %d are free, %d sequences alive", free, m.fullPages, len(m.alive))
	}
	after := m.dev.Stats()
	if after.LiveBuffers != device.LiveBuffers || after.LiveBytes != device.LiveBytes || after.BuffersCreated != device.BuffersCreated {
		t.Errorf("%d buffers more, %d bytes, %d were made", after.LiveBuffers-device.LiveBuffers, after.LiveBytes-device.LiveBytes,
			after.BuffersCreated-device.BuffersCreated)
	}
	for i := 0; runtime.NumGoroutine() > goroutines; i++ { // waits that were given up end by themselves
		if time.Sleep(10 * time.Millisecond); i > 3000 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
}

// endReply asks for a reply, which ends in one way or another.
func endReply(t *testing.T, e *engine.Engine, m *Model, rng *rand.Rand) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := engine.Request{Tokens: text(m, 1+rng.IntN(150), uint32(rng.IntN(4))), MaxTokens: 1 + rng.IntN(30)}
	if rng.IntN(60) == 0 {
		r.MaxTokens = 0 // up to the end of the context
	}
	stop, leave := rng.IntN(60), rng.IntN(60)
	switch rng.IntN(6) {
	case 0:
		cancel()
	case 1:
		go cancel()
	case 2:
		r.Progress = func(done, _ int) {
			if done >= stop {
				cancel()
			}
		}
	}
	n := 0
	_, err := e.Generate(ctx, r, func(engine.Token) bool {
		if n++; n == stop {
			cancel()
		}
		return n != leave
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestDecodeDuringGarbageCollection: a binding that lets go of memory too early would show here.
func TestDecodeDuringGarbageCollection(t *testing.T) {
	m := loadDir(t, gputest.Open(t, gpu.Options{}), writeTiny(t), Options{Context: 512, Chunk: 64})
	run := func() []int32 {
		s := newSequence(t, m)
		defer s.Close()
		extend(t, s, []int32{1, 2, 3})
		return decode(t, s, 100, drawing{Temperature: 1, Seed: 1})
	}
	want := run()
	var collector sync.WaitGroup
	stop := make(chan struct{})
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	got := run()
	close(stop)
	collector.Wait()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("token %d is %d, undisturbed %d", i, got[i], want[i])
		}
	}
}

// TestCancelledLoadReleasesEverything ends a load after its first piece.
func TestCancelledLoadReleasesEverything(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	before := dev.Stats()
	ctx, cancel := context.WithCancel(t.Context())
	m, err := Load(ctx, dev, open(t, writeTiny(t)), Options{Context: 256, Chunk: 64, Progress: func(checkpoint.Progress) { cancel() }})
	if m != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("model %v, error %v", m, err)
	}
	if after := dev.Stats(); after.LiveBuffers != before.LiveBuffers || after.LiveBytes != before.LiveBytes {
		t.Errorf("%d buffers of %d bytes are left", after.LiveBuffers-before.LiveBuffers, after.LiveBytes-before.LiveBytes)
	}
}

// TestSequencesInSeveralGoroutines use one model at a time each, as the engine does.
func TestSequencesInSeveralGoroutines(t *testing.T) {
	m := loadDir(t, gputest.Open(t, gpu.Options{}), writeTiny(t), Options{KV: F32, Context: 512, Chunk: 64})
	var want [4][]int32
	run := func(i int) []int32 {
		s, err := m.NewSequence()
		if err != nil {
			t.Error(err)
			return nil
		}
		defer s.Close()
		var got []int32
		err = s.(*sequence).Extend(t.Context(), text(m, 20+i, uint32(i)))
		for range 4 {
			more, drawErr := decodeRows(t.Context(), t, []*sequence{s.(*sequence)}, 5, []drawing{{}})
			got, err = append(got, more[0]...), errors.Join(err, drawErr)
		}
		if err != nil {
			t.Error(err)
		}
		return got
	}
	for i := range want {
		want[i] = run(i)
	}
	var all sync.WaitGroup
	for i := range want {
		all.Go(func() {
			got := run(i)
			for j := range want[i] {
				if j >= len(got) || got[j] != want[i][j] {
					t.Errorf("text %d: got %v, alone %v", i, got, want[i])
					return
				}
			}
		})
	}
	all.Wait()
}

// TestLoadRefuses what it can't do, with a sentence that names it, and leaves nothing behind.
func TestLoadRefuses(t *testing.T) {
	small := write(t, nil)
	wide := write(t, func(c *gptoss.Config) { c.Heads, c.KVHeads, c.Intermediate = 4, 1, 512 })
	for _, k := range []struct {
		name    string
		dir     string
		binding int64
		o       Options
		want    string
	}{
		{"Context", small, 0, Options{Context: 200000}, "model: a context of 200000 positions: the model was made for 131072"},
		{"NegativeContext", small, 0, Options{Context: -1, Chunk: 64}, "model: 4 sequences, chunks of 64 tokens, context -1, 0 bytes to resume: want"},
		{"Rows", small, 0, Options{Rows: 3}, "model: 3 rows, want 1, 2, 4, 8, 16 or 32"},
		{"TooManyRows", small, 0, Options{Rows: 64}, "model: 64 rows, want 1, 2, 4, 8, 16 or 32"},
		{"NegativeRows", small, 0, Options{Rows: -1}, "model: -1 rows, want 1, 2, 4, 8, 16 or 32"},
		{"Sequences", small, 0, Options{Rows: 8, Sequences: 7, Chunk: 64}, "model: 7 sequences, chunks of 64 tokens, context 0, 0 bytes to resume: want at least 8 sequences"},
		{"Chunk", small, 0, Options{Chunk: -5}, "model: 4 sequences, chunks of -5 tokens"},
		{"ResumeBytes", small, 0, Options{ResumeBytes: -2, Chunk: 64}, "model: 4 sequences, chunks of 64 tokens, context 0, -2 bytes to resume"},
		{"Arena", small, 1 << 20, Options{Context: 131072}, "model: a context of 131072 positions: the device's bindings of 1048576 bytes hold 16384"},
		{"DefaultArena", small, 256 << 10, Options{}, "model: the device's bindings of 262144 bytes hold a context of 4096 positions, want at least 8192: ask for a smaller context"},
		{"SlidingArena", small, 24 << 10, Options{Context: 128, Chunk: 4}, "model: the device's bindings hold 3 pages of a layer's keys, a prefill chunk needs 4: take a smaller chunk"},
		{"OneToken", small, 256, Options{}, "model: the device binds at most 256 bytes, the activations of one token take 512"},
		{"OneExpert", wide, 30 << 10, Options{Context: 128}, "model: layer 0 experts: the device binds at most 30720 bytes, the smallest part of this tensor takes 32768"},
	} {
		t.Run(k.name, func(t *testing.T) {
			dev := gputest.Open(t, gpu.Options{MaxBindingBytes: k.binding})
			before := dev.Stats()
			m, err := Load(t.Context(), dev, open(t, k.dir), k.o)
			if m != nil || err == nil || !strings.HasPrefix(err.Error(), k.want) {
				t.Errorf("error %v\nwant %s", err, k.want)
			}
			if after := dev.Stats(); after.LiveBuffers != before.LiveBuffers {
				t.Errorf("%d buffers are left", after.LiveBuffers-before.LiveBuffers)
			}
		})
	}
}

// TestMemoryErrorsNameTheFootprint: what the model wanted, and what to do.
func TestMemoryErrorsNameTheFootprint(t *testing.T) {
	err := Footprint{Weights: 12 << 30, KV: 3 << 20, Scratch: 1 << 20, PerToken: 24 << 10}.explain(gpu.ErrOutOfMemory)
	const want = "model: the device's memory doesn't hold the model (weights 12288.0 MiB, key/value cache 3.0 MiB (24 KiB a token), scratch 1.0 MiB, 12292.0 MiB in all): close other programs, take a smaller context or another adapter: out of memory"
	if !errors.Is(err, gpu.ErrOutOfMemory) || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
}

// TestDefaultsFollowTheDevice: the context is a power of two that a binding holds, and 8 rows come with as many sequences.
func TestDefaultsFollowTheDevice(t *testing.T) {
	m := loadDir(t, gputest.Open(t, gpu.Options{}), writeTiny(t), Options{Rows: 8})
	if !m.dev.Caps().Adapter.CPU() {
		t.Skip("expectations are those of a software adapter")
	}
	if m.Context() != leastContext || m.chunk != defaultChunkCPU || m.sequences != 8 {
		t.Errorf("context %d, chunks of %d, %d sequences", m.Context(), m.chunk, m.sequences)
	}
}
