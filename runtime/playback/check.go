package playback

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// Checked is what becomes of a play.
type Checked struct {
	Name     string
	Tokens   int // up to what ends the reply
	Messages []harmony.Message
	Finish   harmony.FinishReason
	Pauses   time.Duration // all together
	Fails    string        // how the play ends the reply, "" if it does not
	Unplayed int           // tokens behind the end of the reply, which nobody will see
}

// Check plays each play without a conversation, so that one can see what is made of it: no token is forbidden, {tool} is the first function
// that the play asks for, and the other values are their names.
func (m *Model) Check() ([]Checked, error) {
	var all []Checked
	for i := range m.file.plays {
		c, err := m.check(&m.file.plays[i])
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func (m *Model) check(p *play) (Checked, error) {
	result := Checked{Name: p.name}
	tools := slices.DeleteFunc(slices.Clone(p.when.tools), func(name string) bool { return name == "*" })
	v := values{tool: "tool", user: "{user}", result: "{result}"}
	if len(tools) > 0 {
		v.tool = tools[0]
	} else if len(p.when.tools) > 0 {
		tools = []string{v.tool}
	}
	prompt, err := harmony.Render(context.Background(), m.tok, nil, harmony.Options{})
	if err != nil {
		return result, err
	}
	r := &reply{play: p, ops: m.expand(nil, p.reply, v, new([]*odds)), prompt: len(prompt)}

	options := harmony.ParserOptions{}
	for _, name := range tools {
		options.Tools = append(options.Tools, "functions."+name)
	}
	parser := harmony.NewParser(m.tok, options)
	text := prompt
	for at := r.place; ; {
		o := r.next(at)
		switch o.kind {
		case opWait:
			result.Pauses += o.wait
			at.op++
			continue
		case opFail:
			result.Fails = string(o.fail)
		}
		if o.kind == opFail {
			break
		}
		if len(text) == m.context {
			result.Fails = fmt.Sprintf("the context of %d tokens is full", m.context)
			break
		}
		id, _, err := m.write(r, at, text, nil)
		if err != nil {
			result.Fails = err.Error()
			break
		}
		parser.Push(id)
		text, at = append(text, id), r.after(at, id)
		result.Tokens++
		if id == tokenizer.Return || id == tokenizer.Call || id == tokenizer.EndOfText {
			for _, o := range r.ops[min(at.op, len(r.ops)):] {
				if o.kind == opToken {
					result.Unplayed++
				}
			}
			break
		}
	}
	parser.Close()
	result.Messages, result.Finish = parser.Messages(), parser.FinishReason()
	return result, nil
}
