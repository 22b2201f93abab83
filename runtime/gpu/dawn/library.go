//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"
)

// The environment variables that say which library is loaded.
const (
	pathVariable = "GOSSAMER_DAWN"     // the library's path
	anyVariable  = "GOSSAMER_DAWN_ANY" // 1: also one that is not known
)

// known are the libraries that were tried: what they are by their SHA-256.
func known() map[string]string {
	return map[string]string{
		"ab18a659f8325e874ea45c80347b64336d7f748601102753d2bc669fdecfd710": "Dawn of the npm package webgpu 0.6.2 for linux-x64",
		"474a272ac9be570b04fa3791576d32e56f574818e60190c6788a83be90233980": "Dawn of the npm package webgpu 0.6.2 for linux-arm64",
	}
}

// hint says how to get a library.
func hint() string {
	if runtime.GOOS != "linux" {
		return fmt.Sprintf("set %s to the path of one that exports webgpu.h, and %s=1, because none was tried on %s",
			pathVariable, anyVariable, runtime.GOOS)
	}
	return fmt.Sprintf("fetch one with `make setup-dawn` and set %s to its path, or copy it beside the program as %s", pathVariable, fileName())
}

// maxLibraryBytes bounds what is read before it is known to be a library.
const maxLibraryBytes = 256 << 20

// fileName is what the library is called where it is looked for.
func fileName() string {
	switch runtime.GOOS {
	case "windows":
		return "dawn.dll"
	case "darwin":
		return "libdawn.dylib"
	}
	return "libdawn.so"
}

// Find returns the path of the library: the one that GOSSAMER_DAWN has, else of a file called libdawn.so (libdawn.dylib, dawn.dll) beside the
// program, else of one in the folder gossamer of the user's cache directory. The error says how to get one.
func Find() (string, error) {
	if path := os.Getenv(pathVariable); path != "" {
		return path, nil
	}
	var places []string
	if program, err := os.Executable(); err == nil {
		places = append(places, filepath.Dir(program))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "gossamer"))
	}
	for _, dir := range places {
		path := filepath.Join(dir, fileName())
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no library of Dawn: %s", hint())
}

// Library is a loaded Dawn with its instance, the way to adapters. It stays loaded: C may call back at any time, and drivers
// do not bear to be unloaded and loaded again many times.
type Library struct {
	f         functions
	callbacks *callbacks
	toggles   *togglesDescriptor // of the instance, of adapters and of devices
	instance  uintptr
	about     string

	mu       sync.Mutex
	adapters []*Adapter // once there were some
}

// Load loads the library at path. One that is not known is refused, unless the user says otherwise by an environment variable.
func Load(path string) (*Library, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("the library of Dawn: %w: %s", err, hint())
	}
	sum := sha256.Sum256(data)
	about := known()[hex.EncodeToString(sum[:])]
	switch {
	case about != "":
	case os.Getenv(anyVariable) == "1":
		about = "an unknown build of Dawn"
	default:
		return nil, fmt.Errorf("%s is none of the builds of Dawn that were tried (its SHA-256 is %x): %s; or set %s=1 to load it all the same",
			path, sum, hint(), anyVariable)
	}
	l := &Library{about: fmt.Sprintf("%s (%s)", about, path)}
	address, err := open(path, data)
	if err == nil {
		err = l.f.resolve(address)
	}
	if err == nil {
		err = l.start()
	}
	if err != nil {
		return nil, fmt.Errorf("%s can't be used: %w", path, err)
	}
	return l, nil
}

// read returns the contents of a file that has a size a library can have.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLibraryBytes+1))
	if err == nil && len(data) > maxLibraryBytes {
		err = fmt.Errorf("%s is no library: it has more than %d MiB", path, maxLibraryBytes>>20)
	}
	return data, err
}

// start makes the instance.
func (l *Library) start() error {
	if uint32(call(l.f.HasInstanceFeature, timedWaitAny)) == 0 {
		return errors.New("it can't wait: its API is another version than this program's")
	}
	l.toggles = toggles()
	features := []uint32{timedWaitAny}
	l.instance = call(l.f.CreateInstance, uintptr(unsafe.Pointer(&instanceDescriptor{next: l.toggles, featureCount: 1, features: &features[0]})))
	if l.instance == 0 {
		return errors.New("it makes no instance")
	}
	l.callbacks = newCallbacks()
	return nil
}

// toggles turn on what products of matrices need, which Dawn counts as unsafe because they are an experiment: their feature, the memory model
// that Vulkan has for it, and f16 with NVIDIA's driver.
func toggles() *togglesDescriptor {
	var names []*byte
	for _, name := range []string{"allow_unsafe_apis\x00", "use_vulkan_memory_model\x00", "vulkan_enable_f16_on_nvidia\x00"} {
		names = append(names, unsafe.StringData(name))
	}
	return &togglesDescriptor{chain: chainedStruct{sType: togglesDescriptorType}, count: uintptr(len(names)), enabled: &names[0]}
}

// String says which library it is.
func (l *Library) String() string { return l.about }

// request calls a function that asks for an object, with args, and waits for the object.
//
//go:uintptrescapes
func (l *Library) request(function uintptr, args ...uintptr) (object uintptr, err error) {
	answer := errors.New("no answer")
	number := l.callbacks.register(func(status uint32, o uintptr, message string) {
		object, answer = o, nil
		if status != success {
			answer = errors.New(message)
		}
	})
	defer l.callbacks.forget(number)
	info := &callbackInfo{mode: modeWaitAnyOnly, callback: l.callbacks.handle, user1: number}
	const forever = ^uintptr(0)
	if status := l.wait(callWithInfo(function, info, args...), forever); status != success {
		return 0, fmt.Errorf("waiting failed with status %d", status)
	}
	return object, answer
}

// wait waits for a future of C, for some nanoseconds at most.
func (l *Library) wait(future, timeout uintptr) (status uint32) {
	w := &futureWaitInfo{id: uint64(future)}
	return uint32(call(l.f.InstanceWaitAny, l.instance, 1, uintptr(unsafe.Pointer(w)), timeout))
}
