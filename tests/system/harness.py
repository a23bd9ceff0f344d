"""Starts programs, waits for them within bounds, and always ends what it started.

Everything that is left to chance comes from one seed, which is printed; PPSPP_TEST_SEED repeats a
run. The programs under test are named by PPSPP_SEED, PPSPP_GET and PPSPP_RELAY.
"""

import ctypes
import filecmp
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TIME_FACTOR = float(os.environ.get("PPSPP_TIME_FACTOR", "1"))
SKIPPED = 77  # the exit code that ctest takes for "skipped"
_libc = ctypes.CDLL(None, use_errno=True)
_TROUBLE = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
            "WARNING: ThreadSanitizer", "terminate called", "assertion")


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: when ctest kills the test


class Failed(AssertionError):
    pass


class Process:
    """One child: its output in files, its end awaited by a thread that keeps its resource usage."""

    def __init__(self, name, argv, directory, stdin=None, stdout=None, prefix=()):
        self.name = name
        self.output = None  # of a ppspp-get: its file, or "-"
        self.expected_signals = {signal.SIGKILL, signal.SIGTERM}
        self.stdout_path = os.path.join(directory, name + ".stdout")
        self.stderr_path = os.path.join(directory, name + ".stderr")
        self.argv = [*prefix, *map(str, argv)]
        with open(self.stderr_path, "wb") as err, open(self.stdout_path, "wb") as out:
            self._popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=out if stdout is None else stdout, stderr=err,
                preexec_fn=_die_with_parent)
        self.pid = self._popen.pid
        self.pipe = self._popen.stdout
        self.started = time.monotonic()
        self.ended = None
        self.returncode = None
        self.cpu_seconds = None
        self.max_rss_kib = None
        self._lock = threading.Lock()
        self._done = threading.Event()
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self):
        # Waited for first without reaping, so that kill() never meets a recycled process ID.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _, status, usage = os.wait4(self.pid, 0)
            self.ended = time.monotonic()
            self.returncode = self._popen.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = usage.ru_utime + usage.ru_stime
            self.max_rss_kib = usage.ru_maxrss
        self._done.set()

    def send_signal(self, number):
        with self._lock:
            if self.returncode is None:
                os.kill(self.pid, number)

    def running(self):
        return not self._done.is_set()

    def wait(self, timeout):
        """The exit code; a program that does not end in time fails the test."""
        if not self._done.wait(timeout * TIME_FACTOR):
            raise Failed(f"{self.name} still runs after {timeout * TIME_FACTOR:.0f} s")
        return self.returncode

    def stop(self, timeout=20):
        """Ends it as a user would, and returns the exit code."""
        self.send_signal(signal.SIGCONT)
        self.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        self.send_signal(signal.SIGKILL)
        self._done.wait()

    def seconds(self):
        return self.ended - self.started

    def stdout(self):
        with open(self.stdout_path, errors="replace") as file:
            return file.read()

    def stderr(self):
        with open(self.stderr_path, errors="replace") as file:
            return file.read()

    def json(self):
        """The one JSON object that the program printed when it ended."""
        text = self.stderr() if self.output == "-" else self.stdout()
        lines = [line for line in text.splitlines() if line.startswith("{")]
        if len(lines) != 1:
            raise Failed(f"{self.name} printed {len(lines)} JSON objects instead of one")
        return json.loads(lines[0])

    def first_line(self, timeout=20):
        return self.line(1, timeout)

    def line(self, number, timeout=20):
        """That line of its standard output, counted from 1, as soon as it is complete."""
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while True:
            ended = not self.running()
            lines = self.stdout().split("\n")
            if len(lines) > number:
                return lines[number - 1]
            if ended:
                raise Failed(f"{self.name} ended with {self.returncode} without line {number}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.name}: no line {number} in {timeout * TIME_FACTOR:.0f} s")
            time.sleep(0.005)

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def udp_ports(self):
        """The UDP ports it has open, from the kernel's tables: no port is guessed or reserved."""
        inodes = set()
        try:
            for fd in os.listdir(f"/proc/{self.pid}/fd"):
                target = os.readlink(f"/proc/{self.pid}/fd/{fd}")
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
            ports = []
            for table in ("udp", "udp6"):
                with open(f"/proc/{self.pid}/net/{table}") as file:
                    for line in file.readlines()[1:]:
                        fields = line.split()
                        if fields[9] in inodes:
                            ports.append(int(fields[1].rsplit(":", 1)[1], 16))
            return sorted(set(ports))
        except OSError:
            return []

    def port(self, timeout=20):
        found = wait_until(self.udp_ports, timeout, f"{self.name} opens a UDP port",
                           unless=lambda: not self.running())
        return found[0]


def wait_until(condition, timeout, what, interval=0.01, unless=lambda: False):
    """Polls until `condition()` is true and returns its value."""
    deadline = time.monotonic() + timeout * TIME_FACTOR
    while True:
        value = condition()
        if value:
            return value
        if unless():
            value = condition()
            if value:
                return value
            raise Failed(f"cannot happen any more: {what}")
        if time.monotonic() > deadline:
            raise Failed(f"not within {timeout * TIME_FACTOR:.0f} s: {what}")
        time.sleep(interval)


def chosen_seed():
    given = os.environ.get("PPSPP_TEST_SEED")
    return int(given, 0) if given else random.SystemRandom().getrandbits(63)


def write_content(path, size, seed):
    """Random octets, the same for the same seed."""
    source = random.Random(seed)
    block = 16 << 20
    with open(path, "wb") as file:
        while size > 0:
            file.write(source.randbytes(min(block, size)))
            size -= block
    return path


def host_port(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def without_length(url):
    """The URL as it is where the size has to be detected."""
    return re.sub(r"\?$", "", re.sub(r"(?<=[?&])len=\d+&?", "", url)).rstrip("&")


def program(variable):
    path = os.environ.get(variable)
    if not path or not os.path.exists(path):
        raise unittest.SkipTest(f"{variable} does not name a program")
    return path


def alone(argv):
    """Tools that look for nobody: who meets whom is the test's business. The daemon looks itself."""
    if any(str(word).split("=")[0] == "--daemon" for word in argv):
        return list(map(str, argv))
    tools = {os.environ.get(name) for name in ("PPSPP_SEED", "PPSPP_GET")} - {None}
    result = []
    for word in map(str, argv):
        result.append(word)
        if word in tools:
            result += ["--no-local-discovery", "--no-pex"]
    return result


class TestCase(unittest.TestCase):
    maxDiff = 500

    def setUp(self):
        self.seed = chosen_seed()
        self.random = random.Random(self.seed)
        print(f"seed: PPSPP_TEST_SEED={self.seed} {self.id()}", flush=True)
        self.directory = tempfile.mkdtemp(prefix="ppspp-system-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.processes = []
        self.closers = []
        self.addCleanup(self._end_all)

    def _end_all(self):
        while self.closers:
            self.closers.pop()()
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in self.processes:
            process._done.wait(max(0.0, deadline - time.monotonic()))
            if process.running():
                print(f"killed, since it did not end: {process.name}", flush=True)
                process.kill()
        outcome = self._outcome
        failed = outcome is not None and not outcome.success
        trouble = [p for p in self.processes if self._in_trouble(p)]
        if failed or trouble:
            self._print_processes()
        if trouble:
            self.fail("crashed or complained: " + ", ".join(p.name for p in trouble))

    @staticmethod
    def _in_trouble(process):
        if process.returncode < 0 and -process.returncode not in process.expected_signals:
            return True
        return any(text in process.stderr() for text in _TROUBLE)

    def _print_processes(self):
        for process in self.processes[-12:]:
            print(f"--- {process.name}: {' '.join(process.argv)}\n"
                  f"    exit {process.returncode}, cpu {process.cpu_seconds}")
            for stream in (process.stdout(), process.stderr()):
                if len(stream) > 4000:
                    stream = stream[:2000] + "\n[...]\n" + stream[-2000:]
                print(stream, end="")
        sys.stdout.flush()

    # Things to work with.

    def path(self, name):
        return os.path.join(self.directory, name)

    def content(self, size, name="content"):
        return write_content(self.path(name), size, self.random.getrandbits(63))

    def start(self, name, argv, local=False, **options):
        """`local`: it may look for peers by itself, also on the local network, where all tests meet."""
        if not local:
            argv = alone(argv)
        name = f"{len(self.processes):03}-{name}"
        process = Process(name, argv, self.directory, **options)
        self.processes.append(process)
        return process

    def seeder(self, path, *options, host="127.0.0.1", port=0, prefix=()):
        """A running ppspp-seed, with `url` and `address`."""
        process = self.start("seed", [program("PPSPP_SEED"), "-l", host_port(host, port),
                                      *options, path], prefix=prefix)
        process.url = process.first_line(timeout=60)
        process.address = host_port(host, process.port())
        return process

    def getter(self, url, *options, output=None, peers=(), host="127.0.0.1", prefix=(), **rest):
        """A started ppspp-get that will write `output`."""
        argv = [program("PPSPP_GET"), "-l", host_port(host, 0)]
        for peer in peers:
            argv += ["--peer", peer]
        process = None
        if output is None:
            output = self.path(f"output-{len(self.processes)}")
        argv += ["-o", output, "--json", *options, url]
        process = self.start("get", argv, prefix=prefix, **rest)
        process.output = output
        return process

    def relay(self, target, *options, host="127.0.0.1"):
        seed = () if "--seed" in options else ("--seed", self.random.getrandbits(63))
        process = self.start("relay", [program("PPSPP_RELAY"), "--target", target, "--listen",
                                       host_port(host, 0), *seed, *options])
        process.address = host_port(host, int(process.first_line().split()[1]))
        return process

    # Assertions.

    def assert_identical(self, expected, actual):
        self.assertTrue(os.path.exists(actual), f"{actual} does not exist")
        if not filecmp.cmp(expected, actual, shallow=False):
            self.fail(f"{actual} differs: {describe_difference(expected, actual)}")

    def assert_complete(self, getter, expected, timeout=60):
        """It ends with 0 and wrote exactly `expected`, and nothing of its bookkeeping is left."""
        code = getter.wait(timeout)
        self.assertEqual(code, 0, f"{getter.name} failed: {getter.stderr()[-500:]}")
        self.assert_identical(expected, getter.output)
        self.assertFalse(os.path.exists(getter.output + ".ppspp"), "the resume record is left")

    def transfer(self, path, seed_options=(), get_options=(), timeout=60, host="127.0.0.1"):
        """One seeder, one leecher, the same file in the end."""
        seeder = self.seeder(path, *seed_options, host=host)
        getter = self.getter(seeder.url, *get_options, peers=[seeder.address], host=host)
        self.assert_complete(getter, path, timeout)
        self.assertEqual(seeder.stop(), 0, "ppspp-seed ends with 0 when told to stop")
        return getter


def describe_difference(expected, actual):
    with open(expected, "rb") as a, open(actual, "rb") as b:
        offset = 0
        while True:
            left, right = a.read(1 << 16), b.read(1 << 16)
            if left != right:
                same = next((i for i, (x, y) in enumerate(zip(left, right)) if x != y),
                            min(len(left), len(right)))
                return (f"first at octet {offset + same}; sizes {os.path.getsize(expected)} and "
                        f"{os.path.getsize(actual)}")
            if not left:
                return "nowhere"
            offset += len(left)


def main():
    """unittest.main, with an exit code of its own where every test was skipped."""
    sys.stdout.reconfigure(line_buffering=True)
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun > 0 and len(result.skipped) == result.testsRun:
        sys.exit(SKIPPED)
