#!/usr/bin/python3
"""Measures one transfer over loopback, beside what else would do it and what the machine can do.

script/bench builds what this needs and calls it; see --help there.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import channels
import counts
import live
import memory
import paired
import paths
import scaling
from held_memory import HeldMemory
from processes import Failed, Process, free_port, say

HERE = pathlib.Path(__file__).resolve().parent
GIB = 1 << 30
PYTHON = "/usr/bin/python3"  # the one that Debian's python3-libtorrent is for

NGINX = """\
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log stderr error;
events {{ worker_connections 64; }}
http {{
  access_log off;
  sendfile on;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


class Bench:
    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.gib = options.size / GIB
        self.source = work / "source"
        self.source.mkdir()
        self.file = self.source / "content"
        self.out = work / "out"
        self.held = HeldMemory()
        self.alone = ["--no-local-discovery"] if self.knows("--no-local-discovery") else []

    def path(self, name):
        return self.work / name

    def program(self, name):
        return self.options.build / name

    def knows(self, option):
        """An earlier version may not."""
        text = subprocess.run([self.program("tools/ppspp-seed"), "--help"], capture_output=True,
                              text=True, check=False).stdout
        return option in text

    def fresh_output(self, copies=1):
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        if not self.options.memory:  # which compares no times, and would fill the disk
            # A download has a hash tree as well.
            self.held.hold(copies * (self.options.size + self.options.size // 8) + (256 << 20))
        return self.out / "content"

    def check(self, output):
        if subprocess.run(["cmp", "-s", self.file, output], check=False).returncode != 0:
            raise Failed("what arrived is not what was sent")

    def result(self, seconds, source_cpu, receiver_cpu, source, receiver):
        return {
            "seconds": seconds,
            "mb_per_s": self.options.size / seconds / 1e6,
            "source_s_per_gib": source_cpu / self.gib,
            "receiver_s_per_gib": receiver_cpu / self.gib,
            "source_rss_kib": source.peak_rss, "source_private_kib": source.peak_private,
            "receiver_rss_kib": receiver.peak_rss, "receiver_private_kib": receiver.peak_private,
        }

    def seed(self, chunk_size, *more, wrapper=()):
        """ppspp-seed; its first line is the URL."""
        address = f"127.0.0.1:{free_port()}"
        command = [*wrapper, self.program("tools/ppspp-seed"), *self.alone, "--listen", address,
                   "--advertise", address, "--chunk-size", chunk_size, *more, self.file]
        return Process(command, self.path("seed.log"), stdout=subprocess.PIPE)

    def get(self, url, output, wrapper=(), more=()):
        command = [*wrapper, self.program("tools/ppspp-get"), *self.alone, "--listen", "127.0.0.1:0",
                   "-o", output, *more, url]
        return Process(command, self.path("get.log"), stdout=subprocess.DEVNULL)

    def ppspp(self, chunk_size, *more):
        output = self.fresh_output()
        with self.seed(chunk_size, *more) as source:
            url = source.first_line()
            before = source.cpu()
            with self.get(url, output) as receiver:
                seconds, cpu = receiver.run_to_end(self.options.timeout)
            source_cpu = source.cpu() - before
        self.check(output)
        return self.result(seconds, source_cpu, cpu, source, receiver)

    def fan_out(self, leechers):
        """One seeder, whole files to several who know only the seeder; figures per GiB that was
        received."""
        self.fresh_output(leechers)
        with self.seed(1024) as source, contextlib.ExitStack() as stack:
            url = source.first_line()
            before, start = source.cpu(), time.monotonic()
            receivers = [stack.enter_context(self.get(url, self.out / f"content{i}"))
                         for i in range(leechers)]
            cpu = sum(r.run_to_end(self.options.timeout)[1] for r in receivers)
            seconds, source_cpu = time.monotonic() - start, source.cpu() - before
        for i in range(leechers):
            self.check(self.out / f"content{i}")
        result = self.result(seconds, source_cpu, cpu, source, receivers[0])
        per_leecher = ("source_s_per_gib", "receiver_s_per_gib")
        return {**result, "mb_per_s": result["mb_per_s"] * leechers,
                **{key: result[key] / leechers for key in per_leecher}}

    def ceiling(self, chunk_size):
        """The same system calls and hashes, and no protocol: one process forks the other one."""
        output = self.fresh_output()
        done = subprocess.run([self.program("bench/bench_ceiling"), self.file, output,
                               str(chunk_size)], capture_output=True, text=True, check=False,
                              timeout=self.options.timeout)
        if done.returncode != 0:
            raise Failed(done.stderr.strip() or "bench_ceiling failed")
        row = json.loads(done.stdout)
        keys = ("seconds", "mb_per_s", "source_s_per_gib", "receiver_s_per_gib")
        return {key: row[key] for key in keys}

    def first_octets(self):
        """Milliseconds from the getter's first datagram to its first write to a pipe, by strace."""
        calls = self.path("calls")
        with self.seed(1024) as source:
            command = ["strace", "-f", "-ttt", "-s", "0", "-e", "trace=sendmmsg,write,splice,vmsplice",
                       "-o", calls, self.program("tools/ppspp-get"), *self.alone,
                       "--listen", "127.0.0.1:0", "-o", "-", source.first_line()]
            with Process(command, self.path("get.log"), stdout=subprocess.PIPE) as receiver:
                receiver.child.stdout.read(1 << 20)
        times = re.findall(r"^\d+ +([\d.]+) (sendmmsg|(?:write|splice|vmsplice)\((?=1,))",
                           calls.read_text(), re.MULTILINE)
        began = next(float(at) for at, call in times if call == "sendmmsg")
        return (next(float(at) for at, call in times if call != "sendmmsg") - began) * 1e3

    def readiness(self):
        """Seconds until ppspp-seed tells the URL of a file, and what sha256sum takes."""
        start = time.monotonic()
        with self.seed(1024) as source:
            source.first_line()
            seed, cpu = time.monotonic() - start, source.cpu()
        start = time.monotonic()
        with Process(["sha256sum", self.file], self.path("seed.log"),
                     stdout=subprocess.DEVNULL) as plain:
            plain.run_to_end(self.options.timeout)
        return {"seed_seconds": seed, "seed_cpu": cpu, "sha256sum_seconds": time.monotonic() - start}

    def libtorrent(self, transport):
        self.fresh_output()
        torrent, port, peer = self.path("content.torrent"), free_port(), HERE / "torrent_peer.py"
        if not torrent.exists():
            subprocess.run([PYTHON, peer, "make", self.file, torrent], check=True)
        seed = [PYTHON, peer, "seed", self.file, torrent, port, transport]
        with Process(seed, self.path("seed.log"), stdout=subprocess.PIPE) as source:
            source.first_line()
            before = source.cpu()
            get = [PYTHON, peer, "get", self.out, torrent, port, transport]
            with Process(get, self.path("get.log"), stdout=subprocess.PIPE) as receiver:
                report = receiver.first_line(self.options.timeout)
                source_cpu = source.cpu() - before
                receiver.run_to_end(60)
            own = json.loads(report)  # without the start of Python
        self.check(self.out / "content")
        return self.result(own["seconds"], source_cpu, own["cpu"], source, receiver)

    def curl(self, verify):
        output, port = self.fresh_output(), free_port()
        config = self.path("nginx.conf")
        config.write_text(NGINX.format(dir=self.work, port=port, root=self.source))
        nginx = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.work, "-c", config]
        command = f"curl -sf -o {output} http://127.0.0.1:{port}/content"
        if verify:
            command += f" && sha256sum {output} >/dev/null"
        with Process(nginx, self.path("seed.log")) as source:
            self.wait_for_port(port)
            before = source.cpu()
            with Process(["sh", "-c", command], self.path("get.log")) as receiver:
                seconds, cpu = receiver.run_to_end(self.options.timeout)
            source_cpu = source.cpu() - before
        self.check(output)
        result = self.result(seconds, source_cpu, cpu, source, receiver)
        return {k: v for k, v in result.items() if not k.startswith("receiver_") or "gib" in k}

    @staticmethod
    def wait_for_port(port):
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise Failed("nginx does not listen")

    def candidates(self):
        return [
            ("ppspp, chunks of 1024", "ppspp", lambda: self.ppspp(1024)),
            ("ppspp, chunks of 1400", "ppspp", lambda: self.ppspp(1400)),
            ("ppspp, chunks of 8192", "ppspp", lambda: self.ppspp(8192)),
            ("ppspp, chunks of 60000", "ppspp", lambda: self.ppspp(60000)),
            ("ppspp, chunks of 1024, SHA-1", "ppspp", lambda: self.ppspp(1024, "--hash", "sha1")),
            ("ppspp, 1024, to 4 at once", "fan-out", lambda: self.fan_out(4)),
            ("ppspp, 1024, to 8 at once", "fan-out", lambda: self.fan_out(8)),
            ("ppspp, 1024, to 16 at once", "fan-out", lambda: self.fan_out(16)),
            ("no protocol, 1024", "ceiling", lambda: self.ceiling(1024)),
            ("no protocol, 8192", "ceiling", lambda: self.ceiling(8192)),
            ("no protocol, 60000", "ceiling", lambda: self.ceiling(60000)),
            ("libtorrent over uTP", "libtorrent", lambda: self.libtorrent("utp")),
            ("libtorrent over TCP", "libtorrent", lambda: self.libtorrent("tcp")),
            ("nginx to curl, unverified", "curl", lambda: self.curl(False)),
            ("nginx to curl, then sha256sum", "curl", lambda: self.curl(True)),
        ]

    def limits(self):
        commands = [[self.program("bench/bench_hash")]]
        commands += [[self.program("bench/bench_udp"), str(chunk), str(min(self.options.size, GIB))]
                     for chunk in (1024, 8192)]
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                say(f"{command[0].name}: {done.stderr.strip()}")
            yield from map(json.loads, done.stdout.splitlines())

    def parts(self):
        done = subprocess.run([self.program("bench/bench_parts"), self.work], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            say(f"bench_parts: {done.stderr.strip() or 'failed'}")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        if self.options.simulator:
            simulator = [self.options.simulator, "scaling", "--peers", "30", "--size", "4Mi"]
            done = subprocess.run(simulator, capture_output=True, text=True, check=False)
            rate = re.search(r"events_per_s=(\d+)", done.stdout)
            if rate:
                rows.append({"what": "simulator, 30 peers", "unit": "event",
                             "ns": 1e9 / int(rate.group(1))})
        return rows

    def waits(self):
        """What a user waits for before anything comes."""
        row = {}
        try:
            row = self.readiness()
            if shutil.which("strace"):
                row["first_octets_ms"] = statistics.median(self.first_octets() for _ in range(5))
        except (Failed, OSError, ValueError, StopIteration) as reason:
            say(f"  waiting: {reason}")
        return row

    def live_signatures(self):
        done = subprocess.run([self.program("bench/bench_signatures")], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            say(f"bench_signatures: {done.stderr.strip() or 'failed'}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def size_of(text):
    match = re.fullmatch(r"(\d+)([kMG]?)", text)
    if not match or int(match.group(1)) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: write 1G, 512M or a number")
    return int(match.group(1)) << {"": 0, "k": 10, "M": 20, "G": 30}[match.group(2)]


def write_content(path, size):
    say(f"writing {size / GIB:g} GiB of random content")
    with open(path, "wb") as out:
        left = size
        while left > 0:
            left -= out.write(os.urandom(min(left, 8 << 20)))


def median(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def attempt(name, run):
    """One transfer; a result, or None and the reason on stderr."""
    try:
        result = run()
        say(f"  {name}: {result['mb_per_s']:.0f} MB/s")
        return result, None
    except (Failed, OSError, subprocess.CalledProcessError, ValueError) as reason:
        say(f"  {name}: {reason}")
        return None, str(reason)


def compare(bench, options):
    """All candidates in turn, and that several times, so that a slow minute hits them all; each time
    in another order, so that none always comes behind the same one."""
    candidates = [c for c in bench.candidates() if not options.only or c[1] in options.only]
    runs, reasons = {c[0]: [] for c in candidates}, {}
    def wanted(part):
        return not options.only or part in options.only
    if candidates or any(map(wanted, ("counts", "waits", "threads"))):
        write_content(bench.file, options.size)
    for number in range(options.runs if candidates else 0):
        say(f"run {number + 1} of {options.runs}")
        for name, _, transfer in random.sample(candidates, len(candidates)):
            result, reason = attempt(name, transfer)
            if result:
                runs[name].append(result)
            else:
                reasons[name] = reason
    rows = [{"name": name, **(median(results) if results else {}), "runs": len(results),
             **({"failed": reasons[name]} if name in reasons else {})}
            for name, results in runs.items()]
    return {"size": options.size, "transfers": add_ratios(rows),
            "counts": counts.measure(bench) if wanted("counts") else [],
            "channels": (channels.measure(bench.program("bench/bench_channels"))
                         if wanted("channels") else []),
            "threads": scaling.measure(bench) if wanted("threads") else [],
            "waits": bench.waits() if wanted("waits") else {},
            "parts": bench.parts() if wanted("parts") else [],
            "paths": paths.measure(options.simulator) if wanted("paths") else [],
            "limits": list(bench.limits()) if wanted("limits") else [],
            "live_signatures": bench.live_signatures() if wanted("live") else []}


def add_ratios(rows):
    by_name = {row["name"]: row for row in rows}
    for other, key in (("libtorrent over uTP", "of_utp"), ("nginx to curl, then sha256sum", "of_curl")):
        base = by_name.get(other, {}).get("mb_per_s")
        for row in rows:
            if base and "mb_per_s" in row:
                row[key] = row["mb_per_s"] / base
    for row in rows:
        size = re.match(r"ppspp, chunks of (\d+)$", row["name"])
        ceiling = by_name.get(f"no protocol, {size.group(1)}", {}) if size else {}
        if "mb_per_s" in ceiling and "mb_per_s" in row:
            row["of_ceiling"] = row["mb_per_s"] / ceiling["mb_per_s"]
            row["cpu_of_ceiling"] = cpu_of(row) / cpu_of(ceiling)
    return rows


def cpu_of(row):
    return row["source_s_per_gib"] + row["receiver_s_per_gib"]


def cell(row, key, form, scale=1.0):
    return format(row[key] / scale, form) if key in row else "-"


def print_transfers(result):
    if not result["transfers"]:
        return
    print(f"\nOne transfer of {result['size'] / GIB:g} GiB over loopback, both ends on this machine")
    print("(MB/s: 10^6 bytes of content; s/GiB: CPU seconds, user and system, per 2^30 bytes;\n"
          " MiB: peak resident memory, and in brackets the part that is not pages of files;\n"
          " vs none: MB/s by those of the same system calls and hashes without protocol)\n")
    print(f"{'':31}{'MB/s':>6}{'source':>8}{'receiver':>9}{'both':>7}{'vs':>7}{'vs curl':>9}"
          f"{'vs':>7}{'source':>15}{'receiver':>15}")
    print(f"{'':31}{'':>6}{'s/GiB':>8}{'s/GiB':>9}{'s/GiB':>7}{'uTP':>7}{'+sha256':>9}"
          f"{'none':>7}{'MiB':>15}{'MiB':>15}")
    for row in result["transfers"]:
        if "mb_per_s" not in row:
            print(f"{row['name']:31}failed: {row['failed']}")
            continue
        peaks = [f"{cell(row, s + '_rss_kib', '.0f', 1024)} "
                 f"({cell(row, s + '_private_kib', '.0f', 1024)})" for s in ("source", "receiver")]
        print(f"{row['name']:31}{row['mb_per_s']:6.0f}{row['source_s_per_gib']:8.2f}"
              f"{row['receiver_s_per_gib']:9.2f}{cpu_of(row):7.2f}{cell(row, 'of_utp', '.2f'):>7}"
              f"{cell(row, 'of_curl', '.2f'):>9}{cell(row, 'of_ceiling', '.2f'):>7}"
              f"{peaks[0]:>15}{peaks[1]:>15}")


def print_parts(result):
    if not result["parts"]:
        return
    print("\nParts of the library, on one core: CPU time and allocations for each unit\n")
    print(f"{'':44}{'unit':>9}{'ns':>9}{'allocations':>13}{'MB/s':>8}")
    for row in result["parts"]:
        print(f"{row['what']:44}{row['unit']:>9}{row['ns']:9.0f}"
              f"{cell(row, 'allocations', '.4f'):>13}{cell(row, 'mb_per_s', '.0f'):>8}")


def print_waits(result):
    row = result["waits"]
    if "seed_seconds" in row:
        print(f"\nppspp-seed tells the URL of {result['size'] / GIB:g} GiB after"
              f" {row['seed_seconds']:.2f} s ({row['seed_cpu']:.2f} s of CPU), sha256sum takes"
              f" {row['sha256sum_seconds']:.2f} s")
    if "first_octets_ms" in row:
        print(f"First octets in a pipe {row['first_octets_ms']:.1f} ms after the handshake begins")


def print_limits(result):
    if not result["limits"]:
        return
    print("\nThe limits of this machine (hashing: per second of one core; UDP: two processes, s/GiB)\n")
    print(f"{'':39}{'message':>8}{'MB/s':>7}{'source':>8}{'receiver':>9}")
    for row in result["limits"]:
        print(f"{row['what']:39}{row['message']:8}{row['mb_per_s']:7.0f}"
              f"{cell(row, 'source_s_per_gib', '.2f'):>8}{cell(row, 'receiver_s_per_gib', '.2f'):>9}")


def print_live(result):
    rows = result["live_signatures"]
    if not rows:
        return
    widths = list(rows[0]["inject_mbit_per_s"])
    print("\nLive signatures per second of one core, and the feed of chunks of 1024 bytes that it can\n"
          "hash and sign, or hash and verify, in Mbit/s, by chunks per signature (1: Sign All)\n")
    print(f"{'':17}{'per s':>17}" + "".join(f"{width:>9}" for width in widths))
    for row in rows:
        for what, key in (("sign", "inject"), ("verify", "verify")):
            rates = row[f"{key}_mbit_per_s"]
            print(f"{row['algorithm'] if what == 'sign' else '':17}{what:>7}"
                  f"{row[f'{what}_per_s']:10.0f}"
                  + "".join(f"{rates[width]:9.0f}" for width in widths))


def arguments():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="the median of so many (3)")
    parser.add_argument("--size", type=size_of, default=GIB,
                        help="of the content, as 512M (1G)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--memory", action="store_true",
                        help="instead: peak memory at --size, at 16 and at 256 times that")
    parser.add_argument("--live", action="store_true",
                        help="instead: live feeds, about five minutes; the highest rates that one "
                             "core injects and one relays, their cost and their latency")
    parser.add_argument("--compare", metavar="COMMIT",
                        help="instead: transfers by the programs as they are and as they were then, "
                             "in turns; what changed, by pairs")
    parser.add_argument("--only", action="append", help="only these; may be repeated (live: signatures)",
                        choices=["ppspp", "fan-out", "ceiling", "libtorrent", "curl", "counts",
                                 "channels", "threads", "waits", "parts", "paths", "limits", "live"])
    parser.add_argument("--timeout", type=float, default=600, help="seconds for a transfer (600)")
    parser.add_argument("--directory", type=pathlib.Path, default=None,
                        help="for the files, with room for seventeen times the content (--memory: "
                             "for twice the largest). The default is TMPDIR; where that is not "
                             "set, and but for --memory, /dev/shm if there is room, which leaves "
                             "out the disk, the same for all that are compared")
    parser.add_argument("--simulator", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--base", type=pathlib.Path, help=argparse.SUPPRESS)  # --compare's build
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    return options


def directory(options):
    """Where the files are: None is what Python takes."""
    in_memory = pathlib.Path("/dev/shm")
    if options.directory or options.memory or "TMPDIR" in os.environ or not in_memory.is_dir():
        return options.directory
    free = re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    room = min(shutil.disk_usage(in_memory).free, int(free.group(1)) << 10 if free else 0)
    return in_memory if room > 19 * options.size else None


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="ppspp-bench.", dir=directory(options)) as folder:
        work = pathlib.Path(folder)
        if options.memory:
            result = memory.measure(Bench, options, work)
            memory.show(result)
        elif options.live:
            result = live.measure(options.build, work)
            live.show(result)
        elif options.base:
            write_content(work / "content", options.size)
            result = paired.measure(Bench, options, work)
            paired.show(result, options.size)
        else:
            result = compare(Bench(options, work), options)
            print_transfers(result)
            counts.show(result["counts"])
            channels.show(result["channels"])
            scaling.show(result["threads"])
            print_waits(result)
            print_parts(result)
            paths.show(result["paths"])
            print_limits(result)
            print_live(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    rows = result.get("transfers", []) + result.get("memory", [])
    rows += result.get("live_feeds", []) + result.get("live_chains", [])
    return 1 if any("failed" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
