package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
)

// valueStyle is a way to write JSON.
type valueStyle struct {
	comma, colon string
	indent       string // of a level; "": all is one line
}

// valueStyles are those of Python's json.dumps with ensure_ascii=False: with separators=(",", ":"), without options, with indent=2.
var valueStyles = map[string]valueStyle{
	"compact": {comma: ",", colon: ":"},
	"python":  {comma: ", ", colon: ": "},
	"indent":  {comma: ",", colon: ": ", indent: "  "},
}

// write writes a JSON value as Python does, but properties stay as they are given: in their order, and each one if they are equal.
func (s valueStyle) write(value json.RawMessage) ([]byte, error) {
	if err := wholeCharacters(value); err != nil {
		return nil, err
	}
	in := json.NewDecoder(bytes.NewReader(value))
	in.UseNumber()
	type level struct {
		object bool
		n      int // names and values so far
	}
	var open []level
	var out []byte
	newline := func() {
		if s.indent != "" {
			out = append(out, '\n')
			out = append(out, strings.Repeat(s.indent, len(open))...)
		}
	}
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		delim, _ := token.(json.Delim)
		if delim == '}' || delim == ']' {
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if last.n > 0 {
				newline()
			}
			out = append(out, byte(delim))
			continue
		}
		if len(open) > 0 {
			switch l := &open[len(open)-1]; {
			case l.object && l.n%2 == 1:
				out = append(out, s.colon...)
				l.n++
			case l.n > 0:
				out = append(out, s.comma...)
				fallthrough
			default:
				newline()
				l.n++
			}
		}
		switch x := token.(type) {
		case json.Delim:
			out = append(out, byte(x))
			open = append(open, level{object: x == '{'})
		case string:
			out = appendString(out, x)
		case json.Number:
			out = append(out, pythonNumber(string(x))...)
		case bool:
			out = strconv.AppendBool(out, x)
		default:
			out = append(out, "null"...)
		}
	}
}

// appendString appends a string with the escapes that Python writes.
func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c >= ' ':
			out = append(out, c)
		default:
			if short := strings.IndexByte("\b\t\n\f\r", c); short >= 0 {
				out = append(out, '\\', "btnfr"[short])
			} else {
				out = fmt.Appendf(out, `\u%04x`, c)
			}
		}
	}
	return append(out, '"')
}

// pythonNumber writes a number as Python does that has read it; one that is beyond its range stays as it is.
func pythonNumber(literal string) string {
	if !strings.ContainsAny(literal, ".eE") {
		if literal == "-0" {
			return "0"
		}
		return literal
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return literal
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(text, "e")
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= 16 {
		return text
	}
	if text = strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// unicodeText is a JSON string that is refused where encoding/json would put U+FFFD for what is no character.
type unicodeText string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *unicodeText) UnmarshalJSON(text []byte) error {
	if err := wholeCharacters(text); err != nil {
		return err
	}
	return json.Unmarshal(text, (*string)(t))
}

// wholeCharacters fails if a string in valid JSON has one half of a surrogate pair.
func wholeCharacters(text []byte) error {
	unit := func(i int) rune { // that an escape at i stands for
		if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
		return rune(n)
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch r := unit(i); {
		case !utf16.IsSurrogate(r):
			i++
		case utf16.DecodeRune(r, unit(i+6)) != '\uFFFD':
			i += 11
		default:
			return fmt.Errorf("%s is half of a character", text[i:i+6])
		}
	}
	return nil
}
