"""The tools of the live tests, tested against each other and the openssl command line."""

import os
import time
import types
import unittest

import dnskey
import harness
import live
import live_attack
import live_peer
import live_wire
import wire


class Codec(unittest.TestCase):
    def test_a_signed_integrity_as_in_8_9(self):
        form = wire.Format(signature_size=4)
        message = wire.SignedIntegrity((4, 7), 0x0102030405060708, b"SIGN")
        self.assertEqual(wire.encode(message, form).hex(),
                         "07" "00000004" "00000007" "0102030405060708" "5349474e")

    def test_it_survives_a_round_trip_in_every_addressing(self):
        for addressing in wire.ADDRESSING:
            form = wire.Format(addressing, signature_size=64)
            messages = [wire.Integrity((4, 7), bytes(32)),
                        wire.SignedIntegrity((4, 7), 2**63 + 1, bytes(range(64))),
                        wire.Data((5, 5), 12345, b"y" * 1024)]
            self.assertEqual(wire.decode(wire.datagram(7, messages, form), form), (7, messages))

    def test_a_live_handshake_has_the_window_behind_the_addressing(self):
        for addressing, size in (("bin32", 4), ("chunk32", 4), ("byte64", 8), ("chunk64", 8)):
            form = wire.Format(addressing, signature_size=64)
            message = live_peer.live_handshake(form, bytes([13]) + bytes(64), 9, window=4096)
            octets = wire.datagram(0, [message], form)
            self.assertIn(bytes([7]) + (4096).to_bytes(size, "big"), octets)
            _, [decoded] = wire.decode(octets, form)
            self.assertEqual(decoded.order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
            self.assertEqual((decoded.signature, decoded.window), (13, 4096))

    def test_ntp_timestamps(self):
        self.assertEqual(wire.ntp(0), 2208988800 << 32)
        self.assertEqual(wire.ntp(1_500_000_000), 2208988801 << 32 | 1 << 31)
        now = time.time_ns()
        self.assertLess(abs(wire.ntp_to_unix_ns(wire.ntp(now)) - now), 2)


class Runs(unittest.TestCase):
    sent = os.urandom(400_000)

    def test_one_run(self):
        self.assertEqual(live.runs(self.sent, self.sent[1000:200_000]), [(1000, 199_000)])

    def test_gaps(self):
        received = self.sent[1000:70_000] + self.sent[90_000:90_500] + self.sent[91_000:]
        found = live.runs(self.sent, received)
        self.assertEqual(sum(n for _, n in found), len(received))
        self.assertEqual([o // 100 for o, _ in found], [10, 900, 910])

    def test_packets_of_which_every_other_is_missing(self):
        sent = b"".join(b"\x47" + os.urandom(187) for _ in range(20))
        received = b"".join(sent[i:i + 188] for i in range(0, len(sent), 376))
        self.assertEqual(live.runs(sent, received, 188), [(i, 188) for i in range(0, 3760, 376)])

    def test_what_is_altered_repeated_or_out_of_order_is_noticed(self):
        altered = bytearray(self.sent[:100_000])
        altered[77_777] ^= 1
        for wrong in (altered, self.sent[:5000] + self.sent[:5000],
                      self.sent[5000:9000] + self.sent[:5000], os.urandom(500)):
            with self.assertRaises(harness.Failed):
                live.runs(self.sent, wrong)


@unittest.skipUnless(dnskey.available(), "openssl is not installed")
class Peers(live_wire.WireCase):
    """The scripted source and the scripted leecher understand each other."""

    def exchange(self, source, key, form, method="unified-merkle"):
        self.fake(source)
        seeder = types.SimpleNamespace(url=f"ppspp:{key.swarm_id.hex()}?live=1",
                                       address=source.address)
        leecher = live_wire.Leecher(self, seeder, form, method)
        leecher.tune_in()
        leecher.follow(10)
        return leecher

    def test_signatures_of_each_algorithm(self):
        for name, number in dnskey.ALGORITHMS.items():
            key = self.make_key(name)
            self.assertEqual(key.swarm_id[0], number)
            public = dnskey.PublicKey(key.swarm_id)
            for _ in range(4):
                message = self.random.randbytes(50)
                signature = key.sign(message)
                self.assertEqual(len(signature), key.signature_size)
                self.assertTrue(public.verify(message, signature))
                self.assertFalse(public.verify(message + b"x", signature))
                self.assertFalse(public.verify(message, bytes([signature[0] ^ 1]) + signature[1:]))

    def test_a_feed_to_its_end(self):
        key = self.make_key()
        for addressing, size in (("chunk32", 9 * 1024 + 5), ("bin32", 8192), ("byte64", 100)):
            form = live_peer.live_form(key, addressing=addressing)
            content = self.packets(size // live.PACKET + 1)[:size]
            source = live_peer.FakeSource(key, form, content, 4, 0.02)
            leecher = self.exchange(source, key, form)
            self.assertEqual(leecher.receiver.content(), content)

    def test_a_feed_with_every_chunk_signed(self):
        key = self.make_key("ed25519")
        form = live_peer.live_form(key)
        content = self.packets(40)
        source = live_peer.SignAllSource(key, form, content, 0.01)
        leecher = self.exchange(source, key, form, "sign-all")
        self.assertEqual(leecher.receiver.content(), content)

    def test_the_leecher_notices_what_is_wrong(self):
        key, other = self.make_key(), self.make_key()
        form = live_peer.live_form(key)

        class WrongChunk(live_peer.FakeSource):
            def payload(self, chunk):
                return bytes(len(self.live.chunks[chunk]))

        class WrongKey(live_peer.FakeSource):
            def publish(self):
                self.key = other
                super().publish()

        class NoMunro(live_peer.FakeSource):
            def proof(self, sender, chunk):
                return super().proof(sender, chunk)[2:]

            def announce(self, sender, number):
                self.send(sender, wire.Have((0, 3)))

        for kind, words in ((WrongChunk, "does not match"), (WrongKey, "signature"),
                            (NoMunro, "without a munro")):
            with self.subTest(kind.__name__), self.assertRaisesRegex(AssertionError, words):
                self.exchange(kind(key, form, self.packets(100), 4, 0.02), key, form)

    def test_every_lie_is_one(self):
        """The attackers of live_attack.py, at a leecher that verifies everything."""
        key, other = self.make_key(), self.make_key()
        form = live_peer.live_form(key)
        lies = {live_attack.AlteredChunks: "does not match", live_attack.WrongKey: "signature",
                live_attack.AlteredMunros: "signature", live_attack.NeverMade: "signature",
                live_attack.ReplayedElsewhere: "signature", live_attack.FalseEnd: "munro"}
        for kind, words in lies.items():
            with self.subTest(kind.__name__):
                source = self.fake(live_peer.FakeSource(key, form, self.packets(400), 4, 0.03))
                own_key = [other] if issubclass(kind, live_attack.WrongKey) else []
                liar = kind(key, form, source.address, *own_key)
                with self.assertRaisesRegex(AssertionError, words):
                    self.exchange(liar, key, form)
                self.assertGreater(liar.lies, 0)


if __name__ == "__main__":
    harness.main()
