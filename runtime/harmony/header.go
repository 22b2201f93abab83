package harmony

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gossamer/runtime/tokenizer"
)

func channels() []string { return []string{Analysis, Commentary, Final} }

// run is the text of a header after one of its markers.
type run struct {
	marker int32 // Channel or Constrain; 0 at the beginning
	text   string
}

// runs splits the header read so far at its markers. The first run, before any marker, may be empty. Special tokens that
// mean nothing in a header have no text.
func (p *Parser) runs() []run {
	runs := []run{{}}
	for _, token := range p.header {
		if token == tokenizer.Channel || token == tokenizer.Constrain {
			runs = append(runs, run{marker: token})
			continue
		}
		runs[len(runs)-1].text += string(p.tok.Bytes(token))
	}
	return runs
}

// headerText is a header, and the text that it was read from.
type headerText struct {
	Header
	raw string
}

// headerReader applies the rules for headers that Parser's documentation gives.
type headerReader struct {
	options  *ParserOptions
	h        Header
	started  bool // after <|start|>
	complete bool // before <|message|>
	lost     bool // there are no markers, yet it reads like a header

	raw, text     strings.Builder // what was understood, and what wasn't
	done          bool            // all that follows is text
	last          wordKind
	wantRecipient bool // after "to="
	namespace     bool // the recipient is "functions", and the name behind it missing so far
}

// wordKind tells what the previous word was, where the next one depends on it.
type wordKind int

const (
	otherWord wordKind = iota
	roleWord
	channelWord
	recipientWord
	textWord
)

// readHeader reads the header that was collected, which <|message|> follows if it is complete, and returns what was
// understood and the rest, which is text.
func (p *Parser) readHeader(complete bool) (headerText, string) {
	runs := p.runs()
	r := headerReader{options: &p.options, started: p.started, complete: complete, h: Header{Author: Author{Role: p.options.Role}}}
	if !complete && !p.started && len(runs) == 1 {
		text := tokenizer.Valid(runs[0].text)
		words := strings.Fields(text)
		for len(words) > 0 && slices.Contains(channels(), words[0]) {
			words = words[1:]
		}
		switch r.lost = len(words) > 0 && strings.HasPrefix(words[0], "to="); {
		case r.lost:
		case r.isHeaderText(text, false):
			return headerText{r.h, text}, ""
		default:
			return headerText{Header: r.h}, strings.TrimLeft(text, space)
		}
	}
	for i, run := range runs {
		r.run(run, i == len(runs)-1)
	}
	r.endRecipient()
	if text := r.text.String(); complete || !r.isHeaderText(text, false) {
		return headerText{r.h, r.raw.String()}, text
	}
	return headerText{r.h, r.raw.String() + r.text.String()}, ""
}

// isHeaderText reports whether text consists of words that headers are made of, and signs; open says that its last word may go on.
func (r *headerReader) isHeaderText(text string, open bool) bool {
	found := false
	for word, _, rest := cutWord(text); word != ""; word, _, rest = cutWord(rest) {
		for word != "" {
			word = strings.TrimLeftFunc(word, func(c rune) bool { return isNoise(string(c)) })
			if word == "" || strings.HasPrefix(word, "to=") || r.isTool(word) {
				found = found || word != ""
				break
			}
			i := slices.IndexFunc(headerWords(), func(w string) bool { return strings.HasPrefix(word, w) })
			if i < 0 {
				begun := slices.ContainsFunc(append(headerWords(), "to=", functionsPrefix), func(w string) bool { return strings.HasPrefix(w, word) })
				return begun && open && rest == ""
			}
			word, found = word[len(headerWords()[i]):], true
		}
	}
	return found
}

// headerWords are roles, channels and content types.
func headerWords() []string {
	return append(channels(), string(Assistant), string(User), string(System), string(Developer), string(Tool), "json", "code")
}

func (r *headerReader) run(run run, last bool) {
	text := tokenizer.Valid(run.text)
	if r.done {
		r.text.WriteString(text)
		return
	}
	// No header has braces: arguments begin here.
	head, arguments := text, ""
	if i := strings.IndexAny(text, "{["); i >= 0 {
		head, arguments = text[:i], text[i:]
	}
	r.last = otherWord
	for n := 0; ; n++ {
		word, before, rest := cutWord(head)
		if word == "" {
			break
		}
		next, _, _ := cutWord(rest)
		left := r.word(run.marker, word, position{
			first: n == 0,
			alone: n == 0 && next == "" && arguments == "",
			last:  last && next == "" && arguments == "",
			end:   last,
			next:  next,
		})
		if understood := word[:len(word)-len(left)]; understood != "" {
			r.raw.WriteString(understood + " ")
		}
		if left != "" {
			if !r.complete {
				r.text.WriteString(left + rest + arguments)
				r.done = true
				return
			}
			if r.last != textWord || left != word {
				before = " "
			}
			r.addText(before, left)
			r.last = textWord
		}
		head = rest
	}
	if arguments != "" {
		r.addText(" ", arguments)
		r.done = !r.complete
	}
}

func (r *headerReader) addText(before, text string) {
	if r.text.Len() > 0 {
		r.text.WriteString(before)
	}
	r.text.WriteString(text)
}

// space is what stands between the words of a header.
const space = " \t\n\f\r\v"

// cutWord returns the first word of s, and what is before and after it.
func cutWord(s string) (word, before, after string) {
	trimmed := strings.TrimLeft(s, space)
	before = s[:len(s)-len(trimmed)]
	if end := strings.IndexAny(trimmed, space); end >= 0 {
		return trimmed[:end], before, trimmed[end:]
	}
	return trimmed, before, ""
}

// position is where a word stands.
type position struct {
	first, alone bool   // in its run
	last         bool   // no word follows in the whole header
	end          bool   // in the last run
	next         string // word of the run
}

// word reads one word and returns the part at its end that it did not understand.
func (r *headerReader) word(marker int32, word string, at position) (left string) {
	switch {
	case marker == 0 && at.first:
		return r.firstWord(word, at)
	case marker == 0 && r.last == roleWord && word == string(r.h.Author.Role):
		return ""
	case marker == tokenizer.Channel && at.first:
		return r.channel(word, at)
	case marker == tokenizer.Constrain && at.first:
		return r.constrain(word, at)
	}
	return r.anyWord(marker, word, at)
}

// firstWord reads what may be a role or the name of a tool.
func (r *headerReader) firstWord(word string, at position) string {
	named := at.alone && (r.complete || !at.end) // a marker follows
	result := strings.HasPrefix(at.next, "to=")  // of a tool
	if !r.started && !named && !(result && r.isTool(word)) || slices.Contains(channels(), word) {
		return r.anyWord(0, word, at)
	}
	if role, name, ok := strings.Cut(word, ":"); ok && knownRole(Role(role)) && name != "" {
		r.h.Author, r.last = Author{Role(role), name}, roleWord
		return ""
	}
	if knownRole(Role(word)) {
		r.h.Author, r.last = Author{Role: Role(word)}, roleWord
		return ""
	}
	rest := word
	for strings.HasPrefix(rest, string(Assistant)) {
		rest = rest[len(Assistant):]
	}
	if rest != word {
		r.h.Author, r.last = Author{Role: Assistant}, roleWord
		if rest == "" {
			return ""
		}
		return r.anyWord(0, rest, at)
	}
	if isName(word) && (result || r.started && (named || slices.Contains(r.options.Tools, word))) {
		r.h.Author, r.last = Author{Tool, word}, roleWord
		return ""
	}
	return r.anyWord(0, word, at)
}

// channel reads the word after <|channel|>.
func (r *headerReader) channel(word string, at position) string {
	name := ""
	for _, c := range channels() {
		if strings.HasPrefix(word, c) {
			name = c
		}
	}
	rest := word[len(name):]
	inOrder := r.complete && isName(word) && (at.alone || strings.HasPrefix(at.next, "to=") || isContentType(at.next))
	switch {
	case name != "":
		r.h.Channel, r.last = name, channelWord
		if rest = cutChannels(rest); rest == "" || inOrder && !startsWithUpper(rest) { // such as final_answer
			return ""
		}
	case inOrder && !isNoise(word) && !r.isTool(word):
		r.h.Channel, r.last = word, channelWord
		return ""
	case !r.complete && at.alone && at.last && isBegun(word):
		r.h.Channel = Analysis // there is nothing to be shown
		return ""
	case r.h.Channel == "":
		r.h.Channel = Analysis
	}
	return r.anyWord(tokenizer.Channel, rest, at)
}

// isBegun reports whether a word is the beginning of a channel's name.
func isBegun(word string) bool {
	return slices.ContainsFunc(channels(), func(name string) bool { return strings.HasPrefix(name, word) })
}

// cutChannels takes signs and names of channels away that text begins with, as far as no prose begins there.
func cutChannels(text string) string {
	for rest := text; ; {
		rest = strings.TrimLeftFunc(rest, func(c rune) bool { return isNoise(string(c)) })
		if rest == "" {
			return ""
		}
		i := slices.IndexFunc(channels(), func(c string) bool { return strings.HasPrefix(rest, c) && !goesOn(rest[len(c):]) })
		if i < 0 {
			return text
		}
		rest = rest[len(channels()[i]):]
		text = rest
	}
}

func startsWithUpper(text string) bool {
	c, _ := utf8.DecodeRuneInString(text)
	return unicode.IsUpper(c)
}

// goesOn reports whether text continues the word before it, without being a channel's name again.
func goesOn(text string) bool {
	c, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLower(c) && !slices.ContainsFunc(channels(), func(name string) bool { return strings.HasPrefix(text, name) })
}

// constrain reads the word after <|constrain|>.
func (r *headerReader) constrain(word string, at position) string {
	single := at.alone || strings.HasPrefix(at.next, "to=")
	switch {
	case r.h.ContentType != "" || strings.HasPrefix(word, "to=") || r.isTool(word):
	case isContentType(word), single && r.complete && isName(word) && word != "response":
		r.h.ContentType = constrainMarker + word
		return ""
	case single && word == "response":
		return ""
	}
	return r.anyWord(tokenizer.Constrain, word, at)
}

// anyWord reads a word that may stand anywhere.
func (r *headerReader) anyWord(marker int32, word string, at position) string {
	last := r.last
	r.last = otherWord
	recipient, to := strings.CutPrefix(word, "to=")
	switch {
	case to && recipient == "", word == "to" && r.h.Recipient == "" && (at.next == "=" || strings.HasPrefix(at.next, "=") || r.isTool(at.next)):
		r.wantRecipient = true
		return ""
	case r.wantRecipient && word == "=":
		return ""
	case to || r.wantRecipient && !isContentType(word):
		r.wantRecipient = false
		if r.h.Recipient == "" {
			r.setRecipient(recipient)
			return ""
		}
		if tool, _, ok := r.tool(recipient); r.h.Recipient == recipient || ok && r.h.Recipient == tool {
			return ""
		}
	case marker == 0 && r.h.Channel == "" && (r.complete || r.lost) && slices.Contains(channels(), word):
		r.h.Channel, r.last = word, channelWord
		return ""
	case last == channelWord && cutChannels(word) == "" && !isNoise(word):
		r.last = channelWord
		return ""
	case r.h.Recipient == "" && (r.complete || r.h.Channel != "") && r.isTool(word):
		r.setRecipient(word)
		return ""
	case isContentType(word) && (r.complete || r.h.Recipient != ""):
		if r.h.ContentType == "" {
			r.h.ContentType = word
		}
		return ""
	case last == recipientWord && r.complete && at.last && r.h.ContentType == "" && isName(word):
		r.h.ContentType = word
		return ""
	case r.complete && isNoise(word):
		return ""
	}
	if last == textWord {
		r.last = textWord
	}
	return word
}

func isContentType(word string) bool { return word == "json" || word == "code" }

// isName reports whether a word can be the name of a tool or of a content type.
func isName(word string) bool {
	return !strings.ContainsFunc(word, func(c rune) bool { return !isNameRune(c) })
}

func isNameRune(c rune) bool {
	return unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune("._-/+:", c)
}

// isNoise reports whether text says nothing: it has no letter or digit, and no symbol such as an emoji.
func isNoise(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool {
		return unicode.IsLetter(c) || unicode.IsNumber(c) || c > unicode.MaxASCII && unicode.IsSymbol(c)
	})
}
