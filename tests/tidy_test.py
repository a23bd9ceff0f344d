#!/usr/bin/env python3
"""Reads the source tree and complains about what the house rules forbid.

The rules: which module may include which, words that the core must not use, every source listed in
a CMakeLists.txt, no notes to self. It also prints the longest functions and files, as advice.
Run it by hand from anywhere: tests/tidy_test.py [ROOT]
"""

import pathlib
import re
import sys

# What each module may include besides itself, lowest first.
MAY_INCLUDE = {
    "base": "",
    "json": "base",
    "bins": "base",
    "crypto": "base",
    "congestion": "base",
    "metadata": "base",
    "tracker": "base json metadata",
    "wire": "base bins metadata",
    "integrity": "base bins crypto metadata",
    "storage": "base bins",
    "channel": "base bins wire congestion integrity metadata",
    "discovery": "base crypto wire metadata",
    "swarm": "base bins crypto wire channel integrity storage discovery metadata",
    "endpoint": "base crypto congestion wire channel discovery swarm metadata storage",
    "files": "base bins metadata storage integrity crypto",
    "net": "base bins crypto metadata tracker integrity storage discovery endpoint files",
    "control": "base json metadata",
}
CORE = [m for m in MAY_INCLUDE if m not in ("files", "net", "control")]

# The module that a public header belongs to; one that is not named here belongs to net.
PUBLIC_HEADERS = {
    "chunk_range.h": "base",
    "chunk_store.h": "storage",
    "endpoint.h": "endpoint",
    "hash_function.h": "base",
    "ledbat_options.h": "congestion",
    "local_discovery_counters.h": "discovery",
    "random_source.h": "base",
    "address_rules.h": "base",
    "duration_histogram.h": "base",
    "peer_source.h": "base",
    "pex_counters.h": "base",
    "result.h": "base",
    "signature_algorithm.h": "base",
    "signing_key.h": "crypto",
    "file_stamp.h": "files",
    "key_file.h": "files",
    "swarm_metadata.h": "metadata",
    "swarm_types.h": "swarm",
    "swarm_url.h": "metadata",
    "time.h": "base",
    "tracker_status.h": "tracker",
    "transport_address.h": "base",
}

# What the core must not say, and what to use in its place.
FORBIDDEN_IN_CORE = {
    r"\b(steady|system|high_resolution|utc|file)_clock\b": "take Now as an argument",
    r"\b(clock_gettime|gettimeofday|timespec_get|nanosleep|usleep)\b": "take Now as an argument",
    r"(?<![\w.:>])(std::)?(time|clock)\s*\(\s*(\)|0|nullptr|NULL)": "take Now as an argument",
    r"\b(s?rand|random|drand48|arc4random\w*|getrandom|getentropy)\s*\(": "take a RandomSource",
    r"\b(random_device|mt19937(_64)?|default_random_engine)\b": "take a RandomSource",
    r"\b\w+_distribution\b": "RandomSource::below(): the library's distributions differ",
    r"\b(thread|jthread|mutex|condition_variable|atomic|future|thread_local)\b":
        "the core has one thread: leave threads to files and net",
    r"\basio\b": "leave the network to net",
    r"\b(socket|sendto|sendmsg|recvfrom|recvmsg|recvmmsg|sendmmsg)\s*\(": "leave sockets to net",
    r"<(sys/(socket|epoll|mman|stat)|netinet/in|arpa/inet|netdb|unistd|fcntl|poll|pthread)\.h>":
        "leave the system to files and net",
    r"\b(fopen|freopen|[io]?fstream|filesystem)\b": "take a ChunkStore",
    r"\b(secure_)?getenv\b": "take an option",
    r"\b(throw|try|catch)\b": "return a Result, count the fault, or PPSPP_ASSERT",
    r"\b(cout|cerr|clog|printf|puts)\b": "PPSPP_LOG, or return a Result",
    r"\bshared_ptr\b": "one owner, and a parameter for the others",
}
# Exceptions: inet_pton() and inet_ntop() are arithmetic; the level of the log is changed while
# threads of the program write lines.
ALLOWED_WORDS = {"libppspp/src/base/transport_address.cc": {"<arpa/inet.h>"},
                 "libppspp/src/base/log.cc": {"atomic"}}

NOTES_TO_SELF = re.compile(r"\b(" + "|".join(["FIX" + "ME", "TO" + "DO", "X" + "XX"]) + r")\b")
CODE = {".cc", ".h"}
TEXT = CODE | {".py", ".txt", ".cmake", ".md", ".in", ".json", ".1", ".5", ".7", ".8", ""}
SKIP = re.compile(r"^(\.git|build.*|out|corpus|crashes)$")


def strip(source):
    """The source with comments and the insides of literals blanked, line by line in place."""
    token = re.compile(
        r'R"(?P<d>\w*)\((?:.|\n)*?\)(?P=d)"'       # raw string
        r'|"(?:\\.|[^"\\\n])*"'                     # string
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"     # character, not a digit separator
        r"|//[^\n]*|/\*(?:.|\n)*?\*/")

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return token.sub(blank, source)


def files(root, suffixes):
    found = []
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if not path.is_symlink() and not SKIP.match(path.name):
                found += files(path, suffixes)
        elif path.suffix in suffixes:
            found.append(path)
    return found


def home_of_include(header):
    """The module to which an included header belongs; None for those of others."""
    parts = header.split("/")
    if parts[0] == "ppspp":
        return PUBLIC_HEADERS.get(parts[-1], "net")
    return parts[0] if parts[0] in MAY_INCLUDE and len(parts) > 1 else None


def check_includes(name, module, source):
    allowed = set(MAY_INCLUDE[module].split()) | {module}
    for number, line in enumerate(source.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if match and (home := home_of_include(match.group(1))) and home not in allowed:
            yield (f"{name}:{number}: {module} must not include {match.group(1)} of {home}; "
                   f"it may use: {MAY_INCLUDE[module] or 'nothing'}")


def check_words(name, source):
    for number, line in enumerate(strip(source).splitlines(), 1):
        for pattern, instead in FORBIDDEN_IN_CORE.items():
            match = re.search(pattern, line)
            if match and match.group(0) not in ALLOWED_WORDS.get(name, ()):
                yield f"{name}:{number}: the core must not use '{match.group(0)}': {instead}"


def check_text(name, source):
    for number, line in enumerate(source.splitlines(), 1):
        if NOTES_TO_SELF.search(line):
            yield f"{name}:{number}: finish it or open an issue: {line.strip()}"
    if name.endswith(".h") and "#pragma once" not in source:
        yield f"{name}: a header begins with #pragma once"


def is_listed(file, words):
    """By its name, or as prefix_${variable}.cc where a word of the list can be the variable."""
    if file in words:
        return True
    for pattern in (word for word in words if "${" in word):
        match = re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", r"(\\w+)", re.escape(pattern)), file)
        if match and set(match.groups()) <= words:
            return True
    return False


def check_listed(root):
    """Every source stands in a CMakeLists.txt of its directory or one above it."""
    for path in files(root, {".cc"}):
        name = path.relative_to(root)
        if name.parts[0] == "examples":
            continue  # the package test builds whatever is there
        lists = [d / "CMakeLists.txt" for d in path.parents if d == root or root in d.parents]
        lists += sorted(root.glob("cmake/*.cmake"))
        text = "\n".join(f.read_text() for f in lists if f.is_file())
        if not is_listed(path.name, set(re.split(r"[\s()\"/]+", text))):
            yield f"{name}: not listed in a CMakeLists.txt"
    for path in sorted(root.glob("tests/*/CMakeLists.txt")):
        words = set(re.split(r"[\s()\"/]+", (root / "tests/CMakeLists.txt").read_text()))
        if path.parent.name not in words:
            yield f"{path.parent.relative_to(root)}: not listed in tests/CMakeLists.txt"


def functions(source):
    """Pairs of (lines, name): a block behind ')' that is not inside another function."""
    text = re.sub(r"(?m)^\s*#.*$", "", strip(source))
    head, line, start, opened, result = "", 1, 1, [], []
    for char in text:
        if char == "\n":
            line += 1
        if char == "{":
            inside = any(kind == "function" for kind, _, _ in opened)
            words = re.sub(r"template\s*<[^{]*?>\s*(?=\w)", "", head)
            is_scope = re.search(r"\b(namespace|class|struct|enum|union|extern)\b[^()]*$", words)
            is_function = not inside and not is_scope and re.search(r"\w\s*\(", words)
            kind = "function" if is_function else "inside" if inside else "scope"
            found = re.search(r"([\w:~]+|operator\S+)\s*\(", words)
            opened.append((kind, start, found.group(1) if found else ""))
            head = ""
        elif char == "}":
            if opened:
                kind, begin, name = opened.pop()
                if kind == "function":
                    result.append((line - begin + 1, name))
            head = ""
        elif char == ";":
            head = ""
        else:
            if not head.strip():
                start = line
            head += char
    return result


def print_sizes(root):
    sizes, lengths = [], []
    for folder in ("libppspp", "tools", "ppsppd"):
        for path in files(root / folder, CODE) if (root / folder).is_dir() else []:
            source, name = path.read_text(), path.relative_to(root)
            sizes.append((source.count("\n"), str(name)))
            lengths += [(lines, f"{name}: {what}") for lines, what in functions(source)]
    for what, found, goal in (("files", sizes, 600), ("functions", lengths, 50)):
        found.sort(reverse=True)
        if found:
            print(f"{len(found)} {what}, median {found[len(found) // 2][0]} lines, "
                  f"90th percentile {found[len(found) // 10][0]}; the longest:")
        for size, name in found[:8]:
            print(f"{size:7} {name}{'  (split it?)' if size > goal else ''}")


def check_tree(root):
    complaints = []
    for path in files(root, TEXT):
        name = str(path.relative_to(root))
        source = path.read_text(errors="replace")
        complaints += check_text(name, source)
        match = re.match(r"libppspp/src/(\w+)/", name)
        public = re.match(r"libppspp/include/ppspp/(?:detail/)?(\w+\.h)$", name)
        module = match.group(1) if match else PUBLIC_HEADERS.get(public.group(1), "net") \
            if public else None
        if path.suffix in CODE and module:
            complaints += check_includes(name, module, source)
            if module in CORE:
                complaints += check_words(name, source)
    return complaints + list(check_listed(root))


def check_itself():
    """A checker that finds nothing wrong with anything is worth nothing."""
    assert list(check_includes("f", "wire", '#include "swarm/swarm.h"'))
    assert list(check_includes("f", "base", '#include "ppspp/endpoint.h"'))
    assert not list(check_includes("f", "wire", '#include "bins/bin.h"\n#include <thread>'))
    for bad in ("auto t = std::chrono::steady_clock::now();", "int r = rand();", "std::thread t;",
                "namespace asio = boost::asio;", 'getenv("HOME");', 'fopen("a", "r");',
                "#include <sys/socket.h>", "time(nullptr);", "throw 1;"):
        assert list(check_words("f", bad)), bad
    for good in ("// steady_clock", 'log("thread");', "operand(1);", "send_time(0);", "1'000'000;"):
        assert not list(check_words("f", good)), good
    assert list(check_text("f.cc", "// " + "TO" + "DO: later")) and list(check_text("f.h", ""))
    assert is_listed("a_b.cc", {"a_${x}.cc", "b"}) and not is_listed("a_c.cc", {"a_${x}.cc", "b"})
    source = "namespace n {\nint f(int a)\n    const {\n  if (a) {\n  }\n}\nstruct S {\n};\n}\n"
    assert functions(source) == [(5, "f")], functions(source)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    check_itself()
    complaints = check_tree(root.resolve())
    print_sizes(root.resolve())
    print("\n".join(complaints) or "tidy")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
