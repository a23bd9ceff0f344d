"""A film, watched while it comes: ffmpeg makes it, ppspp-get fetches it into a player's pipe."""

import os
import shutil
import subprocess
import threading
import time
import unittest

import harness

SECONDS = 24
BAD_WORDS = ("error", "corrupt", "invalid", "missing", "damaged", "discontinuity", "concealing")


class Counter(threading.Thread):
    """A pipe in the middle that counts what came through."""

    def __init__(self, source):
        super().__init__(daemon=True)
        self.source = source
        self.count = 0
        self.read_end, self.write_end = os.pipe()

    def run(self):
        try:
            while block := os.read(self.source.fileno(), 4096):
                self.count += len(block)
                os.write(self.write_end, block)
        except BrokenPipeError:
            pass
        finally:
            os.close(self.write_end)
            self.source.close()


class Player(harness.TestCase):
    def setUp(self):
        super().setUp()
        for tool in ("ffmpeg", "mpv"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"{tool} is not installed")

    def film(self):
        path = self.path("film.ts")
        make = self.start("make", [
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-f",
            "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", SECONDS, "-c:v", "libx264",
            "-preset", "ultrafast", "-b:v", "1500k", "-maxrate", "1500k", "-bufsize", "1500k", "-g",
            "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mpegts", path])
        self.assertEqual(make.wait(120), 0)
        return path

    def rate(self, path, factor):
        return int(os.path.getsize(path) / SECONDS * factor)

    def watch(self, path, seeder, argv):
        """Fetches into the program's standard input; (getter, viewer, counter)."""
        getter = self.getter(seeder.url, output="-", peers=[seeder.address], stdout=subprocess.PIPE)
        counter = Counter(getter.pipe)
        viewer = self.start("viewer", argv, stdin=counter.read_end)
        os.close(counter.read_end)
        counter.start()
        return getter, viewer, counter

    def test_mpv_plays_while_the_film_arrives(self):
        path = self.film()
        size = os.path.getsize(path)
        seeder = self.seeder(path, "--upload-limit", self.rate(path, 1.5))
        log = self.path("mpv.log")
        getter, player, counter = self.watch(path, seeder, [
            "mpv", "--no-config", "--vo=null", "--ao=null", "--no-terminal", "--hwdec=no",
            f"--log-file={log}", "--msg-level=all=v", "-"])
        begun = harness.wait_until(lambda: self.playing(log) and counter.count, 60,
                                   "playing begins", interval=0.005,
                                   unless=lambda: not player.running())
        seconds = time.monotonic() - getter.started
        print(f"playing begins after {seconds:.2f} s and {begun} of {size} octets "
              f"({100 * begun / size:.1f} %)")
        self.assertLess(begun, size / 10)
        self.assertEqual(getter.wait(120), 0)
        self.assertEqual(player.wait(120), 0)
        self.assertEqual(counter.count, size)
        with open(log, errors="replace") as file:
            bad = [line for line in file if "][e][" in line or "][f][" in line or
                   ("ffmpeg/" in line and any(word in line.lower() for word in BAD_WORDS))]
        self.assertEqual(bad, [])

    @staticmethod
    def playing(log):
        try:
            with open(log, errors="replace") as file:
                return "playback restart complete" in file.read()
        except OSError:
            return False

    def test_ffmpeg_decodes_the_pipe_without_an_error(self):
        path = self.film()
        seeder = self.seeder(path, "--upload-limit", self.rate(path, 4))
        getter, decoder, counter = self.watch(path, seeder, [
            "ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", "pipe:0", "-f", "null", "-"])
        self.assertEqual(getter.wait(120), 0)
        self.assertEqual(decoder.wait(120), 0)
        self.assertEqual(counter.count, os.path.getsize(path))
        bad = [line for line in decoder.stderr().splitlines()
               if any(word in line.lower() for word in BAD_WORDS)]
        self.assertEqual(bad, [])

    def test_a_player_that_goes_away_ends_the_download(self):
        path = self.content(4 << 20)
        seeder = self.seeder(path, "--upload-limit", "1M")
        getter, _, _ = self.watch(path, seeder, ["head", "-c", "100000"])
        self.assertEqual(getter.wait(30), 1)


if __name__ == "__main__":
    harness.main()
