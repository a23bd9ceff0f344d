"""ppspp-ctl against a daemon that answers as it is told."""

import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest
import urllib.parse

import harness
from fake_daemon import DAEMON, FakeDaemon, ID, error, peer, swarm


class TestCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.daemon = FakeDaemon(self.path("control.sock"))
        self.closers.append(self.daemon.close)

    def ctl(self, *arguments, socket_path=None, timeout=20, **options):
        """Exit code, standard output, standard error."""
        environment = os.environ | {"PPSPP_SOCKET": socket_path or self.daemon.path,
                                    "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        done = subprocess.run([harness.program("PPSPP_CTL"), *map(str, arguments)],
                              capture_output=True, timeout=timeout * harness.TIME_FACTOR,
                              check=False, text=True, env=environment, cwd=self.directory,
                              stdin=subprocess.DEVNULL, **options)
        for trouble in ("Sanitizer", "runtime error", "terminate called", "assertion"):
            self.assertNotIn(trouble, done.stderr)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *arguments, **options):
        code, out, err = self.ctl(*arguments, **options)
        self.assertEqual((code, err), (0, ""), out)
        return out

    def refused(self, expected, *arguments, **options):
        """One line on standard error."""
        code, out, err = self.ctl(*arguments, **options)
        self.assertEqual((code, out), (expected, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("ppspp-ctl: "), err)
        return err

    def last(self):
        return self.daemon.requests[-1]


class Commands(TestCase):
    def take_additions(self):
        self.daemon.route("POST", "/v1/swarms",
                          lambda **_: (201, swarm(7, state="hashing", id="", url="")))

    def added(self, *arguments):
        self.take_additions()
        self.assertEqual(self.ok("add", *arguments), "7 film7.ts: hashing\n")
        method, path, body = self.last()
        self.assertEqual((method, path), ("POST", "/v1/swarms"))
        return body

    def test_a_file_is_added_by_its_absolute_path_with_what_was_said_of_it(self):
        body = self.added("film.ts", "--name", "Der Film", "--label", "films", "--chunk-size", 8192,
                          "--upload-limit", "1M", "--weight", 200, "--peer", "192.0.2.1:6778",
                          "--paused", "--open-at", "2026-11-24T20:00:00Z")
        self.assertEqual(body["file"]["path"], os.path.join(self.directory, "film.ts"))
        self.assertEqual(body["file"]["chunk_size"], 8192)
        self.assertEqual((body["name"], body["label"]), ("Der Film", "films"))
        self.assertEqual(body["limits"], {"upload": 1 << 20, "weight": 200})
        self.assertEqual(body["peers"], ["192.0.2.1:6778"])
        self.assertIs(body["paused"], True)
        self.assertEqual(body["opens_at"], 1795550400)
        self.assertNotIn("url", body)

    def test_names_with_dots_are_made_plain(self):
        body = self.added("./a/../film.ts/")
        self.assertEqual(body["file"]["path"], os.path.join(self.directory, "film.ts"))

    def test_a_url_or_an_id_is_fetched(self):
        url = f"ppspp:{ID}?len=7"
        body = self.added(url, "-o", "out/movie.mkv", "--force")
        self.assertEqual(body["url"], {"url": url, "force": True,
                                       "output": os.path.join(self.directory, "out/movie.mkv")})
        self.assertEqual(self.added(ID)["url"]["url"], ID)
        with open(self.path(ID), "w"):  # a file of that name is a file
            pass
        self.assertEqual(self.added(ID)["file"]["path"], self.path(ID))

    def test_a_live_feed_is_added_by_its_input(self):
        body = self.added("--live", "udp://239.1.2.3:5000", "--signature", "ed25519")
        self.assertEqual(body["live"]["input"], "udp://239.1.2.3:5000")
        self.assertEqual(body["live"]["signature"], "ed25519")
        body = self.added("--live", "file:feed.ts", "--pace", "250k", "--key", "camera.pem")
        self.assertEqual(body["live"]["input"], "file:" + self.path("feed.ts"))
        self.assertEqual(body["live"]["key"], self.path("camera.pem"))
        self.assertEqual(body["live"]["pace"], 250 << 10)

    def test_options_that_make_no_sense_together_are_refused(self):
        for arguments in (("film.ts", "-o", "x"), ("film.ts", "--key", "x"),
                          (ID, "--hash", "sha1"), ("--live", "-"), ("--live", "udp://a"),
                          ("--live", "udp://127.0.0.1:5000", "-o", "x"), ("ppspp:zz",), (),
                          ("film.ts", "--open-at", "tomorrow"), ("film.ts", "--weight", "0")):
            with self.subTest(arguments):
                self.refused(2, "add", *arguments)
        self.assertEqual(self.daemon.requests, [])

    def test_the_list_has_all_pages_and_the_filters(self):
        swarms = [swarm(n, label="films") for n in range(1, 2346)]

        def page(query, **_):
            given = dict(urllib.parse.parse_qsl(query))
            self.assertEqual((given["label"], given["kind"], given["state"], given["text"]),
                             ("a b&c", "file", "seeding", "ä=1"))
            after, limit = int(given.get("after", 0)), int(given.get("limit", 100))
            found = [s for s in swarms if s["number"] > after]
            answer = {"swarms": found[:limit], "total": len(swarms)}
            return answer | ({"next": found[limit - 1]["number"]} if len(found) > limit else {})

        self.daemon.route("GET", "/v1/swarms", page)
        query = ("--label", "a b&c", "--kind", "file", "--state", "seeding", "--text", "ä=1")
        lines = self.ok("list", *query).splitlines()
        self.assertEqual(len(lines), 1 + len(swarms))
        self.assertRegex(lines[0], r"^ *No +Name +State +Done +Size +Up +Down +Peers +Sent +Label +ID$")
        self.assertRegex(lines[-1], r"^2345  film2345.ts +seeding +100% +4.0 MiB +- +- +0 +0 B +films +8f8f8f8f8f$")
        page = json.loads(self.ok("--json", "list", *query))
        self.assertEqual(page, {"swarms": swarms, "total": len(swarms)})

    def test_pages_that_lead_nowhere_end(self):
        self.daemon.route("GET", "/v1/swarms",
                          lambda **_: {"swarms": [swarm(3)], "total": 9, "next": 3})
        self.ok("list")
        self.assertLess(len(self.daemon.requests), 4)

    def test_what_others_chose_cannot_steer_the_terminal(self):
        evil = swarm(1, name="a\x1b[2Jb\nc\u009bd", label="\x07", error="x\x1b]0;y\x07",
                     state="failed")
        self.daemon.route("GET", "/v1/swarms", lambda **_: {"swarms": [evil], "total": 1})
        self.daemon.route("GET", "/v1/swarms/(.*)", lambda ref, **_: evil)
        for arguments in (("list",), ("show", "1")):
            text = self.ok(*arguments)
            self.assertFalse(any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in text),
                             repr(text))
        self.assertIn("a?[2Jb?c?d", self.ok("list"))

    def test_details_of_a_swarm(self):
        info = swarm(7, limits={"upload": 2048, "weight": 50}, opens_at=1795550400)
        self.daemon.route("GET", "/v1/swarms/(.*)", lambda ref, **_: info)
        text = self.ok("show", "8f8f8f")
        self.assertEqual(self.last()[1], "/v1/swarms/8f8f8f")
        for part in ("number            7\n", "URL               ppspp:8f8f", "weight            50\n",
                     "upload limit      2.0 KiB/s\n", "opens             2026-11-24 20:00:00\n",
                     "verified          4.0 MiB, 100%\n"):
            self.assertIn(part, text)
        self.assertEqual(json.loads(self.ok("show", "7", "--json")), info)

    def test_peers_with_their_window_and_delay_and_what_is_here(self):
        self.daemon.route("GET", "/v1/swarms/7", lambda **_: swarm(7, verified=2 << 20))
        self.daemon.route("GET", "/v1/swarms/7/peers", lambda **_: {
            "peers": [peer("192.0.2.1:6778"), peer("[2001:db8::1]:1", inbound=False, choked=True)]})
        self.daemon.route("GET", "/v1/swarms/7/availability", lambda **_: {
            "chunks": 4096, "map": "//8AAA==", "buckets": 4})
        lines = self.ok("peers", "7").splitlines()
        self.assertIn("|" + "█" * 20 + " " * 20 + "| 50% of 4.0 MiB", lines[0])
        self.assertRegex(lines[1], "Address +Has +Up +Down +Sent +Received +Window +Delay +RTT")
        self.assertRegex(lines[2], r"^192.0.2.1:6778 .*████ +50% +2.0 KiB/s +- +1.0 MiB +0 B +"
                                   r"14.6 KiB +31 ms +20 ms .* 12 +0  in$")
        self.assertRegex(lines[3], r"out,choked$")
        self.assertEqual(len(json.loads(self.ok("--json", "peers", "7"))["peers"]), 2)

    def test_limits_of_a_swarm_change_one_by_one(self):
        info = swarm(7, limits={"upload": 5000, "download": 6000, "weight": 7})
        self.daemon.route("GET", "/v1/swarms/7", lambda **_: info)
        self.daemon.route("PATCH", "/v1/swarms/7", lambda body, **_: info | body)
        text = self.ok("limit", "7", "--upload", "1M", "--download", "none", "--max-channels", 9)
        self.assertEqual(self.last()[2], {"limits": {"upload": 1 << 20, "weight": 7,
                                                     "max_channels": 9}})
        self.assertIn("upload limit      1.0 MiB/s\n", text)
        self.assertIn("download limit    none\n", text)
        before = len(self.daemon.requests)
        self.ok("limit", "7")
        self.assertEqual([r[0] for r in self.daemon.requests[before:]], ["GET"])

    def test_limits_of_the_daemon_change_one_by_one(self):
        self.daemon.route("PATCH", "/v1/limits", lambda **_: {
            "upload": 4096, "schedule": "night", "upload_now": 1024})
        self.daemon.route("GET", "/v1/limits", lambda **_: {"schedule": ""})
        text = self.ok("limit", "--upload", "4k", "--download", "none")
        self.assertEqual(self.last()[2], {"upload": 4096, "download": None})
        self.assertIn("upload now        1.0 KiB/s\n", text)
        self.ok("limit")
        self.assertEqual(self.last(), ("GET", "/v1/limits", None))
        self.refused(2, "limit", "--weight", 5)

    def test_bans(self):
        self.daemon.route("POST", "/v1/bans", lambda body, **_: (201, {
            "network": body["network"], "reason": body["reason"], "automatic": False}))
        self.daemon.route("DELETE", "/v1/bans/(.*)", lambda network, **_: (204, None))
        self.daemon.route("GET", "/v1/bans", lambda **_: {"bans": [
            {"network": "192.0.2.0/24", "reason": "floods", "automatic": True,
             "until": 1795550400}]})
        self.assertEqual(self.ok("ban", "192.0.2.0/24", "--for", "2h", "--reason", "floods"),
                         "banned 192.0.2.0/24\n")
        self.assertEqual(self.last()[2],
                         {"network": "192.0.2.0/24", "reason": "floods", "seconds": 7200})
        self.assertEqual(self.ok("unban", "192.0.2.0/24"), "")
        self.assertEqual(self.last()[:2], ("DELETE", "/v1/bans/192.0.2.0%2F24"))
        self.assertRegex(self.ok("bans").splitlines()[1],
                         "^192.0.2.0/24  2026-11-24 20:00:00  ppsppd  floods$")

    def test_the_rest_of_the_commands_ask_what_they_should(self):
        self.daemon.route("POST", "/v1/swarms/7/(pause|resume)",
                          lambda what, **_: swarm(7, state="paused" if what == "pause" else "seeding"))
        self.daemon.route("DELETE", "/v1/swarms/(.*)", lambda ref, **_: (204, None))
        self.daemon.route("POST", "/v1/swarms/7/peers", lambda **_: (204, None))
        self.daemon.route("PATCH", "/v1/swarms/7", lambda body, **_: swarm(7, **body))
        def accounts(number, **more):
            return {"accounts": [
                {"number": number, "id": ID, "name": "film.ts", "label": "films",
                 "day": "2026-11-21", "uploaded": 3 << 20, "downloaded": 1 << 20}], **more}
        self.daemon.route("GET", "/v1/accounts", lambda query, **_: (
            accounts(12) if "after" in query else accounts(7, next="2026-11-21.7")))
        self.daemon.route("GET", "/v1/log", lambda **_: {"log": [
            {"at": 1795550400, "level": "notice", "message": "ready"}]})
        self.assertEqual(self.ok("pause", 7), "7 film7.ts: paused\n")
        self.assertEqual(self.ok("resume", 7), "7 film7.ts: seeding\n")
        self.assertEqual(self.ok("remove", 7, 8, "--delete-content"), "")
        self.assertEqual(self.last()[:2], ("DELETE", "/v1/swarms/8?delete_content=true"))
        self.ok("add-peer", 7, "192.0.2.1:6778")
        self.assertEqual(self.last()[2], {"address": "192.0.2.1:6778"})
        self.assertEqual(self.ok("set", 7, "--name", "Film", "--open-at", "now"),
                         "7 Film: seeding\n")
        self.assertEqual(self.last()[2], {"name": "Film", "opens_at": 0})
        text = self.ok("accounts", "--from", "2026-11-01", "--label", "a b")
        self.assertEqual(self.last()[1], "/v1/accounts?from=2026-11-01&label=a%20b&after=2026-11-21.7")
        for number in (" 7", "12"):
            self.assertIn(f"2026-11-21  {number}  3.0 MiB   1.0 MiB  films  film.ts\n", text)
        self.assertEqual(self.ok("log", "--lines", 5), "2026-11-24 20:00:00  notice   ready\n")
        self.assertEqual(self.last()[1], "/v1/log?lines=5")
        self.assertIn("running since     2026-11-18 11:06:40\n", self.ok("info"))
        self.assertEqual(json.loads(self.ok("info", "--json")), DAEMON)


class Errors(TestCase):
    """One line that says what to do, and the exit code for it."""

    def listen(self, talk):
        """A server that is none of ours: `talk` has each connection."""
        path = self.path("other.sock")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(8)

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        talk(connection)
                    except OSError:
                        pass

        threading.Thread(target=serve, daemon=True).start()
        self.closers.append(lambda: (server.shutdown(socket.SHUT_RDWR), server.close()))
        return path

    def test_the_daemon_is_not_running(self):
        line = self.refused(1, "list", socket_path=self.path("nothing.sock"))
        self.assertIn("the daemon is not running, there is no socket", line)
        self.assertIn("systemctl start ppsppd", line)
        stale = self.path("stale.sock")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(stale)
        self.assertIn("nobody listens", self.refused(1, "list", socket_path=stale))
        self.refused(2, "list", socket_path="/" + "x" * 200)

    def test_no_permission_names_the_group(self):
        if os.geteuid() != 0:
            os.chmod(self.daemon.path, 0)
            line = self.refused(1, "list")
        else:
            os.chmod(self.directory, 0o755)
            os.chmod(self.daemon.path, 0o600)
            program = self.path("ppspp-ctl")  # the build tree may be closed to others
            with open(harness.program("PPSPP_CTL"), "rb") as file, open(program, "wb") as copy:
                copy.write(file.read())
            os.chmod(program, 0o755)
            before, os.environ["PPSPP_CTL"] = os.environ["PPSPP_CTL"], program
            self.addCleanup(os.environ.__setitem__, "PPSPP_CTL", before)
            line = self.refused(1, "list", user=65534, group=65534, extra_groups=[])
        self.assertIn("no permission", line)
        self.assertIn("group ppspp", line)

    def test_what_the_daemon_refuses_is_told_in_its_words(self):
        self.daemon.route("GET", "/v1/swarms/99",
                          lambda **_: error(404, "not_found", "there is no swarm 99"))
        self.daemon.route("GET", "/v1/swarms/98", lambda **_: error(
            400, "invalid_argument", "98 fits several swarms"))
        self.daemon.route("GET", "/v1/swarms/97",
                          lambda **_: error(507, "no_space", "the disk\nis full\x1b[2J"))
        self.assertEqual(self.refused(1, "show", 99), "ppspp-ctl: there is no swarm 99\n")
        self.refused(2, "show", 98)
        self.assertEqual(self.refused(1, "show", 97), "ppspp-ctl: the disk?is full?[2J\n")
        self.daemon.route("GET", "/v1/swarms/1", lambda **_: swarm(1))
        code, out, err = self.ctl("show", 99, 1)  # the others are done all the same
        self.assertEqual((code, err), (1, "ppspp-ctl: there is no swarm 99\n"))
        self.assertIn("film1.ts", out)

    def test_an_answer_of_another_version_is_said_to_be_one(self):
        for answer in ({}, [], {"version": 7}, DAEMON | {"swarms": []}, b"<html>", b"", b"\xff"):
            with self.subTest(answer):
                self.daemon.route("GET", "/v1", lambda answer=answer, **_: answer)
                line = self.refused(1, "info")
                self.assertIn("makes no sense", line)
                self.assertIn("same version", line)
        self.daemon.route("GET", "/v1", lambda **_: (500, b"oops"))
        self.assertIn("status 500", self.refused(1, "info"))
        # What a newer one says besides is no mistake.
        self.daemon.route("GET", "/v1", lambda **_: DAEMON | {"more": 1})
        self.assertEqual(self.ctl("info")[0], 0)

    def test_garbage_in_the_place_of_http(self):
        for garbage in (b"SSH-2.0-OpenSSH\r\n", b"\x00" * 1000, b"HTTP/1.1 2000 X\r\n\r\n",
                        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
                        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", b"",
                        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100000):
            with self.subTest(garbage[:40]):
                path = self.listen(lambda c, garbage=garbage: (c.recv(4096), c.sendall(garbage)))
                self.refused(1, "info", socket_path=path)
                os.unlink(path)

    def test_a_daemon_that_hangs_is_given_up(self):
        for begin in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"):
            with self.subTest(begin):
                ended = threading.Event()
                self.closers.append(ended.set)
                path = self.listen(lambda c, b=begin, e=ended: (c.sendall(b), e.wait(30)))
                started = time.monotonic()
                line = self.refused(3, "--timeout", "0.5", "info", socket_path=path)
                self.assertGreaterEqual(time.monotonic() - started, 0.5)
                self.assertIn("does not answer", line)
                ended.set()
                os.unlink(path)

    def test_a_queue_of_connections_that_is_full_is_waited_for(self):
        path = self.path("full.sock")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen(0)
            waiting = []
            self.addCleanup(lambda: [client.close() for client in waiting])
            while True:  # until no more fit in
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                waiting.append(client)
                try:
                    client.connect(path)
                except BlockingIOError:
                    break
            self.assertIn("does not answer",
                          self.refused(3, "--timeout", "0.3", "info", socket_path=path))

    def test_wrong_usage(self):
        for arguments in ((), ("nonsense",), ("list", "--state", "odd"), ("show",), ("show", "xyz"),
                          ("pause", ""), ("list", "--bogus"), ("watch", "--interval", "0"),
                          ("accounts", "--from", "yesterday"), ("ban", "192.0.2.1", "--for", "9y")):
            with self.subTest(arguments):
                self.refused(2, *arguments)
        self.assertEqual(self.daemon.requests, [])


class Streams(TestCase):
    def log_event(self, message):
        return {"type": "log", "message": message, "level": "info", "at": 1795550400}

    def test_a_log_that_is_followed_shows_each_line_once(self):
        self.daemon.route("GET", "/v1/log", lambda **_: {"log": [
            {"at": 1795550400, "level": "info", "message": m} for m in ("one", "two")]})
        self.daemon.events([": hello\n\n", self.log_event("two"), self.log_event("three"),
                            {"type": "limits", "message": "", "level": "", "at": 1}])
        out = self.start_ctl("log", "--follow")
        self.assertRegex(out.line(3), "info     three$")
        self.assertRegex(out.line(2), "info     two$")
        self.assertEqual(out.stop(), 0)
        self.assertEqual(out.stdout().count("\n"), 3)
        out = self.start_ctl("--json", "log", "-f")
        self.assertEqual(json.loads(out.line(3)), self.log_event("three"))
        self.assertEqual(out.stop(), 0)

    def start_ctl(self, *arguments):
        return self.start("ctl", ["env", f"PPSPP_SOCKET={self.daemon.path}", "TZ=UTC",
                                  harness.program("PPSPP_CTL"), *arguments])

    def test_without_a_terminal_watch_prints_events(self):
        added = {"type": "added", "message": "", "level": "", "at": 1795550400, "swarm": swarm(7)}
        self.daemon.events([added])
        out = self.start_ctl("watch")
        self.assertEqual(out.line(1), "2026-11-24 20:00:00  added  7 film7.ts: seeding")
        self.assertEqual(out.stop(), 0)
        out = self.start_ctl("watch", "--json")
        self.assertEqual(json.loads(out.line(1)), added)
        self.daemon.ended.set()  # the daemon ends
        self.assertEqual(out.wait(20), 1)

    def test_events_that_make_no_sense_end_it(self):
        for text in ("data: {}\n\n", "data: [\n\n", "data: " + "x" * (2 << 20) + "\n\n"):
            with self.subTest(text[:20]):
                self.daemon.events([text])
                self.assertEqual(self.start_ctl("watch", "--json").wait(20), 1)

    def test_on_a_terminal_watch_draws_a_table_that_fits_and_q_ends_it(self):
        swarms = [swarm(n, name="漢字 " * 30, upload_rate=n * 1024) for n in range(1, 60)]
        self.daemon.route("GET", "/v1/swarms", lambda **_: {"swarms": swarms, "total": 59})
        self.daemon.events([])
        keyboard, terminal = pty.openpty()
        self.addCleanup(os.close, keyboard)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 100, 0, 0))
        before = termios.tcgetattr(terminal)
        environment = os.environ | {"PPSPP_SOCKET": self.daemon.path, "LC_ALL": "C.UTF-8"}
        process = subprocess.Popen([harness.program("PPSPP_CTL"), "watch"], stdin=terminal,
                                   stdout=terminal, stderr=terminal, env=environment)
        self.closers.append(process.kill)
        drawn = b""
        deadline = time.monotonic() + 20 * harness.TIME_FACTOR
        while b"and 43 more" not in drawn and time.monotonic() < deadline:
            if select.select([keyboard], [], [], 0.1)[0]:
                drawn += os.read(keyboard, 65536)
        screen = drawn.split(b"\x1b[H")[1].split(b"\x1b[J")[0].decode()
        lines = [line.removesuffix("\x1b[K") for line in re.split("\r+\n", screen)]
        self.assertLessEqual(len(lines), 20)
        self.assertIn("59 swarms", lines[0])
        self.assertTrue(lines[3].lstrip().startswith("59 "), lines[3])  # the fastest first
        for line in lines:
            width = sum(2 if ord(c) > 0x2e80 else 1 for c in line)
            self.assertLessEqual(width, 100, line)
        os.write(keyboard, b"q")
        end = time.monotonic() + 20 * harness.TIME_FACTOR
        while process.poll() is None and time.monotonic() < end:
            if select.select([keyboard], [], [], 0.1)[0]:
                os.read(keyboard, 65536)
        self.assertEqual(process.poll(), 0)
        self.assertEqual(termios.tcgetattr(terminal), before, "the terminal is as it was")
        os.close(terminal)


if __name__ == "__main__":
    harness.main()
