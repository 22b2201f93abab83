package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	gossamer "gossamer/runtime"
	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// samplingFlags choose how tokens are drawn.
type samplingFlags struct {
	p           sample.Params
	temperature float64
	topP, minP  float64
	seed        string
}

func (s *samplingFlags) declare(fs *flag.FlagSet, temperature float64) {
	fs.Float64Var(&s.temperature, "temperature", temperature, "randomness; `0` always takes the most likely token")
	fs.Float64Var(&s.topP, "top-p", 1, "draw among the most likely tokens that together have this `probability`")
	fs.IntVar(&s.p.TopK, "top-k", 0, "draw among the `k` most likely tokens; 0: all")
	fs.Float64Var(&s.minP, "min-p", 0, "drop tokens less likely than this `fraction` of the most likely one")
	fs.StringVar(&s.seed, "seed", "", "`number` that makes draws repeatable; another each time if empty")
}

// params checks every range.
func (s *samplingFlags) params() (sample.Params, error) {
	p := s.p
	p.Temperature, p.TopP, p.MinP = float32(s.temperature), float32(s.topP), float32(s.minP)
	p.Seed = sample.Recommended().Seed
	if s.seed != "" {
		var err error
		if p.Seed, err = strconv.ParseUint(s.seed, 10, 64); err != nil {
			return p, usagef("--seed %q is not a number from 0 to 2^64-1", s.seed)
		}
	}
	if err := p.Validate(1); err != nil {
		flags := strings.NewReplacer("sample: ", "", "Temperature", "--temperature", "TopP", "--top-p", "TopK", "--top-k", "MinP", "--min-p")
		return p, usageError{flags.Replace(err.Error())}
	}
	return p, nil
}

// generated is the report of generate.
type generated struct {
	Tokens       []int32  `json:"tokens"`
	Text         string   `json:"text"`
	FinishReason string   `json:"finish_reason"`
	PromptTokens int      `json:"prompt_tokens"`
	Backend      string   `json:"backend"`
	Adapter      string   `json:"adapter,omitempty"`
	PrefillRate  *float64 `json:"prefill_tokens_per_second,omitempty"`
	DecodeRate   *float64 `json:"decode_tokens_per_second,omitempty"`
	FirstToken   float64  `json:"time_to_first_token_seconds"`
}

func generateCommand() command {
	return command{
		name:  "generate",
		short: "continue token ids, without any idea of messages",
		long: `Prints the continuation as text, or with --json {"tokens": [...], ...}. Generation ends after --max-tokens, at a full context, or
before one of the ids <|return|>, <|call|> and <|endoftext|> or the checkpoint's own end ids. No id is masked.

Several prompts, separated by semicolons in --tokens or as an array of arrays in --tokens-file, are continued at the same time, and
printed in their order: a line each, or a JSON array. One that fails has an empty line, or null.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var m modelFlags
			var t tokenFlags
			var s samplingFlags
			m.declare(fs)
			t.declare(fs)
			s.declare(fs, 0)
			maxTokens := fs.Int("max-tokens", 64, "end after `n` tokens; 0: at a full context")
			ignoreEOS := fs.Bool("ignore-eos", false, "go on behind ids that end a text")
			parallel := fs.Int("parallel", 8, "`prompts` that a GPU continues together, 1 to 32; others wait")
			asJSON := fs.Bool("json", false, "print a JSON object")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if *parallel < 1 || *parallel > 32 {
					return usagef("--parallel %d, want 1 to 32", *parallel)
				}
				m.together(*parallel)
				if *maxTokens < 0 {
					return usagef("--max-tokens %d, want 0 or more", *maxTokens)
				}
				params, err := s.params()
				if err != nil {
					return err
				}
				if err := m.check(); err != nil {
					return err
				}
				prompts, err := t.readSeveral(ctx, env)
				if err != nil {
					return err
				}
				e, err := m.open(ctx, env)
				if err != nil {
					return err
				}
				defer e.Close()
				r := engine.Request{MaxTokens: *maxTokens, Sampling: params}
				if !*ignoreEOS {
					r.Stop = stopIDs(e)
				}
				if len(prompts) > 1 {
					return generateSeveral(ctx, env, e, r, prompts, *asJSON)
				}
				r.Tokens = prompts[0]
				out, err := generate(ctx, e, r, func(text string) {
					if !*asJSON {
						fmt.Fprint(env.stdout, text)
					}
				})
				switch {
				case out == nil:
				case *asJSON:
					err = errors.Join(writeJSON(env.stdout, out), err)
				default:
					fmt.Fprintln(env.stdout)
				}
				return err
			}
		},
	}
}

// stopIDs are the ids that end a text: harmony's, and the checkpoint's own.
func stopIDs(e *gossamer.Engine) []int32 {
	ids := append([]int32(nil), e.Info().Config.EOS...)
	for _, id := range []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText} {
		if int(id) < e.Info().Config.Vocab {
			ids = append(ids, id)
		}
	}
	return ids
}

// generate continues a prompt and shows the text as it comes. The report of a reply that was interrupted comes with an error.
func generate(ctx context.Context, e *gossamer.Engine, r engine.Request, show func(text string)) (*generated, error) {
	out := &generated{Tokens: []int32{}, Backend: string(e.Info().Backend), Adapter: e.Info().Adapter}
	text := strings.Builder{}
	stream := e.Tokenizer().NewStream()
	more := func(s string) {
		text.WriteString(s)
		show(s)
	}
	result, err := e.Generate(ctx, r, func(t engine.Token) bool {
		out.Tokens = append(out.Tokens, t.ID)
		more(stream.Write(t.ID))
		return true
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	more(stream.Flush())
	s := &result.Stats
	out.Text, out.FinishReason, out.PromptTokens = text.String(), result.Finish.String(), s.PromptTokens
	out.PrefillRate, out.DecodeRate, out.FirstToken = positive(s.PrefillRate()), positive(s.DecodeRate()), s.FirstToken.Seconds()
	return out, err
}

// generateSeveral continues prompts at the same time and prints the results in their order, each once it and those before it are there. One
// that fails leaves its place empty.
func generateSeveral(ctx context.Context, env *env, e *gossamer.Engine, r engine.Request, prompts [][]int32, asJSON bool) error {
	type result struct {
		out *generated
		err error
	}
	results := make([]chan result, len(prompts))
	for i, tokens := range prompts {
		own := r
		own.Tokens, results[i] = tokens, make(chan result, 1)
		own.Sampling.Seed += uint64(i) // or equal prompts would be continued alike
		go func() {
			out, err := generate(ctx, e, own, func(string) {})
			results[i] <- result{out, err}
		}()
	}
	var all []*generated
	var errs []error
	for i := range results {
		got := <-results[i]
		if got.err != nil {
			errs = append(errs, fmt.Errorf("prompt %d: %w", i, got.err))
		}
		switch {
		case asJSON:
			all = append(all, got.out)
		case got.out == nil:
			fmt.Fprintln(env.stdout)
		default:
			fmt.Fprintln(env.stdout, strings.ReplaceAll(got.out.Text, "\n", `\n`))
		}
	}
	if asJSON {
		errs = append(errs, writeJSON(env.stdout, all))
	}
	return errors.Join(errs...)
}

// positive is nil for a rate that was not measured.
func positive(rate float64) *float64 {
	if rate <= 0 {
		return nil
	}
	return &rate
}
