package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// guard lets requests in.
type guard struct {
	origins *http.CrossOriginProtection
	allowed []string // origins
	hosts   []string
	keys    []hashedKey
}

// hashedKey is a key of which only the digest is kept: digests have one length, so that comparing them takes the same time for all.
type hashedKey struct {
	name   string
	digest [sha256.Size]byte
}

func newGuard(o *Options) (g guard, err error) {
	g.origins = http.NewCrossOriginProtection()
	for _, origin := range o.Origins {
		if err := g.origins.AddTrustedOrigin(origin); err != nil {
			return g, fmt.Errorf("server: origin %q: %w", origin, err)
		}
	}
	g.allowed = o.Origins
	for _, host := range o.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(host))
	}
	for _, k := range o.Keys {
		if k.Secret == "" {
			return g, fmt.Errorf("server: the key %q is empty", k.Name)
		}
		g.keys = append(g.keys, hashedKey{k.Name, sha256.Sum256([]byte(k.Secret))})
	}
	return g, nil
}

// admit reports whether a request is to be answered, and who asks; what is public needs no key. The error says why not; without one it is
// answered already.
func (g *guard) admit(w http.ResponseWriter, r *http.Request, public bool) (key string, ok bool, err error) {
	if !g.knows(r) {
		return "", false, refuse(http.StatusForbidden, "", "host_not_allowed", "the host %q is not allowed: start the server with --allow-host for it", r.Host)
	}
	if err := g.origins.Check(r); err != nil {
		const message = "pages of this origin are not allowed: start the server with --allow-origin for it"
		return "", false, refuse(http.StatusForbidden, "", "origin_not_allowed", message)
	}
	if origin := r.Header.Get("Origin"); slices.Contains(g.allowed, origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "X-Request-Id, X-Gossamer-Ignored, Retry-After")
		w.Header().Add("Vary", "Origin")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
			w.Header().Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return "", false, nil
		}
	}
	if !public {
		if key, ok = g.key(r); !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			const message = "the API key is missing or wrong: send it as Authorization: Bearer KEY"
			return "", false, refuse(http.StatusUnauthorized, "", "invalid_api_key", message)
		}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method == http.MethodPost && r.ContentLength != 0 && (err != nil || kind != "application/json") {
		return "", false, refuse(http.StatusUnsupportedMediaType, "", "unsupported_media_type", "the Content-Type has to be application/json")
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		const message = "the Content-Encoding is not read: send the request as it is, not compressed"
		return "", false, refuse(http.StatusUnsupportedMediaType, "", "unsupported_media_type", message)
	}
	return key, true, nil
}

const metricsPath = "/metrics"

func isHealth(path string) bool { return path == "/health" || path == "/livez" || path == "/readyz" }

// knows reports whether a request is meant for this server: whoever makes a name lead here does so to be taken for a page of that name.
func (g *guard) knows(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.hosts, host) { // of names below localhost none leads elsewhere
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
}

// key returns the name of the key that a request has, or of the address that it comes from if there are no keys.
func (g *guard) key(r *http.Request) (name string, ok bool) {
	if len(g.keys) == 0 {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		return host, true
	}
	secret := r.Header.Get("X-Api-Key")
	if scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
		secret = strings.TrimSpace(token)
	}
	digest := sha256.Sum256([]byte(secret))
	for _, k := range g.keys { // all of them, so that the time tells nothing
		if subtle.ConstantTimeCompare(digest[:], k.digest[:]) == 1 {
			name, ok = k.name, true
		}
	}
	return name, ok
}
