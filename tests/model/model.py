#!/usr/bin/env python3
"""Checks the models of the ring and of the epochs with spin: `tests/model/model.py` checks what
tests/system/test_model.py checks, `tests/model/model.py large` more objects, slots and processes.

A check says which model, with which definitions, and what has to come of it: that the properties
hold in every state (HOLDS), that there is no cycle of states (ENDS), or that a break of the
protocol is found, as a violated assertion or as a dead end. Every check is exhaustive; none is by
chance."""
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
AT_ONCE = 2
DEPTH_MAX = 1000000
CC = os.environ.get("CC", "cc").split()

HOLDS, ENDS = "holds", "ends"
ASSERTION, DEAD_END, CYCLE = "assertion violated", "invalid end state", "non-progress cycle"

# What compiling takes against what running takes: up to 100,000 states, a million, and more, where
# memory counts.
FEW, SOME, MANY = ["-O0"], ["-O1"], ["-O2", "-DCOLLAPSE"]

Check = collections.namedtuple("Check", "model defines outcome flags")
Result = collections.namedtuple("Result", "found states depth output")


def ring(defines, outcome=HOLDS, flags=FEW):
    return Check("ring.pml", defines, outcome, flags)


def epoch(defines, outcome=HOLDS, flags=FEW):
    return Check("epoch.pml", defines, outcome, flags)


TWO_TO_ONE = "PRODUCERS=2 SLOTS=4 MESSAGES=5 OTHERS=1 BARRIER=1"
RING = [
    ring("MESSAGES=5"),
    ring("SLOTS=4 MESSAGES=7"),
    ring(TWO_TO_ONE, HOLDS, SOME),
    ring("CONSUMERS=2 SLOTS=1 MESSAGES=2", HOLDS, SOME),
    ring("SLOTS=4 MESSAGES=7", ENDS),
    ring(TWO_TO_ONE + " REACH_LEFT_OUT", ASSERTION, SOME),
]
RING_BREAKS = [
    ring("HEAD_RELEASE", DEAD_END),
    ring("CONSUMER_WAITS_RELEASE", DEAD_END),
    ring("TAIL_RELEASE", DEAD_END),
    ring("PRODUCER_WAITS_RELEASE", DEAD_END),
    ring("HEAD_RELAXED", ASSERTION),
    ring("RELEASE_BEFORE_READ", ASSERTION),
    ring("CONSUMER_LOOKS_ONCE", DEAD_END),
    ring("PRODUCER_LOOKS_ONCE", DEAD_END),
    ring("ANNOUNCE_ONE PRODUCERS=2 SLOTS=1 MESSAGES=1", DEAD_END),
    ring("BELL_FORGETS", DEAD_END),
    ring("HALF_EXACTLY SLOTS=4", DEAD_END),
    ring("NO_SLEEP", CYCLE),
]

ONE = "INGESTS=1 SHARDS=1"
EPOCH = [
    # two of each: no interval, and a spill at every record
    epoch("NO_SPILL INTERVAL=false", HOLDS, SOME),
    epoch("SLOTS=1 OBJECTS=2 INTERVAL=false FULL_AT_ONCE UNACKNOWLEDGED=1", HOLDS, SOME),
    # the interval passes at any time
    epoch("SHARDS=1 OBJECTS=2 NO_SPILL ASLEEP", HOLDS, SOME),
    epoch("INGESTS=1 OBJECTS=2 FULL_AT_ONCE UNACKNOWLEDGED=1 ASLEEP"),
    # signals, deaths, and every ledger that a death leaves
    epoch(ONE + " OBJECTS=2 STOP ANY_LEDGER FULL_AT_ONCE ASLEEP", HOLDS, SOME),
    epoch(ONE + " INTERVAL=false FULL_AT_ONCE ANY_LEDGER REFUSED=1"),
    epoch(ONE + " NO_SPILL DAMAGED=6"),
    epoch(ONE + " OBJECTS=2 NO_SPILL INTERVAL=false KILLS=1"),
    epoch(ONE + " FULL_AT_ONCE INTERVAL=false", ENDS),
]
EPOCH_BREAKS = [
    epoch("READS_ON NO_SPILL " + ONE, ASSERTION),
    epoch("BARRIER_INSIDE NO_SPILL " + ONE, ASSERTION),
    epoch("COMMIT_EARLY NO_SPILL INGESTS=1", ASSERTION),
    epoch("DAMAGED_COUNTS NO_SPILL " + ONE, ASSERTION),
    epoch("REDO_ALL NO_SPILL INTERVAL=false " + ONE, ASSERTION),
    epoch("NO_TURNS DAMAGED=6 NO_SPILL " + ONE, ASSERTION),
    epoch("FORGETS_LEDGER ANY_LEDGER NO_SPILL INTERVAL=false " + ONE, ASSERTION),
    epoch("TELLS_EARLY NO_SPILL INTERVAL=false " + ONE, ASSERTION),
    epoch("PUBLISHES_EARLY NO_SPILL INTERVAL=false " + ONE, ASSERTION),
    epoch("RING_BY_RING NO_SPILL INTERVAL=false SHARDS=1 SLOTS=1", DEAD_END),
    epoch("SUPERVISOR_WAITS NO_SPILL INTERVAL=false OBJECTS=4 AHEAD=4 " + ONE, DEAD_END),
    epoch("NO_BELL NO_SPILL INTERVAL=false " + ONE, DEAD_END),
    epoch("BELL_FIRST NO_SPILL INTERVAL=false " + ONE, DEAD_END),
    epoch("SPILL_AT_END FULL_AT_ONCE INTERVAL=false " + ONE, DEAD_END),
    epoch("KEEPS_DONE NO_SPILL INTERVAL=false " + ONE, DEAD_END),
    epoch("RESET_IS_FATAL STOP NO_SPILL INTERVAL=false " + ONE, ASSERTION),
]

LARGE = [check._replace(flags=MANY) for check in (
    ring("SLOTS=8 MESSAGES=16"),
    ring("CONSUMERS=2 MESSAGES=3"),
    ring("PRODUCERS=2 SLOTS=4 MESSAGES=7 OTHERS=3 BARRIER=1"),
    ring("PRODUCERS=2 MESSAGES=4 BARRIER=2"),
    ring(TWO_TO_ONE, ENDS),
    epoch("OBJECTS=4 NO_SPILL INTERVAL=false"),
    epoch("NO_SPILL INTERVAL=false ASLEEP"),
    epoch("OBJECTS=2 INTERVAL=false UNACKNOWLEDGED=1"),
    epoch("OBJECTS=2 NO_SPILL ASLEEP"),
    epoch("OBJECTS=2 NO_SPILL INTERVAL=false STOP"),
    epoch("SHARDS=1 NO_SPILL ASLEEP"),
    epoch("SHARDS=1 SLOTS=4 RECORDS=4 NO_SPILL INTERVAL=false ASLEEP"),
    epoch("INGESTS=1 FULL_AT_ONCE UNACKNOWLEDGED=1 ASLEEP"),
    epoch(ONE),
    epoch(ONE + " STOP ANY_LEDGER FULL_AT_ONCE ASLEEP"),
    epoch(ONE + " FULL_AT_ONCE INTERVAL=false KILLS=2"),
    epoch("SHARDS=1 OBJECTS=2 NO_SPILL INTERVAL=false KILLS=1"),
    epoch(ONE + " FULL_AT_ONCE", ENDS),
    epoch("OBJECTS=2 NO_SPILL INTERVAL=false", ENDS),
)]


def is_here():
    """Whether spin can be run."""
    return shutil.which("spin") is not None


def title(check):
    return f"{check.model} {check.defines}"


def pan_flags(check):
    """(compiler's, pan's) for what is looked for."""
    if check.outcome in (ENDS, CYCLE):
        return ["-DNP"], ["-l"]
    return ["-DSAFETY", "-DNOCLAIM"], ["-E"] if check.outcome == ASSERTION else []


def run(check):
    """Generates, compiles and runs the checker of a model."""
    defines = [f"-D{define}" for define in check.defines.split()]
    compiler, arguments = pan_flags(check)

    def done(command):
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    with tempfile.TemporaryDirectory(prefix="fls.") as folder:
        made = done(["spin", "-a", *defines, os.path.join(HERE, check.model)])
        if made.returncode == 0:
            made = done([*CC, *check.flags, *compiler, "-w", "-DVECTORSZ=2048", "-o", "pan",
                         "pan.c"])
        if made.returncode != 0:
            return Result("no checker", 0, 0, made.stdout + made.stderr)
        output = done(["./pan", f"-m{DEPTH_MAX}", "-w20", "-n", *arguments]).stdout
    return Result(outcome_of(output), number_in(r"(\d+) states, stored", output),
                  number_in(r"depth reached (\d+)", output), output)


def outcome_of(output):
    """What pan found: one of the breaks, HOLDS or ENDS, or None if it did not get to the end."""
    for broken in (ASSERTION, DEAD_END, CYCLE):
        if re.search(r"^pan:\d+: " + broken, output, re.MULTILINE):
            return broken
    if "errors: 0" not in output or "not completed" in output or "max search depth" in output:
        return None
    return ENDS if "non-progress cycles" in output else HOLDS


def number_in(pattern, text):
    match = re.search(pattern, text)
    return int(match.group(1)) if match else 0


def run_all(checks):
    """Yields (check, result) in the order of the checks."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip(checks, pool.map(run, checks))


def main():
    if not is_here():
        sys.exit("spin is not here (make check-deps)")
    checks = LARGE if sys.argv[1:] == ["large"] else RING + RING_BREAKS + EPOCH + EPOCH_BREAKS
    failed = 0
    print(f"{'':3} {'states':>10} {'depth':>7}  model and definitions: what has to come of it")
    for check, result in run_all(checks):
        is_good = result.found == check.outcome
        failed += not is_good
        print(f"{'ok' if is_good else 'BAD':3} {result.states:10,} {result.depth:7,}  "
              f"{title(check)}: {check.outcome}" + ("" if is_good else f", not {result.found}"),
              flush=True)
        if not is_good:
            print(result.output)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
