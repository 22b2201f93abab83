// Command nano makes the dialogues that gossamer-nano is trained on, and grades what a model answers.
//
//	nano data -out train.bin -dialogues 300000 -seed 1     training dialogues
//	nano test -out test.bin -per-cell 200 -seed 2           held-out dialogues of each skill at each effort
//	nano eval -model DIR -backend cpu -n 20                  asks a model held-out questions, grades the answers, writes JSON
//	nano compare -replies F -backend webgpu -kv f32         asks for greedy replies and compares them with those of train.py
//	nano table -report eval.json                            prints an evaluation as the tables of the model's README
//	nano show -n 3                                          prints dialogues
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"

	gossamer "gossamer/runtime"
	"gossamer/runtime/nano"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "nano:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("want a command: data, test, eval, compare, table or show")
	}
	tok, err := o200k.Load()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	seed := flags.Uint64("seed", 1, "seed")
	switch args[0] {
	case "data":
		path := flags.String("out", "train.bin", "file to write; its index goes to the same name with .json")
		n := flags.Int("dialogues", 300_000, "dialogues to write")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return writeTraining(newMix(tok, *seed, false), *path, *n)
	case "test":
		path := flags.String("out", "test.bin", "file to write; its index goes to the same name with .json")
		n := flags.Int("per-cell", 200, "dialogues of each skill at each effort")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return writeTest(newMix(tok, *seed, true), *path, *n)
	case "eval", "compare":
		model := flags.String("model", "nano", "the built-in model's name, or the directory or URL of a checkpoint")
		backend := flags.String("backend", "auto", "auto, webgpu or cpu")
		kv := flags.String("kv", "", "precision of keys and values: f16 or f32")
		n := flags.Int("n", 20, "eval: questions of each skill at each effort")
		temperature := flags.Float64("temperature", 0, "eval: 0 is greedy")
		only := flags.String("skill", "", "eval: this skill only, or foreign, conversation or visitors")
		ids := flags.String("ids", "", "ids.json of a model that was exported compact")
		trained := flags.String("trained", "", "ids.json of the same model in its compact form, to count ids that were never trained")
		replies := flags.String("replies", "", "compare: file of prompts and replies")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		builtin, err := nano.FS()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		e, err := gossamer.Open(ctx, *model, gossamer.Options{Backend: gossamer.Backend(*backend), KV: gossamer.Precision(*kv), Tokenizer: tok, Context: 2048,
			Embedded: map[string]fs.FS{"nano": builtin}})
		if err != nil {
			return err
		}
		defer e.Close()
		s := &subject{engine: e, tok: tok}
		if *ids != "" && *trained != "" {
			return fmt.Errorf("want -ids or -trained, not both")
		}
		if path := *ids + *trained; path != "" {
			if err := s.readIDs(path, *ids != ""); err != nil {
				return err
			}
		}
		if args[0] == "compare" {
			return compare(ctx, s, *replies, out)
		}
		return evaluate(ctx, s, *seed, *n, float32(*temperature), *only, out)
	case "table":
		path := flags.String("report", "eval.json", "what eval has printed")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return tableOf(*path, out)
	case "show":
		n := flags.Int("n", 1, "dialogues of each skill")
		only := flags.String("skill", "", "this skill only")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return show(newMix(tok, *seed, false), out, *n, *only)
	}
	return fmt.Errorf("unknown command %q: want data, test, eval, compare, table or show", args[0])
}

// blockSize is how many dialogues in a row share their system message; the trainer computes it once for them.
const blockSize = 12

func writeTraining(m *mix, path string, n int) error {
	w, err := create(path)
	if err != nil {
		return err
	}
	for range n / blockSize {
		st := m.setting()
		for range blockSize {
			d, err := m.conversation(m.pickSkill(), st)
			if err != nil {
				return err
			}
			w.write(d)
		}
	}
	return w.close(m.tok)
}

// writeTest writes held-out dialogues, ordered by skill and effort.
func writeTest(m *mix, path string, perCell int) error {
	w, err := create(path)
	if err != nil {
		return err
	}
	for i := range skills {
		for e := range effort(3) {
			var st setting
			for j := range perCell {
				if j%blockSize == 0 {
					st = m.setting()
					st.effort = e
				}
				d, err := m.conversation(&skills[i], st)
				if err != nil {
					return err
				}
				w.write(d)
			}
		}
	}
	return w.close(m.tok)
}

// file is a file of dialogues: for each, little-endian int32 values: skill, effort, tokens of the prompt, tokens of the reply, then
// both. Its index, in JSON, names the skills and has the text of each token that occurs.
type file struct {
	path  string
	f     *os.File
	w     *bufio.Writer
	count map[int32]int
	names []string
	wants []want
	err   error
}

func create(path string) (*file, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &file{path: path, f: f, w: bufio.NewWriterSize(f, 1<<20), count: map[int32]int{}}
	for _, k := range skills {
		w.names = append(w.names, k.name)
	}
	return w, nil
}

func (w *file) write(d *dialogue) {
	skill := int32(-1)
	for i, name := range w.names {
		if name == d.skill {
			skill = int32(i)
		}
	}
	record := append([]int32{skill, int32(d.effort), int32(len(d.prompt)), int32(len(d.reply))}, d.prompt...)
	record = append(record, d.reply...)
	for _, id := range record[4:] {
		w.count[id]++
	}
	w.wants = append(w.wants, d.want)
	if err := binary.Write(w.w, binary.LittleEndian, record); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *file) close(tok *tokenizer.Tokenizer) error {
	type token struct {
		Count int    `json:"count"`
		Text  string `json:"text"`
	}
	index := struct {
		Skills []string        `json:"skills"`
		Tokens map[int32]token `json:"tokens"`
		Wants  []want          `json:"wants,omitempty"`
	}{Skills: w.names, Tokens: map[int32]token{}}
	for id, n := range w.count {
		text := string(tok.Bytes(id))
		if special, ok := tok.SpecialText(id); ok {
			text = special
		}
		index.Tokens[id] = token{n, text}
	}
	if len(w.wants) <= 100_000 {
		index.Wants = w.wants
	}
	data, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if w.err != nil {
		return w.err
	}
	if err := w.w.Flush(); err != nil {
		return err
	}
	if err := w.f.Close(); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(w.path, ".bin")+".json", data, 0o644)
}

// textOf writes tokens with their markers.
func textOf(tok *tokenizer.Tokenizer, ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		if s, ok := tok.SpecialText(id); ok {
			b.WriteString(s)
		} else {
			b.Write(tok.Bytes(id))
		}
	}
	return b.String()
}

func show(m *mix, out io.Writer, n int, only string) error {
	for i := range skills {
		if only != "" && skills[i].name != only {
			continue
		}
		for range n {
			for e := range effort(3) {
				st := m.setting()
				st.effort = e
				d, err := m.conversation(&skills[i], st)
				if err != nil {
					return err
				}
				_, prompt, _ := strings.Cut(textOf(m.tok, d.prompt), "<|end|>")
				fmt.Fprintf(out, "--- %s %s: %d + %d tokens, want %+v\n%s\n    %s\n", d.skill, d.effort.harmony(), len(d.prompt), len(d.reply), d.want, prompt, textOf(m.tok, d.reply))
			}
		}
	}
	return nil
}
