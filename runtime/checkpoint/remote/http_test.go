package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/gptoss"
)

// TestBrokenConnections breaks 20 connections after a random number of bytes; with and without ranges.
func TestBrokenConnections(t *testing.T) {
	s, local := servePacked(t)
	want := collect(t, local)
	for _, ranges := range []bool{true, false} {
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		cuts, per := 0, map[string]int{} // without ranges, a cut may bring nothing, and 8 of these in a row are the end
		files := http.FileServer(http.Dir(s.dir))
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !ranges {
				r.Header.Del("Range")
			}
			mu.Lock()
			n := random.IntN(40_000)
			if !ranges {
				n *= 5
			}
			cut := cuts < 20 && (ranges || per[r.URL.Path] < 5) && strings.Contains(r.URL.Path, "chunks")
			if cut {
				cuts++
				per[r.URL.Path]++
			}
			mu.Unlock()
			if cut {
				files.ServeHTTP(&cutWriter{w, n}, r)
			}
			return cut
		})
		cache := t.TempDir()
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
			t.Errorf("ranges %v: other bytes", ranges)
		}
		if ranges && cuts != 20 {
			t.Errorf("ranges %v: %d cuts, want 20", ranges, cuts)
		}
		for name := range checkpointtest.ListFiles(t, cache) {
			if strings.HasSuffix(name, checkpoint.PartExt) {
				t.Errorf("ranges %v: left %s", ranges, name)
			}
		}
	}
}

// TestWrongBytesAreFetchedAgain: a chunk that is wrong once is fetched again, past caches; wrong twice, it is an error.
func TestWrongBytesAreFetchedAgain(t *testing.T) {
	s, local := servePacked(t)
	bad := local.Manifest.Chunks[2]
	for _, times := range []int{1, 2} {
		var mu sync.Mutex
		n, fresh := 0, 0
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, bad.URL) {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			if r.Header.Get("Cache-Control") == "no-cache" {
				fresh++
			}
			if n++; n > times {
				return false
			}
			w.Write(make([]byte, bad.Bytes))
			return true
		})
		cache := t.TempDir()
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		err := c.Load(t.Context(), checkpointtest.Discard(), nil)
		if times == 1 && err != nil {
			t.Error(err)
		}
		if times == 2 {
			checkpointtest.WantError(t, err, "checkpoint: chunk "+bad.URL+": sha256 mismatch, want "+bad.SHA256+", got …, twice: the server has other bytes than the manifest says: tell its owner")
			for name := range checkpointtest.ListFiles(t, cache) {
				if strings.Contains(name, bad.SHA256) {
					t.Errorf("kept %s", name)
				}
			}
		}
		if n != 2 || fresh != 1 {
			t.Errorf("%d requests, %d of them past caches; want 2 and 1", n, fresh)
		}
	}
}

// TestRetriesByStatus: what the server replies, how often it is asked, and what is waited for.
func TestRetriesByStatus(t *testing.T) {
	s, local := servePacked(t)
	k := local.Manifest.Chunks[0]
	for _, c := range []struct {
		status     int
		retryAfter string
		times      int
		requests   int
		wait       time.Duration // at least
		want       string
	}{
		{404, "", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 404 Not Found: check the URL"},
		{403, "", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 403 Forbidden: the server wants a login or the link has expired"},
		{400, "", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 400 Bad Request"},
		{503, "", 1, 2, 0, ""},
		{500, "", 3, 4, 0, ""},
		{429, "7", 2, 3, 7 * time.Second, ""},
		{503, time.Now().Add(3 * time.Minute).UTC().Format(http.TimeFormat), 1, 2, 2 * time.Minute, ""},
		{503, "86400", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 503 Service Unavailable: it asks to wait for 24h0m0s: run this again then"},
		{502, "", 100, 8, 0, "checkpoint: chunk " + k.URL + ": gave up after 8 attempts: http://…: the server replies 502 Bad Gateway: run this again to go on from here"},
	} {
		t.Run(fmt.Sprint(c.status, c.retryAfter), func(t *testing.T) {
			var mu sync.Mutex
			n := 0
			s.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, k.URL) {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				if n++; n > c.times {
					return false
				}
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.WriteHeader(c.status)
				return true
			})
			var p pauses
			ck, err := openAt(t, s.URL+"/model", Options{}, &p)
			if err != nil {
				t.Fatal(err)
			}
			err = ck.Load(t.Context(), checkpointtest.Discard(), nil)
			if c.want != "" {
				checkpointtest.WantError(t, err, c.want)
			} else if err != nil {
				t.Error(err)
			}
			if n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			for _, d := range p.d {
				if d < c.wait || d < firstPause/2 {
					t.Errorf("waited %v, want at least %v", d, c.wait)
				}
			}
		})
	}
}

// TestCancelledDownloadResumes cancels after every number of pieces; what has arrived is not fetched again.
func TestCancelledDownloadResumes(t *testing.T) {
	s, local := servePacked(t)
	total := storedBytes(local.Manifest)
	cache := t.TempDir()
	for n := 1; n < 12; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		sent, limit := 0, n*60_000
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "chunks") {
				return false
			}
			files := http.FileServer(http.Dir(s.dir))
			files.ServeHTTP(writerFunc{w, func(p []byte) (int, error) {
				mu.Lock()
				sent += len(p)
				over := sent > limit
				mu.Unlock()
				if over {
					cancel()
				}
				return w.Write(p)
			}}, r)
			return true
		})
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		if err := c.Load(ctx, checkpointtest.Discard(), nil); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled after %d bytes: %v", limit, err)
		}
		cancel()
		if n%4 != 0 {
			continue
		}
		have := cachedBytes(t, cache)
		s.answer(nil)
		count := &countingTransport{}
		c = mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache, transport: count})
		if !maps.EqualFunc(collect(t, local), collect(t, c), bytes.Equal) {
			t.Error("other bytes")
		}
		if got, want := count.bytes.Load(), total-have; got != want {
			t.Errorf("with %d bytes in the cache, %d more were fetched, want %d", have, got, want)
		}
		cache = t.TempDir()
	}
}

// countingTransport counts the bytes of chunks that arrive.
type countingTransport struct{ bytes atomic.Int64 }

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && strings.Contains(r.URL.Path, "/"+"chunks"+"/") {
		resp.Body = countingBody{resp.Body, &c.bytes}
	}
	return resp, err
}

type countingBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (b countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}

// TestStalledConnection: a connection that stays open and silent is given up.
func TestStalledConnection(t *testing.T) {
	s, local := servePacked(t)
	k := local.Manifest.Chunks[1]
	var once sync.Once
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		stalled := false
		if strings.HasSuffix(r.URL.Path, k.URL) {
			once.Do(func() {
				stalled = true
				w.Header().Set("Content-Length", fmt.Sprint(k.Bytes))
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
		}
		return stalled
	})
	c := mustOpenAt(t, s.URL+"/model", Options{stall: 50 * time.Millisecond})
	if !maps.EqualFunc(collect(t, local), collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
}

// TestRangeRequests: chunks are asked for by exact ranges where they are parts of files, and without where they are files.
func TestRangeRequests(t *testing.T) {
	s, local := servePacked(t)
	collect(t, mustOpenAt(t, s.URL+"/model", Options{}))
	for _, k := range local.Manifest.Chunks {
		if d := cmp.Diff([]string{""}, s.ranges["/model/"+k.URL]); d != "" {
			t.Errorf("%s (-want +got):\n%s", k.URL, d)
		}
	}
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "chunks") {
			return false
		}
		w.Header().Set("Content-Range", "bytes 5-9/100")
		w.WriteHeader(http.StatusPartialContent)
		return true
	})
	err := mustOpenAt(t, s.URL+"/model", Options{}).Load(t.Context(), checkpointtest.Discard(), nil)
	checkpointtest.WantError(t, err, `checkpoint: chunk chunks/…: …: the server sends the range "bytes 5-9/100" instead of the bytes from 0 on`)
}

// TestSinkErrorStopsDownload: what a sink refuses ends the work ahead, too.
func TestSinkErrorStopsDownload(t *testing.T) {
	s, _ := servePacked(t)
	full := errors.New("device is full")
	err := mustOpenAt(t, s.URL+"/model", Options{}).Load(t.Context(), checkpointtest.SinkFunc(func(gptoss.TensorSpec, int64, []byte) error { return full }), nil)
	if !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	s.Close() // waits for connections in use: there are none
}

func TestContentRange(t *testing.T) {
	if !slices.Equal([]int64{-1, -1}, pair(contentRange(http.Header{}))) || !slices.Equal([]int64{5, -1}, pair(contentRange(http.Header{"Content-Range": {"bytes 5-9/*"}}))) {
		t.Error("contentRange")
	}
}

func pair(a, b int64) []int64 { return []int64{a, b} }

// TestServerIgnoresRange: a server that sends whole files will do for the beginnings of files, and is refused for what lies far inside.
func TestServerIgnoresRange(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	src := openDir(t, dir)
	s := serve(t, dir)
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	})
	if _, err := packed.PackInPlace(t.Context(), src, dir, s.URL, nil); err != nil {
		t.Fatal(err)
	}
	c := mustOpenAt(t, s.URL, Options{})
	if !maps.EqualFunc(checkpointtest.Collect(t, src), collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	off := int64(1 << 30)
	c.Manifest.Chunks[0].Offset, c.Manifest.Chunks[0].SHA256 = &off, strings.Repeat("0", 64)
	checkpointtest.WantError(t, c.Load(t.Context(), checkpointtest.Discard(), nil), "checkpoint: chunk …: the server ignores Range, which files of this size need: use another host, or pack the model into chunks")
}
