// Package hubtest is a web server that behaves as Hugging Face's does towards programs that download models: an API that lists files with
// their hashes, and files of which the large ones are on another host. It can be made to fail in the ways in which hosts and networks do.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is the hub, with its own repositories, and the host of its large files.
type Server struct {
	URL string // of the hub
	CDN string // URL of the host of large files

	t  testing.TB
	mu sync.Mutex
	// Set between requests, with Set.
	Repos    map[string]*Repo // by OWNER/REPO
	PageSize int              // files on a page of a list; 0: all
	// Before may answer a request itself. cdn says which of the two hosts is asked.
	Before func(w http.ResponseWriter, r *http.Request, cdn bool) (done bool)
	// NoVersions leaves ETag and Last-Modified out, and NoRanges sends files whole whatever is asked for.
	NoVersions, NoRanges bool

	requests []*Request
}

// Repo is a repository.
type Repo struct {
	Files map[string][]byte
	Token string // that is needed to see it; "": it is public
	Gated bool   // it is seen, but its files are given to nobody

	sums map[string]sum // of files, by path
}

// sum is a file's SHA-256, which takes long to compute.
type sum struct {
	data []byte
	text string
}

// SHA256 is the hash of a file. Files are replaced and not changed in place.
func (r *Repo) SHA256(name string) string {
	data := r.Files[name]
	if s := r.sums[name]; len(s.data) == len(data) && len(data) > 0 && &s.data[0] == &data[0] {
		return s.text
	}
	if r.sums == nil {
		r.sums = map[string]sum{}
	}
	text := fmt.Sprintf("%x", sha256.Sum256(data))
	r.sums[name] = sum{data, text}
	return text
}

// Request is what the server was asked.
type Request struct {
	CDN           bool
	Path, Range   string
	Authorization string
	Sent          int64 // bytes
}

// New starts a server without repositories.
func New(t testing.TB) *Server {
	s := &Server{t: t, Repos: map[string]*Repo{}}
	hub := httptest.NewServer(s.handler(false, s.hub))
	cdn := httptest.NewServer(s.handler(true, s.cdn))
	t.Cleanup(hub.Close)
	t.Cleanup(cdn.Close)
	s.URL, s.CDN = hub.URL, cdn.URL
	return s
}

// Set changes the server.
func (s *Server) Set(change func(s *Server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// Add adds a public repository with the files of a directory, and others that no program needs.
func (s *Server) Add(name string, fsys fs.FS) *Repo {
	s.t.Helper()
	r := &Repo{Files: map[string][]byte{
		"README.md": []byte("# A model\n"), ".gitattributes": []byte("*.safetensors filter=lfs\n"), "tokenizer.json": bytes.Repeat([]byte("{}"), 5000),
		"original/model.safetensors": make([]byte, 5000), "original/config.json": []byte("{}"), "metal/model.bin": make([]byte, 5000),
	}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		r.Files[name], err = fs.ReadFile(fsys, name)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Set(func(s *Server) { s.Repos[name] = r })
	return r
}

// Requests returns what was asked since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Request
	for _, r := range s.requests {
		all = append(all, *r)
	}
	s.requests = nil
	return all
}

// Large says whether a repository keeps a file in Git LFS, and so on the other host.
func Large(name string) bool {
	return strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".gguf") || strings.HasSuffix(name, ".bin")
}

// Commit is the commit that the repository is at: it changes with its files.
func (r *Repo) Commit() string {
	h := sha1.New()
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		fmt.Fprintf(h, "%s %s\n", name, r.SHA256(name))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Blob is git's hash of a file.
func Blob(data []byte) string {
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)))
}

// counter counts what is sent.
type counter struct {
	http.ResponseWriter
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (s *Server) handler(cdn bool, next func(w http.ResponseWriter, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counter{ResponseWriter: w}
		s.mu.Lock()
		before := s.Before
		asked := &Request{CDN: cdn, Path: r.URL.Path, Range: r.Header.Get("Range"), Authorization: r.Header.Get("Authorization")}
		s.requests = append(s.requests, asked)
		s.mu.Unlock()
		defer func() { // also where a handler breaks the connection
			s.mu.Lock()
			asked.Sent = c.n
			s.mu.Unlock()
		}()
		if before == nil || !before(c, r, cdn) {
			next(c, r)
		}
	})
}

// refuse answers as the hub does.
func refuse(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":%q}`, message)
}

// hub answers /api/models/O/R/... and /O/R/resolve/REVISION/FILE.
func (s *Server) hub(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, api := strings.CutPrefix(r.URL.Path, "/api/models/")
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 5)
	if len(parts) < 4 {
		refuse(w, http.StatusNotFound, "", "Not found")
		return
	}
	repo := s.Repos[parts[0]+"/"+parts[1]]
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if repo == nil || repo.Token != "" && given != repo.Token { // it does not tell the one from the other
		refuse(w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
		return
	}
	if rev := parts[3]; rev != "main" && rev != repo.Commit() {
		refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+rev)
		return
	}
	w.Header().Set("X-Repo-Commit", repo.Commit())
	switch {
	case api && parts[2] == "revision":
		json.NewEncoder(w).Encode(map[string]any{"id": parts[0] + "/" + parts[1], "sha": repo.Commit(), "gated": repo.Gated})
	case api && parts[2] == "tree":
		s.tree(w, r, repo)
	case !api && parts[2] == "resolve" && len(parts) == 5:
		s.resolve(w, r, repo, parts[4])
	default:
		refuse(w, http.StatusNotFound, "", "Not found")
	}
}

// tree lists files and folders, in pages.
func (s *Server) tree(w http.ResponseWriter, r *http.Request, repo *Repo) {
	var all []any
	folders := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(repo.Files)) {
		data := repo.Files[name]
		if dir, _, ok := strings.Cut(name, "/"); ok && !folders[dir] {
			folders[dir] = true
			all = append(all, map[string]any{"type": "directory", "oid": strings.Repeat("0", 40), "size": 0, "path": dir})
		}
		e := map[string]any{"type": "file", "oid": Blob(data), "size": len(data), "path": name}
		if Large(name) {
			e["lfs"] = map[string]any{"oid": repo.SHA256(name), "size": len(data), "pointerSize": 135}
			e["xetHash"] = strings.Repeat("a", 64)
		}
		all = append(all, e)
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // without one, from the beginning
	from = min(max(from, 0), len(all))
	to := len(all)
	if s.PageSize > 0 && from+s.PageSize < to {
		to = from + s.PageSize
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, s.URL, r.URL.Path, to))
	}
	json.NewEncoder(w).Encode(all[from:to])
}

// resolve sends a small file, and on to where a large one is.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request, repo *Repo, name string) {
	data, ok := repo.Files[name]
	switch {
	case repo.Gated:
		refuse(w, http.StatusForbidden, "GatedRepo", "Access to this model is restricted.")
	case !ok:
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	case Large(name):
		sum := repo.SHA256(name)
		w.Header().Set("X-Linked-Etag", `"`+sum+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		w.Header().Set("Location", s.CDN+"/files/"+sum+"?X-Amz-Signature="+url.QueryEscape("sig/ned"))
		w.WriteHeader(http.StatusFound)
	default:
		w.Header().Set("ETag", `"`+Blob(data)+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// cdn sends large files by their hashes, to whoever has a link.
func (s *Server) cdn(w http.ResponseWriter, r *http.Request) {
	sum := strings.TrimPrefix(r.URL.Path, "/files/")
	s.mu.Lock()
	var data []byte
	for _, repo := range s.Repos {
		for name := range repo.Files {
			if Large(name) && repo.SHA256(name) == sum {
				data = repo.Files[name]
			}
		}
	}
	versions, ranges := !s.NoVersions, !s.NoRanges
	s.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "": // as S3 does of two ways to sign
		http.Error(w, "InvalidArgument: Only one auth mechanism allowed", http.StatusBadRequest)
		return
	case data == nil || r.URL.Query().Get("X-Amz-Signature") != "sig/ned":
		http.Error(w, "AccessDenied", http.StatusForbidden)
		return
	}
	if versions {
		w.Header().Set("ETag", `"`+sum[:32]+`"`)
	}
	if !ranges {
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// Cut is w, whose connection breaks after n bytes of the body.
func Cut(w http.ResponseWriter, n int64) http.ResponseWriter { return &cutter{w, n} }

type cutter struct {
	http.ResponseWriter
	left int64
}

func (c *cutter) Write(p []byte) (int, error) {
	if int64(len(p)) <= c.left {
		c.left -= int64(len(p))
		return c.ResponseWriter.Write(p)
	}
	c.ResponseWriter.Write(p[:c.left])
	http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// ServeCDN answers a request to the host of large files as usual.
func (s *Server) ServeCDN(w http.ResponseWriter, r *http.Request) { s.cdn(w, r) }
