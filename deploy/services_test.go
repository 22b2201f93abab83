package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"howett.net/plist"
	"sigs.k8s.io/yaml"
)

// value is that of the only line NAME=VALUE of a unit.
func value(t *testing.T, unit, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1)
	if len(m) != 1 {
		t.Fatalf("the unit has %d lines %s=", len(m), name)
	}
	return m[0][1]
}

// systemd understands the unit, and finds little that it could do beyond its work.
func TestUnit(t *testing.T) {
	unit := read(t, "systemd/gossamer.service")
	command := strings.Fields(value(t, unit, "ExecStart"))
	set := settings(t, command[1:])
	if stop, err := time.ParseDuration(value(t, unit, "TimeoutStopSec") + "s"); err != nil || stop <= draining(t, set) {
		t.Errorf("the process is killed after %v, but drains for up to %v; %v", stop, draining(t, set), err)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is missing")
	}
	file := filepath.Join(t.TempDir(), "gossamer.service") // with a command that is there
	if err := os.WriteFile(file, []byte(strings.Replace(unit, command[0], binary(t), 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	// In tenths, of 10.0; a unit without any of it has 9.6.
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Variables of the environment file are those of flags, or the key.
func TestEnvironmentFile(t *testing.T) {
	known := []string{"GOSSAMER_API_KEY"}
	for name := range flags(t) {
		known = append(known, "GOSSAMER_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	}
	found := regexp.MustCompile(`(?m)^#?([A-Z_]+)=`).FindAllStringSubmatch(read(t, "systemd/gossamer.env"), -1)
	for _, m := range found {
		if !slices.Contains(known, m[1]) {
			t.Errorf("%s is no variable of gossamer serve", m[1])
		}
	}
	if len(found) < 3 {
		t.Errorf("only %d variables were found", len(found))
	}
}

func TestPropertyList(t *testing.T) {
	var agent struct {
		Label            string
		ProgramArguments []string
		ExitTimeOut      int
	}
	var keys map[string]any
	data := []byte(read(t, "launchd/org.gossamer.serve.plist"))
	for _, to := range []any{&agent, &keys} {
		if format, err := plist.Unmarshal(data, to); err != nil || format != plist.XMLFormat {
			t.Fatal(format, err)
		}
	}
	allowed := []string{"ExitTimeOut", "KeepAlive", "Label", "ProcessType", "ProgramArguments", "RunAtLoad", "StandardErrorPath", "ThrottleInterval"}
	if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, allowed) {
		t.Errorf("keys %v, want %v, which launchd.plist(5) has", got, allowed)
	}
	set := settings(t, agent.ProgramArguments[1:])
	if stop := time.Duration(agent.ExitTimeOut) * time.Second; agent.Label != "org.gossamer.serve" || stop <= draining(t, set) {
		t.Errorf("%s is killed after %v, but drains for up to %v", agent.Label, stop, draining(t, set))
	}
}

// composition is compose.yaml, as far as the tests look at it.
type composition struct {
	Services map[string]struct {
		Image, User string
		Command     []string
		GracePeriod string   `json:"stop_grace_period"`
		Ports       []string `json:"ports"`
		DependsOn   []string `json:"depends_on"`
	}
	Secrets map[string]any
}

// The replicas of the composition are those that both load balancers know, and do what these expect.
func TestComposition(t *testing.T) {
	var c composition
	if err := yaml.Unmarshal([]byte(read(t, "compose/compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	var replicas []string
	var set map[string]string
	for name, s := range c.Services {
		if !strings.HasPrefix(name, "gossamer-") {
			continue
		}
		replicas = append(replicas, name)
		set = settings(t, s.Command)
		if stop, err := time.ParseDuration(s.GracePeriod); err != nil || stop <= draining(t, set) {
			t.Errorf("%s is killed after %v, but drains for up to %v; %v", name, stop, draining(t, set), err)
		}
		if c.Secrets["keys"] == nil || set["api-keys"] != "/run/secrets/keys" {
			t.Errorf("%s: --api-keys is %q, and the secrets are %v", name, set["api-keys"], c.Secrets)
		}
	}
	slices.Sort(replicas)
	for file, line := range map[string]string{
		"compose/haproxy.cfg": `(?m)^\s*server \S+ (\S+)$`,
		"compose/nginx.conf":  `(?m)^\s*server (\S+:\d+) .*;$`,
	} {
		var want, got []string
		for _, name := range replicas {
			want = append(want, name+":"+set["port"])
		}
		for _, m := range regexp.MustCompile(line).FindAllStringSubmatch(read(t, file), -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has the replicas %v, want %v", file, got, want)
		}
	}
	// A replica takes what it computes and what may wait for it.
	want := fmt.Sprintf(" maxconn %d ", number(t, set, "parallel")+number(t, set, "max-queue"))
	if !strings.Contains(read(t, "compose/haproxy.cfg"), want) {
		t.Errorf("compose/haproxy.cfg: want%sfor a replica", want)
	}
}

// The image is made with the Go that the module wants, listens where the manifests say, and has the same capabilities.
func TestContainerfile(t *testing.T) {
	file := read(t, "Containerfile")
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	o := manifests(t)
	container := o.Deployment.Spec.Template.Spec.Containers[0]
	for _, want := range []string{
		"FROM golang:" + module[1] + "-",
		fmt.Sprintf("\nEXPOSE %d\n", container.Ports[0].ContainerPort),
		fmt.Sprintf("\nUSER %d:%[1]d\n", *o.Deployment.Spec.Template.Spec.SecurityContext.RunAsUser),
		"NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics",
		"-t " + container.Image + " ",
		" libvulkan1 ",
	} {
		if !strings.Contains(file, want) {
			t.Errorf("want %q", want)
		}
	}
	m := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindStringSubmatch(file)
	var args []string
	if err := yaml.Unmarshal([]byte(m[1]), &args); err != nil {
		t.Fatal(err)
	}
	if set := settings(t, args); number(t, set, "port") != int(container.Ports[0].ContainerPort) || set["host"] != "0.0.0.0" {
		t.Errorf("the image listens on %s:%s", set["host"], set["port"])
	}
}
