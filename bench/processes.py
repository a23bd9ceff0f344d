"""Programs that are measured while they run, and what every benchmark of them needs."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A transfer that did not work; the message goes into the table."""


def free_port():
    """A port that is free for both TCP and UDP at this moment."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]


class Process:
    """A child whose CPU time and memory are watched. Ends with its `with` block, by its PID."""

    def __init__(self, command, log, core=None, stdin=subprocess.DEVNULL, **options):
        self.log = log
        self.name = pathlib.Path(command[0]).name
        if core is not None:
            command = ["taskset", "-c", core, *command]
        with open(log, "wb") as errors:
            self.child = subprocess.Popen([str(c) for c in command], stdin=stdin,
                                          stderr=errors, **options)
        self.start = time.monotonic()
        self.peak_rss = self.peak_private = 0
        self.finished = threading.Event()
        threading.Thread(target=self.watch, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.returncode is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.finished.set()
        if self.child.stdout:
            self.child.stdout.close()

    def watch(self):
        """RssAnon is what the program itself needs; the rest of the resident set is pages of files,
        which the kernel takes back when it has a better use for them. (Those of files in memory
        count as RssShmem; none of the programs shares memory otherwise.)"""
        while not self.finished.is_set():
            with contextlib.suppress(OSError):
                status = dict(re.findall(r"(VmHWM|RssAnon):\s+(\d+) kB",
                                         pathlib.Path(f"/proc/{self.child.pid}/status").read_text()))
                self.peak_rss = max(self.peak_rss, int(status.get("VmHWM", 0)))
                self.peak_private = max(self.peak_private, int(status.get("RssAnon", 0)))
            self.finished.wait(0.2)

    def cpu(self):
        """Seconds of CPU so far, user and system, of all threads, also those that have ended."""
        stat = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS

    def threads(self):
        """Seconds of CPU so far of each thread that runs at this moment."""
        seconds = {}
        for task in pathlib.Path(f"/proc/{self.child.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                seconds[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
        return seconds

    def first_line(self, timeout=600):
        timer = threading.Timer(timeout, self.child.kill)
        timer.daemon = True  # who gives up does not wait for it
        timer.start()
        line = self.child.stdout.readline().decode().strip()
        timer.cancel()
        if not line:
            raise Failed(f"{self.name} said nothing: {self.last_words()}")
        return line

    def run_to_end(self, timeout):
        """Waits; returns (wall seconds, CPU seconds)."""
        timer = threading.Timer(timeout, self.child.kill)
        timer.daemon = True  # who gives up does not wait for it
        timer.start()
        _, status, usage = os.wait4(self.child.pid, 0)
        seconds = time.monotonic() - self.start
        timer.cancel()
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.finished.set()
        if self.child.returncode != 0:
            reason = self.last_words() or f"exit {self.child.returncode}"
            raise Failed(f"{self.name} after {seconds:.0f} s: {reason}")
        return seconds, usage.ru_utime + usage.ru_stime

    def ended(self):
        """CPU seconds if it has ended in good order, else None; does not wait."""
        pid, status, usage = os.wait4(self.child.pid, os.WNOHANG)
        if pid == 0:
            return None
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.finished.set()
        if self.child.returncode != 0:
            raise Failed(f"{self.name}: {self.last_words() or f'exit {self.child.returncode}'}")
        return usage.ru_utime + usage.ru_stime

    def kill(self):
        """At once, where nobody needs that it takes leave of its peers."""
        if self.child.returncode is None:
            self.child.kill()
            self.child.wait()

    def last_words(self):
        lines = pathlib.Path(self.log).read_text(errors="replace").strip().splitlines()
        return lines[-1][:160] if lines else ""


def say(text):
    print(text, file=sys.stderr, flush=True)
