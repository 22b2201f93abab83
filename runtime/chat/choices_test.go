package chat

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// Choices are the replies that their requests alone get, with seeds that count up, and the prompt is computed once.
func TestChoices(t *testing.T) {
	c := completer(t, random(t))
	r := ask("count")
	r.Sampling, r.MaxTokens = &sample.Params{Temperature: 3, Seed: 7}, 8
	const n = 5
	heard := 0
	r.Progress = func(int, int) { heard++ }
	got, err := CollectChoices(Choices(t.Context(), c.Stream, r, n), n)
	if err != nil {
		t.Fatal(err)
	}
	if heard == 0 {
		t.Error("nobody heard of the progress")
	}
	r.Progress = nil
	var usage []Usage
	for i, g := range got {
		r.Sampling = &sample.Params{Temperature: 3, Seed: 7 + uint64(i)}
		want, err := Collect(c.Stream(t.Context(), r))
		if err != nil || g.Message.Content != want.Message.Content || g.Reason != want.Reason {
			t.Errorf("choice %d: %q, %v, alone %q, %v", i, g.Message.Content, g.Reason, want.Message.Content, err)
		}
		usage = append(usage, g.Usage)
	}
	total := TotalUsage(usage...)
	if total.PromptTokens != usage[0].PromptTokens || total.CompletionTokens < usage[0].CompletionTokens+usage[4].CompletionTokens || total.TimeToFirstToken == 0 {
		t.Errorf("usage of all: %+v, of each: %+v", total, usage)
	}
}

// Who stops reading ends all replies; one that fails ends them too.
func TestChoicesEndTogether(t *testing.T) {
	c := script(t, "<|channel|>final<|message|>one two three")
	read := 0
	for _, err := range Choices(t.Context(), c.Stream, ask("count"), 4) {
		if err != nil {
			t.Fatal(err)
		}
		if read++; read == 3 {
			break
		}
	}
	broken := errors.New("broken")
	begun, running := make(chan int, 2), make(chan int, 1)
	stream := func(ctx context.Context, r Request) iter.Seq2[Event, error] {
		return func(yield func(Event, error) bool) {
			if r.Sampling.Seed == 2 {
				<-begun
				yield(nil, broken)
				return
			}
			begun <- 0
			<-ctx.Done()
			select {
			case running <- 0:
			default:
			}
			yield(Done{Reason: FinishCancelled}, nil)
		}
	}
	r := ask("count")
	r.Sampling = &sample.Params{}
	if _, err := CollectChoices(Choices(t.Context(), stream, r, 3), 3); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the third", err)
	}
	<-running // the others were told to end
}

// Choices are asked for as groups that begin together, none larger than what is under way at a time, which would wait for itself.
func TestChoicesAreGroups(t *testing.T) {
	const n = 40
	var mu sync.Mutex
	var groups [n]*engine.Group
	stream := func(_ context.Context, r Request) iter.Seq2[Event, error] {
		return func(yield func(Event, error) bool) {
			mu.Lock()
			groups[r.Sampling.Seed] = r.Group
			mu.Unlock()
			yield(Done{Reason: FinishStop}, nil)
		}
	}
	r := ask("count")
	r.Sampling = &sample.Params{}
	if _, err := CollectChoices(Choices(t.Context(), stream, r, n), n); err != nil {
		t.Fatal(err)
	}
	for i, g := range groups {
		if first := groups[i/maxTogether*maxTogether]; g == nil || g != first {
			t.Errorf("choice %d is not of the group of choice %d", i, i/maxTogether*maxTogether)
		}
	}
	if groups[0] == groups[maxTogether] {
		t.Error("all are of one group")
	}

	texts := make([]Text, 3)
	BeginTogether(texts)
	if g := texts[0].Group; g == nil || texts[1].Group != g || texts[2].Group != g {
		t.Errorf("%+v", texts)
	}
}
