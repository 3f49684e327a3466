"""A run that takes some seconds, five of its intervals and more where one CPU counts 17 million such
records a second, over objects that tell which of them were counted: object i has an interface of its
own beside many records that all share."""
import contextlib
import gzip
import json
import os
import random

import lib
import oracle
from lib import HEADER, check, record

OWN_RECORDS = 3
DAY = "2023-11-15"
START = 1700006400


class LongRun:
    """Objects in `folder`; figures() of all or of those chosen by number."""

    def __init__(self, folder, object_cnt=1000, records_each=100_000):
        self.folder, self.object_cnt = folder, object_cnt
        rng = random.Random(7)
        block_cnt = 250
        block = "".join(record(f"11111111111{rng.randrange(2)}", "eni-all", f"198.51.{i}.{i}",
                               f"10.0.{i % 7}.{i % 11}", 40000 + i, rng.choice((80, 443, 22)), 6,
                               rng.randrange(100), rng.randrange(10**6), START + i)
                        for i in range(block_cnt)).encode()
        times = records_each // block_cnt
        common = gzip.compress(block * times, 6, mtime=0)
        self.common = oracle.Object("", "")
        oracle.read_text(block, oracle.DEFAULT_FORMAT, self.common)
        self.common_times, self.common_size = times, len(block) * times
        self.objects = []
        for i in range(object_cnt):
            own = (HEADER + self.own_record(i) * OWN_RECORDS).encode()
            path = lib.write(os.path.join(folder, f"{i:04}.log.gz"), gzip.compress(own) + common)
            self.objects.append(self.make_object(path, own))

    def own_record(self, i):
        return record("222222222222", f"eni-{i:04}", size=1000 + i, start=START + 60 * i)

    def make_object(self, path, own):
        counted = oracle.Object(path, os.path.realpath(path))
        oracle.read_text(own, oracle.DEFAULT_FORMAT, counted)
        for what, times in self.common.records.items():
            counted.records[what] += times * self.common_times
        for account, lines in self.common.account_lines.items():
            for name, times in lines.items():
                counted.account_lines.setdefault(account, type(lines)())[name] += \
                    times * self.common_times
        counted.lines += self.common.lines * self.common_times
        counted.bytes = len(own) + self.common_size
        counted.bytes_read = os.path.getsize(path)
        return counted

    def figures(self, numbers=None):
        return oracle.count(self.objects if numbers is None
                            else [self.objects[i] for i in sorted(numbers)])

    def counted(self, report):
        """The numbers of the objects whose records a report shows."""
        rows = report["tables"]["interface"]["rows"] if "interface" in report["tables"] else []
        return {int(row["key"][4:]) for row in rows if row["key"] != "eni-all"}

    def check_whole_objects(self, report):
        """The report equals the figures of a set of whole objects; returns their numbers."""
        numbers = self.counted(report)
        lib.check_report(report, self.figures(numbers))
        return numbers


@contextlib.contextmanager
def one_cpu():
    """What is started meanwhile has one CPU, so that fast machines take some seconds too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(state, long_run, *args):
    """The program at work on the objects."""
    with contextlib.ExitStack() as stack:
        with one_cpu():
            child = stack.enter_context(lib.started(
                "run", "--state", state, "--progress", "never", "--interval", 1, *args,
                long_run.folder))
        yield child


def wait_for_epoch(child, where, epoch=1):
    """Waits until the run has published this many epochs to `where` (--state DIR: its private
    Redis) and is still at work."""
    def at_work():
        check(child.poll() is None, lambda: f"the run ended (exit status {child.returncode}) before "
              f"epoch {epoch}; stderr: {lib.read_text(child.err)}")

    def private_redis_is_there():
        at_work()
        return lib.sockets_under(where[1])

    def published():
        at_work()
        done = lib.program("report", *where, "--format", "json", "--table", "protocol", timeout=60)
        return done.returncode == 0 and json.loads(done.stdout)["epoch"] >= epoch

    if where[0] == "--state":  # a report before that would start a Redis itself
        lib.wait_until(private_redis_is_there, "the private Redis is there")
    lib.wait_until(published, f"epoch {epoch} is published")
    at_work()
