package remote

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
)

// rawServer answers every connection by hand, and returns its URL.
func rawServer(t *testing.T, answer func(conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					answer(conn)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// repeat sends a piece again and again until the client has gone.
func repeat(conn net.Conn, piece string, pause time.Duration) {
	for {
		if _, err := io.WriteString(conn, piece); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// notes collects what the user is told.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func logTo(n *notes) *slog.Logger {
	return slog.New(slog.NewTextHandler(n, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// TestEndlessAnswers: servers whose headers or bodies do not end, or come by drops, are given up with a reason.
func TestEndlessAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		answer func(conn net.Conn)
		want   string
	}{
		"Headers": {func(conn net.Conn) { repeat(conn, ok, 0) }, "checkpoint: 127.0.0.1:… does not answer by HTTP (malformed MIME header: …"},
		"FastHeaders": {func(conn net.Conn) { io.WriteString(conn, ok); repeat(conn, "A: "+strings.Repeat("b", 1000)+"\r\n", 0) },
			"checkpoint: 127.0.0.1:… does not answer by HTTP (net/http: server response headers exceeded 262144 bytes; aborted)"},
		"SlowHeaders":  {func(conn net.Conn) { io.WriteString(conn, ok); repeat(conn, "A: b\r\n", 10*time.Millisecond) }, "…gave up after 3 attempts: nothing arrived for too long (1s): …"},
		"Informations": {func(conn net.Conn) { repeat(conn, "HTTP/1.1 103 Early Hints\r\n\r\n", 10*time.Millisecond) }, "…gave up after 3 attempts: …"},
		"Silence":      {func(net.Conn) { time.Sleep(3 * time.Second) }, "…gave up after 3 attempts: nothing arrived for too long (1s): …"},
		"Trickle": {func(conn net.Conn) { io.WriteString(conn, ok+"\r\n"); repeat(conn, "{", 10*time.Millisecond) },
			"…gave up after 3 attempts: fewer than 1024 bytes a second arrived (1s): …"},
		"TrickleInChunks": {func(conn net.Conn) {
			io.WriteString(conn, ok+"Transfer-Encoding: chunked\r\n\r\n")
			repeat(conn, "1\r\n{\r\n", 10*time.Millisecond)
		}, "…gave up after 3 attempts: fewer than 1024 bytes a second arrived (1s): …"},
		"FastBody": {func(conn net.Conn) { io.WriteString(conn, ok+"\r\n"); repeat(conn, strings.Repeat(" ", 1<<16), 0) },
			"checkpoint: http://…/manifest.json is larger than 8388608 bytes: this is not the published file"},
		"EscapesInHeader": {func(conn net.Conn) { io.WriteString(conn, ok+"\x1b[2Jgotcha\r\n\r\n") },
			`checkpoint: 127.0.0.1:… does not answer by HTTP (malformed MIME header: …\x1b[2Jgotcha…`},
		"EscapesInStatus": {func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 404 \x1b[2Jgotcha\r\nContent-Length: 0\r\n\r\n") }, "…the server replies 404 Not Found: check the URL)"},
		"EscapesInLocation": {func(conn net.Conn) {
			io.WriteString(conn, "HTTP/1.1 302 Found\r\nLocation: https://a.example/\xe2\x80\xaegotcha\r\nContent-Length: 0\r\n\r\n")
		}, "…gave up after 3 attempts: https://a.example/%E2%80%AEgotcha: …"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told notes
			stall := time.Minute // what does not depend on time must not depend on a busy machine either
			if name == "Informations" || strings.Contains(c.want, "(1s)") {
				stall = time.Second
			}
			_, err := openAt(t, rawServer(t, c.answer), Options{stall: stall, Logger: logTo(&told), resolver: resolveTo(t, "127.0.0.1")}, nil)
			if name == "EscapesInLocation" {
				c.want = "checkpoint: a.example:443 has the address 127.0.0.1, which is not public: …"
			}
			checkpointtest.WantError(t, err, c.want)
			if strings.ContainsAny(err.Error()+told.String(), "\x1b\u202e") {
				t.Errorf("escapes reach the user: %q, %q", err, told.String())
			}
		})
	}
}

// TestTricklingChunk: a chunk that comes by drops is fetched by another connection, and what came is kept.
func TestTricklingChunk(t *testing.T) {
	s, local := servePacked(t)
	k := local.Manifest.Chunks[1]
	var drops atomic.Int64
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, k.URL) || drops.Add(1) > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(k.Bytes))
		for r.Context().Err() == nil {
			w.Write([]byte{0})
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
		return true
	})
	var told notes
	err := mustOpenAt(t, s.URL+"/model", Options{stall: 200 * time.Millisecond, Logger: logTo(&told)}).Load(t.Context(), checkpointtest.Discard(), nil)
	if err != nil {
		t.Error(err)
	}
	if !strings.Contains(told.String(), "fewer than 1024 bytes a second arrived") {
		t.Errorf("told only %s", told.String())
	}
}

// TestCompressedBodies: bodies that are compressed though nobody asked are refused at once, of manifests and chunks.
func TestCompressedBodies(t *testing.T) {
	s, local := servePacked(t)
	k := local.Manifest.Chunks[0]
	for _, part := range []string{"manifest.json", k.URL} {
		for _, ranges := range []bool{true, false} {
			var requests atomic.Int64
			s.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, part) {
					return false
				}
				requests.Add(1)
				if !ranges {
					r.Header.Del("Range")
				}
				w.Header().Set("Content-Encoding", "gzip")
				data, err := os.ReadFile(filepath.Join(s.dir, r.URL.Path))
				if err != nil {
					t.Error(err)
				}
				z := gzip.NewWriter(w)
				z.Write(data)
				z.Close()
				return true
			})
			m, err := openAt(t, s.URL+"/model", Options{}, nil)
			if err == nil {
				err = m.Load(t.Context(), checkpointtest.Discard(), nil)
			}
			checkpointtest.WantError(t, err, "checkpoint: …"+part+`: the server sends the file compressed (Content-Encoding "gzip") though nobody asked for that: switch it off there for this file, or use another host`)
			if n := requests.Load(); n != 1 {
				t.Errorf("%s: %d requests, want 1", part, n)
			}
		}
	}
}

// TestChunkOfAnotherLength: a file of another length than the manifest says is asked for once more, past caches, and then refused,
// however the server tells the length.
func TestChunkOfAnotherLength(t *testing.T) {
	s, local := servePacked(t)
	k := local.Manifest.Chunks[0]
	for _, length := range []int64{0, 5, k.Bytes - 1, k.Bytes + 1} {
		for _, told := range []bool{true, false} {
			var requests atomic.Int64
			s.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, k.URL) {
					return false
				}
				requests.Add(1)
				if told {
					w.Header().Set("Content-Length", fmt.Sprint(length))
				} else {
					w.(http.Flusher).Flush()
				}
				w.Write(make([]byte, length))
				return true
			})
			err := mustOpenAt(t, s.URL+"/model", Options{}).Load(t.Context(), checkpointtest.Discard(), nil)
			want := fmt.Sprintf("checkpoint: chunk %s: http://…: the file has %d bytes there, %d are needed: tell its owner", k.URL, length, k.Bytes)
			if length > k.Bytes && !told { // what is too much is not read
				want = "checkpoint: chunk …: sha256 mismatch, …"
			}
			checkpointtest.WantError(t, err, want)
			if n := requests.Load(); n != 2 {
				t.Errorf("length %d: %d requests, want 2", length, n)
			}
		}
	}
	var requests atomic.Int64 // a cache on the way had an old copy
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, k.URL) || requests.Add(1) > 1 {
			return false
		}
		w.Write([]byte("short"))
		return true
	})
	if !maps.EqualFunc(collect(t, local), collect(t, mustOpenAt(t, s.URL+"/model", Options{})), bytes.Equal) {
		t.Error("other bytes")
	}
}

// TestUnreachableHosts: a model's first request is given up after three attempts, each told, and a name that does not exist is said.
func TestUnreachableHosts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	var told notes
	_, err = openAt(t, "http://"+l.Addr().String(), Options{Logger: logTo(&told)}, nil)
	checkpointtest.WantError(t, err, "checkpoint: gave up after 3 attempts: http://…/manifest.json: dial tcp …: connect: connection refused: run this again to go on from here")
	if n := strings.Count(told.String(), "trying again"); n != 2 {
		t.Errorf("told %d times, want 2:\n%s", n, told.String())
	}
	_, err = openAt(t, "https://nowhere.example.org", Options{resolver: resolveTo(t, "")}, nil)
	checkpointtest.WantError(t, err, "checkpoint: gave up after 3 attempts: https://nowhere.example.org/manifest.json: there is no host nowhere.example.org: check the URL and the connection: …")
}

// TestSlowServerIsTold: while a server does not answer, the user is told once what is waited for.
func TestSlowServerIsTold(t *testing.T) {
	s, _ := servePacked(t)
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		time.Sleep(300 * time.Millisecond)
		return false
	})
	var told notes
	if _, err := openAt(t, s.URL+"/model", Options{Logger: logTo(&told), stall: 600 * time.Millisecond}, nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(told.String(), "waiting for the server's answer"); n != 1 {
		t.Errorf("told %d times, want 1: %s", n, told.String())
	}
}

// repository serves a repository without hashes, on a server that says of the files what header does.
func repository(t *testing.T, header func(h http.Header)) (s *fileServer, file string) {
	t.Helper()
	dir := checkpointtest.WriteSmall(t)
	s = serve(t, dir)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		files := http.FileServer(http.Dir(dir))
		files.ServeHTTP(&headerWriter{w, header, false}, r)
		return true
	})
	return s, filepath.Join(dir, "model-00000-of-00001.safetensors")
}

type headerWriter struct {
	http.ResponseWriter
	change func(h http.Header)
	done   bool
}

func (w *headerWriter) WriteHeader(status int) {
	w.change(w.Header())
	w.done = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *headerWriter) Write(p []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// TestChangedRepository: a file that changed between two runs is downloaded again, the user is told, and no bytes of the two are mixed,
// whatever the server says of its files; while it is open, a change is an error.
func TestChangedRepository(t *testing.T) {
	var tag atomic.Int64
	for name, c := range map[string]struct {
		header func(h http.Header)
		change func(t *testing.T, file string)
		told   bool
	}{
		"StrongETag":   {func(h http.Header) { h.Set("ETag", fmt.Sprintf(`"%d"`, tag.Load())) }, func(*testing.T, string) { tag.Add(1) }, true},
		"WeakETag":     {func(h http.Header) { h.Set("ETag", fmt.Sprintf(`W/"%d"`, tag.Load())) }, touch, true},
		"LastModified": {func(http.Header) {}, touch, true},
		"Head":         {func(h http.Header) { h.Del("Last-Modified") }, func(*testing.T, string) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, file := repository(t, c.header)
			dir := filepath.Dir(file)
			cache := t.TempDir()
			collect(t, mustOpenAt(t, s.URL, Options{CacheDir: cache}))
			again := mustOpenAt(t, s.URL, Options{CacheDir: cache})
			// The second version has other bytes in the middle of a tensor, in the part of the file that is read to open it.
			checkpointtest.Poke(t, openDir(t, dir), dir, "model.layers.0.input_layernorm.weight", 0, []byte{1, 2})
			c.change(t, file)
			var told notes
			m := mustOpenAt(t, s.URL, Options{CacheDir: cache, Logger: logTo(&told)})
			if got := strings.Contains(told.String(), "a file of the model has changed on the server: it is downloaded again"); got != c.told {
				t.Errorf("told %q", told.String())
			}
			if !maps.EqualFunc(checkpointtest.Collect(t, openDir(t, dir)), collect(t, m), bytes.Equal) {
				t.Error("other bytes than the server has now")
			}
			if name != "Head" { // which is read once
				checkpointtest.WantError(t, again.Load(t.Context(), checkpointtest.Discard(), nil), "checkpoint: chunk …: http://…safetensors has changed on the server since the model was opened: open it again")
			}
		})
	}
}

func touch(t *testing.T, file string) {
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// TestVersions: what a server says of a file, twice, and whether the file has changed.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		a, b    version
		differs bool
	}{
		{version{}, version{`"a"`, "now", 5}, false},
		{version{ETag: `"a"`}, version{ETag: `"b"`}, true},
		{version{`"a"`, "now", 5}, version{`"a"`, "later", 5}, false}, // the tag is certain
		{version{`"a"`, "now", 5}, version{"", "later", 5}, true},
		{version{"", "now", 5}, version{"", "later", 5}, true},
		{version{"", "now", 5}, version{"", "now", 6}, true},
		{version{"", "", 5}, version{"", "", 6}, true},
		{version{"", "now", 5}, version{"", "", 0}, false},
	} {
		if c.a.differs(c.b) != c.differs || c.b.differs(c.a) != c.differs {
			t.Errorf("%+v, %+v: want %v", c.a, c.b, c.differs)
		}
	}
}

// TestPartOfUnknownVersion: what an earlier run left of a chunk is not continued where nobody can tell whether the file is still the same.
func TestPartOfUnknownVersion(t *testing.T) {
	s, file := repository(t, func(h http.Header) { h.Del("Last-Modified") })
	dir, cache := filepath.Dir(file), t.TempDir()
	m := mustOpenAt(t, s.URL, Options{CacheDir: cache})
	k := &m.Manifest.Chunks[0]
	store := openCache(t.Context(), &Client{log: slog.New(slog.DiscardHandler)}, modelDir(cache, s.URL+"/"), mustOrigin(t, modelDir(cache, s.URL+"/")))
	_, _, part := store.expect(k)
	if err := os.WriteFile(part, make([]byte, k.Bytes/2), 0o644); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(part, checkpoint.PartExt) {
		t.Fatal(part)
	}
	if !maps.EqualFunc(checkpointtest.Collect(t, openDir(t, dir)), collect(t, m), bytes.Equal) {
		t.Error("what was left is in the model")
	}
}

func mustOrigin(t *testing.T, dir string) origin {
	t.Helper()
	o, err := readOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	return o
}
