#!/usr/bin/env python3
"""The README's table "the path of a byte" names files and functions that exist. Its rows stand
between two comments: | step | function | file | written by |. Prints TAP."""
import os
import re
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BEGIN, END = "<!-- path-of-a-byte -->", "<!-- /path-of-a-byte -->"


def rows(text):
    """(step, functions, files) of each row of the table, without its head."""
    if BEGIN not in text or END not in text:
        return
    table = text[text.index(BEGIN) + len(BEGIN):text.index(END)]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 4 or set(cells[0]) <= set("-: ") or cells[1].lower() == "function":
            continue
        quoted = [re.findall(r"`([^`]+)`", cell) for cell in cells[:4]]
        yield cells[0], [name.split("(")[0] for name in quoted[1]], quoted[2]


def defined(function, code):
    """True if the code has the function's body: its name at the beginning of a line or behind its
    type there, and no semicolon before the brace."""
    return re.search(r"^[A-Za-z_][^;{}()\n]*?\b" + re.escape(function) + r"\([^;{]*\)\s*\n?\{",
                     code, re.MULTILINE) is not None


def check(functions, names):
    """What is wrong with a row, or nothing."""
    if not names:
        return "no file in `...`"
    if not functions:
        return "no function in `...`"
    code = ""
    for name in names:
        path = os.path.join(ROOT, name)
        if not os.path.isfile(path):
            return f"there is no file {name}"
        with open(path, encoding="utf-8") as file:
            code += file.read()
    for function in functions:
        if not defined(function, code):
            return f"{', '.join(names)} does not define {function}"
    return None


def main():
    path = os.path.join(ROOT, "README.md")
    if not os.path.exists(path):
        print("1..1\nnot ok README.md\n# there is no README.md")
        return 1
    with open(path, encoding="utf-8") as file:
        table = list(rows(file.read()))
    failed = 0
    if not table:
        print(f"1..1\nnot ok table\n# no rows between {BEGIN} and {END}")
        return 1
    print(f"1..{len(table)}")
    for step, functions, names in table:
        wrong = check(functions, names)
        if wrong:
            print(f"# {step}: {wrong}")
        print(f"{'not ok' if wrong else 'ok'} {step}")
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
