"""ppspp-seed and ppspp-get with --daemon, against a daemon that answers as it is told."""

import signal

import harness
from fake_daemon import FakeDaemon, ID, error, swarm

URL = f"ppspp:{ID}?len=4096&peer=192.0.2.1:6778"


class TestCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.daemon = FakeDaemon(self.path("control.sock"))
        self.closers.append(self.daemon.close)

    def states(self, *states):
        """The swarm as it is added, then as it is each time that it is asked for; the last stays."""
        states = list(states)

        def following(**_):
            return states.pop(0) if len(states) > 1 else states[0]

        self.daemon.route("POST", "/v1/swarms", lambda **_: (201, following()))
        self.daemon.route("GET", "/v1/swarms/7", following)

    def run_program(self, variable, *arguments):
        return self.start(variable.lower(), ["env", "-C", self.directory,
                                             harness.program(variable), *arguments])

    def start_seed(self, *arguments):
        return self.run_program("PPSPP_SEED", f"--daemon={self.daemon.path}", *arguments)

    def start_get(self, *arguments):
        return self.run_program("PPSPP_GET", f"--daemon={self.daemon.path}", *arguments)

    def refused(self, process, code=2):
        self.assertEqual(process.wait(20), code, process.stderr())
        self.assertEqual(process.stdout(), "")
        self.assertEqual(process.stderr().count("\n"), 1, process.stderr())

    def added(self):
        return next(body for method, path, body in self.daemon.requests
                    if (method, path) == ("POST", "/v1/swarms"))


class Seed(TestCase):
    def test_a_file_is_hashed_by_the_daemon_and_its_url_printed(self):
        hashing = swarm(7, state="hashing", id="", url="", verified=0)
        self.states(hashing, hashing, hashing | {"verified": 1 << 20}, swarm(7))
        process = self.start_seed("--chunk-size", "8192", "--upload-limit", "1M",
                            "--peer", "192.0.2.1:6778", "film.ts")
        self.assertEqual(process.wait(20), 0, process.stderr())
        self.assertEqual(process.stdout(), swarm(7)["url"] + "\n")
        body = self.added()
        self.assertEqual(body["file"]["path"], self.path("film.ts"))
        self.assertEqual(body["file"]["chunk_size"], 8192)
        self.assertEqual(body["limits"], {"upload": 1 << 20})
        self.assertEqual(body["peers"], ["192.0.2.1:6778"])

    def test_the_url_has_the_peers_that_are_advertised(self):
        self.states(swarm(7))
        process = self.start_seed("--advertise", "192.0.2.7:6778", "film.ts")
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(process.stdout(), swarm(7)["url"] + "&peer=192.0.2.7:6778\n")

    def test_a_live_feed(self):
        feed = swarm(7, kind="feed", state="live", url=f"ppspp:0d{ID}?live=1", id="0d" + ID)
        del feed["length"]
        self.states(feed)
        process = self.start_seed("--live", "udp://127.0.0.1:5000", "--key", "camera.pem")
        self.assertEqual(process.wait(20), 0, process.stderr())
        self.assertIn("live=1", process.stdout())
        self.assertEqual(self.added()["live"]["input"], "udp://127.0.0.1:5000")
        self.assertEqual(self.added()["live"]["key"], self.path("camera.pem"))

    def test_what_cannot_be_handed_over_is_refused(self):
        for arguments in (("--listen", "127.0.0.1:0", "film.ts"), ("--live", "-"),
                          ("--live", "--record", "x", "udp://127.0.0.1:5000"),
                          ("--live", "--hash", "sha1", "udp://127.0.0.1:5000")):
            with self.subTest(arguments):
                self.refused(self.start_seed(*arguments))
        self.assertEqual(self.daemon.requests, [])

    def test_failures_are_told(self):
        self.states(swarm(7, state="hashing", url="", id=""),
                    swarm(7, state="failed", url="", id="", error="cannot read it"))
        process = self.start_seed("film.ts")
        self.refused(process, 1)
        self.assertIn("cannot read it", process.stderr())
        self.daemon.route("POST", "/v1/swarms",
                          lambda **_: error(404, "not_found", "there is no /x/film.ts"))
        process = self.start_seed("film.ts")
        self.refused(process, 1)
        self.assertIn("there is no /x/film.ts", process.stderr())
        process = self.run_program("PPSPP_SEED", f"--daemon={self.path('none.sock')}", "film.ts")
        self.refused(process, 1)
        self.assertIn("not running", process.stderr())


class Get(TestCase):
    def downloading(self, verified):
        return swarm(7, kind="download", state="downloading", verified=verified)

    def test_it_waits_until_the_download_is_complete(self):
        self.states(self.downloading(0), self.downloading(1000), self.downloading(2000),
                    swarm(7, kind="download", completed_at=1795000000))
        process = self.start_get("-o", "out.ts", "--download-limit", "2M", "--force", "--stay", URL)
        self.assertEqual(process.wait(20), 0, process.stderr())
        self.assertEqual(process.stdout(), "")
        body = self.added()
        self.assertEqual(body["url"], {"url": URL, "output": self.path("out.ts"), "force": True})
        self.assertEqual(body["limits"], {"download": 2 << 20})
        self.assertGreaterEqual(len(self.daemon.requests), 4)

    def test_an_interrupt_leaves_the_download_with_the_daemon(self):
        self.states(self.downloading(0))
        process = self.start_get(URL)
        harness.wait_until(lambda: len(self.daemon.requests) > 2, 20, "the download is looked at")
        process.send_signal(signal.SIGINT)
        self.refused(process, 1)
        self.assertIn("ppspp-ctl show 7", process.stderr())
        self.assertNotIn("DELETE", [method for method, _, _ in self.daemon.requests])

    def test_the_time_can_be_up(self):
        self.states(self.downloading(0))
        process = self.start_get("--timeout", "0.5", URL)
        self.refused(process, 3)
        self.assertIn("ppspp-ctl show 7", process.stderr())

    def test_a_daemon_that_is_restarted_is_waited_for(self):
        self.states(self.downloading(0))
        process = self.start_get(URL)
        harness.wait_until(lambda: len(self.daemon.requests) > 1, 20, "the download is looked at")
        self.daemon.close()
        self.closers.clear()
        self.daemon = FakeDaemon(self.path("control.sock"))
        self.closers.append(self.daemon.close)
        self.states(swarm(7, kind="download"))
        self.assertEqual(process.wait(20), 0, process.stderr())

    def test_a_download_that_somebody_removed_is_over(self):
        self.states(self.downloading(0))
        process = self.start_get(URL)
        harness.wait_until(lambda: len(self.daemon.requests) > 1, 20, "the download is looked at")
        self.daemon.route("GET", "/v1/swarms/7",
                          lambda **_: error(404, "not_found", "there is no swarm 7"))
        self.refused(process, 1)

    def test_what_cannot_be_handed_over_is_refused(self):
        for arguments in (("-o", "-", URL), ("--listen", "127.0.0.1:0", URL), ("--json", URL)):
            with self.subTest(arguments):
                self.refused(self.start_get(*arguments))
        self.assertEqual(self.daemon.requests, [])


if __name__ == "__main__":
    harness.main()
