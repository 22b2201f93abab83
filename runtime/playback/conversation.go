package playback

import (
	"hash/fnv"
	"regexp"
	"slices"
	"strings"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// conversation is what conditions and values know of a prompt.
type conversation struct {
	last      harmony.Role // of the last message
	user      said
	result    said
	developer said
	tools     []string // functions that are offered, as the model sees their names
	effort    string
	turn      int // answers so far

	origin uint64  // hash of the prompt up to <|start|>assistant, or of all of it
	begun  []int32 // what the caller has written behind that: a header or its beginning, perhaps content
}

// said is the last message of a role.
type said struct {
	text string
	ok   bool // there is one
}

// readConversation reads a prompt. It takes any tokens, and finds what there is.
func readConversation(tok *tokenizer.Tokenizer, prompt []int32) *conversation {
	c := &conversation{}
	history := prompt
	end := len(prompt)
	for i, id := range slices.Backward(prompt) {
		if isEnd(id) {
			break
		}
		if id == tokenizer.Start {
			history = prompt[:i]
			if role := tok.Encode(string(harmony.Assistant)); hasPrefix(prompt[i+1:], role) {
				end = i + 1 + len(role)
				c.begun = prompt[end:]
			}
			break
		}
	}
	c.origin = hash(prompt[:end])

	p := harmony.NewParser(tok, harmony.ParserOptions{})
	for _, id := range history {
		p.Push(id)
	}
	p.Close()
	for _, m := range p.Messages() {
		c.read(&m)
	}
	return c
}

func (c *conversation) read(m *harmony.Message) {
	c.last = m.Author.Role
	text := m.Text()
	switch m.Author.Role {
	case harmony.User:
		c.user = said{text, true}
	case harmony.Tool:
		c.result = said{text, true}
	case harmony.Developer:
		c.developer = said{text, true}
		c.tools = offered(text)
	case harmony.System:
		if at := regexp.MustCompile(`(?m)^Reasoning: (low|medium|high)$`).FindStringSubmatch(text); at != nil {
			c.effort = at[1]
		}
	case harmony.Assistant:
		if m.Kind() == harmony.Answer {
			c.turn++
		}
	}
}

// offered returns the names of the functions in a developer message; harmony.Render writes them as types of TypeScript.
func offered(text string) (names []string) {
	const begin, end = "## functions\n\nnamespace functions {\n", "\n} // namespace functions"
	i := strings.LastIndex(text, begin)
	if i < 0 {
		return nil
	}
	text, _, _ = strings.Cut(text[i+len(begin):], end)
	for _, m := range regexp.MustCompile(`(?m)^type ([A-Za-z_][A-Za-z0-9_]*) = \(`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// holds reports whether the conditions hold, but for nth.
func (w *when) holds(c *conversation) bool {
	matches := func(re *regexp.Regexp, s said) bool { return re == nil || s.ok && re.MatchString(s.text) }
	switch {
	case w.last != "" && w.last != string(c.last),
		!matches(w.user, c.user), !matches(w.result, c.result), !matches(w.developer, c.developer),
		w.effort != "" && w.effort != c.effort,
		w.turn >= 0 && w.turn != c.turn:
		return false
	}
	for _, name := range w.tools {
		if name == "*" && len(c.tools) == 0 || name != "*" && !slices.Contains(c.tools, name) {
			return false
		}
	}
	return true
}

// values are those of a conversation in which the tool is the one that {tool} names.
func (c *conversation) values(tool string) values {
	return values{tool: tool, user: c.user.text, result: c.result.text}
}

// isEnd reports whether a token ends a message.
func isEnd(id int32) bool {
	switch id {
	case tokenizer.End, tokenizer.Return, tokenizer.Call, tokenizer.EndOfText:
		return true
	}
	return false
}

func hasPrefix(tokens, prefix []int32) bool {
	return len(tokens) >= len(prefix) && slices.Equal(tokens[:len(prefix)], prefix)
}

func hash(tokens []int32) uint64 {
	h := fnv.New64a()
	for _, id := range tokens {
		h.Write([]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)})
	}
	return h.Sum64()
}
