package main

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/tokenizer/o200k"
)

// runPack runs one command line.
func runPack(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs strings.Builder
	code := run(t.Context(), append([]string{"pack"}, args...), newEnv(strings.NewReader(""), &out, &errs))
	return result{code, out.String(), errs.String()}
}

func mustPack(t *testing.T, args ...string) string {
	t.Helper()
	r := runPack(t, args...)
	if r.code != exitOK {
		t.Fatalf("gossamer pack %s: exit status %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// TestPackBuiltIn packs the built-in model, which has no files of its own.
func TestPackBuiltIn(t *testing.T) {
	packed := t.TempDir()
	mustPack(t, defaultModel, packed)
	if out := mustPack(t, "--verify", packed); !strings.HasPrefix(out, "all ") {
		t.Errorf("verify: %s", out)
	}
}

// TestPack packs a model by every way, and each result is the same model.
func TestPack(t *testing.T) {
	src := goldentest.Load(t, "gqa_window8").ModelDir(t)
	dir := t.TempDir()
	chunks, inPlace, gguf, again := filepath.Join(dir, "packed"), filepath.Join(dir, "in-place"), filepath.Join(dir, "m.gguf"), filepath.Join(dir, "again")

	var report packed.PackReport
	if err := json.Unmarshal([]byte(mustPack(t, src, chunks, "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Chunks == 0 || report.Written != report.Chunks {
		t.Errorf("report %+v", report)
	}
	if out := mustPack(t, src, chunks); !strings.Contains(out, "(0 new,") {
		t.Errorf("packing again: %s", out)
	}
	if out := mustPack(t, "--verify", chunks); !strings.HasPrefix(out, "all ") {
		t.Errorf("verify: %s", out)
	}
	mux := http.NewServeMux()
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(src))))
	mux.Handle("/", http.FileServer(http.Dir(inPlace)))
	files := httptest.NewServer(mux)
	defer files.Close()
	mustPack(t, src, inPlace, "--manifest-only", "--base-url", files.URL+"/files")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	mustPack(t, "--verify", files.URL)
	if r := runPack(t, "--verify", inPlace); r.code != exitFailure || !strings.Contains(r.stderr, "open a manifest from the server that has its files") {
		t.Errorf("chunks of a directory on this machine: exit status %d, %s", r.code, r.stderr)
	}

	r := runPack(t, chunks, gguf, "--to", "gguf")
	if r.code != exitOK || !strings.Contains(r.stderr, "so the file gets no tokenizer") {
		t.Errorf("--to gguf: exit status %d, %s", r.code, r.stderr)
	}
	mustPack(t, gguf, again)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	mustPack(t, "--verify", server.URL+"/again")
	want, err := detect.OpenPacked(t.Context(), chunks, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := detect.OpenPacked(t.Context(), again, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range want.Manifest.Chunks {
		if got.Manifest.Chunks[i].SHA256 != k.SHA256 {
			t.Errorf("chunk %d differs after GGUF", i)
		}
	}

	bad := filepath.Join(chunks, want.Manifest.Chunks[0].URL)
	if err := os.Truncate(bad, 5); err != nil {
		t.Fatal(err)
	}
	r = runPack(t, "--verify", chunks, "--json")
	var verified struct {
		Chunks int
		Bad    []struct{ URL, Error string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &verified); err != nil {
		t.Fatal(err)
	}
	if r.code != exitFailure || verified.Chunks != report.Chunks || len(verified.Bad) != 1 || verified.Bad[0].URL != want.Manifest.Chunks[0].URL {
		t.Errorf("verify: exit status %d, %+v", r.code, verified)
	}
}

func TestPackUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"a"}, {"a", "b", "c"}, {"--verify"}, {"--verify", "a", "b"}, {"--verify", "--manifest-only", "a"}, {"--verify", "--to", "gguf", "a"},
		{"--manifest-only", "--to", "gguf", "a", "b"}, {"--base-url", "https://host", "a", "b"}, {"--to", "zip", "a", "b"},
	} {
		if r := runPack(t, args...); r.code != exitUsage || !strings.Contains(r.stderr, "gossamer pack --help") {
			t.Errorf("%v: exit status %d, %s", args, r.code, r.stderr)
		}
	}
	if r := runPack(t, filepath.Join(t.TempDir(), "none"), t.TempDir()); r.code != exitFailure || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("exit status %d, %s", r.code, r.stderr)
	}
	for _, base := range []string{"https://user:secret@host/a", "file:///a", "host/a", "https://host/a#b", "https://host/\x1b[2J"} {
		r := runPack(t, goldentest.Load(t, "gqa_window8").ModelDir(t), t.TempDir(), "--manifest-only", "--base-url", base)
		if r.code != exitFailure || !strings.Contains(r.stderr, "base URL") || strings.Contains(r.stderr, "secret") || strings.Contains(r.stderr, "\x1b") {
			t.Errorf("%s: exit status %d, %s", base, r.code, r.stderr)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := goldentest.Load(t, "gqa_window8").ModelDir(t)
	if code := run(ctx, []string{"pack", src, t.TempDir()}, newEnv(strings.NewReader(""), io.Discard, io.Discard)); code != exitInterrupted {
		t.Errorf("exit status %d of a cancelled run, want %d", code, exitInterrupted)
	}
}

// TestGGUFVocabulary: the published file has as many merges, and merging by them gives the tokenizer's tokens.
func TestGGUFVocabulary(t *testing.T) {
	tok, err := o200k.Load()
	if err != nil {
		t.Fatal(err)
	}
	v := ggufVocabulary(tok)
	if len(v.Tokens) != 201088 || len(v.Types) != 201088 || len(v.Merges) != 446189 {
		t.Errorf("%d tokens, %d types, %d merges; want 201088, 201088, 446189", len(v.Tokens), len(v.Types), len(v.Merges))
	}
	seen := make(map[string]int32, len(v.Tokens))
	for id, s := range v.Tokens {
		if other, ok := seen[s]; ok {
			t.Errorf("tokens %d and %d are both %q", other, id, s)
		}
		seen[s] = int32(id)
	}
	for id, want := range map[int]string{0: "!", 220: "Ġ", 199999: "<|endoftext|>", 200006: "<|start|>", 201087: "<|reserved_201087|>"} {
		if v.Tokens[id] != want {
			t.Errorf("token %d is %q, want %q", id, v.Tokens[id], want)
		}
	}
	if v.Types[0] != ggufNormal || v.Types[200012] != ggufControl || v.Types[200018] != ggufControl || v.Types[200019] != ggufUnused {
		t.Error("types of tokens")
	}
	priority := make(map[string]int, len(v.Merges))
	for i, m := range v.Merges {
		priority[m] = i
	}
	printable := gpt2Bytes()
	// Each piece is one to the splitter: letters, or spaces.
	random := rand.New(rand.NewPCG(1, 1))
	letters := []rune("aaeeiinrstlmouhcdäéßжюсто")
	for range 20_000 {
		var piece []rune
		for range 1 + random.IntN(14) {
			piece = append(piece, letters[random.IntN(len(letters))])
		}
		var parts []string
		for _, b := range []byte(string(piece)) {
			parts = append(parts, string(printable[b]))
		}
		for {
			best, at := len(v.Merges), -1
			for i := range len(parts) - 1 {
				if p, ok := priority[parts[i]+" "+parts[i+1]]; ok && p < best {
					best, at = p, i
				}
			}
			if at < 0 {
				break
			}
			parts = slices.Replace(parts, at, at+2, parts[at]+parts[at+1])
		}
		var got []int32
		for _, p := range parts {
			got = append(got, seen[p])
		}
		if want := tok.Encode(string(piece)); !slices.Equal(got, want) {
			t.Fatalf("%q: merges give %v, the tokenizer %v", string(piece), got, want)
		}
	}
}
