#!/usr/bin/env python3
"""Every table, for every day, account and order, equals the independent counting, and does not
depend on the number of processes or the order of the objects."""
import os
import re
import sys

import lib
import logs
import oracle
from lib import check, check_equal, test

PROCESSES = ((1, 1), (2, 1), (1, 3), (4, 4))
ORDERS = ("bytes", "packets", "flows", "rejected")


def scopes(figures):
    """Every account and the organisation, on every day and over ranges of days."""
    for account in [None] + figures.accounts():
        days = figures.days(account)
        dated = [day for day in figures.days() if day != oracle.UNKNOWN]
        ranges = [f"{dated[0]}..{dated[-1]}"] if len(dated) > 1 else []
        for day in days + ranges:
            yield account, day


def without_epoch(report):
    return re.sub(rb'"epoch":\s*\d+', b'"epoch":0', report)


def compare(paths, K=100, log_format=None, processes=PROCESSES, orders=ORDERS):
    """Runs the program on the paths at each number of processes and compares all reports."""
    figures = oracle.count(oracle.read(paths, log_format))
    check(figures.input["lines"], "the logs of the test are empty")
    options = ["--top", K] + (["--log-format", log_format] if log_format else [])
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        firsts = {}
        for ingest, aggregate in processes:
            name = f"p{ingest}x{aggregate}"
            where = ["--redis", f"unix://{socket}", "--name", name]
            lib.run(os.path.join(temp, name), *where, *options, "--ingest", ingest,
                    "--aggregate", aggregate, *paths, status=2 if figures.failed else 0)
            for account, day in scopes(figures):
                data = lib.report_bytes(*where, *lib.report_args(account, day))
                first = firsts.setdefault((account, day), data)
                if first is data:
                    compare_orders(where, figures, account, day, K, orders)
                check(without_epoch(data) == without_epoch(first), f"{name} and the first number of"
                      f" processes differ in account {account}, day {day}")


def compare_orders(where, figures, account, day, K, orders):
    for order in orders:
        report = lib.report(*where, *lib.report_args(account, day, order))
        check_equal(report.get("schema"), 1, "schema")
        lib.check_report(report, figures, account=account, day=day, order=order, K=K)


def generated(K=100, **options):
    with lib.folder() as temp:
        args = [arg for name, value in options.items() for arg in (f"--{name}", value)]
        lib.expect(0, "generate", "--out", temp, *args)
        objects = oracle.read([temp])
        wanted = options["objects"] * options["records"]
        figures = oracle.count(objects)
        check_equal(len(objects), options["objects"], "generated objects")
        check_equal(figures.input["records"] + figures.input["nodata"] + figures.input["skipdata"],
                    wanted, "generated records")
        compare([temp], K)


def hand_written(files, K=100, log_format=None, mode="plain", **options):
    with lib.folder() as temp:
        for name, data in files.items():
            lib.write(os.path.join(temp, name), data, mode)
        compare([temp], K, log_format, **options)


@test
def generated_v2_gzip_hourly():
    generated(seed=1, accounts=3, objects=6, records=2000, fields="v2", compress="gzip",
              layout="hourly", days=2)


@test
def generated_v5_ipv6_zstd_hive():
    generated(seed=2, accounts=2, objects=5, records=2000, fields="v5", compress="zstd",
              layout="hive", days=1, ipv6=40)


@test
def generated_all_fields_plain():
    generated(seed=3, accounts=4, objects=8, records=1000, fields="all", compress="none",
              layout="plain", days=3, ipv6=10)


@test
def generated_chosen_fields_cut_to_few_rows():
    generated(seed=4, accounts=2, objects=6, records=1500, compress="gzip", layout="plain", days=3,
              fields="start srcaddr bytes dstaddr dstport srcport protocol account-id action", K=3)


@test
def layouts_of_every_kind():
    hand_written(logs.layouts(), K=5)


@test
def values_of_every_kind():
    hand_written(logs.values(), K=4)


@test
def layouts_of_every_kind_gzip():
    hand_written(logs.layouts(), mode="gzip", processes=((2, 2),), orders=("bytes",))


@test
def values_of_every_kind_zstd():
    hand_written(logs.values(), mode="zstd", processes=((2, 2),), orders=("bytes",))


@test
def many_keys_are_cut_to_the_top():
    hand_written(logs.many_keys(), K=7)


@test
def headerless_objects_follow_log_format():
    text = "".join(f"10.0.0.{i % 7} {i} {logs.DAY1 + i * 60} 99999999999{i % 2} vpc-{i} 10.1.0.1 -\n"
                   for i in range(300)).encode()
    with_header = logs.layouts()["subset.log"]
    for log_format in ("srcaddr bytes start account-id vpc-id dstaddr action",
                       "${srcaddr} ${bytes} ${start} ${account-id} ${vpc-id} ${dstaddr} ${action}"):
        hand_written({"a.log": text, "b.log": with_header}, log_format=log_format,
                     processes=((1, 1), (2, 2)), orders=("bytes",))


@test
def order_of_objects_does_not_matter():
    """The same objects in one run, and one after the other in two orders."""
    files = logs.many_keys(seed=2) | logs.values() | logs.layouts()
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        paths = [lib.write(os.path.join(temp, "logs", n), d) for n, d in sorted(files.items())]
        figures = oracle.count(oracle.read(paths))
        reports = {}
        for name, groups in (("whole", [paths]), ("up", [[p] for p in paths]),
                             ("down", [[p] for p in reversed(paths)])):
            where = ["--redis", f"unix://{socket}", "--name", name]
            for group in groups:
                lib.run(os.path.join(temp, name), *where, "--top", 6, "--ingest", 2, "--aggregate",
                        2, *group)
            for account, day in scopes(figures):
                data = lib.report_bytes(*where, *lib.report_args(account, day))
                reports.setdefault((account, day), []).append(without_epoch(data))
        for (account, day), same in reports.items():
            check(len(set(same)) == 1, f"account {account}, day {day}: order made a difference")
        lib.check_report(lib.report(*where, *lib.report_args()), figures, K=6)


@test
def all_ways_to_read_and_to_inflate_are_equal():
    with lib.redis_server() as (socket, _), lib.folder() as temp:
        folder = os.path.join(temp, "logs")
        for name, data in (logs.many_keys(seed=3) | logs.values()).items():
            lib.write(os.path.join(folder, name), data, "gzip")
        figures = oracle.count(oracle.read([folder]))
        ways = [("--io", "auto"), ("--io", "pread")]
        if b"--inflate" in lib.expect(0, "run", "--help").stdout:
            ways += [("--inflate", "isal"), ("--inflate", "zlib")]
        for way in ways:
            where = ["--redis", f"unix://{socket}", "--name", way[1]]
            lib.run(os.path.join(temp, way[1]), *where, *way, folder)
            for account, day in ((None, None), (None, "2023-11-15"), ("777", "2023-11-15")):
                account = account and account.zfill(12)
                report = lib.report(*where, *lib.report_args(account, day))
                lib.check_report(report, figures, account=account, day=day)


if __name__ == "__main__":
    sys.exit(lib.main())
