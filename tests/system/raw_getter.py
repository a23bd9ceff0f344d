"""What RFC 7574 promises on the wire, asked of ppspp-get by a scripted seeder.

Numbers like #25 are rows of the conformance checklist: section and number name a requirement.
"""

import os
import random
import signal
import time

import harness
import merkle
import raw_peer
import wire


class DraftEraSeeder(raw_peer.FakeSeeder):
    def on_first(self, messages, sender, octets):
        if messages[0].chunk_size is None:
            super().on_first(messages, sender, octets)

    def reply_handshake(self, sender):
        return raw_peer.handshake(self.form, None, self.channels[sender][0], minimum_version=None,
                                  supported=None, chunk_size=None)


class GetterCase(harness.TestCase):
    """A live ppspp-get whose only peer is a scripted seeder."""

    size = 7162
    form = wire.Format()

    def serve(self, kind=raw_peer.FakeSeeder, size=None, form=None):
        self.form = form or self.form
        self.source = self.content(size or self.size)
        with open(self.source, "rb") as file:
            self.tree = merkle.Tree(file.read(), self.form.chunk_size, self.form.hash)
        self.fake = kind(self.tree, self.form)
        self.fake.start()
        self.closers.append(self.end_fake)
        return self.fake

    def end_fake(self):
        self.fake.stop()
        self.assertIsNone(self.fake.failure, "what the getter sent does not decode")

    def url(self, length=True):
        url = (f"ppspp:{self.tree.root.hex()}?cs={self.form.chunk_size}"
               f"&cam={self.form.addressing}&mhf={self.form.hash}")
        return url + (f"&len={len(self.tree.content)}" if length else "")

    def get(self, *options, length=True):
        return self.getter(self.url(length), *options, peers=[self.fake.address])


class GetterHandshake(GetterCase):
    def test_the_first_datagram(self):
        """3.1.1 #11 to #16, #18, 7 #205 to #210, #213, #214, #202, #224, 8.4 #45, #47."""
        self.serve()
        self.assert_complete(self.get(), self.source)
        octets = self.fake.first_datagrams()[0]
        self.assertEqual(octets[:4], bytes(4))
        _, messages = wire.decode(octets, self.form)
        first = messages[0]
        self.assertIsInstance(first, wire.Handshake)
        self.assertNotEqual(first.source, 0)
        self.assertEqual(first.order, sorted(set(first.order)))
        self.assertEqual(first.order[0], 0)
        self.assertEqual((first.version, first.minimum_version), (1, 1))
        self.assertEqual(first.swarm_id, self.tree.root)
        self.assertEqual((first.integrity, first.hash, first.addressing, first.chunk_size),
                         (1, 2, 2, 1024))
        heavy = (wire.Data, wire.Integrity)
        self.assertFalse([m for m in messages if isinstance(m, heavy)])
        self.assertLess(len(octets), 200)

    def test_channel_ids_differ_between_runs(self):
        """12.1 #52, #188."""
        self.serve()
        sources = set()
        for _ in range(5):
            self.assert_complete(self.get(), self.source)
        for octets in self.fake.first_datagrams():
            sources.add(octets[5:9])
        self.assertGreaterEqual(len(sources), 5)
        self.assertNotIn(bytes(4), sources)

    def test_the_first_datagram_is_repeated_with_the_same_channel(self):
        """3.1.1 #34."""
        class DeafAtFirst(raw_peer.FakeSeeder):
            def on_first(self, messages, sender, octets):
                if len(self.first_datagrams()) >= 3:
                    super().on_first(messages, sender, octets)
        self.serve(DeafAtFirst)
        self.assert_complete(self.get(), self.source)
        self.assertEqual(len({octets[5:9] for octets in self.fake.first_datagrams()[:3]}), 1)

    def test_a_reply_for_another_channel_is_discarded_and_the_right_one_taken(self):
        """3.1.1 #28, #29."""
        class WrongFirst(raw_peer.FakeSeeder):
            def reply(self, sender):
                ours, theirs = self.channels[sender]
                wrong = [self.reply_handshake(sender), *self.haves()]
                self.socket.sendto(wire.datagram(theirs ^ 1, wrong, self.form), sender)
                super().reply(sender)
        self.serve(WrongFirst)
        self.assert_complete(self.get(), self.source)

    def test_a_reply_with_another_swarm_s_metadata_is_not_used(self):
        """3.1.1 #30, 7.4 #211, #212."""
        class OtherSwarm(raw_peer.FakeSeeder):
            def reply_handshake(self, sender):
                return raw_peer.handshake(self.form, bytes(32), self.channels[sender][0])
        self.serve(OtherSwarm)
        getter = self.get("--timeout", "2")
        self.assertEqual(getter.wait(20), 3)
        self.assertEqual(self.fake.messages(wire.Request), [])

    def test_later_datagrams_carry_the_seeder_s_channel(self):
        """3.1.1 #35."""
        self.serve()
        self.assert_complete(self.get(), self.source)
        sender, (ours, _) = next(iter(self.fake.channels.items()))
        later = [channel for _, s, _, channel, _ in self.fake.received[1:] if s == sender]
        self.assertLessEqual(set(later), {ours, 0})
        self.assertIn(ours, later)

    def test_a_getter_that_is_done_closes_the_channel(self):
        """2.3 #44, 3.1.1 #33, #41, 8.4 #49, #50."""
        self.serve()
        self.assert_complete(self.get(), self.source)
        time.sleep(0.1)
        closing = [m for *_, channel, messages in self.fake.received if channel != 0
                   for m in messages if isinstance(m, wire.Handshake)]
        self.assertEqual([m.source for m in closing], [0])
        self.assertIn(closing[0].order, ([], [0]))

    def test_a_getter_that_is_interrupted_closes_the_channel_and_says_how_to_resume(self):
        class Stingy(raw_peer.FakeSeeder):
            def serve_some(self):
                self.requests = [r for r in self.requests if r[1] < 2]
                super().serve_some()
        self.serve(Stingy)
        getter = self.get()
        harness.wait_until(lambda: self.fake.served >= 2, 10, "two chunks served")
        getter.send_signal(signal.SIGINT)
        self.assertEqual(getter.wait(10), 1)
        message = [l for l in getter.stderr().splitlines() if l.startswith("ppspp-get")]
        self.assertTrue(message, "one line on standard error")
        time.sleep(0.1)
        self.assertTrue([m for m in self.fake.messages(wire.Handshake) if m.source == 0])


class GetterFetches(GetterCase):
    def test_requests_name_what_the_peer_has_and_nothing_beyond_the_end(self):
        """3.7 #150, 8.10 #167, decision 19."""
        self.serve()
        self.assert_complete(self.get(), self.source)
        asked = {c for m in self.fake.messages(wire.Request)
                 for c in range(m.chunks[0], m.chunks[1] + 1)}
        self.assertEqual(asked, set(range(7)))

    def test_every_chunk_is_acknowledged_with_the_delay(self):
        """3.4 #77, #79, #80, 4.3.2 #83, 8.7 #84: the receiver's clock minus the timestamp."""
        class OldClock(raw_peer.FakeSeeder):
            def timestamp(self):
                return wire.now_us() - 100_000_000
        self.serve(OldClock)
        self.assert_complete(self.get(), self.source)
        time.sleep(0.1)
        acks = self.fake.messages(wire.Ack)
        covered = {c for m in acks for c in range(m.chunks[0], m.chunks[1] + 1)}
        self.assertLessEqual(set(range(7)), covered)
        for m in acks:
            self.assertTrue(99_000_000 < m.delay < 130_000_000, m.delay)

    def test_a_clock_ahead_of_ours_gives_negative_delays_and_no_harm(self):
        """8.7, ambiguity 14."""
        class Ahead(raw_peer.FakeSeeder):
            def timestamp(self):
                return wire.now_us() + 3_600_000_000
        self.serve(Ahead)
        self.assert_complete(self.get(), self.source)
        self.assertTrue(all(m.delay < -3_000_000_000 for m in self.fake.messages(wire.Ack)))

    def test_size_detection_needs_no_length_in_the_url(self):
        """5.6.2 #114, #117, #118."""
        for size in (1, 1024, 1025, 7162, 8192):
            with self.subTest(size=size):
                self.serve(size=size)
                self.assert_complete(self.get(length=False), self.source)
                self.fake.stop()

    def test_a_single_chunk_needs_no_integrity_message(self):
        """8.16: the worked example sends DATA alone, since the swarm ID is the chunk's hash."""
        class Example(raw_peer.FakeSeeder):
            def proof(self, sender, chunk):
                return []
        for size, length in ((12, True), (1024, True), (12, False), (1024, False)):
            with self.subTest(size=size, length_in_url=length):
                self.serve(Example, size=size)
                self.assert_complete(self.get("--timeout", 10, length=length), self.source)
                self.fake.stop()

    def test_a_false_length_in_the_url_is_found_out(self):
        """decision 17."""
        self.serve()
        url = self.url(length=False) + "&len=5000"
        getter = self.getter(url, "--timeout", "3", peers=[self.fake.address])
        self.assertNotEqual(getter.wait(20), 0)

    def test_a_one_chunk_forgery_of_two_hashes_is_refused(self):
        """5.6.1, ambiguity 21: the two halves of the root do not pass for the file."""
        class Forger(raw_peer.FakeSeeder):
            def haves(self):
                return [wire.Have((0, 0))]
            def proof(self, sender, chunk):
                return [wire.Integrity((0, 0), self.tree.root)]
            def payload(self, chunk):
                first, last = self.tree.root_node
                middle = (first + last) // 2
                return self.tree.nodes[(first, middle)] + self.tree.nodes[(middle + 1, last)]
        self.serve(Forger)
        getter = self.get("--timeout", "3", length=False)
        self.assertEqual(getter.wait(20), 3)
        self.assertFalse(os.path.exists(getter.output) and os.path.getsize(getter.output) == 64)

    def test_wrong_data_is_neither_acknowledged_nor_announced_nor_written(self):
        """3.4 #79, 3.2 #58, 5.2 #92."""
        self.serve(raw_peer.LyingSeeder)
        getter = self.get("--timeout", "3")
        self.assertEqual(getter.wait(20), 3)
        self.assertGreater(self.fake.served, 0)
        self.assertEqual(self.fake.messages(wire.Ack), [])
        self.assertEqual(self.fake.messages(wire.Have), [])
        self.assertGreater(getter.json()["chunks_rejected"], 0)

    def test_a_liar_is_not_asked_for_ever(self):
        """12.6.5 #112, 3 #4."""
        self.serve(raw_peer.LyingSeeder, size=4 << 20)
        getter = self.get("--timeout", "5")
        self.assertEqual(getter.wait(30), 3)
        self.assertLess(self.fake.served, 1000)

    def test_while_choked_nothing_is_requested_and_a_have_does_not_unchoke(self):
        """3.9 #158, #160, #161, 8.12 #169."""
        class Choker(raw_peer.FakeSeeder):
            def reply(self, sender):
                super().reply(sender)
                self.send(sender, wire.Choke())
                self.choked = True
                self.choked_at = time.monotonic()
        self.serve(Choker)
        getter = self.get()
        harness.wait_until(lambda: self.fake.channels, 10, "a handshake")
        sender = next(iter(self.fake.channels))
        time.sleep(0.5)
        before = len(self.fake.messages(wire.Request))
        self.fake.send(sender, wire.Have((0, 3)))
        time.sleep(1.0)
        self.assertEqual(len(self.fake.messages(wire.Request)), before)
        self.fake.choked = False
        self.fake.send(sender, wire.Unchoke())
        self.assert_complete(getter, self.source)

    def test_a_seeder_that_closes_is_left_alone_and_the_getter_waits_for_others(self):
        """3.1.1 #42."""
        class Closer(raw_peer.FakeSeeder):
            def serve(self, sender, chunk):
                self.send(sender, wire.Handshake(0))
                self.requests = []
        self.serve(Closer)
        getter = self.get("--timeout", "3")
        self.assertEqual(getter.wait(20), 3)
        by_channel = [m for *_, channel, messages in self.fake.received if channel != 0
                      for m in messages if isinstance(m, wire.Request)]
        self.assertLess(len(by_channel), 50)

    def test_data_from_another_address_is_not_taken(self):
        """12.6.11 #258."""
        class FromElsewhere(raw_peer.FakeSeeder):
            def serve(self, sender, chunk):
                data = wire.Data((chunk, chunk), wire.now_us(), self.payload(chunk))
                octets = wire.datagram(self.channels[sender][1],
                                       [*self.proof(sender, chunk), data], self.form)
                with raw_peer.udp_socket() as other:
                    other.sendto(octets, sender)
        self.serve(FromElsewhere)
        getter = self.get("--timeout", "3")
        self.assertEqual(getter.wait(20), 3)
        self.assertEqual(self.fake.messages(wire.Ack), [])

    def test_keep_alives_garbage_and_repeated_data_are_harmless(self):
        """8.14 #195, 8.2 #236, 3 #3."""
        class Noisy(raw_peer.FakeSeeder):
            def serve(self, sender, chunk):
                theirs = raw_peer.pack_channel(self.channels[sender][1])
                self.socket.sendto(theirs, sender)
                self.socket.sendto(random.randbytes(random.randrange(1, 100)), sender)
                for _ in range(3):
                    super().serve(sender, chunk)
        self.serve(Noisy)
        self.assert_complete(self.get(), self.source)

    def test_hashes_may_come_in_datagrams_before_the_data(self):
        """5.3 #98, 5.4 #105."""
        class Ahead(raw_peer.FakeSeeder):
            def serve(self, sender, chunk):
                self.send(sender, *self.proof(sender, chunk))
                self.send(sender, wire.Data((chunk, chunk), self.timestamp(), self.payload(chunk)))
        for size in (7162, 1 << 20):
            with self.subTest(size=size):
                self.serve(Ahead, size=size)
                getter = self.get()
                self.assert_complete(getter, self.source)
                # 5.3 #102: when one chunk is verified, the hashes for the next are still known.
                lost = getter.json()["hashes_rejected"]
                print(f"{lost} of {self.tree.count} chunks came without hashes that had been sent")
                self.assertLessEqual(lost, self.tree.count // 10)
                self.fake.stop()

    def test_a_peer_whose_chunks_cannot_be_proved_is_not_asked_for_ever(self):
        """5.3 #99, 12.6.5 #112."""
        class NoHashes(raw_peer.FakeSeeder):
            def proof(self, sender, chunk):
                return []
        self.serve(NoHashes)
        getter = self.get("--timeout", "4")
        self.assertEqual(getter.wait(20), 3)
        print(f"{self.fake.served} chunks without hashes were asked for")
        self.assertLess(self.fake.served, 2000)

    def test_data_without_its_hashes_is_asked_for_again(self):
        """5.3 #99, #100."""
        class Forgetful(raw_peer.FakeSeeder):
            seen = None
            def proof(self, sender, chunk):
                self.seen = self.seen or set()
                first = chunk not in self.seen
                self.seen.add(chunk)
                return [] if first else super().proof(sender, chunk)
        self.serve(Forgetful)
        self.assert_complete(self.get(), self.source)

    def test_several_chunks_in_one_datagram_are_taken(self):
        """3.3 #70, 8.6 #74."""
        class Pairs(raw_peer.FakeSeeder):
            def serve_some(self):
                by_sender = {}
                for sender, chunk in self.requests:
                    by_sender.setdefault(sender, []).append(chunk)
                self.requests = []
                for sender, chunks in by_sender.items():
                    hashes = {h.chunks: h for c in chunks for h in self.proof(sender, c)}
                    data = [wire.Data((c, c), self.timestamp(), self.payload(c))
                            for c in sorted(set(chunks))]
                    self.send(sender, *hashes.values(), *data)
        self.serve(Pairs)
        self.assert_complete(self.get(), self.source)

    def test_a_seeder_of_the_draft_era_is_asked_without_options_8_and_9(self):
        """decision 19: after three first datagrams without an answer."""
        self.serve(DraftEraSeeder, form=wire.Format(hash="sha1"))
        self.assert_complete(self.get(), self.source, timeout=60)
        plain = [wire.decode(o, self.form)[1][0].order for o in self.fake.first_datagrams()]
        self.assertFalse({8, 9} & set(plain[-1]))

    def test_other_addressings_and_hashes_against_the_second_implementation(self):
        for addressing in wire.ADDRESSING:
            for function in ("sha1", "sha512"):
                with self.subTest(addressing=addressing, hash=function):
                    self.serve(form=wire.Format(addressing, 1024, function))
                    self.assert_complete(self.get(), self.source)
                    self.fake.stop()


if __name__ == "__main__":
    harness.main()
