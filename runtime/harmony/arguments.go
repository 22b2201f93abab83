package harmony

import (
	"encoding/json"
	"strings"

	"gossamer/runtime/tokenizer"
)

// Arguments returns the arguments of a function call, as the model wrote them, as a JSON object if there is one in them:
// models wrap it in a list, or go on after its end. What holds no complete object, because it was cut off or never was JSON,
// is returned as it is: what to do about it is up to who defined the function. A call that says nothing has no arguments: {}.
func Arguments(text string) string {
	if says := strings.TrimSpace(text); says == "" || says == "null" {
		return "{}"
	}
	if json.Valid([]byte(text)) && !strings.HasPrefix(strings.TrimSpace(text), "[") {
		return text
	}
	// Only the first brace can begin the arguments; an object further in is a part of them.
	start := strings.IndexByte(text, '{')
	if start < 0 {
		return text
	}
	var object json.RawMessage
	if err := json.NewDecoder(strings.NewReader(text[start:])).Decode(&object); err != nil {
		return text
	}
	return string(object)
}

// saysCall reports whether a message that has a recipient, but is on the final channel or lacks <|message|>, is a call: models
// address answers by mistake, and write on in a header. stop is the token that ended it.
func saysCall(h Header, text string, stop int32) bool {
	text = strings.TrimSpace(text)
	if text == "" {
		return h.Channel != Final || stop == tokenizer.Call
	}
	if text[0] == '{' || text[0] == '[' {
		object := Arguments(text)
		return h.Channel != Final || object[0] == '{' && json.Valid([]byte(object))
	}
	_, function := h.FunctionName()
	return !function && h.Channel != Final && (stop == tokenizer.Call || h.ContentType == "code") // python takes source text
}
