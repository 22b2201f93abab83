package tokenizer_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/tokenizer"
)

// random returns n characters of alphabet.
func random(n int, alphabet string) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var b strings.Builder
	characters := []rune(alphabet)
	for range n {
		b.WriteRune(characters[r.IntN(len(characters))])
	}
	return b.String()
}

// long are pieces, or parts of such, of which a merge has something to decide everywhere.
func long() map[string]string {
	return map[string]string{
		"one letter":  strings.Repeat("a", 20000),
		"spaces":      strings.Repeat(" ", 20000),
		"equals":      strings.Repeat("=", 9999),
		"two letters": random(20000, "ab"),
		"letters":     random(40000, "abcdefghijklmnopqrstuvwxyz"),
		"base64":      random(40000, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
		"ing":         random(20000, "ing"),
		"Han":         strings.Repeat("漢字好人大", 2000),
		"marks":       random(10000, "!?-=*/"),
		"bytes":       string([]byte(random(9000, "\u00e9\u00ff\u0100\U0001F600"))[1:]),
	}
}

// TestWindows: a piece that is merged window by window yields the tokens of one merge, however small windows are.
func TestWindows(t *testing.T) {
	tok := load(t)
	for name, piece := range long() {
		want := tokenizer.Merge(tok, piece)
		for _, w := range [][2]int{{1, 1}, {3, 2}, {16, 4}, {100, 30}, {1000, 200}, {8192, 256}, {1 << 20, 1}} {
			if got := tokenizer.MergeWindows(tok, piece, w[0], w[1]); !slices.Equal(got, want) {
				t.Errorf("%s, windows of %d bytes, %d of them twice: got %d tokens, want %d", name, w[0], w[1], len(got), len(want))
			}
		}
	}
}

func FuzzWindows(f *testing.F) {
	tok := load(f)
	for _, piece := range long() {
		f.Add(piece[:300], uint16(20), uint16(5))
	}
	f.Fuzz(func(t *testing.T, piece string, size, overlap uint16) {
		if piece == "" {
			return
		}
		piece = strings.Repeat(piece, 1+500/len(piece))
		want := tokenizer.Merge(tok, piece)
		if got := tokenizer.MergeWindows(tok, piece, 1+int(size), 1+int(overlap)); !slices.Equal(got, want) {
			t.Errorf("%q in windows of %d and %d bytes: got %v, want %v", piece, 1+int(size), 1+int(overlap), got, want)
		}
	})
}

// endsAfter ends when it was looked at that many times.
type endsAfter struct {
	context.Context
	looks *int
}

func (c endsAfter) Err() error {
	if *c.looks--; *c.looks < 0 {
		return context.Canceled
	}
	return nil
}

// TestEncodeEnds: a caller that has gone does not wait for the rest of its text, be it one piece or many.
func TestEncodeEnds(t *testing.T) {
	tok := load(t)
	for name, text := range map[string]string{
		"one piece":   strings.Repeat("a", 1<<20),
		"many pieces": strings.Repeat("What is this? ", 1<<16),
		"no text":     "",
	} {
		looks := 3
		if text == "" {
			looks = 0
		}
		if ids, err := tok.EncodeContext(endsAfter{t.Context(), &looks}, text); !errors.Is(err, context.Canceled) || ids != nil {
			t.Errorf("%s: got %d tokens and the error %v, want none and %v", name, len(ids), err, context.Canceled)
		}
		if looks != -1 {
			t.Errorf("%s: looked on %d times after the end", name, -1-looks)
		}
	}
}
