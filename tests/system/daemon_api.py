"""The daemon's control interface from outside: each route, each answer checked against the description
in conf/openapi.json; and clients that send garbage, half a request, too much, or nothing."""

import http.client
import json
import os
import re
import socket
import threading
import time
import urllib.parse

import daemon
import harness

try:
    import jsonschema
except ImportError:
    jsonschema = None

DESCRIPTION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../conf/openapi.json")


class Description:
    """Checks an exchange against the description, and keeps what it has seen."""

    def __init__(self):
        with open(DESCRIPTION, encoding="utf-8") as file:
            self.document = json.load(file)
        self.seen = set()

    def operation(self, method, path):
        for template, methods in self.document["paths"].items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in methods:
                return template, methods[method.lower()]
        return None, None

    def check(self, method, target, status, headers, body):
        template, operation = self.operation(method, target.partition("?")[0])
        if operation is None:  # what is not described has to be refused
            assert status in (404, 405), (method, target, status)
            return self.validate("Error", json.loads(body))
        assert str(status) in operation["responses"], f"{method} {target}: {status} is not described"
        self.seen.add((method, template, status))
        response = operation["responses"][str(status)]
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].split("/")[-1]]
        content = response.get("content")
        if content is None:
            assert body == b"", (method, target, body)
            return None
        kind = headers.get("Content-Type", "").partition(";")[0]
        assert kind in content, f"{method} {target}: {kind}, described is {list(content)}"
        if kind == "application/json":
            self.validate(content[kind]["schema"]["$ref"].split("/")[-1], json.loads(body))
        return None

    def validate(self, name, value):
        schema = {"$ref": f"#/components/schemas/{name}", "components": self.document["components"]}
        jsonschema.validate(value, schema)


class TestCase(daemon.TestCase):
    def setUp(self):
        if jsonschema is None:
            self.skipTest("python3-jsonschema is not installed")
        super().setUp()
        self.description = Description()
        self.service = self.daemon()
        self.socket = self.service.control.path

    def ask(self, method, target, body=None, status=200):
        """The answer's JSON; the status and all else are as described."""
        got, text, headers = self.service.control.raw(method, target, body)
        self.description.check(method, target, got, headers, text)
        self.assertEqual(got, status, f"{method} {target}: {text[:300]}")
        return json.loads(text) if text and "json" in headers.get("Content-Type", "") else text

    def add(self, size=100_000, name="film.ts", **members):
        path = self.content(size, name)
        info = self.ask("POST", "/v1/swarms", {"file": {"path": path}, **members}, 201)
        self.wait_state(self.service, info["number"], "seeding")
        return self.ask("GET", f"/v1/swarms/{info['number']}")

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20 * harness.TIME_FACTOR)
        connection.connect(self.socket)
        self.addCleanup(connection.close)
        return connection

    def alive(self):
        self.assertTrue(self.service.running())
        self.ask("GET", "/v1")


class Routes(TestCase):
    def test_every_route_answers_as_described(self):
        self.ask("GET", "/v1")
        info = self.add(label="films", peers=["127.0.0.1:9"], limits={"upload": 1 << 30})
        ref = info["number"]
        self.assertEqual(info["label"], "films")
        self.assertEqual(self.ask("GET", f"/v1/swarms/{info['id']}"), self.ask("GET", f"/v1/swarms/{ref}"))
        self.ask("GET", f"/v1/swarms/{info['id'][:8]}")
        page = self.ask("GET", "/v1/swarms?state=seeding&kind=file&label=films&text=film&limit=1")
        self.assertEqual(([s["number"] for s in page["swarms"]], page["total"]), ([ref], 1))
        changed = self.ask("PATCH", f"/v1/swarms/{ref}",
                           {"name": "Der Film", "limits": {"weight": 200}})
        self.assertEqual((changed["name"], changed["limits"]), ("Der Film", {"weight": 200}))
        self.assertEqual(self.ask("POST", f"/v1/swarms/{ref}/pause")["state"], "paused")
        self.assertIn(self.ask("POST", f"/v1/swarms/{ref}/resume")["state"], ("seeding", "opening"))
        self.wait_state(self.service, ref, "seeding")
        self.ask("POST", f"/v1/swarms/{ref}/peers", {"address": "127.0.0.1:9"}, 204)
        self.ask("GET", f"/v1/swarms/{ref}/peers")
        map_ = self.ask("GET", f"/v1/swarms/{ref}/availability?buckets=10")
        self.assertEqual(map_["buckets"], 10)
        limits = self.ask("PATCH", "/v1/limits", {"upload": 5 << 20})
        self.assertEqual(limits["upload"], 5 << 20)
        self.assertNotIn("upload", self.ask("PATCH", "/v1/limits", {"upload": None}))
        self.ask("GET", "/v1/limits")
        self.ask("POST", "/v1/bans", {"network": "192.0.2.0/24", "reason": "x", "seconds": 60}, 201)
        self.assertEqual(len(self.ask("GET", "/v1/bans")["bans"]), 1)
        self.ask("DELETE", "/v1/bans/" + urllib.parse.quote("192.0.2.0/24", safe=""), None, 204)
        self.ask("DELETE", "/v1/bans/192.0.2.1", None, 404)
        self.ask("GET", "/v1/accounts?from=2026-01-01&to=2099-01-01&label=films&limit=1"
                        "&after=2026-11-21.7")
        self.ask("GET", "/v1/log?lines=5")
        self.ask("GET", "/metrics")
        self.ask("GET", "/healthz")
        self.ask("DELETE", f"/v1/swarms/{ref}?delete_content=true", None, 400)
        self.ask("DELETE", f"/v1/swarms/{ref}", None, 204)
        self.assertTrue(os.path.exists(info["path"]), "what was seeded is the user's")
        self.ask("GET", f"/v1/swarms/{ref}", None, 404)
        answered = {(method, path) for method, path, status in self.description.seen if status < 300}
        described = {(method.upper(), path)
                     for path, methods in self.description.document["paths"].items()
                     for method in methods if method != "parameters"}
        self.assertEqual(described - answered, {("GET", "/v1/events")})

    def test_downloads_and_peers_are_described_as_well(self):
        source = self.add(3_000_000, "source.ts")
        other = self.daemon("other")
        number = other.control.add_url(source["url"], peers=[self.service.address])["number"]
        self.wait_state(other, number, "seeding", 60)
        mine, self.service = self.service, other
        info = self.ask("GET", f"/v1/swarms/{number}")
        self.assertEqual((info["kind"], info["verified"]), ("download", 3_000_000))
        self.service = mine
        peers = self.ask("GET", f"/v1/swarms/{source['number']}/peers")["peers"]
        self.assertEqual(len(peers), 1)
        self.assertGreaterEqual(peers[0]["uploaded"], 3_000_000)

    def test_wrong_requests_are_refused_as_described(self):
        info = self.add()
        ref = info["number"]
        path = info["path"]
        for method, target, body, status in (
                ("GET", "/v1/swarms/9999", None, 404), ("GET", "/v1/swarms?stat=x", None, 400),
                ("GET", "/v1/swarms?limit=0", None, 400), ("GET", "/v1/nothing", None, 404),
                ("PUT", "/v1/swarms", {}, 405), ("DELETE", "/v1/limits", None, 405),
                ("POST", "/v1/swarms", {}, 400), ("POST", "/v1/swarms", {"file": {"path": "x"}}, 400),
                ("POST", "/v1/swarms", {"file": {"path": path}, "x": 1}, 400),
                ("POST", "/v1/swarms", {"file": {"path": self.path("none")}}, 404),
                ("POST", "/v1/swarms", {"url": {"url": "ppspp:zz"}}, 400),
                ("POST", "/v1/swarms", {"live": {"input": "tcp://1.2.3.4:5"}}, 400),
                ("PATCH", f"/v1/swarms/{ref}", {"limits": {"weight": 0}}, 400),
                ("PATCH", "/v1/limits", {"schedule": "x"}, 400),
                ("POST", "/v1/bans", {"network": "not a network"}, 400),
                ("POST", f"/v1/swarms/{ref}/peers", {"address": "nowhere"}, 400),
                ("GET", f"/v1/swarms/{ref}/availability?buckets=0", None, 400),
                ("GET", f"/v1/swarms/{ref}/nothing", None, 404),
                ("DELETE", f"/v1/swarms/{ref}?delete_content=perhaps", None, 400),
                ("GET", "/v1/accounts?from=yesterday", None, 400),
                ("GET", "/v1/accounts?limit=0", None, 400),
                ("GET", "/v1/accounts?after=2026-11-21", None, 400),
                ("GET", "/v1/log?lines=many", None, 400)):
            with self.subTest(f"{method} {target} {body}"):
                error = self.ask(method, target, body, status)["error"]
                self.assertNotIn("\n", error["message"])
        self.assertEqual(self.ask("GET", "/v1/swarms")["total"], 1)

    def test_the_programs_speak_to_it(self):
        path = self.content(500_000, "by-ctl.ts")
        ctl = [harness.program("PPSPP_CTL"), "--socket", self.socket]
        seed = self.start("seed", [harness.program("PPSPP_SEED"), f"--daemon={self.socket}", path])
        self.assertEqual(seed.wait(30), 0, seed.stderr())
        self.assertTrue(seed.stdout().startswith("ppspp:"))
        other = self.daemon("other")
        output = self.path("output.ts")
        get = self.start("get", [harness.program("PPSPP_GET"), f"--daemon={other.control.path}",
                                 "-o", output, "--peer", self.service.address,
                                 seed.stdout().strip()])
        self.assertEqual(get.wait(60), 0, get.stderr())
        self.assert_identical(path, output)
        for arguments in (["list"], ["show", "1"], ["peers", "1"], ["limit"], ["limit", "1"],
                          ["limit", "1", "--upload", "1M"], ["limit", "--upload", "9M"], ["bans"],
                          ["ban", "192.0.2.0/24", "--for", "1h"], ["unban", "192.0.2.0/24"],
                          ["accounts"], ["log"], ["info"], ["pause", "1"], ["resume", "1"],
                          ["set", "1", "--label", "films"], ["add-peer", "1", "127.0.0.1:9"],
                          ["--json", "list"], ["--json", "peers", "1"], ["remove", "1"]):
            with self.subTest(arguments):
                process = self.start("ctl", [*ctl, *arguments])
                self.assertEqual((process.wait(20), process.stderr()), (0, ""))
        process = self.start("ctl", [*ctl, "show", "1"])
        self.assertEqual(process.wait(20), 1)
        self.assertEqual(process.stderr().count("\n"), 1)


class Hostile(TestCase):
    """Clients that do not behave: each is refused or cut, and everybody else is served."""

    def all_of(self, connection):
        text = b""
        try:
            while block := connection.recv(65536):
                text += block
                if len(text) > 10_000_000:
                    break
        except ConnectionError:
            pass
        return text

    def test_garbage_is_refused_and_the_daemon_goes_on(self):
        for garbage in (b"\x00" * 100, b"hello\r\n\r\n", b"GET /v1 HTTP/9.9\r\n\r\n",
                        b"GET /v1 HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\r\n" * 100,
                        b"GET " + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
                        b"GET /v1 HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
                        b"POST /v1/swarms HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                        b"POST /v1/swarms HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"zz\r\n", self.random.randbytes(5_000)):
            with self.subTest(garbage[:40]):
                connection = self.connect()
                try:
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                answer = self.all_of(connection)
                if answer:
                    self.assertRegex(answer[:40], rb"^HTTP/1\.[01] [45]\d\d ")
                self.alive()

    def test_bodies_that_are_no_json_or_too_large_are_refused(self):
        for body, status in ((b"{", 400), (b"[" * 10_000, 400), (b"\xff", 400), (b"null", 400),
                             (b"{}" * 600_000, 413), (b"", 400)):
            with self.subTest(body[:10]):
                connection = http.client.HTTPConnection("localhost")
                connection.sock = self.connect()
                try:
                    connection.request("POST", "/v1/swarms", body=body)
                except OSError:
                    pass  # it is refused before all of it is sent
                answer = connection.getresponse()
                text = answer.read()
                self.assertEqual(answer.status, status)
                self.description.check("POST", "/v1/swarms", status, dict(answer.getheaders()), text)
        self.alive()

    def test_half_requests_and_clients_that_hang_hold_nobody_up(self):
        for begin in (b"", b"GET", b"GET /v1 HTTP/1.1\r\nHost: a\r\n",
                      b"POST /v1/swarms HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{") * 10:
            self.connect().sendall(begin)
        begun = time.monotonic()
        for _ in range(20):
            self.alive()
        self.assertLess(time.monotonic() - begun, 20 * harness.TIME_FACTOR)

    def test_requests_may_come_one_behind_the_other(self):
        connection = self.connect()
        count = 50
        connection.sendall(b"GET /v1/limits HTTP/1.1\r\nHost: a\r\n\r\n" * (count - 1) +
                           b"GET /v1/limits HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertEqual(self.all_of(connection).count(b"HTTP/1.1 200 "), count)

    def events(self):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect()
        connection.request("GET", "/v1/events")
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
        return answer

    def read_events(self, answer, enough):
        """The events until one of the type `enough`, each as described."""
        events, kind = [], None
        while True:
            line = answer.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                self.description.validate("Event", event)
                self.assertEqual(event["type"], kind)
                events.append(event)
                if kind == enough:
                    return events
            elif line == "" and answer.isclosed():
                return events

    def test_events_tell_what_happens(self):
        answer = self.events()
        info = self.add()
        self.assertIn("added", [event["type"] for event in self.read_events(answer, "completed")])
        self.ask("PATCH", f"/v1/swarms/{info['number']}", {"label": "new"})
        self.read_events(answer, "changed")
        self.ask("PATCH", "/v1/limits", {"upload": 1 << 20})
        self.read_events(answer, "limits")
        self.ask("DELETE", f"/v1/swarms/{info['number']}", None, 204)
        self.assertEqual(self.read_events(answer, "removed")[-1]["swarm"]["number"],
                         info["number"])

    def add_many(self, count):
        """Downloads that are paused, with names that make their events large."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect()
        for _ in range(count):
            body = {"url": {"url": f"ppspp:{os.urandom(32).hex()}?len=1"}, "paused": True,
                    "label": "x" * 900, "name": "y" * 900}
            connection.request("POST", "/v1/swarms", body=json.dumps(body))
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 201)

    def test_who_is_a_thousand_events_behind_is_told_and_cut(self):
        slow = self.connect()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertTrue(slow.recv(1))
        threads = [threading.Thread(target=self.add_many, args=(200,), daemon=True)
                   for _ in range(8)]  # so that they become durable together
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60 * harness.TIME_FACTOR)
            self.assertFalse(thread.is_alive())
        self.assertEqual(self.ask("GET", "/v1/swarms?limit=1")["total"], 1_600)
        text = self.all_of(slow)
        self.assertIn(b"event: lagging", text)
        self.assertEqual(text.rsplit(b"event: ", 1)[1].split(b"\n")[0], b"lagging", "and no more")
        self.alive()


if __name__ == "__main__":
    harness.main()
