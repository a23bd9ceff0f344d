"""ppsppd as a process, and its control interface over the Unix socket."""

import http.client
import json
import os
import socket
import time
import urllib.parse

import harness


class Refused(Exception):
    """An answer that is an error: its status, its code and its message."""

    def __init__(self, status, body):
        error = body.get("error", {}) if isinstance(body, dict) else {}
        self.status = status
        self.code = error.get("code", "")
        self.message = error.get("message", "")
        super().__init__(f"{status} {self.code}: {self.message}")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Control:
    """Requests to one daemon, each over a connection of its own unless kept."""

    def __init__(self, path, timeout=20):
        self.path = path
        self.timeout = timeout * harness.TIME_FACTOR

    def raw(self, method, target, body=None):
        connection = _UnixConnection(self.path, self.timeout)
        try:
            text = None if body is None else json.dumps(body)
            headers = {} if text is None else {"Content-Type": "application/json"}
            connection.request(method, target, body=text, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def call(self, method, target, body=None):
        status, text, _ = self.raw(method, target, body)
        value = json.loads(text) if text else None
        if status >= 400:
            raise Refused(status, value)
        return value

    def get(self, target):
        return self.call("GET", target)

    def add_file(self, path, **members):
        return self.call("POST", "/v1/swarms", {"file": {"path": path}, **members})

    def add_url(self, url, output=None, **members):
        what = {"url": url}
        if output is not None:
            what["output"] = output
        return self.call("POST", "/v1/swarms", {"url": what, **members})

    def swarm(self, ref):
        return self.get(f"/v1/swarms/{ref}")

    def remove(self, ref, content=False):
        tail = "?delete_content=true" if content else ""
        return self.call("DELETE", f"/v1/swarms/{ref}{tail}")

    def everything(self, **query):
        """All pages of the list."""
        swarms, after = [], 0
        while True:
            page = self.get("/v1/swarms?" + urllib.parse.urlencode(
                {"limit": 1000, "after": after, **query}))
            swarms += page["swarms"]
            if page.get("next") is None:
                return swarms
            after = page["next"]


class TestCase(harness.TestCase):
    """A test with daemons, each in a state directory of its own."""

    def config(self, name, **sections):
        """Writes a configuration; sections as dictionaries of TOML values."""
        state = self.path(f"state-{name}")
        run = self.path(f"run-{name}")
        os.makedirs(run, exist_ok=True)
        values = {
            "node": {"listen": '["127.0.0.1:0"]'},
            "state": {"directory": json.dumps(state)},
            "control": {"socket": json.dumps(os.path.join(run, "control.sock")), "group": '""'},
            "gateway": {"enabled": "false"},
            "discovery": {"local": "false"},  # who meets whom is the test's business
        }
        for section, members in sections.items():
            values.setdefault(section, {}).update(members)
        path = self.path(f"{name}.toml")
        with open(path, "w") as file:
            for section, members in values.items():
                file.write(f"[{section}]\n")
                for key, value in members.items():
                    file.write(f"{key} = {value}\n")
        return path

    def daemon(self, name="daemon", prefix=(), wait=True, timeout=30, **sections):
        """A running ppsppd, with `control` and `address`."""
        path = self.config(name, **sections)
        process = self.start(f"ppsppd-{name}", [harness.program("PPSPPD"), "--config", path],
                             prefix=prefix)
        process.control = Control(os.path.join(self.path(f"run-{name}"), "control.sock"))
        process.state = self.path(f"state-{name}")
        if wait:
            self.wait_ready(process, timeout)
        return process

    def wait_ready(self, process, timeout=30):
        def ready():
            try:
                return process.control.get("/v1")
            except (OSError, http.client.HTTPException):
                return None
        begun = time.monotonic()
        process.info = harness.wait_until(ready, timeout, f"{process.name} answers", 0.005,
                                          unless=lambda: not process.running())
        process.ready_after = time.monotonic() - begun
        process.address = process.info["listen"][0]

    def wait_state(self, daemon, ref, state, timeout=30):
        """The swarm as soon as it is in that state."""
        seen = {}

        def there():
            seen.update(daemon.control.swarm(ref))
            return seen["state"] == state
        try:
            harness.wait_until(there, timeout, f"swarm {ref} is {state}", 0.02)
        except harness.Failed as failed:
            raise harness.Failed(f"{failed}: it is {seen.get('state')}, {seen.get('error')}")
        return seen

    def seeded(self, daemon, path, **members):
        """Adds a file and waits until it is seeded."""
        number = daemon.control.add_file(path, **members)["number"]
        return self.wait_state(daemon, number, "seeding")

    def fetch(self, swarm, daemon, expected, *options, timeout=60):
        """With ppspp-get, octet for octet."""
        getter = self.getter(swarm["url"], *options, peers=[daemon.address])
        self.assert_complete(getter, expected, timeout)
        os.unlink(getter.output)
        return getter
