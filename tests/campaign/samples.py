"""Memory and descriptors of a run's processes over time, and whether they grew."""
import collections
import contextlib
import os
import statistics

import kills
import lib

# Memory may be this much more at the end: what malloc and SQLite's cache keep of one moment or
# another. What leaks with every object, epoch or death would be many times as much.
GROWTH_SHARE, GROWTH_BYTES = 0.10, 3 << 20

Sample = collections.namedtuple("Sample", "at name pid age pss fds")


def proportional_bytes(pid):
    """What is its own, and its share of what it has together with others."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) << 10


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def shown(part):
    if not part:
        return " " * 13
    pss, fds = (statistics.median(values) for values in zip(*((s.pss, s.fds) for s in part)))
    return f"{pss / 1e6:8.1f} /{fds:3.0f}"


class Samples:
    """min_age_s: a younger process is not looked at in calm stretches."""

    def __init__(self, min_age_s):
        self.min_age_s = min_age_s
        self.calm = {}  # name of a calm stretch: [Sample]
        self.all = []
        self.born = {}

    def take(self, at, supervisor, stretch):
        for pid, name in {supervisor: "supervisor", **kills.children(supervisor)}.items():
            age = at - self.born.setdefault((pid, name), at)
            with contextlib.suppress(OSError, StopIteration):
                sample = Sample(at, name, pid, age, proportional_bytes(pid), descriptors(pid))
                self.all.append(sample)
                if stretch and age >= self.min_age_s:
                    self.calm.setdefault(stretch, []).append(sample)

    def summary(self, stretch):
        """{name: (median memory, fewest and most descriptors)} in a calm stretch."""
        by_name = {}
        for sample in self.calm.get(stretch, []):
            by_name.setdefault(sample.name, []).append(sample)
        return {name: (int(statistics.median(s.pss for s in some)), min(s.fds for s in some),
                       max(s.fds for s in some)) for name, some in sorted(by_name.items())}

    def table(self, pieces=6):
        """Lines: of each process, the medians of equal parts of the time."""
        last = max((s.at for s in self.all), default=0) or 1
        by_name = {}
        for s in self.all:
            part = min(int(s.at * pieces / last), pieces - 1)
            by_name.setdefault(s.name, [[] for _ in range(pieces)])[part].append(s)
        if not self.all:
            return ["  memory and descriptors were not looked at: only root may"]
        lines = [f"  PSS in MB / descriptors (medians of sixths of {last:.0f} s)"]
        for name, parts in sorted(by_name.items()):
            lines.append(f"  {name:14}" + "".join(map(shown, parts)))
        return lines

    def grown(self, first, last):
        """Lines that say what grew between two calm stretches; [] if nothing did."""
        before, after = self.summary(first), self.summary(last)
        if not self.all:  # only root may look into processes without rights
            return []
        lib.check(before and sorted(before) == sorted(after),
                  f"processes: {sorted(before)} at first, {sorted(after)} at last")
        found = []
        for name, (pss, fewest, _) in before.items():
            limit = pss + max(pss * GROWTH_SHARE, GROWTH_BYTES)
            if after[name][0] > limit:
                found.append(f"memory of {name}: {pss} bytes, then {after[name][0]}")
            if after[name][1] != fewest:
                found.append(f"descriptors of {name}: {fewest}, then {after[name][1]}")
        return found
