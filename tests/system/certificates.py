"""Membership certificates (RFC 7574, 8.13, 12.2.2) with the real programs: a tracker issues them, peers
pass them on, and who holds only the key of the tracker believes them; and what is forged is not.
"""

import os
import re
import subprocess
import time
import urllib.request

import dnskey
import harness
import lan
import merkle
import raw_peer
import wire

ED25519 = bytes.fromhex("300506032b6570")  # AlgorithmIdentifier


def tlv(tag, *values):
    return dnskey._tlv(tag, b"".join(values))


def time_of(seconds):
    return tlv(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def certificate(key, url, begin, end, signer=None):
    """X.509v3 in DER: `key` names the issuer, `signer` signs."""
    name = tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex("0603550403"), tlv(0x0c, b"authority"))))
    alternative = tlv(0x30, bytes.fromhex("0603551d11"), b"\x01\x01\xff",
                      tlv(0x04, tlv(0x30, tlv(0x86, url.encode()))))
    body = tlv(0x30, tlv(0xa0, b"\x02\x01\x02"), b"\x02\x01\x07", ED25519, name,
               tlv(0x30, time_of(begin), time_of(end)), tlv(0x30),
               tlv(0x30, ED25519, tlv(0x03, b"\0" + key.swarm_id[1:])),
               tlv(0xa3, tlv(0x30, alternative)))
    return tlv(0x30, body, ED25519, tlv(0x03, b"\0" + (signer or key).sign(body)))


class Telling(raw_peer.FakeSeeder):
    """Has everything, serves nothing, and answers who asks for peers with one certificate."""

    def __init__(self, tree, form, der):
        super().__init__(tree, form)
        self.choked = True
        self.der = der
        self.asked = 0

    def on_message(self, message, sender):
        if isinstance(message, wire.PexReq):
            self.asked += 1
            self.send(sender, wire.PexCert(self.der))
        super().on_message(message, sender)


class Scripted(harness.TestCase):
    """Certificates from peers of a script: one for each reason why it may not be believed."""

    def setUp(self):
        super().setUp()
        if not dnskey.available():
            self.skipTest("needs openssl")
        self.authority = dnskey.PrivateKey("ed25519", self.path("authority.pem"))
        self.other = dnskey.PrivateKey("ed25519", self.path("other.pem"))
        with open(self.content(64 << 10), "rb") as file:
            self.tree = merkle.Tree(file.read(), 1024)
        self.witnesses = {}

    def telling(self, name, swarm=None, begin=-60, end=3600, signer=None, alter=lambda der: der):
        """A peer that certifies, in its way, that somebody is at the address of a socket of ours."""
        witness = raw_peer.udp_socket()
        witness.setblocking(False)
        self.closers.append(witness.close)
        self.witnesses[name] = witness
        now = int(time.time())
        swarm = swarm or self.tree.root.hex()
        url = f"file://127.0.0.1:{witness.getsockname()[1]}/{swarm}"
        der = alter(certificate(self.authority, url, now + begin, now + end, signer))
        peer = Telling(self.tree, wire.Format(), der)
        peer.start()
        self.closers.append(peer.stop)
        return peer

    def called(self, name):
        try:
            return len(self.witnesses[name].recv(2048)) > 0
        except BlockingIOError:
            return False

    def test_only_what_the_authority_signed_for_this_swarm_and_now_is_believed(self):
        """12.2.2 #184, #185"""
        def with_another_port(der):
            at = der.index(b"file://127.0.0.1:") + len(b"file://127.0.0.1:")
            port = self.witnesses["altered"].getsockname()[1]
            changed = str(port ^ 1).encode()
            return der[:at] + changed + der[at + len(changed):]
        peers = {
            "good": self.telling("good"),
            "forged": self.telling("forged", signer=self.other),
            "expired": self.telling("expired", begin=-7200, end=-3600),
            "not yet valid": self.telling("not yet valid", begin=3600, end=7200),
            "of another swarm": self.telling("of another swarm", swarm="a5" * 32),
            "altered": self.telling("altered", alter=with_another_port),
            "cut short": self.telling("cut short", alter=lambda der: der[:-1]),
            "empty": self.telling("empty", alter=lambda der: b""),
        }
        url = (f"ppspp:{self.tree.root.hex()}?len={64 << 10}"
               f"&ca={self.authority.swarm_id.hex()}")
        getter = self.getter(url, "--no-local-discovery", "--stay", local=True,
                             peers=[peer.address for peer in peers.values()])
        for name, peer in peers.items():
            harness.wait_until(lambda: peer.asked, 40, f"the peer with what is {name} is asked")
        harness.wait_until(lambda: self.called("good"), 20, "who is certified is called")
        time.sleep(0.5)
        for name in peers:
            if name != "good":
                self.assertFalse(self.called(name), f"a certificate that is {name} was believed")
        self.assertTrue(getter.running())

    def test_without_an_authority_none_is_believed(self):
        peer = self.telling("good")
        url = f"ppspp:{self.tree.root.hex()}?len={64 << 10}"
        self.getter(url, "--no-local-discovery", local=True, peers=[peer.address])
        harness.wait_until(lambda: peer.asked, 20, "it is asked")
        time.sleep(0.5)
        self.assertFalse(self.called("good"))


class EndToEnd(lan.TestCase):
    """Peers with addresses of the Internet, where nobody is believed without proof."""

    def public(self):
        host = self.host(v4=False, v6=False)
        host.v4 = f"11.79.0.{host.number}"
        host.command(f"ip addr add {host.v4}/24 dev lan0")
        return host

    def tracker_on(self, host):
        config, key = self.path("tracker.toml"), self.path("ca.pem")
        with open(config, "w"):
            pass
        program = harness.program("PPSPP_TRACKER")
        process = self.start("tracker", [
            *host.prefix, program, "--config", config, "--ca-key", key, "--listen",
            f"{host.v4}:7846", "--udp", f"{host.v4}:7846", "--metrics", f"{host.v4}:7847"])
        harness.wait_until(lambda: "ready: " in process.stderr(), 20, "the tracker is ready",
                           unless=lambda: not process.running())
        process.url = f"http://{host.v4}:7846/"
        process.authority = self.path("authority")
        with open(process.authority, "w") as file:
            subprocess.run([program, "--print-ca", "--ca-key", key], check=True, stdout=file,
                           timeout=20)
        metrics = f"http://{host.v4}:7847/metrics"

        def issued():
            text = host.inside(lambda: urllib.request.urlopen(metrics, timeout=10).read().decode())
            found = re.search(r"^ppspp_tracker_certificates_total (\d+)", text, re.M)
            return int(found.group(1)) if found else 0
        process.issued = issued
        return process

    def test_one_learns_of_another_by_certificate_only(self):
        """8.13 #179, 12.2.2: tracker, seeder, one that is slow to give, and one that knows only it."""
        near, source, middle, last, doubting = (self.public() for _ in range(5))
        tracker = self.tracker_on(near)
        content = self.content(768 << 10)
        alone = "--no-local-discovery"
        seeder = self.seed_on(source, content, alone, "--tracker", tracker.url, "--authority",
                              tracker.authority, listen=f"{source.v4}:6778")
        with open(tracker.authority) as file:
            self.assertIn("ca=" + file.read().strip(), seeder.url)
        between = self.get_on(middle, seeder.url, alone, "--stay", "--upload-limit", "4k", "-l",
                              f"{middle.v4}:6778")
        harness.wait_until(lambda: tracker.issued() >= 2, 60, "both have certificates", 0.2)
        harness.wait_until(lambda: os.path.exists(between.output) and
                           not os.path.exists(between.output + ".ppspp"), 60, "the one has it all")
        plain = re.sub(r"&tracker=[^&]*", "", seeder.url)
        peer = ["--peer", f"{middle.v4}:6778"]
        # Nobody is told of anybody without a certificate: 4 KiB a second is all that there is.
        without = self.get_on(doubting, re.sub(r"&ca=[^&]*", "", plain), alone, *peer, "--timeout",
                              "4", "-l", f"{doubting.v4}:6778")
        getter = self.get_on(last, plain, alone, *peer, "-l", f"{last.v4}:6778")
        self.assert_complete(getter, content, 60)
        print(f"complete after {getter.seconds():.1f} s, with {getter.json()['peers']} peers")
        self.assertGreaterEqual(getter.json()["peers"], 2)
        self.assertEqual(without.wait(20), 3, without.stderr())
        self.assertEqual(without.json()["peers"], 1)


if __name__ == "__main__":
    harness.main()
