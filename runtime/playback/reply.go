package playback

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"gossamer/runtime/harmony"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// op is a step of a reply.
type op struct {
	kind opKind
	id   int32 // opToken
	odds *odds // opToken; nil: the usual ones
	wait time.Duration
	fail failure
}

type opKind int

const (
	opToken opKind = iota
	opClose
	opWait
	opFail
)

// expand appends the steps of segments. They end where the context holds no more of them.
func (m *Model) expand(ops []op, list []segment, v values, pending *[]*odds) []op {
	token := func(ids []int32) {
		for _, id := range ids {
			o := op{kind: opToken, id: id}
			if len(*pending) > 0 {
				o.odds, *pending = (*pending)[0], (*pending)[1:]
			}
			ops = append(ops, o)
		}
	}
	for i := range list {
		if len(ops) > 2*m.context {
			break
		}
		s := &list[i]
		switch {
		case s.close:
			ops = append(ops, op{kind: opClose})
		case s.fail != "":
			ops = append(ops, op{kind: opFail, fail: s.fail})
		case s.wait > 0:
			ops = append(ops, op{kind: opWait, wait: s.wait})
		case s.odds != nil:
			*pending = s.odds
		case s.times > 0 && len(s.of) > 0:
			for range s.times {
				if len(ops) > 2*m.context {
					break
				}
				ops = m.expand(ops, s.of, v, pending)
			}
		default:
			token(s.tokens)
			token(s.text.tokens(m.tok, v))
		}
	}
	return ops
}

// reply is a reply that has begun: what is played, and how far it is.
type reply struct {
	play *play
	ops  []op
	err  error // there is no play for the conversation

	prompt int     // tokens before the reply
	origin uint64  // conversation.origin
	begun  []int32 // conversation.begun

	// The place behind tokens of the reply. It follows from them: a text that is computed again finds it again.
	tokens []int32
	place  place

	// Pauses are kept once, however often the text comes to them.
	paused int       // ops[:paused] have had theirs
	until  time.Time // the end of the one at ops[paused:], if it has begun
}

// place is how far a reply is.
type place struct {
	op      int  // that comes next
	closing bool // a token there was forbidden, so that the message is being ended
	closed  int  // tokens that have been written for that, or for opClose
}

// maxClose is the number of tokens that may end a message.
const maxClose = 512

// next is the step at a place. Behind the last one the reply is over, which <|return|> says.
func (r *reply) next(p place) op {
	if p.op < len(r.ops) {
		return r.ops[p.op]
	}
	return op{kind: opToken, id: tokenizer.Return}
}

// follow moves to the place behind the tokens that the reply has. It sets err if one that a constraint forced is not the play's, which may not
// differ.
func (m *Model) follow(r *reply, tokens []int32) {
	if !hasPrefix(tokens, r.tokens) {
		r.tokens, r.place = r.tokens[:0], place{}
	}
	for _, id := range tokens[len(r.tokens):] {
		if o := r.next(r.place); r.play.mask == maskError && o.kind == opToken && o.id != id {
			r.err = fmt.Errorf("playback: play %q: token %d of the reply has to be %q (id %d), but the play has %q (id %d)",
				r.play.name, len(r.tokens), m.tok.Decode([]int32{id}), id, m.tok.Decode([]int32{o.id}), o.id)
			return
		}
		r.place = r.after(r.place, id)
		r.tokens = append(r.tokens, id)
	}
}

// after is the place behind a token.
func (r *reply) after(p place, id int32) place {
	o := r.next(p)
	for o.kind == opWait || o.kind == opFail { // before the token, so they are over
		p.op++
		o = r.next(p)
	}
	if o.kind == opToken && !p.closing {
		switch {
		case id == o.id, r.play.mask == maskError, r.play.mask == maskFree && p.op < len(r.ops):
			p.op = min(p.op+1, len(r.ops))
			return p
		}
		p.closing = true
	}
	p.closed++
	if !isEnd(id) {
		return p
	}
	return place{op: r.behind(p.op)}
}

// behind is the step that follows the end of the message to which a step belongs.
func (r *reply) behind(from int) int {
	for i := from; i < len(r.ops); i++ {
		if o := r.ops[i]; o.kind == opClose || o.kind == opToken && isEnd(o.id) {
			return i + 1
		}
	}
	return len(r.ops)
}

// write returns the token at a place, which a step of the kind opToken or opClose has. text is all that stands before it, the prompt too.
func (m *Model) write(r *reply, p place, text []int32, allowed []uint32) (id int32, given *odds, err error) {
	o := r.next(p)
	if o.kind == opToken && !p.closing {
		if allows(allowed, o.id) {
			return o.id, o.odds, nil
		}
		switch n := len(text) - r.prompt; {
		case r.play.mask == maskError:
			return 0, nil, fmt.Errorf("playback: play %q: token %d of the reply, %q (id %d), is not allowed there, at position %d",
				r.play.name, n, m.tok.Decode([]int32{o.id}), o.id, len(text))
		case r.play.mask == maskFree && p.op < len(r.ops):
			id, err := m.anyAllowed(allowed, len(text))
			return id, nil, err
		}
	}
	if p.closed == maxClose {
		return 0, nil, fmt.Errorf("playback: play %q: %d tokens have not ended the message", r.play.name, maxClose)
	}
	behind := r.behind(p.op)
	more := slices.ContainsFunc(r.ops[behind:], func(o op) bool { return o.kind == opToken || o.kind == opClose })
	id, err = m.closer(text, allowed, more)
	return id, nil, err
}

// allows reports whether an id may be drawn.
func allows(allowed []uint32, id int32) bool { return allowed == nil || allowed[id/32]>>(id%32)&1 == 1 }

// anyAllowed returns an id that is allowed, at random.
func (m *Model) anyAllowed(allowed []uint32, position int) (int32, error) {
	random := m.random(position)
	n := 0
	var chosen int32
	for id := range int32(m.tok.Vocab()) {
		if !allows(allowed, id) {
			continue
		}
		if n++; random.IntN(n) == 0 { // each of n with the same probability
			chosen = id
		}
	}
	if n == 0 {
		return 0, sample.ErrNoToken
	}
	return chosen, nil
}

// random is what the file's seed gives for a position.
func (m *Model) random(position int) *rand.Rand {
	return rand.New(rand.NewPCG(m.file.seed, uint64(position)))
}

// header reads the tokens of a header, which may begin with <|start|> and ends with <|message|>.
func (m *Model) header(tokens []int32, tools []string) (h harmony.Header, ok bool) {
	o := harmony.ParserOptions{}
	for _, name := range tools {
		o.Tools = append(o.Tools, "functions."+name)
	}
	p := harmony.NewParser(m.tok, o)
	for _, id := range tokens {
		for _, e := range p.Push(id) {
			if e.Kind == harmony.MessageStart {
				h, ok = e.Header, true
			}
		}
	}
	return h, ok
}
