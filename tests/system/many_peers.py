"""Several peers at once: they share the work, help each other, and survive each other's end."""

import re
import signal
import time

import harness


class Several(harness.TestCase):
    def test_two_four_and_eight_seeders_at_once(self):
        path = self.content(6 << 20)
        for count in (2, 4, 8):
            with self.subTest(seeders=count):
                seeders = [self.seeder(path) for _ in range(count)]
                getter = self.getter(seeders[0].url, peers=[s.address for s in seeders])
                self.assert_complete(getter, path)
                for seeder in seeders:
                    self.assertEqual(seeder.stop(), 0)

    def test_one_seeder_and_eight_leechers_at_once(self):
        path = self.content(6 << 20)
        seeder = self.seeder(path)
        getters = [self.getter(seeder.url, peers=[seeder.address]) for _ in range(8)]
        for getter in getters:
            self.assert_complete(getter, path, timeout=120)
        print("seconds:", [round(g.seconds(), 2) for g in getters])

    def test_slow_seeders_add_up(self):
        """Each has a quarter of the rate that the download needs to end in time."""
        path = self.content(4 << 20)
        seeders = [self.seeder(path, "--upload-limit", "512k") for _ in range(4)]
        getter = self.getter(seeders[0].url, peers=[s.address for s in seeders])
        self.assert_complete(getter, path)
        print(f"4 MiB from four seeders of 512 KiB/s: {getter.seconds():.1f} s")
        self.assertLess(getter.seconds(), 6.0 * harness.TIME_FACTOR)


class Partial(harness.TestCase):
    def test_a_leecher_that_knows_only_another_leecher_completes(self):
        path = self.content(6 << 20)
        seeder = self.seeder(path)
        first = self.getter(seeder.url, "--download-limit", "2M", "--stay", peers=[seeder.address])
        second = self.getter(seeder.url, peers=[harness.host_port("127.0.0.1", first.port())])
        self.assert_complete(second, path)
        first.stop()
        self.assert_identical(path, first.output)

    def test_a_chain_of_leechers(self):
        path = self.content(3 << 20)
        seeder = self.seeder(path)
        address, chain = seeder.address, []
        for _ in range(4):
            getter = self.getter(seeder.url, "--download-limit", "2M", "--stay", peers=[address])
            chain.append(getter)
            address = harness.host_port("127.0.0.1", getter.port())
        last = self.getter(seeder.url, peers=[address])
        self.assert_complete(last, path)

    def test_peers_of_which_none_has_everything(self):
        """Two leechers are cut off from the source with a part each; a third gets what they have,
        and the rest when the source is back."""
        path = self.content(8 << 20)
        seeder = self.seeder(path)
        parts = [self.getter(seeder.url, "--download-limit", "2M", "--stay", peers=[seeder.address])
                 for _ in range(2)]
        time.sleep(1.0)
        seeder.send_signal(signal.SIGSTOP)
        addresses = [harness.host_port("127.0.0.1", p.port()) for p in parts]
        third = self.getter(seeder.url, peers=[*addresses, seeder.address])
        time.sleep(1.5)
        self.assertTrue(third.running(), "it cannot be complete yet")
        seeder.send_signal(signal.SIGCONT)
        self.assert_complete(third, path, timeout=120)

    def test_a_finished_download_stays_and_serves(self):
        path = self.content(2 << 20)
        seeder = self.seeder(path)
        first = self.getter(seeder.url, "--stay", peers=[seeder.address])
        address = harness.host_port("127.0.0.1", first.port())
        second = self.getter(seeder.url, peers=[address])
        self.assert_complete(second, path)
        self.assertEqual(seeder.stop(), 0)
        third = self.getter(seeder.url, peers=[address])
        self.assert_complete(third, path)
        self.assertEqual(first.stop(), 0, "nothing was left undone")


class Losses(harness.TestCase):
    def test_a_seeder_that_is_killed_in_the_middle(self):
        path = self.content(6 << 20)
        seeders = [self.seeder(path, "--upload-limit", "1M") for _ in range(2)]
        getter = self.getter(seeders[0].url, peers=[s.address for s in seeders])
        time.sleep(1.0)
        self.assertTrue(getter.running())
        seeders[0].kill()
        self.assert_complete(getter, path, timeout=120)

    def test_a_stopped_seeder_does_not_stall_the_other(self):
        path = self.content(6 << 20)
        seeders = [self.seeder(path, "--upload-limit", "1M") for _ in range(2)]
        getter = self.getter(seeders[0].url, peers=[s.address for s in seeders])
        time.sleep(1.0)
        seeders[0].send_signal(signal.SIGSTOP)
        self.assert_complete(getter, path, timeout=60)
        print(f"6 MiB, one of two seeders of 1 MiB/s stopped after 1 s: {getter.seconds():.1f} s")

    def test_a_seeder_that_comes_back_on_its_port_is_used_again(self):
        path = self.content(6 << 20)
        seeder = self.seeder(path, "--upload-limit", "2M")
        port = int(seeder.address.rsplit(":", 1)[1])
        getter = self.getter(seeder.url, peers=[seeder.address])
        time.sleep(1.0)
        self.assertEqual(seeder.stop(), 0)
        self.seeder(path, port=port)
        self.assert_complete(getter, path, timeout=120)

    def test_an_upload_limit_is_kept(self):
        """As the ratio of what the limit allows; start-up and bursts leave room."""
        path = self.content(3 << 20)
        seeder = self.seeder(path, "--upload-limit", "1M")
        getter = self.getter(seeder.url, peers=[seeder.address])
        self.assert_complete(getter, path)
        print(f"3 MiB at 1 MiB/s: {getter.seconds():.2f} s")
        self.assertGreater(getter.seconds(), 2.4)

    def test_a_download_limit_is_kept(self):
        path = self.content(3 << 20)
        seeder = self.seeder(path)
        getter = self.getter(seeder.url, "--download-limit", "1M", peers=[seeder.address])
        self.assert_complete(getter, path)
        print(f"3 MiB at 1 MiB/s: {getter.seconds():.2f} s")
        self.assertGreater(getter.seconds(), 2.4)


if __name__ == "__main__":
    harness.main()
