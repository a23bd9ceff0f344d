"""The daemon and trackers: what it hosts is announced, also where a swarm names a tracker of its own,
found by the swarm ID alone, and taken back when it is removed."""

import re
import subprocess
import time

import daemon
import harness
from fake_tracker import FakeTracker
from harness import wait_until

SIZE = 1 << 20


class Swarms(daemon.TestCase):
    def setUp(self):
        super().setUp()
        self.tracker, self.other = self.fake_tracker(), self.fake_tracker()

    def fake_tracker(self):
        tracker = FakeTracker()
        self.closers.append(tracker.close)
        return tracker

    def modes(self, swarm, tracker=None):
        return sorted(mode for _, _, mode in (tracker or self.tracker).members(swarm).values())

    def states(self, server, ref):
        return {tracker["url"]: tracker["announced"]
                for tracker in server.control.swarm(ref).get("trackers") or []}

    def found(self, swarm_id, content, tracker=None):
        getter = self.getter(swarm_id, "--tracker", (tracker or self.tracker).url)
        self.assert_complete(getter, content)

    def ctl(self, server, *words):
        done = subprocess.run([harness.program("PPSPP_CTL"), "--socket", server.control.path, *words],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_file_with_a_tracker_of_its_own(self):
        content = self.content(SIZE)
        server = self.daemon(tracker={"urls": f'["{self.other.url}"]'})
        info = self.seeded(server, content, trackers=[self.tracker.url])
        for tracker in (self.tracker, self.other):
            wait_until(lambda: self.modes(info["id"], tracker) == ["SEEDER"], 20, "it is announced")
        self.assertIn("tracker=", info["url"])
        self.assertEqual(info["url"].count("tracker="), 2)
        wait_until(lambda: self.states(server, info["number"]) ==
                   {self.tracker.url: True, self.other.url: True}, 20, "it is shown")
        shown = self.ctl(server, "show", str(info["number"]))
        self.assertRegex(shown, rf"tracker\s+{re.escape(self.tracker.url)} \w+, announced")
        self.found(info["id"], content)
        server.control.remove(info["number"])
        for tracker in (self.tracker, self.other):
            wait_until(lambda: self.modes(info["id"], tracker) == [], 20, "it is taken back")

    def test_it_is_kept_over_a_restart(self):
        content = self.content(SIZE)
        server = self.daemon()
        info = self.seeded(server, content, trackers=[self.tracker.url])
        wait_until(lambda: self.modes(info["id"]) == ["SEEDER"], 20, "it is announced")
        self.assertEqual(server.stop(), 0)
        wait_until(lambda: self.modes(info["id"]) == [], 20, "it is taken back")
        again = self.daemon()
        wait_until(lambda: self.modes(info["id"]) == ["SEEDER"], 20, "it is announced again")
        self.assertEqual(again.control.swarm(info["number"])["url"], info["url"])
        self.found(info["id"], content)

    def test_a_slow_tracker_is_told_of_the_end_of_all(self):
        """More than one request can say, and the catalogue is written long before they are answered."""
        server = self.daemon()
        swarms = []
        for i in range(130):
            path = self.content(2000, f"file{i}")
            swarms.append(server.control.add_file(path, trackers=[self.tracker.url])["number"])
        def announced():
            with self.tracker.lock:
                return sum(map(bool, self.tracker.swarms.values())) == len(swarms)
        wait_until(announced, 60, "all are announced")
        self.tracker.instead = lambda *_: time.sleep(0.5)
        self.assertEqual(server.stop(), 0)
        wait_until(lambda: not any(self.tracker.swarms.values()), 20, "all are taken back")

    def test_a_download_by_its_id(self):
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", self.tracker.url)
        swarm = re.match(r"ppspp:([0-9a-f]+)", seeder.url).group(1)
        server = self.daemon()
        output = self.path("fetched")
        number = server.control.add_url(swarm, output, trackers=[self.tracker.url])["number"]
        self.wait_state(server, number, "seeding", 60)
        self.assert_identical(content, output)
        wait_until(lambda: self.modes(swarm) == ["SEEDER", "SEEDER"], 20, "it is listed as seeder")
        server.control.remove(number)
        wait_until(lambda: self.modes(swarm) == ["SEEDER"], 20, "it is taken back")

    def test_a_feed(self):
        server = self.daemon()
        feed = server.control.call("POST", "/v1/swarms", {
            "live": {"input": "file:" + self.content(SIZE), "pace": 100_000},
            "trackers": [self.tracker.url]})
        info = self.wait_state(server, feed["number"], "live")
        wait_until(lambda: self.modes(info["id"]) == ["SEEDER"], 20, "it is announced")
        self.assertIn("tracker=", info["url"])

    def test_what_is_no_tracker_is_refused(self):
        server = self.daemon()
        path = self.content(SIZE)
        for wrong in (["tracker.example"], ["udp://tracker.example/"], ["http://"], [7], "http://a/",
                      ["http://a/"] * 17):
            with self.assertRaises(daemon.Refused, msg=str(wrong)) as refused:
                server.control.add_file(path, trackers=wrong)
            self.assertEqual(refused.exception.status, 400, str(wrong))
        for wrong in ("zz", "0d00"):
            with self.assertRaises(daemon.Refused):
                server.control.add_file(path, authority=wrong)
        self.assertEqual(server.control.everything(), [])

    def test_by_the_tools(self):
        first, second = self.content(SIZE, "first"), self.content(SIZE, "second")
        server = self.daemon()
        socket = f"--daemon={server.control.path}"
        seeding = self.start("seed", [harness.program("PPSPP_SEED"), socket, "--tracker",
                                      self.tracker.url, first])
        url = seeding.first_line()
        self.assertEqual(seeding.wait(20), 0, seeding.stderr())
        swarm = re.match(r"ppspp:([0-9a-f]+)", url).group(1)
        wait_until(lambda: self.modes(swarm) == ["SEEDER"], 20, "it is announced")
        self.assertIn("tracker=", url)
        self.ctl(server, "add", "--tracker", self.tracker.url, second)
        ids = [wait_until(lambda: server.control.swarm(n)["id"], 20, "hashed") for n in (1, 2)]
        wait_until(lambda: self.modes(ids[1]) == ["SEEDER"], 20, "it is announced as well")
        other = self.daemon("other")
        getter = self.start("get", [harness.program("PPSPP_GET"),
                                    f"--daemon={other.control.path}", "--tracker", self.tracker.url,
                                    "-o", self.path("fetched"), swarm])
        self.assertEqual(getter.wait(60), 0, getter.stderr())
        self.assert_identical(first, self.path("fetched"))


class OurTracker(daemon.TestCase):
    """ppspp-tracker, which lists who answers it: files that sleep must, too."""

    def test_a_hosted_file_is_found_by_its_id(self):
        with open(self.path("tracker.toml"), "w"):
            pass
        process = self.start("tracker", [harness.program("PPSPP_TRACKER"), "--config",
                                         self.path("tracker.toml"), "--listen", "127.0.0.1:0",
                                         "--udp", "0.0.0.0:0"])
        ready = wait_until(lambda: re.search(r"ready: .*\n", process.stderr()), 20,
                           "the tracker is ready", unless=lambda: not process.running())
        port = re.search(r"http[:/ ]+127\.0\.0\.1:(\d+)", ready.group()).group(1)
        url = f"http://127.0.0.1:{port}/"
        content = self.content(SIZE)
        server = self.daemon()
        info = self.seeded(server, content, trackers=[url])
        self.assert_complete(self.getter(info["id"], "--tracker", url), content)
        server.control.remove(info["number"])
        wait_until(lambda: self.gone(info["id"], url), 30, "it is taken back", interval=0.5)

    def gone(self, swarm, url):
        """Nobody is found who has it."""
        getter = self.getter(swarm, "--tracker", url, "--timeout", "2")
        code = getter.wait(30)
        return code == 3 and getter.json()["peers"] == 0


if __name__ == "__main__":
    harness.main()
