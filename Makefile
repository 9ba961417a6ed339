# make help lists the targets. GO, PREFIX and TESTFLAGS can be set on the
# command line.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO ?= go
PREFIX ?= /usr/local
TESTFLAGS ?=
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# grpc's own build tag: without its tracing pages the linker can leave a fifth of the binary out.
TAGS := grpcnotrace
BIN := bin/faas-cli

.PHONY: help build install demo test test-unit test-docker test-e2e test-demo test-conformance lint fmt generate check cover bench fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/faas-cli
	@mkdir -p $(dir $(BIN))
	CGO_ENABLED=0 $(GO) build -tags $(TAGS) -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/faas-cli

install: build ## install faas-cli to PREFIX/bin (default /usr/local/bin)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/faas-cli

demo: ## the main job from nothing: new, up, invoke, edit, up again
	@if command -v $(GO) >/dev/null; then $(MAKE) --no-print-directory build VERSION= COMMIT=; fi # needs no git; without Go: the binary that is there
	@scripts/demo.sh $(abspath $(BIN))

test: lint test-unit test-conformance test-e2e test-demo test-docker ## everything that this machine can test

# Without GORACE each of the many programs that the scripts start would sleep for a second at its end.
test-unit: ## unit and command tests, with the race detector, in random order
	@for shell in bash zsh fish; do command -v $$shell >/dev/null || echo "LEFT OUT: completion in $$shell, which is not installed" >&2; done
	GORACE=atexit_sleep_ms=0 $(GO) test -race -shuffle=on -timeout 30m $(TESTFLAGS) ./...

test-conformance: build ## the black-box cases of testdata/conformance
	cd testdata/conformance/runner && GOFLAGS=-buildvcs=false $(GO) run . -pending ../pending.txt $(abspath $(BIN)) ../public

test-e2e: build ## the built binary from end to end
	FAAS_CLI=$(abspath $(BIN)) $(GO) test -tags e2e -count=1 $(TESTFLAGS) -run E2E ./cmd/faas-cli

test-demo: ## make demo without container tools, git, network, python3, go
	@scripts/test-demo.sh

test-docker: ## tests against a container engine, where one answers
	@scripts/test-docker.sh $(TESTFLAGS)

lint: ## gofmt, go vet, staticcheck; internal/archtest holds the rest
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' | grep -v '^testdata/conformance/')); \
	if [ -n "$$unformatted" ]; then echo "run make fmt: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags docker,e2e ./...
	$(GO) tool -modfile=internal/tools/go.mod staticcheck ./...

fmt: ## format the Go files
	gofmt -w $$(git ls-files '*.go' | grep -v '^testdata/conformance/')

generate: ## write the generated files again
	$(GO) generate ./...

check: lint ## exactly what CI runs: lint, tidy modules, other systems, current generated files, tests
	$(GO) mod tidy -diff
	for os in darwin windows; do CGO_ENABLED=0 GOOS=$$os $(GO) build -o /dev/null ./cmd/faas-cli; done
	$(MAKE) generate
	git diff --exit-code
	$(MAKE) test

cover: ## test coverage, as coverage.out and a summary
	$(GO) test -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -1

bench: ## Go benchmarks of the paths that must stay fast
	$(GO) test -run '^$$' -bench . -benchmem ./...
	@scripts/test-docker.sh -run '^$$' -bench Docker

fuzz: ## each fuzz target for FUZZTIME (default 60s)
	@scripts/fuzz.sh $${FUZZTIME:-60s}

clean: ## remove what the other targets made
	rm -rf bin coverage.out
