package chat

import (
	"context"
	"strconv"

	"gossamer/runtime/grammar"
	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// protocol is what the replies to a request may be: messages, <|start|>assistant before each but the first, whose beginning the prompt has.
//
//	reply    = { analysis | preamble } ( call | final )
//	analysis = <|channel|> "analysis" <|message|> text <|end|>
//	preamble = <|channel|> "commentary" <|message|> text <|end|>
//	call     = to <|channel|> "commentary" type <|message|> arguments <|call|>
//	         | <|channel|> "commentary" to type <|message|> arguments <|call|>
//	to       = " to=functions." name
//	type     = [ " " <|constrain|> "json" | " json" ]
//	final    = <|channel|> "final" type <|message|> answer <|return|>
//
// Calls are there if functions may be called, preambles then too unless the answer has a format, final if no call is demanded, its type if the
// answer is JSON.
type protocol struct {
	vocab *vocabulary
	first *node    // where the reply begins, or
	begun *content // what the prompt begins
}

// content is a kind of message.
type content struct {
	grammar *grammar.Grammar // nil: any text
	end     int32            // the token after it
	next    *node            // what follows that; nil: the reply is over
	cost    int              // tokens from its beginning to the end of the reply, at least; 0 of any text: it may be cut off
}

// node is a place in a header or before one. What follows is one of few tokens.
type node struct {
	token int32 // that leads here
	next  []*node
	opens *content         // nothing follows then
	cost  int              // tokens from here to the end of the reply, at least
	masks map[int][]uint32 // tokens that lead to nodes of at most a cost; made when they are needed, since few are
}

// newProtocol returns the protocol of a request, nil if a reply may be anything. It names in ignored what is not enforced.
func (c *Completer) newProtocol(ctx context.Context, r *Request, p *prompt) (t *protocol, ignored []string, err error) {
	if r.Unconstrained || len(r.Tools) == 0 && r.Format == nil {
		return nil, nil, nil
	}
	final := &content{end: tokenizer.Return}
	if r.Format != nil {
		if final.grammar, ignored, err = c.formatGrammar(ctx, r.Format); err != nil {
			return nil, nil, err
		}
	}
	if p.begin != nil {
		final.settle()
		return &protocol{vocab: c.vocab, begun: final}, ignored, nil
	}

	again := &node{}
	first := again.path(tokenizer.Start).path(c.tok.Encode(string(harmony.Assistant))...)
	h := headers{c.tok, first}
	analysis, preamble := &content{end: tokenizer.End, next: again}, &content{end: tokenizer.End, next: again}
	h.add(analysis, "", harmony.Analysis, "")
	mode := r.ToolChoice.Mode
	if mode != ChoiceRequired && mode != ChoiceNamed {
		h.add(final, "", harmony.Final, "")
		if r.Format.isJSON() {
			h.typed(final, "", harmony.Final, "")
		}
	}
	if len(r.Tools) > 0 && mode != ChoiceNone && r.Format == nil { // content is the answer alone where that has a format
		h.add(preamble, "", harmony.Commentary, "")
	}
	for i, f := range r.Tools {
		if mode == ChoiceNone || mode == ChoiceNamed && f.Name != r.ToolChoice.Name {
			continue
		}
		call := &content{end: tokenizer.Call}
		var left []string
		if call.grammar, left, err = c.argumentGrammar(ctx, &f, "Tools["+strconv.Itoa(i)+"]"); err != nil {
			return nil, nil, err
		}
		ignored = append(ignored, left...)
		to := " to=" + functionsPrefix + p.names.show(f.Name)
		for _, at := range [][2]string{{to, ""}, {"", to}} {
			h.add(call, at[0], harmony.Commentary, at[1])
			h.typed(call, at[0], harmony.Commentary, at[1])
		}
		call.settle()
	}

	// The reply has to reach its end if that matters. The costs of what leads back to first follow from those of the others.
	if ends := r.Format != nil || mode == ChoiceRequired || mode == ChoiceNamed; ends {
		final.settle()
		analysis.cost, preamble.cost = unlimited, unlimited
		again.settle()
		analysis.settle()
		preamble.settle()
	}
	again.settle()
	return &protocol{vocab: c.vocab, first: first}, ignored, nil
}

// unlimited is a cost that no reply can pay.
const unlimited = 1 << 30

// rest is the number of tokens behind the text of a content at least: its end and what follows. The end of the reply needs none.
func (k *content) rest() int {
	if k.next == nil {
		return 0
	}
	return 1 + k.next.cost
}

// settle computes the cost of a content, once that of what follows is known.
func (k *content) settle() {
	k.cost = k.rest()
	if k.grammar != nil {
		k.cost += k.grammar.NewMatcher().Distance()
	}
}

// settle computes the costs of a node and of those behind it.
func (n *node) settle() {
	if n.opens != nil {
		n.cost = n.opens.cost
		return
	}
	n.cost = unlimited
	for _, c := range n.next {
		c.settle()
		n.cost = min(n.cost, 1+c.cost)
	}
}

// path adds nodes for tokens, where they are missing, and returns the last one.
func (n *node) path(tokens ...int32) *node {
	for _, id := range tokens {
		next := n.child(id)
		if next == nil {
			next = &node{token: id}
			n.next = append(n.next, next)
		}
		n = next
	}
	return n
}

// child is the node behind a token, nil if there is none.
func (n *node) child(token int32) *node {
	for _, c := range n.next {
		if c.token == token {
			return c
		}
	}
	return nil
}

// mask is the set of tokens behind which the reply can end with so many more, or if there are none, of those that take fewest.
func (n *node) mask(v *vocabulary, left int) []uint32 {
	most := n.cost - 1 // of the cheapest
	for _, c := range n.next {
		if c.cost <= left {
			most = max(most, c.cost)
		}
	}
	if n.masks[most] == nil {
		if n.masks == nil {
			n.masks = map[int][]uint32{}
		}
		n.masks[most] = v.empty()
		for _, c := range n.next {
			if c.cost <= most {
				set(n.masks[most], c.token)
			}
		}
	}
	return n.masks[most]
}

// headers adds headers behind a node.
type headers struct {
	tok   *tokenizer.Tokenizer
	first *node
}

// add adds the header of a content. before is the text before the channel, after is that behind it.
func (h headers) add(k *content, before, channel, after string) {
	n := h.first.path(h.encode(before)...).path(tokenizer.Channel).path(h.encode(channel + after)...)
	n.path(tokenizer.Message).opens = k
}

// typed adds the header with the content's type, JSON, in both ways of writing it.
func (h headers) typed(k *content, before, channel, after string) {
	h.add(k, before, channel, after+" json")
	n := h.first.path(h.encode(before)...).path(tokenizer.Channel).path(h.encode(channel + after + " ")...)
	n.path(tokenizer.Constrain).path(h.encode("json")...).path(tokenizer.Message).opens = k
}

func (h headers) encode(text string) []int32 {
	if text == "" {
		return nil
	}
	return h.tok.Encode(text)
}
