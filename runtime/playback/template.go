package playback

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"gossamer/runtime/tokenizer"
)

// template is a text with markers, and with the names of values that a conversation has. Each part of the text that no marker divides is
// encoded as a whole, after the values are put in: they are never read as markers.
type template struct {
	parts []part
	fixed []int32 // the tokens, where there are no values
}

// part is a marker, a value or some text.
type part struct {
	marker int32  // noMarker: none
	value  string // "tool", "user" or "result"; after "json:" as a string of JSON, with its quotes
	text   string
}

const noMarker int32 = -1

// maxTextBytes is the length of a text that has more tokens than a context, of which none has more than 128 bytes.
const maxTextBytes = 128 * maxContext

// values are what a template can name.
type values struct{ tool, user, result string }

// newSpecial finds markers and values. Braces around anything else are text.
func newSpecial() *regexp.Regexp {
	return regexp.MustCompile(`<\|[^<>|]*\|>|\{(json:)?(tool|user|result)\}|\{json:[^{}]*\}`)
}

func (p *parser) template(n node) template {
	text := p.text(n, maxFileBytes)
	var t template
	for text != "" {
		at := p.special.FindStringIndex(text)
		if at == nil {
			at = []int{len(text), len(text)}
		}
		if at[0] > 0 {
			t.parts = append(t.parts, part{marker: noMarker, text: text[:at[0]]})
		}
		switch name := text[at[0]:at[1]]; {
		case name == "":
		case name[0] == '<':
			id, ok := p.tok.Special(name)
			if !ok {
				p.fail(n, "has the marker %s, which does not exist: as text, divide it between two segments", name)
			}
			t.parts = append(t.parts, part{marker: id})
		default:
			value := name[1 : len(name)-1]
			if !slices.Contains([]string{"tool", "user", "result"}, strings.TrimPrefix(value, "json:")) {
				p.fail(n, "names the value %s, want {tool}, {user} or {result}, or one of them as a string of JSON: {json:user}", name)
			}
			t.parts = append(t.parts, part{marker: noMarker, value: value})
		}
		text = text[at[1]:]
	}
	if p.err == nil && !slices.ContainsFunc(t.parts, func(p part) bool { return p.value != "" }) {
		t.fixed = t.encode(p.tok, values{})
	}
	return t
}

// tokens returns the tokens of a template for a conversation.
func (t *template) tokens(tok *tokenizer.Tokenizer, v values) []int32 {
	if t.fixed != nil {
		return t.fixed
	}
	return t.encode(tok, v)
}

func (t *template) encode(tok *tokenizer.Tokenizer, v values) []int32 {
	var ids []int32
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			ids = append(ids, tok.Encode(text.String())...)
			text.Reset()
		}
	}
	for _, p := range t.parts {
		if text.Len() > maxTextBytes || len(ids) > maxSteps {
			break // no context holds as much, and values may be long and many
		}
		switch {
		case p.marker != noMarker:
			flush()
			ids = append(ids, p.marker)
		case p.value != "":
			text.WriteString(v.get(p.value))
		default:
			text.WriteString(p.text)
		}
	}
	flush()
	return ids
}

// get returns the value of a name.
func (v values) get(name string) string {
	name, quoted := strings.CutPrefix(name, "json:")
	text := v.user
	switch name {
	case "tool":
		text = v.tool
	case "result":
		text = v.result
	}
	if !quoted {
		return text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return `""` // a string always has a form in JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
