#!/usr/bin/env python3
"""A run that follows a growing tree for half an hour: objects arrive faster than real time, some
process is killed every few seconds, Redis is restarted, the run itself is killed or stopped and
started again. At the end every figure is exact, and neither memory nor descriptors grew.

Of the second half, one supervisor lives through all. At its begin and its end nothing is killed for
a while: what the processes hold then is compared."""
import argparse
import collections
import contextlib
import heapq
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
# pylint: disable=wrong-import-position
import arrivals
import campaign
import kills
import lib
import material
import resp
import samples
from lib import check, check_equal

VICTIMS = {"ingest": 4, "aggregate": 3, "publish": 4, "redis": 2}
KILL_EVERY_S, SHORT_KILL_EVERY_S = (1, 5), (0.3, 1.7)
FIRST_KILL_S = 2
LIVES = 12             # of supervisors, in the first half
CALM_SHARE = 0.08      # of the time, each of two calm stretches
SETTLE_SHARE = 0.01    # between the last kill and a calm stretch
REDIS_AWAY_S = (0, 2)  # how long a killed Redis of our own is away
SAMPLE_S = 1
TOLD_S = 60
UNHURRIED_S = 120      # in less time, writers are quicker, too
STOP_S = 60
DRAIN_S = 180          # what came last is counted by then
TICK_S = 0.02
MIN_AGE_S = 5          # of a process whose memory is judged: a younger one grows into its work
FIRST, LAST = "first", "last"


class GivenRedis:
    """A redis-server beside the run, which may be killed and comes back empty."""

    def __init__(self, temp):
        self.temp, self.socket = temp, os.path.join(temp, "given.sock")
        self.args = ["--redis", f"unix://{self.socket}"]
        self.server = None

    def start(self):
        self.server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir",
             self.temp], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def wait(self):
        def answers():
            with contextlib.suppress(OSError, resp.ReplyError):
                client = resp.Client(self.socket)
                client("PING")
                client.close()
                return True
            return False
        lib.wait_until(answers, "the given Redis answers")

    def kill(self):
        if self.server:
            self.server.kill()
            self.server.wait()
        self.server = None


class Plan:
    """What is to be done when: functions in order of time."""

    def __init__(self):
        self.began = time.monotonic()
        self.heap, self.order = [], itertools.count()

    def now(self):
        return time.monotonic() - self.began

    def at(self, when, function):
        heapq.heappush(self.heap, (when, next(self.order), function))

    def later(self, seconds, function):
        self.at(self.now() + seconds, function)

    def step(self):
        while self.heap and self.heap[0][0] <= self.now():
            heapq.heappop(self.heap)[2]()


class Soak:
    """is_short: no calm stretches, and kills follow upon each other sooner."""

    def __init__(self, seed, seconds, rate, is_short, temp, stack):
        self.rng = random.Random(seed)
        self.seconds, self.rate, self.is_short = seconds, rate, is_short
        self.temp, self.stack = temp, stack
        self.state, self.tree = os.path.join(temp, "s"), os.path.join(temp, "logs")
        self.pool = arrivals.make_pool(temp, seed)
        self.given = GivenRedis(temp)
        self.given.start()
        stack.callback(self.given.kill)
        self.given.wait()
        self.plan = Plan()
        self.arrivals = arrivals.Arrivals(self.tree, self.pool, self.rng, self.plan.later,
                                          min(1, seconds / UNHURRIED_S))
        self.samples = samples.Samples(min(MIN_AGE_S, CALM_SHARE * seconds / 4))
        self.tally = collections.Counter()
        self.child = None
        self.is_private = True
        self.ending = None   # (exit status that is expected, until when)
        self.stretch = None  # the calm stretch that it is
        self.is_quiet = False  # nothing is killed now

    # -- the run --

    def where(self):
        return ["--state", self.state] if self.is_private else self.given.args

    def start(self):
        self.tally["starts"] += 1
        redis = [] if self.is_private else self.given.args
        self.child = self.stack.enter_context(lib.started(
            "run", "--follow", "--state", self.state, "--progress", "never", "--interval", 1,
            "--ingest", 2, "--aggregate", 2, *redis, self.tree))

    def end(self, number, is_private):
        """Kills or stops the supervisor; the next one begins when it is gone. A run that is to stop
        in order has a Redis to publish its last epoch to."""
        if self.ending or not self.given.server:
            self.plan.later(REDIS_AWAY_S[1], lambda: self.end(number, is_private))
            return
        os.kill(self.child.pid, number)
        self.tally[f"{signal.Signals(number).name} to supervisor"] += 1
        status = 128 + number if number == signal.SIGTERM else -number
        self.ending = (status, self.plan.now() + STOP_S)
        self.is_private = is_private

    def read_told(self):
        """What a supervisor that ended has said."""
        told = lib.read_text(self.child.err)
        self.tally["deaths told"] += told.count(campaign.GOES_ON)
        campaign.check_errors(told)
        return told

    def look_after(self):
        status = self.child.poll()
        if status is None:
            check(not self.ending or self.plan.now() < self.ending[1],
                  lambda: f"it does not stop: {lib.read_text(self.child.err)[-2000:]}")
            return
        told = self.read_told()
        check(self.ending, lambda: f"the run ended, exit status {status}: {told[-2000:]}")
        check_equal(status, self.ending[0], f"exit status ({told[-2000:]})")
        self.ending = None
        self.start()

    # -- what is done to it --

    def kill_something(self):
        every_s = SHORT_KILL_EVERY_S if self.is_short else KILL_EVERY_S
        self.plan.later(self.rng.uniform(*every_s), self.kill_something)
        victim = self.rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        if self.is_quiet or self.ending:
            return
        if victim == "redis" and not self.is_private:
            if not self.given.server:
                return
            self.tally["SIGKILL to the given Redis"] += 1
            self.given.kill()
            self.plan.later(self.rng.uniform(*REDIS_AWAY_S), self.given.start)
            return
        role = "redis-server" if victim == "redis" else victim
        found = sorted(kills.processes_of(self.child.pid, role))
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.rng.choice(found), signal.SIGKILL)
                self.tally[f"SIGKILL to {role}"] += 1

    def set_calm(self, is_quiet, stretch=None):
        self.is_quiet, self.stretch = is_quiet, stretch

    def arrive(self):
        self.arrivals.arrive()
        if self.plan.now() < self.seconds:
            self.plan.later(self.rng.expovariate(self.rate), self.arrive)

    def sample(self):
        self.samples.take(self.plan.now(), self.child.pid, self.stretch)
        self.plan.later(SAMPLE_S, self.sample)

    def tell(self):
        """A line now and then, for who waits."""
        names = os.listdir(os.path.join(self.state, "segments"))
        wal = os.path.join(self.state, "state.db-wal")
        print(f"{self.plan.now():6.0f} s: {len(self.arrivals.objects)} objects, "
              f"{sum(n for what, n in self.tally.items() if what.startswith('SIG'))} signals, "
              f"{len(names)} segment files, WAL of "
              f"{os.path.getsize(wal) if os.path.exists(wal) else 0} bytes", flush=True)
        self.plan.later(TOLD_S, self.tell)

    def make_plan(self):
        whole, half = self.seconds, self.seconds / 2
        calm, settle = CALM_SHARE * whole, SETTLE_SHARE * whole
        lives = max(2, min(LIVES, int(half / 8)))
        for i in range(1, lives + 1):  # the last one lives through the second half
            number = signal.SIGTERM if i % 2 == 0 else signal.SIGKILL
            is_private = i == lives or i % 3 != 1
            self.plan.at(half * i / lives, lambda n=number, p=is_private: self.end(n, p))
        for stretch, begin in ((FIRST, half + 2 * settle), (LAST, whole - calm)):
            if self.is_short:
                break
            self.plan.at(begin - settle, lambda: self.set_calm(True))
            self.plan.at(begin, lambda s=stretch: self.set_calm(True, s))
            self.plan.at(begin + calm, lambda: self.set_calm(False))
        self.plan.later(FIRST_KILL_S, self.kill_something)
        self.plan.later(0, self.arrive)
        self.plan.later(SAMPLE_S, self.sample)
        self.plan.later(TOLD_S, self.tell)

    # -- the whole --

    def work(self):
        self.arrivals.first_ones()
        self.start()
        self.make_plan()
        while self.plan.now() < self.seconds or self.arrivals.unfinished:
            self.plan.step()
            self.look_after()
            if self.plan.now() >= self.seconds:
                self.set_calm(True)
            time.sleep(TICK_S)

    def drain(self):
        """Waits until all is counted, and stops it."""
        wanted = self.arrivals.counted_cnt()

        def is_counted():
            check(self.child.poll() is None,
                  lambda: f"the run ended: {lib.read_text(self.child.err)[-2000:]}")
            done = lib.program("report", *self.where(), "--format", "json", "--table", "action")
            return done.returncode == 0 and f'"objects":{wanted},'.encode() in done.stdout

        lib.wait_until(is_counted, f"{wanted} objects are counted", DRAIN_S)
        os.kill(self.child.pid, signal.SIGTERM)
        check_equal(lib.finish(self.child, STOP_S), 128 + signal.SIGTERM, "exit status")
        self.read_told()

    def check_figures(self):
        undisturbed = os.path.join(self.temp, "undisturbed")
        lib.run(undisturbed, self.tree, status=2)
        scopes = material.scopes(lib.report("--state", undisturbed))
        expected = material.reports_of_state(undisturbed, scopes)
        found = material.difference(material.reports_of_state(self.state, scopes), expected)
        check(not found, found)
        where = ["--state", self.state]
        lib.check_report(lib.report(*where, *lib.report_args()), self.arrivals.figures())
        check_equal(lib.expect(0, "quarantine", *where).stdout, b"", "quarantine")

    def keep(self, folder):
        """For who looks for the reason."""
        shutil.copytree(self.state, folder, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("*.sock"))
        shutil.copy(self.child.err, os.path.join(folder, "stderr"))

    def told(self):
        lines = [f"{self.seconds} s, {len(self.arrivals.objects)} objects "
                 f"({len(self.arrivals.objects) / self.seconds:.1f} a second, each of 5 minutes of "
                 f"one of {len(arrivals.ACCOUNTS)} accounts), {self.arrivals.in_place} in place, "
                 f"{self.arrivals.late} late, {self.arrivals.damaged} damaged at first"]
        lines += [f"  {what}: {cnt}" for what, cnt in sorted(self.tally.items())]
        lines += self.samples.table()
        for stretch in self.samples.calm:
            lines.append(f"  {stretch} calm stretch:")
            for name, (pss, fewest, most) in self.samples.summary(stretch).items():
                lines.append(f"  {name:14}{pss / 1e6:8.2f} MB, {fewest} to {most} descriptors")
        return "\n".join(lines)


def soak(seed, seconds, rate, is_short=False, kept=None):
    """What was done and seen, in words; lib.Failed if something is wrong. A short one does not
    judge growth."""
    with contextlib.ExitStack() as stack:
        temp = stack.enter_context(lib.folder())
        it = Soak(seed, seconds, rate, is_short, temp, stack)
        try:
            it.work()
            it.drain()
            it.check_figures()
            grown = [] if is_short else it.samples.grown(FIRST, LAST)
            check(not grown, "; ".join(grown))
        except Exception as error:
            if kept:
                it.keep(os.path.join(kept, f"soak-{seed}"))
            raise lib.Failed(f"seed {seed}: {error}\n{it.told()}") from error
        return it.told()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=1800)
    parser.add_argument("--rate", type=float, default=20, help="objects a second")
    parser.add_argument("--kept", help="folder for the state, if it failed")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        print(f"seed {args.seed}: {soak(args.seed, args.seconds, args.rate, kept=args.kept)}")
    except lib.Failed as why:
        sys.exit(f"FAILED: {why}")


if __name__ == "__main__":
    main()
