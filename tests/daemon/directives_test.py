#!/usr/bin/env python3
"""Every directive of ppsppd: its default in --print-config, in conf/ppsppd.toml and in the man page
are the same, and none is missing anywhere.

directives_test.py PPSPPD EXAMPLE MAN-PAGE
"""

import pathlib
import re
import subprocess
import sys
import tempfile

SCHEDULE = "[schedule]"


def of_toml(text):
    """{(section, name): value as it is written}"""
    found, section = {}, None
    for line in text.splitlines():
        if header := re.fullmatch(r"\[(.+)\]", line):
            section = header.group(1)
        elif entry := re.fullmatch(r"(\w+) = (.+)", line):
            found[section, entry.group(1)] = entry.group(2)
    return found


def uncommented(text):
    """The example with all its directives in force."""
    return re.sub(r"^#(?=\[|\w+ = )", "", text, flags=re.M)


def of_page(source):
    found = {}
    for part in re.split(r"\n\.Ss ", source)[1:]:
        section = re.fullmatch(r"\[(.+)\]", part.split("\n", 1)[0]).group(1)
        for item in re.split(r"\n\.It Cm ", part)[1:]:
            name, body = item.split("\n", 1)
            default = re.search(r"The default is\n\.Li (.+?) \.(?:\n|$)", body)
            found[section, name] = default.group(1).replace(r"\(dq", '"') if default else None
    return found


def restarts_of_example(text):
    marked, comment = set(), ""
    section = None
    for line in text.splitlines():
        if header := re.fullmatch(r"#?\[(.+)\]", line):
            section = header.group(1)
        elif entry := re.match(r"#(\w+) = ", line):
            if "(restart)" in comment:
                marked.add((section, entry.group(1)))
            assert comment, f"{entry.group(1)} has no sentence in the example"
            comment = ""
        else:
            comment = line if line.startswith("# ") else ""
    return marked


def restarts_of_page(source):
    marked = set()
    for part in re.split(r"\n\.Ss ", source)[1:]:
        section = part.split("\n", 1)[0].strip("[]")
        for item in re.split(r"\n\.It Cm ", part)[1:]:
            if re.search(r"\n\(restart\)(\n|$)", item):
                marked.add((section, item.split("\n", 1)[0]))
    return marked


def print_config(program, text):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        subprocess.run([program, "--check", "--config", file.name], check=True)
        return subprocess.run([program, "--print-config", "--config", file.name], check=True,
                              capture_output=True, text=True).stdout


def main():
    program, example, page = sys.argv[1:]
    example, page = pathlib.Path(example).read_text(), pathlib.Path(page).read_text()
    defaults = of_toml(print_config(program, ""))
    complaints = []
    if print_config(program, example) != print_config(program, ""):
        complaints.append("the example as it is changes a default")
    shown, described = of_toml(uncommented(example)), of_page(page)
    in_force = of_toml(print_config(program, uncommented(example)))
    if in_force != shown:
        complaints.append(f"the example with all lines is not what is printed: "
                          f"{set(in_force.items()) ^ set(shown.items())}")
    for key in sorted(shown.keys() | described.keys() | defaults.keys()):
        if key not in shown or key not in described:
            complaints.append(f"{key} is missing in the example or in the man page")
        elif key[0] != SCHEDULE and not shown[key] == described[key] == defaults.get(key):
            complaints.append(f"{key}: the example says {shown[key]}, the man page "
                              f"{described[key]}, the default is {defaults.get(key)}")
        elif described[key] not in (None, shown[key]):
            complaints.append(f"{key}: {shown[key]} in the example, {described[key]} in the page")
    if restarts_of_example(example) != restarts_of_page(page):
        complaints.append(f"(restart) differs: "
                          f"{restarts_of_example(example) ^ restarts_of_page(page)}")
    if len(defaults) < 25:
        complaints.append(f"only {len(defaults)} directives were found")
    print("\n".join(complaints) or f"{len(shown)} directives agree")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
