package remote

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
)

// fileServer serves a directory and counts what it sends.
type fileServer struct {
	*httptest.Server
	dir string

	mu     sync.Mutex
	before func(w http.ResponseWriter, r *http.Request) (done bool) // may answer a request itself; nil: does not
	bytes  map[string]int64                                         // sent, by path
	ranges map[string][]string
}

func serve(t *testing.T, dir string) *fileServer { return serveBy(t, dir, httptest.NewServer) }

// servePublic serves a directory as https://example.com and as every host below it, to the server's Client.
func servePublic(t *testing.T, dir string) *fileServer { return serveBy(t, dir, httptest.NewTLSServer) }

func serveBy(t *testing.T, dir string, start func(http.Handler) *httptest.Server) *fileServer {
	s := &fileServer{dir: dir, bytes: map[string]int64{}, ranges: map[string][]string{}}
	files := http.FileServer(http.Dir(dir))
	s.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges[r.URL.Path] = append(s.ranges[r.URL.Path], r.Header.Get("Range"))
		before := s.before
		s.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		files.ServeHTTP(&countingWriter{w, s, r.URL.Path}, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// answer sets before.
func (s *fileServer) answer(before func(w http.ResponseWriter, r *http.Request) (done bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// chunkBytes is how many bytes of chunks were sent.
func (s *fileServer) chunkBytes() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, b := range s.bytes {
		if strings.Contains(path, "/"+"chunks"+"/") {
			n += b
		}
	}
	return n
}

type countingWriter struct {
	http.ResponseWriter
	s    *fileServer
	path string
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.s.mu.Lock() // counted first: the client may be done before Write returns
	w.s.bytes[w.path] += int64(len(p))
	w.s.mu.Unlock()
	return w.ResponseWriter.Write(p)
}

// cutWriter breaks the connection after n bytes.
type cutWriter struct {
	http.ResponseWriter
	n int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= w.n {
		w.n -= len(p)
		return w.ResponseWriter.Write(p)
	}
	w.ResponseWriter.Write(p[:w.n])
	w.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// servePacked serves a small packed model and returns what it holds.
func servePacked(t *testing.T) (*fileServer, *packed.Model) {
	t.Helper()
	dir := t.TempDir()
	return serve(t, dir), packTo(t, openDir(t, checkpointtest.WriteSmall(t)), filepath.Join(dir, "model"))
}

type writerFunc struct {
	http.ResponseWriter
	write func(p []byte) (int, error)
}

func (w writerFunc) Write(p []byte) (int, error) { return w.write(p) }
