"""Attackers in a live swarm: a ppspp-get with an honest source beside a peer that lies. No wrong
octet reaches the output, the feed goes on to its end, and what is checked stays bounded."""

import random
import threading
import time

import harness
import live
import live_peer
import live_tree
import live_wire
import raw_peer
import wire

WIDTH = 4
RATE = 0.5  # Mbit/s: 61 chunks and 15 munros a second
SECONDS = 6
DELAY_MS = 150  # of the honest path: what a liar says comes first


class Mirror(live_peer.LivePeer):
    """Follows the honest source itself, and offers each subtree as soon as it has it. Subclasses
    lie."""

    def __init__(self, key, form, source_address):
        super().__init__(form, key.swarm_id, WIDTH)
        self.key = key
        self.up = live_peer.LiveRawPeer(form, key.swarm_id, source_address)
        self.up.open()
        self.up.send()
        self.incoming = {}
        self.lies = 0

    def stop(self):
        super().stop()
        self.up.close()

    def work(self):
        for _ in range(64):
            messages = self.up.receive(0)
            if messages is None:
                return
            self.mirror(messages)

    def mirror(self, messages):
        hashes = {m.chunks: m.hash for m in messages if isinstance(m, wire.Integrity)}
        answers = []
        for message in messages:
            match message:
                case wire.Have() if message.chunks:
                    answers.append(wire.Request(message.chunks))
                case wire.SignedIntegrity():
                    number = message.chunks[0] // WIDTH
                    munro = live_tree.Munro(message.chunks, hashes[message.chunks],
                                            message.timestamp, message.signature)
                    if number not in self.munros:
                        self.munros[number] = munro
                        self.on_munro(number)
                case wire.Data():
                    answers.append(wire.Ack(message.chunk, 0))
                    self.collect(message.chunk[0], message.payload)
        if answers:
            self.up.send(*answers)

    def collect(self, chunk, payload):
        number = chunk // WIDTH
        parts = self.incoming.setdefault(number, {})
        parts[chunk] = payload
        if len(parts) == WIDTH and number in self.munros:
            self.live.add_subtree(number, [parts[i] for i in sorted(parts)])
            self.on_subtree(number)
            for sender in list(self.established):
                self.announce(sender, number)

    def on_munro(self, number):
        pass

    def on_subtree(self, number):
        pass

    def forge(self, number):
        """Other chunks under that subtree, and the hash of its munro then."""
        chunks = self.live.add_subtree(
            number, [b"\x47" + random.randbytes(self.form.chunk_size - 1) for _ in range(WIDTH)])
        self.lies += 1
        return chunks, self.live.nodes[chunks]


class AlteredChunks(Mirror):
    """Genuine munros and hashes, and one wrong bit in each chunk, asked for or not."""

    def payload(self, chunk):
        self.lies += 1
        octets = bytearray(self.live.chunks[chunk])
        octets[self.lies % len(octets)] ^= 1
        return bytes(octets)

    def on_subtree(self, number):
        for sender in list(self.established):
            self.serve(sender, number * WIDTH + 1)


class WrongKey(Mirror):
    """Its own chunks under munros signed with its own key."""

    def __init__(self, key, form, source_address, own_key):
        super().__init__(key, form, source_address)
        self.own_key = own_key

    def on_subtree(self, number):
        chunks, value = self.forge(number)
        self.munros[number] = live_tree.sign_munro(self.own_key, self.form, chunks, value)


class AlteredMunros(Mirror):
    """Its own chunks under the genuine signature of another munro hash."""

    def on_subtree(self, number):
        chunks, value = self.forge(number)
        genuine = self.munros[number]
        self.munros[number] = live_tree.Munro(chunks, value, genuine.timestamp, genuine.signature)


class ReplayedElsewhere(Mirror):
    """A genuine old munro with its chunks, said to be the newest."""

    def on_subtree(self, number):
        if number - 8 not in self.incoming or len(self.incoming[number - 8]) < WIDTH:
            return
        old = self.incoming[number - 8]
        chunks = self.live.add_subtree(number, [old[i] for i in sorted(old)])
        genuine = self.genuine(number - 8)
        self.munros[number] = live_tree.Munro(chunks, genuine.hash, genuine.timestamp,
                                              genuine.signature)
        self.lies += 1

    def on_munro(self, number):
        if not hasattr(self, "originals"):
            self.originals = {}
        self.originals[number] = self.munros[number]

    def genuine(self, number):
        return self.originals[number]


class Repeater(Mirror):
    """Nothing but the truth, over and over."""

    def work(self):
        super().work()
        for number in sorted(self.munros)[:-4]:
            self.to_all(*self.munros[number].messages())
            self.lies += 1


class FromTheFuture(Mirror):
    """Has the key: subtrees far ahead, signed as of one hour from now."""

    def on_subtree(self, number):
        chunks, value = self.forge(number + 1000)
        stamp = wire.ntp(time.time_ns() + 3600 * 10**9)
        self.munros[number + 1000] = live_tree.sign_munro(self.key, self.form, chunks, value, stamp)
        for sender in list(self.established):
            self.announce(sender, number + 1000)


class NeverMade(WrongKey):
    """Subtrees far ahead that the source never made; every other one without any munro."""

    def on_subtree(self, number):
        ahead = number + 1000
        chunks, value = self.forge(ahead)
        self.munros[ahead] = live_tree.sign_munro(self.own_key, self.form, chunks, value)
        for sender in list(self.established):
            if number % 2:
                self.send(sender, wire.Have((chunks[0] + 4096, chunks[0] + 4096 + 1023)))
            self.announce(sender, ahead)


class FalseEnd(WrongKey):
    """Says that the feed has ended, in its own name."""

    def on_subtree(self, number):
        first = (number + 1) * WIDTH
        end = live_tree.sign_munro(self.own_key, self.form, (first, first + WIDTH - 1),
                                   self.live.empty)
        self.lies += 1
        self.to_all(*end.messages())


class AttackCase(live_wire.WireCase):
    def start_feed(self, seconds=SECONDS):
        self.key = self.make_key()
        self.form = live_peer.live_form(self.key)
        self.source, self.feeder = self.piped_feed(
            live.mbit(RATE), seconds, "--key", self.key.path, "--chunks-per-signature", WIDTH,
            "--discard-window", 4096)  # both said: nothing is measured, signing begins at once
        self.assertEqual(live_wire.swarm_id_of(self.source.url), self.key.swarm_id)
        self.relayed = self.relay(self.source.address, "--delay", DELAY_MS).address

    def attack(self, kind, *more):
        self.start_feed()
        liar = self.fake(kind(self.key, self.form, self.source.address, *more))
        getter = self.viewer(self.source.url, "--buffer", 3, peers=[liar.address, self.relayed])
        report = self.survived(getter)
        print(f"{kind.__name__}: {liar.lies} lies, called {len(liar.first_datagrams())} times; "
              f"{report}, chunks rejected {getter.json()['chunks_rejected']}")
        self.assertGreater(liar.lies, 0)
        return liar, getter, report

    def survived(self, getter):
        """All of the feed from the tune-in point on came out, and nothing else."""
        report = self.assert_ended(getter, timeout=SECONDS + 30)
        offset = self.assert_one_run(self.feeder.sent, getter)
        self.assertLess(offset, len(self.feeder.sent) / 2)
        self.assertEqual(report["chunks_skipped"], 0)
        return report

    def assert_few_checks(self, report, wasted=100):
        self.assertLessEqual(report["signatures_checked"],
                             report["munros_verified"] + report["signatures_rejected"] + 16)
        self.assertLessEqual(report["signatures_rejected"], wasted)


class Attacks(AttackCase):
    def test_altered_chunks(self):
        """6.1.2.1 #131."""
        _, getter, _ = self.attack(AlteredChunks)
        self.assertGreater(getter.json()["chunks_rejected"], 0)
        self.assertLess(getter.json()["chunks_rejected"], 100)

    def test_a_wrong_key(self):
        """6.1.2.1 #131, 12.6.5."""
        _, _, report = self.attack(WrongKey, self.make_key())
        self.assertGreater(report["signatures_rejected"], 0)
        self.assert_few_checks(report)

    def test_altered_munros(self):
        _, _, report = self.attack(AlteredMunros)
        self.assertGreater(report["signatures_rejected"], 0)
        self.assert_few_checks(report)

    def test_an_old_munro_for_another_subtree(self):
        """6.1.2.2 #133: the place in the feed is signed as well."""
        _, _, report = self.attack(ReplayedElsewhere)
        self.assertGreater(report["signatures_rejected"] + report["signatures_refused"], 0)
        self.assert_few_checks(report)

    def test_old_munros_over_and_over(self):
        """12.6.5 #143: what is known is not checked again."""
        liar, _, report = self.attack(Repeater)
        self.assertGreater(liar.lies, 1000)
        self.assert_few_checks(report)
        self.assertEqual(report["signatures_rejected"], 0)

    def test_munros_from_the_future(self):
        """Decision 13: also when the signature is genuine."""
        _, _, report = self.attack(FromTheFuture)
        self.assertGreater(report["signatures_refused"], 0)
        self.assert_few_checks(report)

    def test_subtrees_that_were_never_made(self):
        _, _, report = self.attack(NeverMade, self.make_key())
        self.assertGreater(report["signatures_rejected"], 0)
        self.assert_few_checks(report)

    def test_an_end_that_the_source_did_not_sign(self):
        _, _, report = self.attack(FalseEnd, self.make_key())
        self.assertGreater(report["signatures_rejected"], 0)
        self.assert_few_checks(report)


class Floods(AttackCase):
    """Signatures cost time to check: nobody can make us check them without end."""

    def bad_munro(self, number):
        chunks = (number * WIDTH, number * WIDTH + WIDTH - 1)
        stamp = wire.ntp(time.time_ns())
        return live_tree.Munro(chunks, random.randbytes(32), stamp, random.randbytes(64)).messages()

    def flood_from(self, host, target, count, newest):
        """One caller, from an address of its own, with so many signatures that are none."""
        peer = live_peer.LiveRawPeer(self.form, self.key.swarm_id, target)
        peer.socket.close()
        peer.socket = raw_peer.udp_socket(host)
        try:
            peer.send_raw(peer.first_datagram())
            answer = peer.receive(0.5 / harness.TIME_FACTOR)
            if answer and isinstance(answer[0], wire.Handshake):
                peer.remote = answer[0].source
                for i in range(count):
                    peer.send(*self.bad_munro(newest() + i % 64))
                    self.sent += 1
        finally:
            peer.socket.close()

    def flood(self, hosts, count):
        self.start_feed()
        getter = self.viewer(self.source.url, peers=[self.source.address])
        self.wait_tuned_in(getter)
        self.sent = self.callers = 0
        target = f"127.0.0.1:{getter.port()}"
        stopping = threading.Event()
        failures = []

        def work():
            try:
                while not stopping.is_set():
                    self.callers += 1
                    self.flood_from(hosts(), target, count,
                                    lambda: len(self.feeder.sent) // 1024 // WIDTH)
                    time.sleep(0.002)
            except wire.Malformed as error:
                failures.append(error)
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.feeder.finished.wait()
        stopping.set()
        thread.join()
        report = self.survived(getter)
        print(f"{self.sent} bad signatures from {self.callers} callers in "
              f"{getter.seconds():.1f} s: {report}, CPU {getter.cpu_seconds:.2f} s")
        self.assertEqual(failures, [])
        self.assertGreater(self.sent, 100)
        self.assertLess(getter.cpu_seconds, getter.seconds() / 2)
        return report

    def test_from_one_host(self):
        report = self.flood(lambda: "127.0.0.1", 200)
        self.assertLess(report["signatures_rejected"], 1000)

    def test_from_many_hosts(self):
        def any_host():
            return ".".join(map(str, [127, *(random.randrange(1, 255) for _ in range(3))]))
        report = self.flood(any_host, 20)
        self.assertLess(report["signatures_rejected"], 1000)

    def test_garbage_between_the_lines(self):
        """A peer that is genuine but for one signature in ten."""
        class Sometimes(Mirror):
            def on_subtree(self, number):
                if number % 10 == 0:
                    self.lies += 1
                    genuine = self.munros[number]
                    seal = bytearray(genuine.signature)
                    seal[-1] ^= 1
                    self.munros[number] = live_tree.Munro(genuine.chunks, genuine.hash,
                                                          genuine.timestamp, bytes(seal))
        self.start_feed()
        liar = self.fake(Sometimes(self.key, self.form, self.source.address))
        getter = self.viewer(self.source.url, "--buffer", 3, peers=[liar.address, self.relayed])
        report = self.survived(getter)
        print(f"{liar.lies} lies; {report}")
        self.assertLessEqual(report["signatures_rejected"], 20)


if __name__ == "__main__":
    harness.main()
