# FlowLog-Stats: `make help` lists what there is.
CC ?= gcc
OPT ?= -O2
BUILD ?= build
PKGS := liburing libisal zlib libzstd libhiredis libxxhash sqlite3 jansson
CPPFLAGS += -I. -D_GNU_SOURCE
CFLAGS += -std=gnu11 $(OPT) -g -pthread -fno-strict-aliasing -Wall -Wextra -Wshadow -Wpointer-arith \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings -Wundef
LDLIBS += -lisal -luring -lz -lzstd -lhiredis -lxxhash -lsqlite3 -ljansson -lm

FOLDERS := base shm ingest aggregate publish state enrich supervise dashboard bench
SOURCES := $(wildcard $(addsuffix /*.c,$(FOLDERS)))
MAIN := supervise/main.c
LIBRARY := $(BUILD)/libflowlog-stats.a
LIB_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(MAIN),$(SOURCES)))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))

.DEFAULT_GOAL := all
all: $(BUILD)/flowlog-stats ## build the program

$(BUILD)/flowlog-stats: $(BUILD)/$(MAIN:.c=.o) $(LIBRARY) $(BUILD)/flags
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

$(LIBRARY): $(LIB_OBJECTS)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS) -lcmocka

# Rebuilds everything when the compiler or its flags change.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LDLIBS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
FORCE:

.PHONY: all FORCE
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
