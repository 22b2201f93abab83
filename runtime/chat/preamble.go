package chat

import "iter"

// PreambleAsReasoning turns what the model says before it calls a function into reasoning: for clients that take a message for an answer, and
// forget its calls, where it has any content.
func PreambleAsReasoning(events iter.Seq2[ChoiceEvent, error]) iter.Seq2[ChoiceEvent, error] {
	return func(yield func(ChoiceEvent, error) bool) {
		choices := map[int]*quieted{}
		for e, err := range events {
			if err == nil {
				q := choices[e.Choice]
				if q == nil {
					q = &quieted{}
					choices[e.Choice] = q
				}
				e.Event = q.turn(e.Event)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// quieted is a reply whose preambles are reasoning.
type quieted struct {
	reasoned, spoken bool // there was such an item before
	preamble         bool // is open
}

func (q *quieted) turn(e Event) Event {
	switch e := e.(type) {
	case ItemStart:
		if q.preamble = e.Kind == Preamble; q.preamble {
			e.Kind = Reasoning
		}
		switch e.Kind {
		case Reasoning:
			e.Separator = ""
			if q.reasoned {
				e.Separator = "\n\n"
			}
			q.reasoned = true
		case Answer:
			if !q.spoken {
				e.Separator = ""
			}
			q.spoken = true
		}
		return e
	case ContentDelta:
		if q.preamble {
			return ReasoningDelta{e.Text}
		}
	}
	return e
}
