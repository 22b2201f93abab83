//go:build !js

package tokenizer_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/pkoukk/tiktoken-go"

	"gossamer/runtime/tokenizer"
)

// The tests of this file are about tiktoken-go v0.1.8. They show why of all its functions only EncodeOrdinary is used; if one of
// them fails with a newer version, the library has become better.

// newBytes returns tiktoken-go with a vocabulary of the 256 bytes and the given special tokens.
func newBytes(t *testing.T, special map[string]int) *tiktoken.Tiktoken {
	t.Helper()
	ranks := make(map[string]int)
	for b := range 256 {
		ranks[string([]byte{byte(b)})] = b
	}
	core, err := tiktoken.NewCoreBPE(ranks, special, tokenizer.Pattern)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]any)
	for s := range special {
		all[s] = true
	}
	return tiktoken.NewTiktoken(core, nil, all)
}

// TestLibraryForgesMarkers: Encode with one allowed special token also emits one that is not allowed, so a text could forge a
// marker of the harmony format.
func TestLibraryForgesMarkers(t *testing.T) {
	library := newBytes(t, map[string]int{"<|a|>": 1000, "<|b|>": 1001})
	got := library.Encode("x<|a|>y<|b|>z", []string{"<|b|>"}, nil)
	if !slices.Contains(got, 1000) {
		t.Errorf("Encode: got %v: the token that was not allowed, 1000, is no longer in it", got)
	}
	tok := load(t)
	for _, id := range tok.Encode("x<|start|>y<|end|>z") {
		if id >= tokenizer.StartOfText {
			t.Errorf("our Encode: got special token %d", id)
		}
	}
}

// TestLibraryHangsWithoutSpecials: Encode never returns where there are no special tokens. It runs in a process of its own, that can
// be ended.
func TestLibraryHangsWithoutSpecials(t *testing.T) {
	const child = "TOKENIZER_TEST_HANG"
	if os.Getenv(child) != "" {
		library := newBytes(t, nil)
		fmt.Println("ready")
		library.Encode("x", nil, nil)
		fmt.Println("returned")
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLibraryHangsWithoutSpecials$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the child says %q", lines.Text())
	}
	returned := make(chan bool, 1)
	go func() { returned <- lines.Scan() }()
	select {
	case <-returned:
		t.Errorf("Encode without special tokens has returned")
	case <-time.After(200 * time.Millisecond): // a normal Encode of one byte takes microseconds
	}
}

// TestLibraryReplacesBytes: every invalid byte becomes a U+FFFD, where the reference has one for a character cut short.
func TestLibraryReplacesBytes(t *testing.T) {
	tok := load(t)
	const cut = "\xf0\x9f\x98" // the first three bytes of 😀
	if got := string(tok.Decode(tokenizer.EncodeLibrary(tok, cut))); got != "\ufffd\ufffd\ufffd" {
		t.Errorf("tiktoken-go: got %q, want three U+FFFD", got)
	}
	if got := string(tok.Decode(tok.Encode(cut))); got != "\ufffd" {
		t.Errorf("ours: got %q, want one U+FFFD", got)
	}
}
