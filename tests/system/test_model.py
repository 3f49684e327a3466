#!/usr/bin/env python3
"""The models of the ring and of the epochs hold, and every break of them is found
(tests/model/model.py)."""
import os
import sys

import lib
from lib import check_equal, test

sys.path.insert(0, os.path.join(lib.ROOT, "tests", "model"))
import model  # pylint: disable=wrong-import-position


def check_all(checks):
    if not model.is_here():
        raise lib.Skipped("needs spin")
    wrong = [f"{model.title(check)}: {result.found}, should be {check.outcome}"
             for check, result in model.run_all(checks) if result.found != check.outcome]
    check_equal(wrong, [], "models that do not come out as they should")


@test
def the_ring_loses_nothing_and_no_wake_up():
    check_all(model.RING)


@test
def breaks_of_the_ring_are_found():
    check_all(model.RING_BREAKS)


@test
def epochs_are_whole_and_end():
    check_all(model.EPOCH)


@test
def breaks_of_the_epochs_are_found():
    check_all(model.EPOCH_BREAKS)


if __name__ == "__main__":
    lib.main(needs_program=False)
