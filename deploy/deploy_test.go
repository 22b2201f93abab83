// Package deploy holds what `gossamer serve` is run with, and the tests of it: on one machine, behind a load balancer, in a cluster. It is
// a module of its own, so that nothing else needs the libraries of Kubernetes and Helm. The tests run bin/gossamer of the repository.
package deploy

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the command, which `make build` makes.
func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../bin/gossamer")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run make test-deploy", err)
	}
	return path
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// flags are those of gossamer serve, with their defaults.
func flags(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command(binary(t), "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	def := regexp.MustCompile(`\(default ([^ )]+)[^)]*\)$`)
	for _, m := range regexp.MustCompile(`(?m)^  --([a-z-]+).*((?:\n {8}.*)+)`).FindAllStringSubmatch(string(out), -1) {
		all[m[1]] = ""
		if d := def.FindStringSubmatch(strings.Join(strings.Fields(m[2]), " ")); d != nil {
			all[m[1]] = d[1]
		}
	}
	if all["port"] != "8080" {
		t.Fatalf("gossamer serve --help is not understood: %q", all)
	}
	return all
}

// settings are the values that flags have on a command line, which must be known. Flags that it leaves out have their defaults.
func settings(t *testing.T, args []string) map[string]string {
	t.Helper()
	all := flags(t)
	if len(args) == 0 || args[0] != "serve" {
		t.Fatalf("the command is %q, want serve", args)
	}
	for i := 1; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "--")
		name, value, given := strings.Cut(name, "=")
		if _, known := all[name]; !ok || !known {
			t.Errorf("gossamer serve has no flag %s", args[i])
		}
		if !given && i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			i++
			value = args[i]
		}
		all[name] = value
	}
	return all
}

// draining is how long a server with these settings may take to end.
func draining(t *testing.T, s map[string]string) (total time.Duration) {
	t.Helper()
	for _, name := range []string{"drain-delay", "drain-timeout"} {
		d, err := time.ParseDuration(s[name])
		if err != nil {
			t.Fatalf("--%s: %v", name, err)
		}
		total += d
	}
	return total
}

// number is a setting that is one.
func number(t *testing.T, s map[string]string, name string) int {
	t.Helper()
	n, err := strconv.Atoi(s[name])
	if err != nil {
		t.Fatalf("--%s: %v", name, err)
	}
	return n
}

// start runs the command until the test ends and returns the address that it listens on.
func start(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Wait()
		t.Fatalf("gossamer %q: %v: %s", args, err, errs.String())
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "http://"), "/v1")
}

// keyFile has one key, "secret".
func keyFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, []byte("alice secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
