package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxAttempts = 200      // of one chunk, progress or not
	skipLimit   = 64 << 20 // bytes to read in vain where a server ignores Range
)

// client fetches from web servers.
type client struct {
	http  *http.Client
	stall time.Duration
	log   *slog.Logger
	sleep func(ctx context.Context, d time.Duration) error
}

// statusError is a reply that is not what was asked for.
type statusError struct {
	url    string
	status int
	verdict
}

func (e *statusError) Error() string {
	hint := ""
	if !e.retry && e.wait > 0 {
		hint = fmt.Sprintf(": it asks to wait for %s: run this again then", e.wait)
	}
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		hint = ": the server wants a login or the link has expired"
	case http.StatusNotFound, http.StatusGone:
		hint = ": check the URL"
	}
	return fmt.Sprintf("%s: the server replies %d %s%s", e.url, e.status, http.StatusText(e.status), hint)
}

// Is makes a missing file like one of a file system.
func (e *statusError) Is(target error) bool {
	return target == fs.ErrNotExist && e.missing
}

// finalError is an error that is not retried.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func finalf(format string, args ...any) error { return finalError{fmt.Errorf(format, args...)} }

// unreachableError is the error of a request that failed too often.
type unreachableError struct {
	attempts int
	err      error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("gave up after %d attempts: %v: run this again to go on from here", e.attempts, e.err)
}

func (e *unreachableError) Unwrap() error { return e.err }

var errStalled = errors.New("nothing arrived for too long")

// retry calls try until it succeeds, fails with a finalError, or has failed too often without a byte of progress. try returns how many
// bytes it received.
func (c *client) retry(ctx context.Context, url string, failures int, try func(ctx context.Context) (int64, error)) error {
	failed := 0
	for attempt := 1; ; attempt++ {
		n, err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed++; n > 0 {
			failed = 1
		}
		var final finalError
		if errors.As(err, &final) {
			return final.error
		}
		least, most := backoff(failed)
		wait := least + rand.N(most-least)
		var status *statusError
		if errors.As(err, &status) {
			wait = max(wait, status.wait)
		}
		if failed >= failures || attempt >= maxAttempts {
			return &unreachableError{attempt, err}
		}
		c.log.WarnContext(ctx, "download interrupted, trying again", "url", url, "reason", err, "wait", wait.Round(time.Millisecond))
		if err := c.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// body is the body of a reply, with a timeout for a connection that stalls.
type body struct {
	*http.Response
	cancel context.CancelCauseFunc
	ctx    context.Context
	timer  *time.Timer
	stall  time.Duration
}

// do sends a GET request. Statuses other than 200 and 206 are errors.
func (c *client) do(ctx context.Context, url string, header http.Header) (*body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &body{cancel: cancel, ctx: ctx, stall: c.stall, timer: time.AfterFunc(c.stall, func() { cancel(errStalled) })}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		b.close()
		return nil, finalError{err}
	}
	req.Header = header
	req.Header.Set("Accept-Encoding", "identity") // bytes as they are stored
	if b.Response, err = c.http.Do(req); err != nil {
		b.close()
		return nil, b.reason(err)
	}
	if s := b.StatusCode; s != http.StatusOK && s != http.StatusPartialContent {
		err := &statusError{b.Request.URL.Redacted(), s, judge(s, b.Header.Get("Retry-After"), time.Now())}
		b.close()
		if err.retry {
			return nil, err
		}
		return nil, finalError{err}
	}
	return b, nil
}

// reason prefers why a request was cancelled.
func (b *body) reason(err error) error {
	if cause := context.Cause(b.ctx); errors.Is(cause, errStalled) {
		return fmt.Errorf("%w (%s)", cause, b.stall)
	}
	return err
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	b.timer.Reset(b.stall)
	if err != nil && err != io.EOF {
		err = b.reason(err)
	}
	return n, err
}

func (b *body) close() {
	b.timer.Stop()
	b.cancel(nil)
	if b.Response != nil {
		b.Body.Close() // the error says nothing about what was read
	}
}

// byteRange is part of a file on a server.
type byteRange struct {
	url    string
	off, n int64
	whole  bool   // the range is the file
	etag   string // that the file must still have; "": whatever
	fresh  bool   // past all caches
}

// fetch appends the bytes of s that p lacks to p, which may begin with some, and shows what comes to keep, with its offset.
func (c *client) fetch(ctx context.Context, s byteRange, p []byte, keep func(p []byte, off int64)) ([]byte, error) {
	err := c.retry(ctx, s.url, maxFailures, func(ctx context.Context) (int64, error) {
		had := len(p)
		var err error
		p, err = c.fetchOnce(ctx, s, p, keep)
		return int64(len(p) - had), err
	})
	return p, err
}

func (c *client) fetchOnce(ctx context.Context, s byteRange, p []byte, keep func(p []byte, off int64)) ([]byte, error) {
	if int64(len(p)) == s.n {
		return p, nil
	}
	first := s.off + int64(len(p))
	header := http.Header{}
	if !s.whole || first > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, s.off+s.n-1))
	}
	if s.fresh {
		header.Set("Cache-Control", "no-cache")
	}
	b, err := c.do(ctx, s.url, header)
	if err != nil {
		return p, err
	}
	defer b.close()
	if tag := strongTag(b.Header); s.etag != "" && tag != "" && tag != s.etag {
		return p, finalf("%s has changed on the server since the model was opened: open it again", s.url)
	}
	if b.StatusCode == http.StatusPartialContent {
		if got, _ := contentRange(b.Header); got != first {
			return p, finalf("%s: the server sends the range %q instead of the bytes from %d on", s.url, b.Header.Get("Content-Range"), first)
		}
	} else if first > 0 { // the server does not know ranges
		if first > skipLimit {
			return p, finalf("%s: the server ignores Range, which files of this size need: use another host, or pack the model into chunks", s.url)
		}
		if _, err := io.CopyN(io.Discard, b, first); err != nil {
			return p, unexpected(err)
		}
	}
	if int64(cap(p)) < s.n {
		p = append(make([]byte, 0, s.n), p...)
	}
	for int64(len(p)) < s.n {
		n, err := b.Read(p[len(p):min(s.n, int64(len(p)+1<<18))])
		if n > 0 {
			keep(p[len(p):len(p)+n], int64(len(p)))
			p = p[:len(p)+n]
		}
		if err != nil && int64(len(p)) < s.n {
			return p, unexpected(err)
		}
	}
	return p, nil
}

// unexpected is an end that came too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// strongTag is the reply's ETag if it identifies bytes.
func strongTag(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return ""
}

// contentRange reads "bytes first-last/total"; -1 for what is missing.
func contentRange(h http.Header) (first, total int64) {
	text, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	if !ok {
		return -1, -1
	}
	bounds, size, _ := strings.Cut(text, "/")
	from, _, _ := strings.Cut(bounds, "-")
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	return number(from), number(size)
}

// small fetches a whole file of at most limit bytes.
func (c *client) small(ctx context.Context, url string, limit int64, failures int) ([]byte, error) {
	var data []byte
	err := c.retry(ctx, url, failures, func(ctx context.Context) (int64, error) {
		b, err := c.do(ctx, url, http.Header{})
		if err != nil {
			return 0, err
		}
		defer b.close()
		if data, err = io.ReadAll(io.LimitReader(b, limit+1)); err != nil {
			return 0, err
		}
		if int64(len(data)) > limit {
			return 0, finalf("%s is larger than %d bytes: this is not the published file", url, limit)
		}
		return int64(len(data)), nil
	})
	return data, err
}

// head fetches the first n bytes of a file, or all if it has fewer, its size and its ETag.
func (c *client) head(ctx context.Context, url string, n int64, failures int) (data []byte, size int64, etag string, err error) {
	err = c.retry(ctx, url, failures, func(ctx context.Context) (int64, error) {
		b, err := c.do(ctx, url, http.Header{"Range": {fmt.Sprintf("bytes=0-%d", n-1)}})
		if err != nil {
			return 0, err
		}
		defer b.close()
		size = b.ContentLength
		if b.StatusCode == http.StatusPartialContent {
			_, size = contentRange(b.Header)
		}
		if size < 0 {
			return 0, finalf("%s: the server does not say how large the file is: use another host, or pack the model into chunks", url)
		}
		etag = strongTag(b.Header)
		data = make([]byte, min(n, size))
		got, err := io.ReadFull(b, data)
		return int64(got), unexpected(err)
	})
	return data, size, etag, err
}
