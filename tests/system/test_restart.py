#!/usr/bin/env python3
"""A process that dies: the run goes on from its last commit, and its figures are those of one that
nothing happened to. An object that kills its reader is found and left out; one that is killed with
its reader is not."""
import gzip
import json
import os
import shutil
import signal
import sys
import unittest.mock

import lib
import longrun
from lib import check, check_equal, test

RUN_S = 60
GOES_ON = "all processes start again from the last commit"


@test
def each_role_may_be_killed():
    with lib.redis_server() as (path, _), lib.folder() as temp:
        state, where = os.path.join(temp, "s"), ["--redis", f"unix://{path}"]
        objects = longrun.LongRun(os.path.join(temp, "logs"), object_cnt=1200)
        with longrun.running(state, objects, *where, "--ingest", 2, "--aggregate", 2) as child:
            killed = set()
            for epoch, role in enumerate(("ingest", "aggregate", "publish"), 1):
                longrun.wait_for_epoch(child, where, epoch)
                pids = lib.wait_until(
                    lambda role=role: set(lib.processes_of(child, role)) - killed, f"{role} is there")
                killed.add(min(pids))
                os.kill(min(pids), signal.SIGKILL)
                lib.wait_until(lambda role=role: f"{role} " in lib.read_text(child.err),
                               f"the death of {role} is told")
            check_equal(lib.finish(child, RUN_S), 0, "exit status")
            lines = [line for line in lib.read_text(child.err).splitlines() if "killed by" in line]
            check_equal(len(lines), 3, f"lines about deaths: {lines}")
            check(all(GOES_ON in line for line in lines), f"not told that it goes on: {lines}")
        lib.check_report(lib.report(*where, *lib.report_args()), objects.figures())


def private_redis_killed(temp):
    """A run that does not end by itself: its Redis is killed once it shows figures, and another one
    shows them again and what comes later."""
    state = os.path.join(temp, "s")
    where = ["--state", state]
    objects = longrun.LongRun(os.path.join(temp, "logs"), object_cnt=4)
    late, beside = objects.objects[-1].path, os.path.join(temp, "late.log.gz")
    os.rename(late, beside)
    with longrun.running(state, objects, "--follow") as child:
        longrun.wait_for_epoch(child, where)
        first = set(lib.processes_of(child, "redis-server"))
        os.kill(min(first), signal.SIGKILL)
        lib.wait_until(lambda: set(lib.processes_of(child, "redis-server")) - first,
                       "another Redis is there", RUN_S)
        check("private redis-server" in lib.read_text(child.err), "its end is not told")
        os.rename(beside, late)
        lib.wait_until(lambda: shown_objects(where) == 4, "all is published", RUN_S)
        os.kill(child.pid, signal.SIGTERM)
        check_equal(lib.finish(child, RUN_S), 128 + signal.SIGTERM, "exit status")
    lib.check_report(lib.report(*where, *lib.report_args()), objects.figures())


def shown_objects(where):
    done = lib.program("report", *where, "--format", "json", "--table", "protocol")
    return json.loads(done.stdout)["input"]["objects"] if done.returncode == 0 else None


@test
def the_private_redis_may_be_killed():
    with lib.folder() as temp:
        private_redis_killed(temp)


@test
def the_private_redis_may_die_as_it_starts():
    """Its first and its third start end by SIGKILL, as if somebody had been quick."""
    with lib.folder() as temp:
        bin_folder = os.path.join(temp, "bin")
        starts = os.path.join(temp, "starts")
        server = lib.write(os.path.join(bin_folder, "redis-server"), f"""#!/bin/sh
echo >>{starts}
case $(wc -l <{starts}) in [13]) kill -9 $$ ;; esac
exec {shutil.which("redis-server")} "$@"
""")
        os.chmod(server, 0o700)
        path = f"{bin_folder}:{os.environ['PATH']}"
        with unittest.mock.patch.dict(os.environ, PATH=path):
            private_redis_killed(temp)
        started = lib.read_text(starts).count("\n")  # reports may start some too
        check(started >= 4, f"the run gave up after {started} starts")


class Victim:
    """A folder of one large object, the first in order, and small ones."""

    def __init__(self, temp):
        self.logs = os.path.join(temp, "logs")
        lines = "".join(lib.record(size=i, src=f"198.51.100.{i % 250}") for i in range(1000))
        self.path = lib.write(os.path.join(self.logs, "0.log.gz"),
                              gzip.compress((lines * 2000).encode(), 1))
        self.others = [lib.write(os.path.join(self.logs, f"{i}.log"), lines) for i in range(1, 4)]

    def is_open(self, child):
        """The ingest that has it open, or None."""
        for pid in lib.processes_of(child, "ingest"):
            try:
                if any(os.readlink(f"/proc/{pid}/fd/{fd}") == self.path
                       for fd in os.listdir(f"/proc/{pid}/fd")):
                    return pid
            except OSError:
                pass  # it has just ended
        return None

    def kill_readers(self, child, number, times):
        killed = set()
        for _ in range(times):
            pid = lib.wait_until(
                lambda: (self.is_open(child) or 0) not in killed | {0} and self.is_open(child),
                "an ingest reads the object")
            killed.add(pid)
            os.kill(pid, number)


def killed_readers(temp, number, times, status):
    victim, state = Victim(temp), os.path.join(temp, "s")
    with lib.started("run", "--state", state, "--progress", "never", "--ingest", 1,
                     victim.logs) as child:
        victim.kill_readers(child, number, times)
        check_equal(lib.finish(child, RUN_S), status, "exit status")
        return victim, state, lib.read_text(child.err)


@test
def an_object_that_kills_its_reader_is_put_into_quarantine():
    with lib.folder() as temp:
        # SIGILL: one that sanitizers leave alone
        victim, state, told = killed_readers(temp, signal.SIGILL, 3, 2)
        check("in quarantine" in told and victim.path in told, f"not told: {told!r}")
        report = lib.report("--state", state, *lib.report_args())
        check_equal([f["object"] for f in report["input"]["failed"]], [victim.path], "failed objects")
        check_equal(report["totals"]["flows"], 3000, "flows of the others")
        listed = lib.expect(0, "quarantine", "--state", state).stdout.decode()
        check(victim.path in listed and "signal 4" in listed, f"listed: {listed!r}")
        again = lib.run(state, victim.logs, status=2)
        check(b"1 in quarantine" in again.stderr, f"not told again: {again.stderr!r}")
        lib.expect(0, "quarantine", "--state", state, "--retry")
        lib.run(state, victim.logs)
        report = lib.report("--state", state, *lib.report_args())
        check_equal(report["totals"]["flows"], 2003000, "flows of all")
        check_equal(lib.expect(0, "quarantine", "--state", state).stdout, b"", "quarantine")


@test
def sigkill_puts_nothing_into_quarantine():
    with lib.folder() as temp:
        victim, state, _ = killed_readers(temp, signal.SIGKILL, 4, 0)
        check_equal(lib.expect(0, "quarantine", "--state", state).stdout, b"", "quarantine")
        report = lib.report("--state", state, *lib.report_args())
        check_equal(report["totals"]["flows"], 2003000, f"flows, with {victim.path}")


if __name__ == "__main__":
    sys.exit(lib.main())
