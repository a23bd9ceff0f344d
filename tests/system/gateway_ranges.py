"""The gateway answers ranges as nginx does on the same file, byte for byte."""

import os
import re
import shutil
import unittest

import gateway
import harness

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
COUNT = int(os.environ.get("PPSPP_GATEWAY_RANGES", "400"))
SIZE = 300_007

CONFIG = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.error notice;
events {{ worker_connections 64; }}
http {{
  access_log off; max_ranges 64; types {{ video/mp4 mp4; }} default_type application/octet-stream;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5; keepalive_requests 1000000;
  server {{ listen unix:{dir}/nginx.sock; root {dir}/www; }}
}}
"""


class Ranges(gateway.TestCase):
    def setUp(self):
        super().setUp()
        if not os.path.exists(NGINX):
            raise unittest.SkipTest("nginx is not installed")
        os.mkdir(self.path("www"))
        self.file = self.content(SIZE, "www/film.mp4")
        with open(self.path("nginx.conf"), "w") as config:
            config.write(CONFIG.format(dir=self.directory))
        os.chmod(self.directory, 0o755)
        self.start("nginx", [NGINX, "-p", self.directory, "-c", self.path("nginx.conf"), "-e",
                             self.path("nginx.error")])
        socket_path = self.path("nginx.sock")
        harness.wait_until(lambda: os.path.exists(socket_path), 20, "nginx listens")
        self.reference = gateway.UnixConnection(socket_path, 60)
        self.addCleanup(self.reference.close)
        self.server = self.gateway("--seed", self.file)
        self.url = self.swarm(self.server)
        self.own = self.connect(self.server)
        self.path_here = f"/swarm/{self.id_of(self.url)}/film.mp4"

    def number(self):
        kind = self.random.randrange(5)
        if kind == 0:
            return self.random.randrange(20)
        if kind == 1:
            return SIZE + self.random.randrange(-20, 20)
        return self.random.randrange(SIZE + SIZE // 8)

    def one_range(self):
        kind = self.random.randrange(8)
        if kind == 0:
            return f"{self.number()}-"
        if kind == 1:
            return f"-{self.number()}"
        if kind == 2:
            return self.random.choice(["-", "", "5", "a-b", "1-2-3", "--1", " 7 - 9 ", "1 2-3",
                                       "99999999999999999999-", "0-99999999999999999999"])
        first = self.number()
        return f"{first}-{first + self.random.randrange(-5, 3000)}"

    def range_header(self):
        kind = self.random.randrange(20)
        if kind == 0:
            return self.random.choice(["bytes", "bytes=", "octets=0-5", "bytes 0-5", "0-5",
                                       "bytes =0-5", "BYTES=0-5", "bytes= 3-4"])
        if kind == 1:
            return "bytes=" + ",".join(["0-0"] * self.random.choice([63, 64, 65, 200]))
        count = self.random.choice([1, 1, 1, 2, 3, 6])
        return "bytes=" + self.random.choice([",", ", ", " ,"]).join(
            self.one_range() for _ in range(count))

    def conditions(self, etag, which):
        """Preconditions that mean the same to both, each with its own ETag."""
        made = {
            0: {"If-Range": etag}, 1: {"If-Range": '"another"'}, 2: {"If-Range": "W/" + etag},
            3: {"If-None-Match": etag}, 4: {"If-None-Match": 'W/"x", W/' + etag},
            5: {"If-None-Match": '"another"'}, 6: {"If-None-Match": "*"}, 7: {"If-Match": etag},
            8: {"If-Match": '"another"'}, 9: {"If-Match": "*"}, 10: {"If-Match": "W/" + etag},
            11: {"If-Range": "Sun, 06 Nov 1994 08:49:37 GMT"},
        }
        return made.get(which, {})

    @staticmethod
    def without_boundary(answer):
        found = re.match(r"multipart/byteranges; boundary=(\d{20})$", answer["content-type"] or "")
        if not found:
            return answer["content-type"], answer.body
        boundary = found.group(1).encode()
        return "multipart", answer.body.replace(b"--" + boundary, b"--B")

    def compare(self, method, headers, which, etags):
        theirs = gateway.ask(self.reference, method, "/film.mp4",
                             {**headers, **self.conditions(etags[0], which)})
        ours = gateway.ask(self.own, method, self.path_here,
                           {**headers, **self.conditions(etags[1], which)})
        what = f"{method} {headers} {self.conditions('E', which)}"
        self.assertEqual(ours.status, theirs.status, what)
        self.assertEqual(ours["content-range"], theirs["content-range"], what)
        if theirs.status in (200, 206):
            self.assertEqual(ours["content-length"], theirs["content-length"], what)
            self.assertEqual(ours["accept-ranges"] if theirs.status == 200 else None,
                             theirs["accept-ranges"], what)
            self.assertTrue(self.without_boundary(ours) == self.without_boundary(theirs), what)
        if theirs.status == 304:
            self.assertEqual(ours["etag"], etags[1], what)
            self.assertEqual(ours.body, b"", what)
        if theirs.status == 412:  # behind which nginx closes without saying so
            self.reference.close()
        return theirs.status

    def test_random_ranges_are_answered_as_nginx_does(self):
        etags = (gateway.ask(self.reference, "HEAD", "/film.mp4")["etag"],
                 gateway.ask(self.own, "HEAD", self.path_here)["etag"])
        self.assertEqual(etags[1], f'"{self.id_of(self.url)}"')
        seen = {}
        for _ in range(COUNT):
            method = "HEAD" if self.random.randrange(8) == 0 else "GET"
            headers = {} if self.random.randrange(20) == 0 else {"Range": self.range_header()}
            which = self.random.randrange(12) if self.random.randrange(3) == 0 else None
            status = self.compare(method, headers, which, etags)
            seen[status] = seen.get(status, 0) + 1
        print(f"{COUNT} requests, answered as nginx does: {seen}")
        for which in range(12):
            for headers in ({}, {"Range": "bytes=10-19"}, {"Range": "bytes=1-2,5-9"}):
                self.compare("GET", headers, which, etags)
        if COUNT >= 200:
            self.assertLessEqual({200, 206, 304, 412, 416}, set(seen))

    def test_the_whole_file_is_the_file(self):
        with open(self.file, "rb") as file:
            self.assertTrue(gateway.ask(self.own, "GET", self.path_here).body == file.read())


if __name__ == "__main__":
    harness.main()
