#!/usr/bin/env python3
"""Counts flow logs a second time, independently of the program: slowly, simply and by the letter of
what the figures mean. The tests hold the program's reports against it.

    objects = oracle.read(paths, log_format)       every object, each with what it brings or why not
    figures = oracle.count(objects)                the tables of all that counted
    oracle.expected_report(figures, account, day, order, top, K)

As a program it prints what `flowlog-stats report --format json --top 0` should say:

    tests/oracle.py [--log-format F] [--account A] [--day D] [--order O] [--top N] [--k K] PATH...
"""
import argparse
import collections
import datetime
import functools
import ipaddress
import json
import os
import re
import socket
import subprocess
import sys
import zlib

NUMBER_MAX = 2**63 - 1
START_MAX = 253402300799
LINE_MAX = 65536
FEW_ROWS_MAX = 4096
ZSTD_WINDOW_MAX = 128 << 20
UNKNOWN = "unknown"
COUNTERS = ("flows", "packets", "bytes", "accepted", "rejected")
RANKED = ("bytes", "packets", "flows", "rejected")
REASONS = ("too_long", "too_few_fields", "too_many_fields", "not_a_number", "not_an_address",
           "out_of_range")

DEFAULT_FORMAT = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
                  "bytes start end action log-status").split()
KNOWN_FIELDS = frozenset(DEFAULT_FORMAT + """
    vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr
    region az-id sublocation-type sublocation-id
    pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path
    ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id
    ecs-container-id ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn
    ecs-task-id reject-reason resource-id encryption-status
    instance-tag instance-tag-2 interface-tag interface-tag-2 asg-tag asg-tag-2 interface-type
    next-hop-interface-id next-hop-subnet-id next-hop-az-id next-hop-vpc-id next-hop-interface-type
    resource-type tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id
    tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni
    tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id packets-lost-no-route
    packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired""".split())

NUMBER_LIMITS = {"version": None, "srcport": 65535, "dstport": 65535, "protocol": 255,
                 "packets": NUMBER_MAX, "bytes": NUMBER_MAX, "start": START_MAX, "end": START_MAX}
ADDRESS_FIELDS = ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr")

# Tables whose key is the text of one field.
TEXT_TABLES = {"action": "action", "interface": "interface-id", "account": "account-id",
               "vpc": "vpc-id", "subnet": "subnet-id", "instance": "instance-id",
               "region": "region", "az": "az-id", "flow_direction": "flow-direction",
               "traffic_path": "traffic-path", "tcp_flags": "tcp-flags",
               "pkt_src_aws_service": "pkt-src-aws-service",
               "pkt_dst_aws_service": "pkt-dst-aws-service", "reject_reason": "reject-reason",
               "encryption_status": "encryption-status", "ecs_cluster_name": "ecs-cluster-name",
               "ecs_service_name": "ecs-service-name"}
TOP_TABLES = ("source_address", "destination_address", "destination_port", "service",
              "conversation")
TABLES = ("minute", "protocol") + TOP_TABLES + tuple(TEXT_TABLES)


# ---- objects: from files to text ---------------------------------------------------------------

class Failure(Exception):
    """The object counts not at all. `kind` is damaged or refused; `what` one word to look for."""

    def __init__(self, kind, what):
        super().__init__(kind, what)
        self.kind, self.what = kind, what

    def __str__(self):
        return f"{self.kind}: {self.what}"


def gunzip(data):
    """All members as one stream, and how many bytes after them are not padding."""
    text = []
    while data.startswith(b"\x1f\x8b"):
        member = zlib.decompressobj(wbits=31)
        try:
            text.append(member.decompress(data))
        except zlib.error as error:
            raise Failure("damaged", "gzip") from error
        if not member.eof:
            raise Failure("damaged", "gzip")
        data = member.unused_data
    return b"".join(text), len(data) if data.strip(b"\0") else 0


def zstd_frame_size(data):
    """Bytes of the frame at the beginning, by the block headers of RFC 8878."""
    if data[1:4] == b"\x2a\x4d\x18":  # skippable
        size = 8 + int.from_bytes(data[4:8], "little")
        if len(data) < size:
            raise Failure("damaged", "zstd")
        return size
    try:
        descriptor = data[4]
        single_segment = descriptor >> 5 & 1
        content_size_bytes = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
        at = 5
        if not single_segment:
            exponent, mantissa = data[at] >> 3, data[at] & 7
            window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
            if window > ZSTD_WINDOW_MAX:
                raise Failure("damaged", "window")
            at += 1
        at += (0, 1, 2, 4)[descriptor & 3] + content_size_bytes
        is_last = False
        while not is_last:
            header = int.from_bytes(data[at:at + 3], "little")
            is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
            at += 3 + (1 if kind == 1 else size)
            if at > len(data):
                raise Failure("damaged", "zstd")
        return at + (4 if descriptor >> 2 & 1 else 0)
    except IndexError as error:
        raise Failure("damaged", "zstd") from error


def is_zstd(data):
    return data.startswith(b"\x28\xb5\x2f\xfd") or (
        data[1:4] == b"\x2a\x4d\x18" and data[0] & 0xf0 == 0x50)


def unzstd(data):
    end = 0
    while is_zstd(data[end:end + 4]):
        end += zstd_frame_size(data[end:])
    done = subprocess.run(["zstd", "-dcq"], input=data[:end], capture_output=True, check=False)
    if done.returncode != 0:
        raise Failure("damaged", "zstd")
    rest = data[end:]
    return done.stdout, len(rest) if rest.strip(b"\0") else 0


OTHER_KINDS = ((b"PAR1", "parquet"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
               (b"\x1f\x8b", "gzip"), (b"{", "json"), (b"[", "json"), (b"\xfd7zXZ\0", "xz"),
               (b"BZh", "bzip2"), (b"PK\x03\x04", "zip"))


def other_kind(text):
    """The name of what this is, if it is no text of flow logs."""
    for magic, name in OTHER_KINDS:
        if text.startswith(magic):
            return name
    if is_zstd(text):
        return "zstd"
    even, odd = text[0:64:2], text[1:64:2]
    if len(odd) >= 2 and (not odd.strip(b"\0") and 0 not in even or
                          not even.strip(b"\0") and 0 not in odd):
        return "utf-16"
    return None


def decode(data):
    """The text of an object's bytes, and the number of trailing bytes to warn of."""
    trailing = 0
    if data.startswith(b"\x1f\x8b"):
        text, trailing = gunzip(data)
    elif is_zstd(data):
        text, trailing = unzstd(data)
    else:
        text = data
    kind = other_kind(text)
    if kind:
        raise Failure("refused", kind)
    return text, trailing


# ---- lines -------------------------------------------------------------------------------------

ISO_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?\Z")
BOM = b"\xef\xbb\xbf"


@functools.lru_cache(1 << 16)
def field_name(token):
    """The field a token of a header names, in the notation of AWS's documentation."""
    name = token.decode("latin-1").lower().replace("_", "-")
    if name.startswith("${") and name.endswith("}"):
        name = name[2:-1]
    return name


def header_layout(tokens):
    """The layout, if these tokens are a header line, else None."""
    names = [field_name(token) for token in tokens]
    known = sum(name in KNOWN_FIELDS for name in names)
    return names if len(names) >= 2 and known * 2 > len(names) else None


@functools.lru_cache(1 << 16)
def parse_address(token):
    """The canonical text of an address, or None."""
    try:
        text = token.decode("ascii")
        if ":" not in text:
            return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, text))
        address = ipaddress.IPv6Address(socket.inet_pton(socket.AF_INET6, text))
    except (UnicodeDecodeError, OSError, ValueError):
        return None
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped else address.compressed


@functools.lru_cache(1 << 16)
def printable(token):
    """A value as it stands, but backslashes and what is not UTF-8 as \\xNN."""
    return token.replace(b"\\", b"\\x5c").decode("utf-8", "backslashreplace")


class Malformed(Exception):
    pass


def parse_values(tokens, layout):
    """The values of a line by field: numbers, canonical addresses, texts; absent ones left out."""
    if len(tokens) != len(layout):
        raise Malformed("too_few_fields" if len(tokens) < len(layout) else "too_many_fields")
    values = {}
    for token, name in zip(tokens, layout):
        if token == b"-":
            continue
        if name in NUMBER_LIMITS:
            if not token.isdigit():
                raise Malformed("not_a_number")
            limit = NUMBER_LIMITS[name]
            # no limit of our own on the digits of a number, Python has one of 4300
            value = int(token.lstrip(b"0")[:30] or b"0")
            if limit is not None and value > limit:
                raise Malformed("out_of_range")
        elif name in ADDRESS_FIELDS:
            value = parse_address(token)
            if value is None:
                raise Malformed("not_an_address")
        else:
            value = printable(token)
        values[name] = value
    return values


@functools.lru_cache(1 << 16)
def minute_text(minute):
    time = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=minute)
    return time.isoformat() + "Z"


Record = collections.namedtuple("Record", "account day packets bytes action keys")


def make_record(values):
    """What one record tells each table: Record, with keys a tuple of (table, key)."""
    get = values.get
    keys = []
    day = UNKNOWN
    if "start" in values:
        minute = minute_text(values["start"] // 60)
        day = minute[:10]
        keys.append(("minute", minute))
    source, destination, protocol = get("srcaddr"), get("dstaddr"), get("protocol")
    ports = get("srcport"), get("dstport")
    if source is not None:
        keys.append(("source_address", source))
    if destination is not None:
        keys.append(("destination_address", destination))
    if protocol is not None:
        keys.append(("protocol", str(protocol)))
        if ports[1] is not None:
            keys.append(("destination_port", f"{protocol}|{ports[1]}"))
        if None not in ports:
            keys.append(("service", f"{protocol}|{min(ports)}"))
            if source is not None and destination is not None:
                keys.append(("conversation", f"{source}|{destination}|{protocol}|{min(ports)}"))
    for table, field in TEXT_TABLES.items():
        if field in values:
            keys.append((table, values[field]))
    return Record(get("account-id", UNKNOWN), day, get("packets", 0), get("bytes", 0),
                  get("action"), tuple(keys))


class Object:
    """One object: its line accounting and its records, or its failure."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.failure = None
        self.trailing = 0
        self.bytes_read = self.bytes = 0
        self.lines = self.headers = self.nodata = self.skipdata = 0
        self.malformed = collections.Counter()
        self.records = collections.Counter()  # of Record
        self.account_lines = {}  # account: Counter of records, nodata, skipdata

    @property
    def record_cnt(self):
        return sum(self.records.values())


def read_text(text, layout, counted):
    """Accounts for every line of the text in the Object `counted`."""
    verdicts = {}  # of lines under the layout: equal lines are common in some logs
    for line in text.split(b"\n"):
        line = line.removesuffix(b"\r")
        verdict = verdicts.get(line)
        if verdict is None:
            verdict = judge_line(line, layout)
            verdicts[line] = verdict
        what, detail = verdict
        if what == "empty":
            continue
        counted.lines += 1
        if what == "header":
            counted.headers += 1
            layout = detail
            verdicts = {}
        elif what == "malformed":
            counted.malformed[detail] += 1
        else:
            if what == "record":
                counted.records[detail] += 1
                account = detail.account
            else:
                setattr(counted, what, getattr(counted, what) + 1)
                account = detail
            lines = counted.account_lines.setdefault(account, collections.Counter())
            lines["records" if what == "record" else what] += 1


def judge_line(line, layout):
    """(empty, None), (header, layout), (malformed, reason), (record, Record) or
    (nodata or skipdata, account)."""
    if len(line) > LINE_MAX:
        return "malformed", "too_long"
    tokens = line.removeprefix(BOM).replace(b"\t", b" ").split(b" ")
    tokens = [token for token in tokens if token]
    if not tokens:
        return "empty", None
    if ISO_TIME.match(tokens[0]):
        tokens = tokens[1:]
    header = header_layout(tokens)
    if header:
        return "header", header
    try:
        values = parse_values(tokens, layout)
    except Malformed as reason:
        return "malformed", str(reason)
    status = values.get("log-status")
    if status in ("NODATA", "SKIPDATA"):
        return status.lower(), values.get("account-id", UNKNOWN)
    return "record", make_record(values)


def parse_format(log_format):
    return [field_name(name.encode()) for name in re.split(r"[\s,]+", log_format.strip())]


AWS_NAME = re.compile(r"(\d{12}_vpcflowlogs_[a-z0-9-]+_fl-[0-9a-f]+_\d{8}T\d{4}Z_[0-9a-f]+)"
                      r"(\.log(\.gz|\.zst)?)?\Z")


def object_name(path):
    """What an object is known by: AWS's file name where it has that form, else its real path."""
    aws = AWS_NAME.match(os.path.basename(path))
    return aws[1] if aws else os.path.realpath(path)


def find(paths):
    """The files under these paths, as the program chooses them, in any order."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if name.endswith((".log", ".gz", ".zst", ".parquet")) and name[0] != ".":
                    yield os.path.join(folder, name)


def read_object(path, log_format=None):
    counted = Object(path, object_name(path))
    with open(path, "rb") as file:
        data = file.read()
    try:
        text, counted.trailing = decode(data)
    except Failure as failure:
        counted.failure = failure
        return counted
    counted.bytes_read, counted.bytes = len(data), len(text)
    read_text(text, parse_format(log_format) if log_format else DEFAULT_FORMAT, counted)
    return counted


def read(paths, log_format=None):
    """All objects under the paths, each once."""
    objects = {}
    for path in find(paths):
        counted = read_object(path, log_format)
        objects.setdefault(counted.name, counted)
    return list(objects.values())


# ---- figures -----------------------------------------------------------------------------------

class Figures:
    """input: the line accounting of the whole; tables[account or None][day][table]: {key: row};
    totals[account or None][day]: row. None is the organisation; a row is a list in the order of
    COUNTERS."""

    def __init__(self):
        self.input = {}
        self.failed = {}  # name: Failure
        self.account_lines = {}
        self.tables = {}
        self.totals = {}

    def days(self, account=None):
        return sort_days(self.totals.get(account, ()))

    def accounts(self):
        return sorted((a for a in self.totals if a is not None), key=lambda a: a.encode())


def sort_days(days):
    """Ascending, `unknown` last."""
    return sorted(days, key=lambda day: (day == UNKNOWN, day))


def count(objects, keep=None):
    """The figures of a set of whole objects; with keep, of the newest days that hold records."""
    figures = Figures()
    whole = collections.Counter()
    reasons = collections.Counter()
    records = collections.Counter()
    for counted in objects:
        if counted.failure:
            figures.failed[counted.name] = counted.failure
            continue
        whole.update(objects=1, bytes_read=counted.bytes_read, bytes=counted.bytes,
                     lines=counted.lines, headers=counted.headers, records=counted.record_cnt,
                     nodata=counted.nodata, skipdata=counted.skipdata,
                     malformed=sum(counted.malformed.values()))
        reasons.update(counted.malformed)
        records.update(counted.records)
        for account, lines in counted.account_lines.items():
            figures.account_lines.setdefault(account, collections.Counter()).update(lines)
    names = ("objects", "bytes_read", "bytes", "lines", "headers", "records", "nodata", "skipdata",
             "malformed")
    figures.input = {name: whole[name] for name in names}
    figures.input["objects_failed"] = len(figures.failed)
    figures.input["malformed_by_reason"] = {r: reasons[r] for r in REASONS}
    days = sorted({record.day for record in records} - {UNKNOWN})
    if keep:  # days later than tomorrow push none of the others out
        last = str(datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(1))
        days = [d for d in days if d <= last][-keep:] + [d for d in days if d > last][:keep]
    held = set(days) | {UNKNOWN}
    for record, times in records.items():
        if record.day in held:
            add_record(figures, record, times)
    sum_accounts(figures)
    return figures


def add_record(figures, record, times):
    amount = (times, record.packets * times, record.bytes * times,
              times if record.action == "ACCEPT" else 0, times if record.action == "REJECT" else 0)
    add_row(figures.totals.setdefault(record.account, {}), record.day, amount)
    tables = figures.tables.setdefault(record.account, {}).setdefault(record.day, {})
    for table, key in record.keys:
        add_row(tables.setdefault(table, {}), key, amount)


def add_row(rows, key, amount):
    """Sums without a limit: `saturated` is applied where rows are read."""
    row = rows.get(key)
    if row is None:
        rows[key] = list(amount)
    else:
        for i in range(len(COUNTERS)):
            row[i] += amount[i]


def sum_accounts(figures):
    """The organisation's rows are the sums of the accounts'."""
    organisation, totals = {}, {}
    for account, days in figures.tables.items():
        for day, tables in days.items():
            for table, rows in tables.items():
                whole = organisation.setdefault(day, {}).setdefault(table, {})
                for key, row in rows.items():
                    add_row(whole, key, row)
        for day, row in figures.totals[account].items():
            add_row(totals, day, row)
    figures.tables[None], figures.totals[None] = organisation, totals


def saturated(row):
    return [min(value, NUMBER_MAX) for value in row]


def shown_row(row):
    """A row as a report shows it: a sum that stays at the limit says so."""
    row = saturated(row)
    return dict(zip(COUNTERS, row)) | ({"saturated": True} if NUMBER_MAX in row else {})


def rank(rows, counter):
    """Items of {key: row} by the counter downwards, ties by the bytes of the key upwards."""
    at = COUNTERS.index(counter)
    return sorted(rows.items(), key=lambda item: (-item[1][at], item[0].encode()))


def publish(table, rows, K):
    """({key: row} as published, is complete, for each counter the largest value that a row which is
    not published can have)."""
    rows = {key: saturated(row) for key, row in rows.items()}
    if table not in TOP_TABLES and len(rows) <= FEW_ROWS_MAX:
        return rows, True, [0] * len(COUNTERS)
    chosen = {}
    bounds = {}
    for counter in RANKED:
        top = rank(rows, counter)[:K]
        chosen.update(top)
        bounds[counter] = top[-1][1][COUNTERS.index(counter)] if top else 0
    if len(chosen) == len(rows):
        return chosen, True, [0] * len(COUNTERS)
    bounds["accepted"] = bounds["flows"]
    return chosen, False, [bounds[counter] for counter in COUNTERS]


# ---- reports -----------------------------------------------------------------------------------

def chosen_days(figures, day):
    held = figures.days()
    if day is None:
        today = datetime.datetime.now(datetime.timezone.utc).date()
        dated = [d for d in held if d != UNKNOWN]
        come = [d for d in dated if d <= str(today + datetime.timedelta(days=1))]
        return (come or dated)[-1:] or held
    if ".." in day:
        first, last = day.split("..")
        return [d for d in held if d != UNKNOWN and first <= d <= last]
    return [day]


def expected_table(days, table, order, top, K):
    """One table of a report over `days`, a list of {table: {key: row}}."""
    published = [publish(table, tables.get(table, {}), K) for tables in days]
    merged = {}
    for rows, _, _ in published:
        for key, row in rows.items():
            add_row(merged, key, row)
    merged = {key: saturated(row) for key, row in merged.items()}
    shown = sorted(merged.items()) if table == "minute" else rank(merged, order)
    if top and table != "minute":  # a time series is shown whole
        shown = shown[:top]
    error = [0] * len(COUNTERS)
    for key, _ in shown:
        missing = [bounds for rows, is_complete, bounds in published
                   if not is_complete and key not in rows]
        for i in range(len(COUNTERS)):
            error[i] = max(error[i], min(sum(b[i] for b in missing), NUMBER_MAX))
    if len(days) == 1:
        distinct, error = len(days[0].get(table, {})), [0] * len(COUNTERS)
    else:
        distinct = len(merged) if all(complete for _, complete, _ in published) else None
    return {"distinct": distinct, "max_error": dict(zip(COUNTERS, error)),
            "rows": [{"key": key, **shown_row(row)} for key, row in shown]}


def expected_report(figures, account=None, day=None, order="bytes", top=0, K=100):
    """What `report --format json` says; `failed` as {name: Failure}, and without schema and
    epoch."""
    days = chosen_days(figures, day)
    scope = figures.tables.get(account, {})
    totals = [0] * len(COUNTERS)
    for d in days:
        row = figures.totals.get(account, {}).get(d)
        totals = [a + b for a, b in zip(totals, row)] if row else totals
    tables = [scope.get(d, {}) for d in days]
    return {"account": account, "day": day if day else (days[0] if days else None),
            "days": figures.days(), "accounts": figures.accounts(),
            "input": {**figures.input, "failed": figures.failed},
            "totals": shown_row(totals),
            "tables": {t: expected_table(tables, t, order, top, K) for t in TABLES}}


def plain(value):
    """A NUL may be shown as it stands or as \\x00: command lines and C strings cannot hold it."""
    if isinstance(value, str):
        return value.replace("\0", "\\x00")
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def differences(actual, expected, limit=20):
    """Lines that say where a report (parsed JSON) departs from an expected one; [] if nowhere. A
    table without rows may be left out of a report, and a reason without lines too."""
    found = []

    def check(where, is_now, should):
        if is_now != should:
            found.append(f"{where}: is {is_now!r}, should be {should!r}")

    actual, expected = plain(actual), plain(expected)
    if not expected["days"]:  # nothing is held: there is no day to name
        expected["day"] = actual.get("day")
    for name in ("account", "day", "days", "accounts", "totals"):
        check(name, actual.get(name), expected[name])
    differ_input(actual.get("input", {}), expected["input"], check)
    for name in sorted(set(actual.get("tables", {})) | set(expected["tables"])):
        if name not in expected["tables"]:
            found.append(f"tables.{name}: should not be there")
            continue
        table, should = actual["tables"].get(name), expected["tables"][name]
        if table is None:
            if should["rows"]:
                found.append(f"tables.{name}: is missing")
            continue
        check(f"{name}.distinct", table.get("distinct"), should["distinct"])
        check(f"{name}.max_error", table.get("max_error"), should["max_error"])
        differ_rows(name, table.get("rows", []), should["rows"], found)
    if len(found) > limit:
        found[limit:] = [f"... and {len(found) - limit} more"]
    return found


def differ_input(actual, expected, check):
    for name, value in expected.items():
        if name == "malformed_by_reason":
            reasons = {r: n for r, n in actual.get(name, {}).items() if n}
            check(f"input.{name}", reasons, {r: n for r, n in value.items() if n})
        elif name == "failed":
            names = sorted(object_name(str(f.get("object"))) for f in actual.get(name, []))
            check("input.failed", names, sorted(value))
            check("input.failed without reason", [f for f in actual.get(name, [])
                                                  if not f.get("reason")], [])
        else:
            check(f"input.{name}", actual.get(name), value)


def differ_rows(name, actual, expected, found):
    if len(actual) != len(expected):
        found.append(f"{name}: {len(actual)} rows, should be {len(expected)}")
    for i, (row, should) in enumerate(zip(actual, expected)):
        if row != should:
            found.append(f"{name} row {i}: is {row!r}, should be {should!r}")
            break


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--log-format")
    parser.add_argument("--account")
    parser.add_argument("--day")
    parser.add_argument("--order", default="bytes", choices=RANKED)
    parser.add_argument("--top", type=int, default=0)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--keep", type=int)
    parser.add_argument("paths", nargs="+", metavar="PATH")
    args = parser.parse_args()
    figures = count(read(args.paths, args.log_format), args.keep)
    report = expected_report(figures, args.account, args.day, args.order, args.top, args.k)
    report["input"]["failed"] = [{"object": name, "reason": str(failure)}
                                 for name, failure in sorted(figures.failed.items())]
    json.dump(report, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
