package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"gossamer/runtime/harmony"
	"gossamer/runtime/sample"
)

// visitorsJSON are 200 questions of the kind that visitors type, written by hand, with what answers them. None of them is ever trained.
//
//go:embed testdata/visitors.json
var visitorsJSON []byte

// A visit is such a question. Where the answer wanted is a refusal, the model can't know the answer; to any other question a refusal is
// no wrong answer either.
type visit struct {
	Ask string `json:"ask"`
	want
}

var visits = sync.OnceValue(func() []visit {
	var list []visit
	if err := json.Unmarshal(visitorsJSON, &list); err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return list
})

// asked says whether a visitor asks this question, however it is written.
var asked = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, v := range visits() {
		all[bare(v.Ask)] = true
	}
	return all
})

// bare is a question without what people leave out or add: capitals, spaces, the marks at its end.
func bare(question string) string {
	return strings.TrimRight(strings.ReplaceAll(strings.ToLower(question), " ", ""), ".?!")
}

// verdict is how visitors' questions were answered at an effort.
type verdict struct {
	Effort  harmony.Effort `json:"effort"`
	Asked   int            `json:"asked"`
	Right   int            `json:"right"`
	Refused int            `json:"refused"`
	Wrong   int            `json:"wrong"`
	Answers []string       `json:"answers,omitempty"` // the wrong ones, and refusals of what can be answered
}

// visit asks the visitors' questions at an effort.
func (v *evaluation) visit(ctx context.Context, m *mix, e effort) error {
	r := verdict{Effort: e.harmony()}
	for i, q := range visits() {
		st := setting{effort: e}
		if i%2 == 0 {
			st.date = "2026-11-22"
		}
		d, err := m.render(&task{user: q.Ask, think: func(effort) string { return "" }}, st, nil)
		if err != nil {
			return err
		}
		reply, err := v.subject.reply(ctx, d.prompt, sample.Params{Temperature: v.temperature, Seed: v.report.Seed + uint64(i)})
		if err != nil {
			return err
		}
		v.report.Tokens += len(reply)
		r.Asked++
		// A refusal first: it names examples, whose numbers could pass for an answer.
		switch refused := grade(m.tok, reply, want{Kind: kindRefusal}); {
		case refused:
			r.Refused++
		case grade(m.tok, reply, q.want):
			r.Right++
			continue
		default:
			r.Wrong++
		}
		if q.Kind != kindRefusal || !grade(m.tok, reply, q.want) {
			r.Answers = append(r.Answers, fmt.Sprintf("%s -> %s", q.Ask, textOf(m.tok, reply)))
		}
	}
	v.report.Visitors = append(v.report.Visitors, r)
	return nil
}
