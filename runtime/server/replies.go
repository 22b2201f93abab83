package server

import (
	"container/list"
	"context"
	"encoding/json"
	"sync"
	"time"

	"gossamer/runtime/responses"
)

// replies keeps responses in memory, those that were used last, so that clients can ask for them and continue them.
type replies struct {
	ttl      time.Duration
	maxBytes int64
	clock    func() time.Time

	mu      sync.Mutex
	byID    map[string]*list.Element // of order
	items   map[string]*list.Element // by the id of an output item
	order   *list.List               // of *keptReply, the one that was used last in front
	bytes   int64
	running map[string]runningReply
}

// keptReply is a response and what it answers.
type keptReply struct {
	key      string // whose it is
	response *responses.Response
	input    []responses.Item // of its request
	history  []responses.Item // the whole conversation
	bytes    int64            // of all of it
	used     time.Time
}

// runningReply is a response that is not complete yet.
type runningReply struct {
	key    string
	cancel context.CancelCauseFunc
}

func newReplies(ttl time.Duration, maxBytes int64, clock func() time.Time) *replies {
	return &replies{
		ttl: ttl, maxBytes: maxBytes, clock: clock,
		byID: map[string]*list.Element{}, items: map[string]*list.Element{}, order: list.New(), running: map[string]runningReply{},
	}
}

// put keeps a response, and forgets the oldest ones where they are too many bytes.
func (s *replies) put(k *keptReply) {
	k.bytes = size(k.response) + size(k.input) + size(k.history) + int64(len(k.input)+len(k.history))*itemBytes
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.bytes > s.maxBytes {
		return
	}
	k.used = s.clock()
	e := s.order.PushFront(k)
	s.byID[k.response.ID] = e
	for _, i := range k.response.Output {
		s.items[i.ID] = e
	}
	s.bytes += k.bytes
	s.clean()
}

// itemBytes is about what an item takes in memory beside its text. The items of a conversation are in the history of each of its responses,
// and their texts may be in no other one that is left.
const itemBytes = 256

// size is about what the text of a value takes in memory.
func size(v any) int64 {
	data, err := json.Marshal(v)
	if err != nil {
		return 0 // it was sent as JSON already
	}
	return int64(len(data))
}

func (s *replies) clean() {
	for e := s.order.Back(); e != nil && (s.bytes > s.maxBytes || s.clock().Sub(e.Value.(*keptReply).used) > s.ttl); e = s.order.Back() {
		s.remove(e)
	}
}

func (s *replies) remove(e *list.Element) {
	k := s.order.Remove(e).(*keptReply)
	s.bytes -= k.bytes
	delete(s.byID, k.response.ID)
	for _, i := range k.response.Output {
		delete(s.items, i.ID)
	}
}

// get returns a response of a key; nil if there is none.
func (s *replies) get(id, key string) *keptReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.use(s.byID[id], key)
}

func (s *replies) use(e *list.Element, key string) *keptReply {
	s.clean()
	if e == nil || e.Value.(*keptReply).key != key || e.Value.(*keptReply).response == nil {
		return nil
	}
	k := e.Value.(*keptReply)
	if s.clock().Sub(k.used) > s.ttl {
		return nil // clean has removed it
	}
	k.used = s.clock()
	s.order.MoveToFront(e)
	return k
}

// item returns an item of an output.
func (s *replies) item(id, key string) (responses.Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.use(s.items[id], key); k != nil {
		for _, i := range k.response.Output {
			if i.ID == id {
				return i, true
			}
		}
	}
	return responses.Item{}, false
}

// forget removes a response, and reports whether it was there.
func (s *replies) forget(id, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if s.use(e, key) == nil {
		return false
	}
	s.remove(e)
	return true
}

// run notes a response that is being made, until ended is called.
func (s *replies) run(id, key string, cancel context.CancelCauseFunc) (ended func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[id] = runningReply{key, cancel}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, id)
	}
}

// isRunning reports whether a response of a key is being made.
func (s *replies) isRunning(id, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.running[id]
	return ok && r.key == key
}

// stop ends a response that is being made, and reports whether there is one.
func (s *replies) stop(id, key string, why error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.running[id]
	if ok = ok && r.key == key; ok {
		r.cancel(why)
	}
	return ok
}
