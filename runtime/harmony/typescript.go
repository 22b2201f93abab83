package harmony

import (
	"fmt"
	"slices"
	"strings"
)

// This file writes tools the way that gpt-oss was trained to read them: as TypeScript types, with comments. Every oddity
// (the description of a nested object twice, line breaks without a comment marker) is the model's expectation; see
// openai/harmony src/encoding.rs, template_tools_section and json_schema_to_typescript.

// toolsSection returns the "# Tools" section, namespaces in the order of their names.
func toolsSection(namespaces []Namespace) (string, error) {
	sorted := slices.SortedStableFunc(slices.Values(namespaces), func(a, b Namespace) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString("# Tools")
	for i, ns := range sorted {
		if i > 0 && ns.Name == sorted[i-1].Name {
			return "", fmt.Errorf("tools: namespace %q is defined twice", ns.Name)
		}
		b.WriteString("\n\n")
		if err := writeNamespace(&b, ns); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func writeNamespace(b *strings.Builder, ns Namespace) error {
	b.WriteString("## " + ns.Name + "\n")
	marker := ""
	if len(ns.Functions) > 0 {
		marker = "// "
	}
	for _, line := range lines(ns.Description) {
		b.WriteString("\n" + marker + line)
	}
	if len(ns.Functions) == 0 {
		return nil
	}
	b.WriteString("\nnamespace " + ns.Name + " {\n")
	for _, f := range ns.Functions {
		for _, line := range lines(f.Description) {
			b.WriteString("\n// " + line)
		}
		params := ""
		if len(f.Parameters) > 0 {
			schema, err := decodeValue(f.Parameters)
			if err != nil {
				return fmt.Errorf("tools: parameters of %s.%s: %w", ns.Name, f.Name, err)
			}
			if schema != nil {
				params = "_: " + typeOf(schema, "")
			}
		}
		b.WriteString("\ntype " + f.Name + " = (" + params + ") => any;\n")
	}
	b.WriteString("\n} // namespace " + ns.Name)
	return nil
}

// lines splits text into lines; a last line break ends the last line instead of beginning another.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	l := strings.Split(s, "\n")
	for i := range len(l) - 1 {
		l[i] = strings.TrimSuffix(l[i], "\r")
	}
	if l[len(l)-1] == "" {
		l = l[:len(l)-1]
	}
	return l
}

// typeOf returns a JSON schema as a type. indent is what lines inside begin with.
func typeOf(schema value, indent string) string {
	s, _ := schema.(*object)
	if variants, ok := s.list("oneOf"); ok {
		var b strings.Builder
		for _, v := range variants {
			variant, _ := v.(*object)
			d, described := variant.text("description")
			b.WriteString("\n" + indent + " | " + nullable(v, typeOf(v, indent+"   ")))
			writeTrailing(&b, d, described, variant, true)
		}
		return b.String()
	}
	if types, ok := s.list("type"); ok {
		var names []string
		for _, t := range types {
			if name, ok := t.(string); ok {
				if name == "integer" {
					name = "number"
				}
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			return strings.Join(names, " | ")
		}
	}
	name, _ := s.text("type")
	switch name {
	case "object":
		return objectType(s, indent)
	case "string":
		values, _ := s.list("enum")
		var quoted []string
		for _, v := range values {
			if text, ok := v.(string); ok {
				quoted = append(quoted, `"`+text+`"`)
			}
		}
		if len(quoted) > 0 {
			return strings.Join(quoted, " | ")
		}
		return "string"
	case "number", "integer":
		return "number"
	case "boolean":
		return "boolean"
	case "array":
		if items, ok := s.get("items"); ok {
			return typeOf(items, indent) + "[]"
		}
		return "Array<any>"
	}
	return "any"
}

func objectType(s *object, indent string) string {
	var b strings.Builder
	if d, ok := s.text("description"); ok {
		b.WriteString(indent + "// " + d + "\n")
	}
	b.WriteString("{\n")
	required := map[value]bool{}
	names, _ := s.list("required")
	for _, name := range names {
		if _, ok := name.(string); ok {
			required[name] = true
		}
	}
	v, _ := s.get("properties")
	if properties, ok := v.(*object); ok {
		for _, name := range properties.keys {
			optional := "?"
			if required[name] {
				optional = ""
			}
			writeProperty(&b, indent, name+optional, properties.values[name])
		}
	}
	b.WriteString(indent + "}")
	return b.String()
}

// writeProperty writes one line "name: type," with its comments. name ends with a question mark if the property is optional.
func writeProperty(b *strings.Builder, indent, name string, schema value) {
	s, _ := schema.(*object)
	_, hasOneOf := s.get("oneOf")
	if title, ok := s.text("title"); ok {
		b.WriteString(indent + "// " + title + "\n" + indent + "//\n")
	}
	description, described := s.text("description")
	if described && !hasOneOf {
		b.WriteString(indent + "// " + description + "\n")
	}
	if examples, _ := s.list("examples"); len(examples) > 0 {
		b.WriteString(indent + "// Examples:\n")
		for _, e := range examples {
			if text, ok := e.(string); ok {
				b.WriteString(indent + `// - "` + text + "\"\n")
			}
		}
	}
	if variants, ok := s.list("oneOf"); ok {
		writeOneOf(b, indent, name, s, variants)
		return
	}
	b.WriteString(indent + name + ": " + nullable(s, typeOf(s, indent+"    ")) + ",")
	if d, ok := defaultOf(s); ok && !hasOneOf {
		b.WriteString(" // default: " + d)
	}
	b.WriteString("\n")
}

func writeOneOf(b *strings.Builder, indent, name string, s *object, variants []value) {
	description, hasDescription := s.text("description")
	above := hasDescription
	if len(variants) > 0 {
		first, _ := variants[0].(*object)
		if d, ok := first.text("description"); ok && d == description {
			above = false
		}
	}
	if above {
		b.WriteString(indent + "// " + description + "\n")
	}
	if d, ok := defaultOf(s); ok {
		b.WriteString(indent + "// default: " + d + "\n")
	}
	b.WriteString(indent + name + ":\n")
	for i, v := range variants {
		variant, _ := v.(*object)
		d, ok := variant.text("description")
		ok = ok && !(hasDescription && d == description) && !(i == 0 && above)
		b.WriteString(indent + " | " + nullable(v, typeOf(v, indent+"   ")))
		writeTrailing(b, d, ok, variant, false)
		b.WriteString("\n")
	}
	b.WriteString(indent + ",\n")
}

// nullable adds null to a type where the schema says so and the type doesn't.
func nullable(schema value, t string) string {
	s, _ := schema.(*object)
	if v, _ := s.get("nullable"); v == true && !strings.Contains(t, "null") {
		return t + " | null"
	}
	return t
}

// defaultOf returns the default of a property as its comment says it.
func defaultOf(s *object) (string, bool) {
	v, ok := s.get("default")
	if !ok {
		return "", false
	}
	text, isText := v.(string)
	values, _ := s.list("enum")
	switch {
	case !isText:
		return compact(v), true
	case len(values) > 0:
		return text, true
	}
	return `"` + text + `"`, true
}

// writeTrailing writes the comment after a variant of oneOf: its description and its default. Outside of a property, the
// default of an enumeration is quoted.
func writeTrailing(b *strings.Builder, description string, described bool, variant *object, quoteEnum bool) {
	var parts []string
	if described {
		parts = append(parts, description)
	}
	if d, ok := defaultOf(variant); ok {
		if values, _ := variant.list("enum"); quoteEnum && len(values) > 0 {
			d = compact(variant.values["default"])
		}
		parts = append(parts, "default: "+d)
	}
	if len(parts) > 0 {
		b.WriteString(" // " + strings.Join(parts, " "))
	}
}

// responseFormats returns the "# Response Formats" section (openai/harmony docs/format.md, "Structured output").
func responseFormats(formats []ResponseFormat) (string, error) {
	var b strings.Builder
	b.WriteString("# Response Formats")
	for _, f := range formats {
		schema, err := decodeValue(f.Schema)
		if err != nil {
			return "", fmt.Errorf("response format %q: schema: %w", f.Name, err)
		}
		b.WriteString("\n\n## " + f.Name + "\n\n")
		for _, line := range lines(f.Description) {
			b.WriteString("// " + line + "\n")
		}
		b.WriteString(compact(schema))
	}
	return b.String(), nil
}
