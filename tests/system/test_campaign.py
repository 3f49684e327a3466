#!/usr/bin/env python3
"""The kill campaign and the soak in short: `make campaign` and `make soak` do it at length."""
import contextlib
import functools
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "campaign"))
# pylint: disable=wrong-import-position
import campaign
import kills
import lib
import soak
from lib import check_equal, test

SEED = 1
KILLS, KILLS_PER_RUN = 15, 10  # at least, and at most
LOGS = (8, 100, 60)            # objects of each codec, lines of each, objects of many records
SOAK_S, SOAK_RATE = 12, 15
DEATHS = 11  # in a row: more than a run puts up with where nothing is committed
TRIES = 3    # to meet so many in time

STACK = contextlib.ExitStack()  # what the tests share, to the end


@functools.cache
def short_campaign():
    return STACK.enter_context(campaign.Campaign(SEED, LOGS))


@test
def killed_runs_count_what_undisturbed_ones_do():
    short, number = short_campaign(), 0
    while short.tally.kill_cnt() < KILLS:
        short.one(number, KILLS_PER_RUN)
        number += 1
    print(short.tally)


@test
def a_run_that_follows_outlives_kills():
    print(soak.soak(SEED, SOAK_S, SOAK_RATE, is_short=True))


def kill_while_publishing(child, eye):
    """Kills publish between its commit and its telling of it, until the run ends or has had enough
    of that; returns how often."""
    # after a death they are in a hurry: a commit for every few objects
    os.kill(lib.wait_until(lambda: kills.processes_of(child.pid, "publish"), "publish is there")[0],
            signal.SIGKILL)
    committed = set()
    while len(committed) < DEATHS and child.poll() is None:
        if eye.phase() == kills.PUBLISH and eye.newest not in committed:
            committed.add(eye.newest)
            for pid in kills.processes_of(child.pid, "publish"):
                os.kill(pid, signal.SIGKILL)
    return len(committed)


def deaths_while_publishing(short, state):
    """How often publish died until all was counted, which it was in any case."""
    with lib.started("run", "--state", state, "--progress", "never", "--ingest", 1,
                     short.logs.folder) as child, contextlib.closing(kills.Eye(state)) as eye:
        deaths = kill_while_publishing(child, eye)
        status, told = lib.finish(child), lib.read_text(child.err)
        check_equal(status, 2, f"exit status ({told})")
    short.truth.check(state)
    return deaths


@test
def who_commits_before_each_death_goes_on():
    with lib.folder() as temp:
        for i in range(TRIES):
            deaths = deaths_while_publishing(short_campaign(), os.path.join(temp, f"s{i}"))
            if deaths == DEATHS:
                return
    raise lib.Skipped(f"it was done after {deaths} deaths: this machine is busy")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # of those that get SIGILL
    with STACK:
        lib.main()
