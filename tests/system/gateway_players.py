"""What players make of the gateway: HLS and DASH out of a bundle, and live feeds."""

import os
import shutil
import subprocess
import time
import unittest

import gateway
import harness

SECONDS = 8
BAD_WORDS = ("error", "corrupt", "invalid", "missing", "damaged", "discontinuity", "concealing",
             "failed", "404", "416")
SOURCE = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i",
          "sine=frequency=440:sample_rate=48000"]
ENCODE = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "600k", "-g", "25", "-pix_fmt",
          "yuv420p", "-c:a", "aac"]


class Case(gateway.TestCase):
    def setUp(self):
        super().setUp()
        for tool in ("ffmpeg", "ffprobe", "mpv", "curl"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"{tool} is not installed")

    def ffmpeg(self, *arguments, seconds=SECONDS, **rest):
        return self.start("make", ["ffmpeg", "-nostdin", "-v", "error", *SOURCE, "-t", seconds,
                                   *ENCODE, *arguments], **rest)

    def decode(self, url, timeout=60):
        """ffmpeg decodes all of it; what it complained of, and how many frames there were."""
        decoder = self.start("decode", ["ffmpeg", "-nostdin", "-v", "warning", "-xerror",
                                        "-i", url, "-progress", "pipe:1", "-f", "null", "-"])
        self.assertEqual(decoder.wait(timeout), 0, decoder.stderr())
        frames = [line for line in decoder.stdout().splitlines() if line.startswith("frame=")]
        return self.complaints(decoder.stderr().splitlines()), int(frames[-1].split("=")[1])

    @staticmethod
    def complaints(lines):
        return [line for line in lines if any(word in line.lower() for word in BAD_WORDS)]

    def mpv(self, url, *options, timeout=60):
        log = self.path("mpv.log")
        player = self.start("mpv", ["mpv", "--no-config", "--vo=null", "--ao=null", "--untimed",
                                    "--no-terminal", "--hwdec=no", f"--log-file={log}",
                                    "--msg-level=all=v", *options, url])
        self.assertEqual(player.wait(timeout), 0)
        with open(log, errors="replace") as file:
            lines = file.read().splitlines()
        bad = [line for line in lines if "][e][" in line or "][f][" in line or
               ("ffmpeg/" in line and self.complaints([line]))]
        return bad, any("playback restart complete" in line for line in lines)


class Bundles(Case):
    def bundle(self, directory):
        """Two gateways: one that has the bundle, one that joins; the address at the second."""
        source = self.gateway("--bundle", directory, self.path("bundle"))
        url = self.swarm(source)
        other = self.gateway()
        self.get(other, self.path_of(url, source, "x"))  # joined: from now on by its ID
        return other, f"http://{other.address}/swarm/{self.id_of(url)}", source

    def test_hls_plays_out_of_a_bundle(self):
        directory = self.path("hls")
        os.makedirs(os.path.join(directory, "v"))
        maker = self.ffmpeg("-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod",
                            "-hls_segment_filename", os.path.join(directory, "v", "%03d.ts"),
                            "-hls_base_url", "v/", os.path.join(directory, "stream.m3u8"))
        self.assertEqual(maker.wait(120), 0, maker.stderr())
        with open(os.path.join(directory, "master.m3u8"), "w") as file:
            file.write("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=320x180\n"
                       "stream.m3u8\n")
        server, base, _ = self.bundle(directory)
        answer = self.get(server, base.split(server.address)[1] + "/master.m3u8")
        self.assertEqual(answer["content-type"], "application/vnd.apple.mpegurl")
        for name in sorted(os.listdir(os.path.join(directory, "v"))):
            with open(os.path.join(directory, "v", name), "rb") as file:
                content = file.read()
            path = base.split(server.address)[1] + "/v/" + name
            answer = self.get(server, path)
            self.assertEqual(answer["content-type"], "video/mp2t")
            self.assertTrue(answer.body == content, name)
            answer = self.get(server, path, {"Range": "bytes=188-375"})
            self.assertEqual(answer["content-range"], f"bytes 188-375/{len(content)}")
            self.assertTrue(answer.body == content[188:376])
        bad, frames = self.decode(base + "/master.m3u8")
        self.assertEqual(bad, [])
        self.assertEqual(frames, SECONDS * 25)
        bad, begun = self.mpv(base + "/master.m3u8")
        self.assertEqual(bad, [])
        self.assertTrue(begun)

    def test_dash_plays_out_of_a_bundle(self):
        directory = self.path("dash")
        os.mkdir(directory)
        maker = self.ffmpeg("-f", "dash", "-seg_duration", "2", os.path.join(directory, "film.mpd"))
        self.assertEqual(maker.wait(120), 0, maker.stderr())
        _, base, _ = self.bundle(directory)
        bad, frames = self.decode(base + "/film.mpd")
        self.assertEqual(bad, [])
        self.assertEqual(frames, SECONDS * 25)

    def test_a_bundle_is_a_small_web_site(self):
        directory = self.path("site")
        os.makedirs(os.path.join(directory, "sub", "deep"))
        files = {"index.html": b"<p>hello", "sub/a&b.txt": b"text", "sub/deep/x": b"", "ü.css": b"p{}"}
        for name, content in files.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(content)
        server, base, _ = self.bundle(directory)
        path = base.split(server.address)[1]
        self.assertEqual(self.get(server, path)["location"], path + "/")
        answer = self.get(server, path + "/")
        self.assertEqual((answer.body, answer["content-type"]), (b"<p>hello", "text/html"))
        self.assertEqual(self.get(server, path + "/sub?x=1")["location"], path + "/sub/?x=1")
        listing = self.get(server, path + "/sub/").body.decode()
        self.assertIn('href="./a&amp;b.txt"', listing.replace("%26", "&amp;"))
        self.assertIn('href="./deep/"', listing)
        self.assertEqual(self.get(server, path + "/sub/a%26b.txt").body, b"text")
        self.assertEqual(self.get(server, path + "/%C3%BC.css")["content-type"], "text/css")
        empty = self.get(server, path + "/sub/deep/x", {"Range": "bytes=0-"})
        self.assertEqual((empty.status, empty.body), (200, b""))
        for name in ("none", "sub/none", "sub/deep/none/", "INDEX.HTML", "index.html/"):
            self.assertEqual(self.get(server, path + "/" + name).status, 404, name)
        for name in ("../x", "sub/../index.html", "%2e%2e/x", "sub/%2E%2E/index.html"):
            self.assertEqual(self.get(server, path + "/" + name).status, 400, name)
        etag = self.get(server, path + "/")["etag"]
        self.assertEqual(self.get(server, path + "/", {"If-None-Match": etag}).status, 304)


class Live(Case):
    def feed(self, seconds):
        """A gateway that publishes what ffmpeg makes in real time, another that joins."""
        maker = self.start("make", ["ffmpeg", "-nostdin", "-v", "error", "-re", *SOURCE[:4], "-re",
                                    *SOURCE[4:], "-t", seconds, *ENCODE, "-f", "mpegts", "-"],
                           stdout=subprocess.PIPE)
        source = self.gateway("--feed", "camera", stdin=maker.pipe)
        maker.pipe.close()
        other = self.gateway()
        return source, other, self.path_of(self.swarm(source), source)

    def test_a_feed_plays_from_where_it_is_and_ends(self):
        _, other, path = self.feed(10)
        url = f"http://{other.address}{path}"
        time.sleep(2)  # so that the feed is somewhere in its middle
        begun = time.monotonic()
        curl = self.start("curl", ["curl", "-s", "-S", "-f", "-o", self.path("got.ts"), "-D",
                                   self.path("head"), url])
        harness.wait_until(lambda: os.path.exists(self.path("got.ts")) and
                           os.path.getsize(self.path("got.ts")), 20, "the feed begins")
        print(f"first octets of the feed after {time.monotonic() - begun:.2f} s")
        second = self.start("curl", ["curl", "-s", "-S", "-f", "-o", self.path("second.ts"), url])
        head = self.get(other, path, method="HEAD")
        self.assertEqual((head.status, head["content-type"]), (200, "video/mp2t"))
        probe = self.start("probe", ["ffprobe", "-v", "error", "-show_entries",
                                     "stream=codec_name", "-of", "csv=p=0", "-read_intervals",
                                     "%+1", url])
        self.assertEqual(probe.wait(30), 0, probe.stderr())
        self.assertEqual({"h264", "aac"}, set(probe.stdout().split()))
        for process in (curl, second):
            self.assertEqual(process.wait(60), 0, "the answer ends when the feed does")
        with open(self.path("head")) as file:
            head = file.read().lower()
        self.assertIn("content-type: video/mp2t", head)
        self.assertIn("transfer-encoding: chunked", head)
        for name in ("got.ts", "second.ts"):
            with open(self.path(name), "rb") as file:
                got = file.read()
            self.assertGreater(len(got), 188 * 100, name)
            self.assertEqual(len(got) % 188, 0, name)
            self.assertTrue(all(got[at] == 0x47 for at in range(0, len(got), 188)), name)
        self.assertEqual(self.stats(other)["readers"], 0)

    def test_mpv_plays_a_feed(self):
        _, other, path = self.feed(8)
        bad, begun = self.mpv(f"http://{other.address}{path}", "--length=4")
        self.assertTrue(begun)
        # The first frames refer to what was before the tune-in point.
        self.assertEqual([line for line in bad if "][e][" in line or "][f][" in line], [])
        harness.wait_until(lambda: self.stats(other)["readers"] == 0, 20, "the player is let go")


if __name__ == "__main__":
    harness.main()
