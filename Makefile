# `make demo` and `make test` are all one needs to know: each sets up what is missing (Debian 12, Rust there) and runs.
# N=8000 and TAKEOVERS=12 are for the demo, ARGS="--rounds 3" for the benchmark; CARGO_BUILD_JOBS and CARGO_TARGET_DIR are
# as cargo knows them.
N ?= 2000
TAKEOVERS ?= 12
PREFIX ?= /usr/local
EXECUTIONS ?= 1000000
# Where rustup puts cargo, if the shell has not been told yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: demo test test-rust test-c test-python test-java behaviours matrix lanes generations endurance faults frameworks chain-java chain-python sidecar classic smoke papers bench-core bench-java bench-python resume reuseport fuzz install clean

demo:
	@tools/setup.sh demo
	@tools/demo.sh --connections $(N) --takeovers $(TAKEOVERS)

test:
	@tools/setup.sh test
	@tools/test.sh rust c python java behaviours matrix lanes generations faults frameworks chain-python classic smoke papers

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

# Pre-fork servers take over from each other, worker to worker, and whoever can die or hang does.
lanes:
	@tools/setup.sh demo
	@tools/test.sh lanes

# Fifty takeovers in a row from each of these languages to itself, under load.
generations:
	@tools/setup.sh demo
	@tools/test.sh generations

# A thousand takeovers in a row, all languages mixed, under load, every second round without a pause: make endurance N=1000.
endurance: N = 1000
endurance:
	@tools/setup.sh demo
	@tools/endurance.sh --takeovers $(N)

# Every step of a takeover, on both sides, in every way to fail; `make test` runs a part. ARGS="--only READY --jobs 4".
faults:
	@tools/setup.sh demo
	@tools/faults.sh $(ARGS)

# Each server in examples/java is taken over from under load, over loopback and through 10 ms each way.
frameworks:
	@tools/setup.sh demo
	@tools/test.sh frameworks

# Twenty takeovers of HTTP and WebSocket on Netty, JDKs, versions of Netty and transports mixed: no client reconnects.
chain-java:
	@tools/setup.sh demo
	@tools/chain-java.sh 20

# Twenty takeovers of a FastAPI application on uvicorn: REST, WebSocket chat, server-sent events, uploads; parsers, event loops
# and implementations of WebSocket mixed. `make test` runs four.
chain-python:
	@tools/setup.sh demo
	@tools/chain-python.sh 20

# A sidecar is replaced under load, 5,000 pairs of connections with it, on NIO and on epoll: make sidecar PAIRS=5000.
PAIRS ?= 5000
sidecar:
	@tools/setup.sh demo
	@tools/sidecar.sh $(PAIRS)

# The examples of the classic flow follow each other, each language each other one.
classic:
	@tools/setup.sh demo
	@tools/test.sh classic

smoke:
	@tools/setup.sh demo
	@tools/test.sh smoke

papers:
	@tools/setup.sh demo
	@tools/test.sh papers

bench-core:
	@tools/setup.sh demo
	@tools/bench-core.sh $(ARGS)

# What it costs to move a connection of Netty, and to accept one: ARGS="--connections 10000 --rounds 5".
bench-java:
	@tools/setup.sh demo
	@tools/bench-java.sh $(ARGS)

# The same for libzdt.aio, on asyncio's own loop and on uvloop: ARGS="--connections 10000 --rounds 3".
bench-python:
	@tools/setup.sh demo
	@tools/bench-python.sh $(ARGS)

# How long it takes until a predecessor in each language serves again when its successor is killed. KILLS=50 for each.
resume:
	@tools/setup.sh demo
	@tools/resume.sh $(if $(KILLS),--kills $(KILLS)) $(ARGS)

# So many executions of the fuzz targets; takes a nightly toolchain and cargo-fuzz. The tests run a fixed, small part.
fuzz:
	@tools/fuzz.sh $(EXECUTIONS)

# What is lost when sockets that share a port are closed, retired or passed on. CONNECTIONS=1000000 for each variant.
reuseport:
	@tools/setup.sh demo
	@tools/reuseport.sh $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(ARGS)

# The C library: libzdt.so, libzdt.a, zdt.h and zdt.pc under PREFIX.
install:
	@tools/setup.sh demo
	@bindings-c/build.sh "$(PREFIX)"

clean:
	rm -rf build
	cargo clean
