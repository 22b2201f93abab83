package grammar

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Where every mask fills the tables, and no more tokens are left than the end needs, there is a token for each place all the same.
func TestFullTablesKnowTheEnd(t *testing.T) {
	var one []string
	for _, c := range "abcde" {
		one = append(one, fmt.Sprintf(`{"type":"string","pattern":"^.*%c.*$"}`, c))
	}
	schema := `{"oneOf":[` + strings.Join(one, ",") + `]}`
	source, v := Source{JSONSchema: json.RawMessage(schema)}, bytesAnd("ab", "xx", "aaa")
	cells := compile(t, v, source, Options{}).base.cells
	g := compile(t, v, source, Options{Limits: Limits{Cells: cells + 100}})
	random := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		m := g.NewMatcher()
		for left := m.Distance() + random.IntN(6); !m.Accepting(); left = max(left-1, 1) {
			var ids []int32
			for id, mask := int32(0), m.Mask(left); int(id) < v.ids; id++ {
				if mask.Bits[id/32]>>(id%32)&1 != 0 {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				t.Fatalf("no token, %d are left", left)
			}
			if id := ids[random.IntN(len(ids))]; !m.Accept(id) {
				t.Fatalf("the token %d of the mask is refused, %d are left", id, left)
			}
		}
	}
}
