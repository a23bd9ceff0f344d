#!/usr/bin/env python3
"""ppspp-tracker as peers and its operator see it: RFC 7846 over real HTTP and HTTPS."""

import base64
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import unittest

import harness
from tracker_world import (Answerer, OTHER, Peer, SWARM, TRACKER, TYPE, World, address_of, get,
                           make_certificate, message, told, trusting)

LONG = os.environ.get("PPSPP_LONG") == "1"
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "tracker" / "rfc7846_examples.h"


def examples():
    """The message bodies of RFC 7846, by the name they have in the unit tests."""
    text = EXAMPLES.read_text()
    return dict(re.findall(r'string_view k(\w+) = R"json\((.*?)\)json"', text, re.S))


def wait_listed(test, peer, count):
    return harness.wait_until(lambda: len(told(peer.find())) >= count, 15,
                              f"{count} peers are told", interval=0.1)


def say(port, octets):
    """And nothing more; whatever is answered is read to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass


class Protocol(World):
    """RFC 7846, by section."""

    def test_the_examples_of_the_rfc(self):
        """4.1.1.1, 4.1.2.1, 4.1.3.1: each is answered with its transaction ID and in its type."""
        tracker = self.start()
        bodies = examples()
        self.assertGreaterEqual(len(bodies), 5)
        peer = Peer(tracker, 1, 80)
        errors = {}
        for name, body in bodies.items():
            if '"request_type"' not in body:
                continue
            status, text = peer.post(body)
            self.assertEqual(peer.headers["Content-Type"], TYPE)
            answer = json.loads(text)["PPSPTrackerProtocol"]
            request = json.loads(body)["PPSPTrackerProtocol"]
            self.assertEqual(answer["transaction_id"], request["transaction_id"], name)
            self.assertEqual(answer["version"], 1)
            self.assertEqual(answer["response_type"], 0 if answer["error_code"] == 0 else 1)
            errors[name] = (status, answer["error_code"])
        self.assertGreaterEqual(len(errors), 5)
        # In the RFC's order: the peer that leaves 1111 had joined it, and then asks for it.
        self.assertEqual([e for e in errors.values() if e not in ((200, 0), (403, 3))], [], errors)
        self.assertGreaterEqual(list(errors.values()).count((200, 0)), 3, errors)

    def test_peers_find_each_other(self):
        """4.1.1, 4.1.2: who joins is told of those before him, when they answer at their address."""
        answerer = Answerer()
        self.addCleanup(answerer.close)
        tracker = self.start()
        first, second = Peer(tracker, 1, answerer.port), Peer(tracker, 2, answerer.port)
        answer = first.connect()
        self.assertEqual((answer["status"], answer["error_code"]), (200, 0))
        self.assertEqual(answer["peer_addr"]["ip_address"]["address"], first.ip)
        self.assertEqual(told(answer), set())
        second.connect(mode="SEEDER")
        wait_listed(self, first, 1)
        self.assertEqual(told(first.find()), {(second.id, second.ip, answerer.port)})
        self.assertEqual(told(second.find()), {(first.id, first.ip, answerer.port)})
        self.assertEqual(second.connect(action="LEAVE")["error_code"], 0)
        self.assertEqual(told(first.find()), set())
        self.assertEqual(second.find()["error_code"], 3)
        self.assertLess(max(answerer.sizes), 120)

    def test_an_address_of_somebody_else_is_not_contacted_and_not_told(self):
        """RFC 7574, 12.1, 12.2.2."""
        answerer = Answerer()
        self.addCleanup(answerer.close)
        tracker = self.start()
        liar, honest = Peer(tracker, 1, answerer.port), Peer(tracker, 2, answerer.port)
        liar.connect(addresses=[address_of("127.9.9.9", answerer.port + 1),
                                address_of("192.0.2.1", answerer.port + 1)])
        honest.connect()
        other = Peer(tracker, 3, answerer.port)
        other.connect()
        wait_listed(self, other, 1)
        harness.wait_until(lambda: self.metric(
            tracker, 'ppspp_tracker_checks_total{outcome="silent"}') == 1, 20, "the check ends",
                           interval=0.2)
        self.assertEqual(told(other.find()), {(honest.id, honest.ip, answerer.port)})
        self.assertNotIn("127.9.9.9", answerer.asked)

    def test_both_ip_versions_at_one_port(self):
        """[::] is the default: IPv4 peers are IPv4 peers there, and IPv6 ones are told as such."""
        if not os.path.exists("/proc/net/if_inet6"):
            raise unittest.SkipTest("there is no IPv6 here")
        tracker = self.start("--listen", "[::]:0", http=None, udp="[::]:0")
        answerer = Answerer()
        self.addCleanup(answerer.close)
        first, second = Peer(tracker, 1, answerer.port), Peer(tracker, 2, answerer.port)
        answer = first.connect()
        self.assertEqual(answer["peer_addr"]["ip_address"], {"address_type": "ipv4",
                                                             "address": first.ip})
        second.connect()
        wait_listed(self, second, 1)
        self.assertEqual(told(second.find()), {(first.id, first.ip, answerer.port)})
        six = Peer(tracker, 3, 9, ip="::1", to="::1")
        answer = six.connect()
        self.assertEqual(answer["peer_addr"]["ip_address"], {"address_type": "ipv6",
                                                             "address": "::1"})

    def test_what_is_no_request(self):
        """4.3: 01 and 02, with an empty answer; and what is not of the protocol at all."""
        tracker = self.start()
        peer = Peer(tracker, 1, 1)
        for body in ("", "{", "[" * 100_000, "\x00" * 50, '{"PPSPTrackerProtocol": 5}',
                     '{"PPSPTrackerProtocol": {"version": 1}}', '"' + "x" * 200_000 + '"'):
            status, text = peer.post(body)
            answer = json.loads(text)["PPSPTrackerProtocol"]
            self.assertEqual((status, answer["error_code"], answer["response_type"]), (400, 1, 1))
            self.assertNotIn("swarm_result", answer)
            self.assertNotIn("peer_addr", answer)
        status, text = peer.post(json.dumps(message("FIND", "p", {"swarm_id": SWARM})).replace(
            '"version": 1', '"version": 9'))
        self.assertEqual(json.loads(text)["PPSPTrackerProtocol"]["error_code"], 2)
        self.assertEqual(peer.post("{}", content_type="text/plain")[0], 415)
        self.assertEqual(get(tracker.port, "/")[0], 405)
        self.assertEqual(get(tracker.port, "/healthz")[0], 200)
        self.assertEqual(get(tracker.port, "/metrics")[0], 405)
        self.assertEqual(Peer(tracker, 2, 1).post("x" * 300_000)[0], 413)
        for octets in (b"\x16\x03\x01\x02\x00\x01\x00", b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                       os.urandom(4000), b"\r\n" * 9000):
            say(tracker.port, octets)
        self.assertEqual(peer.connect()["error_code"], 0)
        self.assertTrue(tracker.running())

    def test_private_swarms(self):
        tracker = self.start("--swarm", SWARM.upper())
        self.assertEqual(Peer(tracker, 1, 1).connect()["error_code"], 0)
        self.assertEqual(Peer(tracker, 2, 1).connect(OTHER)["error_code"], 3)
        # SIGHUP: what the file says now, and still what the options say.
        self.path("tracker.toml", f'[swarms]\nallow = ["{OTHER}"]\n[limits]\nmax_peers = 7\n')
        tracker.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: "read again" in tracker.stderr(), 10, "it is read again")
        self.assertIn("limits.max_peers", tracker.stderr())
        self.assertEqual(Peer(tracker, 2, 1).connect(OTHER)["error_code"], 0)
        self.assertEqual(Peer(tracker, 1, 1).connect()["error_code"], 0)
        self.path("tracker.toml", "[swarms]\nalow = 1\n")
        tracker.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: "did you mean allow" in tracker.stderr(), 10, "it complains")
        self.assertEqual(Peer(tracker, 2, 1).connect(OTHER)["error_code"], 0)

    def test_certificates(self):
        """RFC 7574, 8.13, 12.2.2: for who asks and answers at his address; openssl verifies them."""
        answerer = Answerer(lambda ip: ip != "127.1.0.2")
        self.addCleanup(answerer.close)
        key = self.path("ca.key")
        tracker = self.start("--ca-key", key)
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        request = subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ed25519", "-nodes", "-keyout",
             self.path("peer.key"), "-subj", "/", "-outform", "DER"],
            check=True, capture_output=True, timeout=60).stdout
        asks = {"certificate_request": base64.b64encode(request).decode()}
        peer, hidden = Peer(tracker, 1, answerer.port), Peer(tracker, 2, answerer.port)
        self.assertLessEqual(peer.connect(**asks)["interval"], 10)
        hidden.connect(**asks)
        wait_listed(self, hidden, 1)
        results = peer.report()["swarm_result"]
        result = results[0] if isinstance(results, list) else results
        certificates = result.get("certificates") or result.get("certificate")
        der = base64.b64decode(certificates[0] if isinstance(certificates, list) else certificates)
        self.assertLessEqual(len(der), 1200)
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=der,
                              check=True, capture_output=True, timeout=60).stdout.decode()
        self.assertIn(f"URI:file://{peer.ip}:{answerer.port}/{SWARM}", text)
        self.assertIn("Subject Alternative Name: critical", text)
        harness.wait_until(lambda: self.metric(
            tracker, 'ppspp_tracker_checks_total{outcome="silent"}') >= 1, 20, "the check ends",
                           interval=0.2)
        self.assertNotIn("swarm_result", hidden.report())
        self.assertEqual(self.metric(tracker, "ppspp_tracker_certificates_total"), 1)
        # The same key again: the authority stays what it was.
        ca = subprocess.run([TRACKER, "--print-ca", "--ca-key", key], check=True, text=True,
                            capture_output=True, timeout=20).stdout.strip()
        public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                                check=True, capture_output=True, timeout=60).stdout
        self.assertEqual(ca, "0d" + public[-64:].hex())


class Expiry(World):
    """RFC 7846, 2.3."""

    def test_silence_ends_a_registration(self):
        """2.3.2 D."""
        answerer = Answerer()
        self.addCleanup(answerer.close)
        tracker = self.start(config="[peers]\ninterval = 5\nsilence = 10\n")
        silent, talking = Peer(tracker, 1, answerer.port), Peer(tracker, 2, answerer.port)
        silent.connect()
        talking.connect()
        wait_listed(self, talking, 1)
        self.assertEqual(talking.report()["interval"], 5)
        harness.wait_until(lambda: talking.report()["error_code"] == 0 and not told(talking.find()),
                           20, "the silent peer is gone", interval=0.5)
        self.assertEqual(silent.report()["error_code"], 3)
        self.assertEqual(self.metric(tracker, "ppspp_tracker_expired_total"), 1)


class Tls(World):
    """HTTPS, which RFC 7846, 4 says MUST be there."""

    def test_requests_over_https(self):
        answerer = Answerer()
        self.addCleanup(answerer.close)
        certificate, key = make_certificate(self.directory, "one")
        tracker = self.start("--https", "127.0.0.1:0", "--tls-certificate", certificate,
                             "--tls-key", key)
        context = trusting(certificate)
        peer = Peer(tracker, 1, answerer.port, tls=context)
        plain = Peer(tracker, 2, answerer.port)
        self.assertEqual(peer.connect()["error_code"], 0)
        self.assertEqual(plain.connect()["error_code"], 0)
        wait_listed(self, peer, 1)
        for _ in range(20):  # over one connection
            self.assertEqual(told(peer.find()), {(plain.id, plain.ip, answerer.port)})
        # A long answer and a long request.
        many = [{"swarm_id": f"{i:064x}", "action": "JOIN", "peer_mode": "SEEDER"}
                for i in range(100)]
        answer = peer.ask("CONNECT", {"swarm_action": many, "x": "y" * 100_000})
        self.assertEqual(len(answer["swarm_result"]), 100)

    def test_a_new_certificate_is_taken_over_and_a_bad_one_is_not(self):
        certificate, key = make_certificate(self.directory, "one")
        second, second_key = make_certificate(self.directory, "two")
        tracker = self.start("--https", "127.0.0.1:0", "--tls-certificate", certificate,
                             "--tls-key", key)
        old = Peer(tracker, 1, 1, tls=trusting(certificate))
        self.assertEqual(old.connect()["error_code"], 0)
        pathlib.Path(certificate).write_bytes(pathlib.Path(second).read_bytes())
        tracker.send_signal(signal.SIGHUP)  # the key is not that of the certificate
        harness.wait_until(lambda: "certificate stays" in tracker.stderr(), 10, "it complains")
        pathlib.Path(key).write_bytes(pathlib.Path(second_key).read_bytes())
        tracker.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: tracker.stderr().count("read again") >= 2, 10, "it is read again")
        new = Peer(tracker, 2, 1, tls=trusting(second))
        self.assertEqual(new.connect()["error_code"], 0)
        self.assertEqual(old.report()["error_code"], 0)  # its connection goes on

    def test_who_speaks_no_tls_or_an_old_one(self):
        certificate, key = make_certificate(self.directory, "one")
        tracker = self.start("--https", "127.0.0.1:0", "--tls-certificate", certificate,
                             "--tls-key", key)
        for octets in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(3000), b"\x16\x03\x01"):
            say(tracker.https, octets)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            with socket.create_connection(("127.0.0.1", tracker.https), timeout=5) as client:
                context.wrap_socket(client)
        self.assertEqual(Peer(tracker, 1, 1, tls=trusting(certificate)).connect()["error_code"], 0)

    def test_what_is_wrong_with_its_files_is_said(self):
        certificate, key = make_certificate(self.directory, "one")
        _, other = make_certificate(self.directory, "two")
        nothing = self.path("nothing", "")
        for arguments in (("--tls-certificate", nothing, "--tls-key", key),
                          ("--tls-certificate", certificate, "--tls-key", nothing),
                          ("--tls-certificate", certificate, "--tls-key", other),
                          ("--tls-certificate", certificate), ()):
            done = subprocess.run([TRACKER, "--config", self.path("c", ""), "--https", "127.0.0.1:0",
                                   "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", *arguments],
                                  capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


class Service(World):
    """What its operator and service manager see."""

    def test_it_ends_when_asked(self):
        tracker = self.start()
        peer = Peer(tracker, 1, 1)
        peer.connect()
        self.assertEqual(tracker.stop(), 0)

    def test_readiness_watchdog_and_end(self):
        path = self.path("notify")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(path)
        listener.settimeout(20)
        self.addCleanup(listener.close)
        os.environ.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")
        try:
            tracker = self.start()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        heard = ""
        while "READY=1" not in heard or heard.count("WATCHDOG=1") < 3:
            heard += listener.recv(4096).decode() + "\n"
        self.assertRegex(heard, r"STATUS=0 peers \(0 reachable\) in 0 swarms")
        tracker.send_signal(signal.SIGHUP)
        while "RELOADING=1" not in heard:
            heard += listener.recv(4096).decode() + "\n"
        tracker.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard:
            heard += listener.recv(4096).decode() + "\n"
        self.assertEqual(tracker.wait(20), 0)

    def test_wrong_configurations_are_said_with_their_line(self):
        for text, expected in (("[limits]\nmax_peers = 0\n", ":2: max_peers: must be a number"),
                               ("[limit]\n", "did you mean [limits]?"),
                               ("max_peers = 1\n", "write it below [limits]"),
                               ("[peers]\ninterval = 400\n", "peers.silence"),
                               ("[listen]\nhttp = []\n", "listens nowhere"),
                               ("[listen]\nhttps = [\"[::]:1\"]\n", "needs a certificate"),
                               ("[swarms]\nallow = [\"xyz\"]\n", "is not a swarm ID"),
                               ("[log\n", "not TOML")):
            done = subprocess.run([TRACKER, "--check", "--config", self.path("bad.toml", text)],
                                  capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn(expected, done.stderr)

    def test_a_port_in_use_is_said(self):
        tracker = self.start()
        done = subprocess.run([TRACKER, "--config", self.path("c", ""), "--listen",
                               f"127.0.0.1:{tracker.port}", "--udp", "127.0.0.1:0"],
                              capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Address already in use", done.stderr)

    def test_metrics(self):
        tracker = self.start()
        Peer(tracker, 1, 1).connect()
        self.assertEqual(self.metric(tracker, "ppspp_tracker_peers"), 1)
        self.assertEqual(self.metric(tracker, 'ppspp_tracker_requests_total{type="connect"}'), 1)
        self.assertEqual(get(tracker.metrics, "/healthz")[0], 200)
        self.assertEqual(get(tracker.metrics, "/other")[0], 404)


class Unit(World):
    """The unit file, by systemd's own tools; systemd need not run."""

    def test_what_it_may_do_and_that_systemd_understands_it(self):
        if subprocess.run(["which", "systemd-analyze"], capture_output=True).returncode != 0:
            raise unittest.SkipTest("systemd-analyze is not installed")
        text = (ROOT / "conf" / "ppspp-tracker.service.in").read_text()
        unit = self.path("ppspp-tracker.service", text.replace(
            "@CMAKE_INSTALL_FULL_SBINDIR@/ppspp-tracker", TRACKER))
        done = subprocess.run(["systemd-analyze", "--no-pager", "security", "--offline=true", unit],
                              capture_output=True, text=True, timeout=60)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        print("exposure", found.group(1))
        self.assertLessEqual(float(found.group(1)), 1.5)
        done = subprocess.run(["systemd-analyze", "--no-pager", "verify", "--man=no",
                               "--recursive-errors=no", unit], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual([l for l in done.stderr.splitlines() if "ppspp-tracker" in l], [])


class Load(World):
    """Many peers, and many who are none."""

    def announce(self, tracker, numbers, port, threads=4, keep=False):
        """CONNECT of each; returns {peer: answer} of the last, and the seconds it took."""
        numbers = list(numbers)
        failures, sizes = [], []

        def some(part):
            for number in part:
                peer = Peer(tracker, number, port)
                try:
                    answer = peer.connect()
                    if answer["error_code"] != 0:
                        failures.append(answer)
                    sizes.append(len(told(answer)))
                except OSError as error:
                    failures.append(error)
                peer.close()

        started = time.monotonic()
        workers = [threading.Thread(target=some, args=(numbers[i::threads],))
                   for i in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return failures, sizes, time.monotonic() - started

    def test_thousands_of_peers_in_one_swarm(self):
        count = 10_000 if LONG else 1_500
        answerer = Answerer()
        self.addCleanup(answerer.close)
        tracker = self.start(config="[peers]\ninterval = 600\nsilence = 1200\n")
        before = tracker.resident_kib()
        failures, _, seconds = self.announce(tracker, range(1, count + 1), answerer.port)
        self.assertEqual(failures, [])
        listed = lambda: self.metric(tracker, "ppspp_tracker_listed_peers") == count
        harness.wait_until(listed, 60, "all are reachable", interval=0.2)
        memory = (tracker.resident_kib() - before) * 1024 / count
        asking = Peer(tracker, 1, answerer.port)
        started, asked, seen = time.monotonic(), 200, set()
        for _ in range(asked):
            answer = told(asking.find())
            self.assertEqual(len(answer), 29)
            seen |= answer
        finding = time.monotonic() - started
        cpu = self.metric(tracker, "process_cpu_seconds_total")
        requests = count + asked
        print(f"\n{count} peers: {count / seconds:.0f} CONNECT/s from one Python process, "
              f"{asked / finding:.0f} FIND/s on one connection, {cpu * 1e6 / requests:.0f} us of "
              f"processor time each, {memory:.0f} octets of memory per peer")
        # 200 samples of 29 see most of 1,500 and a third of 10,000, if they are drawn at random.
        self.assertGreater(len(seen), 0.9 * min(count, 5_000) * (1 if not LONG else 0.5))
        if harness.TIME_FACTOR == 1:  # a sanitizer takes more
            self.assertLess(memory, 8_000)

    def test_a_flood_of_forged_announcements(self):
        """Addresses that do not answer are never told, memory is bounded, honest peers served."""
        forged = 6_000 if LONG else 1_200
        honest = {f"127.1.0.{i}" for i in range(1, 21)}
        answerer = Answerer(lambda ip: ip in honest)
        self.addCleanup(answerer.close)
        tracker = self.start(config="[limits]\nmax_peers = 500\nmax_swarms = 200\n")
        failures, _, _ = self.announce(tracker, range(1, 21), answerer.port, threads=1)
        self.assertEqual(failures, [])
        watching = Peer(tracker, 1, answerer.port)
        wait_listed(self, watching, 19)
        flood = threading.Thread(target=lambda: self.announce(
            tracker, range(1_000, 1_000 + forged), answerer.port, threads=3))
        flood.start()
        asked, worst = 0, 0.0
        while flood.is_alive():
            began = time.monotonic()
            answer = watching.find()
            worst = max(worst, time.monotonic() - began)
            self.assertEqual(answer["error_code"], 0)
            self.assertTrue(all(ip in honest for _, ip, _ in told(answer)))
            asked += 1
            time.sleep(0.05)
        flood.join()
        print(f"\n{forged} forged: {asked} honest requests meanwhile, the slowest {worst:.3f} s")
        self.assertEqual(len(told(watching.find())), 19)
        self.assertLessEqual(self.metric(tracker, "ppspp_tracker_peers"), 500)
        self.assertEqual(self.metric(tracker, "ppspp_tracker_listed_peers"), 20)
        # A few datagrams each at most, to those who had asked from there.
        self.assertLessEqual(max(answerer.asked.values()), 3)

    def test_one_address_cannot_take_all_of_it(self):
        tracker = self.start(config="[limits]\nrequests_per_second = 1\nrequest_burst = 50\n"
                                    "max_connections_per_address = 4\nmax_peers_per_address = 8\n")
        greedy = Peer(tracker, 1, 1)
        statuses = [greedy.post(message("FIND", "x", {"swarm_id": SWARM}))[0] for _ in range(120)]
        self.assertGreaterEqual(statuses.count(429), 50)
        self.assertGreaterEqual(int(greedy.headers["Retry-After"]), 1)
        sockets = [socket.create_connection(("127.0.0.1", tracker.port), timeout=5,
                                            source_address=("127.7.7.7", 0)) for _ in range(10)]
        self.addCleanup(lambda: [each.close() for each in sockets])
        self.assertEqual(Peer(tracker, 2, 1).connect()["error_code"], 0)
        turned_away = 0
        for each in sockets:
            each.settimeout(0.3)
            try:
                turned_away += each.recv(100).startswith(b"HTTP/1.1 503")
            except socket.timeout:
                pass
        self.assertEqual(turned_away, 6)
        peers = [Peer(tracker, 3, 1) for _ in range(12)]
        for i, peer in enumerate(peers):
            peer.id = f"many-{i}"
        errors = []
        for peer in peers:
            errors.append(peer.connect()["error_code"])
            peer.close()
        self.assertEqual(errors, [0] * 8 + [5] * 4)


if __name__ == "__main__":
    unittest.main()
