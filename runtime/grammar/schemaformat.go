package grammar

import "strings"

// formats are the strings of formats as expressions. Where a format is no regular language, or its bounds are far away, these are some of
// its strings: what is accepted is always one. In braces stand other expressions.
var formats = map[string]string{
	"date-time":             `{date}[Tt]{time}`,
	"date":                  `({year}-{day}|{leap}-02-29)`,
	"time":                  `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,18})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`,
	"duration":              `P({days}({hours})?|{hours}|[0-9]+W)`,
	"email":                 `{mailbox}@{domain}`,
	"idn-email":             `({mailbox}|{idn mailbox})@{idn domain}`,
	"hostname":              `({plain label}\.){0,3}{plain label}|[A-Za-z0-9]{32,63}(\.{plain label}){0,2}`,
	"idn-hostname":          `(({plain label}|{idn label})\.){0,3}({plain label}|{idn label})|[A-Za-z0-9]{32,63}(\.{plain label}){0,2}`,
	"ipv4":                  `{byte}(\.{byte}){3}`,
	"ipv6":                  `{six}`,
	"uri":                   `{scheme}:({authority}|{rooted}|{rootless})(\?{query})?(#{query})?`,
	"uri-reference":         `({scheme}:({authority}|{rooted}|{rootless})|{authority}|{rooted}|{no scheme})?(\?{query})?(#{query})?`,
	"iri":                   `{scheme}:({authority}|{rooted}|{rootless})(\?{query})?(#{query})?`,
	"iri-reference":         `({scheme}:({authority}|{rooted}|{rootless})|{authority}|{rooted}|{no scheme})?(\?{query})?(#{query})?`,
	"uuid":                  `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`,
	"uri-template":          "([!#$&(-;=?-[\\]_a-z~\u00a1-\ud7ff]|%[0-9A-Fa-f]{2}|\\{[+#./;?&]?{variable}(,{variable})*\\})*",
	"json-pointer":          `{pointer}`,
	"relative-json-pointer": `(0|[1-9][0-9]*)(#|{pointer})`,
	"regex":                 "", // parentheses in parentheses
}

// formatParts are what stands in braces in formats. A label has no hyphens in its third and fourth place, where they announce an encoding.
var formatParts = map[string]string{
	"year":  `([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)`,
	"leap":  `([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)`,
	"day":   `((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))`,
	"days":  `([0-9]+D|[0-9]+M([0-9]+D)?|[0-9]+Y([0-9]+M([0-9]+D)?)?)`,
	"hours": `T([0-9]+S|[0-9]+M([0-9]+S)?|[0-9]+H([0-9]+M([0-9]+S)?)?)`,
	"byte":  `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`,
	// Letters that need no context, of scripts that are written to the right, few enough for the 63 bytes of their encoding.
	"idn label":   "[a-z0-9{letters}]([a-z0-9{letters}]|-[a-z0-9{letters}]){0,8}",
	"letters":     "\u00e0-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0430-\u044f\u3041-\u3094\u30a1-\u30f4\u4e00-\u9fa5\uac00-\ud7a3",
	"domain":      `({plain label}\.){1,3}{plain label}`,
	"plain label": `[A-Za-z0-9](--[A-Za-z0-9])?(-?[A-Za-z0-9]){0,29}`,
	"idn domain":  `(({plain label}|{idn label})\.){1,3}({plain label}|{idn label})`,
	"mailbox":     `[A-Za-z0-9!#$%&'*+/=?^_{tick}{|}~-]{1,32}(\.[A-Za-z0-9!#$%&'*+/=?^_{tick}{|}~-]{1,15}){0,2}`,
	"idn mailbox": "[A-Za-z0-9!#$%&'*+/=?^_{tick}{|}~{letters}-]{1,10}(\\.[A-Za-z0-9!#$%&'*+/=?^_{tick}{|}~{letters}-]{1,4}){0,2}",
	"tick":        "`",
	"scheme":      `[A-Za-z][A-Za-z0-9+.-]*`,
	"authority":   `//(({segment plain}|:)*@)?(\[{six}\]|{segment plain}*)(:[0-9]{0,5})?(/{segment}*)*`,
	"rooted":      `/({segment}+(/{segment}*)*)?`,
	"rootless":    `{segment}+(/{segment}*)*`,
	"no scheme":   `({segment plain}|@)+(/{segment}*)*`,
	"six": `(({h}:){7}{h}|({h}:){6}{byte}(\.{byte}){3}|::({h}:){5}{last}|({h})?::({h}:){4}{last}|(({h}:){0,1}{h})?::({h}:){3}{last}|` +
		`(({h}:){0,2}{h})?::({h}:){2}{last}|(({h}:){0,3}{h})?::{h}:{last}|(({h}:){0,4}{h})?::{last}|(({h}:){0,5}{h})?::{h}|(({h}:){0,6}{h})?::)`,
	"h":             `[0-9A-Fa-f]{1,4}`,
	"segment":       `({segment plain}|[:@])`,
	"query":         `({segment}|[/?])*`,
	"segment plain": `([A-Za-z0-9._~!$&'()*+,;={more}-]|%[0-9A-Fa-f]{2})`,
	"last":          `({h}:{h}|{byte}(\.{byte}){3})`,
	"variable":      `{name}(\.{name})*(\*|:[1-9][0-9]{0,3})?`,
	"name":          `([A-Za-z0-9_]|%[0-9A-Fa-f]{2})+`,
	"pointer":       `(/([^/~]|~[01])*)*`,
}

// format adds a format to cases. What is no name of a draft is a note; a format that is not enforced is refused.
func (c *schemaCompiler) format(cases []*kase, s, v *value) {
	form, known := formats[v.text]
	switch {
	case !known:
		c.ignored = append(c.ignored, v.path)
		return
	case form == "":
		c.refuse(s, "format", "its strings are no regular language")
		return
	}
	e, ok := c.forms[v.text]
	if !ok {
		var err error
		if e, err = c.r.regex(spellOut(form, strings.HasPrefix(v.text, "iri")), jsonMinimal, false); err != nil {
			panic(schemaStop{err: err})
		}
		c.forms[v.text] = e
	}
	each(cases, func(k *kase) { k.strings = append(k.strings, e) })
}

// spellOut puts the parts of a format where they are named; with more, letters beyond ASCII where addresses may have them.
func spellOut(form string, more bool) string {
	extra := ""
	if more {
		extra = "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
	}
	pairs := []string{"{more}", extra}
	for _, parts := range []map[string]string{formats, formatParts} {
		for name, part := range parts {
			pairs = append(pairs, "{"+name+"}", part)
		}
	}
	parts := strings.NewReplacer(pairs...)
	for {
		longer := parts.Replace(form)
		if longer == form {
			return form
		}
		form = longer
	}
}

// pattern compiles a search.
func (c *schemaCompiler) pattern(s *value, text string, in spelling) (expr, bool) {
	key := patternKey{text, in}
	if e, ok := c.patterns[key]; ok {
		return e, true
	}
	e, err := c.r.regex(text, in, true)
	switch err := err.(type) {
	case nil:
		c.patterns[key] = e
		return e, true
	case *UnsupportedError:
		c.refuse(s, "pattern", err.Reason)
	case *SyntaxError:
		if c.lenient {
			c.refuse(s, "pattern", err.Reason)
			break
		}
		err.Path = s.path
		panic(schemaStop{err: err})
	default:
		panic(schemaStop{err: err})
	}
	return none, false
}

type patternKey struct {
	text string
	in   spelling
}
