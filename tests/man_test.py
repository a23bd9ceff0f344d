#!/usr/bin/env python3
"""Compares each man page with --help: the options, their values and their defaults.

man_test.py PROGRAM MAN-PAGE [PROGRAM MAN-PAGE]...
"""

import re
import subprocess
import sys


def options_of_help(text):
    """{names: (value, default)}, from lines such as "  -l,--listen ADDR:PORT   What (default: X)"."""
    options = {}
    entry = re.compile(r"^  (-[-\w,]+)(?: (\S+))?(?:  +(.*))?$")
    lines = text[text.index("\nOptions:"):].splitlines()[2:]
    blocks = []
    for line in lines:
        if re.match(r"  -", line):
            blocks.append(line)
        elif blocks:
            blocks[-1] += "  " + line.strip() if line.strip() else ""
    for block in blocks:
        names, value, description = entry.match(block).groups()
        default = re.search(r"\(default: (.*)\)$", description or "")
        options[frozenset(names.split(","))] = (value, default.group(1) if default else None)
    return options


def plain(line):
    """The text of a line of mdoc: without its macro, and with its punctuation joined to the word."""
    if line.startswith("."):
        line = re.sub(r"^\.\w+ ?", "", line)
        line = re.sub(r" ([.,:;])( |$)", r"\1\2", line)
    return line


def options_of_page(source):
    options = {}
    description = source[source.index("The options are as follows"):]
    description = description[:description.index("\n.El")]
    for item in re.split(r"\n\.It ", description)[1:]:
        head, *body = item.split("\n")
        names = set()
        for part in head.split(" , "):
            name = re.match(r"Fl (Fl )?(\S+)", part)
            names.add(("--" if name.group(1) else "-") + name.group(2))
        value = re.search(r" Ar (\S+)$", head)
        text = " ".join(plain(line) for line in body)
        default = re.search(r"The default is (.+?)\.(?: |$)", text)
        options[frozenset(names)] = (value.group(1) if value else None,
                                     default.group(1) if default else None)
    return options


def compare(program, page):
    shown = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
    with open(page, encoding="utf-8") as file:
        described = options_of_page(file.read())
    shown = options_of_help(shown)
    for names in sorted(shown.keys() | described.keys(), key=sorted):
        if shown.get(names) != described.get(names):
            yield (f"{page}: {', '.join(sorted(names))}: --help has {shown.get(names)}, "
                   f"the man page {described.get(names)}")
    if len(shown) < 5:
        yield f"{program}: only {len(shown)} options were found in its --help"


def main():
    arguments = sys.argv[1:]
    complaints = [line for program, page in zip(arguments[::2], arguments[1::2])
                  for line in compare(program, page)]
    print("\n".join(complaints) or "the man pages and --help agree")
    sys.exit(1 if complaints or not arguments else 0)


if __name__ == "__main__":
    main()
