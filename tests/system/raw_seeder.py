"""What RFC 7574 promises on the wire, asked of ppspp-seed by a scripted peer.

Numbers like #25 are rows of the conformance checklist: section and number name a requirement.
"""

import time

import harness
import merkle
import raw_peer
import wire


class SeederCase(harness.TestCase):
    """A live ppspp-seed with seven chunks, as in Figure 4 of the RFC."""

    size = 7162
    form = wire.Format()
    options = ()

    def setUp(self):
        super().setUp()
        path = self.content(self.size)
        with open(path, "rb") as file:
            self.tree = merkle.Tree(file.read(), self.form.chunk_size, self.form.hash)
        self.seed_program = self.seeder(path, "--chunk-size", self.form.chunk_size, "--hash",
                                        self.form.hash, "--addressing", self.form.addressing,
                                        *self.options)

    def peer(self, **options):
        peer = raw_peer.RawPeer(self.form, self.tree.root, self.seed_program.address, **options)
        self.closers.append(peer.close)
        return peer

    def opened(self):
        peer = self.peer()
        peer.open()
        return peer

    def assert_still_serves(self, peer=None):
        peer = peer or self.opened()
        peer.send(wire.Request((0, 0)))
        peer.data([0])


class SeederHandshake(SeederCase):
    def test_the_url_names_the_root_hash_and_the_length(self):
        self.assertTrue(self.seed_program.url.startswith(f"ppspp:{self.tree.root.hex()}"))
        self.assertIn(f"len={self.size}", self.seed_program.url)

    def test_the_answer_is_a_handshake_for_our_channel_with_the_swarm_s_metadata(self):
        """3.1.1 #20, #21, #22, #24, #25, 8.4 #46, 7 #205, #208, #213, #214, #202, #224."""
        messages = self.peer().open()
        answer = messages[0]
        self.assertIsInstance(answer, wire.Handshake)
        self.assertNotEqual(answer.source, 0)
        self.assertEqual(answer.order, sorted(set(answer.order)))
        self.assertEqual(answer.order[0], 0)
        self.assertEqual(answer.version, 1)
        self.assertIn(answer.swarm_id, (None, self.tree.root))
        self.assertEqual((answer.integrity, answer.hash, answer.addressing, answer.chunk_size),
                         (1, 2, 2, 1024))
        if answer.supported is not None:
            self.assertLessEqual({0, 1, 2, 3, 4, 8, 9, 10, 11}, set(answer.supported))
            self.assertFalse(answer.bitmap.endswith(b"\0"), "7.10 #222")

    def test_the_second_datagram_has_no_heavy_payload_and_is_at_most_three_times_the_first(self):
        """3.1.1 #27, 12.1.1 #252."""
        peer = self.peer()
        first = peer.first_datagram(wire.Request((0, 6)))
        peer.send_raw(first)
        answered = 0
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            octets = peer.receive_raw(0.2)
            if octets is None:
                continue
            answered += len(octets)
            _, messages = wire.decode(octets, self.form)
            self.assertFalse([m for m in messages if isinstance(m, (wire.Data, wire.Integrity))])
        self.assertGreater(answered, 0)
        self.assertLessEqual(answered, 3 * len(first))

    def test_channel_ids_are_random_and_not_zero(self):
        """12.1 #188, #190, 8.16 #54."""
        ids = [self.peer().open()[0].source for _ in range(16)]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertNotIn(0, ids)
        steps = [abs(a - b) for a, b in zip(ids, ids[1:])]
        self.assertGreater(max(steps), 2**24, "numbers close to each other can be guessed")

    def test_a_repeated_first_datagram_gets_the_same_channel(self):
        """8.2 #237, 3.1.1 #34."""
        peer = self.peer()
        first = peer.first_datagram()
        sources = set()
        for _ in range(3):
            peer.send_raw(first)
            messages = peer.receive()
            self.assertIsNotNone(messages)
            sources.add(messages[0].source)
        self.assertEqual(len(sources), 1)

    def test_silence_where_a_check_fails(self):
        """3.1.1 #19, 3 #5."""
        other_id = bytes(b ^ 1 for b in self.tree.root)
        wrong = {
            "another swarm": dict(swarm_id=other_id),
            "no swarm ID": dict(swarm_id=None),
            "an empty swarm ID": dict(swarm_id=b""),
            "another hash function": dict(hash=0),
            "another addressing": dict(addressing=4),
            "another chunk size": dict(chunk_size=2048),
            "variable chunk size": dict(chunk_size=0xFFFFFFFF),
            "another integrity method": dict(integrity=3),
            "no integrity protection": dict(integrity=0),
            "only versions from 2 on": dict(version=2, minimum_version=2),
            "no version": dict(version=None),
            "version 0": dict(version=0, minimum_version=0),
        }
        for name, changes in wrong.items():
            with self.subTest(name):
                peer = self.peer()
                peer.send_raw(peer.first_datagram(**changes))
                self.assertTrue(peer.silence())
        self.assert_still_serves()

    def test_silence_where_a_first_datagram_is_malformed(self):
        """3.1.1 #19, 7 #205, #206, 3.1 #10."""
        peer = self.peer()
        good = peer.first_datagram()
        swapped = good[:9] + good[11:13] + good[9:11] + good[13:]
        unknown_option = good[:-1] + bytes([77, 1, 255])
        malformed = {"options out of order": swapped, "an unknown option": unknown_option,
                     "no end": good[:-1], "an option twice": good[:11] + good[9:],
                     "a message before it": good[:4] + b"\x0a" + good[4:],
                     "a type that does not exist": good[:4] + b"\xfe" + good[5:],
                     "a zero source channel": good[:5] + bytes(4) + good[9:]}
        malformed |= {f"cut after {n} octets": good[:n] for n in range(0, len(good), 5)}
        for name, octets in malformed.items():
            with self.subTest(name):
                peer.send_raw(octets)
                self.assertTrue(peer.silence(0.1))
        self.assert_still_serves()

    def test_an_unknown_channel_gets_no_answer(self):
        """12.6.11 #258: without a handshake no message is accepted."""
        peer = self.peer()
        for channel in (1, 0xFFFFFFFF, 0x12345678):
            peer.send(wire.Request((0, 6)), channel=channel)
        self.assertTrue(peer.silence())

    def test_no_data_before_the_first_datagram_that_carries_their_channel(self):
        """3.1.1 #39, #40."""
        peer = self.peer()
        peer.open(wire.Request((0, 6)))
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            messages = peer.receive(0.1) or []
            self.assertFalse([m for m in messages if isinstance(m, wire.Data)])
        self.assert_still_serves(peer)

    def test_a_wrong_channel_does_not_hurt_the_right_one(self):
        """3.1.1 #37, #38."""
        peer = self.opened()
        peer.send(wire.Request((0, 0)), channel=peer.remote ^ 1)
        self.assertTrue(peer.silence(0.3))
        self.assert_still_serves(peer)

    def test_small_payload_in_the_first_datagram_is_accepted(self):
        """3.1.1 #17."""
        peer = self.peer()
        peer.open(wire.Have((0, 1)))
        self.assert_still_serves(peer)

    def test_closing_by_us_ends_the_channel(self):
        """3.1.1 #31, #32, #42: with an empty list and with the maximum version."""
        for options in (b"\xff", b"\x00\x01\xff", b"\x00\x01\x01\x01\xff"):
            with self.subTest(options.hex()):
                peer = self.opened()
                self.assert_still_serves(peer)
                peer.send_raw(raw_peer.pack_channel(peer.remote) + bytes(5) + options)
                peer.silence(0.2)
                peer.send(wire.Request((1, 6)))
                self.assertTrue(peer.silence())

    def test_a_seeder_that_is_told_to_stop_closes_its_channels(self):
        """2.3 #44, 3.1.1 #31, #32, #33, #41."""
        peers = [self.opened() for _ in range(3)]
        for peer in peers:
            self.assert_still_serves(peer)
        self.assertEqual(self.seed_program.stop(), 0)
        for peer in peers:
            closing = []
            while (messages := peer.receive(0.3)) is not None:
                closing += [m for m in messages if isinstance(m, wire.Handshake)]
            self.assertEqual([m.source for m in closing], [0])
            self.assertIn(closing[0].order, ([], [0]))

    def test_a_half_open_channel_does_not_stop_others(self):
        for i in range(60):  # 16 of one address are the most that are remembered
            peer = self.peer(host=f"127.0.0.{2 + i // 12}")
            peer.send_raw(peer.first_datagram())
        self.assert_still_serves()

    def test_version_ranges_that_include_ours_are_accepted(self):
        """7.3 #209: the other side may know newer versions too."""
        peer = self.peer()
        peer.open(version=3, minimum_version=1)
        self.assert_still_serves(peer)

    def test_without_supported_messages_everything_is_supported(self):
        """7.10 #222."""
        peer = self.peer()
        peer.open(supported=None)
        self.assert_still_serves(peer)

    def test_what_a_peer_does_not_list_is_not_sent_to_it(self):
        """7.10 #223."""
        peer = self.peer()
        supported = (0, 1, 2, 4, 8)
        messages = peer.open(supported=supported)
        peer.send(wire.Request((0, 6)))
        for datagram in peer.data(range(7)):
            messages += datagram
        self.assertLessEqual({wire.message_type(m) for m in messages}, set(supported))


class SeederServes(SeederCase):
    def verify(self, datagrams):
        verifier = raw_peer.Verifier(self.tree)
        for messages in datagrams:
            verifier.accept(messages)
        return verifier

    def test_everything_it_has_is_announced(self):
        """3.2 #57, #58, 8.5 #65."""
        peer = self.peer()
        messages = peer.open()
        def announced(found):
            chunks = set()
            for m in [*messages, *found]:
                if isinstance(m, wire.Have):
                    chunks |= set(range(m.chunks[0], m.chunks[1] + 1))
            return chunks == set(range(7))
        peer.send_raw(raw_peer.pack_channel(peer.remote))
        peer.collect(announced, acknowledge=False)

    def test_data_has_the_rfc_s_layout_and_is_the_tail_of_its_datagram(self):
        """3.3 #68, #69, 8.6 #72, #73, #74, #75, #76, 3.7 #150."""
        peer = self.opened()
        peer.send(wire.Request((0, 6)))
        datagrams = peer.data(range(7))
        for messages in datagrams:
            data = [m for m in messages if isinstance(m, wire.Data)]
            if data:
                self.assertEqual(messages[-len(data):], data, "DATA stands last")
            for m in data:
                self.assertEqual(m.chunk[0], m.chunk[1])
                self.assertEqual(m.payload, self.tree.chunk(m.chunk[0]))
                self.assertLess(abs(wire.now_us() - m.timestamp), 10_000_000)
            self.assertFalse([m for m in data[:-1] if len(m.payload) < 1024], "#74")

    def test_peaks_come_first_then_uncles_by_descending_height(self):
        """5.4 #104 to #108, 5.6.2 #115, #116, #119."""
        peer = self.opened()
        peer.send(wire.Request((0, 0)))
        datagrams = peer.data([0])
        flat = [m for d in datagrams for m in d]
        hashes = [m for m in flat if isinstance(m, wire.Integrity)]
        self.assertEqual([m.chunks for m in hashes[:3]], self.tree.peaks())
        heights = [m.chunks[1] - m.chunks[0] for m in hashes[3:]]
        self.assertEqual(heights, sorted(heights, reverse=True))
        for m in hashes:
            self.assertEqual(m.hash, self.tree.nodes[m.chunks])
        self.assertLessEqual({m.chunks for m in hashes[3:]}, set(self.tree.uncles(0)))
        self.assertEqual(self.verify(datagrams).chunks, {0: self.tree.chunk(0)})

    def test_each_datagram_can_be_verified_with_those_before_it(self):
        """5.3 #94, #97, #101."""
        peer = self.opened()
        peer.send(wire.Request((3, 3)), wire.Request((6, 6)), wire.Request((0, 2)))
        verifier = raw_peer.Verifier(self.tree)
        for messages in peer.data([3, 6, 0, 1, 2]):
            data = [m.chunk[0] for m in messages if isinstance(m, wire.Data)]
            self.assertEqual(verifier.accept(messages), data)

    def test_a_sequential_download_gets_the_hashes_of_table_1_and_no_others(self):
        """5.5, Table 1 (the tree with seven chunks; peaks apart)."""
        expected = {0: {(1, 1), (2, 3), (4, 7)}, 2: {(3, 3)}, 4: {(5, 5), (6, 7)}}
        self.check_sequential(expected)

    def check_sequential(self, expected):
        peer = self.opened()
        peaks = set(self.tree.peaks())
        verifier = raw_peer.Verifier(self.tree)
        for chunk in range(self.tree.count):
            peer.send(wire.Request((chunk, chunk)))
            datagrams = peer.data([chunk])
            time.sleep(0.02)  # the ACK is there before the next REQUEST
            sent = {m.chunks for d in datagrams for m in d if isinstance(m, wire.Integrity)}
            proved = [c for d in datagrams for c in verifier.accept(d)]
            with self.subTest(chunk=chunk):
                self.assertEqual(proved[-1], chunk)
                # On a busy machine the one before may come once more, since its ACK was late.
                self.assertLessEqual(set(proved[:-1]), {chunk - 1})
                allowed = set().union(*(expected.get(c, set()) for c in proved))
                if 0 not in proved:
                    self.assertFalse(sent & (peaks - allowed))
                self.assertLessEqual(sent - peaks, allowed)

    def test_requests_are_served_in_the_order_in_which_they_came(self):
        """3.7 #152, #153."""
        peer = self.opened()
        order = [5, 2, 6, 0, 3]
        peer.send(*[wire.Request((c, c)) for c in order])
        datagrams = peer.data(order)
        got = [m.chunk[0] for d in datagrams for m in d if isinstance(m, wire.Data)]
        self.assertEqual(list(dict.fromkeys(got)), order)

    def test_a_request_beyond_the_end_is_harmless(self):
        peer = self.opened()
        peer.send(wire.Request((1000, 2000)), wire.Request((0, 2**32 - 1)))
        datagrams = peer.data(range(7))
        got = [m.chunk[0] for d in datagrams for m in d if isinstance(m, wire.Data)]
        self.assertLessEqual(max(got), 6)

    def test_keep_alives_are_ignored(self):
        """8.14 #195."""
        peer = self.opened()
        for _ in range(10):
            peer.send_raw(raw_peer.pack_channel(peer.remote))
        self.assert_still_serves(peer)

    def test_the_right_channel_from_the_wrong_address_is_dropped(self):
        """3.11, 12.6.11 #258."""
        peer, stranger = self.opened(), self.peer()
        self.assert_still_serves(peer)
        peer.silence(0.2)
        stranger.send(wire.Request((1, 6)), channel=peer.remote)
        self.assertTrue(stranger.silence(0.3))
        self.assertTrue(peer.silence(0.1))
        stranger.send_raw(raw_peer.pack_channel(peer.remote) + bytes(5) + b"\xff")
        peer.send(wire.Request((1, 1)))
        peer.data([1])

    def test_after_an_invalid_message_the_rest_of_the_datagram_is_dropped(self):
        """3 #2, #3."""
        peer = self.opened()
        octets = wire.datagram(peer.remote, [wire.Request((0, 0))], self.form)
        peer.send_raw(octets + b"\x63" + wire.encode(wire.Request((5, 5)), self.form))
        datagrams = peer.data([0])
        time.sleep(0.2)
        flat = [m for d in datagrams for m in d]
        while (more := peer.receive(0.1)) is not None:
            flat += more
        self.assertNotIn(5, [m.chunk[0] for m in flat if isinstance(m, wire.Data)])

    def test_a_handshake_behind_another_message_is_invalid(self):
        """3.1 #10."""
        peer = self.opened()
        closing = b"\x00" + bytes(4) + b"\xff"
        octets = wire.datagram(peer.remote, [wire.Request((0, 0))], self.form)
        peer.send_raw(octets + closing)
        peer.data([0])

    def test_acks_for_chunks_that_were_never_sent_do_no_harm(self):
        """12.6.4 #85, #86."""
        peer = self.opened()
        peer.send(wire.Ack((0, 6), 1), wire.Ack((3, 3), -2**62), wire.Ack((0, 2**31 - 1), 2**62))
        fresh = self.opened()
        fresh.send(wire.Request((0, 6)))
        fresh.data(range(7))

    def test_messages_may_be_repeated_without_further_effect(self):
        """8.2 #236."""
        peer = self.opened()
        for _ in range(3):
            peer.send(wire.Request((0, 1)), wire.Have((6, 6)), wire.Unchoke(), wire.Cancel((4, 4)))
        peer.data([0, 1])
        self.assert_still_serves(self.opened())

    def test_pex_req_and_certificates_may_go_unanswered_and_do_no_harm(self):
        """3.10.1 #173, #175, 8.16 #56."""
        peer = self.opened()
        peer.send(wire.PexReq(), wire.PexCert(b"not a certificate"), wire.Request((0, 0)))
        peer.data([0])

    def test_internal_addresses_are_given_by_pex_only_to_internal_peers_and_never_our_own(self):
        """8.13 #179, #180: what comes back decodes."""
        peers = [self.opened() for _ in range(2)]
        for peer in peers:
            self.assert_still_serves(peer)
            peer.send(wire.PexReq())
        own = peers[0].socket.getsockname()[1]
        while (messages := peers[0].receive(0.3)) is not None:
            for m in messages:
                if isinstance(m, wire.PexRes):
                    self.assertNotEqual(m.port, own)


class SeederWithEightChunks(SeederServes):
    size = 8192

    def test_a_sequential_download_gets_the_hashes_of_table_1_and_no_others(self):
        """5.5, Table 1, as printed: the tree is full, so its root is the only peak."""
        self.check_sequential({0: {(1, 1), (2, 3), (4, 7)}, 2: {(3, 3)}, 4: {(5, 5), (6, 7)},
                               6: {(7, 7)}})

    test_peaks_come_first_then_uncles_by_descending_height = None
    test_a_request_beyond_the_end_is_harmless = None
    test_everything_it_has_is_announced = None

    def test_the_root_is_the_only_peak(self):
        peer = self.opened()
        peer.send(wire.Request((0, 0)))
        verifier = self.verify(peer.data([0]))
        self.assertEqual(verifier.chunks, {0: self.tree.chunk(0)})

    def test_requests_are_served_in_the_order_in_which_they_came(self):
        super().test_requests_are_served_in_the_order_in_which_they_came()


class SeederCancel(SeederCase):
    """A slow seeder, so that there is something to cancel."""

    size = 4 << 20
    options = ("--upload-limit", "100k")

    def later_chunks(self, peer, seconds):
        chunks = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for m in peer.receive(0.1) or []:
                if isinstance(m, wire.Data):
                    chunks.append(m.chunk[0])
                    peer.send(wire.Ack(m.chunk, wire.now_us() - m.timestamp))
        return chunks

    def started(self):
        peer = self.opened()
        peer.send(wire.Request((0, 4095)))
        peer.data([0])
        return peer

    def test_cancel_stops_what_was_requested(self):
        """3.8 #155, 8.11 #168."""
        peer = self.started()
        peer.send(wire.Cancel((0, 4095)))
        self.later_chunks(peer, 1.0)
        self.assertEqual(self.later_chunks(peer, 1.0), [])
        peer.send(wire.Request((4000, 4000)))
        peer.data([4000])

    def test_a_have_cancels_what_it_covers_and_no_more(self):
        """3.8 #156, ambiguity 17."""
        peer = self.started()
        peer.send(wire.Have((0, 4087)))
        self.later_chunks(peer, 0.7)
        later = self.later_chunks(peer, 1.5)
        self.assertFalse([c for c in later if c <= 4087])

    def test_closing_stops_what_was_requested(self):
        peer = self.started()
        peer.send_raw(raw_peer.pack_channel(peer.remote) + bytes(5) + b"\xff")
        self.later_chunks(peer, 0.7)
        self.assertEqual(self.later_chunks(peer, 0.7), [])

    def test_a_silent_receiver_is_not_flooded(self):
        """8 #227, 6817 #248: without an ACK the window closes."""
        peer = self.opened()
        peer.send(wire.Request((0, 4095)))
        sent = 0
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            for m in peer.receive(0.1) or []:
                sent += isinstance(m, wire.Data)
        self.assertLess(sent, 64)


class SeederLimited(SeederCase):
    """A limit on the upload must not change how chunks are put into datagrams."""

    size = 1 << 20
    options = ("--upload-limit", "500k")

    def test_hashes_travel_with_their_chunk_where_both_fit(self):
        """5.3 #97."""
        peer = self.opened()
        peer.send(wire.Request((0, 1023)))
        datagrams = peer.data(range(1024), timeout=20)
        alone = [m for m in datagrams if not any(isinstance(x, wire.Data) for x in m)
                 and 0 < sum(isinstance(x, wire.Integrity) for x in m) <= 9]
        print(f"{len(alone)} of {len(datagrams)} datagrams have hashes and no chunk")
        self.assertLess(len(alone), len(datagrams) // 20)


class DraftEra(SeederCase):
    """Peers from before 2015 know neither option 8 nor option 9."""

    form = wire.Format(hash="sha1")

    def test_a_handshake_without_options_8_and_9_is_served(self):
        peer = self.peer()
        peer.open(supported=None, chunk_size=None)
        peer.send(wire.Request((0, 6)))
        verifier = raw_peer.Verifier(self.tree)
        for messages in peer.data(range(7)):
            verifier.accept(messages)
        self.assertEqual(sorted(verifier.chunks), list(range(7)))


class DraftEraBins(DraftEra):
    form = wire.Format(hash="sha1", addressing="bin32")

    def test_a_handshake_without_options_8_and_9_is_served(self):
        peer = self.peer()
        peer.open(supported=None, chunk_size=None)
        peer.send(wire.Request((0, 3)), wire.Request((4, 5)), wire.Request((6, 6)))
        peer.data(range(7))


class SeederAddressings(harness.TestCase):
    """The second implementation fetches in every addressing."""

    def test_every_addressing(self):
        path = self.content(7162)
        with open(path, "rb") as file:
            content = file.read()
        for addressing in wire.ADDRESSING:
            with self.subTest(addressing):
                form = wire.Format(addressing)
                tree = merkle.Tree(content, 1024)
                seeder = self.seeder(path, "--addressing", addressing)
                peer = raw_peer.RawPeer(form, tree.root, seeder.address)
                self.closers.append(peer.close)
                peer.open()
                peer.send(wire.Request((0, 3)), wire.Request((4, 5)), wire.Request((6, 6)))
                verifier = raw_peer.Verifier(tree)
                for messages in peer.data(range(7)):
                    verifier.accept(messages)
                got = b"".join(verifier.chunks[i] for i in sorted(verifier.chunks))
                self.assertEqual(got, content)


if __name__ == "__main__":
    harness.main()
