"""The logs to measure with: made by `flowlog-stats generate`, or from what it made."""
import glob
import gzip
import os
import shutil
import subprocess

HEADER = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
          "start end action log-status\n")


class Logs:
    """Objects under one folder, in the page cache."""

    def __init__(self, folder):
        self.folder = folder
        self.objects = sorted(p for p in glob.glob(os.path.join(folder, "**", "*.log*"),
                                                   recursive=True) if os.path.isfile(p))
        self.bytes_read = sum(os.path.getsize(p) for p in self.objects)

    def warm(self):
        for path in self.objects:
            with open(path, "rb") as file:
                while file.read(1 << 20):
                    pass

    def forget(self):
        shutil.rmtree(self.folder)


def made(folder, make):
    """What make(folder) writes, once."""
    mark = os.path.join(folder, "complete")
    if not os.path.exists(mark):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        make(folder)
        with open(mark, "w", encoding="ascii"):
            pass
    logs = Logs(folder)
    logs.warm()
    return logs


def generated(program, above, **options):
    """Logs by `generate --NAME VALUE ...`."""
    words = [f"--{name}={value}" for name, value in options.items()]
    name = "-".join(["logs"] + [f"{name}={value}" for name, value in options.items()])

    def make(folder):
        command = [program, "generate", f"--out={folder}", *words]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return made(os.path.join(above, name), make)


def empty(above, cnt):
    """Objects that hold a header and no line."""
    def make(folder):
        content = gzip.compress(HEADER.encode(), mtime=0)
        for i in range(cnt):
            name = f"111122223333_vpcflowlogs_eu-west-1_fl-00000000000000001_20260101T0000Z_{i:08x}"
            with open(os.path.join(folder, f"{name}.log.gz"), "wb") as file:
                file.write(content)
    return made(os.path.join(above, f"empty-{cnt}"), make)


def damaged(logs, above, every):
    """The same objects, one in `every` without its last bytes: not the first, nor the last."""
    def make(folder):
        for i, path in enumerate(logs.objects):
            out = os.path.join(folder, os.path.basename(path))
            if i % every != every // 2:
                os.link(path, out)
                continue
            shutil.copy(path, out)
            os.truncate(out, os.path.getsize(out) - 5)
    return made(os.path.join(above, f"damaged-{every}-{len(logs.objects)}"), make)


# Gives every record one of D source addresses in turn, scattered over 1.0.0.0 and up.
SPREAD = ('$4 != "-" && $4 != "srcaddr" {{ n = (n + 7919) % {distinct}; $4 = "1." int(n / 65536) '
          '"." int(n / 256) % 256 "." n % 256 }} {{ print }}')


def spread(logs, above, distinct):
    """The same logs (gzip, default format), with so many distinct source addresses."""
    def make(folder):
        for i, path in enumerate(logs.objects):
            # 7919 is prime to every count of addresses used here; objects begin at other places
            start = i * 7919 * 7919 % distinct
            rewrite = SPREAD.format(distinct=distinct)
            out = os.path.join(folder, os.path.basename(path))
            subprocess.run(f"igzip -dc '{path}' | mawk -v n={start} '{rewrite}' | "
                           f"igzip -c >'{out}'", shell=True, check=True)
    return made(os.path.join(above, f"distinct-{distinct}"), make)
