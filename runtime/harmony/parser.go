package harmony

import (
	"slices"
	"strings"
	"unicode/utf8"

	"gossamer/runtime/tokenizer"
)

// NoToken is the Stop of a message that no token ended: the tokens ended before it did.
const NoToken int32 = -1

// EventKind is what an Event reports.
type EventKind int

const (
	MessageStart EventKind = iota // a header is complete
	TextDelta                     // more content
	MessageEnd                    // the content is complete
)

// Event is what a token, or a few, meant. Each message is a MessageStart, any number of TextDeltas, and a MessageEnd.
type Event struct {
	Kind   EventKind
	Header Header // of the message, in all its events
	// Undecided says that the text may turn out to be something else than Header tells: the header of the MessageEnd counts.
	// Never so in a MessageEnd.
	Undecided bool
	// Text is a delta's content, whole characters. In a MessageStart it is the header's text as the model wrote it, without
	// the markers and without what became content: nothing that the model says is lost.
	Text string
	// Stop is the token that ended the message (MessageEnd): <|end|>, <|call|>, <|return|>, <|endoftext|>, the marker of the
	// next message if the end was forgotten, or NoToken if there was none.
	Stop int32
}

// ParserOptions say what to expect.
type ParserOptions struct {
	// Role is the author of messages that don't name theirs; Assistant if empty.
	Role Role
	// Begin is the header that the first message has got already; see Options.Begin.
	Begin *Header
	// Tools are the recipients that exist, such as "functions.get_weather", "browser.search" or "python". They repair
	// recipients that the model garbled. Calls of other recipients are reported all the same.
	Tools []string
}

// Parser reads what the model generates, one token at a time. It takes any sequence of tokens: it never fails and never loses
// text. Well-formed messages are read as OpenAI's parser reads them (see StrictParser), but for the last two rules; for the
// others, where that one gives up, the rules are:
//
//   - Channels are analysis, commentary and final. The longest of them that a channel begins with is meant
//     ("commentary?"); if there is none, another name ("notes") stays as it is where the rest of the header is in order, and
//     anything else ("??") means analysis.
//   - A recipient that can only mean one of the tools that exist means it ("functions:list()").
//   - In a header, these are understood: roles, the name of a tool before <|channel|>, channels, "to=" with a recipient, the
//     bare name of a tool that exists, "json" and "code", one more word after a recipient, one word after <|constrain|>
//     ("response" is ignored), words without a letter or digit, and the spaces between. All else is text.
//   - If <|message|> follows, such text becomes an analysis message before the message itself. If it doesn't, because a message
//     ends or has no header at all, it is the content, unless it consists of words of a header only.
//   - Text after the end of a message begins another one, with or without <|start|>. White space does not, nor do signs
//     alone, unless nothing else is said to the user.
//   - Ends where nothing has begun are ignored, as are headers that are begun again before they said anything but a role.
//   - <|start|> in content ends the message; so does <|channel|> if one of the channels and <|message|> follow. Other markers
//     in content are kept as text.
//   - A message without a channel is the answer if it is the assistant's last, else analysis. Its MessageEnd comes when that
//     is known.
//   - A message with a recipient is no call if it is prose: on the final channel everything but a JSON object, without
//     <|message|> what does not begin like one. Then it is a message of its channel, without recipient.
type Parser struct {
	tok     *tokenizer.Tokenizer
	options ParserOptions

	state    parserState
	header   []int32 // tokens since <|start|> in inHeader, from <|channel|> on in maybeHeader
	started  bool    // the header began with <|start|>
	skipped  []byte  // text of headers that came to nothing
	stray    []byte  // signs between messages
	current  Header
	content  strings.Builder
	stream   *tokenizer.Stream
	headless bool // the content began without <|message|>

	perhapsCall bool // the message has a recipient, but may be prose
	waiting     bool // the message has ended, and is the answer if no other one follows
	waitingStop int32
	spoken      bool // something was said to the user, or a tool called

	messages []Message
	events   []Event
	calls    int   // tool calls so far
	stop     int32 // how the last message ended, or a later token that could have ended it
}

type parserState int

const (
	between     parserState = iota // no message has begun
	inHeader                       // before <|message|>
	inContent                      // after it
	maybeHeader                    // after <|channel|> in content: perhaps the header of the next message
)

// maxHeader is the number of tokens after which a header without <|message|> is taken for content, so that such content too
// reaches the reader while it is generated. The longest real headers (names have at most 64 characters) stay well below.
const maxHeader = 64

// NewParser returns a parser for what follows <|start|>assistant, or for a conversation that begins with <|start|>.
func NewParser(tok *tokenizer.Tokenizer, o ParserOptions) *Parser {
	if o.Role == "" {
		o.Role = Assistant
	}
	return &Parser{tok: tok, options: o, stream: tok.NewStream(), stop: NoToken}
}

// Push takes the next token. The events that it returns are valid until the next call.
func (p *Parser) Push(token int32) []Event {
	p.events = p.events[:0]
	p.begin()
	p.push(token)
	return p.events
}

// Close says that no token follows. A message that has begun is reported as cut off.
func (p *Parser) Close() []Event {
	p.events = p.events[:0]
	p.begin()
	switch p.state {
	case inHeader:
		switch h, text := p.readHeader(false); {
		case text == "", isNoise(text) && h.Channel == "" && h.Recipient == "":
			p.skip(h.raw, text)
		default:
			p.startHeadless()
			p.endMessage(NoToken)
		}
	case maybeHeader:
		p.release()
		p.endMessage(NoToken)
	case inContent:
		p.endMessage(NoToken)
	}
	if sign, stop := strings.TrimSpace(string(p.stray)), p.stop; sign != "" && !p.spoken && !p.waiting {
		p.stray = p.stray[:0]
		p.startMessage(Header{Author: Author{Role: Assistant}}, "", true)
		p.delta(sign)
		p.endMessage(stop)
	}
	p.settle(false)
	p.state = between
	return p.events
}

// Messages returns the messages that have ended.
func (p *Parser) Messages() []Message { return p.messages }

// FinishReason is why the model stopped, in the terms of chat APIs.
type FinishReason string

const (
	FinishStop      FinishReason = "stop"       // the model ended its answer
	FinishToolCalls FinishReason = "tool_calls" // it waits for the results of calls
	FinishLength    FinishReason = "length"     // it was cut off
)

// FinishReason tells why the tokens ended; meaningful after Close.
func (p *Parser) FinishReason() FinishReason {
	switch p.stop {
	case tokenizer.Return, tokenizer.EndOfText, tokenizer.Call:
	case tokenizer.End:
		if p.calls == 0 {
			return FinishLength // another message would have followed
		}
	default:
		return FinishLength
	}
	if p.calls > 0 {
		return FinishToolCalls
	}
	return FinishStop
}

// begin starts the first message where its header was given.
func (p *Parser) begin() {
	if h := p.options.Begin; h != nil {
		p.options.Begin = nil
		first := *h
		first.Author.Role = p.options.Role
		p.startMessage(first, "", false)
		p.perhapsCall = false
	}
}

func (p *Parser) push(token int32) {
	switch p.state {
	case between:
		if isStop(token) {
			p.stop = token
			return
		}
		p.stop = NoToken
		p.state, p.header, p.started = inHeader, p.header[:0], token == tokenizer.Start
		if !p.started {
			p.pushHeader(token)
		}
	case inHeader:
		p.pushHeader(token)
	case inContent:
		p.pushContent(token)
	case maybeHeader:
		p.pushMaybe(token)
	}
}

func isStop(token int32) bool {
	switch token {
	case tokenizer.End, tokenizer.Return, tokenizer.Call, tokenizer.EndOfText:
		return true
	}
	return false
}

func (p *Parser) pushHeader(token int32) {
	switch {
	case token == tokenizer.Message:
		h, text := p.readHeader(true)
		if text != "" {
			p.startMessage(Header{Author: Author{Role: Assistant}, Channel: Analysis}, "", false)
			p.delta(text)
			p.endMessage(NoToken)
		}
		p.startMessage(h.Header, h.raw, false)
	case token == tokenizer.Start:
		p.endHeader(token)
		p.state, p.header, p.started, p.stop = inHeader, p.header[:0], true, NoToken
	case isStop(token):
		p.endHeader(token)
		p.state, p.stop = between, token
	default:
		p.header = append(p.header, token)
		if p.isContent() {
			p.startHeadless()
		}
	}
}

// endHeader ends what should have been a header at a token that is not <|message|>.
func (p *Parser) endHeader(stop int32) {
	h, text := p.readHeader(false)
	switch {
	case h.Channel == "" && h.Recipient == "" && isNoise(text), text == "" && stop == tokenizer.Start && !h.isCall():
		p.skip(h.raw, text)
	default:
		p.startMessage(h.Header, h.raw, true)
		p.delta(text)
		p.endMessage(stop)
	}
}

// skip keeps what has become no message, until there is one to go with.
func (p *Parser) skip(raw, signs string) {
	p.skipped = append(p.skipped, raw...)
	p.stray = append(p.stray, signs...)
}

// startHeadless begins a message without <|message|>.
func (p *Parser) startHeadless() {
	h, text := p.readHeader(false)
	p.startMessage(h.Header, h.raw, true)
	p.delta(text)
}

// startMessage begins a message. raw is the text that its header was read from; headless says that <|message|> is missing.
func (p *Parser) startMessage(h Header, raw string, headless bool) {
	p.settle(h.Author.Role == Assistant)
	p.state, p.headless, p.current = inContent, headless, h
	p.perhapsCall = h.Kind() == ToolCall && (headless || h.Channel == Final)
	p.content.Reset()
	p.events = append(p.events, Event{
		Kind: MessageStart, Header: h, Undecided: p.undecided(), Text: string(p.skipped) + string(p.stray) + raw, Stop: NoToken,
	})
	p.skipped, p.stray = p.skipped[:0], p.stray[:0]
}

func (p *Parser) undecided() bool { return p.perhapsCall || p.withoutChannel() }

// withoutChannel reports whether what follows the message tells what it is.
func (p *Parser) withoutChannel() bool { return p.current.Channel == "" && p.current.Kind() == Answer }

func (p *Parser) delta(text string) {
	if text == "" {
		return
	}
	p.content.WriteString(text)
	p.events = append(p.events, Event{Kind: TextDelta, Header: p.current, Undecided: p.undecided(), Text: text, Stop: NoToken})
}

func (p *Parser) endMessage(stop int32) {
	p.delta(p.stream.Flush())
	if p.perhapsCall && !saysCall(p.current, p.content.String(), stop) {
		p.current.Recipient, p.current.ContentType = "", ""
	}
	p.state, p.stop = between, stop
	p.waiting, p.waitingStop = true, stop
	if !p.withoutChannel() {
		p.settle(false)
	}
}

// settle ends the message that waits, if there is one; more says that another message of the assistant follows.
func (p *Parser) settle(more bool) {
	if !p.waiting {
		return
	}
	p.waiting = false
	if more && p.withoutChannel() {
		p.current.Channel = Analysis
	}
	p.messages = append(p.messages, NewText(p.current, p.content.String()))
	p.events = append(p.events, Event{Kind: MessageEnd, Header: p.current, Stop: p.waitingStop})
	switch p.current.Kind() {
	case ToolCall:
		p.calls++
		p.spoken = true
	case Answer, Preamble:
		p.spoken = true
	}
}

func (p *Parser) pushContent(token int32) {
	switch {
	case isStop(token):
		p.endMessage(token)
	case token == tokenizer.Start:
		p.endMessage(token)
		p.push(token)
	case token == tokenizer.Channel:
		p.state, p.header = maybeHeader, append(p.header[:0], token)
	case token == tokenizer.Message && p.headless:
		if p.headless = false; p.withoutChannel() { // the text was in front of a message
			p.endMessage(NoToken)
			p.startMessage(Header{Author: p.current.Author}, "", false)
		}
	default:
		p.write(token)
	}
}

// write adds a token to the content, a marker as its text.
func (p *Parser) write(token int32) {
	if text, ok := p.tok.SpecialText(token); ok {
		p.delta(p.stream.Flush() + text)
		return
	}
	p.delta(p.stream.Write(token))
}

func (p *Parser) pushMaybe(token int32) {
	switch {
	case token == tokenizer.Message && p.namesChannel(true):
		p.endMessage(tokenizer.Channel)
		p.state, p.started = inHeader, false
		p.pushHeader(token)
		return
	case token != tokenizer.Message && token != tokenizer.Start && token != tokenizer.Channel && !isStop(token) && len(p.header) < maxHeader:
		p.header = append(p.header, token)
		if p.namesChannel(false) {
			return
		}
		p.release()
		return
	}
	p.release()
	p.pushContent(token)
}

// release makes content of what was not a header after all.
func (p *Parser) release() {
	p.state = inContent
	for _, token := range p.header {
		p.write(token)
	}
}

// namesChannel reports whether the text after <|channel|> is a channel, perhaps with more words, or (complete: false) can
// still become one.
func (p *Parser) namesChannel(complete bool) bool {
	runs := p.runs()
	if len(runs) < 2 || runs[1].text == "" {
		return !complete
	}
	text := runs[1].text
	name, _, more := strings.Cut(text, " ")
	for _, c := range channels() {
		if name == c || !complete && !more && len(runs) == 2 && strings.HasPrefix(c, name) {
			return true
		}
	}
	return false
}

// isContent reports whether the header being read cannot be one.
func (p *Parser) isContent() bool {
	runs := p.runs()
	if !utf8.ValidString(runs[len(runs)-1].text) && len(p.header) < maxHeader+utf8.UTFMax {
		return false // better wait for the rest of a character
	}
	if len(p.header) >= maxHeader {
		return true
	}
	// Text where a message should begin. Headers that lost <|start|> or <|channel|> begin with one of few words.
	text := strings.TrimLeft(runs[0].text, space)
	r := headerReader{options: &p.options}
	if p.started || len(runs) > 1 || isNoise(text) || r.isHeaderText(text, true) {
		return false
	}
	for _, word := range slices.Concat(channels(), []string{string(Assistant), "to=", functionsPrefix}, p.options.Tools) {
		if strings.HasPrefix(word, text) || strings.HasPrefix(text, word) {
			return false
		}
	}
	return true
}
