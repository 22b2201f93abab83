# The only script runner. `make` builds, `make chat` talks, `make test` tests, `make check` checks; each installs what it lacks.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# Pinned tools; Go's own tools are pinned in go.mod.
DAWN_VERSION := 0.6.2
GGUF_VERSION := 0.4.6
LLAMA_VERSION := 3.21.1
AGENTS := @openai/codex@0.171.0 @continuedev/cli@1.5.47 cline@3.0.65 @anthropic-ai/claude-code@2.1.332

# cgo holds the native WebGPU library; without a C compiler the build has the CPU backend only.
CGO_ENABLED ?= $(shell command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 && echo 1 || echo 0)
export CGO_ENABLED
# Everything is compiled without the paths of this machine, so that builds and tests share what the compiler made.
export GOFLAGS := $(filter-out -trimpath,$(GOFLAGS)) -trimpath
# Tells of each test when it ends, and of those that failed again at the end. The limit is for a test that hangs, on a busy machine.
GO_TEST := go tool gotestsum --format testname --format-hide-empty-pkg -- -timeout 60m

# Without cgo, on Dawn and Chromium's SwiftShader: the tests skip, or fail in CI, where either is missing.
SWIFTSHADER := /usr/lib/chromium/vk_swiftshader_icd.json
ON_DAWN := CGO_ENABLED=0 GOSSAMER_DAWN=$(CURDIR)/build/dawn-native/libdawn.so VK_ICD_FILENAMES=$(SWIFTSHADER) VK_DRIVER_FILES=$(SWIFTSHADER)

# The same on a renderer that multiplies matrices.
ON_MESA := CGO_ENABLED=0 GOSSAMER_DAWN=$(CURDIR)/build/dawn-native/libdawn.so GOSSAMER_TEST_MATRICES=1

.PHONY: build
build: ## the command, bin/gossamer
	@mkdir -p bin
	go build -o bin/gossamer ./tools/gossamer

.PHONY: chat
chat: build ## chat with the built-in model
	@bin/gossamer chat

.PHONY: setup-test
setup-test: setup-web setup-dawn setup-clients ## what the tests need: a Vulkan driver, Chromium with SwiftShader, tmux, HAProxy, nginx, bundlers, Dawn, a GGUF reader and llama.cpp for Node
	@tools/setup driver chromium tmux proxies bundlers
	@DAWN_VERSION=$(DAWN_VERSION) GGUF_VERSION=$(GGUF_VERSION) LLAMA_VERSION=$(LLAMA_VERSION) tools/setup dawn gguf llama

.PHONY: setup-dawn
setup-dawn: ## a library of Dawn, build/dawn-native/libdawn.so: GPUs for programs built without cgo
	@DAWN_VERSION=$(DAWN_VERSION) tools/setup dawn-native

.PHONY: setup-mesa
setup-mesa: ## a software renderer that multiplies matrices, build/mesa: 61 MB of a later Debian's packages, for tests
	@tools/setup mesa

.PHONY: setup-web
setup-web: ## the compilers of the web package
	@tools/setup web

.PHONY: setup-clients
setup-clients: ## programs that speak to the server, for the tests that they do
	@tools/setup clients

.PHONY: web
web: setup-web ## the npm package, the chat and the documents, static files in web/dist
	@if [ -d web/node_modules ]; then node web/build.mjs; else echo "make web: npm is missing: install Node.js 20 or newer" >&2; exit 1; fi

.PHONY: page
page: setup-web ## the chat page inside the command: make page build
	@if [ -d web/node_modules ]; then node web/build.mjs native tools/gossamer/page; else echo "make page: npm is missing: install Node.js 20 or newer" >&2; exit 1; fi

.PHONY: test-web
test-web: setup-test build web-tests ## of these, the web package in Node and in Chromium with SwiftShader's WebGPU

.PHONY: test-clients
test-clients: setup-clients build ## the server with other programs, also with large ones, and with OpenAI's own test if GPT_OSS is a checkout of openai/gpt-oss
	@AGENTS='$(AGENTS)' tools/setup agents
	cd clients && GOSSAMER=$(CURDIR)/bin/gossamer REPLIES=1000 node --test now/*.test.mjs earlier/*.test.mjs heavy/*.test.mjs

.PHONY: test-bundlers
test-bundlers: web ## the npm package in every bundler, framework and development server; downloads 400 MB of them
	@tools/setup chromium bundlers frameworks
	cd web && BUNDLERS=all node test/run.mjs package bundlers frameworks

.PHONY: nano
nano: ## train the small model anew, hours on two cores; goes on where it was interrupted
	tools/nano/build.sh

.PHONY: test-go
test-go: ## Go's tests, the inner loop: installs nothing, starts no browser and no Node; kernels on the Vulkan driver that is there
	$(GO_TEST) -short ./...

# The parts run two at a time, where there are two cores: none of them keeps both busy all the time. Each line begins with its part.
PARTS = go-tests web-tests client-tests
AT_A_TIME := $(shell [ "$$(getconf _NPROCESSORS_ONLN)" -lt 2 ] && echo 1 || echo 2)
.PHONY: test
test: setup-test build ## all tests; missing hardware is a visible skip, in CI (CI=1) a failure
	@rm -rf build/test; mkdir -p build/test; parts='$(PARTS)'; \
	[ -d web/node_modules ] || parts=$${parts/web-tests/}; [ -d clients/node_modules ] || parts=$${parts/client-tests/}; \
	$(MAKE) --no-print-directory -k -j$(AT_A_TIME) $$(printf 'part-%s ' $$parts) || { $(FAILURES); exit 1; }

part-%:
	@{ $(MAKE) --no-print-directory $* 2>&1 || { touch build/test/$*.failed; exit 1; }; } | tee build/test/$*.log | \
		awk '{ print "$*: " $$0; fflush() }'

# What failed, once more at the end: Go's tests by FAIL, Node's by "not ok" with place and reason.
FAILURES = cd build/test && for f in *.failed; do f=$${f%.failed}; echo "make test: failed: $$f, all of it in build/test/$$f.log:"; \
	grep -E '^(\s*--- )?FAIL|^\s*(not ok |location: |error: |make\[)' $$f.log | head -24 || true; done >&2

.PHONY: go-tests
go-tests: ## of these, Go's, in all builds
	$(GO_TEST) ./...
	$(GO_TEST) -tags cogentcore ./runtime/gpu/
	$(GO_TEST) -tags cogentcore -run 'TestCompileAll|TestGolden$$/gqa_window8' ./runtime/kernel/ ./runtime/model/
	$(ON_DAWN) $(GO_TEST) ./runtime/gpu/...
	$(ON_DAWN) $(GO_TEST) -run 'TestLostDevice' ./runtime/
	$(MAKE) --no-print-directory test-matrices
	CGO_ENABLED=0 go build -o /dev/null ./tools/gossamer
	CGO_ENABLED=0 go vet -tags static ./runtime/gpu
	GOOS=js GOARCH=wasm go vet ./shaders/... ./runtime/... ./wasm

# Matrices of subgroups need a driver that has them: without a GPU, the renderer that setup-mesa unpacks.
.PHONY: test-matrices
test-matrices: setup-dawn setup-mesa ## products by the matrices of subgroups, on Dawn and the renderer of setup-mesa
	@if [ -x build/mesa/run ]; then \
		echo '$(ON_MESA) $(GO_TEST) -run Matri ...'; \
		$(ON_MESA) $(GO_TEST) -exec $(CURDIR)/build/mesa/run -run 'Matri' ./runtime/kernel/ ./runtime/model/; \
	else echo 'SKIPPED: no renderer that multiplies matrices: see tools/setup mesa' >&2; fi

# Chromium takes a software renderer other than its own only under a false name. Not part of `make test`: what is new in it is the browser.
.PHONY: test-matrices-chromium
test-matrices-chromium: setup-mesa setup-web ## the same products by the browser's build in Chromium, on the renderer of setup-mesa; some minutes
	@tools/setup chromium chromium-mesa
	@if [ -x build/chromium-mesa/run ]; then \
		echo 'GOOS=js GOARCH=wasm go test -run Matri ...'; \
		CHROMIUM=$(CURDIR)/build/chromium-mesa/run GOSSAMER_TEST_MATRICES=1 GOOS=js GOARCH=wasm \
			go test -count=1 -timeout 60m -exec $(CURDIR)/tools/wasmexec/chromium -run 'Matri' ./runtime/gpu ./runtime/kernel; \
	else echo 'SKIPPED: no Chromium on a renderer that multiplies matrices: see tools/setup chromium-mesa' >&2; fi

# Row n is the same everywhere; make test draws the first few thousand.
ROWS ?= 100000
SAMPLER := go test -count=1 -timeout 24h -v -run 'TestSamplerRows$$' ./runtime/kernel -args -rows $(ROWS) -figures $(CURDIR)/runtime/kernel/testdata
.PHONY: test-sampler
test-sampler: ## the device's sampler against package sample over $(ROWS) random rows, on the driver that is there; writes what it finds
	@mkdir -p runtime/kernel/testdata
	$(SAMPLER)/sampler-native.json

.PHONY: test-sampler-chromium
test-sampler-chromium: setup-web ## the same rows in Chromium, which takes several times as long
	@mkdir -p runtime/kernel/testdata
	GOOS=js GOARCH=wasm $(subst -count=1,-count=1 -exec $(CURDIR)/tools/wasmexec/chromium,$(SAMPLER))/sampler-chromium.json

.PHONY: bindings
bindings: setup-dawn setup-mesa ## wgpu-native and Dawn on one driver: the same replies, and build/bindings.json with sizes and times; ten minutes
	@[ -x build/mesa/run ] || { echo "make bindings: there is no build/mesa: see tools/setup mesa" >&2; exit 1; }
	rm -f build/replies.json
	CGO_ENABLED=1 GOSSAMER_REPLIES=$(CURDIR)/build/replies.json go test -count=1 -timeout 60m -exec $(CURDIR)/build/mesa/run -run 'TestReplies$$' ./runtime
	$(ON_MESA) GOSSAMER_REPLIES=$(CURDIR)/build/replies.json go test -count=1 -timeout 60m -exec $(CURDIR)/build/mesa/run -run 'TestReplies$$' ./runtime
	go run ./tools/bindings -dawn $(CURDIR)/build/dawn-native/libdawn.so -exec $(CURDIR)/build/mesa/run >build/bindings.json

.PHONY: test-deploy
test-deploy: build ## manifests, chart, units and compositions against the command; downloads 40 MB of Go modules for Kubernetes and Helm
	cd deploy && go vet ./... && go test -count=1 ./... && go mod tidy -diff

.PHONY: web-tests
web-tests: web
	cd web && node_modules/.bin/tsc --noEmit && GOSSAMER=$(CURDIR)/bin/gossamer node test/run.mjs

.PHONY: client-tests
client-tests: build
	cd clients && GOSSAMER=$(CURDIR)/bin/gossamer node --test now/*.test.mjs earlier/*.test.mjs

.PHONY: check
check: ## formatting, vet, static analysis, import rules, generated files
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	go vet ./...
	go vet -tags cogentcore ./runtime/gpu/...
	go tool staticcheck ./...
	CGO_ENABLED=0 $$(go tool -n staticcheck) ./runtime/gpu/...
	GOOS=js GOARCH=wasm $$(go tool -n staticcheck) ./runtime/gpu ./runtime/promise ./runtime/ref ./runtime/checkpoint/... ./wasm
	go test -count=1 -run Architecture ./runtime
	go test -count=1 ./tools/vocab
	go mod verify >/dev/null
	go mod tidy -diff

FUZZTIME ?= 10m
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10m) each; inputs that fail are kept in testdata/fuzz
	@for package in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
		for target in $$(go test -list '^Fuzz' ./$$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test ./$$package -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

.PHONY: bench
bench: build ## rates of the built-in model on this machine, as JSON
	bin/gossamer bench --json

# What settles questions of performance, in nine minutes of an H200: every kernel of decode and prefill by itself and what a dispatch costs, what
# the host adds to a run, true positions from 64 to 32,768 and back to the first, one to 32 texts together, and the small model at two depths in
# turn. Elsewhere it is tried with a small model: BENCH_SHAPE="--model DIRECTORY" BENCH_SMALL="--model DIRECTORY" BENCH_DEPTHS=64,96,64
# BENCH_ROWS=1,2 BENCH_PROMPT=32.
OUT ?= build/bench
BENCH_SHAPE ?= --random gpt-oss-20b
BENCH_DEPTHS ?= 64,2048,8192,32768,64
BENCH_ROWS ?= 1,2,4,8,16,32
BENCH_PROMPT ?= 512,128,32
BENCH_SMALL ?= --model nano
BENCH_SMALL_DEPTHS ?= 0,512,0,512
BENCH = bin/gossamer bench --json --backend webgpu --kernels
.PHONY: bench-h200
bench-h200: build ## all that bench measures, of gpt-oss-20b's shape on a large GPU, JSON files in $(OUT)
	@mkdir -p $(OUT)
	$(BENCH) $(BENCH_SHAPE) --depths $(BENCH_DEPTHS) --prompt $(BENCH_PROMPT) --tokens 64 --runs 2 >$(OUT)/depths.json
	$(BENCH) $(BENCH_SHAPE) --depths 64 --prompt 128 --tokens 32 --runs 2 --rows $(BENCH_ROWS) >$(OUT)/rows.json
	$(BENCH) $(BENCH_SMALL) --depths $(BENCH_SMALL_DEPTHS) --prompt 128 --tokens 64 --runs 3 >$(OUT)/nano.json

# With DIST_URL= manifests name the directory that will have the files. GOFLAGS=-buildvcs=false leaves the revision out of the program.
.PHONY: dist
dist: setup-web ## what a release consists of, in build/dist: archives, deb, rpm, npm packages, manifests; publishes nothing
	@[ -d web/node_modules ] || { echo "make dist: npm is missing: install Node.js 20 or newer" >&2; exit 1; }
	go run ./tools/dist -dawn $(DAWN_VERSION) $(if $(DIST_URL),-url $(DIST_URL))

.PHONY: test-dist
test-dist: setup-web ## make dist in two directories gives the same files, and they install and run
	tools/dist/test.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin build web/dist web/node_modules web/docs/node_modules clients/node_modules clients/*/node_modules

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16
