#!/usr/bin/env python3
"""Little memory changes how the figures come about, and not the figures."""
import os
import random
import re

import lib
import oracle
from lib import check, check_equal, test

DAYS = 400          # each takes memory of its own: shards hand over again and again
FIRST_DAY = 1700000000 // 86400


def wide(seed, records):
    """Records of many days, with IPv4 and IPv6, some fields missing."""
    draw = random.Random(seed)
    lines = [lib.HEADER]
    for _ in range(records):
        wide_address = draw.random() < 0.3
        src = f"2001:db8::{draw.randrange(200):x}" if wide_address else f"10.0.0.{draw.randrange(99)}"
        dst = f"2600::{draw.randrange(9):x}" if wide_address else f"192.0.2.{draw.randrange(9)}"
        if draw.random() < 0.1:
            src = "-"
        lines.append(lib.record(
            account=f"11111111111{draw.randrange(3)}", interface=f"eni-{draw.randrange(30)}",
            src=src, dst=dst, sport=draw.randrange(1024, 65536), dport=draw.choice((22, 53, 443)),
            protocol=draw.choice((6, 17)), packets=draw.randrange(100),
            size=draw.randrange(1 << draw.randrange(1, 40)),
            start=(FIRST_DAY + draw.randrange(DAYS)) * 86400 + draw.randrange(86400),
            action=draw.choice(("ACCEPT", "REJECT"))))
    return "".join(lines)


def least_memory(*processes):
    """What the program says that it needs at least."""
    said = lib.expect(64, "run", *processes, "--memory", 1, "x").stderr.decode()
    found = re.search(r"--memory: (\d+M) is the least", said)
    check(found, f"no least memory in: {said}")
    return found.group(1)


def spilled(done):
    return "written before their epoch's end" in done.stderr.decode()


def reports(where, figures):
    for account in [None] + figures.accounts():
        days = figures.days(account)
        for day in (days[0], days[len(days) // 2], days[-1], f"{days[0]}..{days[-1]}"):
            yield account, day, lib.report_bytes(*where, *lib.report_args(account, day))


def without_epoch(report):
    return re.sub(rb'"epoch":\s*\d+', b'"epoch":0', report)


@test
def shards_that_hand_over_in_pieces():
    """2 shards and 2 ingests with the least memory: epochs in many pieces, one of them damaged late
    and done again, give what the oracle counts, and byte for byte what a run with enough gives."""
    processes = ("--ingest", 2, "--aggregate", 2, "--keep", 4000)
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        logs = os.path.join(temp, "logs")
        for i in range(4):
            lib.write(os.path.join(logs, f"{i}.log.gz"), wide(i, 4000), "gzip")
        broken = lib.write(os.path.join(logs, "broken.log.gz"), wide(9, 9000), "gzip")
        with open(broken, "r+b") as file:
            file.truncate(os.path.getsize(broken) - 20)
        figures = oracle.count(oracle.read([logs]))
        check_equal(len(figures.failed), 1, "failed objects")
        found = {}
        for name, memory in (("enough", "4G"), ("least", least_memory(*processes))):
            where = ["--redis", f"unix://{socket}", "--name", name]
            state = os.path.join(temp, name)
            done = lib.run(state, *where, *processes, "--memory", memory, logs, status=2)
            check_equal(spilled(done), name == "least", f"spilled with {memory}: {done.stderr}")
            check(not [f for f in os.listdir(os.path.join(state, "segments"))
                       if not f.endswith(".seg")], "unfinished segments are left")
            found[name] = {(a, d): without_epoch(r) for a, d, r in reports(where, figures)}
        check(found["least"] == found["enough"], lambda: "the reports differ in " + str(
            [scope for scope in found["least"] if found["least"][scope] != found["enough"][scope]]))
        for account, day in found["least"]:
            report = lib.report(*where, *lib.report_args(account, day))
            lib.check_report(report, figures, account=account, day=day, K=100)


if __name__ == "__main__":
    lib.main()
