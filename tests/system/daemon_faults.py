"""What goes wrong on a host: the operator is told what it needs, and the rest goes on."""

import http.client
import json
import os
import socket
import subprocess
import time
import unittest

import daemon
import harness


class Files(daemon.TestCase):
    """Files that vanish, change or shrink under the daemon."""

    def restarted(self, service):
        self.assertEqual(service.stop(), 0)
        return self.daemon("daemon")

    def test_a_vanished_file_is_shown_and_comes_back_with_resume(self):
        path, other = self.content(300_000), self.content(200_000, "other")
        service = self.daemon()
        swarm = self.seeded(service, path)
        healthy = self.seeded(service, other)
        os.rename(path, path + ".away")
        service = self.restarted(service)
        failed = self.wait_state(service, swarm["number"], "failed")
        self.assertIn("content", failed["error"])
        self.fetch(healthy, service, other)
        os.rename(path + ".away", path)
        service.control.call("POST", f"/v1/swarms/{swarm['number']}/resume")
        again = self.wait_state(service, swarm["number"], "seeding")
        self.assertEqual(again["id"], swarm["id"])
        self.fetch(again, service, path)

    def test_a_changed_file_is_not_served_and_says_that_it_has_another_id(self):
        path = self.content(300_000)
        service = self.daemon()
        swarm = self.seeded(service, path)
        self.assertEqual(service.stop(), 0)
        with open(path, "rb") as file:
            before = file.read()
        changed = bytes(reversed(before))
        with open(path, "wb") as file:
            file.write(changed)
        service = self.daemon()
        getter = self.getter(swarm["url"], "--timeout", 8, peers=[service.address])
        self.assertNotEqual(getter.wait(40), 0)
        self.assertEqual(getter.json()["chunks_rejected"], 0, "wrong content was sent")
        failed = self.wait_state(service, swarm["number"], "failed")
        self.assertIn("content", failed["error"])
        service.control.call("POST", f"/v1/swarms/{swarm['number']}/resume")
        harness.wait_until(
            lambda: "another swarm" in service.control.swarm(swarm["number"]).get("error", ""), 30,
            "the new ID is said")
        with open(path, "wb") as file:
            file.write(before)
        service.control.call("POST", f"/v1/swarms/{swarm['number']}/resume")
        again = self.wait_state(service, swarm["number"], "seeding")
        self.assertEqual(again["id"], swarm["id"])
        self.fetch(again, service, path)

    def test_a_shortened_file_is_noticed(self):
        path = self.content(300_000)
        service = self.daemon()
        swarm = self.seeded(service, path)
        os.truncate(path, 100_000)
        service = self.restarted(service)
        failed = self.wait_state(service, swarm["number"], "failed")
        self.assertIn("length", failed["error"])

    def test_what_cannot_be_added_is_said(self):
        service = self.daemon()
        empty = self.path("empty")
        open(empty, "wb").close()
        path = self.content(1000)
        self.seeded(service, path)
        for body, status, words in (
                ({"file": {"path": self.path("nothing")}}, 404, "nothing"),
                ({"file": {"path": empty}}, 400, "empty"),
                ({"file": {"path": "relative"}}, 400, "absolute"),
                ({"file": {"path": path}}, 409, "already"),
                ({"file": {"path": path, "hash": "md5"}}, (400, 409), ""),
                ({"url": {"url": "ppspp:zz"}}, 400, ""),
                ({"live": {"input": "udp://nowhere"}}, 400, "udp"),
                ({}, 400, "")):
            with self.subTest(body=body):
                with self.assertRaises(daemon.Refused) as refused:
                    service.control.call("POST", "/v1/swarms", body)
                allowed = status if isinstance(status, tuple) else (status,)
                self.assertIn(refused.exception.status, allowed, refused.exception)
                self.assertIn(words, refused.exception.message)
        self.assertEqual(len(service.control.everything()), 1)

    def test_an_output_that_is_in_the_way_is_not_overwritten(self):
        path, other = self.content(100_000), self.content(5_000, "mine")
        seeder = self.daemon("seeder")
        swarm = self.seeded(seeder, path)
        getter = self.daemon("getter")
        with self.assertRaises(daemon.Refused) as refused:
            getter.control.add_url(swarm["url"], other, peers=[seeder.address])
        self.assertEqual(refused.exception.status, 409)
        self.assertEqual(os.path.getsize(other), 5_000)
        self.assertEqual(getter.control.everything(), [])


class Disk(daemon.TestCase):
    def test_a_full_disk_fails_one_swarm_and_the_rest_goes_on(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount a small tmpfs")
        place = self.path("disk")
        os.mkdir(place)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "none", place],
                          capture_output=True, check=False).returncode != 0:
            raise unittest.SkipTest("cannot mount a tmpfs here")
        self.closers.insert(0, lambda: subprocess.run(["umount", "-l", place], check=False))
        large, small = self.content(8 << 20), self.content(1 << 20, "small")
        seeder = self.daemon("seeder")
        swarm, other = self.seeded(seeder, large), self.seeded(seeder, small)
        getter = self.daemon("getter")
        # More than there is room for is refused at once.
        with self.assertRaises(daemon.Refused) as refused:
            huge = swarm["url"].split("?")[0] + "?len=1000000000000"
            getter.control.add_url(huge, os.path.join(place, "huge"))
        self.assertEqual((refused.exception.status, refused.exception.code), (507, "no_space"))
        # The disk fills while the download runs.
        seeder.control.call("PATCH", f"/v1/swarms/{swarm['number']}",
                            {"limits": {"upload": 2 << 20}})
        output = os.path.join(place, "large")
        number = getter.control.add_url(swarm["url"], output, peers=[seeder.address])["number"]
        with open(os.path.join(place, "filler"), "wb") as file:
            try:
                while True:
                    file.write(b"x" * (1 << 20))
                    file.flush()
            except OSError:
                pass
        failed = self.wait_state(getter, number, "failed")
        self.assertRegex(failed["error"].lower(), "space|full|room")
        fine = getter.control.add_url(other["url"], self.path("fine"), peers=[seeder.address])
        self.wait_state(getter, fine["number"], "seeding")
        self.assert_identical(small, self.path("fine"))
        os.unlink(os.path.join(place, "filler"))
        seeder.control.call("PATCH", f"/v1/swarms/{swarm['number']}", {"limits": {}})
        getter.control.call("POST", f"/v1/swarms/{number}/resume")
        self.wait_state(getter, number, "seeding")
        self.assert_identical(large, output)


class Start(daemon.TestCase):
    """What keeps ppsppd from starting is one clear line."""

    def refused(self, name, words, **sections):
        service = self.daemon(name, wait=False, **sections)
        self.assertNotEqual(service.wait(30), 0)
        lines = service.stderr().strip().splitlines()
        text = "\n".join(lines)
        print(text)
        self.assertRegex(text, words)
        return service

    def test_the_state_directory_of_another_daemon(self):
        first = self.daemon()
        self.refused("second", "another ppsppd", state={"directory": json.dumps(first.state)})
        self.assertEqual(first.control.get("/v1")["swarms"], 0)

    def test_a_port_that_is_in_use(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{other.getsockname()[1]}"
            self.refused("daemon", "(?i)in use", node={"listen": json.dumps([address])})

    def test_a_state_directory_that_is_a_file(self):
        path = self.content(10)
        self.refused("daemon", "state directory", state={"directory": json.dumps(path)})

    def test_a_state_directory_that_may_not_be_read(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, to be somebody else")
        place = self.path("closed")
        os.mkdir(place, 0o700)
        os.chmod(self.directory, 0o755)
        config = self.config("daemon", state={"directory": json.dumps(place)})
        os.chown(self.path("run-daemon"), 65534, 65534)
        service = self.start("ppsppd", [harness.program("PPSPPD"), "--config", config],
                             prefix=["setpriv", "--reuid=65534", "--regid=65534",
                                     "--clear-groups"])
        self.assertNotEqual(service.wait(30), 0)
        print(service.stderr())
        self.assertRegex(service.stderr(), "(?i)permission denied|cannot")

    def test_a_damaged_catalogue_is_put_aside_and_check_says_so(self):
        path = self.content(100_000)
        service = self.daemon()
        self.seeded(service, path)
        self.assertEqual(service.stop(), 0)
        catalogue = os.path.join(service.state, "catalogue.db")
        with open(catalogue, "r+b") as file:
            file.write(b"z" * 4096)
        check = self.start("check", [harness.program("PPSPPD"), "--config",
                                     self.path("daemon.toml"), "--check"])
        self.assertEqual(check.wait(20), 0, "it starts all the same")
        self.assertIn("damaged", check.stderr())
        service = self.daemon()
        self.assertIn("damaged", service.stderr())
        self.assertTrue([f for f in os.listdir(service.state) if ".damaged-" in f])
        self.seeded(service, path)  # and it works


class Clients(daemon.TestCase):
    """Control clients that do not know how to behave."""

    def connect(self, service):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(20)
        client.connect(service.control.path)
        self.addCleanup(client.close)
        return client

    def test_garbage_half_requests_and_silence_hurt_nobody_else(self):
        service = self.daemon()
        path = self.content(100_000)
        silent = [self.connect(service) for _ in range(20)]
        for client in silent[:10]:
            client.sendall(b"POST /v1/swarms HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        for _ in range(50):
            client = self.connect(service)
            client.sendall(self.random.randbytes(self.random.randrange(1, 3000)))
            client.close()
        for body in (b"{", b"[]", b"null", b"{\"file\":3}", b"\xff\xfe", b"[" * 5000,
                     b"{\"file\":{\"path\":\"/x\"},\"surprise\":1}"):
            client = self.connect(service)
            client.sendall(b"POST /v1/swarms HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))
            answer = http.client.HTTPResponse(client)
            answer.begin()
            self.assertEqual(answer.status, 400, body[:20])
            self.assertEqual(json.loads(answer.read())["error"]["code"], "invalid_argument")
        client = self.connect(service)  # refused before its body is sent
        client.sendall(b"POST /v1/swarms HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        self.assertEqual(answer.status, 413)
        swarm = self.seeded(service, path)
        self.fetch(swarm, service, path)

    def test_methods_and_places_that_do_not_exist(self):
        service = self.daemon()
        for method, target, status in (("GET", "/v1/nothing", 404), ("PUT", "/v1/swarms", 405),
                                       ("DELETE", "/v1", 405), ("GET", "/v1/swarms/99", 404),
                                       ("GET", "/v1/swarms?limit=x", 400),
                                       ("GET", "/v1/swarms?colour=red", 400),
                                       ("GET", "/v1/accounts?from=yesterday", 400),
                                       ("DELETE", "/v1/bans/192.0.2.0%2F24", 404),
                                       ("POST", "/v1/swarms/99/pause", 404)):
            with self.subTest(target=target, method=method):
                answer, text, _ = service.control.raw(method, target)
                self.assertEqual(answer, status, text)
                self.assertIn("error", json.loads(text))


class Watching(daemon.TestCase):
    def watch(self, service):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(20 * harness.TIME_FACTOR)
        connection.connect(service.control.path)
        connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        self.addCleanup(connection.close)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
        answer.readline()  # the stream is open
        return answer

    def events(self, answer):
        kind = None
        while True:
            line = answer.readline().decode()
            if line.startswith("event: "):
                kind = line[7:].strip()
            elif line.startswith("data: "):
                yield kind, json.loads(line[6:])

    def test_what_happens_is_told_in_order(self):
        service = self.daemon()
        events = self.events(self.watch(service))
        path = self.content(50_000)
        number = service.control.add_file(path)["number"]
        self.wait_state(service, number, "seeding")
        service.control.call("PATCH", f"/v1/swarms/{number}", {"label": "new"})
        service.control.remove(number)
        seen = []
        for kind, data in events:
            if kind in ("added", "completed", "removed"):
                self.assertEqual(data["swarm"]["number"], number)
                seen.append(kind)
            if kind == "removed":
                break
        self.assertEqual(seen, ["added", "completed", "removed"])

    def test_one_who_does_not_read_is_cut_and_nobody_waits_for_it(self):
        service = self.daemon()
        self.watch(service)  # and never reads
        begun = time.monotonic()
        path = self.content(20_000)
        number = service.control.add_file(path)["number"]
        self.wait_state(service, number, "seeding")
        for i in range(1200):
            service.control.call("POST", "/v1/bans", {"network": f"198.51.100.{i % 250}",
                                                      "reason": "x" * 500})
        print(f"1,200 bans in {time.monotonic() - begun:.1f} s beside a subscriber that hangs")
        self.assertEqual(len(service.control.get("/v1/bans")["bans"]), 250)


if __name__ == "__main__":
    harness.main()
