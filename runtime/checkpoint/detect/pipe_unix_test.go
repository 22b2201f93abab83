//go:build unix

package detect

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
)

// A pipe in the place of a file is refused: to open it would wait for a writer.
func TestPipesAreRefused(t *testing.T) {
	for _, name := range []string{"config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json", "manifest.json", "model.gguf"} {
		t.Run(name, func(t *testing.T) {
			dir := checkpointtest.WriteSmall(t)
			pipe := filepath.Join(dir, name)
			if err := os.RemoveAll(pipe); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			open := dir
			if strings.HasSuffix(name, ".gguf") {
				open = pipe
			}
			_, err := Open(t.Context(), open, Options{})
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "this is not a regular file") {
				t.Errorf("error %v", err)
			}
		})
	}
}
