package wire

import (
	"time"

	"gossamer/runtime/chat"
)

// Timings is how long the reply took. It is not part of OpenAI's API.
type Timings struct {
	TimeToFirstToken float64 `json:"time_to_first_token_ms"`    // waiting in line included; 0 if there was none
	PrefillRate      float64 `json:"prefill_tokens_per_second"` // of the prompt that was computed; 0 if nothing was
	DecodeRate       float64 `json:"decode_tokens_per_second"`  // after the first token; 0 if there were fewer than two
}

// NewTimings is how long a reply took.
func NewTimings(u chat.Usage) Timings {
	return Timings{
		TimeToFirstToken: float64(u.TimeToFirstToken) / float64(time.Millisecond),
		PrefillRate:      u.PrefillRate,
		DecodeRate:       u.DecodeRate,
	}
}
