#!/usr/bin/env python3
"""docs/FAULTS.md names tests that exist: each `test_NAME` is a program of tests, each `test_NAME:
one` a test of it, each `make TARGET` a target."""
import glob
import os
import re
import sys

import lib
from lib import check, check_equal, test

PAGE = os.path.join(lib.ROOT, "docs", "FAULTS.md")


def sources(name):
    """The sources of a program of tests, named with its folder or without."""
    where = name if "/" in name else f"tests/*/{name}"
    return [path for kind in (".c", ".py") for path in glob.glob(os.path.join(lib.ROOT, where + kind))]


def is_known(mention):
    """A program of tests, one test of a program, or a test of any program by itself."""
    name, _, one = mention.partition(": ")
    text = "".join(lib.read_text(path) for path in sources(name))
    if not text and not one:
        one, text = name, "".join(lib.read_text(path) for path in sources("test_*"))
    return bool(text) and re.search(r"\b" + one.rstrip("*"), text) is not None


@test
def each_test_that_is_named_exists():
    cells = [line.split("|")[3] for line in lib.read_text(PAGE).splitlines()
             if line.startswith("| ") and line.count("|") == 4]
    mentions = re.findall(r"`((?:tests/\w+/)?(?:test|fuzz)_\w+(?:: [\w*]+)?)`", "".join(cells))
    check(len(mentions) > 40, f"it names {len(mentions)} tests")
    check_equal([m for m in mentions if not is_known(m)], [], "tests that do not exist")


@test
def each_target_that_is_named_exists():
    targets = set(re.findall(r"`make ([\w-]+)`", lib.read_text(PAGE)))
    there = set(re.findall(r"^([\w-]+):", lib.read_text(os.path.join(lib.ROOT, "Makefile")),
                           re.MULTILINE))
    check_equal(sorted(targets - there), [], "targets that are named but do not exist")


if __name__ == "__main__":
    sys.exit(lib.main())
