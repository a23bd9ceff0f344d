"""The tools of the system tests, tested: what a broken tool reports is worth nothing."""

import os
import socket
import time
import unittest

import harness
import merkle
import raw_peer
import wire


class LinkFaults(harness.TestCase):
    """The relay does to datagrams what its options say, and nothing else."""

    def exchange(self, count, *options, size=1000, wait=0.3):
        """Sends `count` numbered datagrams through a relay to a socket that sends them back."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.closers += [server.close, client.close]
        for one in (server, client):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.bind(("127.0.0.1", 0))
        server.settimeout(wait)
        client.settimeout(wait)
        relay = self.relay("127.0.0.1:%d" % server.getsockname()[1], *options)
        host, port = relay.address.split(":")
        padding = bytes(size - 4)
        for number in range(count):
            client.sendto(number.to_bytes(4, "big") + padding, (host, int(port)))
        there = self.drain(server, echo=True)
        back = self.drain(client)
        self.assertEqual(relay.stop(), 0)
        self.statistics = harness.json.loads(relay.stdout().splitlines()[-1])
        return there, back

    @staticmethod
    def drain(receiver, echo=False):
        received = []
        try:
            while True:
                octets, sender = receiver.recvfrom(65536)
                received.append(octets)
                if echo:
                    receiver.sendto(octets, sender)
        except TimeoutError:
            return received

    def test_without_options_everything_arrives_in_order_both_ways(self):
        there, back = self.exchange(500)
        self.assertEqual([int.from_bytes(d[:4], "big") for d in there], list(range(500)))
        self.assertEqual(there, back)

    def test_the_largest_datagram_passes(self):
        there, back = self.exchange(3, size=65507)
        self.assertEqual([len(d) for d in back], [65507] * 3)

    def test_loss(self):
        there, back = self.exchange(1000, "--loss-up", 0.2)
        self.assertTrue(700 < len(there) < 900, len(there))
        self.assertEqual(len(back), len(there))
        self.assertEqual(self.statistics["up"]["lost"], 1000 - len(there))

    def test_the_same_seed_loses_the_same_datagrams(self):
        first = self.exchange(300, "--loss", 0.3, "--seed", 7)
        second = self.exchange(300, "--loss", 0.3, "--seed", 7)
        self.assertEqual(first, second)

    def test_duplication(self):
        there, _ = self.exchange(500, "--duplicate-up", 0.5)
        self.assertTrue(650 < len(there) < 850, len(there))

    def test_corruption_flips_bits_and_keeps_the_size(self):
        there, _ = self.exchange(300, "--corrupt-up", 1)
        self.assertEqual({len(d) for d in there}, {1000})
        clean = sum(d[4:] == bytes(996) for d in there)
        self.assertLess(clean, 30)

    def test_reordering(self):
        there, _ = self.exchange(300, "--reorder-up", 0.2, "--delay", 1)
        numbers = [int.from_bytes(d[:4], "big") for d in there]
        self.assertNotEqual(numbers, sorted(numbers))
        self.assertEqual(sorted(numbers), list(range(300)))

    def test_delay_and_jitter_keep_the_order(self):
        started = time.monotonic()
        there, back = self.exchange(50, "--delay", 50, "--jitter", 20)
        self.assertGreaterEqual(time.monotonic() - started, 0.1)
        self.assertEqual([int.from_bytes(d[:4], "big") for d in back], list(range(50)))

    def test_the_queue_of_a_slow_link_overflows(self):
        there, _ = self.exchange(200, "--rate-up", 1e6, "--queue-up", 50_000)
        self.assertTrue(45 <= len(there) < 150, len(there))
        self.assertEqual(self.statistics["up"]["overflowed"], 200 - len(there))

    def test_a_hundred_megabytes_pass_in_a_few_seconds(self):
        started = time.monotonic()
        received = 0
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.closers += [server.close, client.close]
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.bind(("127.0.0.1", 0))
        relay = self.relay("127.0.0.1:%d" % server.getsockname()[1])
        host, port = relay.address.split(":")
        client.connect((host, int(port)))
        block = bytes(60_000)
        for _ in range(100_000_000 // (20 * len(block))):
            for _ in range(20):
                client.send(block)
            server.settimeout(2)
            for _ in range(20):
                received += len(server.recv(65536))
        print(f"relay: {received / (time.monotonic() - started) / 1e6:.0f} MB/s")
        self.assertGreater(received, 99_000_000)


class Programs(harness.TestCase):
    """The harness ends what it starts and tells what became of it."""

    def test_exit_codes_output_and_cpu_time(self):
        process = self.start("sh", ["sh", "-c", "echo one; echo two >&2; exit 3"])
        self.assertEqual(process.first_line(), "one")
        self.assertEqual(process.wait(10), 3)
        self.assertEqual(process.stderr(), "two\n")
        self.assertGreaterEqual(process.cpu_seconds, 0)

    def test_a_program_that_prints_nothing_is_an_error_and_not_a_hang(self):
        with self.assertRaises(harness.Failed):
            self.start("true", ["true"]).first_line()
        with self.assertRaises(harness.Failed):
            self.start("sleep", ["sleep", "60"]).wait(0.1)

    def test_a_stopped_program_is_ended_as_well(self):
        process = self.start("sleep", ["sleep", "60"])
        process.send_signal(harness.signal.SIGSTOP)
        self.assertEqual(process.stop(), -harness.signal.SIGTERM)

    def test_the_udp_port_of_a_program_is_found(self):
        relay = self.relay("127.0.0.1:9")
        self.assertEqual(relay.address, "127.0.0.1:%d" % relay.port())

    def test_the_same_seed_gives_the_same_content(self):
        paths = [harness.write_content(self.path(str(i)), 20 << 20, 5) for i in range(2)]
        self.assert_identical(*paths)
        self.assertEqual(os.path.getsize(paths[0]), 20 << 20)


class Codec(unittest.TestCase):
    """The second implementation agrees with the RFC's examples."""

    def test_a_have_of_bin_1(self):
        form = wire.Format("bin32")
        self.assertEqual(wire.encode(wire.Have((0, 1)), form).hex(), "0300000001")

    def test_supported_messages_without_ack_and_pex(self):
        types = [t for t in range(14) if t not in (2, 5, 6, 12, 13)]
        self.assertEqual(wire.encode_supported(types).hex(), "02d9f0")

    def test_bins_of_figure_2(self):
        expected = {0: (0, 0), 1: (0, 1), 2: (1, 1), 3: (0, 3), 7: (0, 7), 11: (4, 7), 14: (7, 7)}
        for number, chunks in expected.items():
            self.assertEqual(wire.from_bin(number, 32), chunks)
            self.assertEqual(wire.to_bin(chunks), number)
        self.assertIsNone(wire.from_bin(0xFFFFFFFF, 32))

    def test_every_message_survives_a_round_trip_in_every_addressing(self):
        for addressing in wire.ADDRESSING:
            form = wire.Format(addressing)
            messages = [
                wire.Ack((4, 7), -5), wire.Have((8, 9)), wire.Integrity((0, 3), bytes(32)),
                wire.Request((2, 3)), wire.Cancel((2, 2)), wire.Choke(), wire.Unchoke(),
                wire.PexReq(), wire.PexRes(bytes(4), 7), wire.PexRes(bytes(16), 7),
                wire.PexCert(b"x" * 9), wire.Data((0, 0), 12345, b"y" * 1024),
                wire.Data((1, 1), 12345, b"short")]
            self.assertEqual(wire.decode(wire.datagram(77, messages, form), form), (77, messages))

    def test_a_handshake_survives_a_round_trip(self):
        message = wire.Handshake(9, 1, 1, b"i" * 32, 1, 2, 2, [0, 1, 2, 13], 1024)
        octets = wire.datagram(0, [message], wire.Format())
        _, [decoded] = wire.decode(octets, wire.Format())
        self.assertEqual(decoded.order, [0, 1, 2, 3, 4, 6, 8, 9])
        self.assertEqual(wire.encode_handshake(decoded), wire.encode_handshake(message))

    def test_roots_of_content_of_known_size(self):
        known = {1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                 1024: "2bce1ba628720664be4b9fdd77aae0678e5f0f3f02fc6ff641ec879094f6a404",
                 1025: "bdaf4f16f2106d5807886f560e865c02b811213b765c3398b19b149468124b46",
                 7162: "1140e810b61f13f887a6626b32b07d4cd44731481b8ac911dd1ba12f75bd9d2d",
                 8192: "6c02ba145da6acace1aaa78511766d9149ed69b8e72039acc9c8eccee99c21b5"}
        for size, root in known.items():
            content = bytes(i % 251 for i in range(size))
            self.assertEqual(merkle.Tree(content, 1024).root.hex(), root)

    def test_peaks_and_uncles_of_the_tree_with_seven_chunks(self):
        tree = merkle.Tree(bytes(7162), 1024)
        self.assertEqual([wire.to_bin(p) for p in tree.peaks()], [3, 9, 12])
        self.assertEqual([wire.to_bin(u) for u in tree.uncles(0)], [11, 5, 2])


class ScriptedPeers(harness.TestCase):
    """The scripted seeder serves the scripted leecher, which believes only what is proved."""

    def fetch(self, seeder_type, size, form=wire.Format()):
        content = self.random.randbytes(size)
        tree = merkle.Tree(content, form.chunk_size, form.hash)
        seeder = seeder_type(tree, form)
        seeder.start()
        peer = raw_peer.RawPeer(form, tree.root, seeder.address)
        self.closers += [seeder.stop, peer.close]
        peer.open()
        for peak in tree.peaks():
            peer.send(wire.Request(peak))
        verifier = raw_peer.Verifier(tree)
        for messages in peer.data(range(tree.count)):
            verifier.accept(messages)
        self.assertIsNone(seeder.failure)
        return content, b"".join(verifier.chunks[i] for i in sorted(verifier.chunks))

    def test_every_addressing_and_several_sizes(self):
        for addressing in wire.ADDRESSING:
            for size in (1, 1024, 1025, 7162, 8192):
                with self.subTest(addressing=addressing, size=size):
                    form = wire.Format(addressing, 1024, "sha1")
                    self.assertEqual(*self.fetch(raw_peer.FakeSeeder, size, form))

    def test_a_liar_is_not_believed(self):
        self.assertEqual(self.fetch(raw_peer.LyingSeeder, 7162)[1], b"")


if __name__ == "__main__":
    harness.main()
