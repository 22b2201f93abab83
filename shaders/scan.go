package shaders

import "strings"

// What the generator looks for in sources, by hand: package regexp would be 3 % of the program that a browser downloads.

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func inWord(c byte) bool  { return isDigit(c) || isUpper(c) || isLower(c) || c == '_' }

// isConstName says that s has capital letters, digits and _ only, and begins with a letter.
func isConstName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isUpper(c) && (i == 0 || !isDigit(c) && c != '_') {
			return false
		}
	}
	return s != ""
}

// isLoopName says that s is a small letter.
func isLoopName(s string) bool { return len(s) == 1 && isLower(s[0]) }

// replaceUses replaces each $ with a small letter behind it by what value says of the letter.
func replaceUses(line string, value func(name string) string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(line, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String()
		case rest != "" && isLower(rest[0]):
			out.WriteString(value(rest[:1]))
			rest = rest[1:]
		default:
			out.WriteByte('$')
		}
		line = rest
	}
}

// between calls visit with what stands between each begin and the next end.
func between(code, begin, end string, visit func(inside, behind string)) {
	for {
		_, rest, found := strings.Cut(code, begin)
		if !found {
			return
		}
		inside, behind, found := strings.Cut(rest, end)
		if !found {
			return
		}
		visit(inside, behind)
		code = behind
	}
}

// word reports whether name, of letters, digits and _, occurs in code as an identifier of its own.
func word(code, name string) bool {
	for at := 0; ; {
		i := strings.Index(code[at:], name)
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(name)
		if (begin == 0 || !inWord(code[begin-1])) && (end == len(code) || !inWord(code[end])) {
			return true
		}
		at = begin + 1
	}
}

// callsSubgroups reports whether code calls a function whose name begins with subgroup and a capital letter.
func callsSubgroups(code string) bool {
	const prefix = "subgroup"
	for at := 0; ; {
		i := strings.Index(code[at:], prefix)
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(prefix)
		if (begin == 0 || !inWord(code[begin-1])) && end < len(code) && isUpper(code[end]) {
			for end < len(code) && inWord(code[end]) {
				end++
			}
			if end < len(code) && code[end] == '(' {
				return true
			}
		}
		at = begin + 1
	}
}

// stripComments takes out what stands behind // to the end of a line.
func stripComments(source string) string {
	lines := strings.Split(source, "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, "//")
	}
	return strings.Join(lines, "\n")
}
