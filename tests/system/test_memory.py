#!/usr/bin/env python3
"""Little memory changes how the figures come about, and not the figures; and it is kept."""
import os
import random
import re
import time

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


FLOOD = 1_800_000   # as parts of pieces that a small shard hands over, more than any least limit
FLOOD_MORE = 300_000


def flood(path, first, count):
    """Conversations that are seen once, of IPv6 addresses that are, too."""
    with open(path, "w", encoding="ascii") as file:
        for i in range(first, first + count):
            file.write(f"2 111111111111 eni-1 2001:db8::{i >> 16:x}:{i & 65535:x} "
                       f"2600:1::{i & 65535:x}:{i >> 16:x} {i % 50000 + 1024} 443 6 1 {i % 9000} "
                       f"{FIRST_DAY * 86400 + i % 86400} {FIRST_DAY * 86400 + i % 86400} ACCEPT OK\n")
    return path


def memory_files(pid):
    """By number: bytes of the files in memory that the process holds, mapped or not."""
    found = {}
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        try:
            if os.readlink(os.path.join(folder, name)).startswith("/memfd:"):
                file = os.stat(os.path.join(folder, name))
                found[file.st_ino] = file.st_blocks * 512
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def held_bytes(pids):
    """What the processes hold together: what is shared counts once, pages of mapped files count."""
    shared, held = {}, 0
    for pid in pids:
        try:
            shared.update(memory_files(pid))
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                kib = dict(re.findall(r"^(Pss\w*): +(\d+)", file.read(), re.MULTILINE))
        except PermissionError as refused:
            raise lib.Skipped("only root sees what the processes hold") from refused
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        held += 1024 * (int(kib.get("Pss", 0)) - int(kib.get("Pss_Shmem", 0)))
    return held + sum(shared.values())


def peak_of(child):
    """The most that the run holds, from time to time looked at until it ends."""
    peak, pids, turn = 0, [], 0
    while child.poll() is None:
        if turn % 100 == 0:
            pids = [child.pid] + lib.session_members(child.pid)
        peak, turn = max(peak, held_bytes(pids)), turn + 1
        time.sleep(0.002)
    return peak


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


@test
def the_least_limits_are_kept():
    """A flood of wide keys under the least memory there is: days of far more bytes than the limit,
    in many parts, are written, published, made smaller, and published again with more in them."""
    if lib.is_sanitized():
        raise lib.Skipped("built with a sanitizer, which takes more memory than the limit")
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        logs = [(flood(os.path.join(temp, "first.log"), 0, FLOOD), FLOOD),
                (flood(os.path.join(temp, "more.log"), FLOOD, FLOOD_MORE), FLOOD + FLOOD_MORE)]
        for count in (1, 2):
            processes = ("--ingest", count, "--aggregate", count)
            least, name = least_memory(*processes), f"{count}x{count}"
            limit = int(least.removesuffix("M")) << 20
            where = ["--redis", f"unix://{socket}", "--name", name]
            for log, records in logs:
                with lib.started("run", "--state", os.path.join(temp, name), *where, *processes,
                                 "--memory", least, log) as child:
                    peak = peak_of(child)
                    check_equal(lib.finish(child), 0, lib.read_text(child.err))
                    check("give way" in lib.read_text(child.err), "the day is not too large")
                check(4 << 20 < peak <= limit, f"{name}: {peak} bytes, the limit is {limit}")
                totals = lib.report(*where, *lib.report_args("111111111111"))["totals"]
                check_equal(totals["flows"], records, "flows")


if __name__ == "__main__":
    lib.main()
