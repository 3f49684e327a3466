"""Who is killed, and when: the processes of a run, and what its last epoch is at."""
import contextlib
import os
import sqlite3

import lib
import resp

ROLES = ("ingest", "aggregate", "publish", "redis-server")
STARTING = "starting"  # forked, and not known by a name of its own yet

# What an epoch is at, as it can be seen from outside.
COUNTING = "counting"  # nothing of it is on its way to the disk
SEGMENT = "segment"    # its segment file is being written
LEDGER = "ledger"      # the file is there; the transaction that is the commit is not over
PUBLISH = "publish"    # it is committed; Redis does not show its epoch yet
PHASES = (COUNTING, SEGMENT, LEDGER, PUBLISH)


def children(pid):
    """{pid: name} of the processes that a process has."""
    found = {}
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for child in map(int, file.read().split()):
                stat = lib.process_stat(child)
                if stat and stat[0] != "Z":
                    found[child] = lib.process_name(child)
    return found


def processes_of(pid, role):
    """Of a run's supervisor; the role may be STARTING."""
    named = children(pid)
    if role == STARTING:
        return [p for p, name in named.items() if not name.startswith(ROLES)]
    return [p for p, name in named.items() if name.startswith(role)]


class Eye:
    """Looks at a state folder and its Redis as often as it is asked."""

    def __init__(self, state, socket=None):
        self.segments = os.path.join(state, "segments")
        self.ledger = os.path.join(state, "state.db")
        self.socket = socket or os.path.join(state, "redis.sock")
        self.client = None
        self.epoch = 0       # what Redis showed last
        self.newest = None   # the newest segment file there is, as written_at has it
        self.pending = None  # likewise, as long as no epoch in Redis is known to hold it
        self.left = set()    # what those who were killed have left
        self.committed = self.next_segment = 0  # as the ledger said last

    def close(self):
        if self.client:
            self.client.close()
        self.client = None

    def redis_epoch(self):
        """The epoch in Redis, or what it was when it answered last."""
        try:
            if not self.client:
                self.client = resp.Client(self.socket, timeout_s=0.05)
            self.epoch = int(self.client("GET", lib.key_epoch()) or 0)
        except (OSError, resp.ReplyError):
            self.close()
        return self.epoch

    def files(self):
        """[(number, name, when it was written)]"""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.segments):
                with contextlib.suppress(FileNotFoundError):
                    written_ns = os.stat(os.path.join(self.segments, name)).st_mtime_ns
                    found.append((int(name.partition(".")[0]), name, written_ns))
        return found

    def is_committed(self, segment):
        """Looked at only while somebody is at work: a reader who comes first after a death would
        spare the others their recovery."""
        if segment[0] >= self.next_segment and segment not in self.left:
            with contextlib.suppress(sqlite3.Error), contextlib.closing(
                    sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=0)) as ledger:
                self.committed, self.next_segment = ledger.execute(
                    "SELECT epoch, next_segment FROM manifest").fetchone()
        return segment[0] < self.next_segment

    def note_deaths(self):
        """What is there now is nobody's work any more, but for what the ledger holds."""
        self.left = set(self.files())

    def phase(self):
        epoch, files = self.redis_epoch(), self.files()
        if any(file[1].endswith(".tmp") and file not in self.left for file in files):
            return SEGMENT
        newest = max((file for file in files if file[1].endswith(".seg")), default=None)
        if newest != self.newest:
            self.newest = self.pending = newest
        if self.pending and self.is_committed(self.pending):
            if epoch < self.committed:
                return PUBLISH
            self.pending = None
        return LEDGER if self.pending and self.pending not in self.left else COUNTING
