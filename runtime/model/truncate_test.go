package model

import (
	"slices"
	"testing"
)

// TestTruncateResumesLikeAFreshRun goes back to lengths of every kind and continues. Where pages still exist the same kernels run
// on the same values; where the text is computed again, its chunks differ.
func TestTruncateResumesLikeAFreshRun(t *testing.T) {
	// A pass over sliding layers takes (16-1)*2 + 1 = 31 tokens.
	m := loadSmall(t, Options{Context: 1600, Chunk: 64})
	tokens := text(m, 500, 4)
	parent := newSequence(t, m)
	extend(t, parent, tokens[:150])
	if err := parent.MarkResume(); err != nil {
		t.Fatal(err)
	}
	extend(t, parent, tokens[150:])
	for _, k := range []struct {
		name     string
		to, kept int
		decoded  int // tokens decoded before
	}{
		{"Nothing", 500, 500, 0},
		{"Beyond", 600, 500, 0},
		{"InsideThePage", 490, 490, 0},
		{"OneLess", 499, 499, 0},
		{"BeforeThePage", 384 + 15, 384 + 15, 0},
		{"Pass", 384 + 14, 384 + 14 - 31, 0},
		{"PassAcrossPages", 270, 239, 0},
		{"ResumePoint", 150, 150, 0},
		{"BehindTheResumePoint", 181, 150, 0},
		{"PassBehindTheResumePoint", 182, 151, 0},
		{"BeforeTheResumePoint", 32, 1, 0},
		{"NearTheStart", 31, 0, 0},
		{"ToTheStart", 0, 0, 0},
		{"AfterDecoding", 502, 502, 5},
		{"DecodedAway", 450, 450, 5},
	} {
		for _, how := range []string{"AsBefore", "TokenByToken", "Otherwise"} {
			t.Run(k.name+how, func(t *testing.T) {
				f, err := parent.Fork(500)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				s := f.(*sequence)
				if k.decoded > 0 {
					kept, err := s.Truncate(t.Context(), 499)
					if kept != 499 || err != nil {
						t.Fatal(kept, err)
					}
					extend(t, s, tokens[499:])
					decode(t, s, k.decoded, drawing{})
				}
				whole := slices.Clone(s.tokens)
				before := m.dev.Stats()
				kept, err := s.Truncate(t.Context(), k.to)
				if err != nil || kept != k.kept || s.Len() != k.kept {
					t.Fatalf("kept %d, length %d, error %v; want %d", kept, s.Len(), err, k.kept)
				}
				if used := m.dev.Stats(); used.Submits != before.Submits {
					t.Errorf("%d programs were submitted", used.Submits-before.Submits)
				}
				if kept < len(whole) {
					if err := s.Logits(t.Context(), make([]float32, m.cfg.Vocab)); err != errNoLogits {
						t.Errorf("Logits after Truncate: %v", err)
					}
				}
				to := min(k.to, len(whole))
				want := append(whole[:to:to], text(m, 40, 5)...)
				switch how {
				case "AsBefore":
					prefill(t, s, want[kept:kept+(to-kept)/3])
					extend(t, s, want[s.Len():])
				case "TokenByToken":
					want = want[:to+2]
					prefill(t, s, want[kept:max(kept, to-1)])
					for _, id := range want[s.Len():] {
						extend(t, s, []int32{id})
					}
				case "Otherwise":
					at := kept + (to-kept)/3
					want = append(whole[:at:at], text(m, 40, 6)...)
					prefill(t, s, want[kept:at])
					extend(t, s, want[at:])
				}
				if !slices.Equal(s.tokens, want) {
					t.Fatal("the sequence holds other tokens")
				}
				closeRows(t, "continued", logits(t, m, s), fresh(t, m, want), float32Limit)
			})
		}
	}
}
