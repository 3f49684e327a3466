#!/usr/bin/env python3
"""Holds the oracle itself against figures that others counted, and against examples by hand."""
import glob
import gzip
import json
import os
import sys

import lib
import oracle
from lib import check, check_equal, test

# The truths of these files follow other rules than ours, as the list of figures says: numbers to
# 2^64-1, no ${name} in headers, UTF-16 read as text.
OTHER_RULES = {"overflow-values.log", "console-dollar-format.log", "utf16le.log"}


def compare(path, truth):
    counted = oracle.read_object(path)
    check(counted.failure is None, f"{path}: {counted.failure}")
    figures = oracle.count([counted])
    name = os.path.basename(path)
    same = lambda what, a, e: check_equal(a, e, f"{name}: {what}")
    same("lines", counted.lines, truth["lines"] - truth["blank"])
    same("headers", counted.headers, truth["headers"])
    same("well-formed", counted.record_cnt + counted.nodata + counted.skipdata, truth["records"])
    same("malformed", sum(counted.malformed.values()), truth["malformed"])
    status = truth["records_by_log_status"]
    same("nodata", counted.nodata, status.get("NODATA", 0))
    same("skipdata", counted.skipdata, status.get("SKIPDATA", 0))
    totals = [sum(column) for column in zip(*figures.totals[None].values())] or [0] * 5
    same("packets", totals[1], truth["packets"])
    same("bytes", totals[2], truth["bytes"])
    same("accepted", totals[3], truth["records_by_action"].get("ACCEPT", 0))
    same("rejected", totals[4], truth["records_by_action"].get("REJECT", 0))
    compare_rows(same, figures, truth)


def compare_rows(same, figures, truth):
    def column(table, at):
        rows = {}
        for tables in figures.tables[None].values():
            for key, row in tables.get(table, {}).items():
                rows[key] = rows.get(key, 0) + row[at]
        return rows

    def top(rows):
        return sorted(rows.values(), reverse=True)[:10]

    for at, what in ((0, "records"), (1, "packets"), (2, "bytes")):
        by_protocol = {k: v for k, v in truth[f"{what}_by_protocol"].items() if k != "-"}
        same(f"{what} by protocol", column("protocol", at), by_protocol)
        sources = {k: v for k, v in truth[f"top_srcaddr_by_{what}"] if k != "-"}
        ours = column("source_address", at)
        same(f"sources by {what}", {k: ours.get(k) for k in sources}, sources)
        same(f"most {what}", top(ours)[:len(sources)], sorted(sources.values(), reverse=True))
    ports = {"|".join(reversed(k.split("/"))): v for k, v in truth["top_dstport_proto_by_bytes"]
             if "-" not in k}
    ours = column("destination_port", 2)
    same("destination ports", {k: ours.get(k) for k in ports}, ports)
    pairs = {k: v for k, v in truth["top_pairs_by_bytes"] if "- ->" not in k}
    ours = {}
    for key, size in column("conversation", 2).items():
        pair = " -> ".join(key.split("|")[:2])
        ours[pair] = ours.get(pair, 0) + size
    same("pairs", {k: ours.get(k) for k in pairs}, pairs)
    if "NODATA" not in truth["records_by_log_status"]:
        for field, table in (("srcaddr", "source_address"), ("dstaddr", "destination_address"),
                             ("interface-id", "interface")):
            rows = column(table, 0)
            distinct = truth["distinct"][field]
            same(f"distinct {field}", len(rows), distinct if rows else 0)


@test
def truths_of_the_corpus_agree():
    compared = 0
    for truth_path in sorted(glob.glob(os.path.join(lib.shared_data(), "*", "*.truth.json"))):
        path = truth_path.removesuffix(".truth.json")
        if os.path.basename(path) in OTHER_RULES:
            continue
        with open(truth_path, encoding="utf-8") as file:
            compare(path, json.load(file))
        compared += 1
    check(compared > 30, f"only {compared} truths")


@test
def exceptions_are_as_the_list_of_figures_says():
    corner = lib.shared_data("corner")
    dollar = oracle.read_object(os.path.join(corner, "console-dollar-format.log"))
    check_equal((dollar.lines, dollar.headers, dollar.record_cnt), (215, 1, 214), "${name}")
    utf16 = oracle.read_object(os.path.join(corner, "utf16le.log"))
    check_equal((utf16.failure.kind, utf16.failure.what), ("refused", "utf-16"), "UTF-16")
    values = oracle.read_object(os.path.join(corner, "overflow-values.log"))
    check_equal((values.lines, values.headers, values.record_cnt, dict(values.malformed)),
                (14, 1, 3, {"out_of_range": 5, "not_a_number": 3, "not_an_address": 2}), "values")


def judge(line, layout=None):
    return oracle.judge_line(line, layout or oracle.DEFAULT_FORMAT)


@test
def lines_are_judged_by_the_rules():
    good = lib.record().strip().encode()
    tokens = good.split(b" ")

    def with_field(name, value):
        changed = list(tokens)
        changed[oracle.DEFAULT_FORMAT.index(name)] = value
        return judge(b" ".join(changed))

    check_equal(judge(good)[0], "record", "a record")
    for prefix in (b"\xef\xbb\xbf", b"2024-12-20T10:00:00.000Z ", b" \t"):
        check_equal(judge(prefix + good), judge(good), f"{prefix!r} before it")
    check_equal(judge(b" \t ")[0], "empty", "blanks")
    check_equal(judge(good + b" x")[1], "too_many_fields", "a field more")
    check_equal(judge(b" ".join(tokens[1:]))[1], "too_few_fields", "a field less")
    check_equal(judge(good + b" " * (65536 - len(good)))[0], "record", "64 KiB")
    check_equal(judge(good + b" " * (65537 - len(good)))[1], "too_long", "more than 64 KiB")
    for name, value, verdict in (
            ("bytes", b"9223372036854775807", "record"),
            ("bytes", b"9223372036854775808", "out_of_range"),
            ("bytes", b"0" * 5000 + b"7", "record"), ("bytes", b"+5", "not_a_number"),
            ("bytes", b"-5", "not_a_number"), ("bytes", "٣".encode(), "not_a_number"),
            ("srcport", b"65535", "record"), ("srcport", b"65536", "out_of_range"),
            ("protocol", b"256", "out_of_range"), ("start", b"253402300799", "record"),
            ("end", b"253402300800", "out_of_range"), ("version", b"2.0", "not_a_number"),
            ("srcaddr", b"0.0.0.0", "record"), ("srcaddr", b"00.0.0.0", "not_an_address"),
            ("srcaddr", b"fe80::1%eth0", "not_an_address"), ("dstaddr", b"1.2.3", "not_an_address"),
            ("dstaddr", b"::", "record"), ("dstaddr", b"1.2.3.4\0", "not_an_address"),
            ("log-status", b"NODATA", "nodata"), ("log-status", b"odd", "record")):
        what, detail = with_field(name, value)
        check_equal(detail if what == "malformed" else what, verdict, f"{name} {value[:30]!r}")


@test
def headers_are_told_from_records():
    for line, is_header in ((b"srcaddr dstaddr", True), (b"SRCADDR Log_Status", True),
                            (b"${srcaddr} ${bytes}", True), (b"srcaddr", False),
                            (b"srcaddr x", False), (b"srcaddr bytes x", True),
                            (b"2024-12-20T10:00:00Z srcaddr bytes", True)):
        check_equal(judge(line)[0] == "header", is_header, repr(line))


@test
def addresses_have_one_text():
    for text, canonical in (("2001:DB8::0001", "2001:db8::1"), ("::ffff:10.0.0.1",) * 2,
                            ("::FFFF:a00:1", "::ffff:10.0.0.1"), ("::1.2.3.4", "::102:304"),
                            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
                            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:0:2:0:0:3:4", "1::2:0:0:3:4"),
                            ("1:0:2:3:4:5:6:7",) * 2, ("10.0.0.1",) * 2):
        check_equal(oracle.parse_address(text.encode()), canonical, text)


@test
def values_that_are_no_text_are_escaped():
    for value, shown in ((b"a\\b", "a\\x5cb"), (b"\xff\xc3\xa9", "\\xffé"), (b"a|b", "a|b"),
                         (b"\xe2\x82", "\\xe2\\x82"), (b"\xed\xa0\x80", "\\xed\\xa0\\x80")):
        check_equal(oracle.printable(value), shown, repr(value))


@test
def published_rows_and_their_errors_follow_the_rules():
    # K = 1: by bytes a, by packets b, by flows c, by rejected d; e is cut
    rows = {"a": [1, 1, 9, 0, 0], "b": [1, 9, 1, 0, 0], "c": [9, 1, 1, 9, 0], "d": [2, 1, 1, 0, 2],
            "e": [1, 1, 1, 0, 0]}
    shown, is_complete, bounds = oracle.publish("service", rows, 1)
    check_equal((sorted(shown), is_complete, bounds), (["a", "b", "c", "d"], False,
                                                       [9, 9, 9, 9, 2]), "a table with many keys")
    check_equal(len(oracle.publish("vpc", rows, 1)[0]), 5, "a table with few keys")
    table = oracle.expected_table([{"service": rows}, {"service": {"e": [1, 1, 20, 1, 0]}}],
                                  "service", "bytes", 0, 1)
    check_equal([row["key"] for row in table["rows"]], ["e", "a", "b", "c", "d"], "order and ties")
    check_equal((table["distinct"], list(table["max_error"].values())), (None, [9, 9, 9, 9, 2]),
                "the range's error")
    big = {"a": [2, 2**63, 2**62, 0, 0]}
    check_equal(oracle.publish("vpc", big, 1)[0]["a"], [2, 2**63 - 1, 2**62, 0, 0], "saturated")


@test
def damage_is_told_from_data():
    whole = gzip.compress(lib.record().encode())
    for data, verdict in ((whole, None), (whole + whole, None), (whole + b"\0" * 9, None),
                          (whole + b"rest", None), (whole[:-1], "gzip"), (whole[:5], "gzip"),
                          (gzip.compress(whole), "gzip"), (b"{}", "json"),
                          (b"\x28\xb5\x2f\xfd\x04\x90", "window"),
                          (b"\x28\xb5\x2f\xfd", "zstd"), ("ab".encode("utf-16-be"), "utf-16")):
        try:
            oracle.decode(data)
            found = None
        except oracle.Failure as failure:
            found = failure.what
        check_equal(found, verdict, repr(data[:12]))
    check_equal(oracle.decode(whole + b"rest")[1], 4, "trailing bytes")


if __name__ == "__main__":
    sys.exit(lib.main(needs_program=False))
