"""One test for each threat of RFC 7574, sections 12.1 and 12.6, by a single peer that means ill, against
the real programs: the honest transfer completes, what is sent is genuine, the enemy is measured, left
alone and, where it is due, banned for a while; memory stays bounded.

THREATS says where each is tested; what other files test is not tested twice.
"""

import importlib
import os
import re
import select
import socket
import struct
import threading
import time
import unittest

import daemon
import harness
import merkle
import raw_peer
import wire

THREATS = {
    "12.1 amplification": [
        "faults.Floods.test_answers_to_a_spoofable_datagram_are_at_most_three_times_the_question",
        "raw_seeder.SeederHandshake.test_the_second_datagram_has_no_heavy_payload_and_is_at_most_"
        "three_times_the_first"],
    "12.1 flood": [
        "faults.Floods.test_garbage_at_both_ports",
        "faults.Floods.test_a_flood_of_handshakes_from_many_addresses_does_not_keep_out_a_"
        "legitimate_peer"],
    "12.1 disruption": ["enemies.Disruption.test_forged_datagrams_of_a_peer_do_not_end_its_channel"],
    "HS.1": ["enemies.Eclipse.test_peers_that_fill_the_slots_do_not_isolate"],
    "HAVE.1": ["faults.Liars.test_a_peer_that_announces_and_never_serves_does_not_stall"],
    "HAVE.2": ["enemies.Takers.test_have_2_one_that_takes_and_never_gives"],
    "DATA.1": [
        "faults.Liars.test_a_lying_peer_costs_at_most_its_own_octets_and_is_dropped",
        "enemies.Banned.test_a_liar_is_measured_dropped_and_banned_for_a_while"],
    "DATA.2": ["enemies.Givers.test_data_2_chunks_that_nobody_asked_for"],
    "ACK.1": [
        "raw_seeder.SeederServes.test_acks_for_chunks_that_were_never_sent_do_no_harm",
        "enemies.Takers.test_ack_1_everything_acknowledged_before_it_was_sent"],
    "ACK.2": ["enemies.Takers.test_ack_2_delays_that_are_made_up"],
    "INTEGRITY.1": [
        "faults.Liars.test_a_peer_that_sends_false_hashes_is_survived",
        "live_attack.Attacks.test_a_wrong_key",
        "live_attack.Attacks.test_altered_munros",
        "enemies.Givers.test_integrity_1_a_flood_of_hashes"],
    "INTEGRITY.2": [
        "live_attack.Attacks.test_an_old_munro_for_another_subtree",
        "live_attack.Attacks.test_old_munros_over_and_over"],
    "REQUEST.1": ["enemies.Takers.test_request_1_everything_asked_for_over_and_over"],
    "CANCEL.1": ["enemies.Takers.test_cancel_1_what_was_never_asked_for"],
    "CHOKE.1": ["enemies.Choked.test_choke_1_requests_whatever_it_was_told"],
    "UNCHOKE.1": ["enemies.Givers.test_unchoke_1_without_having_choked"],
    "UNCHOKE.2": ["enemies.Givers.test_unchoke_2_and_then_nothing"],
    "PEX": ["enemies.Givers.test_pex_addresses_of_a_victim"],
    "unsolicited": [
        "raw_seeder.SeederHandshake.test_no_data_before_the_first_datagram_that_carries_their_channel",
        "raw_seeder.SeederHandshake.test_an_unknown_channel_gets_no_answer",
        "raw_seeder.SeederServes.test_the_right_channel_from_the_wrong_address_is_dropped"],
}
MEMORY_KIB = 150 << 10


class Table(unittest.TestCase):
    def test_every_threat_has_a_test_that_exists(self):
        for threat, names in THREATS.items():
            self.assertTrue(names, threat)
            for name in names:
                file, kind, test = name.split(".")
                place = getattr(importlib.import_module(file), kind)
                self.assertTrue(callable(getattr(place, test, None)), f"{threat}: {name}")


class Case(harness.TestCase):
    size = 2 << 20

    def swarm(self, *options, size=None):
        self.source = self.content(size or self.size)
        with open(self.source, "rb") as file:
            self.tree = merkle.Tree(file.read(), 1024)
        self.form = wire.Format()
        return self.seeder(self.source, *options)

    def loop(self, work):
        """Has a thread do it until the test ends; what it raises fails the test."""
        stopping, failures = threading.Event(), []

        def run():
            try:
                while not stopping.is_set():
                    work()
            except Exception as error:
                failures.append(error)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def stop():
            stopping.set()
            thread.join()
            self.assertEqual(failures, [])
        self.closers.append(stop)
        return stop

    def assert_bounded(self, process):
        if harness.TIME_FACTOR == 1 and process.running():
            self.assertLess(process.resident_kib(), MEMORY_KIB, f"memory of {process.name}")


class Taker:
    """A peer that takes from a seeder, without ever offering anything, until it is told to stop."""

    def __init__(self, case, seeder, host="127.0.0.1"):
        self.case, self.tree = case, case.tree
        self.peer = raw_peer.RawPeer(case.form, self.tree.root, seeder.address, host)
        self.peer.open()
        self.octets = self.sent = 0
        self.choked = False
        self.chokes = self.while_choked = 0
        self.choked_at = 0.0
        self.stop = case.loop(self.turn)
        case.closers.insert(0, self.peer.close)

    def turn(self):
        ready, _, _ = select.select([self.peer.socket], [], [], 0.01)
        answer = []
        while ready:
            try:
                octets = self.peer.socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            _, messages = wire.decode(octets, self.case.form)
            for message in messages:
                if isinstance(message, wire.Data):
                    self.octets += len(message.payload)
                    if self.choked and time.monotonic() - self.choked_at > 1:
                        self.while_choked += len(message.payload)
                    answer.append(self.ack(message))
                elif isinstance(message, wire.Choke):
                    self.chokes += 1
                    self.choked_at = self.choked_at if self.choked else time.monotonic()
                    self.choked = True
                elif isinstance(message, wire.Unchoke):
                    self.choked = False
            if len(answer) > 40:
                break
        answer += self.more()
        for at in range(0, len(answer), 40):
            self.peer.send(*answer[at:at + 40])
            self.sent += 1

    def ack(self, data):
        return wire.Ack(data.chunk, wire.now_us() - data.timestamp)

    def more(self):
        """Asks for the next chunks, ahead of what came, as a plain getter does."""
        begin = self.case.random.randrange(self.tree.count)
        return [wire.Request((begin, min(begin + 200, self.tree.count - 1)))]


class Takers(Case):
    """Each takes beside an honest getter from one seeder whose upload is limited to a rate at which
    the honest one alone would need a second."""

    size = 1 << 20

    def beside(self, kind):
        """Where the upload is used up, peers are served in turns (12.6.6): who means ill gets no more
        than twice what the honest one gets. That one asks for less than its turn while its window
        grows, or when a busy machine makes it believe that the path has a queue (LEDBAT), which no
        seeder can know, so it may try again."""
        seeder = self.swarm("--upload-limit", "1M")
        enemy = kind(self, seeder)
        harness.wait_until(lambda: enemy.sent > 0, 20, "the enemy is at work")
        took = min(self.taken_beside_one(seeder, enemy) for _ in self.attempts(enemy))
        self.assertLessEqual(took, 2 * self.size)
        enemy.stop()
        self.assert_bounded(seeder)
        # It is still there for others.
        self.assert_complete(self.getter(seeder.url, peers=[seeder.address]), self.source, 90)
        return enemy

    def attempts(self, enemy):
        for attempt in range(3):
            begin = enemy.octets
            yield attempt
            if enemy.octets - begin <= 2 * self.size:
                return

    def taken_beside_one(self, seeder, enemy):
        before = enemy.octets
        getter = self.getter(seeder.url, peers=[seeder.address])
        self.assert_complete(getter, self.source, 90)
        took = enemy.octets - before
        print(f"{type(enemy).__name__}: {getter.seconds():.1f} s; {took} octets to the enemy, "
              f"{self.size} to the honest one; the enemy has sent {enemy.sent} datagrams")
        self.assertEqual(getter.json()["chunks_rejected"], 0)
        return took

    def test_have_2_one_that_takes_and_never_gives(self):
        self.beside(Taker)

    def test_ack_1_everything_acknowledged_before_it_was_sent(self):
        class Acknowledges(Taker):
            def more(self):
                ahead = [wire.Ack((0, self.tree.count - 1), 1), wire.Ack((2**31, 2**32 - 2), 1)]
                return [*ahead, *super().more()]
        self.beside(Acknowledges)

    def test_ack_2_delays_that_are_made_up(self):
        class MakesUp(Taker):
            pretended = 1 << 40

            def ack(self, data):
                self.pretended -= 1000  # the queue seems to get ever shorter
                return wire.Ack(data.chunk, self.pretended)
        self.beside(MakesUp)

        class Extremes(Taker):
            def ack(self, data):
                return wire.Ack(data.chunk, self.case.random.choice(
                    (0, 1, -1, 2**63 - 1, -2**63, 2**62, -data.timestamp)))
        self.beside(Extremes)

    def test_request_1_everything_asked_for_over_and_over(self):
        class Glutton(Taker):
            def more(self):
                return [wire.Request((0, 2**32 - 2)), wire.Request((0, self.tree.count - 1)),
                        *(wire.Request((i, i)) for i in range(0, self.tree.count, 64))]
        self.beside(Glutton)

    def test_cancel_1_what_was_never_asked_for(self):
        class Cancels(Taker):
            def more(self):
                last = self.tree.count - 1
                return [wire.Cancel((0, last)), wire.Cancel((2**31, 2**32 - 2)),
                        *(wire.Cancel((i, i)) for i in range(0, last, 50)), wire.Request((0, 3))]
        self.beside(Cancels)


class Choked(Case):
    def test_choke_1_requests_whatever_it_was_told(self):
        """12.6.8 #164: what a choked peer asks for is dropped, and it is told again."""
        seeder = self.swarm("--upload-limit", "300k", size=256 << 10)
        getter = self.getter(seeder.url, peers=[seeder.address])
        harness.wait_until(lambda: seeder.resident_kib() and getter.udp_ports(), 20, "it has begun")
        enemies = [Taker(self, seeder, host=f"127.0.9.{number}") for number in range(1, 25)]
        harness.wait_until(lambda: any(enemy.chokes >= 2 for enemy in enemies), 60,
                           "one that goes on asking is told again")
        for enemy in enemies:
            enemy.stop()
        self.assert_complete(getter, self.source, 90)
        leaked = max(enemy.while_choked for enemy in enemies)
        print(f"{getter.seconds():.1f} s beside {len(enemies)} that never stop asking; "
              f"{sum(enemy.choked for enemy in enemies)} are choked, told "
              f"{[enemy.chokes for enemy in enemies]} times; at most {leaked} octets while choked")
        # They are told within seconds, in which each of those who are served gets more than that.
        self.assertLessEqual(leaked, 64 << 10)
        self.assert_bounded(seeder)


class Givers(Case):
    """Each is called by a getter beside an honest seeder."""

    def beside(self, kind, *get_options, limit="1M", **options):
        seeder = self.swarm("--upload-limit", limit)
        enemy = kind(self.tree, self.form, **options)
        enemy.start()
        self.closers.append(enemy.stop)
        getter = self.getter(seeder.url, *get_options, peers=[enemy.address, seeder.address])
        harness.wait_until(lambda: enemy.channels, 20, "the enemy is called")
        most = [0]

        def measure():
            if getter.running():
                try:
                    most[0] = max(most[0], getter.resident_kib())
                except (OSError, AttributeError):
                    pass
            time.sleep(0.02)
        self.loop(measure)
        self.assert_complete(getter, self.source, 90)
        report = getter.json()
        print(f"{kind.__name__}: {getter.seconds():.1f} s, {most[0] >> 10} MiB, {report}")
        if harness.TIME_FACTOR == 1:
            self.assertLess(most[0], MEMORY_KIB)
        return enemy, report, getter

    def test_data_2_chunks_that_nobody_asked_for(self):
        class Pusher(raw_peer.FakeSeeder):
            def serve_some(self):
                for sender in list(self.channels):
                    for chunk in range(0, self.tree.count, 16):
                        garbage = wire.Data((chunk, chunk), self.timestamp(), bytes(1024))
                        self.send(sender, garbage)
                        self.served += 1
                time.sleep(0.02)
        enemy, report, _ = self.beside(Pusher)
        print(f"{enemy.served} chunks were pushed")
        self.assertGreater(enemy.served, 500)
        self.assertLessEqual(report["chunks_rejected"], enemy.served // 2)

    def test_integrity_1_a_flood_of_hashes(self):
        class Hashes(raw_peer.FakeSeeder):
            def serve_some(self):
                for sender in list(self.channels):
                    for base in range(0, self.tree.count, 32):
                        self.send(sender, *(wire.Integrity((i, i), os.urandom(32))
                                            for i in range(base, base + 32)))
                        self.served += 1
                time.sleep(0.02)
        enemy, _, getter = self.beside(Hashes)
        print(f"{enemy.served} datagrams of 32 false hashes; CPU {getter.cpu_seconds:.2f} s")
        self.assertGreater(enemy.served, 100)

    def test_unchoke_1_without_having_choked(self):
        class Unchoker(raw_peer.FakeSeeder):
            def serve_some(self):
                for sender in list(self.channels):
                    self.send(sender, *[wire.Unchoke()] * 50)
                super().serve_some()
                time.sleep(0.005)
        enemy, report, _ = self.beside(Unchoker)
        self.assertEqual(report["chunks_rejected"], 0)
        self.assertGreater(enemy.served, 0, "what it says is ignored; it is asked as any other")

    def test_unchoke_2_and_then_nothing(self):
        class Fickle(raw_peer.FakeSeeder):
            rounds = 0

            def serve_some(self):
                self.requests.clear()
                for sender in list(self.channels):
                    self.send(sender, wire.Choke())
                    self.send(sender, wire.Unchoke())
                    self.rounds += 1
                time.sleep(0.05)
        enemy, _, getter = self.beside(Fickle)
        asked = sum(r.chunks[1] - r.chunks[0] + 1 for r in enemy.messages(wire.Request))
        print(f"asked for {asked} chunks of {self.tree.count} in {getter.seconds():.1f} s")
        rounds = enemy.rounds
        # Each time a little less than what is asked of a peer at first, 256 KiB.
        self.assertLessEqual(asked, 256 * (rounds + 1))

    def test_pex_addresses_of_a_victim(self):
        victims = [raw_peer.udp_socket() for _ in range(100)]
        for victim in victims:
            victim.setblocking(False)
            self.closers.append(victim.close)
        ports = [victim.getsockname()[1] for victim in victims]

        class Gossip(raw_peer.FakeSeeder):
            def serve_some(self):
                for sender in list(self.channels):
                    for at in range(0, len(ports), 25):
                        self.send(sender, *(wire.PexRes(socket.inet_aton("127.0.0.1"), port)
                                            for port in ports[at:at + 25]))
                super().serve_some()
                time.sleep(0.01)
        _, report, getter = self.beside(Gossip, limit="500k")
        got = []
        for victim in victims:
            count = 0
            try:
                while True:
                    victim.recv(2048)
                    count += 1
            except BlockingIOError:
                got.append(count)
        print(f"in {getter.seconds():.1f} s: {sum(got)} datagrams to {sum(map(bool, got))} of 100 "
              f"addresses that were named again and again")
        self.assertEqual(report["chunks_rejected"], 0)
        # Handshakes that are tried a few times each, as for any address that does not answer.
        self.assertLessEqual(max(got), 8)
        self.assertLessEqual(sum(got), 300)


class Eclipse(Case):
    def test_peers_that_fill_the_slots_do_not_isolate(self):
        """12.6.1 #255: some slots are kept for those whom the peer itself calls."""
        seeder = self.swarm()
        url, address = seeder.url, seeder.address
        self.assertEqual(seeder.stop(), 0)
        getter = self.getter(url, "--no-local-discovery", peers=[address])
        target = f"127.0.0.1:{getter.port()}"
        opened = 0
        for number in range(800):
            if opened == 250:
                break
            host = f"127.77.{number // 200}.{number % 200 + 1}"
            peer = raw_peer.RawPeer(self.form, self.tree.root, target, host=host)
            self.closers.append(peer.close)
            peer.send_raw(peer.first_datagram())
            messages = peer.receive(0.2 if number < 400 else 0.05)
            if messages:
                peer.remote = messages[0].source
                peer.send(wire.Have((0, self.tree.count - 1)))  # and then nothing
                opened += 1
        print(f"{opened} enemies were answered, and confirmed; there are 200 slots")
        self.assertGreater(opened, 150, "as many as slots are for those who come")
        host, port = raw_peer.split_address(address)
        again = self.seeder(self.source, host=host, port=port)
        self.assertEqual(again.address, address)
        self.assert_complete(getter, self.source, 90)


class Disruption(Case):
    size = 4 << 20

    def spoof(self, raw, source, target, payload):
        """A UDP datagram from an address that is another's."""
        udp = struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0) + payload
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                           socket.inet_aton(source[0]), socket.inet_aton(target[0]))
        raw.sendto(head + udp, (target[0], 0))

    def test_forged_datagrams_of_a_peer_do_not_end_its_channel(self):
        """12.1: who cannot read what is said does not know the channel's ID, a random 32-bit number."""
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may send from other addresses")
        seeder = self.swarm("--upload-limit", "1M")
        getter = self.getter(seeder.url, peers=[seeder.address])
        source = raw_peer.split_address(seeder.address)
        target = ("127.0.0.1", getter.port())
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.closers.append(raw.close)
        forged = [0]

        def forge():
            channel = self.random.randrange(2**32)
            closing = wire.datagram(channel, [wire.Handshake(0, version=None)], self.form)
            bogus = wire.datagram(channel, [wire.Choke(), wire.Ack((0, self.tree.count - 1), 1)],
                                  self.form)
            for octets in (closing, bogus, os.urandom(40)):
                for origin, there in ((source, target), (target, source)):
                    self.spoof(raw, origin, there, octets)
                    forged[0] += 1
            time.sleep(0.001)
        self.loop(forge)
        self.assert_complete(getter, self.source, 90)
        report = getter.json()
        print(f"{forged[0]} forged datagrams in {getter.seconds():.1f} s, {report}")
        self.assertGreater(forged[0], 1000)
        self.assertEqual(report["chunks_rejected"], 0)
        self.assertEqual(report["peers"], 1, "the channel was never lost")


class Banned(daemon.TestCase):
    def test_a_liar_is_measured_dropped_and_banned_for_a_while(self):
        """12.6.5 #112, 12.7: with a decay, since addresses change hands."""
        source = self.content(4 << 20)
        with open(source, "rb") as file:
            tree = merkle.Tree(file.read(), 1024)
        seeder = self.seeder(source, "--upload-limit", "1M")
        liar = raw_peer.LyingSeeder(tree, wire.Format())
        liar.start()
        self.closers.append(liar.stop)
        victim = self.daemon()
        output = self.path("fetched")
        ref = victim.control.add_url(seeder.url, output,
                                     peers=[liar.address, seeder.address])["number"]

        def bans():
            return [ban for ban in victim.control.get("/v1/bans")["bans"] if ban["automatic"]]
        ban = harness.wait_until(bans, 30, "the liar is banned")[0]
        print(ban)
        self.assertTrue(ban["network"].startswith("127.0.0.1"))
        self.assertLessEqual(ban["until"], time.time() + 65, "a minute for the first time")
        calls = len(liar.first_datagrams())
        self.wait_state(victim, ref, "seeding", timeout=90)
        self.assert_identical(source, output)
        self.assertLessEqual(max([later["until"] for later in bans()], default=0),
                             ban["until"] + 2, "a ban is not prolonged by itself")
        self.assertEqual(len(liar.first_datagrams()), calls, "who is banned is not called")
        metrics = victim.control.raw("GET", "/metrics")[1].decode()
        lost = re.search(r'^ppspp_peers_lost_total\{reason="faults"\} (\d+)', metrics, re.M)
        self.assertGreaterEqual(int(lost.group(1)), 1)
        rejected = re.findall(r'^ppspp_chunks_rejected_total\{.*?"static".*?wrong_hash"\} (\d+)',
                              metrics, re.M)
        self.assertGreaterEqual(int(rejected[0]), 1)
        self.assertLessEqual(int(rejected[0]), liar.served)


if __name__ == "__main__":
    harness.main()
