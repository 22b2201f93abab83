package server_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// The page needs no key, but a host that is known; what it asks for does. Nothing outside of it is a file.
func TestPage(t *testing.T) {
	page := fstest.MapFS{
		"index.html": {Data: []byte("<p>chat")}, "app/index-1.js": {Data: []byte("js")}, "sandbox.html": {Data: []byte("sandbox")}, "v1/models": {Data: []byte("not this")},
	}
	url, _ := start(t, server.Options{Page: page, Keys: []server.Key{{"ann", "secret"}}}, gossamer.Options{}, time.Second)
	for _, tt := range []struct {
		method, path string
		headers      []string
		status       int
		body         string
	}{
		{"GET", "/", nil, 200, "<p>chat"},
		{"HEAD", "/", nil, 200, ""},
		{"GET", "/app/index-1.js", nil, 200, "js"},
		{"GET", "/", []string{"Host: evil.example"}, 403, ""},
		{"POST", "/", nil, 401, ""},
		{"GET", "/index.html", nil, 401, ""},
		{"GET", "/app", nil, 401, ""},
		{"GET", "/app/", nil, 401, ""},
		{"GET", "/nothing", nil, 401, ""},
		{"GET", "/nothing", []string{"Authorization: Bearer secret"}, 404, ""},
		{"GET", "/v1/models", []string{"Authorization: Bearer secret"}, 200, ""},
		{"GET", "/v1/models", nil, 401, ""},
		{"GET", "/app/../../server.go", []string{"Authorization: Bearer secret"}, 307, ""},
	} {
		r, body := do(t, tt.method, url+tt.path, "", tt.headers...)
		if r.StatusCode != tt.status || tt.body != "" && body != tt.body {
			t.Errorf("%s %s: %d %q", tt.method, tt.path, r.StatusCode, body)
		}
		policy := r.Header.Get("Content-Security-Policy")
		if tt.status == 200 && tt.path == "/" && (!strings.Contains(policy, "frame-ancestors 'self'") || r.Header.Get("Cache-Control") != "no-cache") {
			t.Errorf("headers %v", r.Header)
		}
	}
	if r, body := do(t, "GET", url+"/v1/models", "", "Authorization: Bearer secret"); r.StatusCode != 200 || !strings.Contains(body, `"object":"list"`) {
		t.Errorf("a file hides the API: %s", body)
	}
	bare, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	if r, body := do(t, "GET", bare+"/", ""); r.StatusCode != 404 || code(t, body) != "unknown_url" {
		t.Errorf("without a page: %d %s", r.StatusCode, body)
	}
}
