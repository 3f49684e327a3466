#!/usr/bin/env python3
"""A flood of keys that are seen once in little memory: totals are exact, what is shown of every key
is below its true value by at most max_error, and unique addresses are as without a limit."""
import os
import random
import sys

import lib
import oracle
from lib import check, check_equal, test

RECORDS = 120000  # each with a source and a conversation of its own, but for the regular ones
REGULAR = 30
DAY, START = "2026-01-01", 1767225600
MEMORY = "130M"
NEVER = ("minute", "action", "protocol", "interface", "account")


def flood(path, object_cnt):
    """Objects of one day of two accounts; every tenth record is of one of few conversations, every
    other source is IPv6."""
    draw = random.Random(4)
    paths = []
    for number in range(object_cnt):
        lines = []
        for i in range(RECORDS // object_cnt):
            key = draw.randrange(REGULAR) if i % 10 == 0 else number * RECORDS + i + REGULAR
            src = f"2600::{key >> 16:x}:{key & 0xffff:x}" if key % 2 else \
                f"{60 + (key >> 20)}.{key >> 16 & 15}.{key >> 8 & 255}.{key & 255}"
            lines.append(lib.record(account="111111111111" if key % 3 else "222222222222", src=src,
                                    dst=f"10.{key >> 16}.{key >> 8 & 255}.{key & 255}",
                                    sport=50000, packets=1 + key % 7,
                                    size=40 * (1 + key % 7), start=START + i % 3600))
        name = os.path.join(path, f"{number}.log")
        lib.write(name, "".join(lines).encode())
        paths.append(name)
    return paths


def check_table(name, table, exact, published):
    error = table["max_error"]
    for row in table["rows"]:
        for i, counter in enumerate(oracle.COUNTERS):
            check(row[counter] <= exact[row["key"]][i] <= row[counter] + error[counter],
                  f"{name} {row['key']}: {counter} is {row[counter]}, {exact[row['key']][i]} are "
                  f"true, {error[counter]} is the error")
    shown = {row["key"] for row in table["rows"]}
    if len(shown) < published:  # every row that is left is shown
        for key, row in exact.items():
            check(key in shown or all(row[i] <= error[counter]
                                      for i, counter in enumerate(oracle.COUNTERS)),
                  f"{name} lacks {key}, which had {row}")


def compare(where, figures, account, unique):
    report = lib.report(*where, *lib.report_args(account, DAY))
    exact = figures.tables[account][DAY]
    check_equal([report["totals"][c] for c in oracle.COUNTERS], figures.totals[account][DAY],
                "totals")
    check_equal(report["unique"], unique, "unique addresses")
    gave_way = set()
    for name, table in report["tables"].items():
        check_table(name, table, exact.get(name, {}), 100)
        if table["distinct"] is None:
            gave_way.add(name)
            check(table["max_error"]["flows"] > 0, f"{name} gave way without an error")
        else:
            check_equal(table["distinct"], len(exact.get(name, {})), name)
            check(not any(table["max_error"].values()), f"{name} has an error")
    check(not gave_way & set(NEVER), f"{gave_way} gave way")
    return gave_way


@test
def a_flood_of_keys_seen_once():
    if "--memory" not in lib.program("run", "--help").stdout.decode():
        raise lib.Skipped("this program has no --memory")
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        logs = os.path.join(temp, "logs")
        os.mkdir(logs)
        paths = flood(logs, 8)
        figures = oracle.count(oracle.read(paths))
        where = ["--redis", f"unix://{socket}", "--name"]
        lib.run(os.path.join(temp, "whole"), *where, "whole", *paths)
        options = ["--ingest", 1, "--aggregate", 1, "--memory", MEMORY]
        state = os.path.join(temp, "little")
        lib.run(state, *where, "little", *options, *paths[:5])
        lib.run(state, *where, "little", *options, *paths)  # put together again, and more
        for account in [None] + figures.accounts():
            unique = lib.report(*where, "whole", *lib.report_args(account, DAY))["unique"]
            gave_way = compare([*where, "little"], figures, account, unique)
            check("conversation" in gave_way, "nothing gave way: the test needs less memory")
        text = lib.expect(0, "report", *where, "little").stdout.decode()
        check("gave way for want of memory: too low by at most flows" in text, text[-2000:])


if __name__ == "__main__":
    sys.exit(lib.main())
