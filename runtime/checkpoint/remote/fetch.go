package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const skipLimit = 64 << 20 // bytes to read in vain where a server ignores Range

// version is what a server says of the state of a file.
type version struct {
	ETag     string `json:"etag,omitempty"` // only one that stands for the bytes
	Modified string `json:"modified,omitempty"`
	Bytes    int64  `json:"bytes,omitempty"`
}

// versionOf reads it from a reply.
func versionOf(r *http.Response) version {
	v := version{ETag: strongTag(r.Header), Modified: r.Header.Get("Last-Modified"), Bytes: r.ContentLength}
	if r.StatusCode == http.StatusPartialContent {
		_, v.Bytes = contentRange(r.Header)
	}
	v.Bytes = max(v.Bytes, 0)
	return v
}

// differs says that a file has changed between two replies, as far as both say anything.
func (v version) differs(w version) bool {
	if v.ETag != "" && w.ETag != "" {
		return v.ETag != w.ETag
	}
	return v.Modified != "" && w.Modified != "" && v.Modified != w.Modified || v.Bytes > 0 && w.Bytes > 0 && v.Bytes != w.Bytes
}

// certain says that a file which has this version later still has the same bytes.
func (v version) certain() bool { return v.ETag != "" || v.Modified != "" }

// byteRange is part of a file on a server.
type byteRange struct {
	url     string
	off, n  int64
	whole   bool    // the range is the file
	version version // that the file must still have
	fresh   bool    // past all caches
}

// fetch appends the bytes of s that p lacks to p, which may begin with some, and shows what comes to keep, with its offset.
func (c *Client) fetch(ctx context.Context, s byteRange, p []byte, keep func(p []byte, off int64)) ([]byte, error) {
	err := c.Retry(ctx, s.url, MaxFailures, func(ctx context.Context) (int64, error) {
		had := len(p)
		var err error
		p, err = c.fetchOnce(ctx, s, p, keep)
		return int64(len(p) - had), err
	})
	return p, err
}

func (c *Client) fetchOnce(ctx context.Context, s byteRange, p []byte, keep func(p []byte, off int64)) ([]byte, error) {
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
	b, err := c.Get(ctx, s.url, header)
	if err != nil {
		return p, err
	}
	defer b.Close()
	if err := s.check(b, first); err != nil {
		return p, err
	}
	if b.StatusCode == http.StatusOK {
		if n, err := io.CopyN(io.Discard, b, first); err != nil { // the server does not know ranges
			return p, s.early(b, n, err)
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
		if end := s.off + int64(len(p)); err != nil && end < s.off+s.n {
			if b.StatusCode == http.StatusPartialContent && end > first { // a server may send less than was asked for
				return p, unexpected(err)
			}
			return p, s.early(b, end, err)
		}
	}
	return p, nil
}

// check refuses replies that cannot bring the bytes from first on, or not those of the file that was opened.
func (s byteRange) check(b *Body, first int64) error {
	v := versionOf(b.Response)
	if s.version.differs(v) {
		return finalf("%s has changed on the server since the model was opened: open it again", shownURL(s.url))
	}
	if got, _ := contentRange(b.Header); b.StatusCode == http.StatusPartialContent && got != first {
		return finalf("%s: the server sends the range %q instead of the bytes from %d on", shownURL(s.url), b.Header.Get("Content-Range"), first)
	}
	if b.StatusCode == http.StatusOK && first > skipLimit {
		return finalf("%s: the server ignores Range, which files of this size need: use another host, or pack the model into chunks", shownURL(s.url))
	}
	if v.Bytes > 0 && (v.Bytes < s.off+s.n || s.whole && v.Bytes != s.n) {
		return finalError{&lengthError{s.url, v.Bytes, s.off + s.n}}
	}
	return nil
}

// early is the error of a body that ended after so many bytes of the file.
func (s byteRange) early(b *Body, got int64, err error) error {
	if errors.Is(err, io.EOF) && b.ended() {
		return finalError{&lengthError{s.url, got, s.off + s.n}}
	}
	return unexpected(err)
}

// lengthError is a file that has another length than the manifest says.
type lengthError struct {
	url       string
	got, want int64
}

func (e *lengthError) Error() string {
	return fmt.Sprintf("%s: the file has %d bytes there, %d are needed: tell its owner", shownURL(e.url), e.got, e.want)
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
		if err != nil || n < 0 {
			return -1
		}
		return n
	}
	return number(from), number(size)
}

// small fetches a whole file of at most limit bytes.
func (c *Client) small(ctx context.Context, url string, limit int64, failures int) ([]byte, error) {
	var data []byte
	err := c.Retry(ctx, url, failures, func(ctx context.Context) (int64, error) {
		b, err := c.Get(ctx, url, http.Header{})
		if err != nil {
			return 0, err
		}
		defer b.Close()
		if data, err = io.ReadAll(io.LimitReader(b, limit+1)); err != nil {
			return 0, err
		}
		if int64(len(data)) > limit {
			return 0, finalf("%s is larger than %d bytes: this is not the published file", shownURL(url), limit)
		}
		return int64(len(data)), nil
	})
	return data, err
}

// head fetches the first n bytes of a file, or all if it has fewer, and its version, with its size.
func (c *Client) head(ctx context.Context, url string, n int64, failures int) (data []byte, v version, err error) {
	err = c.Retry(ctx, url, failures, func(ctx context.Context) (int64, error) {
		b, err := c.Get(ctx, url, http.Header{"Range": {fmt.Sprintf("bytes=0-%d", n-1)}})
		if err != nil {
			return 0, err
		}
		defer b.Close()
		if v = versionOf(b.Response); v.Bytes == 0 && b.ContentLength != 0 {
			return 0, finalf("%s: the server does not say how large the file is: use another host, or pack the model into chunks", shownURL(url))
		}
		data = make([]byte, min(n, v.Bytes))
		got, err := io.ReadFull(b, data)
		return int64(got), unexpected(err)
	})
	return data, v, err
}
