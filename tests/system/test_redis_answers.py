#!/usr/bin/env python3
"""A real Redis that refuses: each refusal is told with what to do, the run goes on, and the view is
right again once Redis takes it. With FLS_FAULTS=all a server that hangs, too."""
import concurrent.futures
import contextlib
import os
import signal
import sys

import lib
import oracle
import resp
from lib import check, check_equal, test

AT_ONCE = 4
COMMITTED = "everything is committed, but it is not published"


def config(name, value):
    return lambda client, path: client("CONFIG", "SET", name, value)


def command(*words):
    return lambda client, path: client(*words)


def both(*steps):
    return lambda client, path: [step(client, path) for step in steps]


def fail_to_save(client, path):
    """The folder that it saves to is gone."""
    gone = os.path.join(os.path.dirname(path), "gone")
    os.mkdir(gone)
    client("CONFIG", "SET", "dir", gone)
    os.rmdir(gone)
    client("CONFIG", "SET", "save", "3600 1")
    client("BGSAVE")
    lib.wait_until(lambda: b"rdb_last_bgsave_status:err" in client("INFO", "persistence"),
                   "saving fails")


def aside(*words):
    """A command that takes long, on a connection of its own, which is never closed here."""
    def send(_, path):
        other = resp.Client(path)
        other.send(*words)
        KEPT.append(other)
    return send


def wait_for_refusal(beginning):
    def wait(client, path):
        def refused():
            try:
                client("GET", "x")
            except resp.ReplyError as error:
                return str(error).startswith(beginning)
            return False
        lib.wait_until(refused, beginning)
    return wait


KEPT = []
NOWHERE = ("127.0.0.1", "1")  # no server is there
# name: options of the server, what makes it refuse, what mends it, what is told, the environment
CASES = {
    "OOM": ((), config("maxmemory", "1mb"), config("maxmemory", "0"), "raise maxmemory", {}),
    "READONLY": ((), command("REPLICAOF", *NOWHERE), command("REPLICAOF", "NO", "ONE"),
                 "read-only replica: give the primary's address", {}),
    "MASTERDOWN": (("--replica-serve-stale-data", "no"), command("REPLICAOF", *NOWHERE),
                   command("REPLICAOF", "NO", "ONE"), "replica that has lost its primary", {}),
    "MISCONF": (("--enable-protected-configs", "yes"), fail_to_save, config("stop-writes-on-bgsave-error", "no"),
                "cannot save to its disk", {}),
    "NOREPLICAS": ((), config("min-replicas-to-write", 1), config("min-replicas-to-write", 0),
                   "lower min-replicas-to-write", {}),
    "BUSY": (("--lua-time-limit", "10"),
             both(aside("EVAL", "while true do end", 0), wait_for_refusal("BUSY")),
             command("SCRIPT", "KILL"), "busy with a script", {}),
    "LOADING": (("--enable-debug-command", "yes", "--loading-process-events-interval-bytes",
                 "1024"),
                both(config("key-load-delay", 20000), aside("DEBUG", "RELOAD"),
                     wait_for_refusal("LOADING")),
                lambda client, path: None, "still loading its data", {}),
    "NOPERM": ((), command("ACL", "SETUSER", "default", "-rename"),
               command("ACL", "SETUSER", "default", "+rename"), "lacks a permission", {}),
    "NOAUTH": ((), config("requirepass", "secret"), config("requirepass", ""), "wants a password",
               {}),
    "WRONGPASS": ((), config("requirepass", "secret"), config("requirepass", ""),
                  "does not accept this user and password", {"FLOWLOG_REDIS_PASSWORD": "wrong"}),
    "max clients": ((), config("maxclients", 1), config("maxclients", 100), "raise its maxclients",
                    {}),
}


def logs_in(folder):
    return [lib.write(os.path.join(folder, f"{i}.log"), lib.record(size=i) * 3) for i in range(2)]


@contextlib.contextmanager
def prepared(options):
    """A Redis with one epoch, and the logs of two."""
    with lib.redis_server(*options) as (path, client), lib.folder() as temp:
        state, logs = os.path.join(temp, "s"), logs_in(temp)
        lib.run(state, "--redis", f"unix://{path}", logs[0])
        yield path, client, state, logs


def check_case(name):
    options, refuse, mend, told, env = CASES[name]
    with prepared(options) as (path, client, state, logs):
        where = ["--redis", f"unix://{path}"]
        refuse(client, path)
        with lib.started("run", "--state", state, "--progress", "never", *where, *logs,
                         env=env) as child:
            lib.wait_until(lambda: told in lib.read_text(child.err) or child.poll() is not None,
                           f"{name} is told")
            mend(client, path)
            status, err = lib.finish(child), lib.read_text(child.err)
        check(status == 0 and told in err, f"{name}: exit status {status}: {err}")
        check_equal(err.count("cannot publish now"), 1, f"{name}: warnings")
        check("holds the last commit again" in err, f"{name}: {err}")
        lib.check_report(lib.report(*where, *lib.report_args()), oracle.count(oracle.read(logs)))


def all_at_once(check_one, names):
    """They mostly wait."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for outcome in [pool.submit(check_one, name) for name in names]:
            outcome.result()
    while KEPT:
        KEPT.pop().close()


@test
def refusals_are_told_and_made_good():
    all_at_once(check_case, CASES)


def check_giving_up(name):
    options, refuse, mend, told, env = CASES[name]
    with prepared(options) as (path, client, state, logs):
        where = ["--redis", f"unix://{path}"]
        refuse(client, path)
        done = lib.run(state, *where, *logs, status=1, env=env)
        for text in (told, COMMITTED, "the next run publishes it"):
            check(text in done.stderr.decode(), f"{name}: {done.stderr!r}")
        mend(client, path)
        lib.run(state, *where, *logs)
        lib.check_report(lib.report(*where, *lib.report_args()), oracle.count(oracle.read(logs)))


@test
def a_run_gives_up_at_its_end():
    all_at_once(check_giving_up, ("OOM", "READONLY", "NOPERM", "WRONGPASS"))


@test
def a_server_that_hangs_is_told():
    if os.environ.get("FLS_FAULTS") != "all":
        raise lib.Skipped("takes as long as the timeout; FLS_FAULTS=all does it")
    with prepared(()) as (path, client, state, logs):
        where, pid = ["--redis", f"unix://{path}"], None
        for line in client("INFO", "server").decode().splitlines():
            pid = int(line[len("process_id:"):]) if line.startswith("process_id:") else pid
        os.kill(pid, signal.SIGSTOP)
        try:
            with lib.started("run", "--state", state, "--progress", "never", *where,
                             *logs) as child:
                lib.wait_until(lambda: "does not answer" in lib.read_text(child.err), "it is told")
                os.kill(pid, signal.SIGCONT)
                check_equal(lib.finish(child), 0, "exit status")
        finally:
            os.kill(pid, signal.SIGCONT)
        lib.check_report(lib.report(*where, *lib.report_args()), oracle.count(oracle.read(logs)))


if __name__ == "__main__":
    sys.exit(lib.main())
