package server_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// scrape reads the metrics as endpoint pickers do.
func scrape(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	return parser.TextToMetricFamilies(response.Body)
}

func mustScrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := scrape(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value is that of the series with the labels, "name=value" each, of a family. Of a histogram it is the count.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		var has []string
		for _, l := range m.GetLabel() {
			has = append(has, l.GetName()+"="+l.GetValue())
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
			continue
		}
		switch families[name].GetType() {
		case dto.MetricType_COUNTER:
			return m.GetCounter().GetValue()
		case dto.MetricType_HISTOGRAM:
			return float64(m.GetHistogram().GetSampleCount())
		}
		return m.GetGauge().GetValue()
	}
	t.Errorf("there is no series of %s with %v", name, labels)
	return -1
}

func TestMetrics(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{MaxSequences: 1, MaxQueue: 1}, 100*time.Millisecond)
	post := url + "/v1/chat/completions"
	do(t, "POST", post, body("hi", ""))
	do(t, "POST", post, body("hi", `,"stream":true`))
	do(t, "POST", post, body("hi", `,"max_tokens":3`))
	do(t, "POST", post, body("weather", `,"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`))
	do(t, "POST", post, body("fails", ""))
	do(t, "POST", post, "{")
	do(t, "GET", url+"/nowhere", "")
	running, _ := open(t, url, "never")
	families := mustScrape(t, url)

	gauges := []string{
		"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "vllm:cache_config_info", "vllm:lora_requests_info",
		"gossamer_replies_running", "gossamer_replies_waiting", "gossamer_tokens_waiting", "gossamer_texts_parked", "gossamer_pages", "gossamer_pages_free", "gossamer_pages_used",
	}
	counters := []string{
		"vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:request_success_total", "vllm:num_preemptions_total",
		"vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total",
		"gossamer_prompt_tokens_total", "gossamer_cached_tokens_total", "gossamer_generated_tokens_total", "gossamer_preemptions_total",
		"gossamer_replies_total", "gossamer_http_requests_total",
	}
	histograms := []string{
		"vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds", "vllm:e2e_request_latency_seconds", "vllm:request_queue_time_seconds",
		"gossamer_time_to_first_token_seconds", "gossamer_inter_token_seconds", "gossamer_reply_seconds", "gossamer_queue_seconds",
	}
	for kind, names := range map[dto.MetricType][]string{
		dto.MetricType_GAUGE: gauges, dto.MetricType_COUNTER: counters, dto.MetricType_HISTOGRAM: histograms,
	} {
		for _, name := range names {
			if f := families[name]; f.GetType() != kind || f.GetHelp() == "" {
				t.Errorf("%s is %v (%q), want %v and a text", name, f.GetType(), f.GetHelp(), kind)
			}
		}
	}
	if n := len(gauges) + len(counters) + len(histograms); len(families) != n {
		t.Errorf("%d families, want the %d of this test: %v", len(families), n, slices.Sorted(maps.Keys(families)))
	}
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"vllm:num_requests_running", []string{"engine=0", "model_name=gpt-oss-20b"}, 1},
		{"vllm:num_requests_waiting", nil, 0},
		{"vllm:cache_config_info", []string{"block_size=128", "num_gpu_blocks=0"}, 1},
		{"vllm:request_success_total", []string{"finished_reason=stop", "engine=0", "model_name=gpt-oss-20b"}, 3},
		{"vllm:request_success_total", []string{"finished_reason=length"}, 1},
		{"vllm:request_success_total", []string{"finished_reason=abort"}, 0},
		{"gossamer_replies_total", []string{"finish=tool_calls", "model_name=gpt-oss-20b"}, 1},
		{"gossamer_replies_total", []string{"finish=error"}, 1},
		{"vllm:time_to_first_token_seconds", []string{"engine=0", "model_name=gpt-oss-20b"}, 4},
		{"gossamer_time_to_first_token_seconds", []string{"model_name=gpt-oss-20b"}, 4},
		{"vllm:e2e_request_latency_seconds", nil, 4},
		{"vllm:request_queue_time_seconds", nil, 4},
		{"gossamer_http_requests_total", []string{"route=/v1/chat/completions", "code=200"}, 4},
		{"gossamer_http_requests_total", []string{"route=/v1/chat/completions", "code=400"}, 1},
		{"gossamer_http_requests_total", []string{"route=/v1/chat/completions", "code=500"}, 1},
		{"gossamer_http_requests_total", []string{"route=/", "code=404"}, 1},
	} {
		want := tt.want
		if strings.HasSuffix(tt.name, "first_token_seconds") {
			want++ // the one that is running
		}
		if got := value(t, families, tt.name, tt.labels...); got != want {
			t.Errorf("%s %v is %v, want %v", tt.name, tt.labels, got, want)
		}
	}
	prompts, hits := value(t, families, "vllm:prompt_tokens_total"), value(t, families, "vllm:prefix_cache_hits_total")
	if queries := value(t, families, "vllm:prefix_cache_queries_total"); prompts != queries || hits < 1 || hits >= queries {
		t.Errorf("%v tokens of prompts, of %v looked for %v were found; want as many, and some found", prompts, queries, hits)
	}
	if n := value(t, families, "vllm:inter_token_latency_seconds"); n < 8 {
		t.Errorf("%v times between tokens, want those of four replies", n)
	}

	running.Body.Close()
	for value(t, mustScrape(t, url), "vllm:request_success_total", "finished_reason=abort") != 1 { // once the server hears of it
	}
}

// Replies are counted whichever API they are asked by.
func TestMetricsOfAllAPIs(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	for i, tt := range []struct{ path, request string }{
		{"/v1/chat/completions", body("hi", "")},
		{"/v1/responses", `{"input":"hi"}`},
		{"/v1/responses", `{"input":"hi","stream":true}`},
		{"/v1/completions", `{"prompt":"hi","max_tokens":5}`},
	} {
		if r, answer := do(t, "POST", url+tt.path, tt.request); r.StatusCode != 200 {
			t.Fatalf("%s: %d %q", tt.path, r.StatusCode, answer)
		}
		if got := value(t, mustScrape(t, url), "vllm:e2e_request_latency_seconds"); got != float64(i+1) {
			t.Errorf("%v replies after %d with %s", got, i+1, tt.path)
		}
	}
}

// Endpoint pickers take the first series of a family: it has to tell of all models.
func TestMetricsOfSeveralModels(t *testing.T) {
	engines := []server.Engine{play(t, plays, gossamer.Options{}), play(t, plays, gossamer.Options{})}
	url, _ := serve(t, server.Options{Models: []server.Model{
		{Name: "a", Engine: engines[0], Context: 40000}, {Name: "b", Engine: engines[1], Context: 40000},
	}}, 100*time.Millisecond)
	for _, m := range []string{"a", "b", "b"} {
		openBody(t, url, body("never", `,"stream":true,"model":"`+m+`"`))
	}
	families := mustScrape(t, url)
	for name, f := range families {
		if f.GetType() == dto.MetricType_GAUGE && strings.HasPrefix(name, "vllm:") && len(f.GetMetric()) != 1 {
			t.Errorf("%s has %d series, want 1", name, len(f.GetMetric()))
		}
	}
	for _, tt := range []struct {
		name, model string
		want        float64
	}{
		{"vllm:num_requests_running", "a", 3}, {"gossamer_replies_running", "a", 1}, {"gossamer_replies_running", "b", 2},
		{"vllm:time_to_first_token_seconds", "a", 1}, {"vllm:time_to_first_token_seconds", "b", 2},
	} {
		if got := value(t, families, tt.name, "model_name="+tt.model); got != tt.want {
			t.Errorf("%s of %s is %v, want %v", tt.name, tt.model, got, tt.want)
		}
	}
}

func TestWhoReadsMetrics(t *testing.T) {
	for _, tt := range []struct {
		open bool
		key  string
		want int
	}{{false, "", 401}, {false, "secret", 200}, {true, "", 200}} {
		url, _ := start(t, server.Options{Keys: []server.Key{{"ann", "secret"}}, OpenMetrics: tt.open}, gossamer.Options{}, time.Second)
		if r, _ := do(t, "GET", url+"/metrics", "", "Authorization: Bearer "+tt.key); r.StatusCode != tt.want {
			t.Errorf("open %v, key %q: status %d, want %d", tt.open, tt.key, r.StatusCode, tt.want)
		}
		if r, _ := do(t, "GET", url+"/v1/models", "", "Authorization: Bearer "+tt.key); (r.StatusCode == 200) != (tt.key != "") {
			t.Errorf("open %v, key %q: the models have status %d", tt.open, tt.key, r.StatusCode)
		}
	}
}

// Four scrapers read whole and growing metrics beside replies, of which none is disturbed.
func TestScrapersBesideLoad(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	ctx, stop := context.WithCancel(t.Context())
	var scrapers, clients sync.WaitGroup
	for range 4 {
		scrapers.Go(func() {
			last := 0.0
			for ctx.Err() == nil {
				families, err := scrape(context.WithoutCancel(ctx), url)
				if err != nil {
					t.Error(err)
					return
				}
				now := value(t, families, "vllm:generation_tokens_total")
				if now < last {
					t.Errorf("%v tokens after %v", now, last)
				}
				last = now
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	const replies = 100
	for c := range 4 {
		clients.Go(func() {
			for n := range replies / 4 {
				text := fmt.Sprintf("number %d of %d", n, c)
				r, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body(text, "")))
				if err != nil {
					t.Error(err)
					return
				}
				answer, err := io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || !strings.Contains(string(answer), "You said: "+text+`"`) {
					t.Errorf("%q, %v", answer, err)
				}
			}
		})
	}
	clients.Wait()
	stop()
	scrapers.Wait()
	if got := value(t, mustScrape(t, url), "vllm:request_success_total", "finished_reason=stop"); got != replies {
		t.Errorf("%v replies, want %d", got, replies)
	}
}

// BenchmarkScrapes tells what four scrapers, each of which scrapes every 50 ms, wait for, and what eight clients beside them do, whose
// replies take 0.4 s: in turns of two seconds with the scrapers and without.
func BenchmarkScrapes(b *testing.B) {
	url, _ := start(b, server.Options{}, gossamer.Options{MaxSequences: 8}, time.Second)
	var mu sync.Mutex
	var scrapes []time.Duration
	requests := map[bool][]time.Duration{}
	whole := func(r *http.Response, err error) {
		if err != nil {
			b.Error(err)
			return
		}
		defer r.Body.Close()
		if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != http.StatusOK {
			b.Error(r.Status, err)
		}
	}
	timed := func(to *[]time.Duration, f func()) {
		begin := time.Now()
		f()
		took := time.Since(begin)
		mu.Lock()
		*to = append(*to, took)
		mu.Unlock()
	}
	round := func(scraped bool) {
		ctx, stop := context.WithTimeout(b.Context(), 2*time.Second)
		defer stop()
		took := requests[scraped]
		var all sync.WaitGroup
		for range map[bool]int{true: 4}[scraped] {
			all.Go(func() {
				for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-tick.C {
					timed(&scrapes, func() { whole(http.Get(url + "/metrics")) })
				}
			})
		}
		for range 8 {
			all.Go(func() {
				for ctx.Err() == nil {
					timed(&took, func() {
						whole(http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body("slow", ""))))
					})
				}
			})
		}
		all.Wait()
		requests[scraped] = took
	}
	for b.Loop() {
		round(false)
		round(true)
	}
	quantile := func(of []time.Duration, q float64) float64 {
		slices.Sort(of)
		return float64(of[int(q*float64(len(of)-1))]) / 1e6
	}
	b.ReportMetric(quantile(scrapes, 0.5), "ms/scrape-p50")
	b.ReportMetric(quantile(scrapes, 0.99), "ms/scrape-p99")
	for scraped, name := range map[bool]string{false: "alone", true: "scraped"} {
		b.ReportMetric(quantile(requests[scraped], 0.5), "ms/request-"+name+"-p50")
		b.ReportMetric(quantile(requests[scraped], 0.99), "ms/request-"+name+"-p99")
	}
}
