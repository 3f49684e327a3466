# FlowLog-Stats: `make help` lists what there is.
CC ?= gcc
OPT ?= -O2
BUILD ?= build
CPPFLAGS += -I. -D_GNU_SOURCE
CFLAGS += -std=gnu11 $(OPT) -g -pthread -fno-strict-aliasing -Wall -Wextra -Wshadow -Wpointer-arith \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings -Wundef
LDLIBS += -lisal -luring -lseccomp -lz -lzstd -lhiredis -lxxhash -lsqlite3 -ljansson -lm

FOLDERS := base shm ingest aggregate publish state enrich supervise dashboard bench
SOURCES := $(wildcard $(addsuffix /*.c,$(FOLDERS)))
MAIN := supervise/main.c
BENCH_MAINS := bench/stages.c bench/evict.c
PROGRAM := $(BUILD)/flowlog-stats
LIBRARY := $(BUILD)/libflowlog-stats.a
LIB_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(MAIN) $(BENCH_MAINS),$(SOURCES)))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
# Each fuzz target over its corpus: a test like the others.
UNIT_TESTS += $(FUZZERS:%=$(BUILD)/tests/unit/test_fuzz_%)

# Debian packages; where =COMMAND stands, a command of that name will do as well. redis-tools holds
# the binary of redis-server too; the package redis-server would start one on the network.
PACKAGES := make=make gcc=gcc libc6-dev libhiredis-dev libisal-dev liburing-dev libseccomp-dev \
	libzstd-dev zlib1g-dev libxxhash-dev libsqlite3-dev libjansson-dev redis-tools=redis-server
TEST_PACKAGES := libcmocka-dev python3=python3 zstd=zstd spin=spin
BENCH_PACKAGES := isal=igzip zstd=zstd mawk=mawk python3=python3
PEERS_PACKAGES := nodejs=node npm=npm
FUZZ_PACKAGES := clang=clang libclang-rt-dev

.DEFAULT_GOAL := all
all: $(PROGRAM) ## build the program

$(PROGRAM): $(BUILD)/$(MAIN:.c=.o) $(LIBRARY) $(BUILD)/flags
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

$(LIBRARY): $(LIB_OBJECTS)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS) -lcmocka

$(BUILD)/tests/unit/test_fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o \
		$(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LDLIBS)
$(BUILD)/tests/fuzz/replay.o: CPPFLAGS += -DFUZZ_CORPUS='"$(CURDIR)/tests/fuzz/corpus"'

$(BENCH_MAINS:%.c=$(BUILD)/%): %: %.o $(LIBRARY) $(BUILD)/flags
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

# Rebuilds everything when the compiler or its flags change.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LDLIBS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
FORCE:

deps: ## install what the program needs (Debian packages that are missing)
	@.ci/packages $(PACKAGES)
check-deps: ## install what the tests need, too
	@.ci/packages $(PACKAGES) $(TEST_PACKAGES)
bench-deps:
	@.ci/packages $(PACKAGES) $(BENCH_PACKAGES)
fuzz-deps:
	@.ci/packages $(PACKAGES) $(FUZZ_PACKAGES)

# Where only redis-tools is installed: its binary is redis-server under this name.
export PATH := $(PATH):$(abspath $(BUILD))/bin
redis-server:
	@command -v redis-server >/dev/null || { mkdir -p $(BUILD)/bin && \
		ln -sf "$$(command -v redis-check-rdb)" $(BUILD)/bin/redis-server; }

# Packages first: what follows compiles with them, in a make of its own, on all cores.
AFTER = +@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

run: deps ## demo logs through the pipeline and a report; LOGS=PATH: your own logs
	$(AFTER) run-built
run-built: all redis-server
ifdef LOGS
	@supervise/run-logs $(PROGRAM)
else
	@$(PROGRAM) demo
endif
export LOGS

check: check-deps ## all tests
	$(AFTER) test
test: all unit redis-server ## all tests, with what is installed
	@BUILD=$(BUILD) tests/run all
unit: $(UNIT_TESTS)
lint: ## the rules of the tree: which folder includes which, blanks, paths
	@tests/system/test_lint.py

redis-faults: all $(BUILD)/tests/unit/test_redis_faults redis-server ## break Redis at every command of a publish
	FLS_FAULTS=all $(BUILD)/tests/unit/test_redis_faults
	FLS_FAULTS=all tests/system/test_redis_answers.py

SANITIZED := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan: check-deps ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(AFTER) test BUILD=$(BUILD)-asan OPT="$(SANITIZED)"

# Threads on one mapping are what ThreadSanitizer understands: the tests of the rings and of threads.
# It cannot start where addresses are as random as newer kernels have them.
RING_TESTS := $(patsubst tests/unit/%.c,$(BUILD)-tsan/tests/unit/%,$(wildcard tests/unit/test_ring*.c tests/unit/test_threads.c))
tsan: check-deps ## the tests of the rings and of threads under ThreadSanitizer
	@test -n "$(RING_TESTS)" || { echo "there is no tests/unit/test_ring*.c" >&2; exit 1; }
	$(AFTER) $(RING_TESTS) BUILD=$(BUILD)-tsan OPT="-O1 -fsanitize=thread"
	@for test in $(RING_TESTS); do setarch -R $$test || exit 1; done

model: ## the models of the ring and the epochs, larger than `make check` has them (spin)
	@.ci/packages gcc=gcc libc6-dev python3=python3 spin=spin
	@tests/model/model.py large

# Each call on the state folder fails in its turn, and the power at each of them: minutes.
FAULT_TESTS := $(BUILD)/tests/unit/test_faults $(BUILD)/tests/unit/test_power_cut
faults: check-deps ## every fault of the disk under the state folder, not the sample of make check
	$(AFTER) all redis-server $(FAULT_TESTS)
	@for test in $(FAULT_TESTS) tests/system/test_store.py; do FLS_FAULTS=all $$test || exit 1; done

# What is found is kept as build-fuzz/NAME-crash-..., what was learnt in build-fuzz/corpus/NAME.
FUZZ_SECONDS ?= 60
TARGET ?= $(FUZZERS)
FUZZ_SANITIZED := $(SANITIZED) -fsanitize=fuzzer-no-link
fuzz: fuzz-deps ## fuzz targets one after the other; TARGET=NAME, FUZZ_SECONDS=60 each
	$(AFTER) fuzz-built BUILD=$(BUILD)-fuzz CC=clang OPT="$(FUZZ_SANITIZED)"
fuzz-built: $(TARGET:%=$(BUILD)/tests/fuzz/fuzz_%)
	@for name in $(TARGET); do tests/fuzz/run $(BUILD) $$name $(FUZZ_SECONDS) || exit 1; done
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(LDLIBS)

# What is done follows from SEED; `tests/campaign/campaign.py --help` says how to repeat one run. The
# states of runs that failed are kept in build/kept.
CAMPAIGN_KILLS ?= 1000
SOAK_SECONDS ?= 1800
SEED ?= 1
campaign: check-deps ## kill processes of many runs, and compare; CAMPAIGN_KILLS=1000, SEED=1
	$(AFTER) all redis-server
	@FLS_PROGRAM=$(abspath $(PROGRAM)) tests/campaign/campaign.py --kills $(CAMPAIGN_KILLS) \
		--seed $(SEED) --kept $(BUILD)/kept
soak: check-deps ## a run that follows for half an hour of kills; SOAK_SECONDS=1800, SEED=1
	$(AFTER) all redis-server
	@FLS_PROGRAM=$(abspath $(PROGRAM)) tests/campaign/soak.py --seconds $(SOAK_SECONDS) \
		--seed $(SEED) --kept $(BUILD)/kept

# BENCH_SCALE: 1 is 20 million records. BENCH: the cases to run (bench/run --help), all if empty.
BENCH_SCALE ?= 1
BENCH_ROUNDS ?= 5
BENCH ?=
bench: bench-deps ## the pipeline beside others, and stage by stage; BENCH_SCALE=0.1: a tenth of it
	-@$(MAKE) --no-print-directory bench-peers
	$(AFTER) all $(BUILD)/bench/stages redis-server
	@bench/run --scale $(BENCH_SCALE) --rounds $(BENCH_ROUNDS) --program $(PROGRAM) \
		--stages $(BUILD)/bench/stages --peers $(BUILD)/peers --data $(BUILD)/bench-data $(BENCH)

# What eviction costs: EVICT_KEYS million conversations seen once, in EVICT_MIB on the disk.
EVICT_KEYS ?= 10
EVICT_MIB ?= 64
bench-evict: $(BUILD)/bench/evict ## a flood of keys in a day of limited size
	@folder=$$(mktemp -d) && $(BUILD)/bench/evict $$folder $(EVICT_KEYS) $(EVICT_MIB); \
		status=$$?; rm -rf $$folder; exit $$status

# DuckDB and ClickHouse's engine, which the bench compares with; nothing else uses them.
PEERS_DONE := $(BUILD)/peers/node_modules/.installed
bench-peers: $(PEERS_DONE) ## install the SQL engines that the bench compares with (npm)
$(PEERS_DONE): bench/peers.json
	@.ci/packages $(PEERS_PACKAGES)
	@mkdir -p $(BUILD)/peers && cp $< $(BUILD)/peers/package.json
	npm install --prefix $(BUILD)/peers --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

fmt: ## lay out the code with clang-format
	clang-format -i $(wildcard $(addsuffix /*.[ch],$(FOLDERS)) tests/unit/*.[ch] tests/fuzz/*.[ch])

docs: $(BUILD)/tests/unit/test_redis_page ## make docs/REDIS.md from the tables it describes
	@mkdir -p docs
	$< --print >docs/REDIS.md

PREFIX ?= /usr/local
UNIT := lib/systemd/system/flowlog-stats.service
install: all ## copy the program to PREFIX/bin (/usr/local), and the unit for systemd
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/flowlog-stats
	install -d $(DESTDIR)$(PREFIX)/$(dir $(UNIT))
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' systemd/flowlog-stats.service >$(DESTDIR)$(PREFIX)/$(UNIT)

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

.PHONY: all FORCE deps check-deps bench-deps fuzz-deps redis-server run run-built check test unit \
	lint redis-faults faults asan tsan model fuzz fuzz-built campaign soak bench bench-evict \
	bench-peers fmt docs install clean help
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
