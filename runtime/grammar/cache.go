package grammar

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
)

const (
	maxCached      = 256       // grammars: those of the functions of several requests
	maxCachedBytes = 128 << 20 // of their tables and masks, which grow in use
	cellBytes      = 60
)

// Cache keeps what was compiled for as long as it is used: requests with the same source and options share a grammar, and so its tables
// and masks. What fails is kept, too. A Cache is safe for concurrent use, and requests for the same at the same time compile it once.
type Cache struct {
	vocab *Vocabulary
	bytes int64 // maxCachedBytes

	mu      sync.Mutex
	entries map[cacheKey]*cached
	uses    uint64
}

type cacheKey [sha256.Size]byte

type cached struct {
	done chan struct{} // closed when the rest is there
	g    *Grammar
	err  error
	used uint64 // a count of uses: the least is the longest ago
}

// NewCache returns an empty cache of grammars of a vocabulary.
func NewCache(v *Vocabulary) *Cache {
	return &Cache{vocab: v, bytes: maxCachedBytes, entries: map[cacheKey]*cached{}}
}

// Compile is Vocabulary.Compile, once for each source and options. It ends with ctx, also where it waits for another request.
func (c *Cache) Compile(ctx context.Context, s Source, o Options) (*Grammar, error) {
	key := keyOf(s, o)
	for {
		c.mu.Lock()
		e := c.entries[key]
		mine := e == nil
		if mine {
			e = &cached{done: make(chan struct{})}
			c.entries[key] = e
		}
		c.uses++
		e.used = c.uses
		c.mu.Unlock()
		if mine {
			c.fill(ctx, key, e, s, o)
			return e.g, e.err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.done:
		}
		if !stopped(e.err) {
			return e.g, e.err
		}
		// The request that compiled it was given up: the next one tries again.
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// fill compiles for an entry. An entry that came to no end is taken out again.
func (c *Cache) fill(ctx context.Context, key cacheKey, e *cached, s Source, o Options) {
	e.err = context.Canceled // if Compile panics
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(e.done)
		if stopped(e.err) {
			delete(c.entries, key)
		}
		c.shrink(e)
	}()
	e.g, e.err = c.vocab.Compile(ctx, s, o)
}

func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// shrink takes out what was not used for the longest time until the rest is within the bounds; never kept, nor what is being compiled.
func (c *Cache) shrink(kept *cached) {
	for {
		var oldest *cached
		var at cacheKey
		total, n := int64(0), 0
		for key, e := range c.entries {
			select {
			case <-e.done:
			default:
				continue
			}
			n++
			if e.g != nil {
				total += e.g.bytes()
			}
			if e != kept && (oldest == nil || e.used < oldest.used) {
				oldest, at = e, key
			}
		}
		if oldest == nil || n <= maxCached && total <= c.bytes {
			return
		}
		delete(c.entries, at)
	}
}

// keyOf is the same for the same source and options.
func keyOf(s Source, o Options) (key cacheKey) {
	h := sha256.New()
	number := func(n int) { h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n))) }
	flag := func(set bool) {
		if set {
			number(1)
		} else {
			number(0)
		}
	}
	texts := append([]string{string(s.JSONSchema), s.Regex, s.EBNF}, s.Choice...)
	flag(s.JSONObject)
	flag(s.JSONSchema != nil)
	flag(s.Choice != nil)
	flag(o.Lenient)
	for _, n := range []int{int(o.Whitespace), int(o.Order), o.Limits.Bytes, o.Limits.Cells, len(texts)} {
		number(n)
	}
	for _, t := range texts {
		number(len(t))
		h.Write([]byte(t))
	}
	h.Sum(key[:0])
	return key
}
