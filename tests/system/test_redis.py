#!/usr/bin/env python3
"""The view in a Redis that others read too: whole epochs while the run works, deployments apart,
native HyperLogLogs, days that leave, and a view that is made right again."""
import contextlib
import ipaddress
import os
import shutil
import socket as sockets
import sqlite3
import subprocess
import sys
import time

import lib
import logs
import longrun
import oracle
from lib import check, check_equal, test

OWN = [ipaddress.ip_network(n) for n in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7",
    "fe80::/10")]


def is_own(text):
    address = ipaddress.ip_address(text)
    return any(address in network for network in OWN if network.version == address.version)


def read_view(client, day):
    """Epoch, totals and interfaces of the organisation, and lines, in one MULTI."""
    epoch, few, whole = client.transaction(
        ("GET", lib.key_epoch()), ("HGETALL", lib.key_few(day)), ("HGETALL", lib.key_input()))
    rows = {}
    for key, text in zip(few[::2], few[1::2]):
        table, _, name = key.decode().partition("|")
        rows.setdefault(table, {})[name] = [int(number) for number in text.split()]
    lines = {k.decode(): int(v) for k, v in zip(whole[::2], whole[1::2])}
    return int(epoch or 0), rows, lines


@test
def each_epoch_seen_meanwhile_is_a_set_of_whole_objects():
    with lib.redis_server() as (path, client), lib.folder() as temp:
        objects = longrun.LongRun(os.path.join(temp, "logs"))
        where = ["--redis", f"unix://{path}"]
        seen = {}
        with longrun.running(os.path.join(temp, "s"), objects, *where) as child:
            longrun.wait_for_epoch(child, where)
            while child.poll() is None:
                epoch, rows, lines = read_view(client, longrun.DAY)
                check(epoch >= max(seen, default=0), f"the epoch fell to {epoch}")
                if epoch not in seen:
                    seen[epoch] = (rows, lines, lib.report(*where, *lib.report_args()))
                check_equal(seen[epoch][:2], (rows, lines), f"figures within epoch {epoch}")
                time.sleep(0.02)
            check_equal(lib.finish(child), 0, "exit status")
        check(len(seen) >= 2, f"only epochs {sorted(seen)} were seen")
        counted = [check_epoch(objects, *seen[epoch]) for epoch in sorted(seen)]
        check(counted == sorted(counted), "an object left")
        lib.check_report(lib.report(*where, *lib.report_args()), objects.figures())


def check_epoch(objects, rows, lines, report):
    objects.check_whole_objects(report)
    numbers = {int(name[4:]) for name in rows["interface"] if name != "eni-all"}
    figures = objects.figures(numbers)
    check_equal(rows["interface"], figures.tables[None][longrun.DAY]["interface"], "interfaces")
    check_equal(list(rows["totals"].values()), [figures.totals[None][longrun.DAY]], "totals")
    for name in ("objects", "bytes_read", "bytes", "lines", "headers", "records"):
        check_equal(lines.get(name), figures.input[name], name)
    return len(numbers)


@test
def names_keep_two_deployments_apart():
    with lib.redis_server() as (path, client), lib.folder() as temp:
        figures = {}
        for name, size in (("one", 10), ("two", 20)):
            log = lib.write(os.path.join(temp, name + ".log"), lib.record(size=size) * size)
            lib.run(os.path.join(temp, name), "--redis", f"unix://{path}", "--name", name, log)
            figures[name] = oracle.count(oracle.read([log]))
        for name, should in figures.items():
            report = lib.report("--redis", f"unix://{path}", "--name", name, *lib.report_args())
            lib.check_report(report, should)
        for key in client.keys():
            check(key.startswith((lib.key_prefix("one"), lib.key_prefix("two"))), f"key {key}")
        default = lib.program("report", "--redis", f"unix://{path}", "--format", "json")
        check(b"10.0.0.1" not in default.stdout, "the default name shows another deployment")
        refusal = lib.program("run", "--name", "a{b", "x")
        check(refusal.returncode not in (0, 2), "a name with a brace was taken")


@test
def unique_counts_are_native_and_near():
    text = "".join(
        lib.record(f"{i % 2:012}", src=f"203.{i % 5}.{i // 250}.{i % 250}",
                   dst=f"10.1.{i // 500}.{i % 250}", start=logs.DAY1 + i % 3 * 43200)
        for i in range(9000)) + "".join(
            lib.record(src=f"2001:db8::{i:x}", dst=f"fd00::{i % 300:x}", start=logs.DAY1)
            for i in range(2000))
    with lib.redis_server() as (path, client), lib.folder() as temp:
        log = lib.write(os.path.join(temp, "a.log"), text)
        lib.run(os.path.join(temp, "s"), "--redis", f"unix://{path}", "--aggregate", 3, log)
        figures = oracle.count(oracle.read([log]))
        for account in [None] + figures.accounts():
            for day in figures.days(account):
                check_unique(client, figures.tables[account][day], day, account)
        days = [lib.key_unique("external_sources", day) for day in figures.days()]
        both = set().union(*(figures.tables[None][d]["source_address"] for d in figures.days()))
        exact = sum(not is_own(a) for a in both)
        near(client("PFCOUNT", *days), exact, "PFCOUNT over two days")


def check_unique(client, tables, day, account):
    sources, destinations = tables["source_address"], tables["destination_address"]
    external = sum(not is_own(address) for address in sources)
    own = sum(is_own(address) for address in set(sources) | set(destinations))
    for kind, exact in (("external_sources", external), ("own_addresses", own)):
        key = lib.key_unique(kind, day, account)
        near(client("PFCOUNT", key), exact, key)


def near(count, exact, what):
    check(abs(count - exact) <= max(0.03 * exact, 1), f"{what}: {count}, exactly {exact}")


@test
def unique_counts_hold_addresses_as_redis_would():
    """The same registers as PFADD of the addresses' texts."""
    with lib.redis_server() as (path, client), lib.folder() as temp:
        log = lib.write(os.path.join(temp, "a.log"), "".join(
            lib.record(src=f"203.0.{i // 250}.{i % 250}", start=logs.DAY1) for i in range(500)))
        lib.run(os.path.join(temp, "s"), "--redis", f"unix://{path}", log)
        key = lib.key_unique("external_sources", "2023-11-15")
        before = client("PFCOUNT", key)
        for i in range(500):
            check_equal(client("PFADD", key, f"203.0.{i // 250}.{i % 250}"), 0, f"PFADD of {i}")
        check_equal(client("PFCOUNT", key), before, "PFCOUNT afterwards")


@test
def only_the_newest_days_that_hold_records_stay():
    """By the data's clock: a gap of years between days does not count, nor does a day of NODATA."""
    day = 86400
    with lib.redis_server() as (path, client), lib.folder() as temp:
        state, where = os.path.join(temp, "s"), ["--redis", f"unix://{path}"]
        logs_folder = os.path.join(temp, "logs")
        lib.write(os.path.join(logs_folder, "nodata.log"), "2 5 eni-1 - - - - - - - "
                  f"{logs.DAY1 + 9 * day} {logs.DAY1 + 9 * day} - NODATA\n")
        starts = (logs.DAY1, logs.DAY1 - 3 * day, logs.DAY1 - 3000 * day, logs.DAY1 + day)
        for i, start in enumerate(starts):
            lib.write(os.path.join(logs_folder, f"{i}.log"), lib.record(start=start, size=i) * 3)
            lib.run(state, *where, "--keep", 2, logs_folder)
            paths = [os.path.join(logs_folder, f"{n}.log") for n in (*range(i + 1), "nodata")]
            figures = oracle.count(oracle.read(paths), keep=2)
            for held in figures.days():
                report = lib.report(*where, *lib.report_args(day=held))
                lib.check_report(report, figures, day=held)
        check_equal(figures.days(), ["2023-11-15", "2023-11-16"], "days by the oracle")
        gone = [k for k in client.keys() if ":day:" in k
                and not any(f":day:{d}:" in k for d in figures.days())]
        check_equal(gone, [], "keys of days that are not kept")


@test
def a_day_that_has_not_come_yet_is_not_reported_as_the_newest():
    with lib.redis_server() as (path, _), lib.folder() as temp:
        where, path = ["--redis", f"unix://{path}"], os.path.join(temp, "a.log")
        lib.write(path, lib.record(start=253402214400))
        lib.run(os.path.join(temp, "s"), *where, path)
        check_equal(lib.report(*where)["day"], "9999-12-31", "the only day")
        other = lib.write(os.path.join(temp, "b.log"), lib.record(start=logs.DAY1))
        lib.run(os.path.join(temp, "s"), *where, other)
        check_equal(lib.report(*where)["day"], "2023-11-15", "the newest day")


@test
def view_is_made_right_again_after_flushall():
    with lib.redis_server() as (path, client), lib.folder() as temp:
        state, where = os.path.join(temp, "s"), ["--redis", f"unix://{path}"]
        for name, data in logs.many_keys().items():
            lib.write(os.path.join(temp, "logs", name), data)
        lib.run(state, *where, os.path.join(temp, "logs"))
        keys = client.keys()
        before = {d: lib.report(*where, *lib.report_args(day=d)) for d in lib.report(*where)["days"]}
        client("FLUSHALL")
        lib.run(state, *where, os.path.join(temp, "logs"))
        for day, should in before.items():
            report = lib.report(*where, *lib.report_args(day=day))
            check({**report, "epoch": 0} == {**should, "epoch": 0}, f"{day} differs")
        check_equal(client.keys(), keys, "keys")
        # a part of it lost, and keys that are not ours on the way
        client("DEL", *client.keys(lib.key_prefix() + "*")[:3])
        client("DEL", lib.key_epoch())
        lib.run(state, *where, os.path.join(temp, "logs"))
        check_equal(client.keys(), keys, "keys after a partial loss")


@test
def another_redis_gets_the_whole_view():
    """State is the truth: the next run may name another server, or none."""
    with lib.redis_server() as (one, _), lib.redis_server() as (two, _), lib.folder() as temp:
        state = os.path.join(temp, "s")
        log = lib.write(os.path.join(temp, "a.log"), lib.record() * 5)
        figures = oracle.count(oracle.read([log]))
        for where in (["--redis", f"unix://{one}"], ["--redis", f"unix://{two}"], []):
            lib.run(state, *where, log)
            source = where or ["--state", state]
            lib.check_report(lib.report(*source, *lib.report_args()), figures)


@contextlib.contextmanager
def killable_server(folder):
    """(path of its socket, kill, start): a server that is killed and started again there, empty."""
    path, started = os.path.join(folder, "redis.sock"), []

    def start():
        started.append(subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))

    def kill():
        started[-1].kill()
        started[-1].wait()

    if not shutil.which("redis-server"):
        raise lib.Skipped("needs redis-server")
    start()
    try:
        yield path, kill, start
    finally:
        kill()


def committed_epoch(state):
    with contextlib.closing(sqlite3.connect(os.path.join(state, "state.db"), timeout=10)) as ledger:
        return ledger.execute("SELECT epoch FROM manifest").fetchone()[0]


@test
def epochs_go_on_while_redis_is_away():
    """Killed, it comes back empty some epochs later: the next publish makes it whole."""
    with lib.folder() as temp, killable_server(temp) as (path, kill, start):
        objects = longrun.LongRun(os.path.join(temp, "logs"), object_cnt=1500)
        state, where = os.path.join(temp, "s"), ["--redis", f"unix://{path}"]
        with longrun.running(state, objects, *where) as child:
            longrun.wait_for_epoch(child, where)
            kill()
            before = committed_epoch(state)
            lib.wait_until(lambda: committed_epoch(state) >= before + 2, "two more epochs")
            check(child.poll() is None, "the run has ended already")
            start()
            check_equal(lib.finish(child), 0, "exit status: " + lib.read_text(child.err))
            err = lib.read_text(child.err)
        check("cannot publish now" in err and "holds the last commit again" in err, err)
        lib.check_report(lib.report(*where, *lib.report_args()), objects.figures())


@test
def figures_above_2_to_53_are_exact_and_in_order():
    with lib.redis_server() as (path, client), lib.folder() as temp:
        log = lib.write(os.path.join(temp, "a.log"), logs.values()["big.log"])
        where = ["--redis", f"unix://{path}"]
        lib.run(os.path.join(temp, "s"), *where, "--top", 3, log)
        figures = oracle.count(oracle.read([log]))
        for day in figures.days():
            lib.check_report(lib.report(*where, *lib.report_args(day=day)), figures, day=day, K=3)
        row = client("HGET", lib.key_top("source_address", "2023-11-15"), "10.0.0.3")
        check_equal(row and [int(n) for n in row.split()], [1, 3, 2**60 + 2, 1, 0], "row in Redis")


@test
def types_of_keys_are_as_documented():
    with lib.redis_server() as (path, client), lib.folder() as temp:
        log = lib.write(os.path.join(temp, "a.log"), lib.record(start=logs.DAY1))
        lib.run(os.path.join(temp, "s"), "--redis", f"unix://{path}", log)
        for key, kind in ((lib.key_epoch(), b"string"), (lib.key_input(), b"hash"),
                          (lib.key_few("2023-11-15"), b"hash"),
                          (lib.key_top("conversation", "2023-11-15", "111111111111"), b"hash"),
                          (lib.key_unique("own_addresses", "2023-11-15"), b"string")):
            check_equal(client("TYPE", key), kind, key)
        for key in client.keys():
            check(key.startswith(lib.key_prefix()), f"{key} is not under the deployment's name")
            check_equal(client("TTL", key), -1, f"TTL of {key}")


def free_port():
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@test
def passwords_and_databases_on_loopback():
    secret = "s3cret-word"
    port = free_port()
    with lib.folder() as temp, lib.redis_server(
            "--port", str(port), "--bind", "127.0.0.1", "--requirepass", secret) as (_, client):
        log = lib.write(os.path.join(temp, "a.log"), lib.record(size=5))
        figures = oracle.count(oracle.read([log]))
        word = lib.write(os.path.join(temp, "word"), secret + "\n")
        tries = ((f"redis://:{secret}@127.0.0.1:{port}/2", {}),
                 (f"redis://default:{secret}@127.0.0.1:{port}/3", {}),
                 (f"redis://127.0.0.1:{port}/4", {"FLOWLOG_REDIS_PASSWORD": secret}),
                 (f"redis://127.0.0.1:{port}/5", {"FLOWLOG_REDIS_PASSWORD_FILE": word}))
        for database, (url, env) in enumerate(tries, 2):
            done = lib.run(os.path.join(temp, str(database)), "--redis", url, log, env=env)
            check(secret.encode() not in done.stderr + done.stdout, "the password was shown")
            lib.check_report(lib.report("--redis", url, *lib.report_args(), env=env), figures)
            client("SELECT", database)
            check(client("EXISTS", lib.key_epoch()) == 1, f"nothing in database {database}")
        for url in (f"redis://127.0.0.1:{port}/2", f"redis://:wrong-word@127.0.0.1:{port}/2"):
            done = lib.program("run", "--state", os.path.join(temp, "x"), "--redis", url, log)
            check(done.returncode not in (0, 2) and done.stderr, f"status {done.returncode}")
            check(b"wrong-word" not in done.stderr, "the password was shown")


@test
def password_is_in_no_process_list():
    secret = "s3cret-word"
    port = free_port()
    with lib.folder() as temp, lib.redis_server(
            "--port", str(port), "--bind", "127.0.0.1", "--requirepass", secret):
        objects = longrun.LongRun(os.path.join(temp, "logs"))
        where = ["--redis", f"redis://:{secret}@127.0.0.1:{port}/0"]
        with longrun.running(os.path.join(temp, "s"), objects, *where) as child:
            longrun.wait_for_epoch(child, where)
            for pid in [child.pid] + lib.session_members(child.pid):
                check(secret not in lib.command_line(pid), f"in {lib.command_line(pid)!r}")
            lib.finish(child)
            check(secret not in lib.read_text(child.err), "on stderr")


@test
def a_redis_that_is_not_there_is_named():
    with lib.folder() as temp:
        log = lib.write(os.path.join(temp, "a.log"), lib.record())
        url = f"unix://{temp}/none.sock"
        done = lib.program("run", "--state", os.path.join(temp, "s"), "--redis", url, log)
        check(done.returncode not in (0, 2) and b"none.sock" in done.stderr,
              f"status {done.returncode}, {done.stderr!r}")
        done = lib.program("report", "--redis", url)
        check(done.returncode not in (0, 2) and b"none.sock" in done.stderr,
              f"status {done.returncode}, {done.stderr!r}")


if __name__ == "__main__":
    sys.exit(lib.main())
