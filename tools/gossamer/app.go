package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"html"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gossamer/runtime/server"
)

// appPort is always the same, since browsers keep conversations by the address of the page.
const appPort = 8642

func appCommand() command {
	return command{
		name:  "app",
		short: "chat in a browser window, with the models of this machine",
		long: `Opens the chat page in the browser, with this program as its engine: the models run here, and conversations are kept by the browser. It is
what gossamer does alone, on a desktop. Nothing of it can be reached from other machines, and pages and programs on this one need the
key, which only the window has that is opened. If it runs already, its page is opened again. Ctrl-C ends it.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			f := &appFlags{}
			f.declare(fs)
			return f.run
		},
	}
}

// appFlags are the command line of app.
type appFlags struct {
	serveFlags
	noBrowser bool
}

func (f *appFlags) declare(fs *flag.FlagSet) {
	all := flag.NewFlagSet("", flag.ContinueOnError)
	f.serveFlags.declare(all)
	chosen := map[string]bool{"model": true, "playback": true, "page": true, "parallel": true, "max-queue": true, "max-queue-tokens": true, "port": true}
	running := flag.NewFlagSet("", flag.ContinueOnError)
	new(modelFlags).declareRunning(running)
	all.VisitAll(func(flag *flag.Flag) {
		if chosen[flag.Name] || running.Lookup(flag.Name) != nil {
			fs.Var(flag.Value, flag.Name, flag.Usage)
		}
	})
	f.port = appPort
	fs.Lookup("port").DefValue = strconv.Itoa(appPort)
	fs.BoolVar(&f.noBrowser, "no-browser", false, "print the address of the page, with its key, instead of opening it")
}

func (f *appFlags) run(ctx context.Context, env *env, args []string) error {
	if err := noArgs(args); err != nil {
		return err
	}
	page, err := openPage(f.page)
	if err != nil {
		return err
	}
	if page == nil {
		return errors.New("this program was built without the chat page: build it with make page build, or chat in the terminal: gossamer chat")
	}
	keys := []server.Key{{Name: "app", Secret: rand.Text()}}
	if err := f.check(keys); err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(f.host, strconv.Itoa(f.port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return f.openAgain(env)
	}
	if err != nil {
		return err
	}
	door, err := doorPath(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	url := fmt.Sprintf("http://%s/#key=%s", reachable(l.Addr()), keys[0].Secret)
	if err := writeDoor(door, url); err != nil {
		return errors.Join(err, l.Close())
	}
	defer os.Remove(door)
	f.delay = 0 // nothing sends requests here but the page
	if f.noBrowser {
		fmt.Fprintf(env.stderr, "The page: %s\n", url)
	} else if err := openBrowser(door); err != nil {
		fmt.Fprintf(env.stderr, "No browser could be opened (%v). The page: %s\n", err, url)
	}
	return f.serveOn(ctx, env, l, keys)
}

// openAgain opens the page of the program that runs already.
func (f *appFlags) openAgain(env *env) error {
	door, err := doorPath(f.port)
	if err != nil {
		return err
	}
	if !isDoor(door, reachable(&net.TCPAddr{IP: net.ParseIP(f.host), Port: f.port})) {
		return fmt.Errorf("another program uses port %d of this machine: end it, or take another port with --port (the page has other conversations there)", f.port)
	}
	if f.noBrowser {
		return fmt.Errorf("gossamer runs already on port %d: end it first, or leave out --no-browser to open its page", f.port)
	}
	fmt.Fprintln(env.stderr, "gossamer runs already: its page is opened.")
	return openBrowser(door)
}

// doorPath is the file that leads to the page of the program on a port. The key does not stand in the command line of the browser, which all
// users of the machine can see, but in this file, which only its owner can read.
func doorPath(port int) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "gossamer", fmt.Sprintf("page-%d.html", port)), nil
}

// isDoor reports whether the program at an address lets in whoever comes through a door, and nobody else: a program that was killed leaves
// its door, and another one may have its port now.
func isDoor(door, address string) bool {
	text, err := os.ReadFile(door)
	if err != nil {
		return false
	}
	_, key, _ := strings.Cut(string(text), "#key=")
	key, _, _ = strings.Cut(key, `"`)
	client := &http.Client{Timeout: 5 * time.Second}
	status := func(key string) int {
		r, err := http.NewRequest(http.MethodGet, "http://"+address+"/v1/models", nil)
		if err != nil {
			return 0
		}
		r.Header.Set("Authorization", "Bearer "+key)
		response, err := client.Do(r)
		if err != nil {
			return 0
		}
		response.Body.Close()
		return response.StatusCode
	}
	known := status(key) // while models are loaded the service is not available
	return (known == http.StatusOK || known == http.StatusServiceUnavailable) && status(rand.Text()) == http.StatusUnauthorized
}

func writeDoor(path, url string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // it may have been left with other rights
		return err
	}
	text := `<!doctype html><meta charset="utf-8"><title>Gossamer</title><meta http-equiv="refresh" content="0; url=` + html.EscapeString(url) + `">` +
		`<a href="` + html.EscapeString(url) + `">Open the chat</a>` + "\n"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // never one that somebody else has made meanwhile
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// openBrowser shows a file in the default browser.
func openBrowser(path string) error {
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		cmd = exec.Command("open", path)
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", path)
	default:
		cmd = exec.Command("xdg-open", path)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // some browsers keep it until they are closed
	return nil
}

// hasDesktop reports whether this machine shows windows.
func hasDesktop() bool {
	return runtime.GOOS == "darwin" || runtime.GOOS == "windows" || os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}
