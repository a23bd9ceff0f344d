"""Live over paths that lose datagrams: one source, two viewers that help each other, a relay with
losses on each of the three paths. PPSPP_LIVE_SECONDS makes it longer."""

import os
import time

import harness
import live

SECONDS = int(os.environ.get("PPSPP_LIVE_SECONDS", 14))
RATE = 4  # Mbit/s


class Loss(live.LiveCase):
    def with_loss(self, share, delay):
        seeder, feeder = self.piped_feed(live.mbit(RATE), SECONDS)
        options = ("--loss", share, "--delay", delay)
        first = self.viewer(seeder.url, peers=[self.relay(seeder.address, *options).address])
        between = self.relay(f"127.0.0.1:{first.port()}", *options)
        second = self.viewer(seeder.url, peers=[self.relay(seeder.address, *options).address,
                                                between.address])
        self.wait_tuned_in(first, second)
        time.sleep(5 * harness.TIME_FACTOR)
        begin = len(feeder.sent)
        for viewer in (first, second):
            report = self.assert_ended(viewer, timeout=SECONDS + 30)
            got = self.share_since(feeder.sent, viewer, begin)
            print(f"loss {share:.0%}, {delay} ms each way: {100 * got:.3f} % after 5 s, {report}")
            self.assertGreaterEqual(got, 0.999)
        self.assertEqual(seeder.wait(30), 0)

    def test_1_percent(self):
        self.with_loss(0.01, 10)

    def test_5_percent(self):
        self.with_loss(0.05, 10)


if __name__ == "__main__":
    harness.main()
