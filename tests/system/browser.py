"""Headless Chromium, by WebDriver. As a program it plays one film and seeks in it, and prints what it
saw as JSON: browser.py PROFILE URL SECONDS"""

import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import harness

def make_film(path, seconds):
    """The command that makes an MP4 of that length, of a constant rate of 1.5 Mbit/s."""
    return ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
            "testsrc2=size=320x180:rate=10", "-t", seconds, "-c:v", "libx264", "-preset",
            "ultrafast", "-b:v", "1500k", "-minrate", "1500k", "-maxrate", "1500k", "-bufsize",
            "1500k", "-x264-params", "nal-hrd=cbr:force-cfr=1", "-pix_fmt", "yuv420p", "-g", "20",
            "-movflags", "+faststart", path]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Driver:
    """As much of WebDriver as is needed, over plain HTTP."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"
        self.session = None

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"},
                                         method=method)
        with urllib.request.urlopen(request, timeout=60 * harness.TIME_FACTOR) as answer:
            return json.load(answer)["value"]

    def ready(self):
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            return False

    def open(self, profile):
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                     "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
                     "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={profile}"]
        capabilities = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments}}
        self.session = self.call("POST", "/session",
                                 {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]

    def go(self, url):
        self.call("POST", f"/session/{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        return self.call("POST", f"/session/{self.session}/execute/sync",
                         {"script": script, "args": list(arguments)})

    def play(self, url):
        """In the element `v` of the page."""
        self.run("const v = document.getElementById('v'); v.src = arguments[0]; v.play();", url)

    def seek(self, seconds):
        self.run("document.getElementById('v').currentTime = arguments[0];", seconds)

    def look(self):
        return self.run(
            "const v = document.getElementById('v'); return {time: v.currentTime, "
            "duration: v.duration, seeking: v.seeking, width: v.videoWidth, "
            "error: v.error && v.error.message, ready: v.readyState};")

    def close(self):
        if self.session:
            self.call("DELETE", f"/session/{self.session}")
            self.session = None


def watch(driver, url, target):
    """Plays from the beginning, then from `target` seconds on; the last look at the player."""
    driver.go(urllib.parse.urljoin(url, "/no-such-page"))  # of the same origin
    driver.run("document.body.innerHTML = '<video id=v muted preload=auto></video>';")
    driver.play(url)

    def reached(seconds):
        now = driver.look()
        if now["error"]:
            raise harness.Failed(f"the player says: {now['error']}")
        return now["time"] > seconds and not now["seeking"] and now

    harness.wait_until(lambda: reached(0.3), 60, "it plays", interval=0.05)
    begun = time.monotonic()
    driver.seek(target)
    harness.wait_until(lambda: reached(target), 60, "it has sought", interval=0.02)
    sought = time.monotonic() - begun
    last = harness.wait_until(lambda: reached(target + 0.5), 60, "it plays on", interval=0.05)
    return last | {"seek": sought}


def main(profile, url, target):
    port = free_port()
    process = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    driver = Driver(port)
    try:
        harness.wait_until(driver.ready, 30, "chromedriver answers", interval=0.1,
                           unless=lambda: process.poll() is not None)
        driver.open(profile)
        print(json.dumps(watch(driver, url, float(target))))
    finally:
        driver.close()
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main(*sys.argv[1:])
