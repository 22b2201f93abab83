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
before one of the ids <|return|>, <|call|> and <|endoftext|> or the checkpoint's own end ids. No id is masked.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var m modelFlags
			var t tokenFlags
			var s samplingFlags
			m.declare(fs)
			t.declare(fs)
			s.declare(fs, 0)
			maxTokens := fs.Int("max-tokens", 64, "end after `n` tokens; 0: at a full context")
			ignoreEOS := fs.Bool("ignore-eos", false, "go on behind ids that end a text")
			asJSON := fs.Bool("json", false, "print a JSON object")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
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
				tokens, err := t.read(ctx, env)
				if err != nil {
					return err
				}
				e, err := m.open(ctx, env)
				if err != nil {
					return err
				}
				defer e.Close()
				r := engine.Request{Tokens: tokens, MaxTokens: *maxTokens, Sampling: params}
				if !*ignoreEOS {
					r.Stop = stopIDs(e)
				}
				return generate(ctx, env, e, r, *asJSON)
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

func generate(ctx context.Context, env *env, e *gossamer.Engine, r engine.Request, asJSON bool) error {
	ids := []int32{}
	text := strings.Builder{}
	stream := e.Tokenizer().NewStream()
	show := func(s string) {
		text.WriteString(s)
		if !asJSON {
			fmt.Fprint(env.stdout, s)
		}
	}
	result, err := e.Generate(ctx, r, func(t engine.Token) bool {
		ids = append(ids, t.ID)
		show(stream.Write(t.ID))
		return true
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	show(stream.Flush())
	if !asJSON {
		fmt.Fprintln(env.stdout)
		return err
	}
	out := generated{
		Tokens: ids, Text: text.String(), FinishReason: result.Finish.String(), PromptTokens: result.Stats.PromptTokens,
		Backend: string(e.Info().Backend), Adapter: e.Info().Adapter,
		PrefillRate: positive(result.Stats.PrefillRate()), DecodeRate: positive(result.Stats.DecodeRate()),
		FirstToken: result.Stats.FirstToken.Seconds(),
	}
	return errors.Join(writeJSON(env.stdout, out), err)
}

// positive is nil for a rate that was not measured.
func positive(rate float64) *float64 {
	if rate <= 0 {
		return nil
	}
	return &rate
}
