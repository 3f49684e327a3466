#!/usr/bin/env python3
"""`run --follow`: new objects are counted as they appear, once, wherever and in whatever order they
come; one that is still being written is waited for; it stops in order and goes on later."""
import contextlib
import gzip
import json
import os
import signal
import socket
import sys
import time

import lib
import oracle
from lib import check, check_equal, record, test

STOP_S = 20
SCANS, SCAN_S = 3, 3  # tries to meet one, and how long each is looked for
SETTLED_S = 3         # an object is taken once it has been left alone for less


@contextlib.contextmanager
def following(state, where, *paths, env=None):
    with lib.started("run", "--follow", "--state", state, "--progress", "never", "--interval", 1,
                     *where, *paths, env=env) as child:
        yield child


@contextlib.contextmanager
def place():
    """A Redis, a state and an empty folder of logs: where, state, logs."""
    with lib.redis_server() as (path, _), lib.folder() as temp:
        logs = os.path.join(temp, "logs")
        os.mkdir(logs)
        yield ["--redis", f"unix://{path}"], os.path.join(temp, "s"), logs


def report(where):
    done = lib.program("report", *where, "--format", "json", "--top", 0)
    return json.loads(done.stdout) if done.returncode == 0 else None


def wait_for_flows(child, where, flows):
    def there():
        check(child.poll() is None, lambda: f"it ended: {lib.read_text(child.err)}")
        shown = report(where)
        return shown if shown and shown["totals"]["flows"] == flows else None

    return lib.wait_until(there, f"{flows} flows are published")


def stop(child):
    os.kill(child.pid, signal.SIGTERM)
    check_equal(lib.finish(child, STOP_S), 128 + signal.SIGTERM, "exit status")


def lines(first, cnt):
    return "".join(record(src=f"198.51.100.{i % 200}", size=i) for i in range(first, first + cnt))


def put(path, text):
    """As a careful writer does: beside, then renamed."""
    data = gzip.compress(text.encode(), mtime=0) if path.endswith(".gz") else text.encode()
    lib.write(os.path.join(os.path.dirname(path), ".incoming"), data)
    os.rename(os.path.join(os.path.dirname(path), ".incoming"), path)


@test
def objects_are_counted_as_they_come():
    with place() as (where, state, logs):
        put(os.path.join(logs, "a.log"), lines(0, 3))
        with following(state, where, logs) as child:
            wait_for_flows(child, where, 3)
            put(os.path.join(logs, "2026", "02", "b.log.gz"), lines(10, 4))  # new folders
            wait_for_flows(child, where, 7)
            put(os.path.join(logs, "2026", "01", "late.log"), lines(20, 5))  # an older day's
            lib.write(os.path.join(logs, "c.log"), lines(30, 6))             # in place
            os.makedirs(os.path.join(logs, ".making", "deep"))
            put(os.path.join(logs, ".making", "deep", "d.log"), lines(40, 7))
            os.rename(os.path.join(logs, ".making"), os.path.join(logs, "made"))  # all at once
            wait_for_flows(child, where, 25)
            stop(child)
        put(os.path.join(logs, "meanwhile.log"), lines(50, 8))
        with following(state, where, logs) as child:
            shown = wait_for_flows(child, where, 33)
            check_equal(shown["input"]["objects"], 6, "objects")
            stop(child)
        figures = oracle.count(oracle.read([logs]))
        lib.check_report(lib.report(*where, *lib.report_args()), figures)


@test
def an_object_being_written_is_waited_for():
    with place() as (where, state, logs):
        with following(state, where, logs) as child:
            slow = os.path.join(logs, "slow.log")
            with open(slow, "w", encoding="ascii") as file:
                file.write(lines(0, 5))
                file.flush()
                past = 1_600_000_000
                os.utime(slow, (past, past))  # looks old, but is not
                for i in range(3):            # what comes meanwhile is counted
                    put(os.path.join(logs, f"{i}.log"), lines(100 * (i + 1), 10))
                    shown = wait_for_flows(child, where, 10 * (i + 1))
                    check_equal(shown["input"]["objects"], i + 1, "objects")
                file.write(lines(5, 5))
            shown = wait_for_flows(child, where, 40)
            check_equal(shown["input"]["objects_failed"], 0, "failed objects")
            stop(child)


@test
def a_failed_object_is_tried_again_when_it_changes():
    with place() as (where, state, logs):
        path = os.path.join(logs, "a.log.gz")
        whole = gzip.compress(lines(0, 50).encode(), mtime=0)
        lib.write(path, whole[:-10])
        put(os.path.join(logs, "b.log"), lines(60, 5))
        with following(state, where, logs) as child:
            wait_for_flows(child, where, 5)
            shown = lib.wait_until(lambda: [s for s in [report(where)] if s["input"]["failed"]],
                                   "the other one has failed")[0]  # maybe in an epoch of its own
            check_equal([f["object"] for f in shown["input"]["failed"]], [path], "failed objects")
            lib.write(path, whole)
            shown = wait_for_flows(child, where, 55)
            check_equal(shown["input"]["failed"], [], "failed objects")
            stop(child)


@test
def it_goes_on_when_a_process_dies():
    with place() as (where, state, logs):
        with following(state, where, logs) as child:
            flows = 0
            for i, role in enumerate(("ingest", "aggregate", "publish")):
                put(os.path.join(logs, f"{i}.log"), lines(100 * i, 10))
                flows += 10
                wait_for_flows(child, where, flows)
                os.kill(lib.wait_until(lambda role=role: lib.processes_of(child, role),
                                       f"{role} is there")[0], signal.SIGKILL)
            put(os.path.join(logs, "last.log"), lines(1000, 10))
            wait_for_flows(child, where, flows + 10)
            stop(child)


def make_copies(folder, names, folder_cnt):
    """Each object in a folder of its own, and many folders more, which take long to read."""
    for i in range(folder_cnt):
        below = os.path.join(folder, f"{i:04}")
        if i < len(names):
            put_aws(below, names[i], i)
        else:
            os.makedirs(below)


def put_aws(folder, name, i):
    lib.write(os.path.join(folder, name), lines(5 * i, 5))


def folder_being_read(child, above):
    """The number of the folder below `above` that the supervisor has open, or None."""
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{child.pid}/fd"):
            with contextlib.suppress(OSError):
                path = os.readlink(f"/proc/{child.pid}/fd/{fd}")
                if os.path.dirname(path) == above:
                    return int(os.path.basename(path))
    return None


def stop_in_scan(child, above, first):
    """Stops the supervisor while it reads a folder below `above`, `first` or a later one; False if
    it was too quick."""
    def is_there():
        number = folder_being_read(child, above)
        return number is not None and number >= first

    deadline = time.monotonic() + SCAN_S
    while not is_there():
        if time.monotonic() > deadline:
            return False
    os.kill(child.pid, signal.SIGSTOP)
    lib.wait_until(lambda: lib.process_stat(child.pid)[0] == "T", "the supervisor is stopped")
    if is_there():
        return True
    os.kill(child.pid, signal.SIGCONT)
    return False


@test
def a_death_during_a_scan_takes_nothing_twice():
    """A scan that is broken off has found objects that may be counted."""
    names = [f"111111111111_vpcflowlogs_eu-west-1_fl-0a_20260101T0000Z_{i:08x}.log"
             for i in range(20)]
    with place() as (where, state, logs):
        for i, name in enumerate(names):
            put_aws(os.path.join(logs, "first"), name, i)
        for i in range(SCANS):
            make_copies(os.path.join(logs, f".copies-{i}"), names, 1500)
        youngest = os.stat(os.path.join(logs, f".copies-{SCANS - 1}", "1499")).st_ctime
        with following(state, where, logs) as child:
            wait_for_flows(child, where, 100)
            lib.wait_until(lambda: time.time() > youngest + SETTLED_S, "the copies are left alone")
            for i in range(SCANS):
                made = os.path.join(logs, f"copies-{i}")
                os.rename(os.path.join(logs, f".copies-{i}"), made)
                if stop_in_scan(child, made, len(names)):
                    break
            else:
                raise lib.Skipped("no scan could be met")
            killed = lib.processes_of(child, "ingest")[0]
            os.kill(killed, signal.SIGKILL)
            lib.wait_until(lambda: lib.process_stat(killed)[0] == "Z", "the ingest is dead")
            os.kill(child.pid, signal.SIGCONT)
            lib.wait_until(lambda: "start again" in lib.read_text(child.err), "its death is told")
            put(os.path.join(logs, "last.log"), lines(1000, 10))
            wait_for_flows(child, where, 110)
            stop(child)
            told = lib.read_text(child.err)
            check("error" not in told, f"told: {told}")


def expect_message(listener, wanted, seconds):
    """Waits for a datagram that holds a line; what comes before it is passed by."""
    listener.settimeout(seconds)
    while True:
        try:
            message = listener.recv(4096).decode()
        except socket.timeout as why:
            raise lib.Failed(f"no {wanted} came") from why
        if wanted in message.splitlines():
            return


@test
def the_watchdog_is_fed_while_all_make_progress():
    with place() as (where, state, logs), lib.folder() as temp:
        path = os.path.join(temp, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            env = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"}
            with following(state, where, logs, env=env) as child:
                expect_message(listener, "READY=1", 30)
                expect_message(listener, "WATCHDOG=1", 10)
                stopped = lib.processes_of(child, "aggregate")[0]
                os.kill(stopped, signal.SIGSTOP)
                with contextlib.suppress(lib.Failed):  # one look may have seen it move still
                    expect_message(listener, "WATCHDOG=1", 1.5)
                try:
                    expect_message(listener, "WATCHDOG=1", 3)
                except lib.Failed:
                    pass
                else:
                    raise lib.Failed("it was fed though a process stood still")
                os.kill(stopped, signal.SIGCONT)
                expect_message(listener, "WATCHDOG=1", 10)
                os.kill(child.pid, signal.SIGTERM)
                expect_message(listener, "STOPPING=1", 10)
                check_equal(lib.finish(child, STOP_S), 128 + signal.SIGTERM, "exit status")


if __name__ == "__main__":
    sys.exit(lib.main())
