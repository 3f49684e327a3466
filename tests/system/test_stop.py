#!/usr/bin/env python3
"""Stopping, dying and waiting: what is published is whole, nothing is left behind, the next run goes
on from the last commit."""
import contextlib
import gzip
import json
import os
import signal
import sys
import time

import lib
import longrun
from lib import check, check_equal, test

STOP_S = 20  # a stop in order takes no longer


def check_nothing_left(child, state):
    """No process of the run, nobody in its state folder, no socket."""
    lib.wait_until(lambda: not lib.session_members(child.pid), "the run's processes are gone", 5)
    lib.wait_until(lambda: not lib.users_of(state), f"nobody uses {state}", 5)
    check_equal(lib.sockets_under(state), [], "sockets left behind")


def check_goes_on(state, objects, where=None):
    """What is held is a set of whole objects; the next run completes it."""
    source = where or ["--state", state]
    numbers = objects.check_whole_objects(lib.report(*source, *lib.report_args()))
    lib.run(state, *(where or []), objects.folder)
    lib.check_report(lib.report(*source, *lib.report_args()), objects.figures())
    return len(numbers)


def stop(number, to_group):
    shared_before = set(os.listdir("/dev/shm"))
    with lib.folder() as temp:
        state = os.path.join(temp, "s")
        objects = longrun.LongRun(os.path.join(temp, "logs"))
        with longrun.running(state, objects) as child:
            longrun.wait_for_epoch(child, ["--state", state])
            (os.killpg if to_group else os.kill)(child.pid, number)
            status = lib.finish(child, STOP_S)
            check(status != 0, "exit status 0, though not all objects were counted")
            check_nothing_left(child, state)
        check_equal(set(os.listdir("/dev/shm")) - shared_before, set(), "shared memory left")
        counted = check_goes_on(state, objects)
        check(0 < counted < objects.object_cnt, f"{counted} objects were counted at the stop")


@test
def interrupt_from_the_terminal_stops_in_order():
    stop(signal.SIGINT, to_group=True)


@test
def sigterm_to_the_supervisor_stops_in_order():
    stop(signal.SIGTERM, to_group=False)


@test
def asked_to_stop_twice_it_ends_at_once():
    with lib.folder() as temp:
        state = os.path.join(temp, "s")
        objects = longrun.LongRun(os.path.join(temp, "logs"), object_cnt=4)
        with longrun.running(state, objects, "--follow") as child:
            longrun.wait_for_epoch(child, ["--state", state])
            publish, = lib.processes_of(child, "publish")
            os.kill(publish, signal.SIGSTOP)  # so that the first one cannot be done with
            os.kill(child.pid, signal.SIGTERM)
            lib.wait_until(lambda: not lib.processes_of(child, "ingest"), "the ingests have ended")
            os.kill(child.pid, signal.SIGTERM)
            check_equal(lib.finish(child, STOP_S), 1, "exit status")
            check("asked to stop again" in lib.read_text(child.err), lib.read_text(child.err))
            check_nothing_left(child, state)


@test
def killed_supervisor_leaves_no_orphans():
    with lib.folder() as temp:
        state = os.path.join(temp, "s")
        objects = longrun.LongRun(os.path.join(temp, "logs"))
        with longrun.running(state, objects) as child:
            longrun.wait_for_epoch(child, ["--state", state])
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            lib.wait_until(lambda: not lib.session_members(child.pid), "orphans are gone", 10)
            lib.wait_until(lambda: not lib.users_of(state), f"nobody uses {state}", 10)
        check_goes_on(state, objects)


@test
def second_supervisor_on_one_state_is_refused():
    with lib.folder() as temp:
        state = os.path.join(temp, "s")
        objects = longrun.LongRun(os.path.join(temp, "logs"))
        other = lib.write(os.path.join(temp, "other.log"), lib.record())
        with longrun.running(state, objects) as child:
            longrun.wait_for_epoch(child, ["--state", state])
            refusal = lib.program("run", "--state", state, other, timeout=STOP_S)
            check(refusal.returncode not in (0, 2), f"exit status {refusal.returncode}")
            check(str(child.pid) in refusal.stderr.decode(),
                  f"the holder {child.pid} is not named: {refusal.stderr!r}")
            check_equal(lib.finish(child), 0, "exit status of the first run")
        lib.check_report(lib.report("--state", state, *lib.report_args()), objects.figures())


def texts_of_waiting(value):
    """What stands under names with `wait` in them, anywhere in parsed JSON."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if "wait" in name and inner:
                yield json.dumps(inner)
            else:
                yield from texts_of_waiting(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of_waiting(inner)


def idle(pids, window_s=0.5):
    """True if together they used next to no CPU for a while."""
    before = sum(map(lib.cpu_seconds, pids))
    time.sleep(window_s)
    return sum(map(lib.cpu_seconds, pids)) - before <= 0.02


def memory(child):
    return {pid: lib.resident_bytes(pid) for pid in [child.pid] + lib.session_members(child.pid)}


@test
def stopped_aggregate_holds_ingest_back():
    """Ingest waits without turning and without growing; status says whom it waits for."""
    window_s = 4
    with lib.redis_server() as (path, _), lib.folder() as temp:
        state, where = os.path.join(temp, "s"), ["--redis", f"unix://{path}"]
        objects = longrun.LongRun(os.path.join(temp, "logs"))
        with longrun.running(state, objects, *where, "--ingest", 2, "--aggregate", 2) as child:
            longrun.wait_for_epoch(child, where)
            ingest = lib.processes_of(child, "ingest")
            check_equal(len(ingest), 2, "ingest processes")
            stopped = lib.processes_of(child, "aggregate")[0]
            os.kill(stopped, signal.SIGSTOP)
            lib.wait_until(lambda: idle(ingest), "ingest waits")
            before, cpu = memory(child), {pid: lib.cpu_seconds(pid) for pid in ingest}
            time.sleep(window_s)
            for pid in ingest:
                used = (lib.cpu_seconds(pid) - cpu[pid]) / window_s
                check(used < 0.02, f"a waiting ingest uses {used:.1%} of a CPU")
            after = memory(child)
            check_equal(sorted(after), sorted(before), "processes")
            growth = sum(after.values()) - sum(before.values())
            check(growth < 1 << 20, f"memory grew by {growth} bytes while all wait")
            status = lib.expect(0, "status", "--state", state, "--format", "json").stdout
            waiting = list(texts_of_waiting(json.loads(status)))
            check(any("aggregate" in text for text in waiting),
                  f"status names no waiting for aggregate: {status.decode()[:2000]}")
            text = lib.expect(0, "status", "--state", state).stdout.decode()
            check("wait" in text, f"status says nothing of waiting: {text!r}")
            os.kill(stopped, signal.SIGCONT)
            check_equal(lib.finish(child), 0, "exit status")
        lib.check_report(lib.report(*where, *lib.report_args()), objects.figures())


def open_files(pid):
    """Where the descriptors of a process lead."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def sockets(pid):
    return sum(name.startswith("socket:") for name in open_files(pid))


@test
def a_stop_is_in_order_though_the_supervisor_did_not_hear_all():
    """It closes the channel of an ingest that has told of an object and is at the next one."""
    lines = "".join(lib.record(src=f"10.0.{i // 250}.{i % 250}") for i in range(10000))
    member = gzip.compress(lines.encode(), 1)
    with lib.folder() as temp:
        state, folder = os.path.join(temp, "s"), os.path.join(temp, "logs")
        first = lib.write(os.path.join(folder, "1.log.gz"), member * 400)
        second = lib.write(os.path.join(folder, "2.log.gz"), member * 1200)
        with lib.started("run", "--state", state, "--progress", "never", "--ingest", 1,
                         "--aggregate", 1, "--io", "pread", folder) as child:
            ingest = lib.wait_until(lambda: lib.processes_of(child, "ingest"), "an ingest")[0]
            lib.wait_until(lambda: {first, second} <= set(open_files(ingest)),
                           "the ingest has both objects")
            os.kill(child.pid, signal.SIGSTOP)
            lib.wait_until(lambda: first not in open_files(ingest), "the first object is done")
            os.kill(ingest, signal.SIGSTOP)
            check(second in open_files(ingest), "the second object is done, too")
            before = sockets(child.pid)
            os.kill(child.pid, signal.SIGTERM)
            os.kill(child.pid, signal.SIGCONT)
            lib.wait_until(lambda: sockets(child.pid) < before, "the channel is closed")
            os.kill(ingest, signal.SIGCONT)
            check_equal(lib.finish(child, STOP_S), 128 + signal.SIGTERM,
                        f"exit status; stderr: {lib.read_text(child.err)}")


@test
def a_run_that_waits_for_its_input_stops_at_once():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with lib.folder() as temp:
            state, fifo = os.path.join(temp, "s"), os.path.join(temp, "p")
            os.mkfifo(fifo)
            with lib.started("run", "--state", state, fifo) as child:
                lib.wait_until(lambda: os.path.exists(os.path.join(state, "spool/incoming.tmp")),
                               "the run waits for its input")
                os.kill(child.pid, number)
                check_equal(lib.finish(child, STOP_S), 128 + number, "exit status")
            check_equal(os.listdir(os.path.join(state, "spool")), [], "spooled")


@test
def a_run_under_nohup_outlives_its_terminal():
    with lib.folder() as temp:
        state, fifo = os.path.join(temp, "s"), os.path.join(temp, "p")
        os.mkfifo(fifo)
        ignore = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with lib.started("run", "--state", state, fifo, restore_signals=False) as child:
                lib.wait_until(lambda: os.path.exists(os.path.join(state, "spool/incoming.tmp")),
                               "the run waits for its input")
                os.kill(child.pid, signal.SIGHUP)
                with open(fifo, "w", encoding="ascii") as file:
                    file.write(lib.record())
                check_equal(lib.finish(child, STOP_S), 0, "exit status")
        finally:
            signal.signal(signal.SIGHUP, ignore)


@test
def closed_standard_descriptors_lead_nowhere_else():
    """Nothing that is meant for people goes into a file or a socket of ours."""
    def close_all():
        for fd in range(3):
            os.close(fd)

    with lib.folder() as temp:
        state, log = os.path.join(temp, "s"), os.path.join(temp, "a.log")
        lib.write(log, lib.record())
        with lib.started("run", "--state", state, log, preexec_fn=close_all) as child:
            check_equal(lib.finish(child, STOP_S), 0, "exit status")
            lock = lib.read_text(os.path.join(state, "lock"))
            check_equal(lock, f"{child.pid}\n", "the lock file")
        with lib.started("report", "--state", state, preexec_fn=close_all) as child:
            check_equal(lib.finish(child, STOP_S), 1, "exit status of a report to nowhere")
        check_equal(lib.report("--state", state)["totals"]["flows"], 1, "flows")


@test
def status_without_a_run_says_so():
    with lib.folder() as temp:
        done = lib.program("status", "--state", os.path.join(temp, "s"))
        check(done.stdout or done.stderr, "said nothing")
        check(done.returncode >= 0, f"died by a signal: {done.returncode}")


if __name__ == "__main__":
    sys.exit(lib.main())
