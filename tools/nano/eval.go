package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
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
	Model       string    `json:"model"`
	Backend     string    `json:"backend"`
	Adapter     string    `json:"adapter,omitempty"`
	Temperature float32   `json:"temperature"`
	Seed        uint64    `json:"seed"`
	Minutes     float64   `json:"minutes"`
	Tokens      int       `json:"tokens"`
	Unknown     int       `json:"unknown"` // tokens of replies that the model was never trained on, if it is known which
	Visitors    []verdict `json:"visitors,omitempty"`
	Cells       []cell    `json:"cells"`
	Failures    []string  `json:"failures,omitempty"` // the first few
}

const (
	maxReply    = 400 // tokens; the longest right one has about 250
	maxFailures = 40
)

// evaluation asks a model questions and grades the answers.
type evaluation struct {
	*subject
	temperature float32
	report      report
}

// subject is a model that is asked.
type subject struct {
	engine *gossamer.Engine
	tok    *tokenizer.Tokenizer
	ids    []int32         // the id of each row of a compact model, -1 for the unknown one; nil for other models
	rows   map[int32]int32 // the row of each id that was trained; nil if that is not known
}

// readIDs reads the ids.json of a compact model, which is the subject or has the same training.
func (s *subject) readIDs(path string, compact bool) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var ids []int32
	if err := json.Unmarshal(data, &ids); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.rows = map[int32]int32{}
	for row, id := range ids {
		s.rows[id] = int32(row)
	}
	if compact {
		s.ids = ids
	}
	return nil
}

// reply is what the model says to a prompt, with the token that ends it.
func (s *subject) reply(ctx context.Context, prompt []int32, p sample.Params) ([]int32, error) {
	stop := []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText}
	if s.ids != nil {
		compact := func(ids []int32) []int32 {
			rows := make([]int32, len(ids))
			for i, id := range ids {
				rows[i] = s.rows[id] // 0, the unknown one, for others
			}
			return rows
		}
		prompt, stop = compact(prompt), compact(stop[:2])
	}
	var reply []int32
	result, err := s.engine.Generate(ctx, engine.Request{Tokens: prompt, MaxTokens: maxReply, Sampling: p, Stop: stop}, func(t engine.Token) bool {
		reply = append(reply, t.ID)
		return true
	})
	if err != nil {
		return nil, err
	}
	if result.Finish == engine.FinishStop {
		reply = append(reply, result.StopID)
	}
	if s.ids != nil {
		for i, row := range reply {
			reply[i] = s.ids[row]
		}
	}
	return reply, nil
}

// evaluate asks n held-out questions of each skill at each effort, the handwritten foreign questions, n/10 conversations of ten turns, and
// what visitors ask; or only what only names, if it isn't empty.
func evaluate(ctx context.Context, s *subject, seed uint64, n int, temperature float32, only string, out io.Writer) error {
	m := newMix(s.tok, seed, true)
	info := s.engine.Info()
	v := evaluation{s, temperature, report{Model: info.Model, Backend: string(info.Backend), Adapter: info.Adapter, Temperature: temperature, Seed: seed}}
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
	if only == "" || only == "visitors" {
		for e := range effort(3) {
			if temperature > 0 && only == "" && e != medium {
				continue // the whole vocabulary takes its time, and this is what the chat asks with
			}
			if err := v.visit(ctx, m, e); err != nil {
				return err
			}
		}
	}
	if len(v.report.Cells)+len(v.report.Visitors) == 0 {
		return fmt.Errorf("no skill %q: want one of the mix, foreign, conversation or visitors", only)
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
	reply, err := v.subject.reply(ctx, d.prompt, sample.Params{Temperature: v.temperature, Seed: v.report.Seed + uint64(v.report.Tokens)})
	if err != nil {
		return nil, err
	}
	v.report.Tokens += len(reply)
	for _, id := range reply {
		if _, ok := v.rows[id]; !ok && v.rows != nil {
			v.report.Unknown++
		}
	}
	c.Tokens += float64(len(reply))
	c.Asked++
	if grade(v.tok, slices.Concat(d.begun, reply), d.want) {
		c.Right++
	} else if len(v.report.Failures) < maxFailures {
		v.report.Failures = append(v.report.Failures, fmt.Sprintf("%s %s: %s -> %s, want %s %s", c.Skill, d.effort.harmony(), d.user, textOf(v.tok, reply), d.want.Name, d.want.Value))
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
		for slices.Contains([]string{"call", "forced", "result", "json", "instruct"}, k.name) { // they need a developer message of their own
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
		p := harmony.NewParser(v.tok, harmony.ParserOptions{})
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
