#!/usr/bin/env python3
"""Publishing to a Redis Cluster of three real nodes: through any node, while the slot moves, while
the node that holds it is away."""
import contextlib
import os
import shutil
import socket as sockets
import subprocess
import sys
import threading

import lib
import longrun
import oracle
import resp
from lib import check, check_equal, test

NODE_CNT = 3
SLOT_CNT = 16384
NODE_TIMEOUT_MS = 1000
KEYS_AT_ONCE = 7  # that one MIGRATE takes


def free_ports(cnt):
    """Whose cluster bus, 10,000 above, is free as well."""
    ports = []
    while len(ports) < cnt:
        with sockets.socket() as one, sockets.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                bus.bind(("127.0.0.1", port + 10000))
                if port not in ports:
                    ports.append(port)
    return ports


class Node:
    """One server, its client and its id in the cluster."""

    def __init__(self, port, folder):
        self.port, self.folder = port, folder
        self.url = f"redis://127.0.0.1:{port}"
        os.makedirs(folder)
        self.start()
        self.id = self.client("CLUSTER", "MYID").decode()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.server = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                 "--appendonly", "no", "--dir", self.folder, "--cluster-enabled", "yes",
                 "--cluster-node-timeout", str(NODE_TIMEOUT_MS)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.client = lib.wait_until(self.connected, "a node of the cluster answers")

    def connected(self):
        check(self.server.poll() is None, lambda: "a node ended: " + lib.read_text(
            os.path.join(self.folder, "log")))
        with contextlib.suppress(OSError):
            client = resp.Client(("127.0.0.1", self.port))
            client("PING")
            return client
        return None

    def kill(self):
        self.client.close()
        self.server.kill()
        self.server.wait()

    def state(self):
        return self.client("CLUSTER", "INFO").decode().split()[0].partition(":")[2]


class Cluster:
    def __init__(self, folder):
        self.nodes = []
        for i, port in enumerate(free_ports(NODE_CNT)):
            self.nodes.append(Node(port, os.path.join(folder, f"node{i}")))

    def join(self):
        for i, node in enumerate(self.nodes):
            slots = range(i * SLOT_CNT // NODE_CNT, (i + 1) * SLOT_CNT // NODE_CNT)
            node.client("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            node.client("CLUSTER", "ADDSLOTS", *slots)
            self.nodes[0].client("CLUSTER", "MEET", "127.0.0.1", node.port)
        self.wait_for("ok")

    def wait_for(self, state, nodes=None):
        lib.wait_until(lambda: all(n.state() == state for n in nodes or self.nodes),
                       f"the cluster's state is {state}")

    def slot(self):
        return self.nodes[0].client("CLUSTER", "KEYSLOT", lib.key_epoch())

    def home(self):
        """The node that holds the deployment's keys."""
        for low, high, owner, *_ in self.nodes[0].client("CLUSTER", "SLOTS"):
            if low <= self.slot() <= high:
                return next(n for n in self.nodes if n.port == owner[1])
        raise lib.Failed("nobody has the slot")

    def other(self):
        home = self.home()
        return next(n for n in self.nodes if n is not home)

    def begin_move(self, source, target):
        target.client("CLUSTER", "SETSLOT", self.slot(), "IMPORTING", source.id)
        source.client("CLUSTER", "SETSLOT", self.slot(), "MIGRATING", target.id)

    def move_keys(self, source, target, limit=1 << 30):
        moved = 0
        while moved < limit:
            keys = source.client("CLUSTER", "GETKEYSINSLOT", self.slot(), KEYS_AT_ONCE)
            if not keys:
                return
            source.client("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)

    def end_move(self, source, target):
        others = [n for n in self.nodes if n not in (source, target)]
        for node in (target, source, *others):
            node.client("CLUSTER", "SETSLOT", self.slot(), "NODE", target.id)

    def move(self, target):
        source = self.home()
        self.begin_move(source, target)
        self.move_keys(source, target)
        self.end_move(source, target)


AT_END = contextlib.ExitStack()
SHARED = []


def shared_cluster():
    """One for all tests, empty for each."""
    if not shutil.which("redis-server"):
        raise lib.Skipped("needs redis-server")
    if not SHARED:
        made = Cluster(AT_END.enter_context(lib.folder()))
        for node in made.nodes:
            AT_END.callback(node.kill)
        made.join()
        SHARED.append(made)
    for node in SHARED[0].nodes:
        node.client("FLUSHALL")
    return SHARED[0]


def expect_as_standalone(state, where, *report):
    """The same state, published to a Redis that is no cluster, gives the same report."""
    with lib.redis_server() as (path, _), lib.folder() as empty:
        lib.run(state, "--redis", f"unix://{path}", empty)
        should = lib.report_bytes("--redis", f"unix://{path}", *report)
    check_equal(lib.report_bytes(*where, *report), should, "the report from the cluster")


def expect_only_its_keys(made, home):
    """All keys are on one node, and none is left staged."""
    for node in made.nodes:
        keys = node.client.keys(lib.key_prefix() + "*")
        check(bool(keys) == (node is home), f"{len(keys)} keys on a node")
        check(not [k for k in keys if ":stage:" in k], "staged keys were left")


@test
def any_node_leads_to_the_keys():
    made = shared_cluster()
    with lib.folder() as temp:
        state = os.path.join(temp, "s")
        logs = [lib.write(os.path.join(temp, f"{i}.log"), lib.record(size=i) * 3) for i in range(3)]
        for i, node in enumerate(made.nodes):
            lib.run(state, "--redis", node.url, *logs[:i + 1])
            figures = oracle.count(oracle.read(logs[:i + 1]))
            for reader in made.nodes:
                lib.check_report(lib.report("--redis", reader.url, *lib.report_args()), figures)
        expect_only_its_keys(made, made.home())
        expect_as_standalone(state, ["--redis", made.other().url], *lib.report_args())
        done = lib.program("run", "--state", os.path.join(temp, "x"), "--redis",
                           made.home().url + "/2", logs[0])
        check(done.returncode == 1 and b"no databases but 0" in done.stderr, f"{done.stderr!r}")


@test
def epochs_stay_whole_while_the_slot_moves():
    """It goes round the nodes, now and then with a pause in the middle of a move."""
    made = shared_cluster()
    with lib.folder() as temp:
        objects = longrun.LongRun(os.path.join(temp, "logs"), object_cnt=1200)
        state, where = os.path.join(temp, "s"), ["--redis", made.nodes[0].url]
        seen, moves, stop, failures = set(), [0], threading.Event(), []

        def keep_moving():
            try:
                while not stop.wait(0.15):
                    source, target = made.home(), made.other()
                    made.begin_move(source, target)
                    made.move_keys(source, target, limit=30 * (moves[0] % 4))
                    stop.wait(0.05 * (moves[0] % 3))
                    made.move_keys(source, target)
                    made.end_move(source, target)
                    moves[0] += 1
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        with longrun.running(state, objects, *where) as child:
            longrun.wait_for_epoch(child, where)
            mover = threading.Thread(target=keep_moving)
            mover.start()
            try:
                while child.poll() is None:
                    read_whole(objects, where, seen)
            finally:
                stop.set()
                mover.join()
            check_equal(lib.finish(child), 0, "exit status: " + lib.read_text(child.err))
        check(not failures, lambda: f"moving the slot: {failures[0]}")
        check(moves[0] >= 3 and len(seen) >= 2, f"{moves[0]} moves, epochs {sorted(seen)}")
        lib.check_report(lib.report(*where, *lib.report_args()), objects.figures())
        expect_only_its_keys(made, made.home())
        expect_as_standalone(state, where, *lib.report_args())


def read_whole(objects, where, seen):
    """A report shows whole objects of one epoch, or says that the keys are being moved."""
    done = lib.program("report", *where, "--format", "json", *lib.report_args())
    if done.returncode == 0:
        report = lib.json.loads(done.stdout)
        objects.check_whole_objects(report)
        seen.add(report["epoch"])
        return
    check(b"moving the keys" in done.stderr or b"new figures were" in done.stderr,
          f"report: {done.stderr!r}")


@test
def half_moved_keys_are_waited_for():
    """Readers and publisher meet a move that stands still, and the end of it."""
    made = shared_cluster()
    with lib.folder() as temp:
        state, source, target = os.path.join(temp, "s"), made.home(), made.other()
        where = ["--redis", target.url]
        logs = [lib.write(os.path.join(temp, f"{i}.log"), lib.record(size=i) * 3) for i in range(2)]
        lib.run(state, *where, logs[0])
        made.begin_move(source, target)
        made.move_keys(source, target, limit=20)
        expect_transactions_are_refused(target)
        with lib.started("report", *where, "--format", "json") as reader, lib.started(
                "run", "--state", state, "--progress", "never", *where, *logs) as child:
            lib.wait_until(lambda: "moving the keys" in lib.read_text(child.err), "it is told")
            made.move_keys(source, target)
            made.end_move(source, target)
            check_equal(lib.finish(child), 0, "exit status: " + lib.read_text(child.err))
            check_equal(lib.finish(reader), 0, "the report's: " + lib.read_text(reader.err))
        lib.check_report(lib.report(*where, *lib.report_args()), oracle.count(oracle.read(logs)))
        expect_only_its_keys(made, target)
        expect_as_standalone(state, where, *lib.report_args())


def expect_transactions_are_refused(target):
    """Why ASK is not followed: a transaction that names a key that is not there cannot be carried
    out by either node during a move."""
    client = target.client
    client("ASKING")
    client("MULTI")
    client("GET", lib.key_epoch())
    client("GET", lib.key_prefix() + "never-there")
    try:
        client("EXEC")
    except resp.ReplyError as error:
        check(str(error).startswith("TRYAGAIN"), f"EXEC after ASKING: {error}")
    else:
        raise lib.Failed("EXEC after ASKING was carried out")


@test
def node_that_comes_back_empty_gets_all():
    made = shared_cluster()
    with lib.folder() as temp:
        state, home, other = os.path.join(temp, "s"), made.home(), made.other()
        where = ["--redis", other.url]
        logs = [lib.write(os.path.join(temp, f"{i}.log"), lib.record(size=i) * 3) for i in range(2)]
        lib.run(state, *where, logs[0])
        home.kill()
        made.wait_for("fail", [n for n in made.nodes if n is not home])
        with lib.started("run", "--state", state, "--progress", "never", *where, *logs) as child:
            lib.wait_until(lambda: "cannot publish now" in lib.read_text(child.err), "it is told")
            home.start()
            check_equal(lib.finish(child), 0, "exit status: " + lib.read_text(child.err))
            check("this Redis Cluster is down" in lib.read_text(child.err),
                  lib.read_text(child.err))
        made.wait_for("ok")
        lib.check_report(lib.report(*where, *lib.report_args()), oracle.count(oracle.read(logs)))


if __name__ == "__main__":
    with AT_END:
        sys.exit(lib.main())
