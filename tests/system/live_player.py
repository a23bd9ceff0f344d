"""A real feed, watched live: ffmpeg makes H.264 and AAC in a transport stream in real time,
ppspp-seed publishes it, ppspp-get plays it into a player's pipe.
PPSPP_LIVE_SECONDS makes it longer."""

import os
import shutil
import subprocess
import unittest

import harness
import live

BAD_WORDS = ("error", "corrupt", "invalid", "missing", "damaged", "discontinuity", "concealing",
             "non-existing")
SIZES = {1: "640x360", 4: "1280x720", 20: "1280x720"}


def from_first_key_frame(octets):
    """The stream from the tables before its first complete key frame on: ffmpeg's video has the PID
    0x100, its tables stand before each key frame."""
    tables = None
    for at in range(0, len(octets) - live.PACKET + 1, live.PACKET):
        packet = octets[at:at + live.PACKET]
        if packet[0] != 0x47:
            raise harness.Failed(f"no MPEG-TS packet at octet {at}")
        pid, begins = (packet[1] & 0x1F) << 8 | packet[2], packet[1] & 0x40
        if pid == 0:
            tables = at
        has_fields = packet[3] & 0x20 and packet[4] > 0
        if pid == 0x100 and begins and has_fields and packet[5] & 0x40 and tables is not None:
            return bytes(octets[tables:])
    raise harness.Failed("no key frame came")


class Player(live.LiveCase):
    def setUp(self):
        super().setUp()
        for tool in ("ffmpeg", "mpv"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"{tool} is not installed")

    def film(self, rate, seconds):
        """ffmpeg's process: a constant rate in Mbit/s, filled up with empty packets."""
        video = int(rate * 0.8 * 1000)
        return self.start("film", [
            "ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i",
            f"testsrc2=size={SIZES[rate]}:rate=25", "-re", "-f", "lavfi", "-i",
            "sine=frequency=440:sample_rate=48000", "-t", seconds, "-c:v", "libx264", "-preset",
            "ultrafast", "-tune", "zerolatency", "-b:v", f"{video}k", "-maxrate", f"{video}k",
            "-bufsize", f"{video // 5}k", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a",
            "96k", "-muxrate", f"{rate}M", "-f", "mpegts", "pipe:1"], stdout=subprocess.PIPE)

    def watch(self, rate, seconds):
        """(sent, received, mpv's log, the getter's report) of a feed from its first second on."""
        film = self.film(rate, seconds)
        sent = live.Tee(film.pipe)
        seeder = self.live_seeder("-", stdin=sent.read_end)
        os.close(sent.read_end)
        getter = self.piped_viewer(seeder.url, peers=[seeder.address])
        got = live.Tee(getter.pipe)
        log = self.path("mpv.log")
        player = self.start("player", [
            "mpv", "--no-config", "--vo=null", "--ao=null", "--no-terminal", "--hwdec=no",
            f"--log-file={log}", "--msg-level=all=v", "-"], stdin=got.read_end)
        os.close(got.read_end)
        got.start()
        sent.start()
        self.assertEqual(film.wait(seconds + 30), 0)
        report = self.assert_ended(getter)
        self.assertEqual(seeder.wait(30), 0)
        self.assertEqual(player.wait(60), 0)
        offset = self.assert_one_run(sent.octets, getter, octets=got.octets)
        print(f"{rate} Mbit/s for {seconds} s: tuned in at octet {offset} of {len(sent.octets)}, "
              f"CPU {seeder.cpu_seconds:.2f} and {getter.cpu_seconds:.2f} s, {report}")
        return got.octets, log

    def check_log(self, log):
        """mpv decoded a frame, and complained about nothing after it."""
        with open(log, errors="replace") as file:
            lines = file.read().splitlines()
        playing = next((i for i, line in enumerate(lines)
                        if "playback restart complete" in line), None)
        self.assertIsNotNone(playing, "mpv played nothing")
        bad = [line for line in lines[playing:] if "][e][" in line or "][f][" in line or
               ("ffmpeg/" in line and any(word in line.lower() for word in BAD_WORDS))]
        self.assertEqual(bad, [])

    def decode_strictly(self, octets):
        path = self.path("from-key-frame.ts")
        with open(path, "wb") as file:
            file.write(from_first_key_frame(octets))
        decoder = self.start("decode", ["ffmpeg", "-nostdin", "-v", "warning", "-xerror",
                                        "-err_detect", "crccheck+bitstream", "-i", path, "-f",
                                        "null", "-"])
        self.assertEqual(decoder.wait(120), 0, decoder.stderr())
        bad = [line for line in decoder.stderr().splitlines()
               if any(word in line.lower() for word in BAD_WORDS)]
        self.assertEqual(bad, [])

    def play(self, rate, seconds):
        seconds = int(os.environ.get("PPSPP_LIVE_SECONDS", seconds))
        octets, log = self.watch(rate, seconds)
        self.assertGreater(len(octets), (seconds - 3) * live.mbit(rate) * 0.8)
        self.check_log(log)
        self.decode_strictly(octets)

    def test_1_mbit(self):
        self.play(1, 5)

    def test_4_mbit(self):
        self.play(4, 12)

    def test_20_mbit(self):
        self.play(20, 5)


if __name__ == "__main__":
    harness.main()
