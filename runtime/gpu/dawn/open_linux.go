//go:build amd64 || arm64

package dawn

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// Names in the build of Dawn that is an add-on of Node. It exports the first one alone. Its C functions go through a table, which Node's
// side fills in; so does who comes another way.
const (
	addOn    = "napi_register_module_v1"
	setProcs = "dawnProcSetProcs"
	getProcs = "_ZN4dawn6native8GetProcsEv"
)

// open loads a library from memory, so that what is loaded is what was checked, and returns how its functions are found.
func open(path string, data []byte) (address func(symbol string) uintptr, err error) {
	hidden, err := prepare(data)
	if err != nil {
		return nil, err
	}
	library, err := loadMemory(data)
	if err != nil {
		return nil, err
	}
	if at := hidden[addOn]; at != 0 {
		loaded, err := purego.Dlsym(library, addOn)
		if err != nil {
			return nil, err
		}
		address = func(symbol string) uintptr {
			if hidden[symbol] == 0 {
				return 0
			}
			return hidden[symbol] - at + loaded
		}
		if address(setProcs) == 0 || address(getProcs) == 0 {
			return nil, errors.New("it is an add-on of Node without Dawn's functions")
		}
		call(address(setProcs), call(address(getProcs)))
		return address, nil
	}
	return func(symbol string) uintptr {
		a, err := purego.Dlsym(library, symbol)
		if err != nil {
			return 0
		}
		return a
	}, nil
}

// prepare makes an add-on of Node loadable elsewhere, in place, and returns the addresses of its functions relative to each other. Of a
// library that exports its functions it returns nothing.
//
// Node's own functions, which the add-on imports, become weak symbols, which may be missing; elsewhere none of them is called.
func prepare(data []byte) (hidden map[string]uintptr, err error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB {
		return nil, errors.New("it is for another processor")
	}
	imports, err := f.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	section := f.SectionByType(elf.SHT_DYNSYM)
	hidden = map[string]uintptr{}
	for i, s := range imports {
		if s.Name == addOn && s.Section != elf.SHN_UNDEF {
			hidden[addOn] = uintptr(s.Value)
		}
		if s.Section == elf.SHN_UNDEF && (strings.HasPrefix(s.Name, "napi_") || strings.HasPrefix(s.Name, "node_api_")) {
			const infoAt = 4
			at := section.Offset + uint64(i+1)*elf.Sym64Size + infoAt // behind a symbol that means nothing, which the list leaves out
			if at >= uint64(len(data)) {
				return nil, errors.New("its symbols are compressed")
			}
			data[at] = elf.ST_INFO(elf.STB_WEAK, elf.ST_TYPE(s.Info))
		}
	}
	if hidden[addOn] == 0 {
		return nil, nil
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && (strings.HasPrefix(s.Name, "wgpu") || s.Name == setProcs || s.Name == getProcs) {
			hidden[s.Name] = uintptr(s.Value)
		}
	}
	return hidden, nil
}

// loadMemory has the dynamic linker load a library that is in no folder. The file stays open: the linker knows libraries by their paths, and
// would take another one with this number for this one.
func loadMemory(data []byte) (library uintptr, err error) {
	fd, err := unix.MemfdCreate(fileName(), unix.MFD_CLOEXEC)
	if err != nil {
		return 0, err
	}
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	if err := os.WriteFile(path, data, 0o700); err != nil {
		return 0, err
	}
	return purego.Dlopen(path, purego.RTLD_LAZY|purego.RTLD_LOCAL)
}
