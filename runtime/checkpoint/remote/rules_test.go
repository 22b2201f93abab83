package remote

import (
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"

	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/testenv"
)

// urlExample is what a user calls a model and where it is.
type urlExample struct {
	Model string `json:"model"`
	URL   string `json:"url"` // of the directory, with a slash at its end; "" if Error
	Error bool   `json:"error"`
}

// retryExample is a reply and what a client does about it.
type retryExample struct {
	Status     int    `json:"status"`
	RetryAfter string `json:"retryAfter"` // the header; "": none
	Retry      bool   `json:"retry"`
	WaitMS     int64  `json:"waitMs"`  // that the host asks for: if Retry, the least pause; otherwise what the error tells, unless 0
	Missing    bool   `json:"missing"` // there is no such file; if it is manifest.json, there may be a repository
	Why        string `json:"why"`
}

// backoffExample says how long a client pauses where the host does not say.
type backoffExample struct {
	Failures int   `json:"failures"` // in a row without a byte of progress
	LeastMS  int64 `json:"leastMs"`
	MostMS   int64 `json:"mostMs"`
	GiveUp   bool  `json:"giveUp"`        // instead of a pause
	Opening  bool  `json:"giveUpOpening"` // the same, for the small files that a model is opened with
}

// stallExample says when a connection brings too little.
type stallExample struct {
	BytesPerSecond int64 `json:"bytesPerSecond"`
	WindowMS       int64 `json:"windowMs"`
}

// chunkExample is a chunk of a manifest, or where a server sends on to, and whether it is asked for.
type chunkExample struct {
	Model   string `json:"model"` // the URL of the manifest's directory; "": in a directory of the user's
	Chunk   string `json:"chunk"` // as the manifest has it
	Allowed bool   `json:"allowed"`
	Why     string `json:"why"`
}

// TestRules compares the rules with testdata/rules, which the page's tests read; -update writes those files.
func TestRules(t *testing.T) {
	var urls []urlExample
	for _, model := range []string{
		"https://host/a/b", "https://host/a/b/", "https://host", "http://host:8080/a", "https://HOST/Model", "https://host/a%20b",
		"http://host/a/manifest.json", "http://host/a/config.json", "http://host/manifest.json",
		"https://huggingface.co/openai/gpt-oss-20b", "https://huggingface.co/openai/gpt-oss-20b/", "https://hf.co/openai/gpt-oss-20b",
		"https://huggingface.co/openai/gpt-oss-20b/tree/abc", "https://hf.co/openai/gpt-oss-20b/tree/main/", "https://hf.co/f/..", "https://hf.co/o/x/../g", "https://models.example.org/a/./b/../c",
		"https://huggingface.co/o/g/resolve/main/", "https://huggingface.co/o/g/resolve/main/sub/dir", "https://hf.co/o/g/resolve/v1/manifest.json",
		"https://huggingface.co/o", "https://host/o/g/tree/main",
		"https://host/20b?key=1", "https://host/20b/#a", "https://host/20b?", "https://host/20b#",
		"https://host/a/other.json", "https://host/a/model.safetensors.index.json", "http://[", "ftp://host/a", "https://",
		"https://user:secret@host/a", "https://user@host/a", "https://user:se/cret@host/a", "http://user:secret@[",
	} {
		url, err := modelURL(model)
		urls = append(urls, urlExample{model, url, err != nil})
	}
	testenv.ExampleLines(t, "rules/urls.json", urls)

	retries := []retryExample{
		{Status: 400, Why: "the request is wrong and will stay so"},
		{Status: 401, Why: "the host wants a login"},
		{Status: 403, Why: "object stores call what is missing forbidden"},
		{Status: 404, Why: "there is no such file"},
		{Status: 404, RetryAfter: "7", Why: "the header does not make a missing file appear"},
		{Status: 408, Why: "the host waited for us too long"},
		{Status: 410, Why: "there is no such file any more"},
		{Status: 416, Why: "the file is shorter than the manifest says"},
		{Status: 425, Why: "the host wants the request after the handshake"},
		{Status: 429, Why: "too many requests; the host does not say for how long"},
		{Status: 429, RetryAfter: "7", Why: "the host says how long to wait"},
		{Status: 429, RetryAfter: "0", Why: "the host asks for no pause"},
		{Status: 429, RetryAfter: "300", Why: "five minutes are waited: a usual window for counting requests"},
		{Status: 429, RetryAfter: "301", Why: "a longer wait is told and not waited"},
		{Status: 451, Why: "withheld for legal reasons"},
		{Status: 500, Why: "the host has a fault that may pass"},
		{Status: 501, Why: "the host will not learn the method"},
		{Status: 502, Why: "what is behind the host does not answer"},
		{Status: 503, Why: "the host is busy"},
		{Status: 503, RetryAfter: "86400", Why: "a day is told and not waited"},
		{Status: 503, RetryAfter: "99999999999999", Why: "as long as numbers go: 2^31-1 seconds"},
		{Status: 503, RetryAfter: "x", Why: "neither a number of seconds nor a date"},
		{Status: 503, RetryAfter: "-5", Why: "neither a number of seconds nor a date"},
		{Status: 503, RetryAfter: "1.5", Why: "neither a number of seconds nor a date"},
		{Status: 503, RetryAfter: "Fri, 02 Jan 2026 03:04:00 GMT", Why: "a date that has passed"},
		{Status: 504, Why: "what is behind the host does not answer"},
		{Status: 505, Why: "the host will not learn the version of HTTP"},
		{Status: 520, Why: "a content delivery network cannot reach the host"},
		{Status: 529, Why: "the host is overloaded"},
	}
	for i := range retries {
		r := &retries[i]
		v := judge(r.Status, r.RetryAfter, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
		r.Retry, r.WaitMS, r.Missing = v.retry, v.wait.Milliseconds(), v.missing
	}
	testenv.ExampleLines(t, "rules/retries.json", retries)

	pauses := []backoffExample{{Failures: MaxFailures, GiveUp: true, Opening: true}}
	for n := MaxFailures - 1; n > 0; n-- {
		least, most := backoff(n)
		pauses = slices.Insert(pauses, 0, backoffExample{n, least.Milliseconds(), most.Milliseconds(), false, n >= OpenFailures})
	}
	testenv.ExampleLines(t, "rules/backoff.json", pauses)

	testenv.ExampleLines(t, "rules/stall.json", []stallExample{{minRate, stallTimeout.Milliseconds()}})
}

// TestHostRules compares the rule about the hosts that a model may ask with testdata/rules/chunks.json, as TestRules does with others.
func TestHostRules(t *testing.T) {
	const public, private, none = "https://models.example.org/a/", "http://127.0.0.1:8080/a/", ""
	examples := []chunkExample{
		{Model: public, Chunk: "chunks/a.bin", Why: "beside the manifest"},
		{Model: none, Chunk: "chunks/a.bin", Why: "beside the manifest"},
		{Model: public, Chunk: "../a.bin", Why: "above the manifest"},
		{Model: public, Chunk: "a/../../a.bin", Why: "above the manifest"},
		{Model: public, Chunk: "/a.bin", Why: "not below the manifest"},
		{Model: public, Chunk: "//127.0.0.1/a.bin", Why: "a URL without its scheme"},
		{Model: public, Chunk: `\\127.0.0.1\a.bin`, Why: "a URL without its scheme, to a browser"},
		{Model: public, Chunk: "a//b", Why: "not a plain path"},
		{Model: public, Chunk: "./a", Why: "not a plain path"},
		{Model: public, Chunk: "a/", Why: "not a file"},
		{Model: public, Chunk: "", Why: "not a file"},
		{Model: public, Chunk: "a?b", Why: "means another file as a URL"},
		{Model: public, Chunk: "a%2fb", Why: "means another file as a URL"},
		{Model: public, Chunk: "a b", Why: "means another file as a URL"},
		{Model: public, Chunk: "ä", Why: "not of ordinary characters"},
		{Model: public, Chunk: "javascript:alert(1)", Why: "another scheme"},
		{Model: public, Chunk: "data:,x", Why: "another scheme"},

		{Model: public, Chunk: "https://models.example.org/b/a.bin", Why: "the same origin"},
		{Model: public, Chunk: "https://MODELS.example.org:443/b/a.bin", Why: "the same origin"},
		{Model: public, Chunk: "https://cdn.example.net/a.bin?x=1", Why: "a public host"},
		{Model: public, Chunk: "https://cdn.example.net:8443/a.bin", Why: "a public host"},
		{Model: none, Chunk: "https://cdn.example.net/a.bin", Why: "a public host"},
		{Model: private, Chunk: "https://cdn.example.net/a.bin", Why: "a public host"},
		{Model: public, Chunk: "http://cdn.example.net/a.bin", Why: "not https"},
		{Model: public, Chunk: "http://models.example.org/a.bin", Why: "not https, and so not the same origin"},
		{Model: none, Chunk: "http://cdn.example.net/a.bin", Why: "not https"},
		{Model: "http://models.example.org/a/", Chunk: "http://models.example.org/b/a.bin", Why: "the same origin"},
		{Model: "http://models.example.org/a/", Chunk: "http://models.example.org:81/b/a.bin", Why: "another port"},
		{Model: "http://models.example.org/a/", Chunk: "https://models.example.org/b/a.bin", Why: "a public host"},

		{Model: private, Chunk: "http://127.0.0.1:8080/b/a.bin", Why: "the same origin, which the user has named"},
		{Model: private, Chunk: "http://127.0.0.1:6379/a.bin", Why: "another port of this machine"},
		{Model: private, Chunk: "http://localhost:8080/a.bin", Why: "another name of this machine"},
		{Model: private, Chunk: "https://192.168.1.1/a.bin", Why: "another host of this network"},
		{Model: "http://nas/a/", Chunk: "http://nas/b/a.bin", Why: "the same origin, which the user has named"},
		{Model: "http://[::1]:8080/a/", Chunk: "http://[::1]:8080/a.bin", Why: "the same origin, which the user has named"},
		{Model: none, Chunk: "http://127.0.0.1/a.bin?x=1", Why: "this machine"},

		{Model: public, Chunk: "http://127.0.0.1/a.bin?x=1", Why: "this machine"},
		{Model: public, Chunk: "https://example.org@127.0.0.1/a.bin", Why: "this machine, behind a user's name"},
		{Model: public, Chunk: "https://user:secret@cdn.example.net/a.bin", Why: "a password"},
		{Model: public, Chunk: "file:///etc/passwd", Why: "another scheme"},
		{Model: public, Chunk: "ftp://cdn.example.net/a.bin", Why: "another scheme"},
		{Model: public, Chunk: "https://cdn.example.net", Why: "no file"},
		{Model: public, Chunk: "https:///a.bin", Why: "no host"},
		{Model: public, Chunk: "https://cdn.example.net/a.bin#b", Why: "a fragment"},
		{Model: public, Chunk: "https://cdn.example.net\\@127.0.0.1/a.bin", Why: "readers take it for different hosts"},
		{Model: public, Chunk: "https://cdn.example.net/a\tb", Why: "a control character"},
		{Model: public, Chunk: "https://cdn.exampl%65.net/a.bin", Why: "a host in disguise"},
		{Model: public, Chunk: "https://１２７.0.0.1/a.bin", Why: "an address in disguise"},
	}
	for _, host := range []string{
		"localhost", "localhost.", "LOCALHOST", "a.localhost", "printer.local", "db.internal", "router.lan", "nas.home.arpa", "intranet",
		"127.0.0.1", "127.1", "127.0.0.1.", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1",
		"169.254.169.254", "100.64.0.1", "8.8.8.8", "a.1", "a.0x7", "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[2001:4860:4860::8888]",
	} {
		examples = append(examples, chunkExample{Model: public, Chunk: "https://" + host + "/a.bin", Why: "no public name"})
	}
	for i := range examples {
		e := &examples[i]
		var base *url.URL
		if e.Model != "" {
			u, err := url.Parse(e.Model)
			if err != nil {
				t.Fatal(err)
			}
			base = u
		}
		e.Allowed = checkChunk(base, &packed.Chunk{URL: e.Chunk}) == nil
	}
	testenv.ExampleLines(t, "rules/chunks.json", examples)
}

// TestPublicAddresses: what names may resolve to.
func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.32.0.1": true, "198.18.0.7": true, "2606:4700::1111": true, "64:ff9b::808:808": true, "::ffff:8.8.8.8": true, "2002:808:808::1": true,
		"127.0.0.1": false, "127.255.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "192.0.0.8": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fd00::1": false, "fec0::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "2002:7f00:1::1": false, "2001:0:1::1": false,
	} {
		if got := publicAddr(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: public %v, want %v", text, got, want)
		}
	}
}

// TestRetryDates: dates are read against the clock, which the examples of TestRules cannot show.
func TestRetryDates(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]verdict{
		"Fri, 02 Jan 2026 03:05:05 GMT": {retry: true, wait: time.Minute},
		"Fri, 02 Jan 2026 03:04:00 GMT": {retry: true},
		"Fri, 02 Jan 2026 04:04:05 GMT": {wait: time.Hour},
		"12":                            {retry: true, wait: 12 * time.Second},
	} {
		if got := judge(503, in, now); got != want {
			t.Errorf("%s: %+v, want %+v", in, got, want)
		}
	}
}
