#!/usr/bin/env python3
"""The rules of the tree that a compiler does not check. One line of TAP for each rule."""
import os
import re
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))

CORPUS = os.path.join(ROOT, "tests", "fuzz", "corpus")  # bytes that only look like text

# Which folders the files of a folder may include. Stages never include one another.
STAGE = {"base", "shm", "state", "enrich"}
MAY_INCLUDE = {
    "base": {"base"},
    "shm": {"base", "shm"},
    "state": {"base", "state"},
    "enrich": {"base", "enrich"},
    "dashboard": {"base", "dashboard"},
    "ingest": STAGE | {"ingest"},
    "aggregate": STAGE | {"aggregate"},
    "publish": STAGE | {"publish"},
}
ABOVE = ("supervise", "bench", "tests")  # may include everything
SOURCE = (".c", ".h", ".def")


def files():
    """(path from the root, lines) of all text files of the project."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders
                            if f not in (".git", "__pycache__", "node_modules")
                            and not f.startswith("build")
                            and os.path.join(folder, f) != CORPUS)
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) or name == ".git" or name.endswith((".pyc", ".o")):
                continue
            with open(path, "rb") as file:
                data = file.read()
            if b"\0" not in data:
                text = data.decode("utf-8", "surrogateescape")
                yield os.path.relpath(path, ROOT), text.split("\n")


def includes(path, lines):
    if not path.endswith(SOURCE):
        return
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if match:
            yield number, match.group(1)


def includes_go_one_way(path, lines):
    folder = path.split(os.sep)[0]
    if folder in ABOVE:
        return
    for number, target in includes(path, lines):
        if target.split("/")[0] not in MAY_INCLUDE.get(folder, set()):
            yield number, f"{folder} may not include {target}"


def includes_are_named_from_the_root(path, lines):
    for number, target in includes(path, lines):
        beside = os.path.join(ROOT, os.path.dirname(path), target)
        if target.startswith(".") or ("/" not in target and not path.startswith("tests")) or \
                not (os.path.exists(os.path.join(ROOT, target)) or os.path.exists(beside)):
            yield number, f"{target} is not the path of a file from the root"


def no_trailing_blanks(path, lines):
    for number, line in enumerate(lines, 1):
        if line.endswith((" ", "\t", "\r")):
            yield number, "blanks at the end of the line"


def files_end_with_one_newline(path, lines):
    if lines == [""]:
        return
    if lines[-1]:
        yield len(lines), "no newline at the end of the file"
    elif len(lines) > 1 and not lines[-2]:
        yield len(lines) - 1, "empty lines at the end of the file"


def no_paths_of_somebodys_machine(path, lines):
    homes = "root/|work/" if path.startswith("tests") else "root/|work/|home/[a-z]|Users/"
    for number, line in enumerate(lines, 1):
        if re.search(rf"(?<![\w.$~}}])/({homes})", line):
            yield number, "an absolute path of somebody's machine"


def code_is_indented_with_blanks(path, lines):
    if not path.endswith(SOURCE + (".py",)):
        return
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "a tab"


def headers_are_included_once_and_say_what_they_are(path, lines):
    if not path.endswith(".h"):
        return
    if not lines[0].startswith("/*"):
        yield 1, "the header does not begin with what it is for"
    if "#pragma once" not in lines and not path.endswith("_template.h"):
        yield 1, "no #pragma once"


RULES = (includes_go_one_way, includes_are_named_from_the_root, no_trailing_blanks,
         files_end_with_one_newline, no_paths_of_somebodys_machine, code_is_indented_with_blanks,
         headers_are_included_once_and_say_what_they_are)


def main():
    tree = list(files())
    failed = 0
    print(f"1..{len(RULES)}")
    for rule in RULES:
        found = [f"{path}:{number}: {what}" for path, lines in tree
                 if path != os.path.relpath(os.path.realpath(__file__), ROOT)
                 for number, what in rule(path, lines)]
        for line in found:
            print(f"# {line}")
        print(f"{'not ok' if found else 'ok'} {rule.__name__}")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
