"""Live feeds over loopback: how fast one core injects and relays them, at what cost, how late.

The two cores of each measurement are kept apart with taskset. A rate holds if the viewer gets all
of the feed, skips nothing, and has it in time: no backlog builds up.
"""

import contextlib
import json
import math
import os
import pathlib
import subprocess
import time

from processes import Failed, Process, free_port, say

GIB = 1 << 30
CONTENT = 3 * GIB // 2  # a run is shorter rather than larger
LONG, SHORT, CHAIN_S = 3.0, 1.0, 6.0  # seconds of a feed
LOW_RATE = 500_000      # octets per second: 4 Mbit/s
FIRST_GUESS = 16 << 20
SLOWEST = 64 << 10
FINE = 1.2              # a limit is known well enough within this factor
TRIES = 2               # of a rate: another program may have had the core for a moment
IN_TIME = 1.05          # of the feed's duration, and then
IN_TIME_S = 0.1         # for the start and the end of the programs
BUSY = 0.8              # share of a core from which on it was the limit
CHUNK_SIZES = (1024, 8192)
ALGORITHMS = ("ed25519", "ecdsap256sha256")
CHUNKS_PER_SIGNATURE = (None, 32)  # None: chosen by ppspp-seed
HOPS = (1, 5)


class TooFast(Failed):
    """The feed was not received whole and in time."""


class Feed:
    """What the feeds of a row of the table have in common."""

    def __init__(self, chunk_size, algorithm, width):
        self.chunk_size, self.algorithm, self.width = chunk_size, algorithm, width

    def __str__(self):
        width = f"{self.width} per signature" if self.width else "automatic"
        return f"{self.algorithm}, {self.chunk_size}, {width}"

    def options(self):
        width = ["--chunks-per-signature", self.width] if self.width else []
        return ["--chunk-size", self.chunk_size, "--signature", self.algorithm, *width]


class LiveBench:
    def __init__(self, build, work):
        self.build, self.work = build, work
        self.too_fast = None  # why the last rate that was too high was so
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise Failed("live feeds are measured on two cores, and there is one")
        self.first, self.second = cores[0], cores[-1]
        self.content = work / "content"
        with open(self.content, "w+b") as file:  # full of holes: it is read and hashed all the same
            file.truncate(CONTENT)
            while file.read(8 << 20):  # not from the disk, when it counts
                pass

    @contextlib.contextmanager
    def source(self, feed, rate, size, core):
        port = free_port()
        address = f"127.0.0.1:{port}"
        command = [self.build / "tools/ppspp-seed", "--no-local-discovery", "--live", "--pace", rate,
                   "--listen", address, "--advertise", address, *feed.options(), "-"]
        with open(self.content, "rb") as content:
            content.seek(CONTENT - size)
            with Process(command, self.work / "seed.log", core, stdin=content,
                         stdout=subprocess.PIPE) as source:
                yield source, source.first_line(10)

    def viewer(self, url, name, core, peer=None):
        """With its port, which is open when this returns: others may be told to ask there."""
        port = free_port()
        command = [self.build / "tools/ppspp-get", "--no-local-discovery", "--listen",
                   f"127.0.0.1:{port}", "--json", "--start", "oldest", "-o", "-"]
        command += ["--peer", f"127.0.0.1:{peer}"] if peer else []
        process = Process([*command, url], self.work / f"{name}.log", core,
                          stdout=subprocess.DEVNULL)
        return process, port

    def run(self, feed, rate, seconds, relays, cores):
        """One feed through so many relays to a viewer. `cores`: of the source, the relays, the
        viewer."""
        size = min(int(rate * seconds), CONTENT)
        seconds = size / rate
        with contextlib.ExitStack() as stack:
            source, url = stack.enter_context(self.source(feed, rate, size, cores[0]))
            start = time.monotonic()
            processes, port = [source], None
            stack.callback(kill_all, processes)
            for number in range(relays + 1):
                core = cores[1] if number < relays else cores[2]
                process, port = self.viewer(url, f"get{number}", core, port)
                processes.append(stack.enter_context(process))
                if number < relays:
                    wait_for_port(process, port)
            deadline = start + seconds * IN_TIME + IN_TIME_S + 0.1 * relays
            viewer_cpu = wait_for(processes[-1], deadline)
            rest = [wait_for(process, time.monotonic() + 3) for process in processes[:-1]]
        return judge(report_of(processes[-1]), size, rate, seconds, rest, viewer_cpu)

    def try_rate(self, feed, rate, seconds, relays, cores):
        for _ in range(TRIES):
            try:
                return self.run(feed, int(rate), seconds, relays, cores)
            except TooFast as reason:
                self.too_fast = str(reason)
        return None

    def highest(self, feed, relays, cores, guess):
        """Doubles the rate in short runs until it is too high, or halves it until it is not; then
        bisects, in long ones. What only a short run has shown is not counted."""
        low, high = bracket(lambda rate: self.try_rate(feed, rate, SHORT, relays, cores), guess)
        best = None
        while high / low > FINE or best is None:
            rate = math.sqrt(low * high) if high / low > FINE else low
            result = self.try_rate(feed, rate, LONG, relays, cores)
            if result:
                best, low = result, rate
            else:
                high, low = rate, min(low, rate / math.sqrt(2))
            if high < SLOWEST:
                raise Failed("no rate is low enough")
        best |= {"too_fast_mbit_per_s": high * 8 / 1e6, "too_fast": self.too_fast}
        say(f"  {feed}, {relays + 1} hop(s): {best['mbit_per_s']:.0f} Mbit/s; at "
            f"{best['too_fast_mbit_per_s']:.0f} {self.too_fast}")
        return best

    def row(self, feed, guesses):
        inject = (self.first, None, self.second)
        relay = (self.first, self.second, self.first)
        injected = self.highest(feed, 0, inject, guesses[0])
        relayed = self.highest(feed, 1, relay, guesses[1])
        guesses[:] = [result["rate"] / math.sqrt(2) for result in (injected, relayed)]
        low = self.run(feed, LOW_RATE, LONG, 0, inject)
        half = self.run(feed, injected["rate"] // 2, LONG, 0, inject)
        injected["limit"] = limit(injected, {"source": "source", "viewer": "viewer"})
        relayed["limit"] = limit(relayed, {"relay": "relay", "ends": "ends"})
        return {"name": str(feed), "inject": injected, "relay": relayed, "low": low, "half": half}


def bracket(holds, guess):
    low = high = None
    rate = guess
    while low is None or high is None:
        if holds(rate):
            low = rate
            rate *= 2
        else:
            high = rate
            rate /= 2
        if high and high < SLOWEST:
            raise Failed("no rate is low enough")
    return low, high


def kill_all(processes):
    for process in processes:
        process.kill()


def wait_for_port(process, port):
    """Until it is bound; it is not asked, since that would be a datagram more for the program."""
    for _ in range(500):
        if f":{port:04X} " in pathlib.Path("/proc/net/udp").read_text():
            return
        time.sleep(0.005)
    raise Failed(f"{process.name} does not listen: {process.last_words()}")


def wait_for(process, deadline):
    """CPU seconds of a process that ends by itself. One that has begun to skip is not waited for."""
    while time.monotonic() < deadline:
        cpu = process.ended()
        if cpu is not None:
            return cpu
        if b": skipped " in pathlib.Path(process.log).read_bytes():
            raise TooFast("chunks were skipped")
        time.sleep(0.01)
    raise TooFast(f"{process.name} was late")


def report_of(process):
    lines = [line for line in pathlib.Path(process.log).read_text(errors="replace").splitlines()
             if line.startswith("{")]
    if not lines:
        raise Failed(f"{process.name} printed no JSON: {process.last_words()}")
    return json.loads(lines[-1])


def judge(report, size, rate, seconds, rest, viewer_cpu):
    live = report["live"]
    if not report["complete"] or live["chunks_skipped"] or report["bytes"] != size:
        raise TooFast("not all was received")
    source_cpu, *relay_cpu = rest
    gib = size / GIB
    result = {
        "rate": rate, "mbit_per_s": rate * 8 / 1e6, "seconds": seconds,
        "chunks_per_signature": live["chunks_per_signature"],
        "chunks_duplicate": report["chunks_duplicate"], "hashes_rejected": report["hashes_rejected"],
        "source_core_mbit_per_s": whole_core(source_cpu, size),
        "source_s_per_gib": source_cpu / gib, "viewer_s_per_gib": viewer_cpu / gib,
        "source_busy": source_cpu / seconds, "viewer_busy": viewer_cpu / seconds,
        "ends_busy": (source_cpu + viewer_cpu) / seconds,
        "latency_median_ms": live["latency_ms"]["median"], "latency_p99_ms": live["latency_ms"]["p99"],
    }
    if relay_cpu:
        relay = sum(relay_cpu) / len(relay_cpu)
        result |= {"relay_core_mbit_per_s": whole_core(relay, size),
                   "relay_s_per_gib": relay / gib, "relay_busy": relay / seconds}
    return result


def whole_core(cpu, size):
    """Mbit/s, if nothing but the CPU time of this program were the limit."""
    return size * 8 / 1e6 / cpu


def limit(result, parts):
    name, busy = max(((name, result[f"{key}_busy"]) for key, name in parts.items()),
                     key=lambda part: part[1])
    return name if busy >= BUSY else "neither"


def attempt(name, run):
    try:
        return {"name": name, **run()}
    except (Failed, OSError, ValueError, TypeError) as reason:
        say(f"  {name}: {reason}")
        return {"name": name, "failed": str(reason)}


def measure(build, work):
    try:
        bench = LiveBench(build, work)
    except Failed as reason:
        return {"live_feeds": [{"name": "live feeds", "failed": str(reason)}], "live_chains": []}
    load = os.getloadavg()[0]
    say(f"live feeds, on the cores {bench.first} and {bench.second}; load before: {load:.1f}")
    rows = []
    for chunk_size in CHUNK_SIZES:
        guesses = [FIRST_GUESS, FIRST_GUESS]
        for algorithm in ALGORITHMS:
            for width in CHUNKS_PER_SIGNATURE:
                feed = Feed(chunk_size, algorithm, width)
                rows.append(attempt(str(feed), lambda f=feed: bench.row(f, guesses)))
    feed = Feed(CHUNK_SIZES[0], ALGORITHMS[1], None)
    chains = [attempt(f"{hops} hop{'s' if hops > 1 else ''}",
                      lambda h=hops: bench.run(feed, LOW_RATE, CHAIN_S, h - 1,
                                               (bench.first, None, bench.second)))
              for hops in HOPS]
    return {"live_feeds": rows, "live_chains": chains, "load_before": load}


HEADER = """
Live feeds over loopback: the highest rate at which a viewer gets all of the feed in time
(inject: source and viewer on a core each; relay: source and viewer, the ends, on one core, the
 relay on the other; by CPU: what the whole time of the source's or the relay's core would be worth;
 s/GiB: CPU seconds, user and system, per 2^30 bytes; busy: percent of a core, and which was the
 limit, or neither, where chunks came too late though both had time left;
 ms: from the signature of a chunk to its verification, median / p99, and before that the chunks of
 a signature have to come in; half: of the rate of inject. Load of the machine before: {load:.1f})
"""


def show(result):
    print(HEADER.format(load=result.get("load_before", math.nan)))
    print(f"{'':40}{'inject':>7}{'by CPU':>8}{'source':>8}{'viewer':>8}  {'busy':14}"
          f"{'relay':>7}{'by CPU':>8}{'source':>8}{'relay':>8}{'viewer':>8}  {'busy':14}"
          f"{'at 4 Mbit/s':>15}{'at half':>16}")
    print(f"{'algorithm, chunk size, signature':40}{'Mbit/s':>7}{'Mbit/s':>8}{'s/GiB':>8}{'s/GiB':>8}  "
          f"{'source/viewer':14}{'Mbit/s':>7}{'Mbit/s':>8}{'s/GiB':>8}{'s/GiB':>8}{'s/GiB':>8}  "
          f"{'ends/relay':14}{'ms':>15}{'ms':>16}")
    for row in result["live_feeds"]:
        print(f"{row['name']:40}" + (f"failed: {row['failed']}" if "failed" in row else cells(row)))
    print("\nAt 4 Mbit/s, with " + f"{ALGORITHMS[1]} and chunks of {CHUNK_SIZES[0]}, through a chain\n")
    for row in result["live_chains"]:
        print(f"{row['name']:10}" + (f"failed: {row['failed']}" if "failed" in row
                                     else f"{latency(row)} ms (median / p99)"))


def cells(row):
    injected, relayed = row["inject"], row["relay"]
    return (f"{injected['mbit_per_s']:7.0f}{injected['source_core_mbit_per_s']:8.0f}"
            f"{injected['source_s_per_gib']:8.2f}{injected['viewer_s_per_gib']:8.2f}  {busy(injected, 'source', 'viewer'):14}"
            f"{relayed['mbit_per_s']:7.0f}{relayed['relay_core_mbit_per_s']:8.0f}"
            f"{relayed['source_s_per_gib']:8.2f}"
            f"{relayed['relay_s_per_gib']:8.2f}{relayed['viewer_s_per_gib']:8.2f}  "
            f"{busy(relayed, 'ends', 'relay'):14}{latency(row['low']):>15}{latency(row['half']):>16}")


def busy(result, one, other):
    return (f"{100 * result[f'{one}_busy']:.0f}/{100 * result[f'{other}_busy']:.0f} "
            f"{result['limit']}")


def latency(result):
    return f"{result['latency_median_ms']:.2f} / {result['latency_p99_ms']:.2f}"
