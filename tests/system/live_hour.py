"""Memory over a long feed, in fast motion: 4 Mbit/s at forty times the speed with a small window.
Prints the resident memory of both ends for each minute of the feed. PPSPP_LIVE_MINUTES=60 makes it
an hour."""

import os
import time

import harness
import live

MINUTES = float(os.environ.get("PPSPP_LIVE_MINUTES", 3))
SPEED = float(os.environ.get("PPSPP_LIVE_SPEED", 40))
WINDOW = 4096  # chunks


class Hour(live.LiveCase):
    def test_memory_is_flat(self):
        rate = live.mbit(4)
        path = self.path("feed")
        with open(path, "wb") as file:
            file.truncate(int(rate * 60 * MINUTES))
        seeder = self.live_seeder(f"file:{path}", "--pace", int(rate * SPEED), "--discard-window",
                                  WINDOW)
        getter = self.piped_viewer(seeder.url, "--discard-window", WINDOW, peers=[seeder.address])
        counter = self.start("count", ["wc", "-c"], stdin=getter.pipe)
        getter.pipe.close()
        history = self.follow(seeder, getter)
        report = self.assert_ended(getter, timeout=60)
        self.assertEqual(seeder.wait(60), 0)
        counter.wait(20)
        got = int(counter.stdout()) / os.path.getsize(path)
        print(f"{100 * got:.2f} % of {MINUTES} minutes in {seeder.seconds():.1f} s; CPU "
              f"{seeder.cpu_seconds:.1f} and {getter.cpu_seconds:.1f} s; {report}")
        self.assertGreater(got, 0.9)
        self.check_flat(history)

    def follow(self, *processes):
        """The resident memory of each, in KiB, for each minute of the feed."""
        history, minute = [], 60 / SPEED
        began = time.monotonic()
        while all(p.running() for p in processes) and len(history) < MINUTES - 0.5:
            time.sleep(max(0, began + (len(history) + 0.95) * minute - time.monotonic()))
            try:
                history.append([p.resident_kib() for p in processes])
            except (OSError, AttributeError):
                break  # it has just ended
            print(f"minute {len(history)}: resident", *(f"{k} KiB" for k in history[-1]))
        return history

    def check_flat(self, history):
        """After the window is full once, nothing grows but by noise."""
        self.assertGreaterEqual(len(history), 2)
        full = max(1, len(history) // 4)
        for early, late in zip(history[full], history[-1]):
            self.assertLess(late, early * 1.05 + 1024)
            if harness.TIME_FACTOR == 1:
                self.assertLess(late, 64 << 10)


if __name__ == "__main__":
    harness.main()
