package playback

import (
	"context"
	"errors"
	"slices"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// maxHeaders bounds the replies that may go on in another request.
const maxHeaders = 64

var errNoPlay = errors.New("playback: no play's conditions hold for this conversation: end the file with a play that has none")

// begin chooses the play of a reply to a prompt. m.mu is held.
//
// A caller that demands a call of one of several functions writes the header's beginning, has a token drawn where the names differ, and
// asks for the rest in another request: that goes on with the play of the first one, which is counted once.
func (m *Model) begin(prompt []int32, allowed []uint32) *reply {
	c := readConversation(m.tok, prompt)
	r := &reply{prompt: len(prompt), origin: c.origin, begun: slices.Clone(c.begun)}
	if first := m.goesOn(r); first != nil {
		if ops, ok := m.fit(first.play, c, allowed); ok {
			r.play, r.ops = first.play, ops
		}
	}
	for i := range m.file.plays {
		if r.play != nil {
			break
		}
		p := &m.file.plays[i]
		if !p.when.holds(c) {
			continue
		}
		ops, ok := m.fit(p, c, allowed)
		if !ok {
			continue
		}
		if m.met[i]++; p.when.nth == 0 || p.when.nth == m.met[i] {
			r.play, r.ops = p, ops
		}
	}
	if r.play == nil {
		r.err = errNoPlay
		return r
	}
	if len(r.begun) > 0 && !slices.Contains(r.begun, tokenizer.Message) {
		if len(m.headers) == maxHeaders {
			m.headers = m.headers[1:]
		}
		m.headers = append(m.headers, r)
	}
	return r
}

// goesOn takes the reply out of m.headers with whose beginning another one begins.
func (m *Model) goesOn(r *reply) *reply {
	for i, first := range m.headers {
		if first.origin == r.origin && len(first.tokens) > 0 && !slices.Contains(first.tokens, tokenizer.Message) &&
			hasPrefix(r.begun, slices.Concat(first.begun, first.tokens)) {
			m.headers = slices.Delete(slices.Clone(m.headers), i, i+1)
			return first
		}
	}
	return nil
}

// fit returns what of a play remains to be written in a conversation. If the caller has begun the reply's header, the play goes on where one
// of its messages has it; a play without headers is content, to which any header fits. Where there is no such message it does not fit.
func (m *Model) fit(p *play, c *conversation, allowed []uint32) ([]op, bool) {
	tool := m.tool(c, allowed)
	ops := m.expand(nil, p.reply, c.values(tool), new([]*odds))
	if len(c.begun) == 0 {
		return ops, true
	}
	heads := m.heads(ops, c.tools)
	if i := slices.Index(c.begun, tokenizer.Message); i >= 0 {
		begun, ok := m.header(c.begun[:i+1], c.tools)
		if !ok {
			return nil, false
		}
		if len(heads) == 0 {
			heads = []head{{begun, 0}}
		}
		for _, h := range heads {
			if h.header.Recipient != begun.Recipient || begun.Recipient == "" && h.header.Channel != begun.Channel {
				continue
			}
			if rest, ok := skip(ops[h.end:], c.begun[i+1:]); ok {
				return rest, true
			}
		}
		return nil, false
	}
	if len(heads) == 0 {
		for _, name := range c.tools {
			heads = append(heads, head{callHeader(name), 0})
		}
	}
	for _, h := range heads {
		written := m.rest(h.header, c.begun)
		if len(written) == 0 || !allows(allowed, written[0]) {
			continue
		}
		rest := make([]op, len(written), len(written)+len(ops)-h.end)
		for i, id := range written {
			rest[i].id = id
		}
		return append(rest, ops[h.end:]...), true
	}
	return nil, false
}

// tool is the function that {tool} names: the one whose call the caller has begun, or the first that is offered.
func (m *Model) tool(c *conversation, allowed []uint32) string {
	if len(c.tools) == 0 {
		return ""
	}
	if i := slices.Index(c.begun, tokenizer.Message); i >= 0 {
		h, _ := m.header(c.begun[:i+1], c.tools)
		if name, ok := h.FunctionName(); ok {
			return name
		}
	} else if len(c.begun) > 0 {
		for _, name := range c.tools {
			if rest := m.rest(callHeader(name), c.begun); len(rest) > 0 && allows(allowed, rest[0]) {
				return name
			}
		}
	}
	return c.tools[0]
}

// callHeader is how a call of a function begins, as requests that demand one begin it.
func callHeader(name string) harmony.Header {
	return harmony.Header{
		Author: harmony.Author{Role: harmony.Assistant}, Recipient: "functions." + name, Channel: harmony.Commentary, ContentType: harmony.ConstrainJSON,
	}
}

// rest returns what is left of a header, as harmony writes it, behind its beginning; nil if it begins otherwise.
func (m *Model) rest(h harmony.Header, begun []int32) []int32 {
	start, err := harmony.Render(context.Background(), m.tok, nil, harmony.Options{})
	if err != nil {
		return nil
	}
	all, err := harmony.Render(context.Background(), m.tok, nil, harmony.Options{Begin: &h})
	if err != nil || !hasPrefix(all[len(start):], begun) {
		return nil
	}
	return all[len(start)+len(begun):]
}

// head is the header of a message of a reply.
type head struct {
	header harmony.Header
	end    int // steps up to its <|message|>
}

// heads finds the headers of a reply.
func (m *Model) heads(ops []op, tools []string) []head {
	var heads []head
	var header []int32
	content := false
	for i, o := range ops {
		switch {
		case o.kind == opClose, o.kind == opToken && (isEnd(o.id) || o.id == tokenizer.Start):
			header, content = header[:0], false
		case o.kind != opToken || content:
		default:
			if header = append(header, o.id); o.id == tokenizer.Message {
				if h, ok := m.header(header, tools); ok && h.Author.Role == harmony.Assistant {
					heads = append(heads, head{h, i + 1})
				}
				content = true
			}
		}
		if o.kind == opToken && o.id == tokenizer.Start {
			header = append(header, o.id)
		}
	}
	return heads
}

// skip leaves out the tokens that a text has already. It returns false if the steps have others.
func skip(ops []op, tokens []int32) ([]op, bool) {
	for i, o := range ops {
		switch {
		case len(tokens) == 0:
			return ops[i:], true
		case o.kind == opToken && o.id == tokens[0]:
			tokens = tokens[1:]
		case o.kind == opToken || o.kind == opClose:
			return nil, false
		}
	}
	return nil, len(tokens) == 0
}
