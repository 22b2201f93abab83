package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/testenv"
)

// TestTintCompilesEveryKernel is the browser's half of the front ends; runtime/kernel has the native half.
func TestTintCompilesEveryKernel(t *testing.T) {
	for _, p := range passes() {
		t.Run(p.name, func(t *testing.T) {
			const dawn = "build/dawn/node_modules/webgpu"
			r, err := check(t.Context(), filepath.Join(testenv.Node(t, dawn), dawn), p)
			if errors.Is(err, errMissing) {
				testenv.Missing(t, err)
			}
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if r.print(&out) != 0 {
				t.Error(out.String())
			}
			t.Log(out.String())
		})
	}
}

// TestTintIsAsked makes sure that a shader which is wrong would be found.
func TestTintIsAsked(t *testing.T) {
	message := "line 1: no"
	r := report{Results: map[string]*string{"good": nil, "bad": &message}}
	var out strings.Builder
	if r.print(&out) != 1 || !strings.Contains(out.String(), "bad:\nline 1: no") {
		t.Errorf("an error of Tint is not reported: %s", out.String())
	}
}
