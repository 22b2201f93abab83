package openai

import (
	"encoding/json"
	"testing"
	"time"
)

func TestModels(t *testing.T) {
	for _, tt := range []struct {
		list ModelList
		want string
	}{
		{NewModelList(), `{"object":"list","data":[]}`},
		{
			NewModelList(NewModel("gpt-oss-20b", "openai", time.Unix(1754352000, 0))),
			`{"object":"list","data":[{"id":"gpt-oss-20b","object":"model","created":1754352000,"owned_by":"openai"}]}`,
		},
	} {
		got, err := json.Marshal(tt.list)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s, %v, want %s", got, err, tt.want)
		}
	}
}
