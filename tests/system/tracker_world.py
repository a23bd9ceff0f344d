"""A tracker as a process, and peers of it: their requests over HTTP, and who answers for them when
the tracker asks over UDP whether they are there. Peers have addresses of their own in 127.0.0.0/8.
"""

import http.client
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest

import harness

TRACKER = os.environ.get("PPSPP_TRACKER", "ppspp-tracker")
TYPE = "application/ppsp-tracker+json"
SWARM = "a5" * 32
OTHER = "b6" * 32


class World(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ppspp-tracker-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name, text=None):
        path = os.path.join(self.directory, name)
        if text is not None:
            with open(path, "w") as file:
                file.write(text)
        return path

    def start(self, *options, config="", http="127.0.0.1:0", udp="0.0.0.0:0",
              name="tracker"):
        """A tracker on ports of its own choice, ready; `port`, `https` and `metrics` are its."""
        config = self.path(f"{name}.toml", config)
        listen = ["--listen", http] if http else []
        process = harness.Process(name, [TRACKER, "--config", config, *listen, "--udp", udp,
                                         "--metrics", "127.0.0.1:0", *options], self.directory)
        self.addCleanup(process.kill)
        ready = harness.wait_until(lambda: re.search(r"ready: .*\n", process.stderr()), 20,
                                   "the tracker is ready", unless=lambda: not process.running())
        ports = dict(re.findall(r"(https?|metrics)[:/ ]+(?:127\.0\.0\.1|\[::\]):(\d+)", ready.group()))
        process.port = int(ports.get("http", 0))
        process.https = int(ports.get("https", 0))
        process.metrics = int(ports["metrics"])
        return process

    def metric(self, tracker, name):
        text = get(tracker.metrics, "/metrics")[1].decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        self.assertIsNotNone(found, name)
        return float(found.group(1))


def get(port, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    result = response.status, response.read()
    connection.close()
    return result


def address_of(ip, port):
    kind = "ipv6" if ":" in ip else "ipv4"
    return {"ip_address": {"address_type": kind, "address": ip}, "port": port, "priority": 1,
            "type": "HOST"}


def message(kind, peer_id, data, transaction="1"):
    return {"PPSPTrackerProtocol": {"version": 1, "request_type": kind, "transaction_id": transaction,
                                    "peer_id": peer_id, kind.lower(): data}}


class Peer:
    """One peer: an IP address from which it asks, and the port that it names."""

    def __init__(self, tracker, number, port, tls=None, ip=None, to="127.0.0.1"):
        self.tracker = tracker
        self.ip = ip or f"127.{1 + number // 65536}.{number // 256 % 256}.{number % 256}"
        self.port = port
        self.id = f"peer-{number}"
        self.tls = tls
        self.to = to
        self.connection = None

    def post(self, body, content_type=TYPE, path="/announce"):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if self.connection is None:
            source = (self.ip, 0)
            if self.tls:
                self.connection = http.client.HTTPSConnection(
                    "127.0.0.1", self.tracker.https, timeout=20, source_address=source,
                    context=self.tls)
            else:
                self.connection = http.client.HTTPConnection(
                    self.to, self.tracker.port, timeout=20, source_address=source)
        self.connection.request("POST", path, body, {"Content-Type": content_type})
        response = self.connection.getresponse()
        self.headers = response.headers
        text = response.read()
        return response.status, text

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def __del__(self):
        self.close()

    def ask(self, kind, data):
        status, text = self.post(message(kind, self.id, data))
        answer = json.loads(text)["PPSPTrackerProtocol"]
        answer["status"] = status
        return answer

    def connect(self, swarm=SWARM, mode="LEECH", action="JOIN", count=None, addresses=None, **more):
        data = {"swarm_action": [{"swarm_id": swarm, "action": action, "peer_mode": mode, **more}],
                "peer_addr": [address_of(self.ip, self.port)] if addresses is None else addresses}
        if count is not None:
            data["peer_num"] = {"peer_count": count}
        return self.ask("CONNECT", data)

    def find(self, swarm=SWARM, count=29):
        return self.ask("FIND", {"swarm_id": swarm, "peer_num": {"peer_count": count}})

    def report(self):
        return self.ask("STAT_REPORT", {"type": "STREAM_STATS", "stat": []})


def told(answer):
    """{(peer ID, IP, port)} of all lists of an answer."""
    results = answer.get("swarm_result", [])
    results = [results] if isinstance(results, dict) else results
    found = set()
    for result in results:
        for info in result.get("peer_group", {}).get("peer_info", []):
            place = info["peer_addr"]
            found.add((info["peer_id"], place["ip_address"]["address"], place["port"]))
    return found


class Answerer:
    """Answers PPSPP handshakes at one port of all addresses of this host, for those that `is_peer`."""

    def __init__(self, is_peer=lambda ip: True):
        self.is_peer = is_peer
        self.asked = {}
        self.sizes = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        self.socket.bind(("0.0.0.0", 0))
        self.port = self.socket.getsockname()[1]
        self.socket.settimeout(0.2)
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends.is_set():
            try:
                data, info, _, sender = self.socket.recvmsg(2048, 64)
            except socket.timeout:
                continue
            packet = next(value for level, kind, value in info if kind == 8)
            ip = socket.inet_ntoa(packet[8:12])
            self.asked[ip] = self.asked.get(ip, 0) + 1
            self.sizes.add(len(data))
            if data[:5] != bytes(5) or not self.is_peer(ip):
                continue
            # Their channel, HANDSHAKE, ours, version 1, end.
            answer = data[5:9] + b"\x00" + os.urandom(4) + b"\x00\x01\xff"
            back = struct.pack("@i4s4s", 0, packet[8:12], packet[8:12])
            self.socket.sendmsg([answer], [(socket.IPPROTO_IP, 8, back)], 0, sender)

    def close(self):
        self.ends.set()
        self.thread.join()
        self.socket.close()


def make_certificate(directory, name):
    """A self-signed one for 127.0.0.1: paths of certificate and key."""
    certificate, key = (os.path.join(directory, f"{name}.{kind}") for kind in ("pem", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True, timeout=60)
    return certificate, key


def trusting(certificate):
    context = ssl.create_default_context(cafile=certificate)
    return context
