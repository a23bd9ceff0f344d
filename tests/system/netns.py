"""LEDBAT through a bottleneck: alone it fills the link and keeps the queue short; beside TCP it
steps back. Needs root, for network namespaces of its own and a rate limit inside them."""

import ctypes
import os
import socket
import struct
import subprocess
import threading
import time
import unittest

import harness

RATE = 20_000_000  # bits per second
QUEUE_MS = 300
TARGET_MS = 60  # what the programs aim at; RFC 6817, section 2.5, permits 100
_libc = ctypes.CDLL(None, use_errno=True)


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def socket_in(namespace, kind):
    """A socket of a network namespace: a thread of its own goes there and comes to an end."""
    result = []

    def make():
        with open(f"/run/netns/{namespace}", "rb") as file:
            if _libc.setns(file.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
                raise OSError(ctypes.get_errno(), "setns")
        result.append(socket.socket(socket.AF_INET, kind))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not result:
        raise harness.Failed("no socket in the namespace")
    return result[0]


class Probe(threading.Thread):
    """Small datagrams through the bottleneck; both ends read one clock, so one-way is exact."""

    def __init__(self, sender, receiver, address):
        super().__init__(daemon=True)
        self.sender, self.receiver, self.address = sender, receiver, address
        self.samples = []  # (time, delay in ms)
        self.stopping = False
        threading.Thread(target=self.send, daemon=True).start()

    def send(self):
        while not self.stopping:
            try:
                self.sender.sendto(struct.pack(">d", time.monotonic()), self.address)
            except OSError:
                return  # closed: the test is over
            time.sleep(0.02)

    def run(self):
        self.receiver.settimeout(0.5)
        while not self.stopping:
            try:
                sent, = struct.unpack(">d", self.receiver.recv(8))
                now = time.monotonic()
                self.samples.append((now, (now - sent) * 1000))
            except TimeoutError:
                pass

    def between(self, begin, end):
        return sorted(delay for at, delay in list(self.samples) if begin <= at <= end)


class Bottleneck(harness.TestCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may make network namespaces")
        self.near, self.router, self.far = (f"ppspp-{os.getpid()}-{name}"
                                            for name in ("near", "router", "far"))
        for name in (self.near, self.router, self.far):
            if run("ip", "netns", "add", name).returncode != 0:
                raise unittest.SkipTest("cannot make network namespaces here")
            # First in the list, so that it comes last: the programs inside end before.
            self.addCleanup(run, "ip", "netns", "del", name)
        self.connect()
        self.addCleanup(self._end_all)

    def connect(self):
        """near - router - far. The bottleneck is the router's: in its own queue a sender's TCP is
        held to two buffers by its kernel (TCP small queues), and would lose to anybody."""
        limit = RATE // 8 * QUEUE_MS // 1000
        commands = [
            f"ip -n {self.near} link add link0 type veth peer name near0 netns {self.router}",
            f"ip -n {self.far} link add link0 type veth peer name far0 netns {self.router}",
            f"ip -n {self.near} addr add 10.77.1.1/24 dev link0",
            f"ip -n {self.router} addr add 10.77.1.2/24 dev near0",
            f"ip -n {self.router} addr add 10.77.2.2/24 dev far0",
            f"ip -n {self.far} addr add 10.77.2.1/24 dev link0",
            f"ip -n {self.near} link set link0 up", f"ip -n {self.far} link set link0 up",
            f"ip -n {self.router} link set near0 up", f"ip -n {self.router} link set far0 up",
            f"ip -n {self.near} route add default via 10.77.1.2",
            f"ip -n {self.far} route add default via 10.77.2.2",
            f"ip netns exec {self.router} sysctl -qw net.ipv4.ip_forward=1",
            f"ip netns exec {self.router} tc qdisc add dev far0 root tbf rate {RATE} burst 10000 "
            f"limit {limit}"]
        for command in commands:
            done = run(*command.split())
            if done.returncode != 0:
                raise unittest.SkipTest(f"{command}: {done.stderr.strip()}")

    def link_bytes(self):
        """Octets that came out of the bottleneck, with all headers."""
        counters = run("ip", "netns", "exec", self.far, "cat", "/proc/net/dev").stdout
        return next(int(line.split(":")[1].split()[0]) for line in counters.splitlines()
                    if line.strip().startswith("link0:"))

    def use(self, seconds):
        """The share of the link that was used from now on."""
        begin, before = time.monotonic(), self.link_bytes()
        time.sleep(seconds)
        return (self.link_bytes() - before) * 8 / (time.monotonic() - begin) / RATE

    def start_transfer(self, size):
        path = self.content(size)
        near, far = (["ip", "netns", "exec", name] for name in (self.near, self.far))
        seeder = self.start("seed", [*near, harness.program("PPSPP_SEED"), "-l", "10.77.1.1:6778",
                                     path])
        url = seeder.first_line(60)
        return self.start("get", [*far, harness.program("PPSPP_GET"), "--peer", "10.77.1.1:6778",
                                  "-o", self.path("output"), "--json", url])

    def start_probe(self):
        receiver = socket_in(self.far, socket.SOCK_DGRAM)
        receiver.bind(("10.77.2.1", 7007))
        sender = socket_in(self.near, socket.SOCK_DGRAM)
        probe = Probe(sender, receiver, ("10.77.2.1", 7007))
        probe.start()

        def stop():
            probe.stopping = True
            probe.join()
            sender.close()
            receiver.close()
        self.closers.append(stop)
        return probe

    def tcp_flow(self, seconds):
        """One CUBIC flow for some time; the octets received in each fifth of a second."""
        listener = socket_in(self.far, socket.SOCK_STREAM)
        listener.bind(("10.77.2.1", 7008))
        listener.listen()
        sender = socket_in(self.near, socket.SOCK_STREAM)
        try:
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        except OSError:
            print("no CUBIC here, the system's default TCP instead")
        sender.connect(("10.77.2.1", 7008))
        receiver, _ = listener.accept()
        received = []
        deadline = time.monotonic() + seconds

        def push():
            block = bytes(65536)
            sender.settimeout(1)
            while time.monotonic() < deadline:
                try:
                    sender.send(block)
                except TimeoutError:
                    pass
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sender.close()  # with a reset: what waits in its buffer is not sent any more

        pusher = threading.Thread(target=push, daemon=True)
        pusher.start()
        receiver.settimeout(5)
        try:
            while block := receiver.recv(1 << 20):
                received.append((time.monotonic(), len(block)))
        except (ConnectionResetError, TimeoutError):
            pass
        pusher.join()
        receiver.close()
        listener.close()
        return received

    def test_alone_and_beside_tcp(self):
        probe = self.start_probe()
        getter = self.start_transfer(230 << 20)
        time.sleep(6)
        self.assertTrue(getter.running())
        self.check_alone(probe)
        self.check_beside_tcp(probe)
        self.check_recovery()
        self.assertTrue(getter.running())

    def check_alone(self, probe):
        begin = time.monotonic()
        used = self.use(30)
        delays = probe.between(begin, time.monotonic())
        mean = sum(delays) / len(delays)
        print(f"alone: {100 * used:.1f} % of the link, queueing delay mean {mean:.0f} ms, "
              f"median {delays[len(delays) // 2]:.0f}, 95 % {delays[len(delays) * 95 // 100]:.0f}")
        self.assertGreaterEqual(used, 0.90)
        self.assertLessEqual(mean, TARGET_MS * 1.1)

    def check_beside_tcp(self, probe):
        begin, before = time.monotonic(), self.link_bytes()
        received = self.tcp_flow(25)
        total = self.link_bytes() - before
        tcp = sum(size for _, size in received)
        later = sum(size for at, size in received if at >= begin + 5)
        share = later * 8 / 20 / RATE
        delays = probe.between(begin + 5, begin + 25)
        print(f"beside CUBIC: TCP has {100 * share:.1f} % of the link after its first 5 s "
              f"({100 * tcp / total:.1f} % of all octets from the start), queueing delay mean "
              f"{sum(delays) / len(delays):.0f} ms")
        self.assertGreaterEqual(share, 0.85)

    def check_recovery(self):
        uses = [self.use(1) for _ in range(10)]
        print("after TCP, second by second:", " ".join(f"{100 * u:.0f}%" for u in uses))
        self.assertGreaterEqual(max(uses[:5]), 0.75, "picks up within 5 s")
        self.assertGreaterEqual(sum(uses[5:]) / 5, 0.75)


if __name__ == "__main__":
    harness.main()
