package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"gossamer/runtime/harmony"
)

// What visitors' questions must come to, in percent: no more wrong, no less right. All else is refused.
const (
	mostWrong  = 2
	leastRight = 60
)

// tableOf is table of the report in a file.
func tableOf(path string, out io.Writer) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return table(r, out)
}

// table writes a report as the tables of the model's README, with what is below its bar.
func table(r report, out io.Writer) error {
	cells := map[string]map[harmony.Effort]cell{}
	for _, c := range r.Cells {
		if cells[c.Skill] == nil {
			cells[c.Skill] = map[harmony.Effort]cell{}
		}
		cells[c.Skill][c.Effort] = c
	}
	fmt.Fprint(out, "| skill | low | medium | high | target |\n| --- | --- | --- | --- | --- |\n")
	for _, k := range skills {
		if cells[k.name] == nil {
			continue
		}
		fmt.Fprintf(out, "| %s |", k.title)
		met := "met"
		for e := range effort(3) {
			c := cells[k.name][e.harmony()]
			least := k.bar.other
			if e == low {
				least = k.bar.low
			}
			if c.Accuracy < least {
				met = fmt.Sprintf("MISSED: %g", least)
			} else if least == 0 {
				met = ""
			}
			fmt.Fprintf(out, " %.1f (%.0f–%.0f) |", c.Accuracy, c.Interval[0], c.Interval[1])
		}
		fmt.Fprintf(out, " %s |\n", met)
	}
	fmt.Fprint(out, "\n| 200 questions as visitors type them | right | refused | wrong | target |\n| --- | --- | --- | --- | --- |\n")
	for _, v := range r.Visitors {
		met := "met"
		if 100*v.Wrong > mostWrong*v.Asked || 100*v.Right < leastRight*v.Asked {
			met = "MISSED"
		}
		fmt.Fprintf(out, "| %s effort | %d | %d | %d | %s |\n", v.Effort, v.Right, v.Refused, v.Wrong, met)
	}
	fmt.Fprint(out, "\n| beyond single questions | right |\n| --- | --- |\n")
	for _, name := range []string{"foreign", "conversation"} {
		for _, c := range cells[name] {
			fmt.Fprintf(out, "| %s | %d of %d |\n", name, c.Right, c.Asked)
		}
	}
	_, err := fmt.Fprintf(out, "\n%d tokens in %.1f minutes, %d of them never trained.\n", r.Tokens, r.Minutes, r.Unknown)
	return err
}
