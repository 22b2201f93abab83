package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/grammar"
)

// sourceFlags are the flags that say what a text has to be.
type sourceFlags struct {
	schema, regex, ebnf string
	object              bool
	choice              []string
}

func (f *sourceFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&f.schema, "schema", "", "`file` with a JSON Schema")
	fs.StringVar(&f.regex, "regex", "", "regular `expression` for the whole text")
	fs.StringVar(&f.ebnf, "ebnf", "", "`file` with a grammar in EBNF that begins at its rule root")
	fs.BoolVar(&f.object, "json-object", false, "any JSON object")
	fs.Func("choice", "one of these `texts`, comma-separated, without the spaces around them; may be given several times", func(list string) error {
		for text := range strings.SplitSeq(list, ",") {
			f.choice = append(f.choice, strings.TrimSpace(text))
		}
		return nil
	})
}

// given returns the flag that is there, "" if there is none, and refuses several.
func (f *sourceFlags) given(fs *flag.FlagSet) (string, error) {
	var given string
	for _, name := range []string{"schema", "regex", "ebnf", "json-object", "choice"} {
		if !isGiven(fs, name) {
			continue
		}
		if given != "" {
			return "", usagef("give either %s or %s", given, "--"+name)
		}
		given = "--" + name
	}
	switch {
	case given == "--json-object" && !f.object:
		return "", usagef("--json-object=false is no grammar")
	case given != "" && f.schema+f.regex+f.ebnf == "" && !f.object && f.choice == nil:
		return "", usagef("%s is empty", given)
	}
	return given, nil
}

// refused says of an error that is about what an answer has to be which flag asked for it.
func refused(err error, flag string) error {
	var wrong *chat.FieldError
	if errors.As(err, &wrong) && strings.HasPrefix(wrong.Field, "Format.") {
		return fmt.Errorf("%s: %s", flag, wrong.Reason)
	}
	return err
}

// isGiven reports whether a flag is on the command line.
func isGiven(fs *flag.FlagSet, name string) (yes bool) {
	fs.Visit(func(f *flag.Flag) { yes = yes || f.Name == name })
	return yes
}

// read returns the grammar's source, of which the files are read.
func (f *sourceFlags) read(ctx context.Context, env *env) (grammar.Source, error) {
	s := grammar.Source{Regex: f.regex, JSONObject: f.object, Choice: f.choice}
	switch {
	case f.schema != "":
		data, err := readNamed(ctx, env, f.schema)
		s.JSONSchema = data
		return s, err
	case f.ebnf != "":
		data, err := readNamed(ctx, env, f.ebnf)
		if s.EBNF = string(data); err == nil && strings.TrimSpace(s.EBNF) == "" {
			err = usagef("%s is empty", f.ebnf)
		}
		return s, err
	}
	return s, nil
}

// format returns what the answer of a model has to be. A schema is enforced as a whole or refused.
func (f *sourceFlags) format(ctx context.Context, env *env) (*chat.ResponseFormat, error) {
	s, err := f.read(ctx, env)
	if err != nil {
		return nil, err
	}
	format := &chat.ResponseFormat{Schema: s.JSONSchema, JSONObject: s.JSONObject, Regex: s.Regex, EBNF: s.EBNF, Choice: s.Choice}
	if format.Schema != nil {
		format.Name, format.Strict = "answer", true
	}
	return format, nil
}
