package main

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	gossamer "gossamer/runtime"
)

func TestVersionIsTheSameInTheCommandAndTheNPMPackage(t *testing.T) {
	out := mustRun(t, "", "--version")
	if !regexp.MustCompile(`^gossamer ` + regexp.QuoteMeta(gossamer.Version) + `( \([0-9a-f]{12}(, modified)?\))? go1\.\S+ \w+/\w+\n$`).MatchString(out) {
		t.Errorf("gossamer --version says %q", out)
	}
	data, err := os.ReadFile("../../web/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Version string }
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	if p.Version != gossamer.Version {
		t.Errorf("web/package.json has version %s, runtime.Version is %s", p.Version, gossamer.Version)
	}
}
