"""A <video> element in headless Chromium plays from the gateway, and seeks."""

import os
import shutil
import time
import unittest

import browser
import gateway
import harness

SECONDS = 60


class Browser(gateway.TestCase):
    def setUp(self):
        super().setUp()
        for tool in ("chromium", "chromedriver", "ffmpeg"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"{tool} is not installed")

    def film(self):
        path = self.path("film.mp4")
        make = self.start("make", browser.make_film(path, SECONDS))
        self.assertEqual(make.wait(180), 0, make.stderr())
        return path

    def driver(self):
        port = browser.free_port()
        process = self.start("driver", ["chromedriver", f"--port={port}"])
        driver = browser.Driver(port)
        harness.wait_until(driver.ready, 30, "chromedriver answers", interval=0.1,
                           unless=lambda: not process.running())
        driver.open(self.path("profile"))
        self.closers.append(driver.close)
        return driver

    def test_a_video_element_plays_and_seeks(self):
        film = self.film()
        size = os.path.getsize(film)
        site = self.path("site")
        os.mkdir(site)
        with open(os.path.join(site, "index.html"), "w") as page:
            page.write("<!DOCTYPE html><video id=v muted preload=auto></video>")
        # Slow enough that what the player wants decides what is here.
        source = self.gateway("--seed", film, "--bundle", site, self.path("bundle"),
                              "--upload-limit", 500_000)
        # The order in which the two are ready is open.
        urls = [self.swarm(source, number) for number in (1, 2)]
        film_url = next(url for url in urls if "film.mp4" in url)
        site_url = next(url for url in urls if url != film_url)
        server = self.gateway("--read-ahead", 1 << 20)
        driver = self.driver()
        driver.go(f"http://{server.address}{self.path_of(site_url, source).replace('?', '/?')}")
        driver.play(self.path_of(film_url, source, "film.mp4"))

        def state():
            now = driver.look()
            if now["error"]:
                raise harness.Failed(f"the player says: {now['error']}")
            return now

        harness.wait_until(lambda: state()["time"] > 0.3, 60, "it plays", interval=0.05)
        self.assertEqual(state()["width"], 320)
        self.assertAlmostEqual(state()["duration"], SECONDS, delta=1)
        begun = time.monotonic()
        target = SECONDS * 0.8
        driver.seek(target)
        reached = harness.wait_until(
            lambda: (lambda s: s["time"] >= target and not s["seeking"] and s["ready"] >= 2 and s)(
                state()), 60, "it has sought", interval=0.02)
        seek = time.monotonic() - begun
        played = harness.wait_until(lambda: (lambda s: s["time"] > target + 0.5 and s)(state()), 60,
                                    "it plays on from there", interval=0.05)
        verified = self.stats(server)["verified"]
        print(f"the player sought to {reached['time']:.1f} s in {seek:.2f} s and played on to "
              f"{played['time']:.1f} s with {verified} of {size} octets here")
        self.assertLess(verified, size * 0.75, "the seek was answered before what lies between")
        driver.close()
        harness.wait_until(lambda: self.stats(server)["readers"] == 0, 30, "it is let go")


if __name__ == "__main__":
    harness.main()
