# `make demo` and `make test` are all one needs to know: each sets up what is missing (Debian 12, Rust there) and runs.
# N=8000 and TAKEOVERS=12 are for the demo, ARGS="--rounds 3" for the benchmark; CARGO_BUILD_JOBS and CARGO_TARGET_DIR are
# as cargo knows them.
N ?= 2000
TAKEOVERS ?= 12
PREFIX ?= /usr/local
# Where rustup puts cargo, if the shell has not been told yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: demo test test-rust test-c test-python test-java behaviours matrix lanes generations smoke papers bench-core install clean

demo:
	@tools/setup.sh demo
	@tools/demo.sh --connections $(N) --takeovers $(TAKEOVERS)

test:
	@tools/setup.sh test
	@tools/test.sh rust c python java behaviours matrix lanes generations smoke papers

# Parts of the tests alone.
test-rust:
	@tools/setup.sh test
	@tools/test.sh rust

test-c:
	@tools/setup.sh test
	@tools/test.sh c

test-python:
	@tools/setup.sh test
	@tools/test.sh python

test-java:
	@tools/setup.sh test
	@tools/test.sh java

# Whether every binding was seen to do what tests/behaviours.txt lists, in the last runs of the four above.
behaviours:
	@tools/test.sh behaviours

matrix:
	@tools/setup.sh demo
	@tools/test.sh matrix

# Pre-fork servers take over from each other, worker to worker, and whoever can die does.
lanes:
	@tools/setup.sh demo
	@tools/test.sh lanes

# Fifty takeovers in a row from each of these languages to itself, under load.
generations:
	@tools/setup.sh demo
	@tools/test.sh generations

smoke:
	@tools/setup.sh demo
	@tools/test.sh smoke

papers:
	@tools/setup.sh demo
	@tools/test.sh papers

bench-core:
	@tools/setup.sh demo
	@tools/bench-core.sh $(ARGS)

# The C library: libzdt.so, libzdt.a, zdt.h and zdt.pc under PREFIX.
install:
	@tools/setup.sh demo
	@bindings-c/build.sh "$(PREFIX)"

clean:
	rm -rf build
	cargo clean
