package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/engine"
	"gossamer/runtime/harmony"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// cell is the result of a skill at an effort.
type cell struct {
	Skill    string         `json:"skill"`
	Effort   harmony.Effort `json:"effort"`
	Right    int            `json:"right"`
	Asked    int            `json:"asked"`
	Accuracy float64        `json:"accuracy"` // percent
	Interval [2]float64     `json:"interval"` // 95 % confidence, percent
	Tokens   float64        `json:"tokens"`   // of a reply, mean
}

// report is what an evaluation prints.
type report struct {
	Model       string   `json:"model"`
	Backend     string   `json:"backend"`
	Adapter     string   `json:"adapter,omitempty"`
	Temperature float32  `json:"temperature"`
	Seed        uint64   `json:"seed"`
	Minutes     float64  `json:"minutes"`
	Tokens      int      `json:"tokens"`
	Cells       []cell   `json:"cells"`
	Failures    []string `json:"failures,omitempty"` // the first few
}

const (
	maxReply    = 400 // tokens; the longest right one has about 250
	maxFailures = 40
)

// evaluate asks a model held-out questions and grades the answers.
func evaluate(ctx context.Context, e *gossamer.Engine, seed uint64, n int, temperature float32, only string, out io.Writer) error {
	m := newMix(e.Tokenizer(), seed, true)
	info := e.Info()
	r := report{Model: info.Model, Backend: string(info.Backend), Adapter: info.Adapter, Temperature: temperature, Seed: seed}
	begin := time.Now()
	for i := range skills {
		if only != "" && skills[i].name != only || only == "" && skills[i].share == 0 {
			continue
		}
		for effort := range effort(3) {
			c := cell{Skill: skills[i].name, Effort: effort.harmony(), Asked: n}
			for j := range n {
				st := m.setting()
				st.effort = effort
				d, err := m.conversation(&skills[i], st)
				if err != nil {
					return err
				}
				var reply []int32
				result, err := e.Generate(ctx, engine.Request{Tokens: d.prompt, MaxTokens: maxReply, Sampling: sample.Params{Temperature: temperature, Seed: seed + uint64(j)},
					Stop: []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText}}, func(t engine.Token) bool {
					reply = append(reply, t.ID)
					return true
				})
				if err != nil {
					return err
				}
				if result.Finish == engine.FinishStop {
					reply = append(reply, result.StopID)
				}
				r.Tokens += len(reply)
				c.Tokens += float64(len(reply)) / float64(n)
				if grade(e.Tokenizer(), reply, d.want) {
					c.Right++
				} else if len(r.Failures) < maxFailures {
					r.Failures = append(r.Failures, fmt.Sprintf("%s %s: %s -> %s, want %s %s", d.skill, d.effort.harmony(), d.user, textOf(e.Tokenizer(), reply), d.want.Name, d.want.Value))
				}
			}
			c.Accuracy = 100 * float64(c.Right) / float64(n)
			c.Interval[0], c.Interval[1] = wilson(c.Right, n)
			r.Cells = append(r.Cells, c)
		}
	}
	r.Minutes = time.Since(begin).Minutes()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(r)
}
