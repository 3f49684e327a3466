"""Runs a command and says what it cost: wall time, CPU time, memory."""
import os
import re
import subprocess
import sys
import tempfile
import time

SAMPLE_S = 0.02


class Failed(Exception):
    """A command that should have succeeded did not."""


def busy_s():
    """CPU time that all processes of the machine have used, and what its host took."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run(command, status=0):
    """The "costs" of the command, which is to exit with this status, with all that it started and
    waited for, and its "stdout" and "stderr". Costs: "wall_s", "cpu_s", and "others_s": CPU time that others used meanwhile."""
    busy, begin = busy_s(), time.monotonic()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=errors)
        try:
            output = child.stdout.read()
            _, ended, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(ended)
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if child.returncode != status:
        raise Failed(f"{' '.join(command)[:300]}: exit status {child.returncode}\n{text[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    costs = {"wall_s": wall, "cpu_s": cpu, "others_s": max(0, busy_s() - busy - cpu)}
    return {"costs": costs, "stdout": output.decode(errors="replace"), "stderr": text}


def family(pid):
    """The process and all that descend from it."""
    yield pid
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def proportional_bytes(pid):
    """Memory of the process; what several share is counted in equal parts."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return 1024 * int(re.search(r"^Pss: +(\d+)", file.read(), re.MULTILINE).group(1))
    except PermissionError:
        return resident_bytes(pid)
    except (OSError, AttributeError):
        return 0  # it has just ended


def resident_bytes(pid):
    """Memory of a process into which only root may look, as this program's are: what it shares is
    counted in full."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def role_of(pid):
    """(name without a number, CPU seconds so far) of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        name, rest = re.match(r"\d+ \((.*)\) (.*)", file.read(), re.DOTALL).groups()
    user, system = rest.split()[11:13]
    return name.rstrip("0123456789 "), (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def look(pids, cpu):
    """Memory by role now; notes in `cpu`, by process, its role and CPU time."""
    memory = {}
    for pid in pids:
        try:
            cpu[pid] = role_of(pid)
        except (OSError, AttributeError):
            continue  # it has just ended
        role = cpu[pid][0]
        memory[role] = memory.get(role, 0) + proportional_bytes(pid)
    return memory


def observed(command):
    """A run that is looked at all the time, and so is not timed: "memory_bytes", the most that the
    command and all it started held at the same time, and of each of its "roles" "memory_bytes" at
    that time and "cpu_s" in all."""
    peak, cpu = {}, {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as child:
        try:
            while child.poll() is None:
                peak = max(peak, look(family(child.pid), cpu), key=lambda m: sum(m.values()))
                time.sleep(SAMPLE_S)
        except BaseException:
            child.terminate()
            raise
    if child.returncode != 0:
        raise Failed(f"{' '.join(command)[:300]}: exit status {child.returncode}")
    roles = {role: {"memory_bytes": size, "cpu_s": 0} for role, size in peak.items()}
    for role, seconds in cpu.values():
        roles.setdefault(role, {"memory_bytes": 0, "cpu_s": 0})["cpu_s"] += seconds
    return {"memory_bytes": sum(peak.values()), "roles": roles}


def in_turns(contestants, rounds):
    """Runs the contestants ({name: function that returns {"wall_s": ..., ...}}) turn by turn, in
    the opposite order every second time; {name: {figure: [of each round]}}."""
    figures = {name: {} for name in contestants}
    for turn in range(rounds):
        order = list(contestants) if turn % 2 == 0 else list(reversed(contestants))
        for name in order:
            for figure, value in contestants[name]().items():
                figures[name].setdefault(figure, []).append(value)
        print(".", end="", file=sys.stderr, flush=True)
    return figures
