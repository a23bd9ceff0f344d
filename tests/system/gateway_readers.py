"""Many readers, slow ones, those that go, and what a client is told when something is wrong."""

import socket
import threading
import time

import gateway
import harness

MIB = 1 << 20


class Readers(gateway.TestCase):
    def pair(self, size, *options, seed_options=(), name="film.mp4", length=True):
        """A gateway that has the content, another that joins through it, the path there."""
        path = self.content(size, name)
        source = self.gateway("--seed", path, *seed_options)
        url = self.swarm(source)
        other = self.gateway(*options)
        return source, other, self.path_of(url if length else harness.without_length(url), source,
                                           name), path

    def test_fifty_readers_cost_one_download(self):
        size = 6 * MIB
        source, other, path, file = self.pair(size)
        with open(file, "rb") as opened:
            content = opened.read()
        wrong = []

        def read(number):
            first = 0 if number % 2 else self.starts[number]
            answer = self.get(other, path, {"Range": f"bytes={first}-"})
            if answer.status != 206 or answer.body != content[first:]:
                wrong.append((number, answer.status, len(answer.body)))

        self.starts = [self.random.randrange(size) for _ in range(50)]
        threads = [threading.Thread(target=read, args=(n,), daemon=True) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60 * harness.TIME_FACTOR)
        self.assertEqual(wrong, [])
        stats = self.stats(source)
        # A busy machine drops datagrams, or lets them wait until they are taken for lost; that has
        # nothing to do with readers.
        sent = stats["uploaded"] - stats["again"]
        print(f"50 readers of {size} octets: the seeder sent {sent} ({sent / size:.3f} x), and "
              f"{stats['again']} again after losses")
        self.assertLessEqual(sent, 1.1 * size)
        self.assertGreaterEqual(sent, size)

    def test_first_octet_and_seek_are_prompt(self):
        size = 8 * MIB
        # At 4 MiB/s in order the far end would come after two seconds.
        _, other, path, file = self.pair(size, seed_options=("--upload-limit", 4 * MIB))
        with open(file, "rb") as opened:
            content = opened.read()
        begun = time.monotonic()
        connection = self.connect(other)
        connection.request("GET", path)
        response = connection.getresponse()
        self.assertEqual(response.read(1000), content[:1000])
        first = time.monotonic() - begun
        times = []
        for place in (7, 3, 5):
            offset = place * MIB + 12345
            begun = time.monotonic()
            answer = self.get(other, path, {"Range": f"bytes={offset}-{offset + 65535}"})
            times.append(time.monotonic() - begun)
            self.assertTrue(answer.body == content[offset:offset + 65536])
        have = self.stats(other)["verified"]
        print(f"first octet after {first * 1000:.0f} ms, 64 KiB at a seek after "
              f"{', '.join(f'{t * 1000:.0f}' for t in times)} ms, {have} of {size} octets here")
        connection.close()

    def test_a_seek_is_served_before_what_lies_between(self):
        size = 16 * MIB
        source, other, path, file = self.pair(size, "--read-ahead", MIB,
                                              seed_options=("--upload-limit", 2 * MIB))
        offset = size - MIB
        answer = self.get(other, path, {"Range": f"bytes={offset}-{offset + 9999}"})
        have = self.stats(other)["verified"]
        with open(file, "rb") as opened:
            opened.seek(offset)
            self.assertTrue(answer.body == opened.read(10000))
        self.assertLess(have, size / 2, "what lies before the seek was fetched first")

    def test_length_is_waited_for(self):
        _, other, path, file = self.pair(MIB + 77, length=False)
        answer = self.get(other, path, {"Range": "bytes=-10"})
        self.assertEqual(answer["content-range"], f"bytes {MIB + 67}-{MIB + 76}/{MIB + 77}")

    def test_nobody_there_is_said_in_time(self):
        server = self.gateway("--wait", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            peer = f"127.0.0.1:{silent.getsockname()[1]}"
            answer = self.get(server, f"/swarm/{'ab' * 32}?peer={peer}")
            self.assertEqual(answer.status, 504)
            self.assertIsNotNone(answer["retry-after"])
            answer = self.get(server, f"/swarm/{'ab' * 32}?peer={peer}", method="HEAD")
            self.assertEqual(answer.status, 504)
        self.assertEqual(self.get(server, f"/swarm/{'cd' * 32}").status, 404)
        self.assertEqual(self.get(server, "/swarm/nonsense").status, 400)
        self.assertEqual(self.stats(server)["readers"], 0)

    def test_a_slow_reader_is_dropped_and_the_others_are_not(self):
        path = self.content(16 * MIB, "film.mp4")
        server = self.gateway("--seed", path, "--write-timeout", 1)
        url = self.path_of(self.swarm(server), name="film.mp4")
        host, port = server.address.rsplit(":", 1)
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((host, int(port)))
            slow.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            harness.wait_until(lambda: self.stats(server)["readers"] == 1, 20, "it is being read")
            with open(path, "rb") as file:
                self.assertTrue(self.get(server, url).body == file.read())
            harness.wait_until(lambda: self.stats(server)["readers"] == 0, 30, "it is dropped")
        self.assertIn("takes nothing", server.stderr())

    def test_a_client_that_goes_is_let_go(self):
        _, other, path, _ = self.pair(8 * MIB, seed_options=("--upload-limit", 256 * 1024))
        host, port = other.address.rsplit(":", 1)
        for abort in (False, True):
            client = socket.create_connection((host, int(port)))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertTrue(client.recv(100))
            self.assertEqual(self.stats(other)["readers"], 1)
            if abort:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            harness.wait_until(lambda: self.stats(other)["readers"] == 0, 20, "it is let go")

    def test_too_many_readers_are_told_to_come_back(self):
        _, other, path, _ = self.pair(8 * MIB, "--max-readers", 2,
                                      seed_options=("--upload-limit", 256 * 1024))
        connections = []
        for _ in range(2):
            connection = self.connect(other)
            connection.request("GET", path)
            connection.getresponse()
            connections.append(connection)
        answer = self.get(other, path)
        self.assertEqual(answer.status, 503)
        self.assertIsNotNone(answer["retry-after"])
        connections.pop().close()
        harness.wait_until(lambda: self.stats(other)["readers"] == 1, 20, "there is room again")
        self.assertEqual(self.get(other, path, {"Range": "bytes=0-9"}).status, 206)

    def test_a_body_that_ends_early_is_noticed(self):
        path = self.content(8 * MIB, "film.mp4")
        server = self.gateway("--seed", path, "--max-rate", 100_000)
        url = self.path_of(self.swarm(server))
        curl = self.start("curl", ["curl", "-s", "-S", "-o", self.path("got"),
                                   f"http://{server.address}{url}"])
        harness.wait_until(lambda: self.stats(server)["readers"] == 1, 20, "it is being read")
        server.stop()
        self.assertEqual(curl.wait(20), 18)  # a partial file

    def test_rate_of_one_reader(self):
        path = self.content(2 * MIB, "film.mp4")
        server = self.gateway("--seed", path, "--max-rate", MIB)
        begun = time.monotonic()
        self.assertEqual(len(self.get(server, self.path_of(self.swarm(server))).body), 2 * MIB)
        self.assertGreater(time.monotonic() - begun, 1.5)

    def test_other_origins_are_allowed_as_configured(self):
        path = self.content(1000, "film.mp4")
        ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET",
               "Access-Control-Request-Headers": "range"}
        closed = self.gateway("--seed", path)
        url = self.path_of(self.swarm(closed))
        self.assertIsNone(self.get(closed, url, ask)["access-control-allow-origin"])
        answer = self.get(closed, url, ask, "OPTIONS")
        self.assertEqual((answer.status, answer["allow"]), (204, "GET, HEAD, OPTIONS"))
        self.assertIsNone(answer["access-control-allow-methods"])
        some = self.gateway("--seed", path, "--cors", "https://a.example", "https://b.example")
        self.swarm(some)
        answer = self.get(some, url, {**ask, "Range": "bytes=0-1"})
        self.assertEqual(answer["access-control-allow-origin"], "https://a.example")
        self.assertIn("Content-Range", answer["access-control-expose-headers"])
        self.assertEqual(answer["vary"], "Origin")
        self.assertIn("Range", self.get(some, url, ask, "OPTIONS")["access-control-allow-headers"])
        answer = self.get(some, url, {"Origin": "https://c.example"})
        self.assertIsNone(answer["access-control-allow-origin"])
        self.assertEqual(answer["vary"], "Origin")
        all_of_them = self.gateway("--seed", path, "--cors", "*")
        self.swarm(all_of_them)
        self.assertEqual(self.get(all_of_them, url)["access-control-allow-origin"], "*")

    def test_a_name_that_is_not_ours_is_refused(self):
        """A web page elsewhere may give its own name our address (DNS rebinding)."""
        path = self.content(1000)
        server = self.gateway("--seed", path, "--hosts", "media.example")
        url = self.path_of(self.swarm(server))
        for host, status in (("evil.example", 421), ("evil.example:8778", 421),
                             ("media.example:8778", 200), ("localhost", 200)):
            for target in (url, "/"):
                self.assertEqual(self.get(server, target, {"Host": host}).status, status, host)

    def test_names_types_and_the_page(self):
        path = self.content(1000, "a <b> & c.webm")
        server = self.gateway("--seed", path)
        url = self.path_of(self.swarm(server)).split("?")[0]
        answer = self.get(server, url)
        self.assertEqual(answer["content-type"], "video/webm")
        self.assertIn("immutable", answer["cache-control"])
        self.assertIsNone(answer["content-disposition"])
        self.assertEqual(self.get(server, url + "/x.mp4")["content-type"], "video/mp4")
        self.assertEqual(self.get(server, url + "?download")["content-disposition"],
                         'attachment; filename="a <b> & c.webm"')
        self.assertIn("filename*=UTF-8''%C3%BC.ts",
                      self.get(server, url + "/%C3%BC.ts?download")["content-disposition"])
        page = self.get(server, "/").body.decode()
        self.assertIn("a &lt;b&gt; &amp; c.webm</a>", page)
        self.assertEqual(self.get(server, "/other").status, 404)
        answer = self.get(server, url, method="POST")
        self.assertEqual((answer.status, answer["allow"]), (405, "GET, HEAD, OPTIONS"))


if __name__ == "__main__":
    harness.main()
