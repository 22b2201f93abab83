package remote

import (
	"slices"
	"testing"
	"time"

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
	GiveUp   bool  `json:"giveUp"` // instead of a pause
}

// TestRules compares the rules with testdata/rules, which the page's tests read; -update writes those files.
func TestRules(t *testing.T) {
	var urls []urlExample
	for _, model := range []string{
		"https://host/a/b", "https://host/a/b/", "https://host", "http://host:8080/a", "https://HOST/Model", "https://host/a%20b",
		"http://host/a/manifest.json", "http://host/a/config.json", "http://host/manifest.json",
		"https://huggingface.co/openai/gpt-oss-20b", "https://huggingface.co/openai/gpt-oss-20b/", "https://hf.co/openai/gpt-oss-20b",
		"https://huggingface.co/openai/gpt-oss-20b/tree/abc", "https://hf.co/openai/gpt-oss-20b/tree/main/",
		"https://huggingface.co/o/g/resolve/main/", "https://huggingface.co/o/g/resolve/main/sub/dir", "https://hf.co/o/g/resolve/v1/manifest.json",
		"https://huggingface.co/o", "https://host/o/g/tree/main",
		"https://host/20b?key=1", "https://host/20b/#a", "https://host/20b?", "https://host/20b#",
		"https://host/a/other.json", "https://host/a/model.safetensors.index.json", "http://[", "ftp://host/a", "https://",
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

	pauses := []backoffExample{{Failures: maxFailures, GiveUp: true}}
	for n := maxFailures - 1; n > 0; n-- {
		least, most := backoff(n)
		pauses = slices.Insert(pauses, 0, backoffExample{n, least.Milliseconds(), most.Milliseconds(), false})
	}
	testenv.ExampleLines(t, "rules/backoff.json", pauses)
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
