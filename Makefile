# iceway. Every target works from a fresh clone; `make setup` is run by the others when needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
CARGO_DENY := 0.20.2
MDBOOK := 0.5.4
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Random messages of each type; `make test-oracle ORACLE_CASES=50` for more.
ORACLE_CASES ?= 5
# Who takes part in `make bench-peers`.
HOP_PEERS := iceway-python,iceway-python-pair,iceway-rust,shared-memory,memcpy,dora,zenoh-python,iceoryx2-python
VENV := .venv/bin
TOOLS := .venv-tools/bin
CLIENT_SOURCES := $(shell find py-client msg/src bridge/bus/src -type f \( -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.md' \) -not -path '*/tests/*') Cargo.toml Cargo.lock

.PHONY: help setup ros broker demo demo-live test test-rust test-ros test-oracle test-client test-system test-frameworks test-wheel test-sanitize bench bench-peers lint docs fuzz clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: ros broker .venv/.iceway ## ROS 2 (sourced, or from PyPI), the broker, and a Python environment with the client

ros:
	@PYTHON=$(PYTHON) tools/setup-ros

broker: ros
	dev/ros cargo build --release -p iceway --features ros

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(VENV)/pip install -q --disable-pip-version-check numpy pytest mypy 'pyright[nodejs]'

.venv-tools/bin/python:
	$(PYTHON) -m venv .venv-tools

.venv-tools/.maturin: .venv-tools/bin/python
	$(TOOLS)/pip install -q --disable-pip-version-check 'maturin>=1.9,<2' && touch $@

.venv/.iceway: .venv/bin/python .venv-tools/.maturin $(CLIENT_SOURCES)
	rm -rf wheels && PYO3_PYTHON=$(abspath $(VENV))/python $(TOOLS)/maturin build -q --release -m py-client/Cargo.toml -o wheels
	$(VENV)/pip install -q --disable-pip-version-check --force-reinstall --no-deps wheels/iceway-*.whl && touch $@

demo: setup ## the main job on real parts: ROS camera → broker → AI process → broker → ROS; ends by itself
	@$(PYTHON) demo/run.py

demo-live: setup ## the same until Ctrl-C
	@$(PYTHON) demo/run.py --live

test: setup test-rust test-ros test-oracle test-client test-system ## everything that must pass

test-rust: ## crates that need no ROS
	cargo test

test-ros: ros ## the ROS side, and the broker's with it, in the ROS environment
	dev/ros cargo test -p iceway-ros
	ROS_DOMAIN_ID=$$(shuf -i 1-101 -n 1) dev/ros cargo test -p iceway --features ros

test-oracle: ros ## every interface of the ROS environment, read and written, against ROS's own serializer
	cargo build -q -p iceway-msg --example oracle
	dev/ros python3 tests/oracle/run.py --binary $(TARGET)/debug/examples/oracle --cases $(ORACLE_CASES)

test-client: .venv/.iceway broker ## the Python package
	$(VENV)/python -m pytest py-client/tests

test-system: setup ## real ROS nodes, the broker and Python clients, each in its own process; and faults
	$(VENV)/python -m pytest tests

test-wheel: .venv/.iceway broker ## the wheel with every CPython that is here, and one built from the source distribution
	tools/test-wheel

test-sanitize: .venv/.iceway broker ## lifetimes under stress with the address sanitizer (ICEWAY_STRESS_S=120)
	tools/test-sanitize

.venv-tools/.lint: .venv-tools/bin/python tools/lint-packages.txt
	$(TOOLS)/pip install -q --disable-pip-version-check -r tools/lint-packages.txt && touch $@

# cargo-deny is no Python package: built once, from crates.io.
.venv-tools/bin/cargo-deny: .venv-tools/bin/python
	@if command -v cargo-deny >/dev/null; then ln -sf "$$(command -v cargo-deny)" $@; else cargo install -q --locked --root .venv-tools cargo-deny@$(CARGO_DENY); fi

.venv-frameworks/.iceway: .venv/.iceway
	[ -x .venv-frameworks/bin/python ] || $(PYTHON) -m venv .venv-frameworks
	.venv-frameworks/bin/pip install -q --disable-pip-version-check pytest numpy torch jax tensorflow-cpu onnxruntime opencv-python-headless
	.venv-frameworks/bin/pip install -q --disable-pip-version-check --force-reinstall --no-deps wheels/iceway-*.whl && touch $@

# JAX supports the newest Pythons only; an older one gets an older JAX.
.venv-jax/.iceway: .venv/.iceway
	[ -x .venv-jax/bin/python ] || $$(tools/pythons | tail -n 1 | cut -d ' ' -f 2-) -m venv .venv-jax
	.venv-jax/bin/pip install -q --disable-pip-version-check pytest numpy jax
	.venv-jax/bin/pip install -q --disable-pip-version-check --force-reinstall --no-deps wheels/iceway-*.whl && touch $@

test-frameworks: .venv-frameworks/.iceway .venv-jax/.iceway broker ## PyTorch, JAX, TensorFlow, ONNX Runtime and OpenCV take the arrays without a copy (downloads some GB)
	ICEWAY_FRAMEWORKS=1 .venv-frameworks/bin/python -m pytest py-client/tests/test_frameworks.py -s
	ICEWAY_FRAMEWORKS=1 .venv-jax/bin/python -m pytest py-client/tests/test_frameworks.py -s -k jax

bench: setup ## three minutes of benchmarks with rclpy and a bare rcl take beside; results in bench/out/ (BENCH_ARGS for more)
	dev/ros cargo build --release -p iceway-bench --features ros
	$(TARGET)/release/iceway-bench all --quick --out bench/out/$(shell date -u +%Y-%m-%dT%H%M) $(BENCH_ARGS)

# The newest Python: not all of them support older ones.
.venv-peers/.packages:
	[ -x .venv-peers/bin/python ] || $$(tools/pythons | tail -n 1 | cut -d ' ' -f 2-) -m venv .venv-peers
	.venv-peers/bin/pip install -q --disable-pip-version-check numpy eclipse-zenoh iceoryx2 dora-rs dora-rs-cli && touch $@

bench-peers: setup .venv-peers/.packages ## the hop from process to process beside dora, zenoh and iceoryx2 from Python; results in bench/out/
	dev/ros cargo build --release -p iceway-bench --features ros
	$(TARGET)/release/iceway-bench hop --peers $(HOP_PEERS) --out bench/out/$(shell date -u +%Y-%m-%dT%H%M)-peers $(BENCH_ARGS)

lint: ros .venv-tools/.lint .venv-tools/bin/cargo-deny .venv/.iceway ## formatters, linters, types, licences, spelling
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	dev/ros cargo clippy -p iceway-ros -p iceway -p iceway-bench --features iceway/ros,iceway-bench/ros --all-targets -- -D warnings
	PYO3_PYTHON=$(abspath $(VENV))/python cargo clippy -p iceway-py --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc -q --no-deps
	$(TOOLS)/cargo-deny --log-level error check licenses bans sources
	$(TOOLS)/typos
	$(TOOLS)/ruff check .
	$(TOOLS)/ruff format --check .
	cd py-client && ../$(VENV)/python -m mypy --strict python/iceway
	cd /tmp && $(abspath $(VENV))/python -m mypy.stubtest iceway._iceway

.venv-tools/bin/mdbook: .venv-tools/bin/python
	@if command -v mdbook >/dev/null; then ln -sf "$$(command -v mdbook)" $@; else cargo install -q --locked --root .venv-tools mdbook@$(MDBOOK); fi

docs: .venv-tools/bin/mdbook ## the book, in docs/book/, and the crates' documentation
	$(TOOLS)/mdbook build docs
	cargo doc -q --no-deps

fuzz: ## each fuzz target for a minute (FUZZ_SECONDS=60)
	msg/fuzz/run.sh $(or $(FUZZ_SECONDS),60)

clean: ## what the build made; .ros/ stays
	rm -rf target .venv .venv-tools wheels build .ros-overlay
