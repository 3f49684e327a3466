"""Results as one table of text."""
import statistics

# Case, other contestant, figure of ours, how (ours per theirs, or theirs per ours), must, aim.
GOALS = (("v2 gzip", "igzip -dc", "count_s", "at most", 2.5, 1.8),
         ("v2 gzip", "igzip -dc", "wall_s", "at most", 3.5, 2.2),
         ("v5 gzip", "igzip -dc", "count_s", "at most", 2.5, 1.8),
         ("v5 gzip", "igzip -dc", "wall_s", "at most", 3.5, 2.2),
         ("v2 gzip, small objects", "igzip -dc", "count_s", "at most", 2.5, 1.8),
         ("v2 gzip, small objects", "igzip -dc", "wall_s", "at most", 3.5, 2.2),
         ("v2 zstd", "zstd -dc", "count_s", "at most", 3, 1.8),
         ("v2 gzip, SQL", "duckdb", "wall_s", "at least", 6, 12),
         ("v2 gzip, SQL", "clickhouse", "wall_s", "at least", 6, 12),
         ("v2 plain", "mawk", "wall_s", "at least", 1, 1),
         ("v2 gzip, 1 in 50 damaged", "flowlog-stats, none damaged", "wall_s", "at most", 2, 1.3),
         ("v2 gzip, 4x4 processes", "flowlog-stats 4x4", "wall_s", "at least", 1 / 1.15, 1 / 1.15))
# Beside them the same of the whole commands' CPU time, which others on the machine disturb less.
FIGURES = {"count_s": "first byte to last record", "wall_s": "whole command"}
MEMORY_MAX = 2 << 30


def rows_of(lines, head):
    """Columns under one another: the first to the left, the others to the right, and what has no
    heading as it stands."""
    widths = [max(len(line[i]) for line in [head] + lines) for i in range(len(head))]

    def joined(line):
        return "  ".join(text.ljust(width) if i == 0 or not head[i] else text.rjust(width)
                         for i, (text, width) in enumerate(zip(line, widths))).rstrip()
    return "\n".join(map(joined, [head] + lines))


def spread(values):
    """Median and extremes."""
    if not values:
        return "", ""
    return f"{statistics.median(values):.2f}", f"{min(values):.2f}-{max(values):.2f}"


def median_of(figures, name):
    values = figures.get(name)
    return statistics.median(values) if values else None


def per_record(figures, name, records):
    value = median_of(figures, name)
    return f"{value * 1e9 / records:.0f}" if value is not None and records else ""


def others(figures):
    """CPU time of other processes meanwhile, in cores: above 0.1 the times are too long."""
    return f"{sum(figures['others_s']) / sum(figures['wall_s']):.1f}"


def contest(case):
    for name, figures in case["contestants"].items():
        wall, walls = spread(figures["wall_s"])
        yield [f"{case['name']}: {name}", f"{case['records'] / 1e6:.1f}", wall, walls,
               spread(figures.get("count_s"))[0],
               spread(figures.get("commit_s"))[0], spread(figures.get("publish_s"))[0],
               per_record(figures, "cpu_s", case["records"]), others(figures)]


def goal_lines(results):
    cases = {case["name"]: case for case in results["cases"] if "contestants" in case}
    for name, other, figure, how, must, aim in GOALS:
        contestants = cases.get(name, {}).get("contestants", {})
        if other not in contestants:
            continue
        ours = median_of(contestants["flowlog-stats"], figure)
        theirs = median_of(contestants[other], "wall_s")
        ratio = ours / theirs if how == "at most" else theirs / ours
        if other.startswith("flowlog-stats"):
            ratio = ours / theirs
        verdict = [ratio <= goal if how == "at most" else ratio >= goal for goal in (must, aim)]
        cpu = (median_of(contestants["flowlog-stats"], "cpu_s")
               / median_of(contestants[other], "cpu_s"))
        yield [f"{name}: {FIGURES[figure]} against {other}", f"{ratio:.2f}", f"{how} {must:.2g}",
               "yes" if verdict[0] else "NO", f"{aim:.2g}", "yes" if verdict[1] else "no",
               f"{cpu if how == 'at most' or other.startswith('flowlog-stats') else 1 / cpu:.2f}"]
    memory = cases.get("v2 gzip", {}).get("memory_bytes")
    if memory:
        yield ["v2 gzip: memory, GiB", f"{memory / (1 << 30):.2f}", "at most 2",
               "yes" if memory <= MEMORY_MAX else "NO", "", "", ""]


def per_object(case):
    """Microseconds of an empty object."""
    many, one = (median_of(case["contestants"][name], "wall_s")
                 for name in ("flowlog-stats", "flowlog-stats, 1 object"))
    return (many - one) * 1e6 / (case["objects"] - 1)


def curve_lines(case):
    for point in case["points"]:
        records = point["records"][0]
        yield [f"{case['name']} {point['x']:,}", f"{records / 1e6:.2f}",
               per_record(point, "wall_s", records), per_record(point, "count_s", records),
               per_record(point, "cpu_s", records), f"{point['memory_bytes'] / 1e6:.0f}"]


def role_lines(case):
    for role, costs in sorted(case["roles"].items(), key=lambda item: -item[1]["cpu_s"]):
        yield [f"{case['name']}: {role}", f"{costs['cpu_s']:.2f}",
               f"{costs['cpu_s'] * 1e9 / case['records']:.0f}",
               f"{costs['memory_bytes'] / 1e6:.0f}"]


def stage_lines(case):
    for stage in case["stages"]:
        yield [stage["stage"], f"{stage['ns_per_record']:.1f}",
               f"{stage['ns_per_record_min']:.1f}-{stage['ns_per_record_max']:.1f}",
               f"{stage['cpu_ns_per_record']:.1f}",
               f"{stage['bytes_per_s'] / 1e6:.0f}", stage["what"]]


def title(results):
    facts = results["machine"]
    commits = sorted({case["commit"] for case in results["cases"] if case.get("commit")})
    loads = [case.get("load_before", 0) for case in results["cases"]]
    return (f"{facts['cores']} cores of {facts['model']}, {facts['memory_bytes'] / 2**30:.0f} GiB, "
            f"Linux {facts['kernel']}, {facts['system']}; commit {', '.join(commits)}; "
            f"load before the cases {min(loads, default=0):.1f} to {max(loads, default=0):.1f}")


def text(results):
    cases = results["cases"]
    parts = [title(results)]
    contests = [line for case in cases if "contestants" in case for line in contest(case)]
    if contests:
        parts.append(rows_of(contests, ["case", "M records", "whole s", "min-max", "count s",
                                        "commit s", "publish s", "CPU ns/rec", "others"]))
    goals = list(goal_lines(results))
    if goals:
        parts.append(rows_of(goals, ["goal", "ratio", "must", "met", "aim", "met", "whole by CPU"]))
    parts += [f"an empty object: {per_object(case):.1f} us"
              for case in cases if case["name"] == "empty objects" and "contestants" in case]
    roles = [line for case in cases if "roles" in case for line in role_lines(case)]
    if roles:
        parts.append(rows_of(roles, ["role", "CPU s", "CPU ns/rec", "memory MB at the peak"]))
    curves = [line for case in cases if "points" in case for line in curve_lines(case)]
    if curves:
        parts.append(rows_of(curves, ["curve", "M records", "whole ns/rec", "count ns/rec",
                                      "CPU ns/rec", "memory MB"]))
    for case in cases:
        if "stages" in case:
            parts.append(rows_of(list(stage_lines(case)),
                                 ["stage", "ns/rec", "min-max", "CPU ns/rec", "MB/s", ""]))
    parts += [f"failed: {case['name']}" for case in cases if "failed" in case]
    return "\n\n".join(parts) + "\n"
