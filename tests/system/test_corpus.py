#!/usr/bin/env python3
"""Every file of the public corpus, alone: its lines, its figures or its refusal, and the exit
status."""
import os
import sys

import lib
import oracle
from lib import check, check_equal, test

# What the reason of a refused object names.
KIND_WORDS = {"parquet": "parquet", "utf-16": "utf-16", "gzip": "gzip", "zstd": "zstd",
              "json": "json", "xz": "xz", "bzip2": "bzip2", "zip": "zip"}


def compare_file(where, state, path):
    counted = oracle.read_object(path)
    figures = oracle.count([counted])
    done = lib.run(state, *where, "--ingest", 1, "--aggregate", 1, path,
                   status=2 if counted.failure else 0)
    errors = done.stderr.decode(errors="replace")
    name = os.path.basename(path)
    if counted.failure or counted.trailing:
        check(name in errors, f"stderr does not name {name}: {errors!r}")
    report = lib.report(*where, *lib.report_args())
    if counted.failure and counted.failure.kind == "refused":
        reason = report["input"]["failed"][0]["reason"]
        check(KIND_WORDS[counted.failure.what] in reason.lower(), f"reason {reason!r} does not say "
              f"{counted.failure.what}")
    for day in figures.days() or [None]:
        args = lib.report_args(day=day)
        lib.check_report(lib.report(*where, *args), figures, day=day)
    for account in figures.accounts():
        if "\0" not in account:
            args = lib.report_args(account, figures.days(account)[0])
            lib.check_report(lib.report(*where, *args), figures, account=account,
                             day=figures.days(account)[0])


def compare_folder(folder):
    wrong = []
    files = [name for name in sorted(os.listdir(lib.shared_data(folder)))
             if not name.endswith(".json")]
    check(len(files) > 10, f"only {len(files)} files in {folder}")
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        for i, name in enumerate(files):
            where = ["--redis", f"unix://{socket}", "--name", f"n{i}"]
            try:
                compare_file(where, os.path.join(temp, str(i)), lib.shared_data(folder, name))
            except lib.Failed as why:
                wrong.append(f"{name}: {why}")
    check(not wrong, lambda: "\n".join(wrong))


@test
def corner_cases_come_out_as_the_rules_say():
    compare_folder("corner")


@test
def real_flow_logs_come_out_as_the_rules_say():
    compare_folder("flowlogs")


@test
def whole_corpus_at_once_names_every_failure():
    with lib.folder() as temp:
        paths = [lib.shared_data("corner"), lib.shared_data("flowlogs")]
        figures = oracle.count(oracle.read(paths))
        done = lib.run(temp, "--ingest", 2, "--aggregate", 2, *paths, status=2)
        errors = done.stderr.decode(errors="replace")
        for name in figures.failed:
            check(os.path.basename(name) in errors, f"stderr does not name {name}")
        lib.check_report(lib.report("--state", temp, *lib.report_args()), figures)
        again = lib.run(temp, *paths, status=2)
        check(any(os.path.basename(n) in again.stderr.decode() for n in figures.failed),
              "the second run does not name what still fails")
        lib.check_report(lib.report("--state", temp, *lib.report_args()), figures)


@test
def damaged_zstd_and_other_kinds_are_named():
    """What the corpus lacks."""
    line = lib.record().encode()
    with lib.folder() as temp:
        whole = lib.write(os.path.join(temp, "w"), line * 50, "zstd")
        with open(whole, "rb") as file:
            frame = file.read()
        raw = bytes([len(line) << 3 & 0xff | 1, len(line) >> 5, 0]) + line
        skippable = b"\x51\x2a\x4d\x18\x05\0\0\0hello"
        files = {
            "two-frames.zst": frame + frame, "skippable.zst": skippable + frame + skippable,
            "padded.zst": frame + b"\0" * 100, "trailing.zst": frame + b"rest",
            "cut.zst": frame[:-3], "second-cut.zst": frame + frame[:-1],
            "flipped.zst": frame[:20] + bytes([frame[20] ^ 0x55]) + frame[21:],
            "window-128m.zst": b"\x28\xb5\x2f\xfd\0" + bytes([17 << 3]) + raw,
            "window-256m.zst": b"\x28\xb5\x2f\xfd\0" + bytes([18 << 3]) + raw,
            "magic-only.zst": b"\x28\xb5\x2f\xfd", "xz.log": b"\xfd7zXZ\0" + line,
            "bzip2.log": b"BZh91AY&SY" + line, "zip.log": b"PK\x03\x04" + line,
            "json.log": b"[" + line, "utf16be.log": b"\xfe\xff" + line.decode().encode("utf-16-be"),
            "utf16-no-mark.log": line.decode().encode("utf-16-le"),
            "zstd-in-zstd.zst": None,
        }
        files["zstd-in-zstd.zst"] = open(lib.write(whole, frame, "zstd"), "rb").read()
        os.unlink(whole)
        folder = os.path.join(temp, "logs")
        for name, data in files.items():
            lib.write(os.path.join(folder, name), data)
        figures = oracle.count(oracle.read([folder]))
        check_equal(sorted(map(os.path.basename, figures.failed)), sorted([
            "cut.zst", "second-cut.zst", "flipped.zst", "window-256m.zst", "magic-only.zst",
            "xz.log", "bzip2.log", "zip.log", "json.log", "utf16be.log", "utf16-no-mark.log",
            "zstd-in-zstd.zst"]), "failures by the oracle")
        lib.run(os.path.join(temp, "state"), "--ingest", 1, "--aggregate", 1, folder, status=2)
        report = lib.report("--state", os.path.join(temp, "state"), *lib.report_args())
        lib.check_report(report, figures)
        for failed in report["input"]["failed"]:
            failure = figures.failed[oracle.object_name(failed["object"])]
            if failure.kind == "refused":
                check(KIND_WORDS[failure.what] in failed["reason"].lower(), str(failed))


if __name__ == "__main__":
    sys.exit(lib.main())
