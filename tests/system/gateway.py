"""A gateway as a process, and clients for it."""

import http.client
import json
import re
import socket

import harness


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def __getitem__(self, name):
        return self.headers.get(name)


def ask(connection, method, path, headers=None):
    connection.request(method, path, headers=headers or {})
    return Answer(connection.getresponse())


class TestCase(harness.TestCase):
    def gateway(self, *options, **rest):
        """A running gateway with `address` (HTTP), `udp`, and `urls` of what it serves."""
        process = self.start("gateway", [harness.program("PPSPP_GATEWAY_HOST"), *options], **rest)
        process.address = process.line(1).split()[1]
        process.udp = process.line(2).split()[1]
        return process

    def swarm(self, gateway, number=1, timeout=60):
        """The URL of the number-th swarm that it serves."""
        return gateway.line(2 + number, timeout).split()[1]

    @staticmethod
    def id_of(url):
        return re.match(r"ppspp:([0-9a-f]+)", url).group(1)

    def connect(self, gateway, timeout=60):
        host, port = gateway.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port),
                                                timeout=timeout * harness.TIME_FACTOR)
        self.addCleanup(connection.close)
        return connection

    def get(self, gateway, path, headers=None, method="GET"):
        connection = self.connect(gateway)
        try:
            return ask(connection, method, path, headers)
        finally:
            connection.close()

    def stats(self, gateway):
        return json.loads(self.get(gateway, "/stats").body)

    def path_of(self, url, seeder=None, name=""):
        """The path for `url` at another gateway, which learns of the seeder from the query."""
        query = url.split("?", 1)[1] if "?" in url else ""
        keys = [key for key in query.split("&") if key]
        if seeder:
            keys.append("peer=" + seeder.udp)
        path = f"/swarm/{self.id_of(url)}" + (f"/{name}" if name else "")
        return path + ("?" + "&".join(keys) if keys else "")
