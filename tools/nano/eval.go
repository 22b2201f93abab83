package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
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

// evaluation asks a model questions and grades the answers.
type evaluation struct {
	engine      *gossamer.Engine
	temperature float32
	report      report
}

// evaluate asks n held-out questions of each skill at each effort, the handwritten foreign questions, and n/10 conversations of ten
// turns; or only what only names, if it isn't empty.
func evaluate(ctx context.Context, e *gossamer.Engine, seed uint64, n int, temperature float32, only string, out io.Writer) error {
	m := newMix(e.Tokenizer(), seed, true)
	info := e.Info()
	v := evaluation{e, temperature, report{Model: info.Model, Backend: string(info.Backend), Adapter: info.Adapter, Temperature: temperature, Seed: seed}}
	begin := time.Now()
	for i := range skills {
		if only != "" && skills[i].name != only {
			continue
		}
		for effort := range effort(3) {
			c := cell{Skill: skills[i].name, Effort: effort.harmony()}
			for range n {
				st := m.setting()
				st.effort = effort
				d, err := m.conversation(&skills[i], st)
				if err != nil {
					return err
				}
				if _, err := v.ask(ctx, &c, d); err != nil {
					return err
				}
			}
			v.add(c)
		}
	}
	if only == "" || only == "foreign" {
		c := cell{Skill: "foreign", Effort: harmony.Medium}
		for question := range strings.Lines(handwritten) {
			d, err := m.render(refuse(strings.TrimSpace(question)), setting{effort: medium}, nil)
			if err != nil {
				return err
			}
			if _, err := v.ask(ctx, &c, d); err != nil {
				return err
			}
		}
		v.add(c)
	}
	if only == "" || only == "conversation" {
		c := cell{Skill: "conversation", Effort: harmony.Medium}
		for range max(1, n/10) {
			if err := v.converse(ctx, &c, m); err != nil {
				return err
			}
		}
		v.add(c)
	}
	if len(v.report.Cells) == 0 {
		return fmt.Errorf("no skill %q: want one of the mix, foreign or conversation", only)
	}
	v.report.Minutes = time.Since(begin).Minutes()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(v.report)
}

func (v *evaluation) add(c cell) {
	c.Accuracy = 100 * float64(c.Right) / float64(c.Asked)
	c.Interval[0], c.Interval[1] = wilson(c.Right, c.Asked)
	c.Tokens /= float64(c.Asked)
	v.report.Cells = append(v.report.Cells, c)
}

// ask gives a dialogue to the model, counts its reply and returns it.
func (v *evaluation) ask(ctx context.Context, c *cell, d *dialogue) ([]int32, error) {
	var reply []int32
	result, err := v.engine.Generate(ctx, engine.Request{Tokens: d.prompt, MaxTokens: maxReply, Sampling: sample.Params{Temperature: v.temperature, Seed: v.report.Seed + uint64(v.report.Tokens)},
		Stop: []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText}}, func(t engine.Token) bool {
		reply = append(reply, t.ID)
		return true
	})
	if err != nil {
		return nil, err
	}
	if result.Finish == engine.FinishStop {
		reply = append(reply, result.StopID)
	}
	v.report.Tokens += len(reply)
	c.Tokens += float64(len(reply))
	c.Asked++
	if grade(v.engine.Tokenizer(), reply, d.want) {
		c.Right++
	} else if len(v.report.Failures) < maxFailures {
		v.report.Failures = append(v.report.Failures, fmt.Sprintf("%s %s: %s -> %s, want %s %s", c.Skill, d.effort.harmony(), d.user, textOf(v.engine.Tokenizer(), reply), d.want.Name, d.want.Value))
	}
	return reply, nil
}

// converse holds a conversation of ten turns: each question stands after the model's own earlier answers.
func (v *evaluation) converse(ctx context.Context, c *cell, m *mix) error {
	var history []harmony.Message
	st := m.setting()
	st.effort = medium
	for range 10 {
		k := m.pickSkill()
		for k.name == "call" || k.name == "result" || k.name == "json" || k.name == "instruct" { // they need a developer message of their own
			k = m.pickSkill()
		}
		t := m.draw(k)
		d, err := m.render(t, st, history)
		if err != nil {
			return err
		}
		reply, err := v.ask(ctx, c, d)
		if err != nil {
			return err
		}
		p := harmony.NewParser(v.engine.Tokenizer(), harmony.ParserOptions{})
		for _, id := range reply {
			p.Push(id)
		}
		p.Close()
		history = append(history, userMessage(t.user))
		for _, message := range p.Messages() {
			if message.Kind() == harmony.Answer {
				history = append(history, harmony.NewText(harmony.Header{Author: assistant, Channel: harmony.Final}, message.Text()))
			}
		}
	}
	return nil
}
