"""Who the pipeline is compared with, as commands over the same objects."""
import json
import os

import measure
import queries

HERE = os.path.dirname(os.path.abspath(__file__))


def per_core(logs, cores, command):
    """The command over all objects, in as many processes as cores, a handful of objects each."""
    handful = max(1, len(logs.objects) // (cores * 8))
    words = f"xargs -0 -n {handful} -P {cores} {command} >/dev/null"
    return ["sh", "-c", f"find '{logs.folder}' -name '*.log*' -type f -print0 | {words}"]


def timed(command):
    """A contestant: costs of the command."""
    def contestant():
        return measure.run(command)["costs"]
    return contestant


def igzip(logs, cores):
    return timed(per_core(logs, cores, "igzip -dc"))


def zstd(logs, cores):
    return timed(per_core(logs, cores, "zstd -qdc"))


def mawk(logs):
    """Bytes by source address of the default format, and nothing else."""
    program = "{ sum[$4] += $10 } END { for (key in sum) cnt++; print cnt }"
    return timed(["sh", "-c", f"find '{logs.folder}' -name '*.log' -type f -print0 | "
                  f"xargs -0 -x -n {len(logs.objects)} mawk '{program}'"])


def engine(name, folder, logs, records):
    """One of the two engines of SQL; its answer is checked."""
    query = {"duckdb": queries.duckdb, "clickhouse": queries.clickhouse}[name](logs)
    set_cnt = len(queries.grouping_sets(queries.columns_of(logs.objects[0])))
    command = ["node", os.path.join(HERE, "engine.mjs"), name, folder, query]

    def contestant():
        done = measure.run(command)
        answer = json.loads(done["stdout"])
        if int(answer["flows"]) != set_cnt * records:
            raise measure.Failed(f"{name} counted {answer['flows']} flows in {set_cnt} tables of "
                                 f"{records} records")
        return done["costs"]
    return contestant


def engine_version(name, folder):
    """None where it is not installed."""
    if not os.path.isdir(os.path.join(folder, "node_modules")):
        return None
    try:
        done = measure.run(["node", os.path.join(HERE, "engine.mjs"), name, folder])
    except (measure.Failed, FileNotFoundError):
        return None
    return json.loads(done["stdout"])["version"].lstrip("v")
