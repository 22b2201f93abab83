package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gossamer/runtime/harmony"
)

var (
	cities     = []string{"Paris", "London", "Berlin", "Rome", "Oslo", "Tokyo", "Madrid", "Vienna", "Boston", "Chicago", "Dublin", "Athens", "Moscow", "Cairo", "Delhi", "Lima", "Prague", "Warsaw", "Lisbon", "Zurich", "Munich", "Milan", "Seattle", "Denver", "Toronto", "Sydney", "San Francisco", "New York", "Amsterdam", "Stockholm"}
	months     = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	days       = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	currencies = []string{"USD", "EUR", "GBP", "JPY", "CHF"}
	songs      = []string{"Yesterday", "Imagine", "Hello", "Thriller", "Stay", "Happy", "Let It Be"}
	rooms      = []string{"kitchen", "bedroom", "bathroom", "office", "garage", "hall", "garden"}
	texts      = []string{"I am late", "see you soon", "good morning", "call me", "dinner is ready", "happy birthday", "thank you", "I am here"}
	topics     = []string{"cats", "dogs", "books", "cars", "robots", "horses", "birds", "trees", "music", "football", "chess", "pizza"}
	languages  = []string{"French", "German", "Spanish", "Italian", "English", "Japanese"}
	stocks     = []string{"Apple", "Google", "Microsoft", "Tesla", "Amazon"}
	conditions = []string{"sunny", "cloudy", "rainy", "windy", "foggy", "clear"}
)

// A parameter of a function. names are what it may be called; draw gives a value as it is said and as it is written in JSON.
type parameter struct {
	names []string
	kind  string // string or integer
	draw  func(s source) string
}

func (p parameter) json(value string) string {
	if p.kind == "integer" {
		return value
	}
	return quote(value)
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func from(list []string) func(source) string { return func(s source) string { return pick(s, list) } }
func upTo(n int) func(source) string {
	return func(s source) string { return fmt.Sprint(s.between(1, n)) }
}

// A tool is a function that the model knows. In says, {0} and {1} stand for the arguments; result and answer belong together.
type tool struct {
	names        []string
	descriptions []string
	about        string // what the analysis says of it
	parameters   []parameter
	says         []string
	result       func(s source, args []string) (result, answer, short string)
}

var cityParameter = parameter{names: []string{"city", "location", "place"}, kind: "string", draw: from(cities)}

var toolbox = []tool{
	{[]string{"get_weather", "get_current_weather", "weather"}, []string{"Get the weather of a city.", "Get the current weather.", "Gets the weather.", "Get the current weather in a given location."}, "weather", []parameter{cityParameter},
		[]string{"What is the weather in {0}?", "What's the weather in {0}?", "What is the weather like in {0}?", "What's the weather like in {0}?", "How is the weather in {0}?", "Weather in {0}?", "weather {0}", "Tell me the weather in {0}.", "Is it raining in {0}?", "Is it cold in {0}?", "What is the temperature in {0}?", "How warm is it in {0}?", "Do I need an umbrella in {0}?", "What is the weather in {0} today?", "What's the weather in {0} right now?"},
		func(s source, args []string) (string, string, string) {
			n, c := fmt.Sprint(s.between(0, 35)), pick(s, conditions)
			return pick(s, []string{
					fmt.Sprintf(`{"temperature": %s, "condition": %q}`, n, c), fmt.Sprintf(`{"condition":%q,"temperature":%s}`, c, n), fmt.Sprintf(`{"temperature":%s,"condition":%q}`, n, c), fmt.Sprintf("%s, %s degrees", c, n), fmt.Sprintf("%s degrees and %s", n, c)}),
				fmt.Sprintf("It is %s and %s degrees in %s.", c, n, args[0]), c
		}},
	{[]string{"get_time", "get_current_time"}, []string{"Get the time in a city.", "Get the current time.", "Gets the local time of a city."}, "time", []parameter{cityParameter},
		[]string{"What time is it in {0}?", "What's the time in {0}?", "What is the time in {0}?", "Tell me the time in {0}.", "Time in {0}?", "How late is it in {0}?", "What is the local time in {0}?"},
		func(s source, args []string) (string, string, string) {
			t := fmt.Sprintf("%d:%d", s.between(1, 23), s.between(10, 59))
			return pick(s, []string{t, fmt.Sprintf(`{"time": %q}`, t), fmt.Sprintf(`{"time":%q}`, t)}), fmt.Sprintf("It is %s in %s.", t, args[0]), t
		}},
	{[]string{"set_timer", "start_timer"}, []string{"Set a timer.", "Start a timer for some minutes.", "Sets a timer in minutes."}, "timer", []parameter{{names: []string{"minutes", "duration"}, kind: "integer", draw: upTo(90)}},
		[]string{"Set a timer for {0} minutes.", "Start a timer for {0} minutes.", "Set a {0} minute timer.", "Timer for {0} minutes", "I need a timer for {0} minutes."}, done},
	{[]string{"send_message", "send_text"}, []string{"Send a message to a person.", "Send a text message.", "Sends a message."}, "message", []parameter{{names: []string{"to", "recipient", "name"}, kind: "string", draw: from(persons)}, {names: []string{"text", "message", "body"}, kind: "string", draw: from(texts)}},
		[]string{"Send {0} the message {1}.", `Send a message to {0}: {1}`, "Text {0}: {1}", "Tell {0} {1}.", "Message {0}: {1}", `Send "{1}" to {0}.`}, done},
	{[]string{"search", "web_search", "search_web"}, []string{"Search the web.", "Search for something.", "Searches the web."}, "search", []parameter{{names: []string{"query", "q", "topic"}, kind: "string", draw: from(topics)}},
		[]string{"Search for {0}.", "Search the web for {0}.", "Find something about {0}.", "Look up {0}.", "Find {0} on the web.", "Google {0}."}, done},
	{[]string{"play_music", "play_song"}, []string{"Play a song.", "Play music.", "Plays a song."}, "song", []parameter{{names: []string{"song", "title", "name"}, kind: "string", draw: from(songs)}},
		[]string{"Play {0}.", "Play the song {0}.", `Play "{0}".`, "I want to hear {0}.", "Put on {0}."}, done},
	{[]string{"convert_currency", "exchange"}, []string{"Convert money.", "Convert an amount of money to another currency.", "Converts currencies."}, "money", []parameter{{names: []string{"amount", "value"}, kind: "integer", draw: upTo(999)},
		{names: []string{"from", "source"}, kind: "string", draw: from(currencies)}, {names: []string{"to", "target"}, kind: "string", draw: from(currencies)}},
		[]string{"Convert {0} {1} to {2}.", "How much is {0} {1} in {2}?", "What is {0} {1} in {2}?", "Change {0} {1} to {2}.", "{0} {1} in {2}?"},
		func(s source, args []string) (string, string, string) {
			n := fmt.Sprint(s.between(1, 999))
			return pick(s, []string{n, n + " " + args[2], fmt.Sprintf(`{"result": %s}`, n)}), fmt.Sprintf("%s %s is %s %s.", args[0], args[1], n, args[2]), n
		}},
	{[]string{"turn_on_light", "light_on"}, []string{"Turn on a light.", "Turn on the light in a room.", "Turns on a light."}, "light", []parameter{{names: []string{"room", "place"}, kind: "string", draw: from(rooms)}},
		[]string{"Turn on the light in the {0}.", "Turn on the {0} light.", "Light in the {0}, please.", "Switch on the light in the {0}.", "It is dark in the {0}."}, done},
	{[]string{"add_event", "create_event"}, []string{"Add an event to the calendar.", "Create a calendar event.", "Adds an event."}, "calendar", []parameter{{names: []string{"title", "name", "event"}, kind: "string", draw: from([]string{"meeting", "lunch", "dinner", "party", "football", "dentist"})}, {names: []string{"day", "date"}, kind: "string", draw: from(days)}},
		[]string{"Add a {0} on {1}.", "Put {0} on {1} in my calendar.", "Create an event: {0} on {1}.", "I have a {0} on {1}.", "Plan a {0} for {1}."}, done},
	{[]string{"get_stock_price", "stock_price"}, []string{"Get the price of a stock.", "Get a stock price.", "Gets the current stock price."}, "stock", []parameter{{names: []string{"company", "name", "symbol"}, kind: "string", draw: from(stocks)}},
		[]string{"What is the stock price of {0}?", "What's the price of {0} stock?", "How much is a share of {0}?", "Stock price of {0}?", "Get the stock price of {0}.", "How is {0} stock doing?"},
		func(s source, args []string) (string, string, string) {
			n := fmt.Sprint(s.between(10, 999))
			return pick(s, []string{n, fmt.Sprintf(`{"price": %s}`, n), fmt.Sprintf(`{"price":%s,"currency":"USD"}`, n)}), fmt.Sprintf("The price of %s is %s.", args[0], n), n
		}},
	{[]string{"translate", "translate_text"}, []string{"Translate a text.", "Translate text to a language.", "Translates text."}, "translation", []parameter{{names: []string{"text", "message"}, kind: "string", draw: from(texts)}, {names: []string{"language", "to", "target"}, kind: "string", draw: from(languages)}},
		[]string{`Translate "{0}" to {1}.`, "Translate {0} to {1}.", "Translate {0} into {1}.", `How do you say "{0}" in {1}?`, "Say {0} in {1}."}, done},
	{[]string{"calculator", "calculate", "calc"}, []string{"Calculate an expression.", "Evaluate an arithmetic expression.", "Calculates.", "A calculator."}, "calculation", []parameter{{names: []string{"expression", "expr", "formula"}, kind: "string", draw: expression}},
		[]string{"What is {0}?", "What's {0}?", "Calculate {0}.", "Compute {0}.", "{0}", "{0} = ?", "How much is {0}?", "Use the calculator: {0}", "Evaluate {0}."},
		func(s source, args []string) (string, string, string) {
			n := fmt.Sprint(s.IntN(pick(s, []int{100, 1000, 100_000, 1_000_000})))
			return pick(s, []string{n, n, fmt.Sprintf(`{"result":%s}`, n), fmt.Sprintf(`{"result": %s}`, n), fmt.Sprintf(`{"value":%s}`, n)}), fmt.Sprintf("%s = %s", args[0], n), n
		}},
	{[]string{"clock", "get_clock", "now"}, []string{"Get the current time.", "The current date and time.", "Tells the time."}, "clock", nil,
		[]string{"What time is it?", "What's the time?", "What is the time?", "What time is it now?", "Tell me the time.", "How late is it?", "Do you know what time it is?"},
		func(s source, args []string) (string, string, string) {
			t := fmt.Sprintf("%d:%d", s.between(1, 23), s.between(10, 59))
			return pick(s, []string{t, fmt.Sprintf(`{"time": %q}`, t), fmt.Sprintf(`{"time":%q}`, t)}), fmt.Sprintf("It is %s.", t), t
		}},
	{[]string{"get_age", "find_age", "lookup_age"}, []string{"Get the age of a person.", "Look up how old a person is.", "Gets a person's age."}, "age", []parameter{{names: []string{"name", "person"}, kind: "string", draw: from(persons)}},
		[]string{"How old is {0}?", "What is the age of {0}?", "What's the age of {0}?", "Find the age of {0}.", "Get the age of {0}."},
		func(s source, args []string) (string, string, string) {
			n := fmt.Sprint(s.between(1, 99))
			return pick(s, []string{n, fmt.Sprintf(`{"age": %s}`, n), fmt.Sprintf(`{"age":%s}`, n)}), fmt.Sprintf("%s is %s years old.", args[0], n), n
		}},
}

// expression is a small term, as people type it.
func expression(s source) string {
	format := pick(s, []string{"%d %s %d", "%d %s %d", "%d%s%d"})
	return fmt.Sprintf(format, s.number(3), pick(s, []string{"+", "-", "*", "*", "/"}), s.number(3))
}

func done(s source, args []string) (result, answer, short string) {
	return pick(s, []string{"ok", "done", `{"ok": true}`, `{"ok":true}`, `{"status":"ok"}`, "success"}), "It is done.", "Done"
}

// A use is a tool with its names chosen, and arguments.
type use struct {
	*tool
	name       string
	parameters []string
	args       []string
	function   harmony.Function
}

func (s source) use(t *tool) use {
	u := use{tool: t, name: pick(s, t.names)}
	var properties, required []string
	seen := map[string]bool{}
	describe := s.chance(0.3)
	for _, p := range t.parameters {
		name := pick(s, p.names)
		for seen[name] {
			name = pick(s, p.names)
		}
		seen[name] = true
		v := p.draw(s)
		for len(u.args) > 0 && v == u.args[len(u.args)-1] {
			v = p.draw(s)
		}
		u.parameters, u.args = append(u.parameters, name), append(u.args, v)
		property := fmt.Sprintf(`"type":%q`, p.kind)
		if describe {
			property += fmt.Sprintf(`,"description":%q`, "The "+strings.ReplaceAll(name, "_", " "))
		}
		properties = append(properties, fmt.Sprintf(`%q:{%s}`, name, property))
		required = append(required, fmt.Sprintf("%q", name))
	}
	if t.about == "weather" && s.chance(0.15) { // optional, and nobody asks for it
		properties = append(properties, `"unit":{"type":"string","enum":["celsius","fahrenheit"]}`)
	}
	description := pick(s, t.descriptions)
	if s.chance(0.08) {
		description = ""
	}
	u.function = harmony.Function{Name: u.name, Description: description,
		Parameters: json.RawMessage(fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s]}`, strings.Join(properties, ","), strings.Join(required, ",")))}
	return u
}

// arguments is the call's JSON, as compact as the model writes it.
func (u use) arguments() string {
	parts := make([]string, len(u.args))
	for i, v := range u.args {
		parts[i] = fmt.Sprintf("%q:%s", u.parameters[i], u.tool.parameters[i].json(v))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// again is the same function with other arguments.
func (u use) again(s source) use {
	args := make([]string, len(u.args))
	for i := range args {
		args[i] = u.tool.parameters[i].draw(s)
		for i > 0 && args[i] == args[i-1] {
			args[i] = u.tool.parameters[i].draw(s)
		}
	}
	u.args = args
	return u
}

func (u use) describeArgs() string {
	if len(u.args) == 0 {
		return "nothing"
	}
	parts := make([]string, len(u.args))
	for i, v := range u.args {
		parts[i] = u.parameters[i] + " " + v
	}
	return strings.Join(parts, ", ")
}

func fill(template string, args []string) string {
	for i, a := range args {
		template = strings.ReplaceAll(template, fmt.Sprintf("{%d}", i), a)
	}
	return template
}

// functionsOf puts functions into a developer message, now and then with instructions.
func functionsOf(s source, uses []use) *harmony.DeveloperContent {
	ns := harmony.Namespace{Name: "functions"}
	for _, u := range uses {
		ns.Functions = append(ns.Functions, u.function)
	}
	d := &harmony.DeveloperContent{Tools: []harmony.Namespace{ns}}
	if s.chance(0.3) {
		d.Instructions = new(pick(s, neutral))
	}
	return d
}

// drawUses returns 1 to 3 different tools, and which of them is meant.
func drawUses(s source) ([]use, int) {
	n := s.between(1, 3)
	uses := make([]use, n)
	for i, j := range s.Perm(len(toolbox))[:n] {
		uses[i] = s.use(&toolbox[j])
	}
	return uses, s.IntN(n)
}

// judge goes through the functions: whether each is about what the user asks. The topic is said with its verdict first, so that what is
// about it only has to follow.
func judge(uses []use, topic string, e effort) string {
	var b strings.Builder
	if e == low {
		fmt.Fprintf(&b, "About %s yes.", topic)
	} else {
		fmt.Fprintf(&b, "The user asks about %s yes.", topic)
	}
	for i, u := range uses {
		verdict := "no"
		if u.about == topic {
			verdict = "yes"
		}
		if e == low {
			fmt.Fprintf(&b, " %d %s %s %s,", i+1, u.name, u.about, verdict)
		} else {
			fmt.Fprintf(&b, " Function %d is %s about %s %s.", i+1, u.name, u.about, verdict)
		}
	}
	return b.String()
}

// callTask is a question that one of 1 to 3 functions answers, or none.
func callTask(s source) *task {
	if s.chance(0.2) {
		uses, _ := drawUses(s)
		return otherTask(s, uses)
	}
	return calling(s)
}

// forcedTask is a question that one of 1 to 3 functions answers, and the reply has begun as a call: no reasoning.
func forcedTask(s source) *task {
	t := calling(s)
	t.skill, t.forced = "forced", true
	t.think = func(effort) string { return "" }
	return t
}

// calling is a question and the call that answers it, of one of 1 to 3 functions.
func calling(s source) *task {
	uses, i := drawUses(s)
	u := uses[i]
	t := &task{skill: "call", uses: uses, user: s.casual(fill(pick(s, u.says), u.args)), developer: functionsOf(s, uses), call: &call{u.name, u.arguments()}}
	t.want = want{Kind: kindCall, Name: u.name, Value: u.arguments()}
	t.think = u.thinkCall(uses)
	return t
}

// otherTask is a question that none of the functions is for: the model knows it itself, or has to refuse.
func otherTask(s source, uses []use) *task {
	var t *task
	var topic string
	sums := func(u use) bool { return u.about == "calculation" }
	if s.chance(0.5) && !slices.ContainsFunc(uses, sums) {
		t = pick(s, []func(source) *task{addTask, subtractTask, compareTask, syllogismTask, countTask, talkTask, divideTask, spellingTask, unitTask})(s)
		topic = cmp.Or(t.topic, map[string]string{"divide": "division", "spelling": "spelling", "units": "units", "add": "addition", "subtract": "subtraction", "compare": "comparison", "syllogism": "logic", "count": "counting"}[t.skill])
	} else {
		other := s.use(&toolbox[s.IntN(len(toolbox))])
		for sums(other) || slices.ContainsFunc(uses, func(u use) bool {
			return u.tool == other.tool || u.about == "clock" && other.about == "time" || u.about == "time" && other.about == "clock"
		}) {
			other = s.use(&toolbox[s.IntN(len(toolbox))])
		}
		t = refuse(s.casual(fill(pick(s, other.says), other.args)))
		t.think = func(effort) string { return "I do not know this." }
		topic = other.about
	}
	think := t.think
	t.skill, t.developer, t.uses = "call", functionsOf(s, uses), uses
	t.think = func(e effort) string {
		none := " So I call none. "
		if e == low {
			none = " so none. "
		}
		return judge(uses, topic, e) + none + think(e)
	}
	return t
}

func (u use) thinkCall(uses []use) func(e effort) string {
	return func(e effort) string {
		if e == low {
			return fmt.Sprintf("%s so %s with %s.", judge(uses, u.about, e), u.name, u.describeArgs())
		}
		said := fmt.Sprintf("%s So I call %s with %s.", judge(uses, u.about, e), u.name, u.describeArgs())
		if e == high {
			said += fmt.Sprintf(" Check: %s is about %s, with %s. I call it now.", u.name, u.about, u.describeArgs())
		}
		return said
	}
}

var assistant = harmony.Author{Role: harmony.Assistant}

func callHeader(name string) *harmony.Header {
	return &harmony.Header{Author: assistant, Recipient: "functions." + name, Channel: harmony.Commentary, ContentType: harmony.ConstrainJSON}
}

// exchange is a call and its result.
func (u use) exchange(result string) []harmony.Message {
	header := callHeader(u.name)
	return []harmony.Message{
		harmony.NewText(*header, u.arguments()),
		harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.Tool, Name: header.Recipient}, Recipient: "assistant", Channel: harmony.Commentary}, result),
	}
}

// round is an earlier turn with one of the functions: question, call, result and answer, without the reasoning.
func round(s source, uses []use) []harmony.Message {
	u := pick(s, uses).again(s)
	result, answer, _ := u.result(s, u.args)
	messages := append([]harmony.Message{userMessage(s.casual(fill(pick(s, u.says), u.args)))}, u.exchange(result)...)
	return append(messages, harmony.NewText(harmony.Header{Author: assistant, Channel: harmony.Final}, answer))
}

// resultTask is the answer after a function has been called.
func resultTask(s source) *task {
	uses, i := drawUses(s)
	u := uses[i]
	result, answer, short := u.result(s, u.args)
	if s.chance(0.08) {
		result = pick(s, []string{"error", `{"error": "not found"}`, "not found", `{"error":"timeout"}`})
		answer, short = "The function failed, so I can't tell.", "Error"
	}
	t := &task{skill: "result", uses: uses, user: s.casual(fill(pick(s, u.says), u.args)), developer: functionsOf(s, uses), final: answer, short: short, want: want{Kind: kindText, Value: answer}}
	if s.chance(0.8) { // a client may not send the reasoning back
		t.before = append(t.before, harmony.NewText(harmony.Header{Author: assistant, Channel: harmony.Analysis}, u.thinkCall(uses)(effort(s.IntN(3)))))
	}
	t.before = append(t.before, u.exchange(result)...)
	t.think = func(e effort) string {
		said := "The result: " + result + "."
		if e >= medium {
			said = fmt.Sprintf("%s was called with %s. ", u.name, u.describeArgs()) + said
		}
		if e == high {
			said += fmt.Sprintf(" Check: it is from %s. I can answer now.", u.name)
		}
		return said
	}
	return t
}

// field is a key of a JSON schema with the way people say its value.
type field struct {
	keys []string
	kind string
	draw func(s source) string
	says string
}

var fields = []field{
	{[]string{"name", "person", "first_name"}, "string", from(persons), "name: %s"},
	{[]string{"age", "years"}, "integer", upTo(99), "age: %s"},
	{[]string{"city", "location", "place"}, "string", from(cities), "city: %s"},
	{[]string{"color", "colour"}, "string", from([]string{"red", "green", "blue", "white", "black"}), "color: %s"},
	{[]string{"count", "quantity", "number"}, "integer", upTo(999), "count: %s"},
	{[]string{"price", "amount", "cost"}, "integer", upTo(999), "price: %s"},
	{[]string{"day", "weekday"}, "string", from(days), "day: %s"},
	{[]string{"item", "product", "thing"}, "string", from(things[:40]), "item: %s"},
	{[]string{"language"}, "string", from(languages), "language: %s"},
	{[]string{"animal", "pet"}, "string", from([]string{"cat", "dog", "horse", "bird", "fish", "mouse"}), "animal: %s"},
}

// sentences say several fields at once; the numbers are indices of fields.
var sentences = []struct {
	uses []int
	says []string
}{
	{[]int{0, 1}, []string{"%s is %s years old.", "%s is %s.", "My name is %s and I am %s years old.", "I am %s, %s years old."}},
	{[]int{0, 1, 2}, []string{"%s is %s years old and lives in %s.", "%s, %s, from %s.", "My name is %s, I am %s and I live in %s.", "I am %s, %s years old, from %s."}},
	{[]int{0, 2}, []string{"%s lives in %s.", "%s comes from %s.", "My name is %s and I live in %s.", "I am %s from %s."}},
	{[]int{7, 5}, []string{"The %s costs %s dollars.", "One %s is %s dollars.", "A %s for %s."}},
	{[]int{4, 7}, []string{"I want %s of the %s.", "Order %s pieces: %s.", "%s times the %s."}},
	{[]int{3, 7}, []string{"I have a %s %s.", "The %s %s is here.", "A %s %s."}},
	{[]int{0, 9}, []string{"%s has a %s.", "%s owns a %s."}},
	{[]int{0, 8}, []string{"%s speaks %s.", "%s learns %s."}},
	{[]int{0, 2, 6}, []string{"%s flies to %s on %s.", "%s will be in %s on %s."}},
	{[]int{3, 7, 5}, []string{"The %s %s costs %s dollars.", "A %s %s for %s dollars."}},
}

// jsonTask asks for an answer that fits a schema.
func jsonTask(s source) *task {
	var use []int
	var user string
	values := map[int]string{}
	if s.chance(0.6) {
		sentence := pick(s, sentences)
		use = sentence.uses
		var args []any
		for _, f := range use {
			values[f] = fields[f].draw(s)
			args = append(args, values[f])
		}
		user = fmt.Sprintf(pick(s, sentence.says), args...)
	} else {
		use = s.Perm(len(fields))[:s.between(1, 4)]
		var parts []string
		for _, f := range use {
			values[f] = fields[f].draw(s)
			parts = append(parts, fmt.Sprintf(fields[f].says, values[f]))
		}
		user = strings.Join(parts, ", ")
	}
	if s.chance(0.4) {
		user = pick(s, []string{"Extract the data: ", "As JSON: ", "Extract: ", "Fill in: ", "Put this into JSON: "}) + user
	}
	// The schema has its own order and may leave fields out.
	order := s.Perm(len(use))
	if len(use) > 1 && s.chance(0.25) {
		order = order[1:]
	}
	var properties, required, pairs, said []string
	for _, i := range order {
		f := fields[use[i]]
		key := pick(s, f.keys)
		v := values[use[i]]
		said = append(said, key+" "+v)
		if f.kind == "string" {
			v = quote(v)
		}
		properties = append(properties, fmt.Sprintf(`%q:{"type":%q}`, key, f.kind))
		required = append(required, quote(key))
		pairs = append(pairs, fmt.Sprintf(`%q:%s`, key, v))
	}
	schema := fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s]`, strings.Join(properties, ","), strings.Join(required, ","))
	if s.chance(0.4) {
		schema += `,"additionalProperties":false`
	}
	d := &harmony.DeveloperContent{ResponseFormats: []harmony.ResponseFormat{{Name: pick(s, []string{"answer", "person", "data", "response", "result", "output", "response_format"}), Schema: json.RawMessage(schema + "}")}}}
	if s.chance(0.4) {
		d.Instructions = new(pick(s, append([]string{"Extract the data.", "Answer in JSON.", "Extract the data as JSON."}, neutral...)))
	}
	final := "{" + strings.Join(pairs, ",") + "}"
	return &task{skill: "json", user: user, developer: d, final: final, short: final, want: want{Kind: kindJSON, Value: final}, think: func(e effort) string {
		keys := strings.Join(said, ", ")
		switch e {
		case low:
			return "Keys: " + keys + "."
		case medium:
			return "The schema decides. I take each key from the text: " + keys + "."
		}
		return "The schema decides. I take each key from the text: " + keys + ". Check: " + keys + ". All keys are there, so I write the JSON."
	}}
}
