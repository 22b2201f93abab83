package server_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// What clients of Ollama ask for, exactly as they read it.
func TestOllamaDiscovery(t *testing.T) {
	url, _ := serve(t, server.Options{OllamaDiscovery: true, Models: []server.Model{{
		Name: "gpt-oss-20b", Aliases: []string{"gpt-oss:20b"}, Engine: play(t, plays, gossamer.Options{}), Context: 40000,
		Created: time.Unix(1754352000, 0), Parameters: 20914757184, Bytes: 13761264768,
	}}}, time.Second)
	const details = `"details":{"parent_model":"","format":"safetensors","family":"gptoss","families":["gptoss"],"parameter_size":"20.9B","quantization_level":"MXFP4"}`
	entry := func(name string) string {
		return `{"name":"` + name + `","model":"` + name + `","modified_at":"2025-08-05T00:00:00Z","size":13761264768,` +
			`"digest":"ca1fe4e9c1499d821397771bdaee427be3244b55371a3803b12152c46dc44a28",` + details + `}`
	}
	show := `{"parameters":"","template":"",` + details + `,"model_info":{"general.architecture":"gptoss","general.basename":"gpt-oss-20b",` +
		`"general.parameter_count":20914757184,"gptoss.context_length":40000},"capabilities":["completion","tools","thinking"],"modified_at":"2025-08-05T00:00:00Z"}`
	nothing := func(path string) string {
		return `{"error":"there is nothing at ` + path + `: this is not Ollama, send requests for replies to /v1/chat/completions"}`
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/version", "", 200, `{"version":"0.40.12"}`},
		{"GET", "/api/tags", "", 200, `{"models":[` + entry("gpt-oss-20b") + `,` + entry("gpt-oss:20b") + `]}`},
		{"POST", "/api/show", `{"model":"gpt-oss:20b"}`, 200, show},
		{"POST", "/api/show", `{"name":"gpt-oss-20b:latest","verbose":true}`, 200, show},
		{"POST", "/api/show", `{"model":"llama"}`, 404, `{"error":"model \"llama\" not found"}`},
		{"POST", "/api/show", `{}`, 404, `{"error":"model \"\" not found"}`},
		{"POST", "/api/chat", `{}`, 404, nothing("/api/chat")},
		{"GET", "/api/ps", "", 404, nothing("/api/ps")},
	} {
		r, answer := do(t, tt.method, url+tt.path, tt.body)
		var got, want any
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Errorf("%s: %q", tt.path, answer)
		}
		if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); r.StatusCode != tt.status || diff != "" {
			t.Errorf("%s %s %s: %d, want %d; -want +got\n%s", tt.method, tt.path, tt.body, r.StatusCode, tt.status, diff)
		}
	}
}

// Without the flag there is nothing that could be taken for Ollama.
func TestNoOllamaDiscovery(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	for _, path := range []string{"/api/version", "/api/tags"} {
		if r, answer := do(t, "GET", url+path, ""); r.StatusCode != 404 || !strings.Contains(answer, "--ollama-discovery") {
			t.Errorf("%s: %d %q", path, r.StatusCode, answer)
		}
	}
}
