package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/harmony"
	"gossamer/runtime/nano"
	"gossamer/runtime/tokenizer"
)

// requestOf is what a server would be asked for a task.
func requestOf(t *task) chat.Request {
	r := chat.Request{Messages: []chat.Message{{Role: chat.User, Content: t.user}}}
	for _, ns := range t.developer.Tools {
		for _, f := range ns.Functions {
			r.Tools = append(r.Tools, chat.Function{Name: f.Name, Description: f.Description, Parameters: f.Parameters})
		}
	}
	for _, f := range t.developer.ResponseFormats {
		r.Format = &chat.ResponseFormat{Name: f.Name, Schema: f.Schema, Strict: true}
	}
	if t.forced {
		r.ToolChoice.Mode = chat.ChoiceRequired
	}
	return r
}

// follows returns what is wrong with a reply to a request: nil, if its call or answer follows its schema.
func follows(tok *tokenizer.Tokenizer, r *chat.Request, reply []int32) error {
	p := harmony.NewParser(tok, harmony.ParserOptions{})
	for _, id := range reply {
		p.Push(id)
	}
	p.Close()
	last := p.Messages()[len(p.Messages())-1]
	name, call := last.FunctionName()
	var schema []byte
	switch {
	case call:
		i := slices.IndexFunc(r.Tools, func(f chat.Function) bool { return f.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no function %q", name)
		}
		schema = r.Tools[i].Parameters
	case r.Format != nil:
		schema = r.Format.Schema
	}
	if p.FinishReason() == harmony.FinishLength {
		return errors.New("the reply has no end")
	}
	if schema == nil {
		return nil
	}
	compiler := jsonschema.NewCompiler()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(schema)))
	if err == nil {
		err = compiler.AddResource("schema.json", parsed)
	}
	if err != nil {
		return err
	}
	s, err := compiler.Compile("schema.json")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(last.Text()))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// Replies that have to follow a schema do, and are right as often as those that are free.
func TestConstrainedAnswers(t *testing.T) {
	ck, err := nano.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	e, err := gossamer.Open(t.Context(), "nano", gossamer.Options{Backend: gossamer.CPU, Checkpoint: ck})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	tok := e.Tokenizer()
	ask := func(d *dialogue, c engine.Constraint) []int32 {
		t.Helper()
		var reply []int32
		result, err := e.Generate(t.Context(), engine.Request{
			Tokens: d.prompt, MaxTokens: maxReply, Stop: []int32{tokenizer.Return, tokenizer.Call}, Constraint: c,
		}, func(t engine.Token) bool {
			reply = append(reply, t.ID)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if result.Finish == engine.FinishStop {
			reply = append(reply, result.StopID)
		}
		return slices.Concat(d.begun, reply)
	}
	n := 3
	if testing.Short() {
		n = 1
	}
	m := newMix(tok, 3, true)
	for _, name := range []string{"call", "forced", "result", "json"} {
		k := &skills[slices.IndexFunc(skills, func(k skill) bool { return k.name == name })]
		free, constrained := 0, 0
		for i := range 3 * n {
			st := m.setting()
			st.effort = effort(i % 3)
			task := m.draw(k)
			d, err := m.render(task, st, nil)
			if err != nil {
				t.Fatal(err)
			}
			if grade(tok, ask(d, nil), d.want) {
				free++
			}
			r := requestOf(task)
			c, ignored, err := e.Constraint(t.Context(), r)
			if err != nil || len(ignored) > 0 {
				t.Fatalf("%v, ignored: %q", err, ignored)
			}
			for _, id := range d.begun {
				if err := c.Accept(id); err != nil {
					t.Fatal(err)
				}
			}
			reply := ask(d, c)
			if grade(tok, reply, d.want) {
				constrained++
			}
			if err := follows(tok, &r, reply); err != nil {
				t.Errorf("%s: %s -> %s: %v\n%+v", name, task.user, textOf(tok, reply), err, r)
			}
		}
		t.Logf("%s: of %d %d are right, %d free", name, 3*n, constrained, free)
		if constrained < free {
			t.Errorf("%s: %d of %d replies are right, %d of those that are free", name, constrained, 3*n, free)
		}
	}
}
