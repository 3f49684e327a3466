#!/usr/bin/env python3
"""A flood of keys that are seen once, in a day that may not be so large: totals are exact, what is
shown of every key is below its true value by at most max_error, and unique addresses are as without a
limit."""
import os
import random
import re
import sys

import lib
from lib import check, check_equal, test

RECORDS = 340000  # each with addresses and a conversation of its own, but for the regular ones
OBJECTS = 8
REGULAR = 30
DAY, START = "2026-01-01", 1767225600
ACCOUNTS = ("111111111111", "222222222222")
COUNTERS = ("flows", "packets", "bytes", "accepted", "rejected")
FLOOD = ("source_address", "destination_address", "conversation")
PUBLISHED = 100


class Exact:
    """What each key has in each scope: flows, packets and bytes in one number, as sums of it are."""

    def __init__(self):
        self.rows = {scope: {name: {} for name in (*FLOOD, "totals")} for scope in (None, *ACCOUNTS)}

    def add(self, account, keys, packets, size):
        one = 1 | packets << 24 | size << 56
        for scope in (None, account):
            for name, key in zip((*FLOOD, "totals"), (*keys, None)):
                rows = self.rows[scope][name]
                rows[key] = rows.get(key, 0) + one

    def counters(self, scope, name, key=None):
        one = self.rows[scope][name][key]
        flows = one & 0xffffff
        return flows, one >> 24 & 0xffffffff, one >> 56, flows, 0


def flood(path, exact):
    """Objects of one day of two accounts; every tenth record is of one of few conversations, every
    fourth source is IPv4."""
    draw = random.Random(4)
    paths = []
    for number in range(OBJECTS):
        lines = []
        for i in range(RECORDS // OBJECTS):
            key = draw.randrange(REGULAR) if i % 10 == 0 else number * RECORDS + i + REGULAR
            account, packets = ACCOUNTS[key % 3 == 0], 1 + key % 7
            src = f"2600::{(key >> 16) + 1:x}:{key & 0xffff:x}" if key % 4 else \
                f"{60 + (key >> 20)}.{key >> 16 & 15}.{key >> 8 & 255}.{key & 255}"
            dst = f"fd00::{(key >> 16) + 1:x}:{key & 0xffff:x}"
            exact.add(account, (src, dst, f"{src}|{dst}|6|443"), packets, 40 * packets)
            lines.append(lib.record(account=account, src=src, dst=dst, sport=50000,
                                    packets=packets, size=40 * packets, start=START + i % 3600))
        name = os.path.join(path, f"{number}.log")
        lib.write(name, "".join(lines).encode())
        paths.append(name)
    return paths


def check_flood(name, table, exact, account):
    """The rows of a table whose keys were a flood; true if some gave way."""
    error = table["max_error"]
    check_equal(len(table["rows"]) >= PUBLISHED, True, f"rows of {name}")
    for row in table["rows"]:
        for counter, true in zip(COUNTERS, exact.counters(account, name, row["key"])):
            check(row[counter] <= true <= row[counter] + error[counter],
                  f"{name} {row['key']}: {counter} is {row[counter]}, {true} are true, "
                  f"{error[counter]} is the error")
    if table["distinct"] is None:
        check(error["flows"] > 0, f"{name} gave way without an error")
        return True
    check_equal(table["distinct"], len(exact.rows[account][name]), f"keys of {name}")
    check(not any(error.values()), f"{name} has an error")
    return False


def compare(where, exact, account, unique):
    report = lib.report(*where, *lib.report_args(account, DAY))
    totals = list(exact.counters(account, "totals"))
    check_equal([report["totals"][c] for c in COUNTERS], totals, "totals")
    check_equal(report["unique"], unique, "unique addresses")
    gave_way = [name for name in FLOOD
                if check_flood(name, report["tables"][name], exact, account)]
    for name, table in report["tables"].items():
        if name in FLOOD or not table["rows"]:
            continue
        check_equal(table["distinct"], len(table["rows"]), f"keys of {name}")
        check(not any(table["max_error"].values()), f"{name} has an error")
        check_equal([sum(row[c] for row in table["rows"]) for c in COUNTERS], totals, name)
    return gave_way


@test
def a_flood_of_keys_seen_once():
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        logs, exact = os.path.join(temp, "logs"), Exact()
        os.mkdir(logs)
        paths = flood(logs, exact)
        where = ["--redis", f"unix://{socket}", "--name"]
        lib.run(os.path.join(temp, "whole"), *where, "whole", *paths)
        options = ["--ingest", 1, "--aggregate", 1]
        least = re.search(r"--memory: (\d+M) is the least", lib.expect(
            64, "run", *options, "--memory", 1, "x").stderr.decode()).group(1)
        state = os.path.join(temp, "little")
        for some in (paths[:-1], paths):  # then more comes to a day that gave way
            done = lib.run(state, *where, "little", *options, "--memory", least, *some)
        check("give way" in done.stderr.decode(), done.stderr)
        for account in (None, *ACCOUNTS):
            unique = lib.report(*where, "whole", *lib.report_args(account, DAY))["unique"]
            check(not compare([*where, "whole"], exact, account, unique), "something gave way")
            check("conversation" in compare([*where, "little"], exact, account, unique),
                  "nothing gave way: the test needs more records")
        text = lib.expect(0, "report", *where, "little").stdout.decode()
        check("gave way for want of room: too low by at most flows" in text, text[-2000:])


if __name__ == "__main__":
    sys.exit(lib.main())
