"""Objects that arrive as those of AWS do, in every way that writers have: renamed into place,
written in place while others look, late into the folders of older days, damaged at first and mended
later.

All come from a pool of prepared contents, so that the keys they hold are the same from the first
minute to the last, and what must be counted is known without reading them again."""
import collections
import copy
import os
import random

import lib
import oracle

ACCOUNTS = ("111111111111", "222222222222", "333333333333", "444444444444")
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
FIRST_START = 1767225600  # 2026-01-01, 00:00 UTC
SLOT_S = 300              # what an object tells about
SLOTS = 6                 # of each day and account, in the pool
LINES = 200
CODECS = {"plain": ".log", "gzip": ".log.gz", "zstd": ".log.zst"}

NEWEST_SHARE = 0.8   # of the objects belong to the newest day, the others are late
IN_PLACE_SHARE = 0.3
DAMAGED_SHARE = 0.04
NEVER_MENDED = 3     # of those that are damaged
HELD_OPEN_S = (0.1, 4)
MENDED_AFTER_S = (3, 15)

Content = collections.namedtuple("Content", "account day slot codec data counted")


def make_text(rng, account, start):
    lines = [lib.record(account, interface=f"eni-{rng.randrange(6)}",
                        src=f"10.0.{rng.randrange(4)}.{rng.randrange(40)}",
                        dst=f"198.51.100.{rng.randrange(200)}", sport=40000 + rng.randrange(50),
                        dport=rng.choice((22, 53, 80, 443, 8443)), protocol=rng.choice((6, 17)),
                        packets=rng.randrange(1, 100), size=rng.randrange(40, 10 ** 6),
                        start=start + rng.randrange(SLOT_S),
                        action=rng.choice(("ACCEPT", "ACCEPT", "REJECT")))
             for _ in range(LINES)]
    return lib.HEADER + "".join(lines)


def make_pool(folder, seed):
    rng, pool = random.Random(seed), []
    for number, day in enumerate(DAYS):
        for account in ACCOUNTS:
            for slot in range(SLOTS):
                start = FIRST_START + number * 86400 + slot * SLOT_S
                codec = rng.choice(list(CODECS))
                path = lib.write(os.path.join(folder, "content" + CODECS[codec]),
                                 make_text(rng, account, start), codec)
                with open(path, "rb") as file:
                    data = file.read()
                pool.append(Content(account, day, slot, codec, data, oracle.read_object(path)))
                os.unlink(path)
    return pool


class Arrivals:
    """Writes objects below `tree`; `later(seconds, function)` calls back what is to be done then.
    haste: what takes some time takes this share of it."""

    def __init__(self, tree, pool, rng, later, haste=1):
        self.tree, self.pool, self.rng, self.later, self.haste = tree, pool, rng, later, haste
        self.objects = []  # of the oracle; those that are never mended have a failure
        self.unfinished = 0
        self.damaged = self.in_place = self.late = 0
        self.newest = [content for content in pool if content.day == DAYS[-1]]
        self.older = [content for content in pool if content.day != DAYS[-1]]

    def path_of(self, content):
        year, month, day = content.day.split("-")
        at = f"{content.slot * SLOT_S // 3600:02}{content.slot * SLOT_S // 60 % 60:02}"
        file = f"{content.account}_vpcflowlogs_eu-west-1_fl-0{content.slot:x}_{year}{month}{day}" \
               f"T{at}Z_{len(self.objects):08x}{CODECS[content.codec]}"
        return os.path.join(self.tree, "AWSLogs", content.account, "vpcflowlogs", "eu-west-1", year,
                            month, day, file)

    def first_ones(self):
        """All of the pool once: from here on there are no new keys."""
        for content in self.pool:
            self.put(self.note(content), content.data)

    def arrive(self):
        is_new = self.rng.random() < NEWEST_SHARE
        self.late += not is_new
        content = self.rng.choice(self.newest if is_new else self.older)
        path = self.note(content)
        if content.codec != "plain" and self.rng.random() < DAMAGED_SHARE:
            self.damage(path, content)
        elif self.rng.random() < IN_PLACE_SHARE:
            self.in_place += 1
            self.write_slowly(path, content.data)
        else:
            self.put(path, content.data)

    def note(self, content):
        path = self.path_of(content)
        counted = copy.copy(content.counted)
        counted.path, counted.name = path, oracle.object_name(path)
        self.objects.append(counted)
        return path

    def put(self, path, data):
        """Beside, then renamed."""
        beside = os.path.join(os.path.dirname(path), "." + os.path.basename(path))
        lib.write(beside, data)
        os.rename(beside, path)

    def write_slowly(self, path, data):
        """In two pieces; the file stays open between them."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "wb")  # pylint: disable=consider-using-with
        half = self.rng.randrange(len(data))
        file.write(data[:half])
        file.flush()
        self.unfinished += 1

        def finish():
            file.write(data[half:])
            file.close()
            self.unfinished -= 1

        self.later(self.rng.uniform(*HELD_OPEN_S) * self.haste, finish)

    def damage(self, path, content):
        self.damaged += 1
        cut = content.data[:self.rng.randrange(len(content.data) // 2, len(content.data) - 1)]
        self.put(path, cut)
        if self.damaged <= NEVER_MENDED:
            self.objects[-1].failure = oracle.Failure(content.codec, "cut short")
            return
        self.unfinished += 1
        is_renamed = self.rng.random() < 0.5

        def mend():
            self.unfinished -= 1
            if is_renamed:
                self.put(path, content.data)
            else:
                self.write_slowly(path, content.data)

        self.later(self.rng.uniform(*MENDED_AFTER_S) * self.haste, mend)

    def counted_cnt(self):
        return sum(1 for counted in self.objects if not counted.failure)

    def figures(self):
        return oracle.count(self.objects)
