#!/usr/bin/env python3
"""The unit for systemd: systemd itself finds nothing wrong with it."""
import os
import shutil
import subprocess
import sys

import lib
from lib import Skipped, check, check_equal, test

UNIT = os.path.join(lib.ROOT, "systemd", "flowlog-stats.service")


def analyze(*args):
    if not shutil.which("systemd-analyze"):
        raise Skipped("needs systemd-analyze")
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, check=False)


@test
def systemd_accepts_the_unit():
    with lib.folder() as temp:
        text = lib.read_text(UNIT)
        check("/usr/local/bin/flowlog-stats" in text, "the unit starts another program")
        unit = lib.write(os.path.join(temp, "flowlog-stats.service"),
                         text.replace("/usr/local/bin/flowlog-stats", lib.PROGRAM))
        done = analyze("verify", unit)
        ours = [line for line in done.stderr.splitlines() if "flowlog-stats" in line]
        check_equal((done.returncode, ours), (0, []), "what systemd says of it")


@test
def the_options_of_the_unit_are_the_programs():
    command = next(line for line in lib.read_text(UNIT).splitlines()
                   if line.startswith("ExecStart="))
    options = [word for word in command.split() if word.startswith("--")]
    known = lib.expect(0, "run", "--help").stdout.decode()
    check(options and all(f"  {option}" in known for option in options), f"unknown: {options}")


if __name__ == "__main__":
    sys.exit(lib.main())
