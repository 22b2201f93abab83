package engine

import (
	"slices"
	"testing"
)

// empties is a backend whose sequences are all that is asked for.
type empties struct{ Backend }

func (empties) NewSequence() (Sequence, error) { return nil, nil }

// Many may wait for a long prompt that all have in common. So who has found its leader does not compare the prompts again, step by step, until
// the leader has come to the end of what they share.
func TestFollowersCompareOnce(t *testing.T) {
	prompt := slices.Repeat([]int32{7}, 100)
	leader := &job{tokens: prompt, stops: []int{60, 99}, text: &text{}}
	l := &loop{Engine: &Engine{options: Options{MaxSequences: 4}}, backend: empties{}, active: []*job{leader}}
	follower := &job{Request: Request{Tokens: prompt}, tokens: prompt}
	place := func(want placing) {
		t.Helper()
		if got, err := l.place(follower); got != want || err != nil {
			t.Fatalf("place: %v, %v, want %v", got, err, want)
		}
	}
	place(following)
	leader.tokens = slices.Repeat([]int32{8}, 100) // whoever looked would see that there is nothing to wait for
	leader.text.tokens = leader.tokens[:59]
	place(following)
	leader.text.tokens = leader.tokens[:60] // it has come to the end
	place(placed)
	if follower.text == nil || len(follower.text.tokens) != 0 {
		t.Errorf("the follower's text is %+v, want an empty one", follower.text)
	}
}
