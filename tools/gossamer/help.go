package main

import (
	"strings"

	"gossamer/tools/gossamer/internal/terminal"
)

// helpWidth is how many columns help takes, whatever the width of the terminal.
const helpWidth = 80

// filled breaks paragraphs between words at helpWidth. Lines that begin with a space are no part of one, and keep their own indentation.
func filled(text string) string {
	wrap := terminal.Wrapper{Width: func() int { return helpWidth }}
	var b strings.Builder
	prose := false // the line before can go on
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		own := line == "" || line[0] == ' '
		switch {
		case b.Len() == 0:
		case prose && !own:
			b.WriteByte(' ')
		default:
			b.WriteByte('\n')
		}
		b.WriteString(line)
		prose = !own
	}
	return wrap.Add(b.String()) + wrap.End()
}
