package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// settled parses a command line for a few flags and returns what they are then.
func settled(t *testing.T, args ...string) (string, error) {
	t.Helper()
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	var models list
	fs.Var(&models, "model", "")
	port := fs.Int("port", 1, "")
	open := fs.Bool("open", false, "")
	fs.String(configFlag, "", "")
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	err := settle(fs)
	return fmt.Sprintf("%v %d %v", models, *port, *open), err
}

// The command line counts more than the environment, and that more than the file.
func TestSettings(t *testing.T) {
	file := textFile(t, t.TempDir(), "conf", "# of the server\n\nmodel = a=/x\nmodel = b=/y=z, c\n  port = 7 \nopen=true\n")
	for _, tt := range []struct {
		environ, args []string
		want          string
	}{
		{nil, nil, "[] 1 false"},
		{nil, []string{"--model", "a,b", "--model", "c"}, "[a b c] 1 false"},
		{nil, []string{"--config", file}, "[a=/x b=/y=z c] 7 true"},
		{[]string{"GOSSAMER_PORT=5", "GOSSAMER_OPEN="}, []string{"--config", file}, "[a=/x b=/y=z c] 5 true"},
		{[]string{"GOSSAMER_CONFIG=" + file, "GOSSAMER_MODEL=d"}, []string{"--open=false"}, "[d] 7 false"},
		{[]string{"GOSSAMER_PORT=tcp://10.0.0.1:80"}, nil, "[] 1 false"}, // of Kubernetes, for a service that is called gossamer
		{[]string{"GOSSAMER_MODEL=d", "GOSSAMER_OPEN=1"}, []string{"--model", "e", "--port", "2"}, "[e] 2 true"},
	} {
		t.Run("", func(t *testing.T) {
			for _, e := range tt.environ {
				name, value, _ := strings.Cut(e, "=")
				t.Setenv(name, value)
			}
			if got, err := settled(t, tt.args...); err != nil || got != tt.want {
				t.Errorf("%q %q: %s, %v; want %s", tt.environ, tt.args, got, err, tt.want)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	for text, says := range map[string]string{
		"port = many":           "line 1",
		"\nports = 1":           `line 2: there is no setting "ports"`,
		"--port = 1":            "without dashes",
		"port 1":                "want NAME = VALUE",
		"port =":                "want NAME = VALUE",
		"config = x":            "no setting",
		"model = a,,b":          "empty",
		"open = perhaps":        "line 1",
		"= 1":                   "want NAME = VALUE",
		"# well\n!\x00\nopen=1": "line 2",
	} {
		if got, err := settled(t, "--config", textFile(t, t.TempDir(), "conf", text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %s, %v; want an error with %q", text, got, err, says)
		}
	}
	if _, err := settled(t, "--config", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that does not exist was read")
	}
	t.Setenv("GOSSAMER_PORT", "many")
	if _, err := settled(t); err == nil || !strings.Contains(err.Error(), "GOSSAMER_PORT=many") {
		t.Errorf("%v; want the variable", err)
	}
}

// TestFlagsSayWhatTheyWant on the command line, in the environment and in a file.
func TestFlagsSayWhatTheyWant(t *testing.T) {
	for _, c := range []struct{ command, flag, value, says string }{
		{"chat", "temperature", "hot", "want a number such as 0.5"},
		{"serve", "port", "many", "want a whole number"},
		{"serve", "metrics-not", "", "there is no flag"},
		{"serve", "open-metrics", "perhaps", "want true or false"},
		{"serve", "drain-delay", "5", "want a time such as 5s"},
		{"grammar", "seed", "-1", "want a whole number, 0 or more"},
		{"serve", "port", "99999999999999999999", "out of range"},
	} {
		if r := gossamerCommand(t, "", c.command, "--"+c.flag+"="+c.value); r.code != exitUsage || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%+v: exit status %d, %q", c, r.code, r.stderr)
		}
	}
	t.Setenv("GOSSAMER_PORT", "many")
	if r := gossamerCommand(t, "", "serve"); r.code != exitUsage || !strings.Contains(r.stderr, "GOSSAMER_PORT=many: want a whole number") {
		t.Errorf("exit status %d, %q", r.code, r.stderr)
	}
	t.Setenv("GOSSAMER_PORT", "")
	file := textFile(t, t.TempDir(), "conf", "drain-delay = 5\n")
	r := gossamerCommand(t, "", "serve", "--config", file)
	if r.code != exitFailure || !strings.Contains(r.stderr, "line 1: drain-delay = 5: want a time") {
		t.Errorf("exit status %d, %q", r.code, r.stderr)
	}
}

// FuzzSettings: whatever is read has a name and a value, and written again it is the same.
func FuzzSettings(f *testing.F) {
	f.Add("# of the server\n\nmodel = a=/x\n  port = 7 \r\n")
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := readSettings(text)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, s := range settings {
			fmt.Fprintf(&again, "%s = %s\n", s.name, s.value)
		}
		second, err := readSettings(again.String())
		if err != nil || len(second) != len(settings) {
			t.Fatalf("%q: %v, of %d settings %d are left", text, err, len(settings), len(second))
		}
		for i, s := range settings {
			if s.name == "" || s.value == "" || second[i].name != s.name || second[i].value != s.value {
				t.Errorf("%q is %+v, and then %+v", text, s, second[i])
			}
		}
	})
}

// Flags of any command come from the environment too, and its help says so.
func TestEnvironmentOfCommands(t *testing.T) {
	t.Setenv("GOSSAMER_BACKEND", "abacus")
	if r := gossamerCommand(t, "", "chat", "hi"); r.code != exitUsage || !strings.Contains(r.stderr, "abacus") {
		t.Errorf("exit status %d, %q", r.code, r.stderr)
	}
	for _, c := range commands() {
		help := mustRun(t, "", c.name, "--help")
		c.flags().VisitAll(func(f *flag.Flag) {
			if !strings.Contains(help, ", "+variable(f.Name)+"\n") {
				t.Errorf("the help of %s does not name the variable of --%s", c.name, f.Name)
			}
		})
	}
}

// TestShortVerbose: -v is --verbose where that is a flag, and nothing behind two dashes.
func TestShortVerbose(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-v"}, "[] true"},
		{[]string{"a", "-v", "b"}, "[a b] true"},
		{[]string{"--", "-v"}, "[-v] false"},
	} {
		fs := flag.NewFlagSet("chat", flag.ContinueOnError)
		verbose := fs.Bool("verbose", false, "")
		rest, err := parseInterspersed(fs, spelledOut(fs, c.args))
		if got := fmt.Sprint(rest, *verbose); err != nil || got != c.want {
			t.Errorf("%v is %s, %v; want %s", c.args, got, err, c.want)
		}
	}
	if r := gossamerCommand(t, "", "completion", "-v"); r.code != exitUsage {
		t.Errorf("completion -v: exit status %d", r.code)
	}
}

// settingsTable is the table of serve's flags in docs/server.md.
func settingsTable() string {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	serveCommand().setup(fs)
	var b bytes.Buffer
	b.WriteString("| flag | environment | default | is |\n| --- | --- | --- | --- |\n")
	fs.VisitAll(func(f *flag.Flag) {
		kind, text := flag.UnquoteUsage(f)
		name := "`--" + strings.TrimSpace(f.Name+" "+kind) + "`"
		value := ""
		if f.DefValue != "" {
			value = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", name, variable(f.Name), value, strings.ReplaceAll(text, "|", `\|`))
	})
	return b.String()
}

// TestSettingsTable: docs/server.md has serve's flags as they are; GOSSAMER_UPDATE=1 writes them there.
func TestSettingsTable(t *testing.T) {
	const name, title = "../../docs/server.md", "\n## Settings\n"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, section, ok := strings.Cut(string(data), title)
	if !ok {
		t.Fatalf("%s has no section %q", name, title)
	}
	section, after, _ := strings.Cut(section, "\n## ")
	at := strings.Index(section, "| flag |")
	if at < 0 {
		t.Fatal("the section has no table")
	}
	if section[at:] == settingsTable() {
		return
	}
	if os.Getenv("GOSSAMER_UPDATE") == "" {
		t.Fatalf("the table of %s is not that of the flags: write it with GOSSAMER_UPDATE=1 go test -run TestSettingsTable ./tools/gossamer", name)
	}
	text := before + title + section[:at] + settingsTable()
	if after != "" {
		text += "\n## " + after
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
