"""What RFC 7574 promises of live swarms on the wire, asked by a second implementation whose
signatures come from the openssl command line: of ppspp-seed by a leecher that verifies everything,
and of ppspp-get by a source with a tree of its own.

Numbers like #135 are rows of the conformance checklist: section and number name a requirement.
"""

import time
import unittest

import dnskey
import harness
import live
import live_peer
import live_tree
import wire

HEAVY = (wire.Data, wire.Integrity, wire.SignedIntegrity)


def swarm_id_of(url):
    return bytes.fromhex(url.removeprefix("ppspp:").split("?")[0])


class WireCase(live.LiveCase):
    def setUp(self):
        super().setUp()
        if not dnskey.available():
            raise unittest.SkipTest("openssl is not installed")

    def make_key(self, name="ecdsap256sha256"):
        return dnskey.PrivateKey(name, self.path(f"{name}-{self.random.getrandbits(32)}.pem"))

    def fake(self, peer):
        peer.start()

        def end():
            peer.stop()
            self.assertIsNone(peer.failure, "what the program sent does not decode")
        self.closers.append(end)
        return peer

    def packets(self, count):
        return live.Feeder(self.random, 1, 1, None).packets(count)


class Leecher:
    """Follows a feed to its end and verifies every octet that says anything about it."""

    def __init__(self, test, seeder, form=None, method="unified-merkle"):
        swarm_id = swarm_id_of(seeder.url)
        self.key = dnskey.PublicKey(swarm_id)
        self.form = form or live_peer.live_form(self.key)
        self.method = method
        self.peer = live_peer.LiveRawPeer(self.form, swarm_id, seeder.address, method)
        test.closers.append(self.peer.close)
        self.receiver = live_tree.Receiver(self.key, self.form)
        self.announced = set()
        self.requested = set()
        self.signatures = {}  # with Sign All

    def tune_in(self):
        self.take(self.peer.open())
        self.peer.send()  # the third datagram

    def take(self, messages):
        for message in messages:
            if isinstance(message, wire.Have) and message.chunks is not None:
                self.announced |= set(range(message.chunks[0], message.chunks[1] + 1))
        if self.method == "unified-merkle":
            self.check_order(messages)
            self.receiver.accept(messages)
        else:
            self.check_signatures(messages)
        acks = [wire.Ack(m.chunk, wire.now_us() - m.timestamp)
                for m in messages if isinstance(m, wire.Data)]
        if acks:
            self.peer.send(*acks)

    def check_order(self, messages):
        """6.1.2.3 #135, #136: munro, its signature, the uncles from the top, the chunk."""
        for at, message in enumerate(messages):
            if not isinstance(message, wire.Data):
                continue
            chunk = message.chunk[0]
            before = messages[:at]
            width = self.receiver.width or self.width_in(before)
            munro = (chunk - chunk % width, chunk - chunk % width + width - 1)
            signed = [i for i, m in enumerate(before)
                      if isinstance(m, wire.SignedIntegrity) and m.chunks == munro]
            # Before it, not beside it: with a long signature they do not fit one datagram.
            assert signed or munro in self.receiver.munros, \
                f"#135: chunk {chunk} comes without its munro"
            path = [i for i, m in enumerate(before) if isinstance(m, wire.Integrity) and
                    munro[0] <= m.chunks[0] and m.chunks[1] <= munro[1] and m.chunks != munro and
                    self.is_uncle(m.chunks, chunk)]
            assert not signed or not path or signed[0] < path[0], "#136: uncles behind the munro"
            heights = [before[i].chunks[1] - before[i].chunks[0] for i in path]
            assert heights == sorted(heights, reverse=True), "5.4: the highest uncle first"

    @staticmethod
    def is_uncle(node, chunk):
        width = node[1] - node[0] + 1
        return not node[0] <= chunk <= node[1] and node[0] ^ width == chunk - chunk % width

    @staticmethod
    def width_in(messages):
        signed = [m for m in messages if isinstance(m, wire.SignedIntegrity)]
        assert signed, "#135: the first chunk comes without a munro"
        return signed[0].chunks[1] - signed[0].chunks[0] + 1

    def check_signatures(self, messages):
        """6.1.1 #126, #127, #128: each chunk behind its own signature."""
        for message in messages:
            if isinstance(message, wire.SignedIntegrity):
                assert message.chunks[0] == message.chunks[1]
                self.signatures[message.chunks] = message
            elif isinstance(message, wire.Data):
                assert message.chunk in self.signatures, "#126: a chunk before its signature"
                self.check_signature(message.chunk, message.payload)
                self.receiver.chunks[message.chunk[0]] = message.payload
            assert not isinstance(message, wire.Integrity), "Sign All has no hashes"

    def check_signature(self, chunks, payload):
        signed = self.signatures[chunks]
        octets = live_tree.signed_octets(chunks, signed.timestamp, payload, self.form)
        assert self.key.verify(octets, signed.signature), f"#128: the signature of chunk {chunks}"

    def request(self, chunks):
        for first, last in ranges(chunks):
            self.peer.send(*(wire.Request((i, i)) for i in range(first, last + 1)))
        self.requested |= set(chunks)

    def step(self, timeout=1.0):
        """Takes the next datagram, and asks for what it announces."""
        messages = self.peer.receive(timeout)
        if messages is None:
            return None
        self.take(messages)
        if new := sorted(self.announced - self.requested):
            self.request(new)
        return messages

    def follow(self, timeout=30):
        """To the end of the feed: until its end is signed and every chunk before it is here."""
        deadline = time.monotonic() + timeout * harness.TIME_FACTOR
        while not self.ended():
            if time.monotonic() > deadline:
                missing = self.announced - set(self.receiver.chunks)
                raise harness.Failed(f"the feed did not end: ends {self.receiver.ends}, "
                                     f"{len(self.receiver.chunks)} chunks, missing {missing}")
            if self.step(0.3) is None and (missing := self.announced - set(self.receiver.chunks)):
                self.request(sorted(missing))

    def leave(self):
        """A closing HANDSHAKE, so that the source need not wait for us."""
        self.peer.send(wire.Handshake(0))

    def ended(self):
        if self.method == "unified-merkle":
            return self.receiver.is_complete()
        count = len(self.receiver.chunks)
        end = self.signatures.get((count, count))
        if end is None or count == 0 or max(self.receiver.chunks) != count - 1:
            return False
        return self.key.verify(
            live_tree.signed_octets(end.chunks, end.timestamp, b"", self.form), end.signature)


def ranges(chunks):
    """Sorted numbers as intervals of at most 32."""
    found = []
    for chunk in chunks:
        if found and found[-1][1] == chunk - 1 and chunk - found[-1][0] < 32:
            found[-1][1] = chunk
        else:
            found.append([chunk, chunk])
    return found


class LeecherVerifies(WireCase):
    """A leecher in Python at a ppspp-seed --live."""

    def follow_feed(self, *options, seconds=1.5, method="unified-merkle", form=None):
        options = [*options] if "--chunks-per-signature" in options or method == "sign-all" else \
            ["--chunks-per-signature", 4, *options]
        seeder, feeder = self.piped_feed(live.mbit(0.5), seconds, *options, start=False)
        form = form and form(dnskey.PublicKey(swarm_id_of(seeder.url)))
        leecher = Leecher(self, seeder, form, method)
        leecher.tune_in()
        feeder.start()
        leecher.follow()
        leecher.leave()
        self.assertEqual(leecher.receiver.content(), bytes(feeder.sent))
        self.assertEqual(seeder.wait(20), 0)
        return leecher, feeder

    def test_every_munro_uncle_and_chunk_of_each_algorithm(self):
        """6.1 #124, #125, 6.1.2.1 #129, #130, 6.1.2.2 #133, 6.1.2.3 #134, #135, #136, 8.9 #144,
        #145, 7.7 #217: and the last, partial subtree and the mark of the end (decision 26)."""
        for name, number in dnskey.ALGORITHMS.items():
            with self.subTest(name):
                leecher, feeder = self.follow_feed("--signature", name)
                self.assertEqual(leecher.key.algorithm, number)
                receiver = leecher.receiver
                self.assertEqual(receiver.width, 4)
                chunks = len(receiver.chunks)
                self.assertEqual(receiver.ends, {end_of(chunks, 4)})
                self.assertEqual(len(receiver.munros), (chunks + 3) // 4 + 1)
                print(f"{name}: {len(receiver.munros)} munros, {chunks} chunks verified")

    def test_every_addressing(self):
        """4 #274, 6.1.2.2 #133: what is signed has the form that it has on the wire."""
        for addressing in wire.ADDRESSING:
            with self.subTest(addressing):
                self.follow_feed("--addressing", addressing, seconds=0.8,
                                 form=lambda k, a=addressing: live_peer.live_form(k, addressing=a))

    def test_wide_subtrees_and_another_hash_function(self):
        for width in (2, 16, 64):
            with self.subTest(width):
                leecher, _ = self.follow_feed(
                    "--chunks-per-signature", width, "--hash", "sha1",
                    form=lambda k: live_peer.live_form(k, hash="sha1"))
                self.assertEqual(leecher.receiver.width, width)

    def test_sign_all(self):
        """6.1.1 #126, #127, #128: also where chunk and signature do not fit one datagram."""
        for name, size in (("ecdsap256sha256", 1024), ("rsasha256", 1400), ("ed25519", 1024)):
            with self.subTest(name):
                leecher, _ = self.follow_feed(
                    "--integrity", "sign-all", "--signature", name, "--chunk-size", size,
                    seconds=1, method="sign-all",
                    form=lambda k, s=size: live_peer.live_form(k, chunk_size=s))
                last = max(leecher.receiver.chunks)
                leecher.check_signature((last + 1, last + 1), b"")


def end_of(chunks, width):
    """The chunks of the munro that says that a feed of so many chunks has ended."""
    first = (chunks + width - 1) // width * width
    return (first, first + width - 1)


class SeederTunesIn(WireCase):
    """The handshake and the rightmost munro, as ppspp-seed sends them."""

    window = 4096  # chunks; said, so that nothing is measured and signing begins at once

    def opened(self, *options, rate=0.5, seconds=30):
        self.source, self.feeder = self.piped_feed(
            live.mbit(rate), seconds, "--chunks-per-signature", 4, "--discard-window",
            self.window, *options)
        return self.leecher()

    def leecher(self):
        return Leecher(self, self.source)

    def wait_for_chunks(self, count):
        """Until the source must have signed so many chunks."""
        harness.wait_until(lambda: len(self.feeder.sent) > (count + 4) * 1024, 20, "the feed grows")
        time.sleep(0.2)

    def test_the_options_of_the_handshake(self):
        """7.5 #213, 7.7 #216, 7.9 #218, #219, 7.11 #224, 7 #205."""
        self.window = 64
        leecher = self.opened()
        answer = leecher.peer.open()[0]
        self.assertEqual(answer.order, sorted(set(answer.order)))
        self.assertEqual((answer.integrity, answer.hash, answer.signature, answer.addressing,
                          answer.chunk_size, answer.window), (3, 2, 13, 2, 1024, 64))

    def test_who_keeps_everything_says_so(self):
        """7.9 #220."""
        self.window = "all"
        leecher = self.opened("--record", self.path("record"))
        self.assertEqual(leecher.peer.open()[0].window, 0xFFFFFFFF)

    def test_a_window_of_byte_ranges_is_in_bytes(self):
        """7.9 #218."""
        self.window = 64
        leecher = self.opened("--addressing", "byte64")
        leecher.form = leecher.peer.form = live_peer.live_form(leecher.key, addressing="byte64")
        self.assertEqual(leecher.peer.open()[0].window, 64 * 1024)

    def test_silence_where_the_live_metadata_differ(self):
        """3.1.1 #19, 7.7 #216: the algorithm is told twice and has to be the same."""
        leecher = self.opened()
        wrong = {"another algorithm": dict(algorithm=8), "static content": dict(integrity=1),
                 "Sign All": dict(integrity=2),
                 "no protection": dict(integrity=0), "another hash function": dict(hash=0),
                 "another key": dict(swarm_id=bytes([13]) + self.random.randbytes(64))}
        for name, changes in wrong.items():
            with self.subTest(name):
                other = self.leecher()
                other.peer.send_raw(other.peer.first_datagram(**changes))
                self.assertTrue(other.peer.silence())
        leecher.tune_in()
        harness.wait_until(lambda: leecher.step() and leecher.receiver.chunks, 10, "it serves")

    def test_no_munro_before_the_fourth_datagram_and_then_until_it_is_known(self):
        """6.1.2.4 #138, #140."""
        leecher = self.opened()
        self.wait_for_chunks(40)
        second = leecher.peer.open()
        self.assertFalse([m for m in second if isinstance(m, HEAVY)])
        leecher.take(second)
        leecher.peer.send()
        seen = []
        deadline = time.monotonic() + 2.5 * harness.TIME_FACTOR
        while time.monotonic() < deadline:
            messages = leecher.peer.receive(0.3)
            if messages:
                leecher.take(messages)
                seen += [m.chunks for m in messages if isinstance(m, wire.SignedIntegrity)]
        self.assertGreaterEqual(len(seen), 3, "it is sent again while nothing shows that it came")
        newest = max(leecher.announced)
        self.assertIn((newest - newest % 4, newest - newest % 4 + 3), seen, "the rightmost")
        self.assertGreaterEqual(min(seen)[0], 32, "old munros are not sent")

    def test_a_munro_that_is_known_is_not_sent_again(self):
        """6.1.2.3 #135, 6.1.2.4 #138: an ACK shows that we have a chunk under it."""
        leecher = self.opened()
        leecher.tune_in()
        harness.wait_until(lambda: leecher.step() and len(leecher.receiver.chunks) > 40, 10,
                           "it serves")
        self.feeder.paused.set()
        harness.wait_until(lambda: leecher.step(1.0) is None, 20, "all it has to say was heard")
        newest = max(leecher.announced)
        leecher.request([newest, newest - 1])
        later = []
        deadline = time.monotonic() + 1.5 * harness.TIME_FACTOR
        while time.monotonic() < deadline:
            later += leecher.step(0.2) or []
        self.assertTrue([m for m in later if isinstance(m, wire.Data)])
        self.assertFalse([m for m in later if isinstance(m, wire.SignedIntegrity)])

    def test_only_whole_signed_subtrees_are_announced(self):
        """6.1.2.3 #134."""
        leecher = self.opened(rate=0.2)
        leecher.tune_in()
        for _ in range(40):
            if leecher.step(0.3):
                announced = leecher.announced
                self.assertFalse({c for c in announced for beside in range(c - c % 4, c - c % 4 + 4)
                                  if beside not in announced})
        self.assertGreater(len(leecher.receiver.chunks), 8)

    def test_what_left_the_window_is_not_served(self):
        """6.2 #147."""
        self.window = 64
        leecher = self.opened(rate=1)
        self.wait_for_chunks(200)
        leecher.tune_in()
        harness.wait_until(lambda: leecher.step() and leecher.receiver.chunks, 10, "it serves")
        self.feeder.paused.set()
        deadline = time.monotonic() + 0.6 * harness.TIME_FACTOR
        while time.monotonic() < deadline:
            leecher.step(0.1)
        self.assertGreaterEqual(min(leecher.announced), 100)
        leecher.request(range(0, 8))
        deadline = time.monotonic() + 0.6 * harness.TIME_FACTOR
        while time.monotonic() < deadline:
            leecher.step(0.1)
        self.assertFalse(set(range(8)) & set(leecher.receiver.chunks))
        newest = max(leecher.announced)
        leecher.receiver.chunks.pop(newest, None)
        leecher.request([newest])
        harness.wait_until(lambda: leecher.step() is not None and newest in leecher.receiver.chunks,
                           10, "the newest is served")


class GetterCase(WireCase):
    def url(self, source, **keys):
        form = source.form
        url = f"ppspp:{source.swarm_id.hex()}?live=1&cam={form.addressing}&mhf={form.hash}"
        if source.method == "sign-all":
            url += "&cipm=sign-all"
        return url + "".join(f"&{k}={v}" for k, v in keys.items())

    def play(self, source, *options, **keys):
        self.fake(source)
        getter = self.viewer(self.url(source, **keys), *options, peers=[source.address])
        return getter


class GetterPlays(GetterCase):
    """ppspp-get follows a source in Python to the end of its feed."""

    def played(self, name, width, count, content=None, **options):
        key = self.make_key(name)
        content = self.packets(count) if content is None else content
        form = live_peer.live_form(key, **options)
        source = live_peer.FakeSource(key, form, content, width, 0.02)
        getter = self.play(source, "--start", "oldest")
        report = self.assert_ended(getter)
        self.assertEqual(self.assert_one_run(content, getter), 0)
        self.assertEqual((report["signatures_rejected"], report["chunks_skipped"]), (0, 0))
        self.assertEqual(report["chunks_per_signature"], width)
        return source, report

    def test_each_algorithm(self):
        """6.1 #124, #125, 6.1.2.2 #133, 8.9 #144, #145."""
        for name in dnskey.ALGORITHMS:
            with self.subTest(name):
                _, report = self.played(name, 8, 300)
                print(f"{name}: {report}")

    def test_each_addressing_and_hash_function(self):
        for addressing, function in (("bin32", "sha256"), ("byte64", "sha1"), ("bin64", "sha512"),
                                     ("chunk64", "sha384")):
            with self.subTest(addressing):
                self.played("ed25519", 4, 150, addressing=addressing, hash=function)

    def test_ends_of_every_kind(self):
        """Decision 26: with a whole subtree, a whole chunk, one chunk, a short one, and one whose
        size is that of two hashes."""
        for size in (8 * 1024, 16 * 1024, 9 * 1024, 9 * 1024 - 5, 188, 8 * 1024 + 64, 64):
            with self.subTest(size):
                content = self.packets(size // live.PACKET + 1)[:size]
                key = self.make_key("ed25519")
                source = live_peer.FakeSource(key, live_peer.live_form(key), content, 8, 0.02)
                getter = self.play(source, "--start", "oldest")
                self.assert_ended(getter)
                self.assertEqual(live.read_file(getter.output), content)

    def test_sign_all(self):
        """6.1.1 #120, #126, #128."""
        for name in ("ecdsap384sha384", "rsasha1"):
            with self.subTest(name):
                key = self.make_key(name)
                content = self.packets(200)
                source = live_peer.SignAllSource(key, live_peer.live_form(key), content, 0.03)
                getter = self.play(source, "--start", "oldest")
                report = self.assert_ended(getter)
                self.assertEqual(self.assert_one_run(content, getter), 0)
                self.assertEqual(report["signatures_rejected"], 0)
                self.assertGreaterEqual(report["signatures_checked"], len(source.payloads))


class GetterTunesIn(GetterCase):
    def start_source(self, *options, kind=live_peer.FakeSource, width=4, count=2000, interval=0.05,
                     keys=(), **source_options):
        key = self.make_key("ed25519")
        source = kind(key, live_peer.live_form(key), self.packets(count), width, interval,
                      **source_options)
        return source, self.play(source, *options, **dict(keys))

    def test_the_first_datagram(self):
        """7.4 #210, 7.5 #213, 7.6 #214, 7.7 #216, 7.9 #218, #219, 7.11 #224, 6.1.2.4 #139."""
        source, _ = self.start_source("--discard-window", 128)
        harness.wait_until(source.first_datagrams, 10, "a HANDSHAKE comes")
        _, messages = wire.decode(source.first_datagrams()[0], source.form)
        first = messages[0]
        self.assertEqual(first.order, sorted(set(first.order)))
        self.assertEqual(
            (first.swarm_id, first.integrity, first.hash, first.signature, first.addressing,
             first.window, first.chunk_size), (source.swarm_id, 3, 2, 15, 2, 128, 1024))
        self.assertFalse([m for m in messages if isinstance(m, HEAVY)])

    def test_the_third_datagram_has_the_rightmost_munro(self):
        """6.1.2.4 #137: to a peer that answers only when the getter knows the feed."""
        class LateRiser(live_peer.LivePeer):
            awake = False

            def on_first(self, messages, sender, octets):
                if self.awake:
                    super().on_first(messages, sender, octets)
        key = self.make_key()
        form = live_peer.live_form(key)
        other = self.fake(LateRiser(form, key.swarm_id, 4))
        source = self.fake(live_peer.FakeSource(key, form, self.packets(2000), 4, 0.05))
        getter = self.viewer(self.url(source), peers=[source.address, other.address])
        self.wait_tuned_in(getter)
        other.awake = True
        harness.wait_until(lambda: other.established, 15, "the getter calls again")
        third = next(messages for _, _, _, channel, messages in other.received if channel)
        signed = [m for m in third if isinstance(m, wire.SignedIntegrity)]
        self.assertTrue(signed, f"#137: {third}")
        self.check_genuine(source, third, signed[0])

    def test_the_second_datagram_has_no_munro(self):
        """6.1.2.4 #140: to a peer that calls the getter."""
        source, getter = self.start_source()
        self.wait_tuned_in(getter)
        caller = live_peer.LiveRawPeer(source.form, source.swarm_id, f"127.0.0.1:{getter.port()}")
        self.closers.append(caller.close)
        self.assertFalse([m for m in caller.open() if isinstance(m, HEAVY)])
        caller.send()
        messages = caller.collect(lambda all: any(isinstance(m, wire.SignedIntegrity)
                                                  for m in all))[-1]
        self.check_genuine(source, messages, next(m for m in messages
                                                  if isinstance(m, wire.SignedIntegrity)))

    def check_genuine(self, source, messages, signed):
        value = next(m.hash for m in messages
                     if isinstance(m, wire.Integrity) and m.chunks == signed.chunks)
        octets = live_tree.signed_octets(signed.chunks, signed.timestamp, value, source.form)
        self.assertTrue(dnskey.PublicKey(source.swarm_id).verify(octets, signed.signature))

    def test_the_sliding_window_of_a_peer_is_kept_to(self):
        """6.2 #148: what has left it is not asked for."""
        class NewestFirst(live_peer.FakeSource):
            def on_established(self, sender):
                numbers = sorted(self.munros, reverse=True)
                for number in numbers:
                    self.announce(sender, number)
        key = self.make_key("ed25519")
        source = NewestFirst(key, live_peer.live_form(key), self.packets(2000), 8, 0.3, window=64)
        for _ in range(30):
            source.publish()
        source.started = time.monotonic() - 30 * source.interval
        newest = max(source.live.chunks)
        getter = self.play(source, "--start", "oldest")
        self.wait_tuned_in(getter)
        harness.wait_until(lambda: len(source.messages(wire.Request)) > 3, 10, "it asks")
        lowest = min(m.chunks[0] for m in source.messages(wire.Request))
        print(f"newest {newest} at first, window 64, lowest request {lowest}")
        self.assertGreaterEqual(lowest, newest + 1 - 64)

    def test_a_replayed_old_feed_is_not_tuned_in_to(self):
        """6.1.2.4 #141, 12.6.5 #143, decision 13."""
        class Old(live_peer.FakeSource):
            def timestamp_of(self, number):
                return wire.ntp(time.time_ns() - 3600 * 10**9)
        source, getter = self.start_source("--timeout", 3, kind=Old)
        self.assertEqual(getter.wait(20), 3)
        self.assertEqual(self.received(getter), 0)
        report = getter.json()["live"]
        self.assertGreater(report["signatures_refused"], 0)
        self.assertEqual(report["munros_verified"], 0)

    def test_a_feed_from_the_future_is_not_tuned_in_to(self):
        """Decision 13."""
        class Ahead(live_peer.FakeSource):
            def timestamp_of(self, number):
                return wire.ntp(time.time_ns() + 600 * 10**9)
        source, getter = self.start_source("--timeout", 3, kind=Ahead)
        self.assertEqual(getter.wait(20), 3)
        self.assertEqual(self.received(getter), 0)
        self.assertEqual(getter.json()["live"]["munros_verified"], 0)

    def test_another_width_than_the_url_s_is_refused(self):
        """6.1.2.1 #129, decision 29."""
        source, getter = self.start_source("--timeout", 3, keys=[("cps", 16)])
        self.assertEqual(getter.wait(20), 3)
        report = getter.json()["live"]
        self.assertEqual((report["munros_verified"], report["signatures_checked"]), (0, 0))

    def test_a_getter_announces_only_what_it_verified(self):
        """6.1.2.1 #131."""
        source, getter = self.start_source("--stay", count=200)
        harness.wait_until(source.ended.is_set, 20, "the feed ends")
        time.sleep(0.5)
        had = {i for m in source.messages(wire.Have) if m.chunks
               for i in range(m.chunks[0], m.chunks[1] + 1)}
        self.assertLessEqual(had, set(source.live.chunks))
        getter.stop()


if __name__ == "__main__":
    harness.main()
