//go:build !js

package gguf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/testenv"
)

// TestNode: Hugging Face's own reader finds the tensors of a file, read or written by us, where we have them.
func TestNode(t *testing.T) {
	const file = "build/gguf/node_modules/@huggingface/gguf/dist/index.mjs"
	module := filepath.Join(testenv.Node(t, file), file)
	written := filepath.Join(t.TempDir(), "written.gguf")
	vocabulary := Vocabulary{Pre: "gpt-4o", Tokens: make([]string, 256), Types: slices.Repeat([]int32{1}, 256), Merges: []string{"a b", "ab c"}, EOS: 255}
	for i := range vocabulary.Tokens {
		vocabulary.Tokens[i] = fmt.Sprintf("<%d>", i)
	}
	o := Options{Name: "golden", Vocabulary: vocabulary, ChatTemplate: "{{ messages }}"}
	if err := Write(t.Context(), openDir(t, filepath.Join(golden, "gqa_window8/model")), written, o, nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{goldenGGUF, written} {
		out, err := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "gguf.mjs"), module, path).Output()
		if err != nil {
			t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
		}
		type tensor struct {
			Name   string
			Dims   []int64
			Type   ggmlType
			Offset int64
		}
		var theirs struct {
			Metadata map[string]any
			Tensors  []tensor
		}
		if err := json.Unmarshal(out, &theirs); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := readHeader(bytes.NewReader(data), int64(len(data)), maxHeader)
		if err != nil {
			t.Fatal(err)
		}
		var ours []tensor
		for _, x := range theirs.Tensors { // in their order
			g := h.tensors[x.Name]
			ours = append(ours, tensor{g.name, g.dims, g.typ, g.off})
		}
		if d := cmp.Diff(theirs.Tensors, ours); d != "" || len(theirs.Tensors) != len(h.tensors) {
			t.Errorf("%s: %d tensors, we have %d (-theirs +ours):\n%s", path, len(theirs.Tensors), len(h.tensors), d)
		}
		for key, v := range h.values {
			if want := fmt.Sprint(theirs.Metadata[key]); fmt.Sprint(v) != want && fmt.Sprintf("%.7g", v) != fmt.Sprintf("%.7g", theirs.Metadata[key]) {
				t.Errorf("%s: %s is %v, they read %s", path, key, v, want)
			}
		}
		if path == written {
			tokens, _ := theirs.Metadata["tokenizer.ggml.tokens"].([]any)
			if len(tokens) != 256 || tokens[7] != "<7>" || theirs.Metadata["tokenizer.ggml.model"] != "gpt2" || fmt.Sprint(theirs.Metadata["tokenizer.ggml.merges"]) != "[a b ab c]" {
				t.Errorf("the tokenizer came out as %v", theirs.Metadata)
			}
		}
	}
}
