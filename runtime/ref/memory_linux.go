package ref

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// FreeMemory tells how much memory this process can still take, by the machine, by the control groups that it is in, as a container is,
// and by its own limits; false where nothing is known.
func FreeMemory() (Memory, bool) {
	return freeMemory(os.DirFS("/"), os.Getpagesize(), func(resource int) (uint64, bool) {
		var limit syscall.Rlimit
		err := syscall.Getrlimit(resource, &limit)
		return limit.Cur, err == nil
	})
}

// freeMemory is FreeMemory with the system's files below root.
func freeMemory(root fs.FS, page int, rlimit func(resource int) (uint64, bool)) (least Memory, known bool) {
	add := func(n int64, of string) {
		if !known || n < least.Bytes {
			least, known = Memory{n, of}, true
		}
	}
	if n, ok := field(root, "proc/meminfo", "MemAvailable:"); ok {
		add(n<<10, "of the machine's memory")
	}
	for _, g := range controlGroups(root) {
		if n, ok := g.free(root); ok {
			add(n, "of what the control group (the container) may take")
		}
	}
	const addresses, data = 0, 5 // the columns of statm, in pages
	for _, l := range []struct {
		resource, column int
		of               string
	}{
		{syscall.RLIMIT_AS, addresses, "of the address space that the process may take (ulimit -v)"},
		{syscall.RLIMIT_DATA, data, "of the data that the process may have (ulimit -d)"},
	} {
		limit, ok := rlimit(l.resource)
		if statm, err := fs.ReadFile(root, "proc/self/statm"); ok && err == nil && limit < 1<<62 {
			if columns := strings.Fields(string(statm)); len(columns) > l.column {
				if pages, err := strconv.ParseInt(columns[l.column], 10, 64); err == nil {
					add(int64(limit)-pages*int64(page), l.of)
				}
			}
		}
	}
	return least, known
}

// field is the number behind a name at the beginning of a line.
func field(root fs.FS, file, name string) (int64, bool) {
	data, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == name {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// controlGroup is a directory with a memory limit, and the names of what it says, which differ between the two versions.
type controlGroup struct{ dir, limit, used, cache string }

// controlGroups are those that the process is in, from the innermost to the root.
func controlGroups(root fs.FS) (groups []controlGroup) {
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		g := controlGroup{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"}
		switch {
		case parts[0] == "0" && parts[1] == "":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			g = controlGroup{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
		default:
			continue
		}
		top := g.dir
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) { // a container may see its own group as the root
			g.dir = path.Join(top, at)
			groups = append(groups, g)
			if at == "/" {
				break
			}
		}
	}
	return groups
}

// free is what the group may still take, its cache of files included, which gives way.
func (g controlGroup) free(root fs.FS) (int64, bool) {
	number := func(name string) (int64, bool) {
		data, err := fs.ReadFile(root, path.Join(g.dir, name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64) // "max" is no limit
		return n, err == nil
	}
	limit, ok := number(g.limit)
	used, ok2 := number(g.used)
	if !ok || !ok2 {
		return 0, false
	}
	cache, _ := field(root, path.Join(g.dir, "memory.stat"), g.cache)
	return limit - used + cache, true
}
