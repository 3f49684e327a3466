"""What the results were measured on."""
import os
import platform
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def first_match(path, pattern):
    try:
        with open(path, encoding="utf-8") as file:
            match = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return None
    return match.group(1).strip() if match else None


def first_line(*command):
    """Of what the command says, or None where it is missing."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=HERE)
    except FileNotFoundError:
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


def facts():
    memory_kib = first_match("/proc/meminfo", r"^MemTotal: +(\d+)")
    huge = first_match("/sys/kernel/mm/transparent_hugepage/enabled", r"\[(\w+)\]")
    return {"cores": os.cpu_count(),
            "model": first_match("/proc/cpuinfo", r"^model name\s*: (.*)"),
            "memory_bytes": int(memory_kib or 0) * 1024,
            "kernel": platform.release(),
            "system": first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
            "huge_pages": huge}


def packages(*names):
    """Versions of Debian packages."""
    found = {}
    for name in names:
        version = first_line("dpkg-query", "-W", "-f=${Version}", name)
        if version:
            found[name] = version
    return found


def commit():
    """Of the tree, "-dirty" behind it if it has changed since, but for results and documents."""
    name = first_line("git", "rev-parse", "--short=12", "HEAD")
    changed = first_line("git", "status", "--porcelain", "--", ":(top)", ":(top,exclude)docs",
                         ":(top,exclude)bench/results")
    return f"{name}-dirty" if name and changed else name


def versions():
    return {"commit": commit(),
            "compiler": first_line(os.environ.get("CC", "gcc"), "--version"),
            "redis": first_line("redis-server", "--version"),
            "node": first_line("node", "--version"),
            **packages("isal", "libisal2", "zstd", "libzstd1", "mawk", "libhiredis0.14",
                       "liburing2")}


def load():
    """How many processes wanted to run, of late: above 0 before a measurement, others use the
    machine too."""
    return round(os.getloadavg()[0], 2)
