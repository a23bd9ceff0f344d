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
    entry = re.compile(r"^  (-[-\w,]+)(?: (\S+)|\[=(\S+)\])?(?:  +(.*))?$")
    lines = text[text.index("\nOptions:"):].split("\n\n")[0].splitlines()[2:]
    blocks = []
    for line in lines:
        if re.match(r"  -", line):
            blocks.append(line)
        elif blocks:
            blocks[-1] += "  " + line.strip() if line.strip() else ""
    for block in blocks:
        names, value, optional_value, description = entry.match(block).groups()
        default = re.search(r"\(default: (.*)\)$", description or "")
        options[frozenset(names.split(","))] = (value or optional_value, default.group(1) if default else None)
    return options


def plain(line):
    """The text of a line of mdoc: without its macro, and with its punctuation joined to the word."""
    if line.startswith("."):
        line = re.sub(r"^\.\w+ ?", "", line)
        line = re.sub(r" ([.,:;])( |$)", r"\1\2", line)
    return line


def options_of_page(source):
    description = source[source.index("The options are as follows"):]
    return options_of_list(description[:description.index("\n.El")])


def options_of_list(source):
    """Of the items of a list; none if there is no list."""
    options = {}
    for item in re.split(r"\n\.It ", source)[1:]:
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


def commands_of_help(text):
    if "\nCommands:" not in text:
        return []
    return re.findall(r"^  ([\w-]+) ", text[text.index("\nCommands:"):], re.MULTILINE)


def commands_of_page(source):
    """{command: (arguments, options)}, from the subsections of COMMANDS."""
    if "\n.Sh COMMANDS" not in source:
        return {}
    section = source[source.index("\n.Sh COMMANDS"):]
    section = section[:section.index("\n.Sh ", 1)]
    commands = {}
    for part in section.split("\n.Ss ")[1:]:
        head, body = part.split("\n", 1)
        name, _, arguments = head.partition(" ")
        commands[name] = (arguments, options_of_list(body))
    return commands


def help_of(*argv):
    return subprocess.run([*argv, "--help"], check=True, capture_output=True, text=True).stdout


def differences(what, shown, described):
    for names in sorted(shown.keys() | described.keys(), key=sorted):
        if shown.get(names) != described.get(names):
            yield (f"{what}: {', '.join(sorted(names))}: --help has {shown.get(names)}, "
                   f"the man page {described.get(names)}")


def compare_commands(program, page, names, described):
    for name in sorted(set(names) ^ described.keys()):
        yield f"{page}: {name}: a command of --help or of the man page alone"
    for name in sorted(set(names) & described.keys()):
        text = help_of(program, name)
        shown = options_of_help(text)
        shown.pop(frozenset({"-h", "--help"}))
        arguments, options = described[name]
        yield from differences(f"{page}: {name}", shown, options)
        usage = re.search(r"^Usage: \S+ \S+ \[OPTIONS\] ?(.*)$", text, re.MULTILINE).group(1)
        if usage != arguments:
            yield f"{page}: {name}: --help has the arguments '{usage}', the page '{arguments}'"


def compare(program, page):
    text = help_of(program)
    with open(page, encoding="utf-8") as file:
        source = file.read()
    shown = options_of_help(text)
    yield from differences(page, shown, options_of_page(source))
    yield from compare_commands(program, page, commands_of_help(text), commands_of_page(source))
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
