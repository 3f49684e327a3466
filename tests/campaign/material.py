"""The logs that the kill campaign counts, and what a report of them must be.

Objects of every codec, of several accounts and days, in formats of versions 2 and 5; among them
damaged ones, so that epochs are thrown away and read again, and malformed lines of each kind."""
import glob
import os
import re
import shutil

import lib
import longrun
import oracle

# (seed, codec, accounts, fields): a seed is an organisation of its own
ORGANISATIONS = ((1, "gzip", 2, "v5"), (2, "zstd", 1, "v5"), (3, "none", 1, "v2"))
DAYS = 2
BIG_LINES = 4000  # an object of so many is pushed in part before its end is known to be damaged
LONG, LONG_RECORDS = "long", 40_000
MALFORMED = ("too short\n", lib.record(sport="x"), lib.record(src="1.2.3"), lib.record(sport=65536),
             lib.record().strip() + " one more\n")


class Logs:
    """A folder of logs: `objects` of each codec with `lines` lines; and `long_objects` that have
    few keys and many records, so that a run takes its time."""

    def __init__(self, folder, objects, lines, long_objects):
        self.folder = folder
        self.long_run = longrun.LongRun(os.path.join(folder, LONG), long_objects, LONG_RECORDS)
        for seed, codec, accounts, fields in ORGANISATIONS:
            lib.expect(0, "generate", "--out", folder, "--seed", seed, "--accounts", accounts,
                       "--objects", objects, "--records", lines, "--fields", fields,
                       "--compress", codec, "--days", DAYS)
        self.add_malformed()
        self.add_damaged()

    def add_malformed(self):
        for i in range(3):
            text = lib.HEADER + lib.record(size=i) + "".join(MALFORMED[i:]) + lib.record(dport=i)
            lib.write(os.path.join(self.folder, "by-hand", f"malformed-{i}.log"), text)

    def add_damaged(self):
        """Small ones and large ones, spread over the order in which objects are read."""
        big = lib.HEADER + "".join(lib.record(src=f"198.51.100.{i % 250}", size=i)
                                   for i in range(BIG_LINES))
        for folder in ("0", "AWSLogs/m", "z"):
            for mode, suffix in (("gzip", "gz"), ("zstd", "zst")):
                path = os.path.join(self.folder, folder, f"cut.log.{suffix}")
                cut_short(lib.write(path, big, mode))
            lib.write(os.path.join(self.folder, folder, "big.log.gz"), big, "gzip")
        small = glob.glob(os.path.join(self.folder, "AWSLogs", "**", "*.log.gz"), recursive=True)
        with open(min(small), "rb") as file:
            wrong_sum = bytearray(file.read())
        wrong_sum[-8] ^= 1
        lib.write(os.path.join(self.folder, "y", "sum.log.gz"), bytes(wrong_sum))

    def figures(self):
        others = [os.path.join(self.folder, name)
                  for name in os.listdir(self.folder) if name != LONG]
        return oracle.count(oracle.read(others) + self.long_run.objects)


def cut_short(path):
    os.truncate(path, os.path.getsize(path) - 20)


def without_epoch(report):
    """A report's bytes, but for the number of the epoch: the one thing that may differ."""
    changed, times = re.subn(rb'"epoch":\d+', b'"epoch":-', report, count=1)
    lib.check_equal(times, 1, "epochs in a report")
    return changed


def scopes(organisation):
    """(account, day) of all reports there are, told by the organisation's."""
    return [(account, day) for account in [None] + organisation["accounts"]
            for day in organisation["days"]]


def reports(where, chosen):
    """{scope: bytes of the report, without the epoch}."""
    return {scope: without_epoch(lib.report_bytes(*where, *lib.report_args(*scope)))
            for scope in chosen}


def reports_of_state(state, chosen):
    """Likewise, of a state whose run has ended. The first report is made as people make it; a
    server that has loaded the run's view is quicker for the others, if that view is the last."""
    where = ["--state", state]
    last = lib.report_bytes(*where, *lib.report_args(*chosen[0]))
    view = os.path.join(state, "view.rdb")
    if not os.path.exists(view):
        return reports(where, chosen)
    with lib.folder() as temp:
        shutil.copy(view, temp)
        with lib.redis_server("--dir", temp, "--dbfilename", "view.rdb") as (socket, _):
            loaded = ["--redis", f"unix://{socket}"]
            done = lib.program("report", *loaded, "--format", "json", *lib.report_args(*chosen[0]))
            return reports(loaded if done.stdout == last else where, chosen)


def difference(actual, expected):
    """Where two reports depart from each other; None if nowhere."""
    for scope, should in expected.items():
        is_now = actual[scope]
        if is_now != should:
            at = next((i for i, (a, b) in enumerate(zip(is_now, should)) if a != b),
                      min(len(is_now), len(should)))
            around = slice(max(at - 200, 0), at + 100)
            return f"report of {scope}, byte {at}: is ...{is_now[around]!r}..., " \
                   f"should be ...{should[around]!r}..."
    return None


class Truth:
    """The reports of an undisturbed run; the oracle says that they are right."""

    def __init__(self, logs, temp, is_checked):
        state = os.path.join(temp, "undisturbed")
        lib.run(state, logs.folder, status=2)
        where = ["--state", state]
        self.scopes = scopes(lib.report(*where))
        if is_checked:
            figures = logs.figures()
            for account, day in self.scopes:
                scope = {"account": account, "day": day}
                lib.check_report(lib.report(*where, *lib.report_args(**scope)), figures, **scope)
        self.reports = reports(where, self.scopes)

    def check(self, state):
        found = difference(reports_of_state(state, self.scopes), self.reports)
        lib.check(not found, found)
