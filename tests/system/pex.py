"""Peer exchange (RFC 7574, 3.10) between the real programs, without a tracker: A has the content, B
knows A, C knows B only. Since B gives next to nothing, C is soon complete only if it learns of A."""

import os
import socket

import harness
import lan
import live_peer
import merkle
import raw_peer
import wire
from dnskey import PrivateKey

SLOW = ("--upload-limit", "4k")
PATIENCE = 4  # seconds, in which B alone gives a fraction


class Told(harness.TestCase):
    def start_on(self, kind, host, *options, pex=True):
        """A tool that looks for nobody on the network, and exchanges peers unless told not to."""
        off = [] if pex else ["--no-pex"]
        return self.start(kind, [harness.program(f"PPSPP_{kind.upper()}"), "-l",
                                 harness.host_port(host, 0), "--no-local-discovery", *off,
                                 *map(str, options)], local=True)

    def getter_on(self, host, url, *options, **more):
        output = self.path(f"output-{len(self.processes)}")
        process = self.start_on("get", host, "-o", output, "--json", *options, url, **more)
        process.output = output
        process.address = harness.host_port(host, process.port())
        return process

    def chain(self, host="127.0.0.1", middle_pex=True):
        """A and B, which is complete: the swarm's URL and B's address."""
        self.source = self.content(1 << 20)
        seeder = self.start_on("seed", host, self.source)
        url = seeder.first_line(60)
        middle = self.getter_on(host, url, "--stay", *SLOW, "--peer",
                                harness.host_port(host, seeder.port()), pex=middle_pex)
        harness.wait_until(lambda: os.path.exists(middle.output) and
                           not os.path.exists(middle.output + ".ppspp"), 60, "B has it all")
        return url, middle.address

    def check_told(self, host):
        url, middle = self.chain(host)
        last = self.getter_on(host, url, "--peer", middle)
        self.assert_complete(last, self.source, 60)
        self.assertGreaterEqual(last.json()["peers"], 2)

    def test_over_ipv4(self):
        self.check_told("127.0.0.1")

    def test_over_ipv6(self):
        self.check_told("::1")

    def check_not_told(self, url, middle, **options):
        last = self.getter_on("127.0.0.1", url, "--peer", middle, "--timeout", PATIENCE, **options)
        self.assertEqual(last.wait(30), 3)
        self.assertEqual(last.json()["peers"], 1)

    def test_who_does_not_want_it_is_not_told(self):
        url, middle = self.chain()
        self.check_not_told(url, middle, pex=False)

    def test_who_does_not_want_it_does_not_tell(self):
        url, middle = self.chain(middle_pex=False)
        self.check_not_told(url, middle)


class Source(harness.TestCase):
    def test_the_source_of_a_feed_does_not_rely_on_it(self):
        """12.2.3 #187: whoever speaks to the source can lead it nowhere."""
        witness = raw_peer.udp_socket()
        self.closers.append(witness.close)
        witness.setblocking(False)
        key = PrivateKey("ecdsap256sha256", self.path("key.pem"))
        seeder = self.start("seed", [harness.program("PPSPP_SEED"), "-l", "127.0.0.1:0", "--live",
                                     "--key", key.path, "--pace", "50k", "--no-local-discovery",
                                     "file:" + self.content(1 << 20)], local=True)
        seeder.first_line(60)
        form = live_peer.live_form(key)
        peer = live_peer.LiveRawPeer(form, key.swarm_id, f"127.0.0.1:{seeder.port()}")
        self.closers.append(peer.close)
        messages = list(peer.open())
        told = wire.PexRes(socket.inet_aton("127.0.0.1"), witness.getsockname()[1])
        for _ in range(40):
            peer.send(told)
            messages += peer.receive(0.1) or []
        self.assertTrue(any(isinstance(m, wire.Have) for m in messages), "it speaks to us")
        self.assertFalse(any(isinstance(m, wire.PexReq) for m in messages), "it asked for peers")
        with self.assertRaises(BlockingIOError):
            witness.recv(2048)
        seeder.kill()  # it would wait for us to have all of it


class Addresses(lan.TestCase):
    """A peer between two networks, its configuration set to tell bare addresses to anybody."""

    def setUp(self):
        super().setUp()
        self.middle, self.inside, self.outside, self.asking = (self.host(v6=False)
                                                              for _ in range(4))
        for host in (self.middle, self.outside, self.asking):
            host.public = f"11.79.0.{host.number}"
            host.command(f"ip addr add {host.public}/24 dev lan0")

    def ask(self, peer):
        """The addresses that it tells."""
        messages = list(peer.open(wire.PexReq()))
        for _ in range(10):
            peer.send(wire.PexReq())
            messages += peer.receive(0.2) or []
        return {(socket.inet_ntoa(m.host), m.port) for m in messages if isinstance(m, wire.PexRes)}

    def raw_peer_on(self, host, address, target, root):
        peer = host.inside(lambda: raw_peer.RawPeer(wire.Format(), root, target, host=address))
        self.closers.append(peer.close)
        return peer

    def test_private_addresses_are_not_told_to_public_peers(self):
        """3.10.1 #174 to #178, 8.13 #180"""
        path = self.content(256 << 10)
        with open(path, "rb") as file:
            root = merkle.Tree(file.read(), 1024).root
        server = self.daemon(prefix=self.middle.prefix, node={"listen": '["0.0.0.0:6778"]'},
                             discovery={"local": "false", "pex_on_internet": "true"})
        url = self.seeded(server, path)["url"]
        # One of each network, both here and heard.
        members = {}
        for host, address, target in ((self.inside, self.inside.v4, self.middle.v4),
                                      (self.outside, self.outside.public, self.middle.public)):
            getter = self.get_on(host, url, "--stay", "--no-local-discovery", "-l", f"{address}:6778",
                                 "--peer", f"{target}:6778")
            harness.wait_until(lambda: os.path.exists(getter.output) and
                               not os.path.exists(getter.output + ".ppspp"), 60, "it is complete")
            members[host] = (address, 6778)
        public = self.ask(self.raw_peer_on(self.asking, self.asking.public,
                                           f"{self.middle.public}:6778", root))
        self.assertEqual(public, {members[self.outside]})
        private = self.ask(self.raw_peer_on(self.asking, self.asking.v4,
                                            f"{self.middle.v4}:6778", root))
        self.assertIn(members[self.inside], private)


if __name__ == "__main__":
    harness.main()
