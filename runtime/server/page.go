package server

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// pagePolicy is what the page may do: nothing but ask this server. Its style sheet and its sandbox are its own.
const pagePolicy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// page answers GET requests for files of the page, and reports whether there is such a file. The page is for everybody who may reach the
// server: it has no secrets, and asks for replies with the key that its visitor brings.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) bool {
	name, ok := h.pageFile(r)
	if !ok {
		return false
	}
	header := w.Header()
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "app/") { // the names have the hashes of the contents
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if name != "sandbox.html" { // which has a stricter one inside
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("X-Frame-Options", "SAMEORIGIN")
	}
	http.ServeFileFS(w, r, h.options.Page, name)
	return true
}

// pageFile is the file of the page that a request asks for.
func (h *Handler) pageFile(r *http.Request) (name string, ok bool) {
	if h.options.Page == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "", false
	}
	if r.URL.Path == "/" {
		return "index.html", true
	}
	name = strings.TrimPrefix(r.URL.Path, "/")
	if dir, file := path.Split(name); dir != "" && dir != "app/" || path.Ext(file) == "" || name == "index.html" {
		return "", false // of the API, or nothing
	}
	info, err := fs.Stat(h.options.Page, name)
	return name, err == nil && info.Mode().IsRegular()
}
