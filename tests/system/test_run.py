#!/usr/bin/env python3
"""tests/run itself: what a program's output and end come to, and that none goes on for ever. One
line of TAP for each test."""
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


def load_run():
    path = os.path.join(ROOT, "tests", "run")
    loader = importlib.machinery.SourceFileLoader("run", path)
    run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
    loader.exec_module(run)
    return run


def run_of(folder, script, name="test_it"):
    """((passed, failed, skipped), the lines printed) of a program that is this script."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(script)
    os.chmod(path, 0o755)
    *cnts, lines = RUN.run_program(path)
    return tuple(cnts), lines


def sums_up_verdicts(folder):
    cases = [
        ("printf '1..2\\nok 1 - a\\nok 2 - b\\n'", (2, 0, 0), ""),
        ("printf '1..2\\nok 1 - a\\nnot ok 2 - b\\n'; exit 1", (1, 1, 0), ""),
        ("printf '1..2\\nok 1 - a\\nok 2 - b # SKIP no\\n'", (1, 0, 1), ""),
        ("printf '1..2\\nok 1 - a\\n'", (1, 1, 0), "ended before all its tests"),
        ("printf '1..1\\nok 1 - a\\n'; exit 3", (1, 1, 0), "exit status 3"),
        ("printf '1..1\\nok 1 - a\\n'; kill -SEGV $$", (1, 1, 0), "died by SIGSEGV"),
        ("exit 0", (0, 1, 0), "ended before all its tests"),
        ("exit 77", (0, 0, 1), ""),
    ]
    for script, expected, why in cases:
        cnts, lines = run_of(folder, f"#!/bin/sh\n{script}\n")
        assert cnts == expected, (script, cnts)
        assert why in lines[0], (script, lines)
        assert lines[0].startswith("FAIL" if expected[1] else "ok  "), lines


def ends_what_takes_too_long(folder):
    """Also one that ignores SIGTERM, and what it started; unit and system tests have limits."""
    pid_path = os.path.join(folder, "pid")
    RUN.STOP_TIMEOUT_S = 0.5
    for name, limit, script in [
        ("test_unit", "UNIT_TIMEOUT_S",
         f"#!/bin/sh\ntrap '' TERM\nsleep 30 &\necho $! >{pid_path}\nwait\nwait\n"),
        ("test_system.py", "SYSTEM_TIMEOUT_S",
         "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
         f"open({pid_path!r}, 'w').write(str(os.getpid()))\ntime.sleep(30)\n"),
    ]:
        assert 0 < getattr(RUN, limit) <= 600
        setattr(RUN, limit, 2)
        began = time.monotonic()
        cnts, lines = run_of(folder, script, name)
        assert time.monotonic() - began < 20
        assert cnts == (0, 1, 0), cnts
        assert "took too long" in lines[0], lines
        with open(pid_path, encoding="utf-8") as file:
            assert is_gone(int(file.read()))


def is_gone(pid):
    """Waits for the end of a process that has been killed."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def main():
    tests = [sums_up_verdicts, ends_what_takes_too_long]
    failed = 0
    print(f"1..{len(tests)}")
    for i, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                print(f"ok {i} - {test.__name__}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"not ok {i} - {test.__name__}: {error!r}", flush=True)
    sys.exit(1 if failed else 0)


RUN = load_run()

if __name__ == "__main__":
    main()
