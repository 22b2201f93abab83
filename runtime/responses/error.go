package responses

import (
	"fmt"
	"strconv"
	"strings"

	"gossamer/runtime/wire"
)

// Failure tells about an error of a request that Decode has accepted, with the API's names of fields.
func (r *Request) Failure(err error) *wire.Failure {
	return wire.NewFailure(err, r.field)
}

// field names a field of the chat.Request, such as "Messages[2].ToolCallID", as the API does.
func (r *Request) field(field string) string {
	name, rest, _ := strings.Cut(field, ".")
	name, index, indexed := strings.Cut(name, "[")
	switch name {
	case "Messages":
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		switch {
		case !indexed || err != nil || i >= len(r.origins):
			return "input"
		case r.origins[i] < 0:
			return "previous_response_id"
		}
		path := fmt.Sprintf("input[%d]", r.origins[i])
		switch rest {
		case "ToolCallID":
			return path + ".call_id"
		case "Role", "Name":
			return path + "." + strings.ToLower(rest)
		}
		return path
	case "Tools":
		if rest != "" {
			rest = "." + strings.ToLower(rest)
		}
		if i, err := strconv.Atoi(strings.TrimSuffix(index, "]")); indexed && err == nil && i < len(r.tools) {
			return r.tools[i] + rest
		}
		return "tools"
	case "Format":
		if rest == "JSONObject" || rest == "" {
			return "text.format"
		}
		return "text.format." + strings.ToLower(rest)
	case "Effort":
		return "reasoning.effort"
	case "MaxTokens":
		return "max_output_tokens"
	case "TopLogprobs":
		return "top_logprobs"
	case "ToolChoice":
		return "tool_choice"
	}
	return strings.ToLower(name)
}
