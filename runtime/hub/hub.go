package hub

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/remote"
)

// Hub is where models come from, and where they are kept.
type Hub struct {
	dir      string   // keeps models
	endpoint *url.URL // of Hugging Face or of a mirror of it; its path has no slash at its end
	named    bool     // the user named the endpoint
	token    string   // shown to the endpoint alone
	caches   []string // directories of Hugging Face's own tools, which are read and never written
	offline  string   // the variable that forbids to ask the endpoint; "": none does
	mistake  error    // in what the environment says of the endpoint and the token; what is here can be used all the same
	log      *slog.Logger
}

// Open reads the environment: the models are in dir ("": remote.DefaultCacheDir), in the folder hub; HF_ENDPOINT names a mirror,
// HF_TOKEN is the user's token, or the file that Hugging Face's tools keep it in has it, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE or HF_HOME
// say where those tools keep their downloads, and HF_HUB_OFFLINE that nothing is to be downloaded. log receives retries and what else
// went wrong and was got over.
func Open(dir string, log *slog.Logger) (*Hub, error) {
	if dir == "" {
		var err error
		if dir, err = remote.DefaultCacheDir(); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	h := &Hub{dir: filepath.Join(dir, "hub"), log: log}
	home := hubHome()
	h.token, h.mistake = readToken(home)
	h.named = os.Getenv("HF_ENDPOINT") != ""
	if h.endpoint, err = parseEndpoint(os.Getenv("HF_ENDPOINT")); err != nil {
		h.mistake = err
	}
	for _, cache := range []string{os.Getenv("HF_HUB_CACHE"), os.Getenv("HUGGINGFACE_HUB_CACHE"), filepath.Join(home, "hub")} {
		if filepath.IsAbs(cache) {
			h.caches = append(h.caches, cache)
			break // as their tools have it, the first one counts
		}
	}
	for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		switch strings.ToUpper(os.Getenv(name)) {
		case "1", "ON", "YES", "TRUE":
			h.offline = name
		}
	}
	return h, nil
}

// hubHome is the directory of Hugging Face's tools; "" if there is no home.
func hubHome() string {
	if dir := os.Getenv("HF_HOME"); dir != "" {
		if abs, err := filepath.Abs(dir); err == nil {
			return abs
		}
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		cache = filepath.Join(home, ".cache") // on every system
	}
	return filepath.Join(cache, "huggingface")
}

// readToken returns the user's token, "" if there is none.
func readToken(home string) (string, error) {
	token := os.Getenv("HF_TOKEN")
	where := "HF_TOKEN"
	if token == "" {
		where = os.Getenv("HF_TOKEN_PATH")
		if where == "" && home != "" {
			where = filepath.Join(home, "token")
		}
		data, err := os.ReadFile(where)
		if err != nil { // most users have none, and need none
			return "", nil
		}
		token = string(data)
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("hub: %s holds no token: it has spaces or signs that no token has", where)
	}
	return token, nil
}

// parseEndpoint reads the URL of a mirror; "" is Hugging Face itself, which is also returned with an error.
func parseEndpoint(text string) (*url.URL, error) {
	usual := &url.URL{Scheme: "https", Host: hubHost}
	if text == "" {
		return usual, nil
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return usual, fmt.Errorf("hub: HF_ENDPOINT is %s: want the URL of Hugging Face or of a mirror, such as %s, without a password",
			quoted(text), usual)
	}
	return u, nil
}

// client asks the endpoint.
func (h *Hub) client() (*remote.Client, error) {
	if h.mistake != nil {
		return nil, h.mistake
	}
	if h.offline != "" {
		return nil, fmt.Errorf("hub: %s forbids to ask %s: unset it to download models", h.offline, h.endpoint.Host)
	}
	if h.token != "" && h.endpoint.Scheme != "https" && !loopback(h.endpoint.Hostname()) {
		return nil, fmt.Errorf("hub: HF_ENDPOINT is http, where anybody on the way can read the token: take https, or unset HF_TOKEN")
	}
	return remote.NewClient(h.endpoint, remote.ClientOptions{Token: h.token, Near: h.named, Logger: h.log})
}

// loopback says whether a host is this machine by its name.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Host is the name of the host that repositories come from.
func (h *Hub) Host() string {
	host := h.endpoint.Host
	if name, port, err := net.SplitHostPort(host); err == nil && port == "443" {
		host = name
	}
	return checkpoint.Printable(host)
}
