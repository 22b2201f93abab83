//go:build amd64 || arm64

package dawn

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"gossamer/runtime/testenv"
)

// symbol is one of an ELF file.
type symbol struct {
	name    string
	section elf.SectionIndex
	value   uint64
}

// elfFile is a shared library that has nothing but symbols: those for the dynamic linker, and all.
func elfFile(t testing.TB, dynamic, all []symbol) []byte {
	t.Helper()
	var body bytes.Buffer
	put := func(v any) {
		if err := binary.Write(&body, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	header := elf.Header64{Type: uint16(elf.ET_DYN), Version: 1, Shentsize: 64, Shnum: 5, Ehsize: 64}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	sections := []elf.Section64{{}}
	for _, table := range [][]symbol{dynamic, all} {
		kind, names := elf.SHT_DYNSYM, []byte{0}
		if len(sections) > 1 {
			kind = elf.SHT_SYMTAB
		}
		at := 64 + body.Len()
		put(elf.Sym64{})
		for _, s := range table {
			put(elf.Sym64{Name: uint32(len(names)), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: uint16(s.section), Value: s.value})
			names = append(append(names, s.name...), 0)
		}
		sections = append(sections,
			elf.Section64{Type: uint32(kind), Off: uint64(at), Size: uint64(64 + body.Len() - at), Link: uint32(len(sections) + 1), Entsize: elf.Sym64Size},
			elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: uint64(64 + body.Len()), Size: uint64(len(names))})
		put(names)
	}
	header.Shoff = uint64(64 + body.Len())
	put(sections)
	rest := bytes.Clone(body.Bytes())
	body.Reset()
	put(header)
	return append(body.Bytes(), rest...)
}

func nodeAddOn(t testing.TB) []byte {
	return elfFile(t,
		[]symbol{
			{"napi_create_object", elf.SHN_UNDEF, 0}, {"malloc", elf.SHN_UNDEF, 0}, {"node_api_get_module_file_name", elf.SHN_UNDEF, 0},
			{addOn, 1, 0x1000},
		},
		[]symbol{
			{addOn, 1, 0x1000}, {"wgpuCreateInstance", 1, 0x1800}, {"wgpuElsewhere", elf.SHN_UNDEF, 0}, {"other", 1, 0x1900},
			{setProcs, 1, 0x2000}, {getProcs, 1, 0x3000},
		})
}

// TestPrepare: of an add-on of Node, Node's functions may be missing afterwards, and Dawn's are found; other libraries stay as they are.
func TestPrepare(t *testing.T) {
	data := nodeAddOn(t)
	hidden, err := prepare(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uintptr{
		addOn: 0x1000, "wgpuCreateInstance": 0x1800, "wgpuElsewhere": 0, "other": 0, setProcs: 0x2000, getProcs: 0x3000,
	} {
		if hidden[name] != want {
			t.Errorf("%s is at %#x, want %#x", name, hidden[name], want)
		}
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var weak []string
	for _, s := range symbols {
		if elf.ST_BIND(s.Info) == elf.STB_WEAK && elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			weak = append(weak, s.Name)
		}
	}
	if want := []string{"napi_create_object", "node_api_get_module_file_name"}; !slices.Equal(weak, want) {
		t.Errorf("%q are weak, want %q", weak, want)
	}
	plain := elfFile(t, []symbol{{"wgpuCreateInstance", 1, 0x1800}, {"malloc", elf.SHN_UNDEF, 0}}, nil)
	before := bytes.Clone(plain)
	if hidden, err := prepare(plain); hidden != nil || err != nil || !bytes.Equal(plain, before) {
		t.Errorf("a library that exports its functions: %v, %v, changed: %v", hidden, err, !bytes.Equal(plain, before))
	}
}

func FuzzPrepare(f *testing.F) {
	testenv.Fuzz(f, [][]byte{nodeAddOn(f), {}}, func(t testing.TB, data []byte) {
		n := len(data)
		if _, err := prepare(data); err == nil && n < 64 {
			t.Errorf("%d bytes were taken for a library", n)
		}
	})
}

var openings = flag.Int("openings", 500, "devices that TestOpenings opens and closes")

// TestOpenings opens and closes devices, each of which computes something: memory stays, but for what allocators keep.
func TestOpenings(t *testing.T) {
	before := int64(0)
	for i := range *openings {
		d := device(t)
		if want := bytes.Repeat([]byte{byte(i)}, 1<<12); !bytes.Equal(copied(t, d, want), want) {
			t.Fatalf("device %d returned other bytes", i)
		}
		d.Close()
		if i == *openings/10 { // what is made once is there
			before = resident(t)
		}
	}
	const allowed = 48 << 20
	if grown := resident(t) - before; grown > allowed {
		t.Errorf("the process grew by %d bytes from %d with %d devices", grown, before, *openings)
	} else {
		t.Logf("the process grew by %d bytes from %d with %d devices", grown, before, *openings)
	}
}

// resident is the memory that the process has.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var all, pages int64
	if _, err := fmt.Sscan(string(text), &all, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
