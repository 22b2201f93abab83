package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/testenv"
)

// safetensors puts a header before dataBytes zeros.
func safetensors(header string, dataBytes int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	return append(b, make([]byte, dataBytes)...)
}

// entriesOf reads the header of a file.
func entriesOf(file []byte) ([]entry, error) {
	entries, _, err := readHeader(bytes.NewReader(file), int64(len(file)), maxHeaderBytes)
	return entries, err
}

func TestReadHeader(t *testing.T) {
	file := safetensors(`{"__metadata__":{"format":"pt"},`+
		`"b":{"dtype":"U8","shape":[2,0,3],"data_offsets":[12,12]},`+
		`"c":{"dtype":"X4","shape":[7],"data_offsets":[16,19]},`+
		`"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},`+
		`"s":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}   `, 19)
	got, err := entriesOf(file)
	if err != nil {
		t.Fatal(err)
	}
	start := int64(len(file) - 19)
	want := []entry{
		{"a", "BF16", []int64{2, 3}, start, 12},
		{"b", "U8", []int64{2, 0, 3}, start + 12, 0},
		{"s", "F32", []int64{}, start + 12, 4},
		{"c", "X4", []int64{7}, start + 16, 3},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestReadHeaderErrors(t *testing.T) {
	const damaged = ": this is not a safetensors file or it is damaged"
	many := make([]string, maxTensors+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
	}
	one := func(entry string) []byte { return safetensors(`{"a":`+entry+`}`, 4) }
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"Empty", nil, "the file has 0 bytes, a safetensors file has at least 8: download it again"},
		{"SevenBytes", make([]byte, 7), "the file has 7 bytes, a safetensors file has at least 8: download it again"},
		{"LFSPointer", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"),
			"the file is a Git LFS pointer and not the weights: fetch them with git lfs pull"},
		{"HeaderOverLimit", binary.LittleEndian.AppendUint64(nil, maxHeaderBytes+1),
			"header length 16777217 is over the limit 16777216: this is not a safetensors file of gpt-oss"},
		{"HeaderLengthNegative", bytes.Repeat([]byte{255}, 20),
			"header length 18446744073709551615 is over the limit 16777216: this is not a safetensors file of gpt-oss"},
		{"HeaderTruncated", safetensors(`{"a":{"dtype":"U8"}}`, 0)[:20],
			"header length 20 is more than the file's 20 bytes: the download is incomplete, fetch it again"},
		{"HeaderEmpty", safetensors("", 0), "header: EOF" + damaged},
		{"HeaderNotJSON", safetensors("hello", 0), "header: …" + damaged},
		{"HeaderArray", safetensors("[]", 0), "header: got [, want a JSON object" + damaged},
		{"HeaderNull", safetensors("null", 0), "header: got <nil>, want a JSON object" + damaged},
		{"HeaderUnclosed", safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}`, 4), "header: …" + damaged},
		{"HeaderTrailing", safetensors(`{} x`, 0), "header: 1 bytes follow the JSON object" + damaged},
		{"DuplicateName", safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, 8),
			`header: tensor "a" appears twice` + damaged},
		{"NoDType", one(`{"shape":[4],"data_offsets":[0,4]}`), `header: tensor "a": want dtype, shape and two data_offsets` + damaged},
		{"NoShape", one(`{"dtype":"U8","data_offsets":[0,4]}`), `header: tensor "a": want dtype, shape and two data_offsets` + damaged},
		{"ThreeOffsets", one(`{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}`), `header: tensor "a": want dtype, shape and two data_offsets` + damaged},
		{"EntryNull", one(`null`), `header: tensor "a": want dtype, shape and two data_offsets` + damaged},
		{"EntryString", one(`"U8"`), `header: tensor "a": …` + damaged},
		{"OffsetNegative", one(`{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}`), `header: tensor "a": data_offsets [-4 0] are no range` + damaged},
		{"OffsetsReversed", one(`{"dtype":"U8","shape":[4],"data_offsets":[4,0]}`), `header: tensor "a": data_offsets [4 0] are no range` + damaged},
		{"OffsetFraction", one(`{"dtype":"U8","shape":[4],"data_offsets":[0,4.5]}`), `header: tensor "a": …` + damaged},
		{"OffsetOverflow", one(`{"dtype":"U8","shape":[4],"data_offsets":[0,9223372036854775808]}`), `header: tensor "a": …` + damaged},
		{"ShapeNegative", one(`{"dtype":"U8","shape":[-2,-2],"data_offsets":[0,4]}`), `header: tensor "a": shape [-2 -2] is impossible` + damaged},
		{"ShapeOverflow", one(`{"dtype":"U8","shape":[4294967296,4294967297],"data_offsets":[0,4]}`),
			`header: tensor "a": shape [4294967296 4294967297] is impossible` + damaged},
		{"SizeMismatch", one(`{"dtype":"BF16","shape":[4],"data_offsets":[0,4]}`),
			`header: tensor "a": BF16[4] takes 8 bytes, data_offsets [0 4] hold 4` + damaged},
		{"LongList", one(`{"dtype":"U8","shape":[4` + strings.Repeat(",1", 1<<20) + `],"data_offsets":[0,4]}`),
			`header: tensor "a": a list of 1048577 numbers, at most 8 are possible` + damaged},
		{"LongOffsets", one(`{"dtype":"U8","shape":[4],"data_offsets":[0` + strings.Repeat(",4", 1<<20) + `]}`),
			`header: tensor "a": a list of 1048577 numbers, at most 8 are possible` + damaged},
		{"LongName", safetensors(`{"`+strings.Repeat("n", 1<<20)+`":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4),
			`header: tensor "` + strings.Repeat("n", 100) + `"… has a name of 1048576 bytes, at most 256 are possible` + damaged},
		{"LongType", one(`{"dtype":"` + strings.Repeat("U", 1<<20) + `","shape":[4],"data_offsets":[0,4]}`),
			`header: tensor "a": dtype "UUUUUUUUUUUUUUUU"… is unknown` + damaged},
		{"ManyTensors", safetensors("{"+strings.Join(many, ",")+"}", 0), "header: there are more than 65536 tensors" + damaged},
		{"Overlap", safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}`, 7),
			`tensor "b": data_offsets overlap those of "a": the file is damaged, download it again`},
		{"SameBytes", safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4),
			`tensor "b": data_offsets overlap those of "a": the file is damaged, download it again`},
		{"Gap", safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6),
			`tensor "a": 2 bytes before its data belong to no tensor: the file is damaged, download it again`},
		{"DataTruncated", safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 3),
			`tensor "a" ends at byte 4 of the data, the file has 3: the download is incomplete, fetch it again`},
		{"EndAtMaxInt64", safetensors(`{"a":{"dtype":"X","shape":[4],"data_offsets":[0,9223372036854775807]}}`, 3),
			`tensor "a" ends at byte 9223372036854775807 of the data, the file has 3: the download is incomplete, fetch it again`},
		{"Trailing", safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 9),
			"5 bytes after the last tensor belong to no tensor: the file is damaged, download it again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := entriesOf(c.file)
			checkpointtest.WantError(t, err, c.want)
		})
	}
}

// FuzzReadHeader: no input panics, and what is accepted covers the file without gap or overlap and reads the same when written
// again.
func FuzzReadHeader(f *testing.F) {
	seeds := [][]byte{
		safetensors(`{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}`, 12),
		safetensors(`{"__metadata__":{},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}} `, 4),
		safetensors(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}`, 7),
	}
	testenv.Fuzz(f, seeds, func(t testing.TB, file []byte) {
		entries, err := entriesOf(file)
		if err != nil {
			return
		}
		start := 8 + int64(binary.LittleEndian.Uint64(file))
		end := start
		again := map[string]any{}
		for _, e := range entries {
			if e.off != end || e.n < 0 {
				t.Fatalf("tensor %q is at %d with %d bytes, want it at %d", e.name, e.off, e.n, end)
			}
			end += e.n
			again[e.name] = map[string]any{"dtype": e.dtype, "shape": e.shape, "data_offsets": []int64{e.off - start, end - start}}
		}
		if end != int64(len(file)) {
			t.Fatalf("tensors end at %d of %d", end, len(file))
		}
		header, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		file = safetensors(string(header), int(end-start))
		got, err := entriesOf(file)
		if err != nil {
			t.Fatalf("%v in %q", err, file)
		}
		for i := range got {
			got[i].off += start - 8 - int64(len(header))
		}
		if d := cmp.Diff(entries, got, cmp.AllowUnexported(entry{})); d != "" {
			t.Fatalf("(-first +again):\n%s", d)
		}
	})
}
