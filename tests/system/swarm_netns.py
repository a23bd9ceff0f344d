"""A swarm of real programs over links as homes have them: each peer in a network namespace of its
own, its uplink a quarter of its downlink. All leechers begin at once, and know the seeder only; the
others they learn of from each other. How long it takes is compared with the fluid bound, which no
scheme can beat. Needs root.

PPSPP_LONG=1 takes a larger file. PPSPP_SWARM="leechers=24 mib=16 up=4 tracker=1" asks for something
else: Mbit/s up, and a tracker instead of the seeder's address.
"""

import os
import re
import time
import unittest

import harness
import lan

DOWN = 4  # times the rate up
DELAY_MS = 10  # each way, where the kernel can delay
QUEUE_MS = 250
BURST = 10_000  # octets; longer trains are cut


def asked(**standard):
    """`standard`, with what PPSPP_SWARM says."""
    given = dict(re.findall(r"(\w+)=(\d+)", os.environ.get("PPSPP_SWARM", "")))
    return {name: int(given.get(name, value)) for name, value in standard.items()}


class SwarmTest(lan.TestCase):
    def shape(self, host, up):
        """Its link: `up` bits per second from it, DOWN times as much to it."""
        def shaped(namespace, device, rate, delay_ms):
            limit = max(BURST, rate // 8 * QUEUE_MS // 1000)
            parent = "root"
            if delay_ms:
                done = lan.run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root",
                               "handle", "1:", "netem", "delay", f"{delay_ms}ms", "limit", "10000")
                if done.returncode == 0:
                    parent = "parent 1:1"
            done = lan.run("tc", "-n", namespace, "qdisc", "add", "dev", device, *parent.split(),
                           "handle", "2:", "tbf", "rate", str(rate), "burst", str(BURST), "limit",
                           str(limit))
            if done.returncode != 0:
                raise unittest.SkipTest(f"tc: {done.stderr.strip()}")
            return parent != "root"
        shaped(host.name, "lan0", up, 0)
        return shaped(self.bridge, f"port{host.number}", DOWN * up, 2 * DELAY_MS)

    def sent(self, host):
        """Octets that left it, with all headers."""
        counters = lan.run(*host.prefix, "cat", "/proc/net/dev").stdout
        return next(int(line.split(":")[1].split()[8]) for line in counters.splitlines()
                    if line.strip().startswith("lan0:"))

    def dropped(self):
        """Datagrams that the queues of all uplinks and of all downlinks had no room for."""
        counts = []
        for up in (True, False):
            texts = [lan.run("tc", "-s", "-n", host.name, "qdisc", "show", "dev", "lan0")
                     if up else
                     lan.run("tc", "-s", "-n", self.bridge, "qdisc", "show", "dev",
                             f"port{host.number}") for host in self.hosts]
            counts.append(sum(int(count) for text in texts
                              for count in re.findall(r"tbf .*?dropped (\d+)", text.stdout, re.S)))
        return counts

    def tracker_on(self, host):
        with open(self.path("tracker.toml"), "w"):
            pass
        process = self.start("tracker", [*host.prefix, harness.program("PPSPP_TRACKER"), "--config",
                                         self.path("tracker.toml"), "--listen", f"{host.v4}:7846"])
        harness.wait_until(lambda: "ready: " in process.stderr(), 20, "the tracker is ready",
                           unless=lambda: not process.running())
        return f"http://{host.v4}:7846/"

    def start_swarm(self, hosts, path, tracker):
        """The seeder, and the leechers as fast as they can be started."""
        common = ["--no-local-discovery"]
        if tracker:
            common += ["--tracker", self.tracker_on(self.host(v6=False))]
        seeder = self.seed_on(hosts[0], path, *common, listen=f"{hosts[0].v4}:6778")
        if not tracker:
            common += ["--peer", f"{hosts[0].v4}:6778"]
        began = time.monotonic()
        getters = [self.get_on(host, seeder.url, "--stay", *common, "-l", f"{host.v4}:0")
                   for host in hosts[1:]]
        print(f"{len(getters)} leechers started in {time.monotonic() - began:.1f} s")
        return seeder, getters

    def run_swarm(self, leechers, mib, up, tracker=0):
        rate = up * 1_000_000
        size = mib << 20
        hosts = [self.host(v6=False) for _ in range(leechers + 1)]
        delayed = [self.shape(host, rate) for host in hosts]
        path = self.content(size)
        before = {host.name: self.sent(host) for host in hosts}
        seeder, getters = self.start_swarm(hosts, path, tracker)
        # The seeder's uplink carries the file once, all uplinks together one for each leecher.
        bound = 8 * size / rate * max(1, leechers / (leechers + 1), 1 / DOWN)
        for getter in getters:
            harness.wait_until(lambda: self.is_whole(getter, size), 4 * bound + 30,
                               f"{getter.name} is complete", interval=0.05,
                               unless=lambda: not getter.running())
        sent = {host.name: self.sent(host) - before[host.name] for host in hosts}
        up_drops, down_drops = self.dropped()
        for getter in getters:
            self.assertEqual(getter.stop(), 0)
            self.assert_identical(path, getter.output)
        self.assertEqual(seeder.stop(), 0)
        print(f"{leechers} leechers, {mib} MiB, {up} Mbit/s up and {DOWN * up} down, "
              f"{2 * DELAY_MS if all(delayed) else 0} ms round trip without queues")
        print(f"datagrams dropped by queues: {up_drops} on uplinks, {down_drops} on downlinks")
        self.report(getters, list(sent.values()), size, bound, seeder)

    @staticmethod
    def is_whole(getter, size):
        try:
            return os.path.getsize(getter.output) == size and \
                not os.path.exists(getter.output + ".ppspp")
        except OSError:
            return False

    def report(self, getters, sent, size, bound, seeder):
        reports = [getter.json() for getter in getters]
        seconds = sorted(report["seconds"] for report in reports)
        uploads = [report["uploaded_bytes"] for report in reports]
        ratio = seconds[-1] / bound
        share = sent[0] / sum(sent)
        content = 1 - sum(uploads) / (size * len(getters))
        print(f"all complete after {seconds[-1]:.1f} s, the bound is {bound:.1f} s: {ratio:.2f} "
              f"times (first {seconds[0]:.1f}, median {seconds[len(seconds) // 2]:.1f})")
        print(f"the seeder sent {sent[0] / size:.2f} times the file, {100 * share:.1f} % of all "
              f"octets on the wire, at most {100 * content:.1f} % of the content")
        print(f"content sent by leechers, in files: "
              f"{' '.join(f'{upload / size:.2f}' for upload in sorted(uploads))}")
        print(f"octets on the wire for each of content: "
              f"{sum(sent) / (size * len(getters)):.3f}; twice: "
              f"{sum(r['chunks_duplicate'] for r in reports) * 1024 / (size * len(getters)):.4f}")
        cpu = [process.cpu_seconds for process in (seeder, *getters)]
        print(f"CPU: seeder {cpu[0]:.1f} s, leechers {min(cpu[1:]):.1f} to {max(cpu[1:]):.1f} s, "
              f"{sum(cpu):.0f} s in all; peers seen {min(r['peers'] for r in reports)} to "
              f"{max(r['peers'] for r in reports)}")
        self.assertGreaterEqual(ratio, 1, "the links are not limited, nothing was measured")
        self.assertLess(ratio, self.worst_ratio * harness.TIME_FACTOR)
        self.assertLess(share, self.worst_share)


class Small(SwarmTest):
    worst_ratio, worst_share = 3.0, 0.5

    def test_six_leechers_and_a_seeder(self):
        self.run_swarm(leechers=6, mib=2, up=2)


class Full(SwarmTest):
    worst_ratio, worst_share = 2.5, 0.25

    def test_twenty_four_leechers_and_a_seeder(self):
        mib = 32 if os.environ.get("PPSPP_LONG") == "1" else 12
        self.run_swarm(**asked(leechers=24, mib=mib, up=4, tracker=0))


if __name__ == "__main__":
    harness.main()
