package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gossamer/runtime/testenv"
)

// patience bounds what comes soon, on a machine that may be slow.
const patience = 2 * time.Minute

// replica is a process that serves testdata/fleet.json, in which its name is in every reply.
type replica struct {
	name, address string
	cmd           *exec.Cmd
	errs          bytes.Buffer
	exited        chan struct{}
}

func startReplica(t *testing.T, name, port string) *replica {
	t.Helper()
	plays, err := os.ReadFile("testdata/fleet.json")
	if err != nil {
		t.Fatal(err)
	}
	file := textFile(t, t.TempDir(), "plays.json", strings.ReplaceAll(string(plays), "REPLICA", name))
	r := &replica{name: name, exited: make(chan struct{})}
	r.cmd = exec.Command(os.Args[0], "serve", "--playback", file, "--parallel", "32", "--port", port)
	r.cmd.Env = append(os.Environ(), asCommand+"=1")
	r.cmd.Stderr = &r.errs
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		r.cmd.Wait()
		close(r.exited)
	}()
	t.Cleanup(func() { r.signal(syscall.SIGKILL); <-r.exited })
	if err != nil {
		<-r.exited
		t.Fatalf("%v: %s", err, r.errs.String())
	}
	r.address = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "http://"), "/v1")
	return r
}

// signal tells the process, which may have ended.
func (r *replica) signal(s os.Signal) { r.cmd.Process.Signal(s) }

// configuration is a proxy's file of deploy/compose with other addresses.
func configuration(t *testing.T, name string, addresses map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testenv.Root(t), "deploy", "compose", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for old, address := range addresses {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%s has %q %d times, want once", name, old, strings.Count(text, old))
		}
		text = strings.Replace(text, old, address, 1)
	}
	return text
}

// startProxy starts haproxy or nginx in front of the replicas. It listens on a socket of the file system, whose name is returned: a free
// port could be taken by another program before the proxy has it.
func startProxy(t *testing.T, program string, one, two *replica) string {
	t.Helper()
	// Administrators' programs are not always in the PATH of other users.
	path, err := exec.LookPath(program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + program); err != nil {
			testenv.Missing(t, program+" is missing: run make setup-test")
		}
	}
	dir, err := os.MkdirTemp("", "fleet") // the name of a test would make the socket's too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	addresses := map[string]string{"gossamer-1:8000": one.address, "gossamer-2:8000": two.address}
	var cmd *exec.Cmd
	switch program {
	case "haproxy":
		addresses["bind :8080"] = "bind unix@" + socket
		cmd = exec.Command(path, "-db", "-f", textFile(t, dir, "haproxy.cfg", configuration(t, "haproxy.cfg", addresses)))
	case "nginx":
		addresses["listen 8080"] = "listen unix:" + socket
		cmd = exec.Command(path, "-p", dir, "-c", textFile(t, dir, "nginx.conf", configuration(t, "nginx.conf", addresses)), "-g", "daemon off;")
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", program, log.String())
		}
	})
	return socket
}

// fleet is two replicas behind a proxy.
type fleet struct {
	client   *http.Client
	replicas map[string]*replica
}

func startFleet(t *testing.T, program string) *fleet {
	t.Helper()
	if testing.Short() {
		t.Skip("-short starts no other program")
	}
	one, two := startReplica(t, "Ann", "0"), startReplica(t, "Bob", "0")
	socket := startProxy(t, program, one, two)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	f := &fleet{&http.Client{Transport: &http.Transport{DialContext: dial}}, map[string]*replica{one.name: one, two.name: two}}
	t.Cleanup(f.client.CloseIdleConnections)
	for _, name := range []string{one.name, two.name} {
		f.await(t, name)
	}
	return f
}

// await asks until the named replica answers.
func (f *fleet) await(t *testing.T, name string) {
	t.Helper()
	var got string
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got, err = f.ask(t); err == nil && got == name {
			return
		}
	}
	t.Fatalf("%s does not answer; last %q, %v", name, got, err)
}

func (f *fleet) post(t *testing.T, text string, stream bool) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"stream": stream, "messages": []map[string]string{{"role": "user", "content": text}}})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://localhost/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := f.client.Do(r)
	if err == nil && response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		return nil, fmt.Errorf("status %d: %s", response.StatusCode, text)
	}
	return response, err
}

// ask returns the name of the replica that answers a new request, which is not tried again.
func (f *fleet) ask(t *testing.T) (string, error) {
	response, err := f.post(t, "Who is there?", false)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var reply struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil {
		return "", err
	}
	if len(reply.Choices) != 1 {
		return "", errors.New("no reply")
	}
	return reply.Choices[0].Message.Content, nil
}

// stream is a long reply as its client sees it.
type stream struct {
	mark, text string
	done       bool // the stream said that it is at its end
	early      bool // before the fault
	err        error
}

// replica is the name of who answers; "" if nobody began to.
func (s *stream) replica() string {
	name, _, _ := strings.Cut(s.text, " ")
	return name
}

func (s *stream) whole() bool {
	want := fmt.Sprintf("%s %s:%s and out.", s.replica(), s.mark, strings.Repeat(" on", 20))
	return s.err == nil && s.done && s.text == want
}

// read reads the stream and calls begun once the reply's text has begun, or will not.
func (s *stream) read(body io.Reader, begun func()) error {
	defer begun()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			s.done = true
			continue
		}
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return err
		}
		if chunk.Error != nil {
			return errors.New(chunk.Error.Message)
		}
		for _, c := range chunk.Choices {
			s.text += c.Delta.Content
		}
		if strings.Contains(s.text, ":") {
			begun()
		}
	}
	return lines.Err()
}

// streams begins n long replies and returns when all have. What wait returns are those that had not ended before.
func (f *fleet) streams(t *testing.T, n int) (wait func() []*stream) {
	var begun, ended sync.WaitGroup
	var fault atomic.Bool
	all := make([]*stream, n)
	for i := range all {
		s := &stream{mark: fmt.Sprintf("mark%d", i)}
		all[i] = s
		begun.Add(1)
		ended.Go(func() {
			first := sync.OnceFunc(begun.Done)
			defer first()
			var response *http.Response
			if response, s.err = f.post(t, s.mark, true); s.err == nil {
				s.err = s.read(response.Body, first)
				response.Body.Close()
			}
			s.early = !fault.Load()
		})
	}
	begun.Wait()
	fault.Store(true)
	return func() []*stream {
		ended.Wait()
		var late []*stream
		for _, s := range all {
			if !s.early {
				late = append(late, s)
			} else if !s.whole() {
				t.Errorf("before the fault: %q of %d bytes, %v", s.mark, len(s.text), s.err)
			}
		}
		return late
	}
}

// A replica that is killed takes its streams along, each of which ends with an error at its client, and nothing else: the other
// streams are whole, and every new request is answered. The replica that replaces it gets requests again.
func TestFleetKill(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"haproxy", "nginx"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			f := startFleet(t, program)
			wait := f.streams(t, 50)
			victim := f.replicas["Bob"]
			victim.signal(syscall.SIGKILL)
			<-victim.exited
			for range 20 {
				if name, err := f.ask(t); err != nil || name != "Ann" {
					t.Errorf("a new request is answered by %q, %v", name, err)
				}
			}
			broken, whole := 0, 0
			for _, s := range wait() {
				switch mine := s.replica() == victim.name; {
				case mine && s.err != nil && !s.done:
					broken++
				case !mine && s.whole():
					whole++
				default:
					t.Errorf("%s of %s: %d bytes, done %t, %v", s.mark, s.replica(), len(s.text), s.done, s.err)
				}
			}
			t.Logf("%d streams of the killed replica ended with an error, %d of the other one are whole", broken, whole)
			if broken == 0 || whole == 0 {
				t.Error("the streams are not shared")
			}
			_, port, err := net.SplitHostPort(victim.address)
			if err != nil {
				t.Fatal(err)
			}
			startReplica(t, "Cid", port)
			f.await(t, "Cid")
		})
	}
}

// A replica that is told to end finishes its streams, and no new request fails while it does, nor afterwards.
func TestFleetDrain(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"haproxy", "nginx"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			f := startFleet(t, program)
			wait := f.streams(t, 50)
			leaver := f.replicas["Bob"]
			leaver.signal(syscall.SIGTERM)
			asked := map[string]int{}
			ask := func() {
				name, err := f.ask(t)
				if err != nil {
					t.Errorf("request %d: %v", len(asked), err)
				}
				asked[name]++
			}
			for ended := false; !ended; ask() {
				select {
				case <-leaver.exited:
					ended = true
				case <-time.After(50 * time.Millisecond):
				}
			}
			for range 20 {
				ask()
			}
			if leaver.cmd.ProcessState.ExitCode() != exitOK {
				t.Errorf("exit status %v: %s", leaver.cmd.ProcessState, leaver.errs.String())
			}
			finished := map[string]int{}
			for _, s := range wait() {
				if !s.whole() {
					t.Errorf("%s of %s: %d bytes, done %t, %v", s.mark, s.replica(), len(s.text), s.done, s.err)
				}
				finished[s.replica()]++
			}
			t.Logf("streams %v are whole, new requests were answered by %v", finished, asked)
			if finished["Ann"] == 0 || finished["Bob"] == 0 {
				t.Error("the streams are not shared")
			}
		})
	}
}
