#!/usr/bin/env python3
"""Kills processes of many runs, at times drawn by lot and in the middle of commits and of
publishing, and compares what each run counted in the end with what an undisturbed one did: every
byte of every report, but for the number of the epoch.

A run is started again as often as it ends before its time. What is done to each run follows from
the seed and its number, so that one run can be repeated; when exactly a process meets its signal
does not."""
import argparse
import collections
import contextlib
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
# pylint: disable=wrong-import-position
import kills
import lib
import material
from lib import check, check_equal

KILLS_PER_RUN = (5, 40)
POLL_S = 0.0005
PATIENCE_S = 3         # how long a kill waits for its moment; then it is done anyway
JITTER_S = 0.004       # and how long after that moment it comes, at most
DELAY_S = 0.25         # at most, of those that come at any time
END_S = 180            # a run that nobody disturbs any more has ended by then
START_S = 0.06         # how long a process that has just begun is looked for
STARTS_MAX = 200       # of one run
FAILED_MAX = 5         # runs, until the campaign ends
STOPPED_S = (0.02, 0.5)  # how long SIGSTOP lasts
# After so many kills without a new epoch in Redis the next one waits for one: a run that never
# gets anywhere gives up, as it should, and is then seldom killed where it matters.
STUCK_KILLS = 4

SUPERVISOR, ALL = "supervisor", "all at once"
VICTIMS = {"ingest": 5, "aggregate": 4, "publish": 6, "redis-server": 3, kills.STARTING: 1,
           SUPERVISOR: 3, ALL: 1}
MOMENTS = {None: 5, kills.SEGMENT: 2, kills.LEDGER: 2, kills.PUBLISH: 4}
# Beside SIGKILL: a fault of a process, one that stands still, a stop in order.
OTHERS = {signal.SIGILL: 2, signal.SIGSTOP: 2, signal.SIGTERM: 1}
OTHERS_SHARE = 0.08

GOES_ON = "all processes start again from the last commit"
# How a run that was disturbed may end before its time, by a text on stderr.
GAVE_UP = {"deaths in a row": "starts have committed nothing",
           "Redis's deaths in a row": "times without an epoch being published",
           "death during the stop": "while the run was stopping",
           "Redis died as it started": "the private redis-server ended at once"}
# Errors that a kill brings about. No process fails for another reason: one that does would hide
# behind the next start, which goes on from the last commit.
BROUGHT_ABOUT = re.compile("|".join(("is gone", *map(re.escape, GAVE_UP.values()))))
FAILED_BY_ITSELF = re.compile(r": error: |ended with status|ended before its time")


def check_errors(told):
    for line in told.splitlines():
        if FAILED_BY_ITSELF.search(line) and not BROUGHT_ABOUT.search(line):
            raise lib.Failed(f"a process failed by itself: {line}")


def draw(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


class Blow:
    """One disturbance to come."""

    def __init__(self, rng):
        is_other = rng.random() < OTHERS_SHARE
        self.signal = draw(rng, OTHERS) if is_other else signal.SIGKILL
        self.victim = draw(rng, VICTIMS)
        if self.signal == signal.SIGTERM:
            self.victim = SUPERVISOR
        elif is_other:
            self.victim = rng.choice(("ingest", "aggregate", "publish"))
        self.moment = draw(rng, MOMENTS)
        self.after_s = rng.uniform(0, JITTER_S if self.moment else DELAY_S)
        if self.victim == kills.STARTING:  # of those that come after the last one's victim
            self.moment, self.after_s = None, 0
        self.pick = rng.random()                    # which of several
        self.stopped_s = rng.uniform(*STOPPED_S)


class Tally:
    """What was done, over all runs."""

    def __init__(self):
        self.kills = collections.Counter()   # (victim, phase) of SIGKILLs
        self.others = collections.Counter()  # (signal, victim)
        self.ends = collections.Counter()    # how runs ended before their time
        self.runs = self.starts = self.retried = 0

    def kill_cnt(self):
        return sum(self.kills.values())

    def __str__(self):
        lines = [f"{self.kill_cnt()} kills in {self.runs} runs, {self.starts} starts"]
        lines.append(f"  {'':14}" + "".join(f"{phase:>10}" for phase in kills.PHASES))
        for victim in VICTIMS:
            row = [self.kills[victim, phase] for phase in kills.PHASES]
            lines.append(f"  {victim:14}" + "".join(f"{n:10}" for n in row) + f"{sum(row):10}")
        row = [sum(self.kills[v, phase] for v in VICTIMS) for phase in kills.PHASES]
        lines.append(f"  {'':14}" + "".join(f"{n:10}" for n in row) + f"{sum(row):10}")
        for (number, victim), cnt in sorted(self.others.items()):
            lines.append(f"  {number.name} to {victim}: {cnt}")
        for why, cnt in sorted(self.ends.items()):
            lines.append(f"  ended before its time, {why}: {cnt}")
        lines.append(f"  put into quarantine by faults in a row, and read again: {self.retried}")
        return "\n".join(lines)


class Run:
    """One run, started and disturbed until all is counted."""

    def __init__(self, seed, number, logs, temp, tally):
        self.rng = random.Random(f"{seed}:{number}")
        self.logs, self.tally = logs, tally
        self.state = os.path.join(temp, f"run-{number}")
        self.args = ["--interval", 1, "--ingest", self.rng.choice((1, 1, 2, 3)), "--aggregate",
                     self.rng.choice((1, 1, 2, 3)), "--io", self.rng.choice(("auto", "pread"))]
        self.blow_cnt = self.rng.randint(*KILLS_PER_RUN)
        self.eye = kills.Eye(self.state)
        self.done = []  # lines that tell what was done
        self.epoch = None
        self.stuck = 0
        self.terms = 0  # SIGTERMs to this supervisor
        self.begin = time.monotonic()

    def note(self, text):
        self.done.append(f"{time.monotonic() - self.begin:8.3f} {text}")

    # -- one disturbance --

    def waited_for(self, child, blow):
        """The phase at the time of the blow; None if the run ended before."""
        wants_epoch = self.stuck >= STUCK_KILLS
        until = time.monotonic() + (PATIENCE_S if blow.moment or wants_epoch else blow.after_s)
        while child.poll() is None:
            phase = self.eye.phase()
            is_time = phase == blow.moment
            if wants_epoch:
                is_time = self.eye.epoch != self.epoch
            if time.monotonic() >= until:
                return phase
            if is_time:
                wants_epoch, blow.moment = False, None
                until = time.monotonic() + blow.after_s
            time.sleep(POLL_S)
        return None

    def victims(self, child, blow):
        if blow.victim == SUPERVISOR:
            return [child.pid]
        if blow.victim == ALL:
            return [child.pid] + list(kills.children(child.pid))
        until = time.monotonic() + (START_S if blow.victim == kills.STARTING else 0)
        found = sorted(kills.processes_of(child.pid, blow.victim))
        while not found and time.monotonic() < until:
            found = sorted(kills.processes_of(child.pid, blow.victim))
        return found[int(blow.pick * len(found)):][:1]

    def strike(self, child, blow):
        """False if the run ended before."""
        phase = self.waited_for(child, blow)
        if phase is None:
            return False
        struck = [pid for pid in self.victims(child, blow) if hit(pid, blow.signal)]
        if not struck:
            return True  # there is none just now
        if blow.signal == signal.SIGKILL:
            self.tally.kills[blow.victim, phase] += 1
            self.stuck = self.stuck + 1 if self.eye.epoch == self.epoch else 1
            self.epoch = self.eye.epoch
        else:
            self.tally.others[blow.signal, blow.victim] += 1
            self.terms += blow.signal == signal.SIGTERM
        self.note(f"{signal.Signals(blow.signal).name} to {blow.victim} {struck} while {phase}")
        if blow.signal == signal.SIGSTOP:
            time.sleep(blow.stopped_s)
            hit(struck[0], signal.SIGCONT)
        else:
            self.eye.note_deaths()
        return True

    # -- a run --

    def start(self, stack):
        self.tally.starts += 1
        self.terms = 0
        return stack.enter_context(lib.started("run", "--state", self.state, "--progress", "never",
                                               *self.args, self.logs.folder))

    def judge_end(self, child, status):
        """True if all is counted; False if it is to be started again."""
        told = lib.read_text(child.err)
        self.note(f"exit status {status}: " + lib.one_line(told[-600:]))
        check_errors(told)
        if status == 2:
            return True
        if status == -signal.SIGKILL:
            why = "killed"
        elif status in (128 + signal.SIGTERM, -signal.SIGTERM):
            why = "stopped"  # in order, or before it had begun
        elif self.terms > 1:
            why = "stopped twice"  # which is to be at once
        else:
            check_equal(status, 1, "exit status")
            why = next((why for why, text in GAVE_UP.items() if text in told), None)
            check(why, f"it gave up: {told}")
        self.tally.ends[why] += 1
        return False

    def go(self, stack, blows):
        for _ in range(STARTS_MAX):
            child = self.start(stack)
            while blows and self.strike(child, blows[0]):
                blows.pop(0)
            if self.judge_end(child, lib.finish(child, END_S)):
                return
        raise lib.Failed(f"not done after {STARTS_MAX} starts")

    def release_quarantined(self):
        """A fault that hits an object's reader by bad luck three times puts it there."""
        listed = lib.expect(0, "quarantine", "--state", self.state).stdout
        if not listed:
            return False
        self.note(f"in quarantine: {listed}")
        self.tally.retried += 1
        lib.expect(0, "quarantine", "--state", self.state, "--retry")
        return True

    def check_nothing_left(self):
        """No process, and in the state folder no file that nothing refers to."""
        lib.wait_until(lambda: not lib.users_of(self.state), f"nobody uses {self.state}")
        with contextlib.closing(sqlite3.connect(os.path.join(self.state, "state.db"))) as ledger:
            found = ledger.execute("PRAGMA integrity_check").fetchall()
            check_equal(found, [("ok",)], "what is wrong with the ledger")
            known = {f"{number}.seg" for number, in ledger.execute("SELECT segment FROM parts")}
        found = set(os.listdir(os.path.join(self.state, "segments")))
        check_equal(found, known, "segment files")
        left = [name for name in os.listdir(self.state)
                if name.startswith(("temp-", "redis")) or name.endswith(".sock")]
        check_equal(left, [], "left behind in the state folder")

    def disturb(self):
        blows = [Blow(self.rng) for _ in range(self.blow_cnt)]
        with contextlib.ExitStack() as stack:
            stack.callback(self.eye.close)
            self.go(stack, blows)
            while self.release_quarantined():
                self.go(stack, [])
            self.check_nothing_left()


def hit(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


class Campaign:
    """Runs until there were enough kills."""

    def __init__(self, seed, logs, is_checked=True, kept=None):
        self.seed, self.kept = seed, kept
        self.tally = Tally()
        self.stack = contextlib.ExitStack()
        self.temp = self.stack.enter_context(lib.folder())
        self.logs = material.Logs(os.path.join(self.temp, "logs"), *logs)
        self.truth = material.Truth(self.logs, self.temp, is_checked)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def one(self, number, most=KILLS_PER_RUN[1]):
        """A run, of at most so many kills, which is returned if all was well with it."""
        run = Run(self.seed, number, self.logs, self.temp, self.tally)
        run.blow_cnt = min(run.blow_cnt, most)
        try:
            run.disturb()
            self.truth.check(run.state)
        except Exception as error:
            told = "\n".join(run.done)
            if self.kept:
                shutil.copytree(run.state, os.path.join(self.kept, f"{self.seed}-{number}"),
                                dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
            raise lib.Failed(f"seed {self.seed}, run {number} ({' '.join(map(str, run.args))}): "
                             f"{error}\nwhat was done:\n{told}") from error
        self.tally.runs += 1
        shutil.rmtree(run.state)
        return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=1000, help="SIGKILLs at least")
    parser.add_argument("--run", type=int, help="this run only, and what is done to it")
    parser.add_argument("--objects", type=int, default=40, help="of each of three codecs")
    parser.add_argument("--lines", type=int, default=250, help="of each object")
    parser.add_argument("--long", type=int, default=80, help="objects of many records each")
    parser.add_argument("--kept", help="folder for the states of runs that failed")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    failed = 0
    with Campaign(args.seed, (args.objects, args.lines, args.long), kept=args.kept) as campaign:
        numbers = [args.run] if args.run is not None else range(10 ** 9)
        for number in numbers:
            before, began = campaign.tally.kill_cnt(), time.monotonic()
            try:
                run = campaign.one(number)
                print(f"run {number}: {campaign.tally.kill_cnt() - before} kills, "
                      f"{' '.join(map(str, run.args))}, {time.monotonic() - began:.1f} s",
                      flush=True)
                if args.run is not None:
                    print("\n".join(run.done))
            except lib.Failed as why:
                failed += 1
                print(f"run {number} FAILED: {why}", flush=True)
                if failed == FAILED_MAX:
                    break
            if campaign.tally.kill_cnt() >= args.kills:
                break
        print(f"seed {args.seed}: {campaign.tally}\n{failed} runs failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
