"""kill -9 of either side, a hundred times, each time resumed: in the end the file is right."""

import os
import time

import harness

ROUNDS = 100
SIZE = 64 << 20
CHUNK = 1024


class Kill(harness.TestCase):
    def start_seeder(self):
        # A fixed port: the peer that comes back is found where it was.
        self.seed = self.seeder(self.source, "--upload-limit", "16M", port=self.port)
        self.port = int(self.seed.address.rsplit(":", 1)[1])

    def start_getter(self):
        self.get = self.getter(self.seed.url, output=self.path("output"), peers=[self.seed.address])

    def test_a_hundred_kills(self):
        self.source = self.content(SIZE)
        self.port = 0
        self.start_seeder()
        self.start_getter()
        kills = {"seeder": 0, "getter": 0}
        finished = 0
        while sum(kills.values()) < ROUNDS:
            time.sleep(self.random.uniform(0.0, 0.5) * harness.TIME_FACTOR)
            if not self.get.running():
                self.assert_complete(self.get, self.source)
                self.assertEqual(self.get.json()["chunks_rejected"], 0)
                os.unlink(self.get.output)
                finished += 1
                self.start_getter()
            elif self.random.random() < 0.2:
                self.seed.kill()
                self.start_seeder()
                kills["seeder"] += 1
            else:
                self.get.kill()
                self.assert_nothing_wrong_on_disk()
                self.start_getter()
                kills["getter"] += 1
            self.forget_ended()
        self.assert_complete(self.get, self.source, timeout=60)
        self.assertEqual(self.get.json()["chunks_rejected"], 0)
        print(f"killed: {kills}; complete {finished} times on the way")

    def forget_ended(self):
        self.processes = [p for p in self.processes if p.running() or p is self.get] \
            + [p for p in self.processes if not p.running() and self._in_trouble(p)]

    def start(self, name, argv, **options):
        """Names stay unique although ended processes are forgotten."""
        self.started_count = getattr(self, "started_count", 0) + 1
        return super().start(f"{name}-{self.started_count}", argv, **options)

    def assert_nothing_wrong_on_disk(self):
        """What stands in the output is right or was never written, chunk by chunk."""
        if not os.path.exists(self.get.output):
            return
        with open(self.source, "rb") as good, open(self.get.output, "rb") as half:
            block = CHUNK * 1024
            while got := half.read(block):
                want = good.read(block)
                if got == want:
                    continue
                for i in range(0, len(got), CHUNK):
                    piece = got[i:i + CHUNK]
                    if piece != want[i:i + CHUNK] and piece.strip(b"\0"):
                        self.assert_torn(piece, want[i:i + CHUNK])

    def assert_torn(self, piece, want):
        """A write cut in the middle by the kill leaves zeros, never anything else."""
        self.assertTrue(all(a == b or a == 0 for a, b in zip(piece, want)), "a wrong octet on disk")


class Damage(harness.TestCase):
    def interrupted(self):
        """A half-done download, killed."""
        self.source = self.content(8 << 20)
        self.seed = self.seeder(self.source, "--upload-limit", "8M")
        output = self.path("output")
        getter = self.getter(self.seed.url, output=output, peers=[self.seed.address])
        time.sleep(0.5)
        self.assertTrue(getter.running())
        getter.kill()
        return output

    def resumed(self, output):
        getter = self.getter(self.seed.url, output=output, peers=[self.seed.address])
        self.assert_complete(getter, self.source)
        return getter

    def test_a_killed_download_does_not_begin_anew(self):
        output = self.interrupted()
        report = self.resumed(output).json()
        print(f"resumed: {report}")
        self.assertEqual(report["chunks_rejected"], 0)

    def test_an_interrupted_download_resumes(self):
        self.source = self.content(8 << 20)
        self.seed = self.seeder(self.source, "--upload-limit", "4M")
        output = self.path("output")
        getter = self.getter(self.seed.url, output=output, peers=[self.seed.address])
        time.sleep(0.7)
        self.assertEqual(getter.stop(), 1)
        self.resumed(output)

    def test_a_damaged_partial_file_is_noticed(self):
        output = self.interrupted()
        with open(output, "r+b") as file:
            for _ in range(20):
                file.seek(self.random.randrange(os.path.getsize(output)))
                file.write(b"damage")
        self.resumed(output)

    def test_a_shortened_partial_file_is_noticed(self):
        output = self.interrupted()
        os.truncate(output, os.path.getsize(output) // 3)
        self.resumed(output)

    def test_a_damaged_resume_record_is_noticed(self):
        output = self.interrupted()
        record = output + ".ppspp"
        self.assertTrue(os.path.exists(record))
        size = os.path.getsize(record)
        with open(record, "r+b") as file:
            for _ in range(10):
                file.seek(self.random.randrange(max(1, size)))
                file.write(self.random.randbytes(4))
        self.resumed(output)

    def test_a_shortened_resume_record_is_noticed(self):
        output = self.interrupted()
        record = output + ".ppspp"
        os.truncate(record, os.path.getsize(record) // 2)
        self.resumed(output)


if __name__ == "__main__":
    harness.main()
