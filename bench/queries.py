"""The tables of base/tables.def as one SQL query with grouping sets, for other engines: each table
per day for the organisation and for each account."""
import gzip
import os
import re
import subprocess

BASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "base")
NUMBERS = {"srcport": 16, "dstport": 16, "protocol": 8, "packets": 64, "bytes": 64, "start": 64,
           "end": 64}
TEXT_KEYS = {"NONE": [], "MINUTE": ["minute"], "PROTOCOL": ["protocol"],
             "CONVERSATION": ["srcaddr", "dstaddr", "protocol", "service_port"]}
KEYS_OF_TABLE = {"source_address": ["srcaddr"], "destination_address": ["dstaddr"],
                 "destination_port": ["protocol", "dstport"],
                 "service": ["protocol", "service_port"]}
NEEDS = {"minute": {"start"}, "service_port": {"srcport", "dstport"}}


def entries(name, macro):
    with open(os.path.join(BASE, name), encoding="utf-8") as file:
        return [tuple(part.strip().strip('"') for part in match.split(","))
                for match in re.findall(rf"^{macro}\((.*)\)$", file.read(), re.MULTILINE)]


def columns_of(path):
    """The fields of an object, from its first line."""
    if path.endswith(".zst"):
        text = subprocess.run(["sh", "-c", f"zstd -dc '{path}' | head -n 1"], check=True,
                              capture_output=True, text=True).stdout
        return text.split()
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="ascii") as file:
        return file.readline().split()


def tables(columns):
    """{table: its key columns} of the tables that the columns suffice for."""
    attribute_fields = dict(entries("attributes.def", "ATTRIBUTE"))
    found = {}
    for name, text, _, kind in entries("tables.def", "TABLE"):
        key = KEYS_OF_TABLE.get(text) or TEXT_KEYS.get(kind) or []
        if kind == "ATTRIBUTE":
            key = [attribute_fields[name]]
        if set().union(*(NEEDS.get(column, {column}) for column in key)) <= set(columns):
            found[text] = key
    return found


def grouping_sets(columns):
    """Without repetitions: an account's table of accounts is its totals."""
    sets = []
    for key in tables(columns).values():
        for scope in (["day"], ["day", "account-id"]):
            wanted = scope + [column for column in key if column not in scope]
            if wanted not in sets:
                sets.append(wanted)
    return sets


def query(columns, source, quote, divide, greatest_first):
    """A query that makes all rows of all tables, and answers how many they are and what their
    counters sum up to: as many times the records as there are sets."""
    sets = grouping_sets(columns)
    keys = list(dict.fromkeys(column for one in sets for column in one))
    made = {"day": divide("start", 86400), "minute": divide("start", 60),
            "service_port": f"least({quote}srcport{quote}, {quote}dstport{quote})"}

    def q(column):
        return f"{quote}{column}{quote}"
    named = [f"{made[key]} as {q(key)}" if key in made else q(key) for key in keys]
    counted = [q(column) for column in ("packets", "bytes", "action") if column not in keys]
    groups = ", ".join("(" + ", ".join(map(q, one)) + ")" for one in sets)
    return (f"select count(*) as row_cnt, sum(flows) as flows, sum(packets) as packets, "
            f"sum(bytes) as bytes, sum(accepted) as accepted, sum(rejected) as rejected from ("
            f"select {', '.join(map(q, keys))}, count(*) as flows, sum({q('packets')}) as packets, "
            f"sum({q('bytes')}) as bytes, {greatest_first('ACCEPT')} as accepted, "
            f"{greatest_first('REJECT')} as rejected from "
            f"(select {', '.join(named + counted)} from {source} "
            f"where {q('log-status')} not in ('NODATA', 'SKIPDATA')) as records "
            f"group by grouping sets ({groups})) as figures")


def duckdb(logs):
    columns = columns_of(logs.objects[0])
    names = {8: "UTINYINT", 16: "USMALLINT", 64: "BIGINT"}
    types = ", ".join(f"'{c}': '{names[NUMBERS[c]] if c in NUMBERS else 'VARCHAR'}'"
                      for c in columns)
    source = (f"read_csv('{logs.folder}/**/*.log*', delim=' ', header=true, quote='', escape='', "
              f"nullstr='-', auto_detect=false, columns={{{types}}})")
    return query(columns, source, '"', lambda column, by: f'"{column}" // {by}',
                 lambda action: f"count(*) filter (where action = '{action}')")


def clickhouse(logs):
    columns = columns_of(logs.objects[0])
    types = ", ".join(f"`{c}` {f'UInt{NUMBERS[c]}' if c in NUMBERS else 'String'}"
                      for c in columns)
    suffix = os.path.splitext(logs.objects[0])[1]
    source = (f"file('{logs.folder}/**/*{suffix}', 'CustomSeparatedWithNames', "
              f"'{types}')")
    settings = ("format_custom_field_delimiter=' ', format_custom_escaping_rule='CSV', "
                "format_csv_null_representation='-', "
                "input_format_null_as_default=1, format_csv_allow_double_quotes=0, "
                "format_csv_allow_single_quotes=0")
    text = query(columns, source, "`", lambda column, by: f"intDiv(`{column}`, {by})",
                 lambda action: f"countIf(action = '{action}')")
    return f"{text} settings {settings}"
