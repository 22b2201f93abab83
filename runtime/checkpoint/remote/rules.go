package remote

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
)

// Rules that the page follows too, in TypeScript: which URLs are models, and what a client does when a host does not send what was
// asked for. TestRules writes what they say about examples to testdata/rules, and the page's tests read the same files.

// modelURL is the URL of a model's directory, with a slash at its end. raw names the directory, its manifest.json or its
// config.json, or is the page of a repository on Hugging Face, with or without a revision. URLs with ? or # are refused: the URLs
// of the model's files are made by appending to its own.
func modelURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("checkpoint: URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("checkpoint: URL %q: want http:// or https:// and a host", u.Redacted())
	}
	if strings.ContainsAny(raw, "?#") {
		return "", fmt.Errorf("checkpoint: URL %q: a model is a directory, whose URL has neither ? nor #", u.Redacted())
	}
	u.Host = strings.ToLower(u.Host)
	switch file := path.Base(u.Path); {
	case file == packed.ManifestName || file == safetensors.ConfigName:
		u = u.JoinPath("..")
	case strings.HasSuffix(file, ".json"):
		return "", fmt.Errorf("checkpoint: URL %q: give the directory of the model, its %s or its %s", u.Redacted(), packed.ManifestName, safetensors.ConfigName)
	}
	if u.Host == "hf.co" { // it redirects, which a page may not be allowed to follow
		u.Host = "huggingface.co"
	}
	if u.Host == "huggingface.co" {
		switch parts := strings.Split(strings.Trim(u.Path, "/"), "/"); {
		case len(parts) == 2:
			u = u.JoinPath("resolve", "main")
		case len(parts) == 4 && parts[2] == "tree":
			u.Path = "/" + path.Join(parts[0], parts[1], "resolve", parts[3])
		}
	}
	return strings.TrimSuffix(u.String(), "/") + "/", nil
}

// Retries of a request.
const (
	firstPause  = 500 * time.Millisecond // before the second attempt; doubled for each further one
	longestWait = 30 * time.Second       // between attempts, unless the host asks for more
	patience    = 5 * time.Minute        // the longest Retry-After that is obeyed
	maxFailures = 8                      // attempts in a row without a byte of progress
)

// backoff bounds the pause after so many failures in a row, 1 or more. The pause is drawn between the two, so that clients of a
// host that was away do not all come back at once.
func backoff(failures int) (least, most time.Duration) {
	most = min(firstPause<<min(failures-1, 10), longestWait)
	return most / 2, most
}

// verdict is what a client does about a reply that does not bring what was asked for.
type verdict struct {
	retry   bool          // another attempt may succeed
	wait    time.Duration // that the host asks for, also where it is too long to retry; 0: it does not say
	missing bool          // there is no such file: where manifest.json is missing, there may be a repository
}

// judge says what a reply's status (neither 200 nor 206) and its header Retry-After, "" if it has none, mean.
func judge(status int, header string, now time.Time) verdict {
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusGone: // object stores call what is missing forbidden
		return verdict{missing: true}
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return verdict{}
	default:
		if status < 500 || status > 599 {
			return verdict{}
		}
	}
	wait := retryAfter(header, now)
	return verdict{retry: wait <= patience, wait: wait}
}

// retryAfter reads a number of seconds or a date; 0 for anything else.
func retryAfter(s string, now time.Time) time.Duration {
	n, err := strconv.ParseUint(s, 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		n, err = math.MaxInt32, nil
	}
	if err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
