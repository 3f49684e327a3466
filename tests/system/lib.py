"""What the system tests share: a tiny harness, temporary folders, the program, a private
redis-server, waiting for conditions, and what /proc says about processes.

A test program defines functions marked with @test and ends with lib.main(). It prints one line
for each, `ok NAME`, `not ok NAME: why` or `skip NAME: why`, and exits 0, 1, or 77 if all were
skipped. Arguments choose tests by name."""
import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import oracle  # pylint: disable=wrong-import-position
import resp    # pylint: disable=wrong-import-position

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("FLS_PROGRAM",
                                         os.path.join(ROOT, "build", "flowlog-stats")))
SHARED_DATA = os.environ.get("FLS_SHARED_DATA")
RUN_TIMEOUT_S = 120
WAIT_S = 30
POLL_S = 0.01


# ---- the view in Redis: the only place here that knows names of keys ----------------------------

def scope_name(account):
    return "organisation" if account is None else f"account:{account}"


def key_prefix(name="default"):
    return f"flowlog:{{{name}}}:"


def key_epoch(name="default"):
    return f"flowlog:{{{name}}}:epoch"


def key_input(name="default"):
    return f"flowlog:{{{name}}}:input"


def key_few(day, account=None, name="default"):
    return f"flowlog:{{{name}}}:day:{day}:{scope_name(account)}:few"


def key_top(table, day, account=None, name="default"):
    return f"flowlog:{{{name}}}:day:{day}:{scope_name(account)}:top:{table}"


def key_unique(kind, day, account=None, name="default"):
    """kind: external_sources or own_addresses."""
    return f"flowlog:{{{name}}}:day:{day}:{scope_name(account)}:unique:{kind}"


# ---- harness -----------------------------------------------------------------------------------

class Failed(Exception):
    """A test found something wrong; the text says what."""


class Skipped(Exception):
    """A test cannot be done here; the text says why."""


def is_sanitized():
    """Whether the program was built with AddressSanitizer."""
    with open(PROGRAM, "rb") as file:
        return b"__asan_init" in file.read()


TESTS = []


def test(function):
    TESTS.append(function)
    return function


def check(condition, why):
    if not condition:
        raise Failed(why() if callable(why) else why)


def check_equal(actual, expected, what):
    if actual != expected:
        raise Failed(f"{what}: is {actual!r}, should be {expected!r}")


def one_line(text, limit=4000):
    text = " / ".join(line for line in str(text).splitlines() if line.strip())
    return text if len(text) <= limit else text[:limit] + " ..."


def run_test(function):
    try:
        function()
    except Skipped as why:
        return "skip", why
    except Failed as why:
        return "not ok", why
    except Exception as error:  # pylint: disable=broad-except
        where = traceback.extract_tb(error.__traceback__)
        where = "; ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in where[-3:])
        return "not ok", f"{type(error).__name__}: {error} ({where})"
    return "ok", None


def main(needs_program=True):
    chosen = [t for t in TESTS if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]]
    if not chosen:
        sys.exit("no such test; there are: " + " ".join(t.__name__ for t in TESTS))
    # what a test started ends with it, also when the runner has had enough
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    verdicts = []
    for function in chosen:
        if needs_program and not os.access(PROGRAM, os.X_OK):
            verdict, why = "not ok", f"{PROGRAM} is not built"
        else:
            verdict, why = run_test(function)
        verdicts.append(verdict)
        print(verdict, function.__name__ + (f": {one_line(why)}" if why else ""), flush=True)
    if "not ok" in verdicts:
        sys.exit(1)
    sys.exit(77 if set(verdicts) == {"skip"} else 0)


@contextlib.contextmanager
def folder():
    """A temporary folder with a short path (a unix socket's may have 107 bytes)."""
    path = tempfile.mkdtemp(prefix="fls.", dir="/tmp")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def shared_data(*parts):
    """A path in the folder of test data, or Skipped."""
    path = os.path.join(SHARED_DATA or "", *parts)
    if not SHARED_DATA or not os.path.exists(path):
        raise Skipped("needs the test data that FLS_SHARED_DATA names")
    return path


def wait_until(condition, what, seconds=WAIT_S):
    """Polls until the condition is true and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds} s still not: {what}")
        time.sleep(POLL_S)


# ---- log files ---------------------------------------------------------------------------------

def write(path, data, mode="plain"):
    """Writes text or bytes as plain, gzip or zstd, makes the folders, returns the path."""
    data = data.encode() if isinstance(data, str) else data
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if mode == "gzip":
        data = gzip.compress(data, 5, mtime=0)
    elif mode == "zstd":
        data = subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout
    with open(path, "wb") as file:
        file.write(data)
    return path


def record(account="111111111111", interface="eni-1", src="10.0.0.1", dst="192.0.2.1", sport=40000,
           dport=443, protocol=6, packets=1, size=100, start=1700000000, action="ACCEPT",
           status="OK"):
    """One line of AWS's default format."""
    end = start + 60 if isinstance(start, int) else start
    return (f"2 {account} {interface} {src} {dst} {sport} {dport} {protocol} {packets} {size} "
            f"{start} {end} {action} {status}\n")


HEADER = " ".join(oracle.DEFAULT_FORMAT) + "\n"


# ---- the program -------------------------------------------------------------------------------

def environment(extra=None):
    """The caller's, but without what could lead the program to the user's own state or Redis."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("FLS_", "FLOWLOG", "REDIS"))}
    env.update(extra or {})
    return env


def program(*args, stdin=None, timeout=RUN_TIMEOUT_S, env=None):
    """Runs the program to its end; stdout and stderr of the result are bytes."""
    feed = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
    try:
        return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, timeout=timeout,
                              env=environment(env), check=False, **feed)
    except subprocess.TimeoutExpired as expired:
        raise Failed(f"flowlog-stats {' '.join(map(str, args))} took longer than {timeout} s; "
                     f"stderr: {(expired.stderr or b'').decode(errors='replace')}") from expired


def expect(status, *args, **options):
    """Runs the program and insists on its exit status."""
    done = program(*args, **options)
    if done.returncode != status:
        raise Failed(f"flowlog-stats {' '.join(map(str, args))}: exit status {done.returncode}, "
                     f"should be {status}; stderr: {done.stderr.decode(errors='replace')}")
    return done


def run(state, *args, status=0, **options):
    return expect(status, "run", "--state", state, "--progress", "never", *args, **options)


def report_bytes(*args, **options):
    return expect(0, "report", "--format", "json", *args, **options).stdout


def report(*args, **options):
    data = report_bytes(*args, **options)
    try:
        return json.loads(data)
    except ValueError as error:
        raise Failed(f"report {args}: no JSON: {error}: {data[:300]!r}") from error


def check_report(actual, figures, **scope):
    """Holds a parsed report against the figures; scope as oracle.expected_report has it."""
    found = oracle.differences(actual, oracle.expected_report(figures, **scope))
    check(not found, lambda: f"{scope}: " + "\n".join(found))


def report_args(account=None, day=None, order="bytes", top=0):
    args = ["--order", order, "--top", str(top)]
    args += ["--account", account] if account is not None else []
    args += ["--day", day] if day is not None else []
    return args


@contextlib.contextmanager
def started(*args, env=None, **options):
    """The program running beside the test, in a session of its own; killed at the end if it is
    still there. stdout and stderr go to files: .out and .err have their paths."""
    with folder() as temp:
        out, err = os.path.join(temp, "out"), os.path.join(temp, "err")
        with open(out, "wb") as out_file, open(err, "wb") as err_file:
            child = subprocess.Popen([PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL,
                                     stdout=out_file, stderr=err_file, env=environment(env),
                                     start_new_session=True, **options)
        child.out, child.err = out, err
        try:
            yield child
        finally:
            left = session_members(child.pid)
            for pid in [child.pid] * (child.poll() is None) + left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            child.wait()


def finish(child, seconds=RUN_TIMEOUT_S):
    """Waits for the end of a started program and returns its exit status."""
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired as expired:
        raise Failed(f"still running after {seconds} s; stderr: {read_text(child.err)}") \
            from expired


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


# ---- processes ---------------------------------------------------------------------------------

def process_stat(pid):
    """The fields of /proc/PID/stat after the name, or None; [0] is the state."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def session_members(session):
    """Processes of the session that are alive (zombies are not), but for its leader."""
    found = []
    for pid in processes():
        stat = process_stat(pid)
        if pid != session and stat and stat[0] != "Z" and int(stat[3]) == session:
            found.append(pid)
    return found


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("latin-1").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def process_name(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="latin-1") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def processes_of(child, role):
    """The processes of a role (or `redis-server`) that a started run has now."""
    found = []
    for pid in processes():
        stat = process_stat(pid)
        if stat and stat[0] != "Z" and int(stat[1]) == child.pid and \
                process_name(pid).startswith(role):
            found.append(pid)
    return sorted(found)


def users_of(path):
    """Processes that have this path in their command line or an open file below it."""
    found = {}
    for pid in processes():
        stat = process_stat(pid)
        if pid == os.getpid() or not stat or stat[0] == "Z":
            continue
        names = [command_line(pid)]
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        if any(path in name for name in names):
            found[pid] = names[0]
    return found


def cpu_seconds(pid):
    stat = process_stat(pid)
    check(stat, f"process {pid} is gone")
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    stat = process_stat(pid)
    check(stat, f"process {pid} is gone")
    return int(stat[21]) * os.sysconf("SC_PAGE_SIZE")


def sockets_under(path):
    """Unix sockets that were left in a folder."""
    left = []
    for base, _, files in os.walk(path):
        for name in files:
            full = os.path.join(base, name)
            with contextlib.suppress(OSError):
                if os.stat(full).st_mode & 0o170000 == 0o140000:
                    left.append(full)
    return left


# ---- redis -------------------------------------------------------------------------------------

@contextlib.contextmanager
def redis_server(*options):
    """A redis-server of the test's own on a unix socket: yields (path of the socket, client).
    The options go to the server (--port and so on)."""
    if not shutil.which("redis-server"):
        raise Skipped("needs redis-server")
    with folder() as temp:
        path = os.path.join(temp, "redis.sock")
        options = options if "--port" in options else (*options, "--port", "0")
        with open(os.path.join(temp, "log"), "wb") as log:
            server = subprocess.Popen(
                ["redis-server", "--unixsocket", path, "--save", "", "--appendonly", "no",
                 "--dir", temp, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        password = options[options.index("--requirepass") + 1] if "--requirepass" in options \
            else None
        try:
            def connected():
                check(server.poll() is None,
                      lambda: "redis-server ended: " + read_text(os.path.join(temp, "log")))
                with contextlib.suppress(OSError, resp.ReplyError):  # it may be loading still
                    client = resp.Client(path)
                    if password:
                        client("AUTH", password)
                    if client("PING") == b"PONG":
                        return client
                return None
            client = wait_until(connected, "redis-server answers")
            yield path, client
            client.close()
        finally:
            server.kill()
            server.wait()
