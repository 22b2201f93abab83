package tokenizer_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

func load(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := o200k.Load()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// readGolden reads a file of testdata: results of OpenAI's harmony crate 0.0.8, confirmed by the npm package tiktoken 1.0.22.
func readGolden(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type encodeCase struct {
	ID, Kind, Text string
	Tokens         []int32
}

func readEncodeCases(t testing.TB) []encodeCase {
	var golden struct{ Cases []encodeCase }
	readGolden(t, "tokenizer.json", &golden)
	return golden.Cases
}

func TestEncodeGolden(t *testing.T) {
	tok := load(t)
	encoders := map[string]func(string) []int32{
		"Encode":        tok.Encode,
		"encodePieces":  func(s string) []int32 { return tokenizer.EncodePieces(tok, s) },
		"encodeLibrary": func(s string) []int32 { return tokenizer.EncodeLibrary(tok, s) },
	}
	for _, c := range readEncodeCases(t) {
		for name, encode := range encoders {
			if diff := cmp.Diff(c.Tokens, encode(c.Text)); diff != "" {
				t.Errorf("%s (%s): %s(%q) (-want +got):\n%s", c.ID, c.Kind, name, c.Text, diff)
			}
		}
		if got := string(tok.Decode(c.Tokens)); got != c.Text {
			t.Errorf("%s (%s): Decode: got %q, want %q", c.ID, c.Kind, got, c.Text)
		}
	}
}

// TestNewerLetters: letters, marks and numbers that are newer than Go's Unicode tables are what they are for tiktoken.
func TestNewerLetters(t *testing.T) {
	tok := load(t)
	var golden struct{ Cases []encodeCase }
	readGolden(t, "newer.json", &golden)
	for _, c := range golden.Cases {
		for name, encode := range map[string]func(string) []int32{
			"Encode":       tok.Encode,
			"encodePieces": func(s string) []int32 { return tokenizer.EncodePieces(tok, s) },
		} {
			if diff := cmp.Diff(c.Tokens, encode(c.Text)); diff != "" {
				t.Errorf("%s(%q) (-want +got):\n%s", name, c.Text, diff)
			}
		}
	}
	if len(golden.Cases) == 0 {
		t.Error("no cases")
	}
}

func TestDecodeGolden(t *testing.T) {
	tok := load(t)
	var golden struct {
		Cases []struct {
			ID, Base64 string
			Tokens     []int32
		}
	}
	readGolden(t, "tokenizer_decode.json", &golden)
	for _, c := range golden.Cases {
		want, err := base64.StdEncoding.DecodeString(c.Base64)
		if err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		got := tok.Decode(c.Tokens)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: Decode(%v) (-want +got):\n%s", c.ID, c.Tokens, diff)
		}
		var text strings.Builder
		stream := tok.NewStream()
		for _, id := range c.Tokens {
			text.WriteString(stream.Write(id))
		}
		text.WriteString(stream.Flush())
		if want := tokenizer.Valid(string(want)); text.String() != want {
			t.Errorf("%s: Stream of %v: got %q, want %q", c.ID, c.Tokens, text.String(), want)
		}
	}
}
