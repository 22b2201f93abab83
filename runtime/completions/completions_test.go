package completions

import (
	"errors"
	"testing"

	"gossamer/runtime/testenv"
	"gossamer/runtime/tokenizer/tokenizertest"
	"gossamer/runtime/wire"
)

// What Decode accepts becomes texts to continue, N of each prompt.
func FuzzDecode(f *testing.F) {
	tok := tokenizertest.Vocabulary()
	testenv.Fuzz(f, []string{
		`{"model":"m","prompt":"a<|end|>","max_tokens":0,"n":3,"stop":["a"],"echo":true,"logprobs":5,"stream":true,"seed":1}`,
		`{"prompt":["a","b"],"temperature":0,"best_of":1,"user":"u","logit_bias":{"1":2}}`,
		`{"prompt":[1,2,3],"foo":1}`, `{"prompt":[[1],[2,3]],"suffix":null}`,
	}, func(t testing.TB, text string) {
		r, err := Decode([]byte(text), false)
		strict, refused := Decode([]byte(text), true)
		if refused == nil && (err != nil || len(r.Ignored) > 0 || strict.Ignored != nil) {
			t.Fatalf("read strictly it is %+v, else %+v, %v", strict, r, err)
		}
		if field := (*wire.FieldError)(nil); err != nil {
			if r != nil || !errors.As(err, &field) {
				t.Fatalf("%+v and error %v", r, err)
			}
			return
		}
		texts, err := r.Texts(t.Context(), tok, "k")
		if err != nil {
			t.Fatal(err)
		}
		if len(texts) != len(r.Prompts)*r.N || len(texts) == 0 || len(texts) > maxTexts {
			t.Fatalf("%d texts of %+v", len(texts), r)
		}
		for i, x := range texts {
			p := r.Prompts[i/r.N]
			if x.Key != "k" || p.Tokens != nil && len(x.Prompt) != len(p.Tokens) || i > 0 && x.Sampling.Seed == texts[0].Sampling.Seed {
				t.Fatalf("text %d: %+v of %+v", i, x, p)
			}
		}
	})
}
