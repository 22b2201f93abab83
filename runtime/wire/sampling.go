package wire

import (
	"math"
	"strconv"

	"gossamer/runtime/chat"
	"gossamer/runtime/sample"
)

// Sampling are the fields that say how tokens are drawn, by the names that all servers of chats share. Without any of them r.Sampling stays nil.
func Sampling(r *chat.Request) Fields {
	sampling := sample.Recommended()
	number := func(dst *float32, min, max float64) func(Value) error {
		return func(v Value) (err error) {
			*dst, err = v.number(min, max)
			r.Sampling = &sampling
			return err
		}
	}
	return Fields{
		"temperature": number(&sampling.Temperature, 0, 2),
		"top_p": func(v Value) error {
			if err := number(&sampling.TopP, 0, 1)(v); err != nil {
				return err
			}
			if sampling.TopP == 0 { // which package sample takes for "all"; here it means the smallest set
				sampling.TopP = math.SmallestNonzeroFloat32
			}
			return nil
		},
		"top_k": func(v Value) error {
			r.Sampling = &sampling
			if v.isNone() {
				return nil
			}
			k, err := v.Integer(0, math.MaxInt32)
			sampling.TopK = int(k)
			return err
		},
		"min_p":              number(&sampling.MinP, 0, 1),
		"presence_penalty":   number(&sampling.PresencePenalty, -2, 2),
		"frequency_penalty":  number(&sampling.FrequencyPenalty, -2, 2),
		"repetition_penalty": number(&sampling.RepetitionPenalty, 0.01, 100),
		"seed": func(v Value) error {
			seed, err := v.Integer(math.MinInt64, math.MaxInt64)
			sampling.Seed = uint64(seed)
			r.Sampling = &sampling
			return err
		},
		"logit_bias": func(v Value) (err error) {
			sampling.LogitBias, err = logitBias(v)
			r.Sampling = &sampling
			return err
		},
	}
}

// logitBias reads an object of biases by token id.
func logitBias(v Value) (map[int32]float32, error) {
	o, err := v.Object()
	if err != nil {
		return nil, err
	}
	biases := map[int32]float32{}
	for i, name := range o.Names {
		if o.Values[i].isNull() {
			continue
		}
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil || id < 0 || strconv.FormatInt(id, 10) != name {
			return nil, o.Values[i].Refuse(CodeValue, "is not the id of a token")
		}
		if biases[int32(id)], err = o.Values[i].number(-100, 100); err != nil {
			return nil, err
		}
	}
	return biases, nil
}

// MaxTokens stores the largest length of a reply, where -1 is no limit. differ is why another one is refused.
func MaxTokens(dst *int, differ string) func(Value) error {
	return func(v Value) error {
		if v.isNone() {
			return nil
		}
		n, err := v.Integer(1, math.MaxInt32)
		if err == nil && *dst != 0 && *dst != int(n) {
			return v.Refuse(CodeValue, "%s", differ)
		}
		*dst = int(n)
		return err
	}
}

// Effort stores how long the model reasons: its own names of efforts, and others that mean the nearest. differ is why another one is refused.
func Effort(dst *chat.Effort, differ string) func(Value) error {
	return func(v Value) error {
		s, err := v.Text()
		if err != nil {
			return err
		}
		var e chat.Effort
		switch s {
		case "none":
			e = chat.None
		case "minimal", "low":
			e = chat.Low
		case "medium":
			e = chat.Medium
		case "high", "xhigh", "max":
			e = chat.High
		default:
			return v.Refuse(CodeUnsupported, "is %q, want none, minimal, low, medium, high, xhigh or max", s)
		}
		if *dst != "" && *dst != e {
			return v.Refuse(CodeValue, "%s", differ)
		}
		*dst = e
		return nil
	}
}

// Stop stores a string or a list of strings.
func Stop(dst *[]string) func(Value) error {
	one := func(v Value) error {
		s, err := v.Text()
		if err == nil && s == "" {
			return v.Refuse(CodeValue, "is empty")
		}
		*dst = append(*dst, s)
		return err
	}
	return func(v Value) error {
		if v.Kind() == '[' {
			return v.Array(one)
		}
		return one(v)
	}
}
