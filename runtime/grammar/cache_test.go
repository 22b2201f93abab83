package grammar

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestCacheSharesGrammars(t *testing.T) {
	c := NewCache(bytesAnd())
	get := func(s Source, o Options) *Grammar {
		t.Helper()
		g, err := c.Compile(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	schema := Source{JSONSchema: []byte(person)}
	first := get(schema, Options{})
	if get(Source{JSONSchema: []byte(person)}, Options{}) != first {
		t.Error("the same source is compiled twice")
	}
	for _, other := range []*Grammar{get(schema, Options{Whitespace: Python}), get(schema, Options{Lenient: true}), get(schema, Options{Order: AnyOrder}),
		get(Source{JSONSchema: []byte(person + " ")}, Options{}),
		get(Source{Choice: []string{"ab", "c"}}, Options{}), get(Source{Choice: []string{"a", "bc"}}, Options{}), get(Source{Regex: "abc"}, Options{})} {
		if other == first {
			t.Error("another source has the same grammar")
		}
		first = other
	}
	_, err := c.Compile(t.Context(), Source{Regex: "("}, Options{})
	_, again := c.Compile(t.Context(), Source{Regex: "("}, Options{})
	if err == nil || again != err {
		t.Errorf("%v, and then %v", err, again)
	}
}

func TestCacheForgetsTheOldest(t *testing.T) {
	c := NewCache(bytesAnd())
	get := func(i int) *Grammar {
		g, err := c.Compile(t.Context(), Source{Regex: fmt.Sprint("x", i)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	first, second := get(0), get(1)
	for i := 2; i < maxCached; i++ {
		get(i)
	}
	if get(0) != first {
		t.Error("forgotten too soon")
	}
	get(maxCached)
	if get(0) != first {
		t.Error("what was used last is forgotten")
	}
	if get(1) == second {
		t.Error("more are kept than should be")
	}

	// By bytes: the tables of a grammar grow in use.
	g := get(0)
	m := g.NewMatcher()
	m.Mask(0)
	if g.bytes() <= 0 {
		t.Fatal("no bytes")
	}
	c.bytes = g.bytes()
	last := get(-1)
	if len(c.entries) > 2 || get(-1) != last {
		t.Errorf("%d are kept", len(c.entries))
	}
}

// Requests at the same time compile once; one that is given up does not fail the others.
func TestCacheAtOnce(t *testing.T) {
	c := NewCache(bytesAnd())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	grammars := make([]*Grammar, 16)
	for i := range grammars {
		wg.Go(func() {
			if i%4 == 0 {
				g, err := c.Compile(ended, Source{JSONSchema: []byte(person)}, Options{})
				if err != nil && !errors.Is(err, context.Canceled) || err == nil && g == nil {
					t.Errorf("%v", err)
				}
			}
			g, err := c.Compile(t.Context(), Source{JSONSchema: []byte(person)}, Options{})
			if err != nil {
				t.Error(err)
			}
			grammars[i] = g
		})
	}
	wg.Wait()
	for _, g := range grammars {
		if g != grammars[0] {
			t.Error("compiled more than once")
		}
	}
}
