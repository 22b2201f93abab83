package chat

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

func TestPrompt(t *testing.T) {
	c := script(t, "")
	for _, tt := range []struct {
		name string
		r    Request
		want string
	}{
		{
			"Plain", Request{Messages: []Message{{Role: User, Content: "Hi <|end|>"}}, Effort: Low},
			system("low", "", "2025-06-28") + "<|start|>user<|message|>Hi §<|end|><|start|>assistant",
		},
		{
			"Instructions", Request{Instructions: "A", Messages: []Message{{Role: System, Content: "B"}, {Role: User, Content: "Hi", Name: "ann"}, {Role: Developer, Content: "C"}}, Date: "2020-01-01"},
			system("medium", "", "2020-01-01") + "<|start|>developer<|message|># Instructions\n\nA\n\nB\n\nC<|end|><|start|>user:ann<|message|>Hi<|end|><|start|>assistant",
		},
		{
			"EarlierReasoningIsDropped", Request{Messages: []Message{
				{Role: User, Content: "1"}, {Role: Assistant, Reasoning: "R1", Content: "A1"},
				{Role: User, Content: "2"}, {Role: Assistant, Reasoning: "R2", Content: "A2"},
				{Role: User, Content: "3"},
			}},
			system("medium", "", "2025-06-28") + "<|start|>user<|message|>1<|end|><|start|>assistant<|channel|>final<|message|>A1<|end|>" +
				"<|start|>user<|message|>2<|end|><|start|>assistant<|channel|>final<|message|>A2<|end|><|start|>user<|message|>3<|end|><|start|>assistant",
		},
		{
			"ReasoningBehindAPendingCallStays", Request{
				Messages: []Message{
					{Role: User, Content: "1"}, {Role: Assistant, Reasoning: "R1", Content: "A1"},
					{Role: User, Content: "2"},
					{Role: Assistant, Reasoning: "R2", Content: "Wait.", ToolCalls: []ToolCall{{"x", "2-f", `{"a": 1}`}, {"y", "g", "{}"}}},
					{Role: Tool, ToolCallID: "x", Content: "\"1\""}, {Role: Tool, ToolCallID: "y", Content: "2"},
				},
				Tools: []Function{{Name: "2-f", Description: "D"}, {Name: "g", Parameters: []byte(`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}}}`)}},
			},
			system("medium", "\nCalls to these tools must go to the commentary channel: 'functions'.", "2025-06-28") +
				"<|start|>developer<|message|># Tools\n\n## functions\n\nnamespace functions {\n\n// D\ntype _2_f = () => any;\n\ntype g = (_: {\nz?: string,\na?: number,\n}) => any;\n\n} // namespace functions<|end|>" +
				"<|start|>user<|message|>1<|end|><|start|>assistant<|channel|>final<|message|>A1<|end|><|start|>user<|message|>2<|end|>" +
				"<|start|>assistant<|channel|>analysis<|message|>R2<|end|><|start|>assistant<|channel|>commentary<|message|>Wait.<|end|>" +
				"<|start|>assistant to=functions._2_f<|channel|>commentary <|constrain|>json<|message|>{\"a\": 1}<|call|>" +
				"<|start|>assistant to=functions.g<|channel|>commentary <|constrain|>json<|message|>{}<|call|>" +
				"<|start|>functions._2_f to=assistant<|channel|>commentary<|message|>\"1\"<|end|>" +
				"<|start|>functions.g to=assistant<|channel|>commentary<|message|>2<|end|><|start|>assistant",
		},
		{
			"NamesOfAssistantAndInstructions", Request{Messages: []Message{
				{Role: System, Content: "A", Name: "example user"}, {Role: User, Content: "1", Name: "Zoë"}, {Role: Assistant, Content: "A1", Name: "bob"}, {Role: User, Content: "2"},
			}},
			system("medium", "", "2025-06-28") + "<|start|>developer<|message|># Instructions\n\nA<|end|><|start|>user:Zoë<|message|>1<|end|>" +
				"<|start|>assistant<|channel|>final<|message|>A1<|end|><|start|>user<|message|>2<|end|><|start|>assistant",
		},
		{
			"CallsOfAnyName", Request{Messages: []Message{
				{Role: User, Content: "1"}, {Role: Assistant, ToolCalls: []ToolCall{{"x", "list()", "{}"}, {"y", "$lookup", ""}, {"z", "", "é"}}},
				{Role: Tool, ToolCallID: "x", Content: "2"}, {Role: Tool, ToolCallID: "z", Content: "3"}, {Role: Tool, Name: "naïve", Content: "4"},
			}},
			system("medium", "", "2025-06-28") + "<|start|>user<|message|>1<|end|>" +
				"<|start|>assistant to=functions.list__<|channel|>commentary <|constrain|>json<|message|>{}<|call|>" +
				"<|start|>assistant to=functions._lookup<|channel|>commentary <|constrain|>json<|message|><|call|>" +
				"<|start|>assistant to=functions._<|channel|>commentary <|constrain|>json<|message|>é<|call|>" +
				"<|start|>functions.list__ to=assistant<|channel|>commentary<|message|>2<|end|>" +
				"<|start|>functions._ to=assistant<|channel|>commentary<|message|>3<|end|>" +
				"<|start|>functions.na_ve to=assistant<|channel|>commentary<|message|>4<|end|><|start|>assistant",
		},
		{
			"ResultsOfCallsWithOneID", Request{Messages: []Message{
				{Role: User, Content: "1"}, {Role: Assistant, ToolCalls: []ToolCall{{"c", "f", "{}"}, {"c", "g", "{}"}}},
				{Role: Tool, ToolCallID: "c", Content: "F"}, {Role: Tool, ToolCallID: "c", Content: "G"},
				{Role: Assistant, ToolCalls: []ToolCall{{"c", "h", "{}"}}}, {Role: Tool, ToolCallID: "c", Content: "H"},
			}},
			system("medium", "", "2025-06-28") + "<|start|>user<|message|>1<|end|>" +
				"<|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>{}<|call|>" +
				"<|start|>assistant to=functions.g<|channel|>commentary <|constrain|>json<|message|>{}<|call|>" +
				"<|start|>functions.f to=assistant<|channel|>commentary<|message|>F<|end|>" +
				"<|start|>functions.g to=assistant<|channel|>commentary<|message|>G<|end|>" +
				"<|start|>assistant to=functions.h<|channel|>commentary <|constrain|>json<|message|>{}<|call|>" +
				"<|start|>functions.h to=assistant<|channel|>commentary<|message|>H<|end|><|start|>assistant",
		},
		{
			"NoTools", Request{Messages: []Message{{Role: User, Content: "1"}}, Tools: []Function{{Name: "f"}}, ToolChoice: ToolChoice{Mode: ChoiceNone}},
			system("medium", "", "2025-06-28") + "<|start|>user<|message|>1<|end|><|start|>assistant",
		},
		{
			"ResponseFormat", Request{Messages: []Message{{Role: User, Content: "1"}}, Format: &ResponseFormat{Name: "n", Schema: []byte(`{ "type": "object" }`)}},
			system("medium", "", "2025-06-28") + "<|start|>developer<|message|># Response Formats\n\n## n\n\n{\"type\":\"object\"}<|end|><|start|>user<|message|>1<|end|><|start|>assistant",
		},
	} {
		got, err := c.Prompt(t.Context(), tt.r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		// Markup in a message is text; § stands for it, so that encode does not read it.
		text := string(tokenizertest.Vocabulary().Decode(got))
		if d := cmp.Diff(strings.ReplaceAll(tt.want, "§", "<|end|>"), text); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		if ends := strings.Count(tt.want, "<|end|>"); count(got, tokenizer.End) != ends {
			t.Errorf("%s: %d tokens <|end|>, want %d", tt.name, count(got, tokenizer.End), ends)
		}
	}
}

func count(tokens []int32, id int32) (n int) {
	for _, t := range tokens {
		if t == id {
			n++
		}
	}
	return n
}

func system(effort, calls, date string) string {
	return "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\nCurrent date: " + date +
		"\n\nReasoning: " + effort + "\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message." + calls + "<|end|>"
}
