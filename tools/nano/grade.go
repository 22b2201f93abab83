package main

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"strings"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// Kinds of answers: what want.Value is compared with.
const (
	kindNumber      = "number"       // the last number of the answer
	kindFirstNumber = "first-number" // the first number of the answer
	kindNumbers     = "numbers"      // all numbers of the answer, in order, space between
	kindYesNo       = "yes-no"       // the first word of the answer
	kindLastWord    = "last-word"    // the last word of the answer
	kindText        = "text"         // the whole answer
	kindJSON        = "json"         // the answer as JSON
	kindCall        = "call"         // a call of function Name with these arguments, as JSON
	kindRefusal     = "refusal"      // the answer says that it can't
	kindMatch       = "match"        // a regular expression that the answer matches, in any case
)

var (
	integer = regexp.MustCompile(`-?\d+`)
	word    = regexp.MustCompile(`[A-Za-z]+`)
)

// grade says whether a reply answers what was wanted. Only the answer counts, not the reasoning nor how the answer is worded.
func grade(tok *tokenizer.Tokenizer, reply []int32, w want) bool {
	p := harmony.NewParser(tok, harmony.ParserOptions{})
	for _, id := range reply {
		p.Push(id)
	}
	p.Close()
	messages := p.Messages()
	if len(messages) == 0 {
		return false
	}
	last := &messages[len(messages)-1]
	if w.Kind == kindCall {
		name, ok := last.FunctionName()
		return ok && name == w.Name && equalJSON(last.Text(), w.Value)
	}
	if last.Kind() != harmony.Answer {
		return false
	}
	answer := strings.TrimSpace(last.Text())
	// A minus sign between two numbers is an operator, one after a space is a sign: "5 - 870 = -865".
	all := integer.FindAllString(strings.ReplaceAll(answer, " - ", " "), -1)
	words := word.FindAllString(answer, -1)
	switch w.Kind {
	case kindNumber:
		return len(all) > 0 && all[len(all)-1] == w.Value
	case kindFirstNumber:
		return len(all) > 0 && all[0] == w.Value
	case kindNumbers:
		return strings.Join(all, " ") == w.Value
	case kindYesNo:
		return len(words) > 0 && strings.EqualFold(words[0], w.Value)
	case kindLastWord:
		return len(words) > 0 && strings.EqualFold(words[len(words)-1], w.Value)
	case kindText:
		return answer == w.Value
	case kindJSON:
		return equalJSON(answer, w.Value)
	case kindMatch:
		ok, err := regexp.MatchString("(?is)"+w.Value, answer)
		return ok && err == nil
	case kindRefusal:
		return strings.Contains(answer, "can't") || strings.Contains(answer, "cannot")
	}
	return false
}

// equalJSON compares two JSON texts, whatever the order of keys.
func equalJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// wilson is the 95 % confidence interval of a share, in percent (E. B. Wilson, 1927).
func wilson(right, n int) (lo, hi float64) {
	if n == 0 {
		return 0, 100
	}
	const z = 1.96
	p, m := float64(right)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return 100 * max(0, mid-half), 100 * min(1, mid+half)
}
