package chat

import (
	"fmt"
	"strings"

	"gossamer/runtime/harmony"
)

const functionsPrefix = "functions."

// toolNames maps the names of functions to what the model sees and back: it was trained with identifiers of TypeScript, APIs also
// allow "-", "." and digits at the beginning.
type toolNames struct {
	given map[string]string // by the model's name
	shown map[string]string // by the given name
	next  map[string]int    // number of the next name, by the identifier that several names become
}

func newToolNames() *toolNames {
	return &toolNames{given: map[string]string{}, shown: map[string]string{}, next: map[string]int{}}
}

// show returns the model's name of a function.
func (n *toolNames) show(name string) string {
	if shown, ok := n.shown[name]; ok {
		return shown
	}
	shown := identifier(name)
	for base := shown; ; {
		if _, taken := n.given[shown]; !taken {
			break
		}
		n.next[base]++
		shown = fmt.Sprintf("%s_%d", base, n.next[base]+1)
	}
	n.given[shown], n.shown[name] = name, shown
	return shown
}

// give returns the caller's name of what a call is addressed to. A tool that nobody defined keeps the name that the model used.
func (n *toolNames) give(h *harmony.Header) string {
	name, ok := h.FunctionName()
	if !ok {
		return h.Recipient
	}
	if given, ok := n.given[name]; ok {
		return given
	}
	return name
}

func identifier(name string) string {
	id := strings.Map(func(c rune) rune {
		if isLetter(c) || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, name)
	if id == "" || id[0] >= '0' && id[0] <= '9' {
		return "_" + id
	}
	return id
}

func isLetter(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// checkName refuses names of functions that OpenAI's API refuses too, but for ".".
func checkName(field, name string) error {
	valid := func(c rune) bool { return isLetter(c) || c >= '0' && c <= '9' || c == '-' || c == '.' }
	if name == "" || len(name) > maxNameBytes || strings.ContainsFunc(name, func(c rune) bool { return !valid(c) }) {
		return refuse(field, `is %q, want 1 to %d letters, digits, "_", "-" or "."`, name, maxNameBytes)
	}
	return nil
}

// maxToolBytes bounds the definitions of tools. Written as types with their indentation, nested schemas become up to 40 times longer.
const maxToolBytes = 2 << 20

// functions returns the tools as the model sees them.
func (r *Request) functions(names *toolNames) ([]harmony.Function, error) {
	var list []harmony.Function
	defined := map[string]bool{}
	size := 0
	for i, f := range r.Tools {
		if size += len(f.Name) + len(f.Description) + len(f.Parameters); size > maxToolBytes {
			return nil, refuse("Tools", "are longer than %d bytes together: no context holds so much, leave some out", maxToolBytes)
		}
		field := fmt.Sprintf("Tools[%d]", i)
		if err := checkName(field+".Name", f.Name); err != nil {
			return nil, err
		}
		if defined[f.Name] {
			return nil, refuse(field+".Name", "%q is defined twice", f.Name)
		}
		defined[f.Name] = true
		list = append(list, harmony.Function{Name: names.show(f.Name), Description: f.Description, Parameters: f.Parameters})
	}
	switch c := r.ToolChoice; {
	case c.Mode < ChoiceAuto || c.Mode > ChoiceNamed:
		return nil, refuse("ToolChoice.Mode", "%d is unknown", c.Mode)
	case c.Mode == ChoiceNamed && !defined[c.Name]:
		return nil, refuse("ToolChoice.Name", "%q is not among Tools", c.Name)
	case c.Mode != ChoiceNamed && c.Name != "":
		return nil, refuse("ToolChoice.Name", "is %q, but Mode is not ChoiceNamed", c.Name)
	case c.Mode == ChoiceRequired && len(r.Tools) == 0:
		return nil, refuse("ToolChoice.Mode", "a call is required, but there are no Tools")
	case c.Mode == ChoiceNone:
		return nil, nil
	}
	return list, nil
}

// callHeader is how a call of a function begins.
func callHeader(shown string) *harmony.Header {
	return &harmony.Header{
		Author:      harmony.Author{Role: harmony.Assistant},
		Recipient:   functionsPrefix + shown,
		Channel:     harmony.Commentary,
		ContentType: harmony.ConstrainJSON,
	}
}
