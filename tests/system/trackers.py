"""Peers that know nothing of each other but a tracker (RFC 7846), and trackers that do not help."""

import re
import time

import harness
from fake_tracker import TYPE, FakeTracker, make_certificate
from harness import TestCase, wait_until

SIZE = 3 << 20


class TrackerTest(TestCase):
    def tracker(self, **options):
        tracker = FakeTracker(**options)
        self.closers.append(tracker.close)
        return tracker

    def swarm_id(self, url):
        return re.match(r"ppspp:([0-9a-f]+)", url).group(1)


class Discovery(TrackerTest):
    def test_by_the_swarm_id_alone(self):
        tracker = self.tracker()
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", tracker.url)
        self.assertIn("tracker=", seeder.url)
        swarm = self.swarm_id(seeder.url)
        wait_until(lambda: tracker.members(swarm), 20, "the seeder is announced")
        getter = self.getter(swarm, "--tracker", tracker.url)
        self.assert_complete(getter, content)
        wait_until(lambda: len(tracker.members(swarm)) == 1, 20, "the leecher has left")
        self.assertEqual(list(tracker.members(swarm).values())[0][2], "SEEDER")
        self.assertEqual(seeder.stop(), 0)
        self.assertEqual(tracker.members(swarm), {})
        self.assertEqual({header["Content-Type"] for header in tracker.headers}, {TYPE})
        self.assertEqual({header["path"] for header in tracker.headers}, {"/announce"})

    def test_by_the_url_that_the_seeder_prints(self):
        tracker = self.tracker()
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", tracker.url)
        self.assert_complete(self.getter(seeder.url), content)

    def test_a_leecher_that_was_first_is_found_by_the_seeder(self):
        tracker = self.tracker()
        content = self.content(SIZE)
        swarm = self.swarm_id(self.seeder(content).url)
        self.processes[-1].stop()
        getter = self.getter(swarm, "--tracker", tracker.url)
        wait_until(lambda: tracker.members(swarm), 20, "the leecher is announced")
        started = time.monotonic()
        self.seeder(content, "--tracker", tracker.url)
        self.assert_complete(getter, content)
        # Its own next question would come later than the seeder's first.
        self.assertLess(time.monotonic() - started, 30 * harness.TIME_FACTOR)

    def test_a_download_that_is_complete_is_listed_as_seeder(self):
        tracker = self.tracker()
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", tracker.url)
        swarm = self.swarm_id(seeder.url)
        getter = self.getter(seeder.url, "--stay")
        wait_until(lambda: [mode for _, _, mode in tracker.members(swarm).values()] ==
                   ["SEEDER", "SEEDER"], 60, "both are seeders")
        getter.stop()
        self.assert_identical(content, getter.output)

    def test_a_live_feed(self):
        tracker = self.tracker()
        content = self.content(1 << 20)
        feed = self.start("seed", [harness.program("PPSPP_SEED"), "-l", "127.0.0.1:0", "--live",
                                   "--no-local-discovery", "--pace", "200k", "--tracker",
                                   tracker.url,
                                   "file:" + content])
        url = feed.first_line()
        self.assertIn("tracker=", url)
        getter = self.getter(url, "--start", "oldest", "--buffer", "3")
        self.assertEqual(getter.wait(60), 0, getter.stderr())
        self.assert_identical(content, getter.output)

    def test_over_ipv6(self):
        tracker = self.tracker(host="::1")
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", tracker.url, host="::1")
        self.assert_complete(self.getter(seeder.url, host="::1"), content)


class Tls(TrackerTest):
    def test_a_certificate_that_is_given_is_trusted(self):
        certificate = make_certificate(self.directory, "tracker", "127.0.0.1")
        tracker = self.tracker(certificate=certificate)
        content = self.content(SIZE)
        trust = ("--tracker-ca", certificate[0])
        seeder = self.seeder(content, "--tracker", tracker.url, *trust)
        self.assertIn("https", seeder.url)
        self.assert_complete(self.getter(seeder.url, *trust), content)

    def test_any_other_is_not_and_nothing_is_told(self):
        tracker = self.tracker(certificate=make_certificate(self.directory, "tracker", "127.0.0.1"))
        getter = self.getter("ab" * 32, "--tracker", tracker.url, "--timeout", "3")
        self.assertEqual(getter.wait(30), 3)
        self.assertIn("cannot be trusted: its certificate is not trusted", getter.stderr())
        self.assertEqual(tracker.requests, [])

    def test_a_certificate_for_another_host_is_not_trusted(self):
        certificate = make_certificate(self.directory, "other", "tracker.example")
        tracker = self.tracker(certificate=certificate)
        getter = self.getter("ab" * 32, "--tracker", tracker.url, "--tracker-ca", certificate[0],
                             "--timeout", "3")
        self.assertEqual(getter.wait(30), 3)
        self.assertIn("cannot be trusted", getter.stderr())
        self.assertEqual(tracker.requests, [])

    def test_a_file_without_certificates_is_refused_at_once(self):
        getter = self.getter("ab" * 32, "--tracker", "https://127.0.0.1:1/", "--tracker-ca",
                             self.content(100))
        self.assertNotEqual(getter.wait(30), 0)
        self.assertIn("has no certificates", getter.stderr())


class Trouble(TrackerTest):
    def test_one_that_is_down_and_then_up(self):
        tracker = self.tracker()
        port, url = tracker.port, tracker.url
        self.closers.pop()()
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", url)
        getter = self.getter(self.swarm_id(seeder.url), "--tracker", url)
        for process in (seeder, getter):
            wait_until(lambda: "does not answer" in process.stderr(), 20, "it says so")
        tracker = self.tracker(port=port)
        self.assert_complete(getter, content)
        self.assertEqual(seeder.stop(), 0)

    def test_nobody_there_is_named_when_time_is_up(self):
        getter = self.getter("ab" * 32, "--tracker", "http://127.0.0.1:1/x", "--timeout", "2")
        self.assertEqual(getter.wait(30), 3)
        last = getter.stderr().strip().splitlines()[-1]
        self.assertIn("not complete after 2 seconds", last)
        self.assertIn("the tracker at http://127.0.0.1:1/x does not answer: ", last)

    def test_one_of_two_is_enough(self):
        tracker = self.tracker()
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", "http://127.0.0.1:1/", "--tracker", tracker.url)
        self.assert_complete(self.getter(seeder.url), content)

    def test_answers_that_are_none(self):
        answers = [
            (200, b"<html>hello</html>", {}),
            (200, b"{" * 100_000, {}),
            (200, b'{"PPSPTrackerProtocol":{"version":1,"response_type":0,"error_code":0,'
                  b'"transaction_id":"not yours"}}', {}),
            (404, b"", {}),
            (302, b"", {"Location": "http://127.0.0.1:1/"}),
            (200, b"x" * (3 << 20), {}),
            (200, None, {}),
        ]
        content = self.content(SIZE)
        good = self.tracker()
        seeder = self.seeder(content, "--tracker", good.url)
        trackers = []
        for answer in answers:
            bad = self.tracker()
            bad.instead = lambda tracker, request, answer=answer: answer
            trackers.append(bad)
        options = [word for bad in trackers for word in ("--tracker", bad.url)]
        getter = self.getter(self.swarm_id(seeder.url), *options, "--stay")
        for bad in trackers:
            wait_until(lambda: bad.url in getter.stderr(), 20, f"trouble with {bad.url} is told")
        self.assertIn("HTTP status 404", getter.stderr())
        self.assertIn("HTTP status 302", getter.stderr())
        self.assertIn("its answer is too long", getter.stderr())
        # The same request again (4.3), and none of them ends us.
        wait_until(lambda: len(trackers[0].requests) >= 2, 20, "it is asked again")
        self.assertEqual(trackers[0].requests[0], trackers[0].requests[1])
        for bad in trackers:
            bad.instead = None
        seeder.stop()
        self.seeder(content, "--tracker", trackers[0].url)
        wait_until(lambda: getter.stderr() and self.is_whole(getter, content), 60, "it is complete")
        getter.stop()

    def is_whole(self, getter, content):
        try:
            self.assert_identical(content, getter.output)
            return True
        except (AssertionError, OSError):
            return False

    def test_a_slow_one_does_not_keep_the_program(self):
        tracker = self.tracker()
        tracker.instead = lambda tracker, request: time.sleep(30)
        getter = self.getter("ab" * 32, "--tracker", tracker.url, "--timeout", "1")
        self.assertEqual(getter.wait(10), 3)

    def test_a_refusal_says_what_the_tracker_says(self):
        tracker = self.tracker()
        tracker.instead = lambda tracker, request: (
            200, b'{"PPSPTrackerProtocol":{"version":1,"response_type":1,"error_code":3,'
                 b'"transaction_id":"%s","message":"members only"}}'
                 % request["transaction_id"].encode(), {})
        getter = self.getter("ab" * 32, "--tracker", tracker.url, "--timeout", "2")
        self.assertEqual(getter.wait(30), 3)
        self.assertIn("refuses: Forbidden Action: 'members only'", getter.stderr())

    def test_one_that_was_started_again_is_told_again(self):
        tracker = self.tracker()
        tracker.interval = 10
        seeder = self.seeder(self.content(SIZE), "--tracker", tracker.url)
        swarm = self.swarm_id(seeder.url)
        wait_until(lambda: tracker.members(swarm), 20, "it is announced")
        with tracker.lock:
            tracker.swarms.clear()
        wait_until(lambda: tracker.members(swarm), 40, "it is announced again")
        self.assertGreaterEqual(tracker.count("STAT_REPORT") + tracker.count("FIND"), 1)


class OurTracker(TrackerTest):
    """ppspp-tracker, which lists who answers it."""

    def setUp(self):
        super().setUp()
        with open(self.path("tracker.toml"), "w"):
            pass
        process = self.start("tracker", [harness.program("PPSPP_TRACKER"), "--config",
                                         self.path("tracker.toml"), "--listen", "127.0.0.1:0",
                                         "--udp", "0.0.0.0:0", "--metrics", "127.0.0.1:0"])
        ready = wait_until(lambda: re.search(r"ready: .*\n", process.stderr()), 20,
                           "the tracker is ready", unless=lambda: not process.running())
        port = re.search(r"http[:/ ]+127\.0\.0\.1:(\d+)", ready.group()).group(1)
        self.url = f"http://127.0.0.1:{port}/"

    def test_by_the_swarm_id_alone(self):
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", self.url)
        self.assert_complete(self.getter(self.swarm_id(seeder.url), "--tracker", self.url), content)

    def test_of_a_swarm_with_other_options(self):
        content = self.content(SIZE)
        seeder = self.seeder(content, "--tracker", self.url, "--chunk-size", "4096", "--hash",
                             "sha1", "--addressing", "bin32")
        self.assert_complete(self.getter(seeder.url), content)

    def test_a_live_feed(self):
        content = self.content(1 << 20)
        feed = self.start("seed", [harness.program("PPSPP_SEED"), "-l", "127.0.0.1:0", "--live",
                                   "--no-local-discovery", "--pace", "100k", "--tracker", self.url,
                                   "file:" + content])
        getter = self.getter(feed.first_line(), "--start", "oldest", "--buffer", "3")
        self.assertEqual(getter.wait(60), 0, getter.stderr())
        self.assert_identical(content, getter.output)


if __name__ == "__main__":
    harness.main()
