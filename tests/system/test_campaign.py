#!/usr/bin/env python3
"""The kill campaign and the soak in short: `make campaign` and `make soak` do it at length."""
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "campaign"))
# pylint: disable=wrong-import-position
import campaign
import lib
import soak
from lib import test

SEED = 1
KILLS, KILLS_PER_RUN = 15, 10  # at least, and at most
LOGS = (8, 100, 24)  # objects of each codec, lines of each, objects of many records
SOAK_S, SOAK_RATE = 12, 15


@test
def killed_runs_count_what_undisturbed_ones_do():
    with campaign.Campaign(SEED, LOGS) as short:
        number = 0
        while short.tally.kill_cnt() < KILLS:
            short.one(number, KILLS_PER_RUN)
            number += 1
        print(short.tally)


@test
def a_run_that_follows_outlives_kills():
    print(soak.soak(SEED, SOAK_S, SOAK_RATE, is_short=True))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # of those that get SIGSEGV
    sys.exit(lib.main())
