#!/usr/bin/env python3
"""Hostile and unlucky inputs: a damaged object counts not at all and the others once; names and
texts of any bytes do no harm; memory and time stay bounded, whatever an object holds."""
import contextlib
import gzip
import os
import random
import re
import subprocess
import sys

import lib
import longrun
import oracle
from lib import check, check_equal, test

MIB = 1 << 20
INGEST_MEMORY = 64 * MIB
ZSTD_WINDOW = 128 * MIB
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def failed(report):
    return {f["object"]: f["reason"] for f in report["input"]["failed"]}


def summary(done, pattern):
    text = done.stderr.decode(errors="replace")
    match = re.search(pattern, text)
    check(match, f"the summary has no {pattern}: {text}")
    return match.groups()


def peak_bytes(done):
    """Memory of all processes, by the summary of a run."""
    number, unit = summary(done, r"([\d.]+) (\w+) of memory at most")
    return float(number) * UNITS[unit]


# ---- damage ------------------------------------------------------------------------------------

def truncated(data, rng):
    return data[:-rng.randrange(1, 9)]


def cut_in_the_middle(data, rng):
    return data[:rng.randrange(len(data) // 4, len(data) * 3 // 4)]


def flipped(data, rng):
    at = rng.randrange(len(data) // 2, len(data) - 100)
    return data[:at] + bytes(b ^ 0x55 for b in data[at:at + 40]) + data[at + 40:]


def wrong_checksum(data, _):
    return data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]


def wrong_size(data, _):
    return data[:-4] + bytes([data[-4] ^ 1]) + data[-3:]


def begun_again(data, _):
    return data + data[:len(data) // 2]


DAMAGES = (truncated, cut_in_the_middle, flipped, wrong_checksum, wrong_size, begun_again)


@test
def damaged_objects_count_not_at_all_and_the_others_once():
    """Many of them, over several epochs, each of which is thrown away at first."""
    rng = random.Random(11)
    with lib.redis_server() as (path, _), lib.folder() as temp:
        where = ["--redis", f"unix://{path}"]
        objects = longrun.LongRun(os.path.join(temp, "logs"), 60, 50_000)
        damaged = {}
        for i in sorted(rng.sample(range(60), 12)):
            name = objects.objects[i].path
            with open(name, "rb") as file:
                data = file.read()
            damaged[i] = DAMAGES[len(damaged) % len(DAMAGES)]
            with open(name, "wb") as file:
                file.write(damaged[i](data, rng))
        whole = set(range(60)) - set(damaged)
        with longrun.running(os.path.join(temp, "s"), objects, *where, "--ingest", 2,
                             "--aggregate", 2) as child:
            check_equal(lib.finish(child), 2, "exit status")
            text = lib.read_text(child.err)
        check(re.search(r"48 objects counted, 12 failed", text), text)
        report = lib.report(*where, *lib.report_args())
        for i, damage in damaged.items():
            path = objects.objects[i].path
            check(path in failed(report), f"{path} ({damage.__name__}) is not named")
            check(f"{i:04}.log.gz" in text, f"{path} is not named on stderr")
        check_equal(len(failed(report)), len(damaged), "objects named")
        check_equal(objects.counted(report), whole, "objects counted")
        figures = objects.figures(whole)
        figures.failed = dict.fromkeys(objects.objects[i].name for i in damaged)
        figures.input["objects_failed"] = len(damaged)
        lib.check_report(report, figures)


@test
def an_object_that_changes_while_it_is_read_is_read_again():
    """Its hole is read for minutes, were it not cut off meanwhile."""
    with lib.folder() as temp:
        state, logs = os.path.join(temp, "s"), os.path.join(temp, "logs")
        lib.write(os.path.join(logs, "a.log"), lib.record(size=1) * 2000)
        path = lib.write(os.path.join(logs, "b.log"), lib.record(size=10) * 2000)
        lib.write(os.path.join(logs, "c.log"), lib.record(size=100) * 2000)
        with contextlib.suppress(OSError):
            os.truncate(path, 1 << 40)
        if os.path.getsize(path) < 1 << 40:
            raise lib.Skipped("this file system has no files of a terabyte")
        with lib.started("run", "--state", state, "--progress", "never", "--ingest", 1,
                         "--io", "pread", logs) as child:
            def is_read():
                for pid in lib.session_members(child.pid):
                    with contextlib.suppress(OSError):
                        with open(f"/proc/{pid}/io", encoding="ascii") as file:
                            if int(re.search(r"rchar: (\d+)", file.read())[1]) > 100 * MIB:
                                return True
                return False
            lib.wait_until(is_read, "the hole is read")
            with open(path, "r+b") as file:
                file.truncate(len(lib.record(size=10)) * 3)
            check_equal(lib.finish(child), 2, "exit status")
            text = lib.read_text(child.err)
        check(re.search(r"b\.log: changed while it was read", text), text)
        report = lib.report("--state", state)
        check_equal(report["totals"]["bytes"], 2000 + 200000, "bytes of the others")
        lib.run(state, logs)
        report = lib.report("--state", state)
        check_equal(report["totals"]["bytes"], 2000 + 200000 + 30, "bytes with what it is now")
        check_equal(failed(report), {}, "failures after it was read again")


@test
def what_changes_after_it_was_found_counts_as_it_is():
    """The scan waits for a FIFO, after it has found the files that are named before it."""
    with lib.folder() as temp:
        state = os.path.join(temp, "s")
        names = ("gone", "grown", "shrunk", "replaced", "folder", "pipe", "same")
        paths = {name: os.path.join(temp, name) for name in names}
        for i, path in enumerate(paths.values()):
            lib.write(path, lib.record(size=10**i) * 3)
        fifo, other = os.path.join(temp, "fifo"), os.path.join(temp, "other")
        os.mkfifo(fifo)
        with lib.started("run", "--state", state, "--progress", "never", *paths.values(),
                         fifo) as child:
            with open(fifo, "w", encoding="ascii") as file:  # opens once the scan has come to it
                for name in ("gone", "folder", "pipe"):
                    os.unlink(paths[name])
                os.mkdir(paths["folder"])
                os.mkfifo(paths["pipe"])
                with open(paths["grown"], "a", encoding="ascii") as grown:
                    grown.write(lib.record(size=20))
                lib.write(paths["shrunk"], lib.record(size=30))
                os.rename(lib.write(other, lib.record(size=40)), paths["replaced"])
                file.write(lib.record(size=50))
            check_equal(lib.finish(child), 2, "exit status")
            text = lib.read_text(child.err)
        for words in ("gone: cannot be opened: No such file or directory",
                      "folder: cannot be opened: Is a directory",
                      "pipe: cannot be opened: Invalid argument"):
            check(words in text, f"{words} is not in {text}")
        report = lib.report("--state", state)
        check_equal(report["totals"]["bytes"], 3 * 10 + 20 + 30 + 40 + 50 + 3 * 10**6, "bytes")
        check_equal(len(failed(report)), 3, "failures")
        again = lib.run(state, *(paths[n] for n in ("grown", "shrunk", "replaced", "same")))
        check(b"4 counted already" in again.stderr and b"changed" not in again.stderr, again.stderr)


@test
def sizes_that_are_not_true_are_told():
    """A regular file may say it is larger than what can be read of it, and say so for ever."""
    path = "/sys/kernel/uevent_seqnum"
    if not os.path.exists(path) or os.path.getsize(path) < 100:
        raise lib.Skipped(f"there is no {path}")
    with lib.folder() as temp:
        good = lib.write(os.path.join(temp, "good"), lib.record())
        done = lib.run(os.path.join(temp, "s"), path, good, status=2)
        check(b"ends before the size that it has" in done.stderr, done.stderr)
        check_equal(lib.report("--state", os.path.join(temp, "s"))["totals"]["flows"], 1, "flows")


@test
def what_others_may_not_read_is_named():
    """As a user that is not root; the folder and the file fail, what is beside them counts."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with lib.folder() as temp:
        os.chmod(temp, 0o755)
        state, logs = os.path.join(temp, "s"), os.path.join(temp, "logs")
        for name in ("a/closed.log", "b/inside.log", "c/good.log"):
            lib.write(os.path.join(logs, name), lib.record())
        os.mkdir(state)
        if nobody:
            os.chown(state, 65534, 65534)
        os.chmod(os.path.join(logs, "a/closed.log"), 0)
        os.chmod(os.path.join(logs, "b"), 0)
        try:
            done = subprocess.run([lib.PROGRAM, "run", "--state", state, "--progress", "never",
                                   logs], capture_output=True, env=lib.environment(), check=False,
                                  stdin=subprocess.DEVNULL, timeout=60, cwd="/", **nobody)
        except PermissionError as error:
            raise lib.Skipped(f"another user may not run {lib.PROGRAM}") from error
        os.chmod(os.path.join(logs, "b"), 0o755)
        errors = done.stderr.decode()
        check_equal(done.returncode, 2, f"exit status ({errors})")
        for words in (r"a/closed\.log: cannot be opened: Permission denied",
                      r"/b/: cannot be read: Permission denied", "1 object counted, 1 failed"):
            check(re.search(words, errors), f"{words} is not in {errors}")


# ---- names and texts ---------------------------------------------------------------------------

NAMES = [b" ", b"a b  c", b"new\nline", b"carriage\rreturn", b"tab\there", b"\xff\xfe\x80",
         b"\xc3\xa4\xe2\x82\xac", b"cut-\xe2\x82", b"-", b"--help", b"-rf", b"*", b"?[a]{b}$HOME`id`",
         b"https:^^example.org^x", b"redis:^^", b"%s%n%d", b"'quoted\"", b"back\\slash",
         b"\x1b[31mred\x1b[0m", b"\x1b]0;title\x07", b"bell\x07", b"del\x7f", b"\xc2\x9b31m",
         b"\xe2\x80\xaegnp", b"<b>", b"{}", b"=1+1", b";DROP TABLE objects;", b"x..", b"~",
         b"x" * 251]


def is_plain(data, what):
    """Nothing in it does anything to a terminal, and it is UTF-8."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise lib.Failed(f"{what} is not UTF-8: {error}") from error
    bad = [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]
    check(not bad, f"{what} has control characters {bad!r}: {text!r}")
    return text


@test
def names_of_any_bytes_are_objects():
    """Each is counted, or named with its reason, on one line; a second run knows them all."""
    with lib.folder() as temp:
        state, logs = os.path.join(temp, "s"), os.path.join(temp, "logs").encode()
        for i, name in enumerate(NAMES):
            for folder, data in ((b"good", lib.record(size=i).encode()), (b"bad", b"\x1f\x8b\x08")):
                where = os.path.join(logs, folder, name[:4] + b".d")
                os.makedirs(where, exist_ok=True)
                with open(os.path.join(where, name + b".log"), "wb") as file:
                    file.write(data)
        bad, cnt = os.path.join(logs, b"bad"), len(NAMES)
        done = lib.run(state, os.path.join(temp, "logs"), status=2)
        text = is_plain(done.stderr, "stderr of a run")
        check_equal(summary(done, r"(\d+) objects counted, (\d+) failed"), (str(cnt),) * 2, "objects")
        report = lib.report("--state", state)
        check_equal(report["totals"]["bytes"], sum(range(cnt)), "bytes")
        found = {os.path.join(base, name) for base, _, names in os.walk(bad) for name in names}
        named = {oracle.object_name(name) for name in failed(report)}
        check_equal(len(named), len(found), "different names in the report")
        shown = is_plain(lib.expect(0, "report", "--state", state).stdout, "the report")
        check("gzip: member 1 is cut short in its header" in shown, shown)
        is_plain(lib.expect(0, "report", "--state", state, "--format", "csv").stdout, "the CSV")
        again = lib.run(state, os.path.join(temp, "logs"), status=2)
        check_equal(summary(again, r"0 objects counted, (\d+) failed, (\d+) counted already"),
                    (str(cnt),) * 2, f"objects of a second run after {text}")


@test
def names_of_any_bytes_can_be_named():
    """By a relative path, where the name itself might be taken for an option or for stdin."""
    with lib.folder() as temp:
        for i, name in enumerate(NAMES):
            with open(os.path.join(temp.encode(), name), "wb") as file:
                file.write(lib.record(size=i).encode())
        paths = [b"./" + name for name in NAMES]
        done = subprocess.run([lib.PROGRAM, "run", "--state", "./state", "--progress", "never",
                               *paths], capture_output=True, cwd=temp, check=False, timeout=60,
                              env=lib.environment(), stdin=subprocess.DEVNULL)
        check_equal(done.returncode, 0, f"exit status ({done.stderr!r})")
        is_plain(done.stderr, "stderr of a run")
        report = lib.report("--state", os.path.join(temp, "state"))
        check_equal(report["totals"]["bytes"], sum(range(len(NAMES))), "bytes")


@test
def texts_of_any_bytes_do_nothing_to_a_terminal():
    odd = ["eni-\x1b[2J", "eni-\x07", "eni-\x9b31m", "eni-\x00x", "a|b", "\x1b]0;t\x07", "\x7f"]
    lines = "".join(lib.record(interface=text, size=i + 1) for i, text in enumerate(odd))
    lines += "".join(lib.record(account=text, size=100) for text in odd
                     if "\x00" not in text)
    lines += "".join(f"2 {text} eni-1 bad\n" for text in odd)  # malformed: samples
    with lib.folder() as temp:
        state = os.path.join(temp, "s")
        path = os.path.join(temp, "a.log")
        with open(path, "wb") as file:
            file.write(lines.encode("latin-1"))
        done = lib.run(state, path)
        is_plain(done.stderr, "stderr of a run")
        figures = oracle.count(oracle.read([path]))
        lib.check_report(lib.report("--state", state, *lib.report_args()), figures)
        is_plain(lib.expect(0, "report", "--state", state, "--top", 0).stdout, "the report")
        for text in odd:
            if "\x00" in text:
                continue
            done = lib.program("report", "--state", state, "--account", text.encode("latin-1"))
            is_plain(done.stdout + done.stderr, "the report of an account")


# ---- size --------------------------------------------------------------------------------------

@test
def bombs_are_read_in_bounded_memory():
    """A thousand to one: of zeros, of line ends, of one line; and the largest window of zstd."""
    times, size = 16, 8 * MIB
    line = lib.record().encode()
    bombs = {"zeros": bytes(size), "newlines": b"\n" * size, "line": b"x" * size,
             "fields": b"- " * (size // 2), "header": b"version " * (size // 8)}
    zeros = subprocess.run(["zstd", "-cq", "--long=27"], input=bytes(size), capture_output=True,
                           check=True).stdout
    # a frame header that asks for 128 MiB, and a block of 128 KiB of one byte, many times
    window = b"\x28\xb5\x2f\xfd\0" + bytes([17 << 3]) + b"\x02\0\x10x" * 1500 + b"\x01\0\0"
    with lib.folder() as temp:
        def more_memory(name, least):
            done = lib.run(os.path.join(temp, "s-" + name), "--ingest", 1, "--aggregate", 1,
                           os.path.join(temp, name))
            return peak_bytes(done) - least
        lib.write(os.path.join(temp, "small", "a.log"), line)
        least = more_memory("small", 0)
        for name, data in bombs.items():
            member = gzip.compress(data, 6)
            check(len(member) < size // 200, f"{name} is no bomb: {len(member)} bytes")
            lib.write(os.path.join(temp, "gzip", name + ".log.gz"),
                      gzip.compress(line) + member * times + gzip.compress(b"\n" + line))
        lib.write(os.path.join(temp, "zstd", "zeros.log.zst"), zeros * times)
        lib.write(os.path.join(temp, "zstd", "window.log.zst"), window)
        for name, limit in (("gzip", INGEST_MEMORY), ("zstd", INGEST_MEMORY + ZSTD_WINDOW)):
            more = more_memory(name, least)
            check(more < limit, f"bombs of {name} took {more / 1e6:.0f} MB")
        report = lib.report("--state", os.path.join(temp, "s-gzip"))
        reasons = report["input"]["malformed_by_reason"]
        check_equal((report["totals"]["flows"], reasons["too_long"]), (10, 4),
                    "records, and lines that are too long")
        check(report["input"]["bytes"] > 5 * times * size, f"bytes: {report['input']['bytes']}")
        report = lib.report("--state", os.path.join(temp, "s-zstd"))
        check_equal(report["input"]["malformed"], 2, "lines of the bombs of zstd")


@test
def an_object_of_too_many_days_fails_and_the_others_count():
    days = "".join(lib.record(start=86400 * day, size=day) for day in range(4097))
    with lib.folder() as temp:
        state, logs = os.path.join(temp, "s"), os.path.join(temp, "logs")
        lib.write(os.path.join(logs, "a.log.gz"), lib.record(size=1) * 3000, "gzip")
        lib.write(os.path.join(logs, "many.log.gz"), days, "gzip")
        lib.run(state, logs, status=2)
        report = lib.report("--state", state)
        check_equal({os.path.basename(k): v for k, v in failed(report).items()},
                    {"many.log.gz": "its records are of more than 4096 days"}, "failures")
        check_equal((report["days"], report["totals"]["bytes"]), (["2023-11-14"], 3000), "the rest")


@test
def many_different_texts_end_the_epoch():
    """Else they would be held until its time has come, in every process."""
    with lib.folder() as temp:
        state, logs = os.path.join(temp, "s"), os.path.join(temp, "logs")
        for i, cnt in enumerate((17_000, 10, 10)):
            lib.write(os.path.join(logs, f"{i}.log"), "".join(
                lib.record(interface=f"eni-{i}{n:02000}", size=i + 1) for n in range(cnt)))
        done = lib.run(state, "--interval", 86400, "--ingest", 1, "--aggregate", 1, logs)
        check_equal(summary(done, r"(\d) epochs\n"), ("2",), "epochs")
        report = lib.report("--state", state)
        check_equal(report["totals"]["bytes"], 17_000 + 20 + 30, "bytes")
        check_equal(report["tables"]["interface"]["distinct"], 17_020, "interfaces")


@test
def bogus_days_to_come_push_no_true_day_out():
    starts = [1700000000 + 86400 * i for i in range(3)]
    bogus = [253402300799 - 86400 * i for i in range(40)]
    with lib.folder() as temp:
        state, logs = os.path.join(temp, "s"), os.path.join(temp, "logs")
        lib.write(os.path.join(logs, "1.log"), "".join(lib.record(start=s) for s in starts))
        lib.run(state, "--keep", 3, logs)
        lib.write(os.path.join(logs, "2.log"), "".join(lib.record(start=s) for s in bogus))
        lib.run(state, "--keep", 3, logs)
        figures = oracle.count(oracle.read([logs]), keep=3)
        check_equal(len(figures.days()), 6, "days by the oracle")
        for day in figures.days():
            report = lib.report("--state", state, *lib.report_args(day=day))
            lib.check_report(report, figures, day=day)


@test
def a_folder_of_many_entries_is_read_quickly():
    """A million takes seconds; here it is 10,000."""
    cnt = 10_000
    with lib.folder() as temp:
        state, logs = os.path.join(temp, "s"), os.path.join(temp, "logs")
        os.mkdir(logs)
        for i in range(cnt):
            os.close(os.open(os.path.join(logs, f"{i}.log"), os.O_CREAT | os.O_WRONLY))
        done = lib.run(state, logs, timeout=60)
        check_equal(summary(done, r"([\d,]+) objects counted\n"), ("10,000",), "objects")
        again = lib.run(state, logs, timeout=30)
        check_equal(summary(again, r"0 objects counted, ([\d,]+) counted already"), ("10,000",),
                    "objects known")


if __name__ == "__main__":
    sys.exit(lib.main())
