package playback

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gossamer/runtime/tokenizer"
)

// Bounds of a file. They are far above what a file of plays needs, and keep a wrong one from taking all the memory.
const (
	maxFileBytes    = 16 << 20
	maxPlays        = 1000
	maxNameBytes    = 200
	maxPatternBytes = 1000
	maxTools        = 128
	maxSegments     = 10_000 // of a list
	maxDepth        = 4      // of repeat in repeat
	maxTimes        = 100_000
	maxWait         = 10 * time.Minute
	maxRate         = 1e6  // tokens per second
	minRate         = 0.01 // the same, unless it is 0: a reply is to end some day
	maxAlternatives = 19   // with the token itself as many as an API returns
	maxSteps        = 2 * maxContext
)

// file is what a file says.
type file struct {
	draws       [2]int  // the least and the most tokens of a text that a step draws
	seed        uint64  // of draws, of mask "free", and of log probabilities
	decodeRate  float64 // tokens per second; 0: at once
	prefillRate float64 // the same
	plays       []play
}

// play is a reply, and when it is given.
type play struct {
	name  string
	when  when
	mask  mask
	reply []segment
}

// mask says what happens where a token of a play is forbidden.
type mask string

const (
	maskError mask = "error" // the reply fails
	maskClose mask = "close" // the message is ended as a close segment does it, and the play goes on with the next one
	maskFree  mask = "free"  // some token that is allowed stands in its place
)

// when is the conditions of a play. Those that the file leaves out hold always.
type when struct {
	last                    string
	user, result, developer *regexp.Regexp
	tools                   []string // "*": any
	effort                  string
	turn                    int // -1: any
	nth                     int // 0: any
}

// segment is a part of a reply: one of these.
type segment struct {
	text   template
	tokens []int32
	close  bool
	times  int // of repeat
	of     []segment
	wait   time.Duration
	fail   failure
	odds   []*odds
}

// failure is how a play fails.
type failure string

const (
	failLost  failure = "device_lost"
	failFull  failure = "context_full"
	failError failure = "error"
)

// odds are the probabilities of a token: its own, and those of others.
type odds struct {
	p            float64
	alternatives []chance // the most likely first
}

type chance struct {
	id int32
	p  float64
}

// usual is the probability of a token of which the file says nothing.
const usual = 0.9

// parseFile reads a file.
func parseFile(data []byte, tok *tokenizer.Tokenizer) (*file, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("playback: the file has %d bytes, at most %d are allowed", len(data), maxFileBytes)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("playback: the file is not UTF-8")
	}
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	p := &parser{tok: tok, special: newSpecial()}
	f := p.file(node{raw: bytes.TrimSpace(data)})
	if p.err != nil {
		return nil, p.err
	}
	return f, nil
}

// parser reads the parts of a file.
type parser struct {
	decoder
	tok     *tokenizer.Tokenizer
	special *regexp.Regexp
}

func (p *parser) file(n node) *file {
	fields := p.fields(n, "version", "defaults", "plays")
	if v, ok := fields["version"]; !ok {
		p.fail(n, `has no "version", want 1`)
	} else if p.whole(v, 0, math.MaxInt64) != 1 {
		p.fail(v, "is %s, want 1: this program does not know any other", v.raw)
	}
	f := &file{draws: [2]int{1, maxDraws}, seed: 1}
	mask := maskError
	if d, ok := fields["defaults"]; ok {
		mask = p.defaults(d, f)
	}
	plays, ok := fields["plays"]
	if !ok {
		p.fail(n, `has no "plays"`)
		return nil
	}
	names := map[string]bool{}
	for _, n := range p.list(plays, maxPlays) {
		play := p.play(n, mask)
		if p.err != nil {
			return nil
		}
		if names[play.name] {
			p.fail(n, "has the name %q, which another play has too", play.name)
		}
		names[play.name] = true
		f.plays = append(f.plays, play)
	}
	return f
}

// defaults reads what holds for all plays, and returns the mask, which a play may have its own of.
func (p *parser) defaults(n node, f *file) mask {
	fields := p.fields(n, "draws", "seed", "tokens_per_second", "prefill_tokens_per_second", "mask")
	if d, ok := fields["draws"]; ok {
		if ends := p.list(d, 2); len(ends) == 2 {
			f.draws[0] = int(p.whole(ends[0], 1, maxDraws))
			f.draws[1] = int(p.whole(ends[1], int64(f.draws[0]), maxDraws))
		} else {
			p.fail(d, "has %d elements, want the least and the most tokens of a step", len(ends))
		}
	}
	if s, ok := fields["seed"]; ok {
		f.seed = uint64(p.whole(s, 0, math.MaxInt64))
	}
	if r, ok := fields["tokens_per_second"]; ok {
		f.decodeRate = p.rate(r)
	}
	if r, ok := fields["prefill_tokens_per_second"]; ok {
		f.prefillRate = p.rate(r)
	}
	if m, ok := fields["mask"]; ok {
		return p.mask(m)
	}
	return maskError
}

// rate reads tokens per second; 0 is as many as come.
func (p *parser) rate(n node) float64 {
	r := p.number(n, 0, maxRate)
	if r > 0 && r < minRate {
		p.fail(n, "is %.40s, want 0, which is no wait at all, or a number from %v to %v", n.raw, minRate, maxRate)
	}
	return r
}

func (p *parser) mask(n node) mask {
	return mask(p.oneOf(n, string(maskError), string(maskClose), string(maskFree)))
}

func (p *parser) play(n node, mask mask) play {
	fields := p.fields(n, "name", "when", "mask", "reply")
	play := play{when: when{turn: -1}, mask: mask}
	for _, name := range []string{"name", "when", "reply"} {
		if _, ok := fields[name]; !ok {
			p.fail(n, "has no %q", name)
			return play
		}
	}
	if play.name = p.text(fields["name"], maxNameBytes); play.name == "" {
		p.fail(fields["name"], "is empty")
	}
	if m, ok := fields["mask"]; ok {
		play.mask = p.mask(m)
	}
	play.when = p.when(fields["when"])
	play.reply = p.segments(fields["reply"], 0)
	if size(play.reply) > maxSteps {
		p.fail(fields["reply"], "has more than %d tokens and pauses: no context holds as many", maxSteps)
	}
	if len(play.when.tools) == 0 && usesTool(play.reply) {
		p.fail(fields["reply"], `names {tool}, so "when" has to say which "tools" there are: ["*"] is any`)
	}
	return play
}

func (p *parser) when(n node) when {
	fields := p.fields(n, "last", "user", "result", "developer", "tools", "effort", "turn", "nth")
	w := when{turn: -1}
	pattern := func(name string) *regexp.Regexp {
		f, ok := fields[name]
		if !ok {
			return nil
		}
		re, err := regexp.Compile(p.text(f, maxPatternBytes))
		if err != nil {
			p.fail(f, "is no regular expression: %v", err)
		}
		return re
	}
	w.user, w.result, w.developer = pattern("user"), pattern("result"), pattern("developer")
	if f, ok := fields["last"]; ok {
		w.last = p.oneOf(f, "user", "tool", "assistant")
	}
	if f, ok := fields["effort"]; ok {
		w.effort = p.oneOf(f, "low", "medium", "high")
	}
	if f, ok := fields["turn"]; ok {
		w.turn = int(p.whole(f, 0, math.MaxInt32))
	}
	if f, ok := fields["nth"]; ok {
		w.nth = int(p.whole(f, 1, math.MaxInt32))
	}
	if f, ok := fields["tools"]; ok {
		for _, n := range p.list(f, maxTools) {
			name := p.text(n, maxNameBytes)
			if name != "*" && !isIdentifier(name) {
				p.fail(n, `is %q, want "*" or the name as the model sees it: letters, digits and "_", which stands for all other signs`, name)
			}
			w.tools = append(w.tools, name)
		}
		if len(w.tools) == 0 {
			p.fail(f, "is empty: leave it out if tools do not matter")
		}
	}
	return w
}

// isIdentifier reports whether a function can have a name in a prompt.
func isIdentifier(name string) bool {
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func (p *parser) segments(n node, depth int) []segment {
	var list []segment
	for _, n := range p.list(n, maxSegments) {
		if p.err != nil {
			break
		}
		list = append(list, p.segment(n, depth))
	}
	return list
}

func (p *parser) segment(n node, depth int) segment {
	var s segment
	fields := p.fields(n, "text", "tokens", "close", "repeat", "wait_ms", "fail", "logprobs")
	if p.err == nil && len(fields) != 1 {
		p.fail(n, "has %d fields, want one: text, tokens, close, repeat, wait_ms, fail or logprobs", len(fields))
	}
	if p.err != nil {
		return s
	}
	for name, f := range fields {
		switch name {
		case "text":
			s.text = p.template(f)
		case "tokens":
			for _, id := range p.list(f, maxContext) {
				s.tokens = append(s.tokens, int32(p.whole(id, 0, int64(p.tok.Vocab()-1))))
			}
		case "close":
			if s.close = string(f.raw) == "true"; !s.close {
				p.fail(f, "is %.40s, want true", f.raw)
			}
		case "repeat":
			if depth == maxDepth {
				p.fail(f, "is nested deeper than %d", maxDepth)
				return s
			}
			fields := p.fields(f, "times", "of")
			times, of := fields["times"], fields["of"]
			if times.raw == nil || of.raw == nil {
				p.fail(f, `wants "times" and "of"`)
				return s
			}
			s.times, s.of = int(p.whole(times, 0, maxTimes)), p.segments(of, depth+1)
		case "wait_ms":
			s.wait = time.Duration(p.number(f, 0, float64(maxWait/time.Millisecond)) * float64(time.Millisecond))
		case "fail":
			s.fail = failure(p.oneOf(f, string(failLost), string(failFull), string(failError)))
		case "logprobs":
			for _, n := range p.list(f, maxSegments) {
				s.odds = append(s.odds, p.odds(n))
			}
		}
	}
	return s
}

func (p *parser) odds(n node) *odds {
	fields := p.fields(n, "p", "alternatives")
	o := &odds{p: usual}
	if f, ok := fields["p"]; ok {
		o.p = p.number(f, 0, 1)
	}
	sum := o.p
	if f, ok := fields["alternatives"]; ok {
		others := p.anyFields(f)
		if len(others) > maxAlternatives {
			p.fail(f, "has %d tokens, at most %d are allowed", len(others), maxAlternatives)
			return o
		}
		for _, text := range slices.Sorted(maps.Keys(others)) {
			n := others[text]
			c := chance{p.first(n, text), p.number(n, 0, 1)}
			sum += c.p
			if slices.ContainsFunc(o.alternatives, func(o chance) bool { return o.id == c.id }) {
				p.fail(n, "begins with the same token as another one")
			}
			o.alternatives = append(o.alternatives, c)
		}
	}
	if o.p == 0 {
		p.fail(n, "gives the token the probability 0, want more than that")
	}
	if sum > 1+1e-9 {
		p.fail(n, "has probabilities that add up to %v, want 1 at most", sum)
	}
	slices.SortFunc(o.alternatives, func(a, b chance) int { return cmp.Or(-cmp.Compare(a.p, b.p), cmp.Compare(a.id, b.id)) })
	return o
}

// first returns the token that a text begins with.
func (p *parser) first(n node, text string) int32 {
	if id, ok := p.tok.Special(text); ok {
		return id
	}
	ids := p.tok.Encode(text)
	if len(ids) == 0 {
		p.fail(n, "is for no token")
		return 0
	}
	return ids[0]
}

// size counts the tokens and pauses of a reply, without the values that it names, up to a number above maxSteps.
func size(list []segment) int {
	n := 0
	for i := range list {
		s := &list[i]
		n += len(s.tokens) + len(s.text.fixed) + 1
		if s.times > 0 {
			n += min(size(s.of), maxSteps+1) * s.times
		}
		if n > maxSteps {
			break
		}
	}
	return n
}

// usesTool reports whether a reply names a tool that the conversation offers.
func usesTool(list []segment) bool {
	return slices.ContainsFunc(list, func(s segment) bool {
		return usesTool(s.of) || slices.ContainsFunc(s.text.parts, func(p part) bool { return strings.TrimPrefix(p.value, "json:") == "tool" })
	})
}
