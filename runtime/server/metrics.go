package server

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"gossamer/runtime/engine"
)

// metrics are what GET /metrics tells: what the engines publish once a step, which is read without waiting for them, and what is counted
// here. Most of it is there twice: by names of its own, and by those of vLLM, which endpoint pickers, dashboards and autoscalers read.
type metrics struct {
	handler  http.Handler
	requests *prometheus.CounterVec
}

func newMetrics(h *Handler) *metrics {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gossamer_http_requests_total", Help: "Answers by route and status.",
	}, []string{"route", "code"})}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.requests, newCollector(h))
	// Whoever scrapes often, as endpoint pickers do, sits near: it costs more to compress than to send.
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
	return m
}

// scrape answers GET /metrics.
func (m *metrics) scrape(w http.ResponseWriter, r *http.Request) error {
	m.handler.ServeHTTP(w, r)
	return nil
}

// answered counts an answer. The route is "" for a path without one.
func (m *metrics) answered(route string, status int) {
	m.requests.WithLabelValues(cmp.Or(route, "none"), strconv.Itoa(status)).Inc()
}

// family is a number that engines publish. As a gauge it has one series by vLLM's name, the sum over the models: endpoint pickers take
// the first series that they find.
type family struct {
	kind       prometheus.ValueType
	own, alias *prometheus.Desc // either may be nil
	value      func(*engine.Load) float64
}

// collector reads the metrics of all models.
type collector struct {
	h         *Handler
	families  []family
	ended     *prometheus.Desc
	succeeded *prometheus.Desc // vLLM's
	cache     *prometheus.Desc // the same
	adapters  *prometheus.Desc // the same
	times     []timing
}

// timing is a histogram of each model.
type timing struct {
	own, alias *prometheus.Desc
	of         func(*tally) prometheus.Histogram
}

// Labels of a model, and of what a model says by vLLM's names.
func ownDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gossamer_"+name, help, append([]string{"model_name"}, labels...), nil)
}

func aliasDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("vllm:"+name, help, append([]string{"engine", "model_name"}, labels...), nil)
}

func newCollector(h *Handler) *collector {
	c := &collector{
		h:         h,
		ended:     ownDesc("replies_total", "Replies that ended, by how they did.", "finish"),
		succeeded: aliasDesc("request_success_total", "Replies that ended, by how they did.", "finished_reason"),
		cache:     aliasDesc("cache_config_info", "The memory for keys and values.", "block_size", "num_gpu_blocks"),
		adapters: prometheus.NewDesc("vllm:lora_requests_info", "There are no adapters.",
			[]string{"max_lora", "running_lora_adapters", "waiting_lora_adapters"}, nil),
	}
	add := func(kind prometheus.ValueType, own, alias, help string, value func(*engine.Load) float64) {
		f := family{kind: kind, value: value}
		if own != "" {
			f.own = ownDesc(own, help)
		}
		if alias != "" {
			f.alias = aliasDesc(alias, help)
		}
		c.families = append(c.families, f)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "replies_running", "num_requests_running", "Replies being computed.", func(l *engine.Load) float64 { return float64(l.Running) })
	add(gauge, "replies_waiting", "num_requests_waiting", "Replies in the queue.", func(l *engine.Load) float64 { return float64(l.Waiting) })
	add(gauge, "tokens_waiting", "", "Tokens of the prompts in the queue.", func(l *engine.Load) float64 { return float64(l.Queued) })
	add(gauge, "texts_parked", "", "Texts kept for their next turn.", func(l *engine.Load) float64 { return float64(l.Parked) })
	add(gauge, "pages", "", "Pages for keys and values; 0: no bound.", func(l *engine.Load) float64 { return float64(l.Pages) })
	add(gauge, "pages_free", "", "Pages that hold nothing.", func(l *engine.Load) float64 { return float64(l.FreePages) })
	add(gauge, "pages_used", "", "Pages of replies being computed.", func(l *engine.Load) float64 { return float64(l.UsedPages) })
	add(gauge, "", "kv_cache_usage_perc", "Share of the pages that replies use, 0 to 1.", func(l *engine.Load) float64 {
		return float64(l.UsedPages) / float64(max(l.Pages, 1))
	})
	add(counter, "prompt_tokens_total", "prompt_tokens_total", "Tokens of prompts.", func(l *engine.Load) float64 { return float64(l.PromptTokens) })
	add(counter, "", "prefix_cache_queries_total", "Tokens of prompts.", func(l *engine.Load) float64 { return float64(l.PromptTokens) })
	add(counter, "cached_tokens_total", "prefix_cache_hits_total", "Tokens of prompts that were in memory.",
		func(l *engine.Load) float64 { return float64(l.CachedTokens) })
	add(counter, "generated_tokens_total", "generation_tokens_total", "Tokens of replies.",
		func(l *engine.Load) float64 { return float64(l.GeneratedTokens) })
	add(counter, "preemptions_total", "num_preemptions_total", "Replies that were put aside for lack of memory.",
		func(l *engine.Load) float64 { return float64(l.Preemptions) })
	c.addTimes()
	return c
}

func (c *collector) addTimes() {
	add := func(name, alias, help string, of func(*tally) prometheus.Histogram) {
		c.times = append(c.times, timing{ownDesc(name, help), aliasDesc(alias, help), of})
	}
	add("time_to_first_token_seconds", "time_to_first_token_seconds", "From the request to the first part of the reply.",
		func(t *tally) prometheus.Histogram { return t.firstToken })
	add("inter_token_seconds", "inter_token_latency_seconds", "From one part of a reply, mostly a token, to the next.",
		func(t *tally) prometheus.Histogram { return t.interval })
	add("reply_seconds", "e2e_request_latency_seconds", "From the request to the end of the reply.",
		func(t *tally) prometheus.Histogram { return t.whole })
	add("queue_seconds", "request_queue_time_seconds", "In the queue.", func(t *tally) prometheus.Histogram { return t.queued })
}

// Describe names the families.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.families {
		for _, d := range []*prometheus.Desc{f.own, f.alias} {
			if d != nil {
				out <- d
			}
		}
	}
	for _, t := range c.times {
		out <- t.own
		out <- t.alias
	}
	for _, d := range []*prometheus.Desc{c.ended, c.succeeded, c.cache, c.adapters} {
		out <- d
	}
}

// engineLabel is vLLM's label "engine", which counts the engines behind one name.
const engineLabel = "0"

// Collect reads all of it.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	constant := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	var total engine.Load
	models := c.h.options.Models
	loaded := c.h.loading.Load() == 0
	for i := range models {
		name, tally := models[i].Name, models[i].tally
		var load engine.Load
		if loaded {
			load = models[i].Engine.Load()
		}
		sum(&total, &load)
		for _, f := range c.families {
			if f.own != nil {
				constant(f.own, f.kind, f.value(&load), name)
			}
			if f.alias != nil && f.kind == prometheus.CounterValue {
				constant(f.alias, f.kind, f.value(&load), engineLabel, name)
			}
		}
		for _, t := range c.times {
			h := t.of(tally)
			out <- named{h, t.own, []string{"model_name", name}}
			out <- named{h, t.alias, []string{"engine", engineLabel, "model_name", name}}
		}
		c.ends(constant, tally, name)
	}
	first := models[0].Name
	for _, f := range c.families {
		if f.alias != nil && f.kind == prometheus.GaugeValue {
			constant(f.alias, f.kind, f.value(&total), engineLabel, first)
		}
	}
	// Prefixes are compared in blocks by those who read this; without pages any size is as good.
	block := strconv.Itoa(cmp.Or(total.PageTokens, 128))
	constant(c.cache, prometheus.GaugeValue, 1, engineLabel, first, block, strconv.Itoa(total.Pages))
	constant(c.adapters, prometheus.GaugeValue, float64(c.h.options.Clock().Unix()), "0", "", "")
}

// ends tells how a model's replies ended.
func (c *collector) ends(constant func(*prometheus.Desc, prometheus.ValueType, float64, ...string), t *tally, name string) {
	var n [outcomes]float64
	for o := range outcomes {
		n[o] = float64(t.ended[o].Load())
		constant(c.ended, prometheus.CounterValue, n[o], name, o.String())
	}
	constant(c.succeeded, prometheus.CounterValue, n[outcomeStop]+n[outcomeToolCalls], engineLabel, name, "stop")
	constant(c.succeeded, prometheus.CounterValue, n[outcomeLength], engineLabel, name, "length")
	constant(c.succeeded, prometheus.CounterValue, n[outcomeCancelled], engineLabel, name, "abort")
}

// sum adds what vLLM's gauges tell of all models together.
func sum(total, l *engine.Load) {
	total.Running += l.Running
	total.Waiting += l.Waiting
	total.Pages += l.Pages
	total.UsedPages += l.UsedPages
	total.PageTokens = max(total.PageTokens, l.PageTokens)
}

// named is a metric by another name, with labels: names and values in turn.
type named struct {
	prometheus.Metric
	desc   *prometheus.Desc
	labels []string
}

// Desc is that of the name.
func (m named) Desc() *prometheus.Desc { return m.desc }

// Write encodes the metric.
func (m named) Write(out *dto.Metric) error {
	if err := m.Metric.Write(out); err != nil {
		return err
	}
	for i := 0; i < len(m.labels); i += 2 {
		out.Label = append(out.Label, &dto.LabelPair{Name: &m.labels[i], Value: &m.labels[i+1]})
	}
	return nil
}
