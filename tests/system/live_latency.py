"""How far behind the source a viewer is: one hop, and a chain in which each knows only the one
before. The figures are printed; what decides is that everything arrives."""

import harness
import live

RATE = 4  # Mbit/s


class Latency(live.LiveCase):
    def figures(self, name, getter, report):
        chunks = report["chunks_per_signature"]
        interval = chunks * 1024 / live.mbit(RATE) * 1000
        times = report["latency_ms"]
        self.assertLessEqual(times["min"], times["median"])
        self.assertLessEqual(times["median"], times["p99"])
        self.assertLessEqual(times["p99"], times["max"])
        print(f"{name}: {chunks} chunks per signature ({interval:.0f} ms), signed to verified "
              f"min {times['min']:.1f} median {times['median']:.1f} p99 {times['p99']:.1f} "
              f"max {times['max']:.1f} ms, first octet after {report['tuned_in_seconds']:.2f} s, "
              f"late {report['chunks_late']}, skipped {report['chunks_skipped']}, "
              f"CPU {getter.cpu_seconds:.2f} s")
        return times["median"]

    def chain(self, hops, seconds):
        seeder, feeder = self.piped_feed(live.mbit(RATE), seconds)
        getters, address = [], seeder.address
        for _ in range(hops):
            getters.append(self.viewer(seeder.url, peers=[address]))
            address = f"127.0.0.1:{getters[-1].port()}"
        medians = []
        for i, getter in enumerate(getters):
            report = self.assert_ended(getter, timeout=seconds + 30)
            self.assert_one_run(feeder.sent, getter)
            self.assertEqual(report["chunks_skipped"], 0)
            medians.append(self.figures(f"hop {i + 1} of {hops}", getter, report))
        self.assertEqual(seeder.wait(20), 0)
        print(f"ppspp-seed: CPU {seeder.cpu_seconds:.2f} s")
        return medians

    def test_one_hop(self):
        # Generous: the figures are for the reader, a busy machine must not decide.
        self.assertLess(self.chain(1, 6)[0], 500 * harness.TIME_FACTOR)

    def test_a_chain_of_five(self):
        self.assertLess(self.chain(5, 8)[-1], 1500 * harness.TIME_FACTOR)


if __name__ == "__main__":
    harness.main()
