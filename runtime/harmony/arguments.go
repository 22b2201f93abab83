package harmony

import (
	"encoding/json"
	"strings"
)

// Arguments returns the arguments of a function call, as the model wrote them, as a JSON object if there is one in them:
// models wrap it in a list, or go on after its end. What holds no complete object, because it was cut off or never was JSON,
// is returned as it is: what to do about it is up to who defined the function.
func Arguments(text string) string {
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
