"""Live between the programs: every algorithm, method and addressing, every input, a source that
starts again, recordings, late and slow viewers, feeds that stall."""

import os
import signal
import socket
import threading
import time

import dnskey
import harness
import live

ADDRESSINGS = ("bin32", "byte64", "chunk32", "bin64", "chunk64")


class Kinds(live.LiveCase):
    def all_at_once(self, kinds, rate=0.4, seconds=4):
        """A source and a viewer for each list of options, all at the same time."""
        feeds = {name: self.piped_feed(live.mbit(rate), seconds, *options)
                 for name, options in kinds.items()}
        getters = {name: self.viewer(seeder.url, peers=[seeder.address])
                   for name, (seeder, _) in feeds.items()}
        for name, getter in getters.items():
            with self.subTest(name):
                seeder, feeder = feeds[name]
                report = self.assert_ended(getter)
                self.assert_one_run(feeder.sent, getter)
                self.assertEqual((report["signatures_rejected"], report["chunks_skipped"]), (0, 0))
                self.assertEqual(seeder.wait(20), 0)
                print(f"{name}: {report}")
        return getters

    def test_every_algorithm_with_the_unified_tree(self):
        self.all_at_once({a: ["--signature", a] for a in dnskey.ALGORITHMS})

    def test_every_algorithm_with_every_chunk_signed(self):
        self.all_at_once({a: ["--signature", a, "--integrity", "sign-all"]
                          for a in dnskey.ALGORITHMS})

    def test_every_addressing(self):
        self.all_at_once({a: ["--addressing", a] for a in ADDRESSINGS})

    def test_other_hash_functions_chunk_sizes_and_widths(self):
        self.all_at_once({
            "sha1": ["--hash", "sha1"], "sha512": ["--hash", "sha512"],
            "chunks of 512": ["--chunk-size", 512], "chunks of 8192": ["--chunk-size", 8192],
            "two per signature": ["--chunks-per-signature", 2],
            "128 per signature": ["--chunks-per-signature", 128]}, rate=0.6, seconds=5)


class Inputs(live.LiveCase):
    def free_port(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def test_datagrams(self):
        """udp://: MPEG-TS, seven packets to a datagram; it ends when the program is told to."""
        port = self.free_port()
        seeder = self.live_seeder(f"udp://127.0.0.1:{port}", not_port=[port])
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        out.connect(("127.0.0.1", port))
        self.closers.append(out.close)

        def send(block):
            for at in range(0, len(block), 7 * live.PACKET):
                out.send(block[at:at + 7 * live.PACKET])
        feeder = live.Feeder(self.random, live.mbit(2), 4, send)
        self.closers.append(feeder.stopping.set)
        getter = self.viewer(seeder.url, peers=[seeder.address])
        feeder.start()
        self.assertTrue(feeder.finished.wait(30))
        time.sleep(0.2)
        seeder.send_signal(signal.SIGTERM)
        self.assert_ended(getter)
        self.assert_one_run(feeder.sent, getter)
        self.assertEqual(seeder.wait(20), 0)

    def test_files(self):
        """file:PATH and a plain path, paced."""
        rate = live.mbit(2)
        content = live.Feeder(self.random, 1, 1, None).packets(int(2.5 * rate) // live.PACKET)
        path = self.path("feed.ts")
        with open(path, "wb") as file:
            file.write(content)
        for source in (f"file:{path}", path):
            with self.subTest(source):
                seeder = self.live_seeder(source, "--pace", int(rate))
                began = time.monotonic()
                getter = self.viewer(seeder.url, peers=[seeder.address])
                self.assert_ended(getter)
                self.assertEqual(self.assert_one_run(content, getter) % live.PACKET, 0)
                self.assertEqual(seeder.wait(20), 0)
                self.assertGreater(time.monotonic() - began, 2)

    def test_what_is_no_transport_stream_passes_as_it_is(self):
        read_end, write_end = os.pipe()
        content = self.random.randbytes(400_000).replace(b"\x47", b"\x46")
        seeder = self.live_seeder("-", "--chunks-per-signature", 8, stdin=read_end)
        os.close(read_end)
        getter = self.viewer(seeder.url, "--start", "oldest", peers=[seeder.address])
        write = live.write_all(write_end)
        for at in range(0, len(content), 4000):
            write(content[at:at + 4000])
            time.sleep(0.01)
        os.close(write_end)
        self.assert_ended(getter)
        self.assertEqual(self.assert_one_run(content, getter, ts=False), 0)
        self.assertEqual(seeder.wait(20), 0)


class Sources(live.LiveCase):
    def test_a_source_that_was_killed_goes_on_under_the_same_id(self):
        key = self.path("feed.key")
        first, before = self.piped_feed(live.mbit(1), 60, "--key", key)
        port = int(first.address.rsplit(":", 1)[1])
        getter = self.viewer(first.url, peers=[first.address])
        self.wait_tuned_in(getter)
        time.sleep(2)
        first.kill()
        before.stop()
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        second, after = self.piped_feed(live.mbit(1), 6, "--key", key, port=port)
        self.assertEqual(second.url.split("?")[0], first.url.split("?")[0])
        late = self.viewer(second.url, peers=[second.address])
        for viewer in (getter, late):
            report = self.assert_ended(viewer, timeout=40)
            runs = self.assert_runs(bytes(before.sent) + bytes(after.sent), viewer)
            print(f"{viewer.name}: runs {runs}, {report}")
            self.assertEqual(sum(runs[-1]), len(before.sent) + len(after.sent))
        got = live.runs(bytes(before.sent) + bytes(after.sent), live.read_file(getter.output),
                        live.PACKET)
        self.assertLess(got[0][0], len(before.sent), "it had some of the first part")
        self.assertEqual(second.wait(20), 0)

    def test_a_feed_that_ended_goes_on_under_the_same_id(self):
        key = self.path("feed.key")
        for _ in range(2):
            seeder, feeder = self.piped_feed(live.mbit(1), 2, "--key", key)
            getter = self.viewer(seeder.url, peers=[seeder.address])
            self.assert_ended(getter)
            self.assert_one_run(feeder.sent, getter)
            self.assertEqual(seeder.wait(20), 0)

    def test_the_end_of_an_earlier_run_does_not_end_the_feed(self):
        """A viewer of the earlier run is still there, and tells of the end that it knows."""
        key = self.path("feed.key")
        before, _ = self.piped_feed(live.mbit(1), 2, "--key", key)
        stayed = self.viewer(before.url, "--stay", peers=[before.address])
        self.wait_tuned_in(stayed)
        self.assertEqual(before.wait(30), 0)
        seeder, feeder = self.piped_feed(live.mbit(1), 5, "--key", key)
        time.sleep(2)
        old = f"127.0.0.1:{stayed.port()}"
        getters = [self.viewer(seeder.url, peers=peers)
                   for peers in ([seeder.address, old], [old, seeder.address])]
        for getter in getters:
            self.assert_ended(getter)
            self.assert_one_run(feeder.sent, getter)
        self.assertEqual(seeder.wait(20), 0)

    def test_two_sources_do_not_share_a_key(self):
        key = self.path("feed.key")
        self.piped_feed(live.mbit(1), 20, "--key", key)
        other = self.start("second", [harness.program("PPSPP_SEED"), "-l", "127.0.0.1:0", "--live",
                                      "--key", key, "-"])
        self.assertEqual(other.wait(10), 1)
        self.assertEqual(len(other.stderr().splitlines()), 1)

    def test_a_recording_is_a_static_swarm_at_once(self):
        """6.1.2.1: its root hash is the ID, and the file is what was sent."""
        record = self.path("record.ts")
        seeder, feeder = self.piped_feed(live.mbit(2), 4, "--discard-window", "all", "--record",
                                         record)
        viewer = self.viewer(seeder.url, peers=[seeder.address])
        time.sleep(2)
        late = self.viewer(seeder.url, "--start", "oldest", peers=[seeder.address])
        self.assert_ended(viewer)
        self.assert_ended(late)
        self.assertEqual(self.assert_one_run(feeder.sent, late), 0)
        url = seeder.line(2, timeout=20)
        self.assertIn(f"len={len(feeder.sent)}", url)
        getter = self.getter(url, peers=[seeder.address])
        self.assertEqual(getter.wait(30), 0, getter.stderr())
        self.assertEqual(live.read_file(getter.output), bytes(feeder.sent))
        self.assertEqual(seeder.stop(), 0)
        self.assertEqual(live.read_file(record), bytes(feeder.sent))
        again = self.seeder(record)
        self.assertEqual(again.url.split("?")[0], url.split("?")[0], "the same root hash")

    def test_a_feed_that_stalls_goes_on(self):
        seeder, feeder = self.piped_feed(live.mbit(1), 3)
        getter = self.viewer(seeder.url, peers=[seeder.address])
        self.wait_tuned_in(getter)
        feeder.paused.set()
        time.sleep(5)
        self.assertTrue(getter.running() and seeder.running(), "both wait")
        feeder.paused.clear()
        report = self.assert_ended(getter)
        self.assert_one_run(feeder.sent, getter)
        self.assertEqual(report["chunks_skipped"], 0)
        self.assertEqual(seeder.wait(20), 0)


class Viewers(live.LiveCase):
    def test_a_late_viewer_begins_near_the_newest(self):
        seeder, feeder = self.piped_feed(live.mbit(1), 7)
        time.sleep(5)
        then = len(feeder.sent)
        getter = self.viewer(seeder.url, peers=[seeder.address])
        self.assert_ended(getter)
        offset = self.assert_one_run(feeder.sent, getter)
        print(f"tuned in at {offset}, {(then - offset) / live.mbit(1):.2f} s behind the feed")
        self.assertGreater(offset, then - 4 * live.mbit(1) * harness.TIME_FACTOR)
        self.assertEqual(seeder.wait(20), 0)

    def test_the_oldest_is_as_old_as_the_window(self):
        seeder, feeder = self.piped_feed(live.mbit(1), 6, "--chunks-per-signature", 8,
                                         "--discard-window", 256)
        time.sleep(4)
        then = len(feeder.sent)
        getter = self.viewer(seeder.url, "--start", "oldest", peers=[seeder.address])
        self.assert_ended(getter)
        offset = self.assert_one_run(feeder.sent, getter)
        print(f"asked at {then}, tuned in at {offset}: {(then - offset) / 1024:.0f} chunks behind")
        self.assertGreaterEqual(offset, then - 300 * 1024)
        self.assertLess(offset, then - 100 * 1024)
        self.assertEqual(seeder.wait(20), 0)

    def test_a_slow_reader_holds_nobody_back(self):
        """What it does not read is passed on all the same, and kept within bounds."""
        seeder, feeder = self.piped_feed(live.mbit(8), 8)
        slow = self.piped_viewer(seeder.url, "--discard-window", 4096, peers=[seeder.address])
        behind = self.viewer(seeder.url, peers=[f"127.0.0.1:{slow.port()}"])
        self.wait_tuned_in(behind)
        time.sleep(2)
        early = slow.resident_kib()
        self.assertTrue(feeder.finished.wait(30))
        print(f"memory of the slow one: {early} KiB, then {slow.resident_kib()} KiB")
        if harness.TIME_FACTOR == 1:
            self.assertLess(slow.resident_kib(), early + (8 << 10))
        report = self.assert_ended(behind)
        self.assert_one_run(feeder.sent, behind)
        self.assertEqual(report["chunks_skipped"], 0)
        octets = bytearray()
        reader = threading.Thread(target=lambda: octets.extend(slow.pipe.read()), daemon=True)
        reader.start()
        self.assert_ended(slow)
        reader.join()
        self.assert_runs(feeder.sent, slow, octets=octets)
        self.assertEqual(seeder.wait(20), 0)

    def test_a_reader_that_goes_away_ends_the_program(self):
        seeder, feeder = self.piped_feed(live.mbit(1), 20)
        getter = self.piped_viewer(seeder.url, peers=[seeder.address])
        self.assertTrue(getter.pipe.read(20_000))
        getter.pipe.close()
        self.assertEqual(getter.wait(10), 1)

    def test_who_stays_serves_what_its_window_has(self):
        seeder, feeder = self.piped_feed(live.mbit(1), 3)
        first = self.viewer(seeder.url, "--stay", peers=[seeder.address])
        self.wait_tuned_in(first)
        harness.wait_until(lambda: not seeder.running(), 30, "the source ends")
        second = self.viewer(seeder.url, "--start", "oldest",
                             peers=[f"127.0.0.1:{first.port()}"])
        self.assert_ended(second)
        self.assert_one_run(feeder.sent, second)
        self.assertEqual(first.stop(), 0)

    def test_nobody_there_is_a_timeout(self):
        key = dnskey.PrivateKey("ed25519", self.path("key"))
        getter = self.viewer(f"ppspp:{key.swarm_id.hex()}?live=1", "--timeout", 1,
                             peers=["127.0.0.1:9"])
        self.assertEqual(getter.wait(10), 3)


if __name__ == "__main__":
    harness.main()
