package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const maxAttempts = 200 // of one chunk, progress or not

// Client fetches from a web server, and from those that it sends on to.
type Client struct {
	http  *http.Client
	stall time.Duration // in which a connection must bring an answer, and then bytes at minRate
	log   *slog.Logger
	sleep func(ctx context.Context, d time.Duration) error

	waiting sync.Once // for telling that a server is slow
}

// StatusError is a reply that is not what was asked for.
type StatusError struct {
	Status int
	Code   string // what Hugging Face says beside it, in the header X-Error-Code, such as "GatedRepo"; often ""
	URL    string // that was asked at last, as messages show it
	verdict
}

// Wait is how long the server asks to wait before the next attempt, where it is too long to be waited here; 0 if it does not say.
func (e *StatusError) Wait() time.Duration {
	if e.retry {
		return 0
	}
	return e.wait
}

func (e *StatusError) Error() string {
	hint := ""
	if !e.retry && e.wait > 0 {
		hint = fmt.Sprintf(": it asks to wait for %s: run this again then", e.wait)
	}
	switch e.Status {
	case http.StatusUnauthorized:
		hint = `: the server wants a login: for an https URL, put "machine HOST login USER password PASSWORD" into the file .netrc in your home directory`
	case http.StatusForbidden:
		hint = ": the server wants a login or the link has expired"
	case http.StatusNotFound, http.StatusGone:
		hint = ": check the URL"
	case http.StatusUnavailableForLegalReasons:
		hint = ": the server may not give the file out, for legal reasons: use another host"
	case http.StatusRequestedRangeNotSatisfiable:
		hint = ": the file is shorter there than when the model was published: tell its owner"
	}
	return fmt.Sprintf("%s: the server replies %d %s%s", e.URL, e.Status, http.StatusText(e.Status), hint)
}

// Is makes a missing file like one of a file system.
func (e *StatusError) Is(target error) bool {
	return target == fs.ErrNotExist && e.missing
}

// finalError is an error that is not retried.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Final makes an error of an attempt the last one: Retry does not try again.
func Final(err error) error { return finalError{err} }

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

var (
	errStalled = errors.New("nothing arrived for too long")
	errTrickle = fmt.Errorf("fewer than %d bytes a second arrived", minRate)
)

// Retry calls try until it succeeds, fails with a Final error, or has failed so many times without a byte of progress. try returns how
// many bytes it received.
func (c *Client) Retry(ctx context.Context, url string, failures int, try func(ctx context.Context) (int64, error)) error {
	failed := 0
	for attempt := 1; ; attempt++ {
		n, err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed++; n > 0 && !errors.Is(err, errTrickle) {
			failed = 1
		}
		var final finalError
		if errors.As(err, &final) {
			return final.error
		}
		least, most := backoff(failed)
		wait := least + rand.N(most-least)
		var status *StatusError
		if errors.As(err, &status) {
			wait = max(wait, status.wait)
		}
		if failed >= failures || attempt >= maxAttempts {
			return &unreachableError{attempt, err}
		}
		c.log.WarnContext(ctx, "download interrupted, trying again", "url", shownURL(url), "reason", err, "wait", wait.Round(time.Millisecond))
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

// Body is the body of a reply, given up if it brings too little for too long.
type Body struct {
	*http.Response
	cancel   context.CancelCauseFunc
	ctx      context.Context
	timer    *time.Timer
	stall    time.Duration
	answered atomic.Bool  // its header has arrived
	window   atomic.Int64 // bytes since the timer was set
}

// Get sends a GET request. The caller closes the body. Statuses other than 200 and 206 are errors, and so are bodies in another form than the file's own.
func (c *Client) Get(ctx context.Context, url string, header http.Header) (*Body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &Body{cancel: cancel, ctx: ctx, stall: c.stall}
	b.timer = time.AfterFunc(time.Hour, b.judgeWindow)
	b.timer.Reset(c.stall) // now that it can be found
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		b.Close()
		return nil, finalError{err}
	}
	req.Header = header
	req.Header.Set("Accept-Encoding", "identity") // bytes as they are stored
	slow := time.AfterFunc(c.stall/6, func() {
		c.waiting.Do(func() { c.log.WarnContext(ctx, "waiting for the server's answer", "url", shown(req.URL)) })
	})
	var unsecured atomic.Bool // the handshake failed
	b.Response, err = c.http.Do(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { unsecured.Store(err != nil) },
	})))
	slow.Stop()
	if err != nil {
		b.Close()
		return nil, b.reason(judgeTransport(err, unsecured.Load()))
	}
	b.answered.Store(true)
	b.timer.Reset(b.stall)
	if s := b.StatusCode; s != http.StatusOK && s != http.StatusPartialContent {
		err := &StatusError{s, b.Header.Get("X-Error-Code"), shown(b.Request.URL), judge(s, b.Header.Get("Retry-After"), time.Now())}
		b.Close()
		if err.retry {
			return nil, err
		}
		return nil, finalError{err}
	}
	if coding := b.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		b.Close()
		return nil, finalf("%s: the server sends the file compressed (Content-Encoding %q) though nobody asked for that: switch it off there for this file, or use another host",
			shown(b.Request.URL), coding)
	}
	return b, nil
}

// judgeWindow gives a body up that brought too little since the timer was set.
func (b *Body) judgeWindow() {
	switch n := b.window.Swap(0); {
	case n == 0 || !b.answered.Load():
		b.cancel(errStalled)
	case n < int64(minRate*b.stall/time.Second):
		b.cancel(errTrickle)
	default:
		b.timer.Reset(b.stall)
	}
}

// reason prefers why a request was cancelled.
func (b *Body) reason(err error) error {
	if cause := context.Cause(b.ctx); errors.Is(cause, errStalled) || errors.Is(cause, errTrickle) {
		return fmt.Errorf("%w (%s)", cause, b.stall)
	}
	return err
}

// Read counts what comes, for the deadline of a host that trickles.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	b.window.Add(int64(n))
	if err != nil && err != io.EOF {
		err = b.reason(transportError(err))
	}
	return n, err
}

// ended says whether an end of the body is the server's word that there is no more, and not perhaps a broken connection.
func (b *Body) ended() bool {
	return b.ContentLength >= 0 || len(b.TransferEncoding) > 0 || b.ProtoMajor > 1
}

// Close ends the reply, whatever of it is left.
func (b *Body) Close() {
	b.timer.Stop()
	b.cancel(nil)
	if b.Response != nil {
		b.Body.Close() // the error says nothing about what was read
	}
}

// Total is the size of the whole file, in bytes; -1 if the server does not say.
func (b *Body) Total() int64 {
	if b.StatusCode == http.StatusPartialContent {
		_, total := contentRange(b.Header)
		return total
	}
	return b.ContentLength
}

// First is where in the file the body begins; -1 if the server should say and does not.
func (b *Body) First() int64 {
	if b.StatusCode == http.StatusPartialContent {
		first, _ := contentRange(b.Header)
		return first
	}
	return 0
}
