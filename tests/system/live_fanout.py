"""One source that cannot carry its viewers alone, and viewers that help each other: every chunk in
time, and still so when a third of them is gone. PPSPP_LIVE_SECONDS makes it longer,
PPSPP_LIVE_MBIT and PPSPP_LIVE_VIEWERS make it bigger."""

import json
import os
import time

import harness
import live

SECONDS = int(os.environ.get("PPSPP_LIVE_SECONDS", 25))
AFTER_S = 15  # how long the rest goes on when a third was killed
RATE = float(os.environ.get("PPSPP_LIVE_MBIT", 1))
VIEWERS = int(os.environ.get("PPSPP_LIVE_VIEWERS", 30))
FRIENDS = 8


class FanOut(live.LiveCase):
    def source_upload(self, relay):
        """Octets that the source sent, as the relay before it counted them."""
        relay.stop()
        return json.loads(relay.stdout().splitlines()[-1])["down"]["bytes_in"]

    def start_viewers(self, url, source):
        viewers, addresses = [], []
        for _ in range(VIEWERS):
            friends = self.random.sample(addresses, min(FRIENDS, len(addresses)))
            viewers.append(self.viewer(url, peers=[source, *friends]))
            addresses.append(f"127.0.0.1:{viewers[-1].port()}")
        return viewers

    def test_a_source_with_three_times_the_rate_and_thirty_viewers(self):
        limit = 3 * live.mbit(RATE)
        # Through a relay, so that what the source sends can be counted.
        seeder, feeder = self.piped_feed(live.mbit(RATE), SECONDS + AFTER_S, "--upload-limit",
                                         int(limit), start=False)
        relay = self.relay(seeder.address)
        began = time.monotonic()
        feeder.start()
        viewers = self.start_viewers(seeder.url, relay.address)
        self.wait_tuned_in(*viewers)
        print(f"{VIEWERS} viewers tuned in {time.monotonic() - began:.1f} s after the start")
        time.sleep(5)
        settled = {v: self.received(v) for v in viewers}
        while time.monotonic() < began + SECONDS * harness.TIME_FACTOR:
            time.sleep(0.1)
        killed = self.random.sample(viewers, VIEWERS // 3)
        rest = [v for v in viewers if v not in killed]
        for viewer in killed:
            viewer.kill()
        print(f"{len(killed)} killed")
        reports = {v: self.assert_ended(v, timeout=AFTER_S + 40) for v in rest}
        self.assertEqual(seeder.wait(30), 0)
        sent = self.source_upload(relay)
        seconds = seeder.seconds()
        print(f"the source: {sent / seconds / live.mbit(RATE):.2f} times the rate sent on average, "
              f"CPU {seeder.cpu_seconds:.1f} s of {seconds:.1f} s")
        self.assertLess(sent, 1.1 * limit * seconds)
        self.report(feeder.sent, rest, reports, settled, killed)

    def report(self, sent, rest, reports, settled, killed):
        worst = 1.0
        for viewer in rest:
            runs = self.assert_runs(sent, viewer)
            begin = self.offset_at(runs, settled[viewer])
            share = self.share_since(sent, viewer, begin)
            worst = min(worst, share)
            report = reports[viewer]
            print(f"{viewer.name}: {100 * share:.3f} % after 5 s, skipped "
                  f"{report['chunks_skipped']}, late {report['chunks_late']}, verified "
                  f"{report['munros_verified']} munros, latency {report['latency_ms']}, "
                  f"CPU {viewer.cpu_seconds:.1f} s")
        for viewer in killed:
            self.assert_runs(sent, viewer)
        print(f"worst: {100 * worst:.3f} %")
        self.assertGreaterEqual(worst, 0.999)

    @staticmethod
    def offset_at(runs, received):
        """Where in the feed the octet is that came as number `received`."""
        for offset, length in runs:
            if received <= length:
                return offset + received
            received -= length
        return sum(runs[-1])


if __name__ == "__main__":
    harness.main()
