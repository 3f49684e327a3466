#!/usr/bin/env python3
"""A run whose state folder is full, read-only, damaged or not its own: it ends with status 1 and
words that say what to do, what was counted stays, and once the cause is gone the figures are exact."""
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys

import lib
import oracle
from lib import check, check_equal, test

DAY = 1700006400
RECORDS_OF_A_LARGE_LOG = 10000
CHANGES_BY_ITSELF = ("lock", "state.db-shm", "state.db-wal", "spool")


def mounted(command, *args):
    return subprocess.run([command, *args], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def small_disk(path, size):
    """A disk of this size at the folder."""
    os.makedirs(path, exist_ok=True)
    if not mounted("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", path):
        raise lib.Skipped("needs the right to mount a small disk")
    try:
        yield path
    finally:
        mounted("umount", "-l", path)


def remount(path, options):
    check(mounted("mount", "-o", f"remount,{options}", path), f"cannot remount {path}: {options}")


def large_log(path, number):
    """A log whose rows take half a megabyte in the state."""
    return lib.write(path, lib.HEADER + "".join(
        lib.record(src=f"10.{number}.{i >> 8 & 255}.{i & 255}", dst=f"198.51.{i >> 8 & 255}.{i & 255}",
                   sport=1024 + i, size=100 + i, start=DAY + i % 86400)
        for i in range(RECORDS_OF_A_LARGE_LOG)))


class State:
    """A state folder, the logs counted into it, and a Redis that shows it."""

    def __init__(self, temp, redis, client):
        self.path, self.logs = os.path.join(temp, "s"), []
        self.where, self.client = ["--redis", f"unix://{redis}"], client

    def run(self, *logs, status=0):
        """Counts these logs beside those that are there."""
        done = lib.run(self.path, *self.where, *self.logs, *logs, status=status)
        if status == 0:
            self.logs += logs
        return done.stderr.decode()

    def refused(self, *words, logs=()):
        said = self.run(*logs, status=1)
        for word in (*words, self.path):
            check(word in said, f"{word!r} is not in {said!r}")
        for word in ("assert", "signal", "Sanitizer"):
            check(word not in said, said)
        return said

    def full_then_room(self, log, make_room):
        """The run says that there is no room, loses nothing, and goes on once there is some."""
        with lib.started("run", "--state", self.path, "--progress", "never", *self.where,
                         *self.logs, log) as child:
            lib.wait_until(lambda: "make room" in lib.read_text(child.err), "it says what to do")
            check(self.path in lib.read_text(child.err), lambda: lib.read_text(child.err))
            self.check_figures()
            make_room()
            check_equal(lib.finish(child), 0, "exit status")
        self.logs.append(log)
        self.check_figures()

    def check_figures(self):
        lib.check_report(lib.report(*self.where, *lib.report_args()),
                         oracle.count(oracle.read(self.logs)))


@contextlib.contextmanager
def new_state():
    with lib.redis_server() as (redis, client), lib.folder() as temp:
        yield State(temp, redis, client), temp


def small_and_large_log(temp):
    small = lib.write(os.path.join(temp, "small.log"), lib.HEADER + lib.record(start=DAY))
    return small, large_log(os.path.join(temp, "large.log"), 1)


@test
def a_full_disk_is_named_and_loses_nothing():
    with new_state() as (state, temp), small_disk(state.path, "400k"):
        small, large = small_and_large_log(temp)
        state.run(small)
        state.full_then_room(large, lambda: remount(state.path, "size=32m"))
        left = sorted(os.listdir(os.path.join(state.path, "segments")))
        check(all(name.endswith(".seg") for name in left) and len(left) == 2, f"left: {left}")


@test
def a_disk_that_stays_full_ends_the_run():
    if os.environ.get("FLS_FAULTS") != "all":
        raise lib.Skipped("takes as long as all the starts; FLS_FAULTS=all does it")
    with new_state() as (state, temp), small_disk(state.path, "400k"):
        small, large = small_and_large_log(temp)
        state.run(small)
        state.refused("No space left on device", "make room", logs=[large])
        state.check_figures()
        remount(state.path, "size=32m")
        state.run(large)
        state.check_figures()


@test
def a_disk_that_is_full_from_the_start_is_named():
    with new_state() as (state, temp), small_disk(state.path, "16k"):
        small, _ = small_and_large_log(temp)
        state.refused("make room", logs=[small])
        remount(state.path, "size=32m")
        state.run(small)
        state.check_figures()


@test
def a_disk_without_a_single_byte_is_named():
    with new_state() as (state, temp), small_disk(state.path, "32m"):
        small, large = small_and_large_log(temp)
        state.run(small)
        filler = fill(state.path)
        state.refused("make room", logs=[large])
        os.unlink(filler)
        state.run(large)
        state.check_figures()


def fill(path, but=0):
    """A file that takes all room, but these bytes."""
    filler = os.path.join(path, "filler")
    with open(filler, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, file.tell() - but))
    return filler


@test
def no_room_for_segments_only():
    with new_state() as (state, temp):
        small, large = small_and_large_log(temp)
        state.run(small)
        kept, segments = os.path.join(temp, "kept"), os.path.join(state.path, "segments")
        shutil.copytree(segments, kept)
        with small_disk(segments, "200k"):
            shutil.copytree(kept, segments, dirs_exist_ok=True)
            state.full_then_room(large, lambda: remount(segments, "size=32m"))


@test
def no_room_for_the_ledger_only():
    with new_state() as (state, temp), small_disk(state.path, "1m"):
        small, large = small_and_large_log(temp)
        state.run(small)
        kept, segments = os.path.join(temp, "kept"), os.path.join(state.path, "segments")
        shutil.copytree(segments, kept)
        with small_disk(segments, "32m"):
            shutil.copytree(kept, segments, dirs_exist_ok=True)
            filler = fill(state.path, 16384)
            state.refused("state.db", "make room", logs=[large])
            state.check_figures()
            os.unlink(filler)
            state.run(large)
            state.check_figures()


@test
def a_read_only_state_is_named():
    with new_state() as (state, temp), small_disk(state.path, "32m"):
        small, large = small_and_large_log(temp)
        state.run(small)
        remount(state.path, "ro")
        before = content(state.path)
        state.refused("Read-only file system", "must be writable", logs=[large])
        check_equal(content(state.path), before, "the state folder")
        remount(state.path, "rw")
        state.run(large)
        state.check_figures()


# ---- damage ----

def content(path):
    """{file: bytes}, but of files that change by themselves."""
    found = {}
    for base, folders, files in os.walk(path):
        found.update({os.path.join(base, name): None for name in folders})
        for name in files:
            if name not in CHANGES_BY_ITSELF:
                with open(os.path.join(base, name), "rb") as file:
                    found[os.path.join(base, name)] = file.read()
    return found


def change(path, function):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    with open(path, "wb") as file:
        file.write(function(data))


def flip(place):
    def flipped(data):
        data[int(place * (len(data) - 1))] ^= 0x10
        return data
    return flipped


def cut(place):
    return lambda data: data[:int(place * len(data))]


def segment(state, i):
    folder = os.path.join(state.path, "segments")
    return os.path.join(folder, sorted(os.listdir(folder))[i])


def sql(state, text):
    database = sqlite3.connect(os.path.join(state.path, "state.db"))
    database.execute(text)
    database.commit()
    database.close()


def ledger(state):
    return os.path.join(state.path, "state.db")


def replace_by_folder(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)
    os.mkdir(path)


def replace_by_file(path):
    shutil.rmtree(path)
    with open(path, "wb"):
        pass


DAMAGED = "move the state folder away"
NEWER = "written by a newer flowlog-stats"
OLDER = "written by an older flowlog-stats"
IN_THE_WAY = "something else of that name"
# What is done to a state, and what is said of it.
BEFORE_A_RUN = [
    (lambda s: change(ledger(s), cut(0)), "gone or empty"),
    (lambda s: os.unlink(ledger(s)), "gone or empty"),
    (lambda s: change(ledger(s), cut(0.4)), DAMAGED),
    (lambda s: change(ledger(s), flip(0)), DAMAGED),
    (lambda s: change(ledger(s), lambda data: data[:4096] + bytes(len(data) - 4096)), DAMAGED),
    (lambda s: change(ledger(s), lambda data: b"x" * len(data)), DAMAGED),
    (lambda s: shutil.copy(segment(s, 0), ledger(s)), DAMAGED),
    (lambda s: sql(s, "PRAGMA user_version=9"), NEWER),
    (lambda s: sql(s, "PRAGMA user_version=4"), OLDER),
    (lambda s: sql(s, "DROP TABLE parts"), DAMAGED),
    (lambda s: replace_by_folder(os.path.join(s.path, "lock")), IN_THE_WAY),
]
# As far as the ledger goes all is well; the first epoch in the run or the one to be shown is not.
WITHIN_A_RUN = [
    (lambda s: change(segment(s, 0), cut(0)), "1.seg: is damaged"),
    (lambda s: change(segment(s, 0), cut(0.9)), "1.seg: is damaged"),
    (lambda s: change(segment(s, 0), flip(0)), "1.seg: is damaged"),
    (lambda s: change(segment(s, 0), flip(0.5)), "1.seg: is damaged"),
    (lambda s: change(segment(s, 0), flip(1)), "1.seg: is damaged"),
    (lambda s: os.unlink(segment(s, 0)), "1.seg: is missing"),
    (lambda s: shutil.copy(segment(s, 1), segment(s, 0)), "1.seg: is damaged"),
    (lambda s: replace_by_folder(segment(s, 1)), "2.seg: is damaged"),
]


@contextlib.contextmanager
def damaged(whole, temp, damage):
    """The state with this done to it; put back afterwards."""
    away = os.path.join(temp, "away")
    shutil.copytree(whole.path, away)
    whole.client("FLUSHALL")  # all of the state is to be read
    try:
        damage(whole)
        yield
    finally:
        shutil.rmtree(whole.path)
        os.rename(away, whole.path)


@contextlib.contextmanager
def two_commits():
    with new_state() as (state, temp):
        for number in range(2):
            state.run(lib.write(os.path.join(temp, f"{number}.log"), lib.HEADER + "".join(
                lib.record(src=f"10.0.{number}.{i}", start=DAY + number) for i in range(100))))
        yield state, temp, lib.write(os.path.join(temp, "new.log"), lib.HEADER +
                                     lib.record(start=DAY))


@test
def what_no_run_can_begin_with_is_refused_unchanged():
    with two_commits() as (state, temp, new):
        for damage, words in BEFORE_A_RUN:
            with damaged(state, temp, damage):
                before = content(state.path)
                state.refused(words, "--state", logs=[new])
                check_equal(content(state.path), before, f"the state folder ({words})")
        state.run(new)
        state.check_figures()


@test
def damaged_segments_are_named_and_left_alone():
    with two_commits() as (state, temp, new):
        for damage, words in WITHIN_A_RUN:
            with damaged(state, temp, damage):
                before = content(os.path.join(state.path, "segments"))
                state.refused(words, DAMAGED, logs=[new])
                after = content(os.path.join(state.path, "segments"))
                check({p: after.get(p) for p in before} == before, f"segments changed ({words})")
        state.run(new)
        state.check_figures()


@test
def segments_that_are_no_folder_are_told():
    with two_commits() as (state, temp, new), damaged(
            state, temp, lambda s: replace_by_file(os.path.join(s.path, "segments"))):
        state.refused("segments: Not a directory", IN_THE_WAY, logs=[new])


if __name__ == "__main__":
    sys.exit(lib.main())
