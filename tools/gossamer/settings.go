package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// list is a flag of several values, comma-separated, that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set adds values.
func (l *list) Set(values string) error {
	for value := range strings.SplitSeq(values, ",") {
		if value = strings.TrimSpace(value); value == "" {
			return fmt.Errorf("one of the values of %q is empty", values)
		}
		*l = append(*l, value)
	}
	return nil
}

// configFlag is the name of the flag whose file has values of the other flags, of commands that have it.
const configFlag = "config"

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "GOSSAMER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// plain gives the flags errors that say what is wanted of them.
func plain(fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		if g, ok := f.Value.(flag.Getter); ok && wanted(g.Get()) != "" {
			f.Value = plainValue{g}
		}
	})
}

// wanted says what a flag takes that has such a value; "": that is its own to say.
func wanted(value any) string {
	switch value.(type) {
	case bool:
		return "true or false"
	case int, int64:
		return "a whole number"
	case uint64:
		return "a whole number, 0 or more"
	case float64:
		return "a number such as 0.5"
	case time.Duration:
		return "a time such as 5s or 1m30s"
	}
	return ""
}

// plainValue is the value of a flag.
type plainValue struct{ flag.Getter }

// Set says what is wanted where the package flag has nothing but the words "parse error".
func (v plainValue) Set(s string) error {
	err := v.Getter.Set(s)
	if err != nil && err.Error() == "parse error" {
		return errors.New("want " + wanted(v.Get()))
	}
	return err
}

// IsBoolFlag reports whether the flag may stand without a value.
func (v plainValue) IsBoolFlag() bool {
	b, ok := v.Getter.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// settle gives flags that the command line has left out what the environment has for them, and else the file of --config.
func settle(fs *flag.FlagSet) error {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var err error
	fs.VisitAll(func(f *flag.Flag) {
		value := os.Getenv(variable(f.Name))
		if err != nil || given[f.Name] || value == "" || isServiceLink(f.Name, value) {
			return
		}
		given[f.Name] = true
		if failed := fs.Set(f.Name, value); failed != nil {
			err = usagef("%s=%s: %v", variable(f.Name), value, failed)
		}
	})
	file := fs.Lookup(configFlag)
	if err != nil || file == nil || file.Value.String() == "" {
		return err
	}
	name := file.Value.String()
	text, err := readRegular(name)
	if err != nil {
		return err
	}
	settings, err := readSettings(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, s := range settings {
		if f := fs.Lookup(s.name); f == nil || s.name == configFlag {
			return fmt.Errorf("%s: line %d: there is no setting %q: the names are those of the flags, without dashes before them", name, s.line, s.name)
		}
		if given[s.name] {
			continue
		}
		if err := fs.Set(s.name, s.value); err != nil {
			return fmt.Errorf("%s: line %d: %s = %s: %w", name, s.line, s.name, s.value, err)
		}
	}
	return nil
}

// isServiceLink reports whether a variable is what Kubernetes sets in each container for a service that is called gossamer.
func isServiceLink(flag, value string) bool {
	return flag == "port" && strings.HasPrefix(value, "tcp://")
}

// setting is a line of a file.
type setting struct {
	line        int
	name, value string
}

// readSettings reads lines NAME = VALUE. Empty lines and lines that begin with # are left out.
func readSettings(text string) (all []setting, err error) {
	line := 0
	for l := range strings.Lines(text) {
		line++
		if l = strings.TrimSpace(l); l == "" || l[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(l, "=")
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); !ok || name == "" || value == "" {
			return nil, fmt.Errorf("line %d: want NAME = VALUE, such as port = 8080", line)
		}
		all = append(all, setting{line, name, value})
	}
	return all, nil
}
