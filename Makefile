# Thin: meson.build says how things are built, tools/ how they are checked.
#   make            build/trackway, build/libtrackway.so and .a, benchmarks
#   make demo       install what is missing, build, run the demo; KEEP=1 leaves it running
#   make test       install what is missing, run everything that CI runs
#   make check      unit tests only, nothing is installed
#   make bench      benchmarks, as ratios, and instructions counted; ARGS=--json for programs
#   make soak       the long runs
#   make install    PREFIX=/usr/local DESTDIR=
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
JOBS ?= $(shell nproc)
# What --quiet still says when there is nothing to say.
SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c
NINJA = flock $(BUILD)/configured ninja -C $(BUILD) -j $(JOBS) --quiet
QUIETLY = | { grep -Ev '^(ninja: no work to do|Found ninja|Cleaning... 0 files)' || true; }

.PHONY: all configure demo test check bench soak install clean format

all: configure
	@$(NINJA) $(QUIETLY)

configure:
	@tools/configure $(BUILD)

demo:
	@tools/setup
	@$(MAKE) --no-print-directory all
	@TRACKWAY_BUILD=$(abspath $(BUILD)) examples/shop/demo.sh $(abspath $(BUILD))

test:
	@.ci/run

check:
	@tools/run_tests --quick

bench: all
	@failed=0; for program in $(BUILD)/bench/bench_*; do \
	    if [ -f $$program ] && [ -x $$program ]; then $$program $(ARGS) || failed=1; fi; done; \
	bench/callgrind_gate $(ARGS) $(BUILD) || [ $$? = 77 ] || failed=1; exit $$failed

soak: configure
	@$(NINJA) all tests $(QUIETLY)
	@failed=0; for program in $(BUILD)/tests/soak_*; do \
	    if [ -f $$program ] && [ -x $$program ]; then $$program || failed=1; fi; done; exit $$failed

install:
	@tools/configure $(BUILD) --prefix=$(PREFIX)
	@$(NINJA) $(QUIETLY)
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild --quiet
	@if [ -z "$(DESTDIR)" ]; then ldconfig 2>/dev/null || true; tools/say_installed $(PREFIX); fi

clean:
	rm -rf $(BUILD) build-gcc build-clang build-asan build-tsan build-fuzz ui/dist

format:
	@git clang-format --force --extensions c,h HEAD
