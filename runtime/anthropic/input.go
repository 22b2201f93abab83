package anthropic

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"gossamer/runtime/chat"
)

// unparsed is the only member of the input of a call whose arguments are no object: its value is their text. When it comes back, the model is
// shown the text.
const unparsed = "_unparsed"

// maxInputDepth bounds the nesting of an input: a request, in which it comes back, is bounded too.
const maxInputDepth = 100

// input is what a call's arguments are to clients: an object in any case, since they read it as one. Where an object that was streamed is none
// after all, it was cut off: it is empty then, as Anthropic's client takes it.
func input(arguments string, offered bool) json.RawMessage {
	switch {
	case isObject(arguments):
		return json.RawMessage(arguments)
	case arguments == "" || isStreamed(arguments, offered):
		return json.RawMessage("{}")
	}
	return json.RawMessage("{" + quote(unparsed) + ":" + quote(arguments) + "}")
}

// isStreamed reports whether arguments that begin so are sent as they come. Those of an offered function follow its schema, so that the rest
// makes an object of them; of others it is not known before their end.
func isStreamed(beginning string, offered bool) bool {
	return offered && strings.HasPrefix(beginning, "{")
}

// isObject reports whether a text is a JSON object that can come back in a request.
func isObject(text string) bool {
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") || !json.Valid([]byte(text)) {
		return false
	}
	depth := 0
	for dec := json.NewDecoder(strings.NewReader(text)); ; {
		token, err := dec.Token()
		if err != nil { // the end
			return true
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxInputDepth {
				return false
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// argumentsOf is the inverse of input.
func argumentsOf(object json.RawMessage) string {
	var text map[string]*string
	if err := json.Unmarshal(object, &text); err == nil && len(text) == 1 && text[unparsed] != nil {
		return *text[unparsed]
	}
	return plain(object)
}

// plain writes JSON without space between its symbols, and without escapes that need not be. Clients write it in different ways; the model
// is to see it in the one in which it writes itself.
func plain(raw json.RawMessage) string {
	var b strings.Builder
	for i := 0; i < len(raw); {
		end := i + 1
		switch raw[i] {
		case ' ', '\t', '\n', '\r':
		case '"':
			for ; raw[end] != '"'; end++ {
				if raw[end] == '\\' {
					end++
				}
			}
			end++
			var s string
			if err := json.Unmarshal(raw[i:end], &s); err != nil {
				panic(err) // raw is JSON
			}
			b.WriteString(quote(s))
		default:
			b.WriteByte(raw[i])
		}
		i = end
	}
	return b.String()
}

// quote is a JSON string.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string has always a form
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// signature is that of what the model thinks. Clients want one, and nobody checks it.
const signature = "gossamer"

// sign is the signature of thoughts. Of those that are not shown it has the text.
func sign(text string, how Thinking) string {
	if how == Omitted {
		return signature + ":" + base64.StdEncoding.EncodeToString([]byte(text))
	}
	return signature
}

// signed is the text that a signature has, "" if it has none.
func signed(s string) string {
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, signature+":"))
	if err != nil || !strings.HasPrefix(s, signature+":") {
		return ""
	}
	return strings.ToValidUTF8(string(text), "\ufffd")
}

// Calls have ids of their own kind.
const (
	callPrefix    = "call_"
	toolUsePrefix = "toolu_"
)

func toolUseID(start *chat.ItemStart) string {
	return toolUsePrefix + strings.TrimPrefix(start.ID, callPrefix)
}
