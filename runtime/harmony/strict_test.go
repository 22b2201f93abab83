package harmony

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gossamer/runtime/tokenizer"
)

// StrictParser is OpenAI's algorithm (openai/harmony src/encoding.rs, StreamableParser), errors and accidents included. It
// shows what others would make of a sequence of tokens; to read a model's output, take Parser.
type StrictParser struct {
	tok     *tokenizer.Tokenizer
	lenient bool

	state    parserState // between, inHeader or inContent
	role     Role        // of the next message, if it was given
	header   []int32
	current  Header
	content  strings.Builder
	stream   *tokenizer.Stream
	last     string
	messages []Message
}

// StrictState is what is known after a token.
type StrictState struct {
	Header         // of the current message once it is complete; only Author.Role, if it was given, before
	Delta   string // what the token added to the content
	Content string // of the current message so far
}

// NewStrictParser returns a parser that expects the rest of a message of the given role, or <|start|> if role is empty.
// A lenient one (the crate's strict: false) forgives a first message that lacks <|message|>.
func NewStrictParser(tok *tokenizer.Tokenizer, role Role, lenient bool) *StrictParser {
	p := &StrictParser{tok: tok, lenient: lenient, role: role, stream: tok.NewStream()}
	if role != "" {
		p.state = inHeader
	}
	return p
}

// State describes the current message.
func (p *StrictParser) State() StrictState {
	s := StrictState{Header: Header{Author: Author{Role: p.role}}}
	if p.state == inContent {
		s = StrictState{Header: p.current, Delta: p.last, Content: p.content.String()}
	}
	return s
}

// Messages returns the messages that have ended.
func (p *StrictParser) Messages() []Message { return p.messages }

// Push takes the next token. After an error the parser is of no more use.
func (p *StrictParser) Push(token int32) error {
	stop := token == tokenizer.End || token == tokenizer.Return || token == tokenizer.Call
	switch p.state {
	case between:
		if token != tokenizer.Start {
			return complaint(fmt.Sprintf("Unexpected token %d while expecting start token %d", token, tokenizer.Start))
		}
		p.state, p.header = inHeader, p.header[:0]
	case inHeader:
		switch {
		case token == tokenizer.Message:
			h, rest, err := p.readHeader(true)
			if err != nil {
				return err
			}
			if rest != "" {
				return complaint("unexpected tokens remaining in message header: Some(" + strconv.Quote(rest) + ")")
			}
			p.begin(h)
		case stop && p.lenient:
			p.state = between
			if p.role == "" {
				return nil // the crate forgets the message
			}
			h, rest, err := p.readHeader(false)
			if err != nil {
				return err
			}
			p.begin(h)
			p.content.WriteString(rest)
			p.end()
		default:
			p.header = append(p.header, token)
		}
	case inContent:
		if stop {
			p.end()
			return nil
		}
		p.last = p.stream.Write(token)
		p.content.WriteString(p.last)
	}
	return nil
}

// Close says that no token follows.
func (p *StrictParser) Close() error {
	switch p.state {
	case inHeader:
		return complaint("Unexpected EOS while waiting for message header to complete")
	case inContent:
		p.end()
	}
	return nil
}

func (p *StrictParser) begin(h Header) {
	p.state, p.current, p.role, p.last = inContent, h, "", ""
	p.content.Reset()
}

func (p *StrictParser) end() {
	p.content.WriteString(p.stream.Flush())
	p.messages = append(p.messages, NewText(p.current, p.content.String()))
	p.state = between
}

// readHeader reads a header by its text, markers included. rest is what is left over; without fields, that is everything
// but channel and role.
func (p *StrictParser) readHeader(fields bool) (h Header, rest string, err error) {
	decoded := p.tok.Decode(p.header)
	if !utf8.Valid(decoded) {
		return h, "", complaint("could not decode header")
	}
	text := string(decoded)
	const channelMarker = "<|channel|>"
	if before, after, ok := strings.Cut(text, channelMarker); ok {
		end := strings.IndexFunc(after, func(c rune) bool { return unicode.IsSpace(c) || c == '<' })
		if end < 0 {
			end = len(after)
		}
		if end == 0 {
			return h, "", complaint("channel marker present but no channel value found in header")
		}
		h.Channel = after[:end]
		text = before + after[end:]
	}
	text = strings.ReplaceAll(text, constrainMarker, " "+constrainMarker)
	words := strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" \t\n\f\r", c) })

	h.Author.Role = p.role
	if p.role == "" {
		if len(words) == 0 {
			return h, "", complaint("message header did not contain a role")
		}
		h.Author.Role = Role(words[0])
		if !knownRole(h.Author.Role) {
			if len(words) == 1 && !strings.HasPrefix(words[0], "to=") {
				return h, "", complaint("Unknown role: " + words[0])
			}
			h.Author = Author{Tool, words[0]}
			words = words[1:]
		} else if h.Author.Role == Tool {
			h.Author.Name = words[0]
		}
	}
	if len(words) > 0 && words[0] == string(h.Author.Role) {
		words = words[1:]
	}
	if !fields {
		return h, strings.Join(words, " "), nil
	}
	n := len(words)
	switch {
	case n == 0:
	case n == 1 || strings.HasPrefix(words[n-1], "to="):
		h.Recipient = strings.TrimPrefix(words[n-1], "to=")
		words = words[:n-1]
	default:
		h.ContentType = words[n-1]
		h.Recipient = strings.TrimPrefix(words[n-2], "to=")
		words = words[:n-2]
	}
	return h, strings.Join(words, " "), nil
}

// ParseStrict parses all tokens at once.
func ParseStrict(tok *tokenizer.Tokenizer, tokens []int32, role Role, lenient bool) ([]Message, error) {
	p := NewStrictParser(tok, role, lenient)
	for _, token := range tokens {
		if err := p.Push(token); err != nil {
			return nil, fmt.Errorf("harmony: %w", err)
		}
	}
	if err := p.Close(); err != nil {
		return nil, fmt.Errorf("harmony: %w", err)
	}
	return p.messages, nil
}
