#!/usr/bin/env python3
"""The command line: help, mistakes, formats, which files are read, and that nothing counts twice."""
import csv
import filecmp
import io
import os
import sys
import time

import lib
import logs
import oracle
from lib import check, check_equal, test

COMMANDS = ("run", "report", "status", "generate", "demo")
AWS = "123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20231115T0000Z_{:08x}.log"


def refused(*args, names=()):
    """The command fails as a mistake in its use, at once, and names what is possible."""
    done = lib.program(*args)
    text = done.stderr.decode(errors="replace")
    check(done.returncode not in (0, 2) and done.returncode > 0,
          f"{args}: exit status {done.returncode}")
    for name in names:
        check(name in text, f"{args}: {name!r} is not in {text!r}")


@test
def objects_that_fail_again_change_nothing():
    with lib.folder() as folder:
        state, bad = os.path.join(folder, "s"), os.path.join(folder, "logs", "bad.gz")
        lib.write(os.path.join(folder, "logs", "good.log"), lib.HEADER + lib.record())
        lib.write(bad, b"PAR1" + bytes(20))
        reports = []
        for _ in range(2):
            lib.run(state, os.path.join(folder, "logs"), status=2)
            reports.append(lib.report_bytes("--state", state, "--format", "json"))
        check_equal(reports[0], reports[1], "the report, with its epoch")
        lib.write(bad, b"{" + bytes(20))  # fails for another reason now
        lib.run(state, os.path.join(folder, "logs"), status=2)
        check("JSON" in lib.report("--state", state)["input"]["failed"][0]["reason"], "the reason")


@test
def many_refused_objects_do_not_make_processes_wait_for_one_another():
    # More news and work than sockets hold, and results than a ring holds, in one short epoch.
    with lib.folder() as folder:
        count = 20000
        for number in range(count):
            lib.write(os.path.join(folder, "logs", f"{number}.gz"), b"PAR1" + bytes(20))
        lib.run(os.path.join(folder, "s"), "--interval", "1", os.path.join(folder, "logs"), status=2)
        found = lib.report("--state", os.path.join(folder, "s"))
        check_equal(found["input"]["objects_failed"], count, "failed objects")


@test
def help_of_every_command_names_its_options():
    whole = lib.expect(0, "--help").stdout.decode()
    for command in COMMANDS:
        check(command in whole, f"--help does not name {command}")
    wanted = {
        "run": "--state --redis --name --ingest --aggregate --top --keep --log-format --io "
               "--interval --progress FLOWLOG_REDIS_PASSWORD FLOWLOG_REDIS_PASSWORD_FILE",
        "report": "--state --redis --name --account --day --table --order --top --format",
        "status": "--state --format",
        "generate": "--out --seed --accounts --objects --records --fields --compress --layout "
                    "--days --ipv6",
        "demo": ""}
    for command in COMMANDS:
        text = lib.expect(0, command, "--help").stdout.decode()
        for name in wanted[command].split():
            check(name in text, f"{command} --help does not name {name}")


@test
def mistakes_are_answered_with_what_is_possible():
    refused("rnu", names=COMMANDS)
    refused(names=COMMANDS)
    refused("run", "--agregate", "2", "x", names=["--aggregate"])
    refused("run", "--io", "fast", "x", names=["auto", "uring", "pread"])
    refused("run", "--log-format", "srcaddr dstadr bytes", "x", names=["dstadr", "dstaddr"])
    refused("run", "--redis", "http://x", "x", names=["unix://", "redis://"])
    refused("run", names=["PATH"])
    for option, value in (("--ingest", "0"), ("--ingest", "x"), ("--ingest", "1000000"),
                          ("--aggregate", "-1"), ("--top", "1.5"), ("--keep", "0"),
                          ("--interval", ""), ("--top", "99999999999999999999")):
        refused("run", option, value, "x", names=[option])
    refused("report", "--table", "source_adress", names=["source_address"])
    refused("report", "--order", "size", names=["bytes", "packets", "flows", "rejected"])
    refused("report", "--format", "xml", names=["text", "json", "csv"])
    for day in ("yesterday", "2023-02-30", "2023-11-15..", "2023-1-5"):
        refused("report", "--day", day, names=["YYYY-MM-DD"])
    refused("report", "--day", "2023-11-16..2023-11-15", names=["--day"])
    refused("generate", "--out", "x", "--fields", "v9000", names=["v2", "v5", "all"])
    refused("generate", "--out", "x", "--compress", "lz4", names=["gzip", "zstd", "none"])
    refused("generate", "--out", "x", "--layout", "flat", names=["plain", "hourly", "hive"])


@test
def a_path_that_is_not_there_is_named():
    with lib.folder() as temp:
        good = lib.write(os.path.join(temp, "a.log"), lib.record())
        gone = os.path.join(temp, "gone.log")
        done = lib.program("run", "--state", os.path.join(temp, "s"), "--progress", "never", gone,
                           good)
        check(done.returncode != 0, "a missing path was passed over")
        check("gone.log" in done.stderr.decode(), f"not named: {done.stderr!r}")


@test
def report_without_anything_counted_says_so():
    with lib.folder() as temp:
        done = lib.program("report", "--state", os.path.join(temp, "none"))
        check(done.stderr or done.stdout, "said nothing")
        check(done.returncode >= 0, f"died by a signal: {done.returncode}")


@test
def formats_show_the_same_rows():
    with lib.folder() as temp:
        state = os.path.join(temp, "state")
        for name, data in logs.many_keys().items():
            lib.write(os.path.join(temp, "logs", name), data)
        paths = [os.path.join(temp, "logs")]
        lib.run(state, *paths)
        figures = oracle.count(oracle.read(paths))
        for order in ("bytes", "flows"):
            report = lib.report("--state", state, *lib.report_args(order=order, top=3))
            should = oracle.expected_report(figures, order=order, top=3)["tables"]
            for table in ("source_address", "conversation", "service"):
                check_equal(report["tables"][table]["rows"], should[table]["rows"], table)
                check_equal(report["tables"][table]["distinct"], should[table]["distinct"], table)
            keys = [row["key"] for row in should["conversation"]["rows"]]
            args = ["--state", state, "--order", order, "--top", 3, "--table", "conversation"]
            check_csv(lib.expect(0, "report", *args, "--format", "csv").stdout.decode(),
                      should["conversation"]["rows"])
            text = lib.expect(0, "report", *args, "--format", "text").stdout.decode()
            for key in keys:
                for part in key.split("|"):
                    check(part in text, f"{part} of {key} is not in the text")
        lib.expect(0, "report", "--state", state, "--format", "text")
        lib.expect(0, "report", "--state", state, "--format", "csv")
        check_only_table(state)


def check_csv(text, rows):
    """A line with names, then a line for each row that has its key and its five figures."""
    lines = list(csv.reader(io.StringIO(text)))
    check_equal(len(lines), len(rows) + 1, f"lines of CSV {text!r}")
    names = lines[0]
    for name in ("key", *oracle.COUNTERS):
        check(name in names, f"no column {name} in {names}")
    for line, row in zip(lines[1:], rows):
        shown = dict(zip(names, line))
        check_equal({n: shown[n] for n in row}, {n: str(v) for n, v in row.items()}, "row of CSV")


def check_only_table(state):
    report = lib.report("--state", state, "--table", "protocol")
    check("protocol" in report["tables"], "--table protocol shows no such table")
    check_equal([n for n, t in report["tables"].items() if t["rows"] and n != "protocol"], [],
                "tables beside --table")


@test
def an_account_that_is_not_there_is_no_table_of_others():
    with lib.folder() as temp:
        path = lib.write(os.path.join(temp, "a.log"), lib.record())
        state = os.path.join(temp, "state")
        lib.run(state, path)
        done = lib.program("report", "--state", state, "--account", "999", "--format", "json")
        check(b"10.0.0.1" not in done.stdout, "shows rows of another account")
        done = lib.program("report", "--state", state, "--day", "2001-01-01", "--format", "json")
        check(b"10.0.0.1" not in done.stdout, "shows rows of another day")


@test
def standard_input_counts_once_by_its_content():
    data = (lib.HEADER + lib.record() * 3).encode()
    with lib.folder() as temp:
        state = os.path.join(temp, "state")
        for stdin, flows in ((data, 3), (data, 3), (data + lib.record().encode(), 7)):
            lib.run(state, "-", stdin=stdin)
            check_equal(lib.report("--state", state)["totals"]["flows"], flows, "flows")
        named = lib.write(os.path.join(temp, "file"), lib.record(size=7), "gzip")
        with open(named, "rb") as file:
            lib.run(state, "-", stdin=file)
        report = lib.report("--state", state)
        check_equal((report["totals"]["flows"], report["input"]["objects"]), (8, 3), "gzip on -")


@test
def damaged_standard_input_is_named():
    with lib.folder() as temp:
        done = lib.run(os.path.join(temp, "s"), "-", stdin=b"\x1f\x8b\x08\0\0", status=2)
        check(done.stderr.strip(), "no reason")


@test
def a_second_run_counts_only_what_is_new():
    with lib.folder() as temp:
        state, folder = os.path.join(temp, "state"), os.path.join(temp, "logs")
        for i in range(3):
            lib.write(os.path.join(folder, f"{i}.log.gz"), lib.record(size=i + 1) * 10, "gzip")
        first = lib.run(state, folder) and lib.report_bytes("--state", state)
        lib.run(state, folder, os.path.join(folder, "1.log.gz"), folder + "//./2.log.gz")
        again = lib.report_bytes("--state", state)
        check_equal(again, first, "the report after a second run")
        lib.write(os.path.join(folder, "3.log.gz"), lib.record(size=9), "gzip")
        lib.run(state, folder)
        figures = oracle.count(oracle.read([folder]))
        lib.check_report(lib.report("--state", state, *lib.report_args()), figures)


@test
def names_of_aws_are_known_wherever_they_lie():
    with lib.folder() as temp:
        state = os.path.join(temp, "state")
        for folder in ("a", "b/AWSLogs/x"):
            lib.write(os.path.join(temp, folder, AWS.format(1) + ".gz"), lib.record(), "gzip")
            path = os.path.join(temp, folder, AWS.format(1) + ".gz")
            os.utime(path, (1700000000, 1700000000))
            lib.run(state, os.path.join(temp, folder))
            check_equal(lib.report("--state", state)["totals"]["flows"], 1, f"flows after {folder}")
        # equal names that are not AWS's are different objects; a link is what it leads to
        lib.write(os.path.join(temp, "a", "x.log"), lib.record())
        lib.write(os.path.join(temp, "b", "x.log"), lib.record())
        os.symlink(os.path.join(temp, "a", "x.log"), os.path.join(temp, "y.log"))
        lib.run(state, *(os.path.join(temp, n) for n in ("a/x.log", "b/x.log", "y.log")))
        check_equal(lib.report("--state", state)["totals"]["flows"], 3, "flows at the end")


@test
def a_changed_file_is_named_and_not_counted_again():
    with lib.folder() as temp:
        state = os.path.join(temp, "state")
        path = lib.write(os.path.join(temp, "logs", "grows.log"), lib.record())
        other = lib.write(os.path.join(temp, "logs", "touched.log"), lib.record(size=5))
        lib.run(state, os.path.join(temp, "logs"))
        before = lib.report("--state", state)
        with open(path, "a", encoding="ascii") as file:
            file.write(lib.record())
        os.utime(other, (time.time() + 100,) * 2)
        done = lib.program("run", "--state", state, "--progress", "never",
                           os.path.join(temp, "logs"))
        check(done.returncode in (0, 2), f"exit status {done.returncode}")
        for name in (b"grows.log", b"touched.log"):
            check(name in done.stderr, f"{name} is not named in {done.stderr!r}")
        after = lib.report("--state", state)
        check_equal((after["totals"], after["tables"]), (before["totals"], before["tables"]),
                    "figures after a change")


@test
def folders_hold_objects_by_suffix_and_named_files_are_always_read():
    with lib.folder() as temp:
        names = ["a.log", "b.gz", "c.zst", ".hidden.log", "d.txt", "e", "deep/er/f.log", "g.log.bak"]
        for i, name in enumerate(names):
            mode = {"b.gz": "gzip", "c.zst": "zstd"}.get(name, "plain")
            lib.write(os.path.join(temp, "logs", name), lib.record(interface=f"eni-{i}"), mode)
        state = os.path.join(temp, "state")
        interfaces = lambda: sorted(r["key"] for r in lib.report(
            "--state", state, "--top", 0)["tables"]["interface"]["rows"])
        lib.run(state, os.path.join(temp, "logs"))
        check_equal(interfaces(), ["eni-0", "eni-1", "eni-2", "eni-6"], "objects of the folder")
        lib.run(state, *(os.path.join(temp, "logs", n) for n in (".hidden.log", "d.txt", "e")))
        check_equal(interfaces(), [f"eni-{i}" for i in range(7)], "with named files")


@test
def damaged_objects_exit_2_with_name_and_reason():
    with lib.folder() as temp:
        folder, state = os.path.join(temp, "logs"), os.path.join(temp, "state")
        lib.write(os.path.join(folder, "good.log.gz"), lib.record() * 5, "gzip")
        bad = lib.write(os.path.join(folder, "bad.log.gz"), lib.record(size=1) * 5000, "gzip")
        with open(bad, "r+b") as file:
            file.truncate(os.path.getsize(bad) - 4)
        lib.write(os.path.join(folder, "kind.parquet"), b"PAR1 and so on PAR1")
        done = lib.run(state, folder, status=2)
        for word in ("bad.log.gz", "kind.parquet", "arquet"):
            check(word in done.stderr.decode(), f"{word} is not in {done.stderr!r}")
        figures = oracle.count(oracle.read([folder]))
        lib.check_report(lib.report("--state", state, *lib.report_args()), figures)
        lib.write(bad, lib.record(size=1) * 5000, "gzip")
        os.unlink(os.path.join(folder, "kind.parquet"))
        lib.run(state, folder)
        report = lib.report("--state", state, *lib.report_args())
        check_equal(report["totals"]["flows"], 5005, "flows once it is mended")
        check(not any("bad.log.gz" in f["object"] for f in report["input"]["failed"]),
              "a mended object is still named as failed")


@test
def generated_logs_are_deterministic():
    args = ["--accounts", 2, "--objects", 3, "--records", 200, "--days", 2, "--layout", "hive"]
    with lib.folder() as temp:
        trees = []
        for name, seed in (("a", 7), ("b", 7), ("c", 8)):
            out = os.path.join(temp, name)
            lib.expect(0, "generate", "--out", out, "--seed", seed, *args)
            found = {os.path.relpath(p, out): p for p in oracle.find([out])}
            check_equal(len(found), 3, "objects")
            trees.append(found)
        a, b, c = trees
        check_equal(sorted(a), sorted(b), "names of the same seed")
        check(all(filecmp.cmp(a[n], b[n], shallow=False) for n in a), "the same seed differs")
        check(not all(n in c and filecmp.cmp(a[n], c[n], shallow=False) for n in a),
              "another seed is the same")
        for path in a.values():
            check(oracle.AWS_NAME.match(os.path.basename(path)), f"{path}: not AWS's kind of name")
            check("/AWSLogs/" in path and "/year=" in path, f"{path}: not a Hive folder")


@test
def private_redis_leaves_nothing_behind():
    """Also in a state folder whose path is too long for a socket."""
    with lib.folder() as temp:
        for name in ("short", "long-" + "x" * 120):
            state = os.path.join(temp, name)
            lib.run(state, lib.write(os.path.join(temp, "a.log"), lib.record()))
            check_equal(lib.report("--state", state)["totals"]["flows"], 1, "flows")
            check_equal(lib.users_of(temp), {}, "processes left behind")
            check_equal(lib.sockets_under(temp), [], "sockets left behind")


@test
def default_state_folder_follows_xdg():
    with lib.folder() as temp:
        env = {"XDG_STATE_HOME": temp, "HOME": os.path.join(temp, "home")}
        path = lib.write(os.path.join(temp, "a.log"), lib.record())
        lib.expect(0, "run", path, env=env)
        check(os.path.isdir(os.path.join(temp, "flowlog-stats")), "no state in $XDG_STATE_HOME")
        check_equal(lib.report(env=env)["totals"]["flows"], 1, "flows")


@test
def progress_and_summary_are_told():
    with lib.folder() as temp:
        path = lib.write(os.path.join(temp, "a.log"), lib.record() * 1000)
        done = lib.expect(0, "run", "--state", os.path.join(temp, "s"), "--progress", "json", path)
        text = (done.stderr + done.stdout).decode()
        check("1000" in text.replace(",", "").replace(" ", ""), f"no summary with lines: {text!r}")


if __name__ == "__main__":
    sys.exit(lib.main())
