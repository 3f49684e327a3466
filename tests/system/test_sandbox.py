#!/usr/bin/env python3
"""What the processes of a run gave up, that whole runs work without it, and what is said where a
kernel lacks something. What a role can still try: tests/unit/test_sandbox.c."""
import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading

import lib
import longrun
import oracle
from lib import Skipped, check, check_equal, test

ROLES = ("ingest", "aggregate", "publish")


def need_sandbox():
    if lib.is_sanitized():
        raise Skipped("built with a sanitizer, and so without the sandbox")


# ---- what was given up ---------------------------------------------------------------------------

def status_of(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="latin-1") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def role_of(pid):
    """ingest, aggregate, publish, or None for others."""
    name = lib.process_name(pid).split(" ")[0]
    return name if name in ROLES else None


def has_seccomp():
    return "Seccomp" in status_of(os.getpid())


@contextlib.contextmanager
def run_at_work(temp, **options):
    """A run with its private Redis, all of whose roles have started."""
    objects = longrun.LongRun(os.path.join(temp, "logs"))
    state = os.path.join(temp, "s")
    with lib.started("run", "--state", state, "--progress", "never", "--ingest", 2,
                     "--aggregate", 2, objects.folder, **options) as child:
        def have_started():
            check(child.poll() is None, lambda: f"it ended; stderr: {lib.read_text(child.err)}")
            members = lib.session_members(child.pid)
            roles = [pid for pid in members if role_of(pid)]
            return len(roles) == 5 and all(status_of(pid)["Seccomp"] == "2" for pid in roles) \
                and members
        yield child, lib.wait_until(have_started, "all roles have entered the sandbox")


@test
def every_process_of_a_run_is_confined():
    need_sandbox()
    if not has_seccomp():
        raise Skipped("this kernel has no seccomp")
    with lib.folder() as temp, run_at_work(temp) as (child, members):
        check_equal(sorted(filter(None, map(role_of, members))),
                    sorted(2 * ["ingest", "aggregate"] + ["publish"]), "roles")
        for pid in [child.pid, *members]:  # also the supervisor and redis-server
            name = lib.process_name(pid)
            check_equal(status_of(pid)["NoNewPrivs"], "1", f"NoNewPrivs of {name}")
            check_equal(status_of(pid)["Seccomp"], "2" if role_of(pid) else "0",
                        f"Seccomp of {name}")
            # 1: no core is that small, and the kernel pipes none to a program either
            check(max(resource.prlimit(pid, resource.RLIMIT_CORE)) <= 1, f"core limit of {name}")
        # what a call that is not allowed comes to
        os.kill(next(pid for pid in members if role_of(pid) == "ingest"), signal.SIGSYS)
        lib.wait_until(lambda: "a system call that it may not make" in lib.read_text(child.err),
                       "the supervisor says why the ingest died")


def allow_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def cores(folder):
    return [name for _, _, names in os.walk(folder) for name in names if name.startswith("core")]


@test
def nothing_of_a_run_is_dumped():
    need_sandbox()
    with lib.folder() as temp:
        try:
            subprocess.run(["/bin/sh", "-c", "kill -SEGV $$"], cwd=temp, preexec_fn=allow_cores,
                           check=False)
        except (OSError, subprocess.SubprocessError) as error:
            raise Skipped(f"this machine allows no core dumps: {error}") from error
        if not cores(temp):
            raise Skipped("this machine writes no core dumps into the working folder")
    with lib.folder() as temp:
        with run_at_work(temp, cwd=temp, preexec_fn=allow_cores) as (child, members):
            for pid in [child.pid, *members]:
                os.kill(pid, signal.SIGSTOP)
            for pid in [*members, child.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSEGV)
                    os.kill(pid, signal.SIGCONT)
            check_equal(lib.finish(child), -signal.SIGSEGV, "exit status")
            lib.wait_until(lambda: not lib.session_members(child.pid), "all processes are gone")
        check_equal(cores(temp), [], "core files")


# ---- whole runs ----------------------------------------------------------------------------------

def write_logs(folder):
    """One object of each codec; returns their figures."""
    paths = [lib.write(os.path.join(folder, f"{mode}.log{suffix}"),
                       lib.HEADER + "".join(lib.record(interface=f"eni-{mode}", size=i)
                                            for i in range(3000)), mode)
             for mode, suffix in (("plain", ""), ("gzip", ".gz"), ("zstd", ".zst"))]
    return oracle.count(oracle.read(paths))


@test
def whole_runs_work_in_every_way_of_reading():
    ways = ([], ["--io", "pread"], ["--inflate", "zlib"], ["--ingest", 3, "--aggregate", 3])
    with lib.folder() as temp:
        logs = os.path.join(temp, "logs")
        figures = write_logs(logs)
        for number, way in enumerate(ways):
            state = os.path.join(temp, str(number))
            done = lib.run(state, *way, logs)
            check(b"warning" not in done.stderr, f"stderr with {way}: {done.stderr!r}")
            lib.check_report(lib.report("--state", state, *lib.report_args()), figures)


@test
def whole_runs_work_with_every_kind_of_redis():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with lib.folder() as temp, \
            lib.redis_server("--port", str(port), "--bind", "127.0.0.1") as (path, _):
        logs = os.path.join(temp, "logs")
        figures = write_logs(logs)
        for number, url in enumerate((f"unix://{path}", f"redis://127.0.0.1:{port}",
                                      f"redis://localhost:{port}/1")):
            lib.run(os.path.join(temp, str(number)), "--redis", url, "--name", f"n{number}", logs)
            lib.check_report(lib.report("--redis", url, "--name", f"n{number}",
                                        *lib.report_args()), figures)
        # its own, by way of /proc/self/fd
        state = os.path.join(temp, *["a" * 100] * 2)
        lib.run(state, logs)
        lib.check_report(lib.report("--state", state, *lib.report_args()), figures)


DNS_ADDRESS = "127.7.7.53"
DNS_NAME = "redis.example"


def answer_dns(server):
    """The name's address is 127.0.0.1; other questions have no answer."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in DNS_NAME.split(".")) + \
        b"\0\0\1\0\1"
    while True:
        with contextlib.suppress(ConnectionError):
            asked, client = server.recvfrom(512)
            end = asked.index(b"\0", 12) + 5
            known = asked[12:end].lower() == question
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if known else b""
            server.sendto(asked[:2] + b"\x81\x80\0\1" + struct.pack(">H", known) + b"\0\0\0\0" +
                          asked[12:end] + answer, client)


def with_resolver(*files):
    """A preexec_fn after which files of /etc are other ones: (path, path in their place)."""
    def install():
        libc = ctypes.CDLL(None)
        new_mounts, private, bind = 0x20000, 0x44000, 0x1000
        if libc.unshare(new_mounts) or libc.mount(b"none", b"/", None, private, None):
            os._exit(99)
        for path, other in files:
            if libc.mount(other.encode(), os.path.realpath(path).encode(), None, bind, None):
                os._exit(99)
    return install


@test
def a_redis_is_found_by_dns():
    with lib.folder() as temp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, \
            socket.socket() as probe:
        try:
            server.bind((DNS_ADDRESS, 53))
        except OSError as error:
            raise Skipped(f"no DNS of the test's own: {error}") from error
        threading.Thread(target=answer_dns, args=(server,), daemon=True).start()
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        logs = os.path.join(temp, "logs")
        figures = write_logs(logs)
        files = [("/etc/resolv.conf", lib.write(os.path.join(temp, "resolv.conf"),
                                                f"nameserver {DNS_ADDRESS}\n")),
                 ("/etc/nsswitch.conf", lib.write(os.path.join(temp, "nsswitch.conf"),
                                                  "hosts: files dns\n"))]
        with lib.redis_server("--port", str(port), "--bind", "127.0.0.1"):
            with lib.started("run", "--state", os.path.join(temp, "s"), "--progress", "never",
                             "--redis", f"redis://{DNS_NAME}:{port}", logs,
                             preexec_fn=with_resolver(*files)) as child:
                status, said = lib.finish(child), lib.read_text(child.err)
            if status == 99:
                raise Skipped("files of /etc cannot be replaced here for one process")
            check_equal(status, 0, f"exit status; stderr: {said}")
            lib.check_report(lib.report("--redis", f"redis://127.0.0.1:{port}",
                                        *lib.report_args()), figures)


# ---- kernels that lack something -----------------------------------------------------------------

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
NUMBERS = {"x86_64": {"prctl": 157, "seccomp": 317}, "aarch64": {"prctl": 167, "seccomp": 277}}
LANDLOCK_CREATE_RULESET, IO_URING_REGISTER, IORING_REGISTER_RESTRICTIONS = 444, 427, 11


def forbid(*calls):
    """A preexec_fn after which these system calls fail: (number, None or (argument, value),
    errno)."""
    def statement(code, value, if_true=0, if_false=0):
        return struct.pack("HBBI", code, if_true, if_false, value)

    program = []
    for number, condition, error in calls:
        load, equal, end = 0x20, 0x15, 0x06
        steps = [statement(end, 0x50000 | error)]
        if condition:
            steps = [statement(load, 16 + 8 * condition[0]),
                     statement(equal, condition[1], 0, 1)] + steps
        program += [statement(load, 0), statement(equal, number, 0, len(steps))] + steps
    program.append(statement(0x06, 0x7fff0000))
    text = b"".join(program)

    def install():
        libc = ctypes.CDLL(None)
        code = ctypes.create_string_buffer(text, len(text))
        header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program),
                                                         ctypes.addressof(code)))
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
                libc.prctl(PR_SET_SECCOMP, 2, header, 0, 0):
            os._exit(99)
    return install


def run_without(what, *calls):
    """A run where these calls fail: it counts all the same, and says once what is missing."""
    need_sandbox()
    with lib.folder() as temp:
        logs, state = os.path.join(temp, "logs"), os.path.join(temp, "s")
        figures = write_logs(logs)
        with lib.started("run", "--state", state, "--progress", "never", "--ingest", 2, logs,
                         preexec_fn=forbid(*calls)) as child:
            status, said = lib.finish(child), lib.read_text(child.err)
        if status == 99:
            raise Skipped("this kernel has no seccomp to forbid it with")
        check_equal(status, 0, f"exit status; stderr: {said}")
        check_equal(len([line for line in said.splitlines() if what in line]), 1,
                    f"warnings in {said!r}")
        lib.check_report(lib.report("--state", state, *lib.report_args()), figures)


def numbers():
    if platform.machine() not in NUMBERS:
        raise Skipped("numbers of system calls are not known for this machine")
    return NUMBERS[platform.machine()]


@test
def a_kernel_without_landlock():
    run_without("lacks Landlock", (LANDLOCK_CREATE_RULESET, None, errno.EOPNOTSUPP))


@test
def a_kernel_without_seccomp():
    run_without("seccomp filters", (numbers()["seccomp"], None, errno.ENOSYS),
                (numbers()["prctl"], (0, PR_SET_SECCOMP), errno.EINVAL))


@test
def a_kernel_whose_rings_cannot_be_restricted():
    run_without("reading with pread",
                (IO_URING_REGISTER, (1, IORING_REGISTER_RESTRICTIONS), errno.EINVAL))


if __name__ == "__main__":
    sys.exit(lib.main())
