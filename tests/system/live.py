"""What the tests of live swarms share: feeds at a steady rate, the programs around them, and the
comparison of what came out with what went in."""

import os
import signal
import subprocess
import threading
import time

import harness

PACKET = 188  # octets of an MPEG-TS packet
TICK_S = 0.01
_BLOCK = 1 << 16


def mbit(rate):
    """Octets per second of so many Mbit/s."""
    return rate * 1_000_000 / 8


class Feeder(threading.Thread):
    """Writes MPEG-TS packets of random content at a steady rate, and keeps what it wrote."""

    def __init__(self, random, rate, seconds, write):
        super().__init__(daemon=True)
        self.random = random
        self.rate = rate  # octets per second
        self.seconds = seconds
        self.write = write  # blocks as long as the reader does
        self.sent = bytearray()
        self.paused = threading.Event()
        self.stopping = threading.Event()
        self.finished = threading.Event()
        self.close = lambda: None

    def packets(self, count):
        return b"".join(b"\x47" + self.random.randbytes(2) + b"\x10" +  # with a payload
                        self.random.randbytes(PACKET - 4) for _ in range(count))

    def run(self):
        try:
            begun = time.monotonic()
            while not self.stopping.is_set():
                if self.paused.is_set():
                    time.sleep(TICK_S)
                    begun += TICK_S
                    continue
                elapsed = min(time.monotonic() - begun, self.seconds)
                due = int(elapsed * self.rate - len(self.sent)) // PACKET
                if due > 0:
                    block = self.packets(due)
                    self.sent += block
                    self.write(block)
                if elapsed >= self.seconds:
                    break
                time.sleep(TICK_S)
        except (BrokenPipeError, ConnectionRefusedError):
            pass
        finally:
            self.close()
            self.finished.set()

    def stop(self):
        """Ends the feed now."""
        self.stopping.set()
        self.join()


def write_all(descriptor):
    def write(block):
        view = memoryview(block)
        while view:
            view = view[os.write(descriptor, view):]
    return write


class Tee(threading.Thread):
    """A pipe in the middle that keeps what came through."""

    def __init__(self, source):
        super().__init__(daemon=True)
        self.source = source
        self.octets = bytearray()
        self.read_end, self.write_end = os.pipe()

    def run(self):
        write = write_all(self.write_end)
        try:
            while block := os.read(self.source.fileno(), _BLOCK):
                self.octets += block
                write(block)
        except BrokenPipeError:
            pass
        finally:
            os.close(self.write_end)
            self.source.close()


def common_length(a, b):
    """Octets that two buffers have in common from their beginning."""
    size = min(len(a), len(b))
    at = 0
    step = _BLOCK
    while at < size:
        step = min(step, size - at)
        if a[at:at + step] == b[at:at + step]:
            at += step
        elif step == 1:
            break
        else:
            step = (step + 1) // 2
    return at


def runs(sent, received, unit=1, key=96):
    """`received` as runs of `sent`, in order: [(offset in sent, length)]; Failed if it is not. Each
    run but the last one is a multiple of `unit` long."""
    sent, found, at, begin = bytes(sent), [], 0, 0
    left, right = memoryview(sent), memoryview(received)
    while at < len(received):
        offset = sent.find(bytes(received[at:at + key]), begin)
        if offset < 0:
            raise harness.Failed(f"octet {at} of {len(received)} received is none of what was sent"
                                 f" behind octet {begin}; runs so far: {found[-3:]}")
        length = common_length(left[offset:], right[at:])
        if at + length < len(received):
            length -= length % unit  # what follows the gap may begin alike
        found.append((offset, length))
        at += length
        begin = offset + length
    return found


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


class LiveCase(harness.TestCase):
    """Sources, viewers, and what the viewers got."""

    def live_seeder(self, source, *options, stdin=None, port=0, not_port=(), prefix=()):
        """A running `ppspp-seed --live`, with `url` and `address`."""
        process = self.start("seed", [harness.program("PPSPP_SEED"), "-l", f"127.0.0.1:{port}",
                                      "--live", *options, source], stdin=stdin, prefix=prefix)
        process.url = process.first_line(timeout=30)
        ports = harness.wait_until(lambda: set(process.udp_ports()) - set(not_port), 20,
                                   "ppspp-seed opens its port")
        process.address = f"127.0.0.1:{min(ports)}"
        self.closers.append(lambda: self.interrupt(process))
        return process

    @staticmethod
    def interrupt(process):
        """The first signal ends the feed and may wait for peers; the next one ends the program."""
        if process.running():
            process.send_signal(signal.SIGTERM)
            time.sleep(0.02)

    def piped_feed(self, rate, seconds, *options, start=True, **rest):
        """(ppspp-seed, Feeder): a feed of `rate` octets per second through standard input."""
        read_end, write_end = os.pipe()
        feeder = Feeder(self.random, rate, seconds, write_all(write_end))
        feeder.close = lambda: os.close(write_end)
        try:
            seeder = self.live_seeder("-", *options, stdin=read_end, **rest)
        finally:
            os.close(read_end)
        self.closers.append(feeder.stopping.set)
        if start:
            feeder.start()
        return seeder, feeder

    def viewer(self, url, *options, **rest):
        """A ppspp-get of a live swarm that writes a file."""
        return self.getter(url, *options, **rest)

    def piped_viewer(self, url, *options, **rest):
        """A ppspp-get into a pipe, whose `pipe` the test reads."""
        return self.getter(url, *options, output="-", stdout=subprocess.PIPE, **rest)

    @staticmethod
    def received(getter):
        return os.path.getsize(getter.output) if os.path.exists(getter.output) else 0

    def wait_tuned_in(self, *getters, timeout=20):
        for getter in getters:
            harness.wait_until(lambda g=getter: self.received(g), timeout,
                               f"{getter.name} has tuned in",
                               unless=lambda g=getter: not g.running())

    # Assertions.

    def assert_ended(self, getter, timeout=30):
        code = getter.wait(timeout)
        self.assertEqual(code, 0, f"{getter.name} failed: {getter.stderr()[-500:]}")
        report = getter.json()
        self.assertIn("live", report)
        return report["live"]

    def assert_runs(self, sent, getter, octets=None, ts=True):
        """What came out is made of runs of what was sent, each beginning with a packet."""
        octets = read_file(getter.output) if octets is None else octets
        self.assertGreater(len(octets), 0, f"{getter.name} got nothing")
        found = runs(sent, octets, PACKET if ts else 1)
        if ts:
            self.assertEqual([o % PACKET for o, _ in found], [0] * len(found))
        return found

    def assert_one_run(self, sent, getter, octets=None, to_the_end=True, ts=True):
        """What came out is one run of what was sent, up to the end of the feed; its offset."""
        found = self.assert_runs(sent, getter, octets, ts)
        self.assertEqual(len(found), 1, f"{getter.name} has gaps: {found}")
        offset, length = found[0]
        if to_the_end:
            self.assertEqual(offset + length, len(sent), "the end of the feed is missing")
        return offset

    def share_since(self, sent, getter, begin):
        """How much of the feed from octet `begin` on is in what came out."""
        got = sum(max(0, offset + length - max(offset, begin))
                  for offset, length in self.assert_runs(sent, getter))
        return got / (len(sent) - begin)
