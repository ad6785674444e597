# MCPbox: the one list of commands. `make` prints it. Each is safe to run twice.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

# What is built or installed once stays here, outside the checkout, so that a fresh clone finds it.
export MCPBOX_CACHE ?= $(HOME)/.cache/mcpbox
export CARGO_TARGET_DIR ?= $(MCPBOX_CACHE)/target
export MCPBOX_BIN := $(CARGO_TARGET_DIR)/release/mcpbox

# One profile for the product, its tests and its benchmarks: the dependencies are compiled once.
CARGO_FLAGS := --release --locked
RUNNER := components/python/dist/python.wasm

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- run ---------------------------------------------------------------------------------------

.PHONY: serve
serve: build ## Build what is missing and start the host (ARGS="..." go to `mcpbox serve`)
	@export MCPBOX_UV="$${MCPBOX_UV:-$$(scripts/uv.sh || true)}"; exec "$(MCPBOX_BIN)" serve $(ARGS)

.PHONY: build
build: runner ## Build the executable
	@[ -x "$(MCPBOX_BIN)" ] || echo "Building the host: about 15 minutes on two cores the first time, seconds later ..."
	@cargo build $(CARGO_FLAGS) --bin mcpbox

.PHONY: runner
runner: ## Build the interpreters of Python and JavaScript, which the executable carries
	@scripts/need.sh cargo cc python3 venv guest-rust guest-c
	@scripts/claim-target.sh
	@components/python/build.sh
	@components/javascript/build.sh

.PHONY: uv
uv: ## Install uv, which installs packages for Python tools, into the cache
	@scripts/uv.sh >/dev/null

.PHONY: guests
guests: ## Build the components of the examples and templates: Rust, C, Python
	@scripts/need.sh cargo cc python3 venv guest-rust component-c
	@guest-sdk/build.sh

# --- check -------------------------------------------------------------------------------------

.PHONY: test
test: lint test-python-runner test-sdk test-rust test-postgres clients api-fuzz conformance docs-check ## Everything that CI runs

.PHONY: lint
lint: runner ## Formatting, clippy, shell and Python syntax, rules of the repository
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	scripts/lint.sh
	scripts/deny.py

.PHONY: docs
docs: runner guests ## Write the generated pages of docs/ anew
	MCPBOX_BLESS=1 cargo test $(CARGO_FLAGS) --workspace --test it -- fresh:: schema:: settings::

.PHONY: test-rust
test-rust: runner guests uv ## The Rust tests, on SQLite
	cargo test $(CARGO_FLAGS) --workspace

.PHONY: test-postgres
test-postgres: runner guests uv ## The same Rust tests, on a PostgreSQL of their own
	@scripts/need.sh postgres
	scripts/with-postgres.sh cargo test $(CARGO_FLAGS) --workspace

.PHONY: test-python-runner
test-python-runner: runner ## The Python runner alone, under another WebAssembly host
	components/python/test.sh

.PHONY: test-sdk
test-sdk: ## The Rust SDK: clippy, tests, examples of its documents, whether it can be published
	cd guest-sdk && cargo fmt --all --check
	cd guest-sdk && cargo clippy --locked --workspace --all-targets -- -D warnings
	cd guest-sdk && cargo test --locked --workspace
	@# Where nothing was built: cargo would take what it made of an earlier packaging of the same version.
	rm -rf "$${CARGO_HOME:-$$HOME/.cargo}"/registry/{src,cache}/*/mcpbox-sdk-*
	fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; cd guest-sdk && CARGO_TARGET_DIR="$$fresh" cargo publish --locked --dry-run --allow-dirty --quiet --workspace

.PHONY: clients
clients: build guests ## From source to call with real MCP clients, on SQLite and on PostgreSQL
	@scripts/need.sh npm postgres
	scripts/clients/run.sh
	scripts/with-postgres.sh scripts/clients/run.sh

.PHONY: api-fuzz
api-fuzz: build ## Requests that schemathesis makes up from the OpenAPI document, and what is answered
	@scripts/need.sh venv
	scripts/api/run.sh

.PHONY: conformance
conformance: build guests ## The official MCP conformance suite, both revisions (ARGS names scenarios; none: all)
	@scripts/need.sh npm
	@# Streams of calls break soon, so that the suite sees them taken up again.
	@PATH="$$(scripts/protocol/tools.sh):$$PATH" MCPBOX_MCP_REQUESTS_PER_MINUTE=1000000 MCPBOX_STREAM_POLL_S=1 \
		scripts/with-host.sh scripts/conformance.py $(ARGS)

.PHONY: docs-check
docs-check: build ## Links, commands and examples of the documents
	scripts/docs_check.py

.PHONY: bench
bench: build guests ## Benchmarks: ours beside the baselines, one table (ARGS=--quick for a short run)
	cargo run $(CARGO_FLAGS) --bin mcpbox-benches -- --write $(ARGS)

# --- tidy --------------------------------------------------------------------------------------

.PHONY: clean
clean: ## Remove what was built; installed tools in MCPBOX_CACHE stay
	cargo clean
	rm -rf components/python/dist components/javascript/dist guest-sdk/dist
