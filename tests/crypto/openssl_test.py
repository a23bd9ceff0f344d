#!/usr/bin/env python3
"""Keys and signatures of ours against those of the `openssl` command line, in both directions.

openssl_test.py KEY-TOOL
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
import dnskey  # noqa: E402

TOOL = ""
MESSAGES = [b"a", bytes(range(48)), os.urandom(1060), os.urandom(65_000)]
# Kinds of keys that no feed can have, by what makes them and what the refusal says.
REFUSED = {
    "RSA of 1024 bits": (["RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "1024 bits"),
    "RSA-PSS": (["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"], "P-256 or P-384"),
    "P-521": (["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "P-256 or P-384"),
    "P-224": (["EC", "-pkeyopt", "ec_paramgen_curve:P-224"], "P-256 or P-384"),
    "secp256k1": (["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "P-256 or P-384"),
    "ED448": (["ED448"], "P-256 or P-384"),
    "X25519": (["X25519"], "P-256 or P-384"),
}


def tool(*arguments, check=True):
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments[0]}: {done.stderr}")
    return done


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], capture_output=True, check=True, timeout=60)


@unittest.skipUnless(dnskey.available(), "there is no openssl here")
class OpenSsl(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ppspp-keys-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name, octets=None):
        path = os.path.join(self.directory, name)
        if octets is not None:
            pathlib.Path(path).write_bytes(octets)
        return path

    def verifies(self, swarm_id, message, signature):
        done = tool("verify", swarm_id.hex(), self.path("message", message), signature.hex(),
                    check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode == 0

    def test_keys_of_openssl_have_the_same_swarm_id_here(self):
        for name in dnskey.ALGORITHMS:
            with self.subTest(name):
                key = dnskey.PrivateKey(name, self.path("key.pem"))
                self.assertEqual(tool("dnskey", key.path, name).stdout.strip(), key.swarm_id.hex())

    def test_openssl_reads_and_checks_the_keys_that_are_made_here(self):
        for name in dnskey.ALGORITHMS:
            with self.subTest(name):
                path = self.path("key.pem", tool("generate", name).stdout.encode())
                openssl("pkey", "-in", path, "-check", "-noout")

    def test_signatures_made_here_are_genuine_to_openssl(self):
        for name in dnskey.ALGORITHMS:
            with self.subTest(name):
                path = self.path("key.pem", tool("generate", name).stdout.encode())
                public = dnskey.PublicKey(bytes.fromhex(tool("dnskey", path, name).stdout))
                for message in MESSAGES:
                    signature = bytes.fromhex(
                        tool("sign", path, self.path("message", message), name).stdout)
                    self.assertEqual(len(signature), public.signature_size)
                    self.assertTrue(public.verify(message, signature))
                    self.assertFalse(public.verify(message + b"x", signature))

    def test_signatures_of_openssl_are_genuine_here_and_altered_ones_are_not(self):
        for name in dnskey.ALGORITHMS:
            with self.subTest(name):
                key = dnskey.PrivateKey(name, self.path("key.pem"))
                for message in MESSAGES:
                    signature = key.sign(message)
                    self.assertTrue(self.verifies(key.swarm_id, message, signature))
                    self.assertFalse(self.verifies(key.swarm_id, message + b"x", signature))
                    altered = bytes([signature[0] ^ 1]) + signature[1:]
                    self.assertFalse(self.verifies(key.swarm_id, message, altered))

    def test_keys_of_all_sizes_of_rsa_are_used(self):
        for bits in (2048, 3072, 4096):
            path = self.path("key.pem")
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out",
                    path)
            public = dnskey.PublicKey(bytes.fromhex(tool("dnskey", path).stdout))
            signature = bytes.fromhex(tool("sign", path, self.path("message", b"m")).stdout)
            self.assertEqual(len(signature), bits // 8)
            self.assertTrue(public.verify(b"m", signature))
            self.assertTrue(self.verifies(public.swarm_id, b"m", signature))

    def test_the_older_forms_of_pem_are_the_same_keys(self):
        for name in ("rsasha256", "ecdsap256sha256", "ecdsap384sha384"):
            with self.subTest(name):
                key = dnskey.PrivateKey(name, self.path("key.pem"))
                old = self.path("old.pem")
                openssl("pkey", "-in", key.path, "-traditional", "-out", old)
                self.assertNotIn(b"BEGIN PRIVATE", pathlib.Path(old).read_bytes())
                self.assertEqual(tool("dnskey", old).stdout.strip(), key.swarm_id.hex())
        path = self.path("parameters.pem")  # with a block of parameters in front
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", path)
        self.assertIn(b"EC PARAMETERS", pathlib.Path(path).read_bytes())
        self.assertTrue(tool("dnskey", path).stdout.startswith("0d"))

    def test_keys_that_no_feed_can_have_are_refused_in_one_line(self):
        for kind, (arguments, hint) in REFUSED.items():
            with self.subTest(kind):
                path = self.path("key.pem")
                openssl("genpkey", "-algorithm", *arguments, "-out", path)
                done = tool("dnskey", path, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(hint, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_a_passphrase_is_not_asked_for(self):
        key = dnskey.PrivateKey("ecdsap256sha256", self.path("key.pem"))
        locked = self.path("locked.pem")
        openssl("pkcs8", "-topk8", "-in", key.path, "-passout", "pass:secret", "-out", locked)
        done = tool("dnskey", locked, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("passphrase", done.stderr)


URI = "URI:file://192.0.2.1:6778/e5a1"
# Certificates that the issuer signed and that are none of a peer, by their extensions.
NOT_OF_A_PEER = {
    "no name": "basicConstraints=CA:FALSE",
    "name not critical": f"subjectAltName={URI}",
    "two URLs": f"subjectAltName=critical,{URI},{URI}",
    "URL and DNS name": f"subjectAltName=critical,{URI},DNS:example.org",
    "DNS name": "subjectAltName=critical,DNS:example.org",
    "IP address": "subjectAltName=critical,IP:192.0.2.1",
    "other scheme": "subjectAltName=critical,URI:http://192.0.2.1:6778/e5a1",
    "no port": "subjectAltName=critical,URI:file://192.0.2.1/e5a1",
    "no swarm": "subjectAltName=critical,URI:file://192.0.2.1:6778/",
    "swarm not in hex": "subjectAltName=critical,URI:file://192.0.2.1:6778/xyz1",
    "authority": f"subjectAltName=critical,{URI}\nbasicConstraints=critical,CA:TRUE",
    "unknown and critical": f"subjectAltName=critical,{URI}\n1.2.3.4=critical,ASN1:NULL",
    "name constraints": f"subjectAltName=critical,{URI}\nnameConstraints=critical,permitted;DNS:x",
}


@unittest.skipUnless(dnskey.available(), "there is no openssl here")
class Certificates(unittest.TestCase):
    """Membership certificates (RFC 7574, 8.13) of ours read by OpenSSL, and OpenSSL's by us."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ppspp-certificates-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.key("ca", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
        self.key("peer", ["ED25519"])
        openssl("req", "-x509", "-new", "-key", self.path("ca"), "-subj", "/CN=PPSP tracker",
                "-days", "30", "-out", self.path("ca.pem"))
        self.ca = tool("dnskey", self.path("ca")).stdout.strip()

    def path(self, name):
        return os.path.join(self.directory, name)

    def key(self, name, kind):
        openssl("genpkey", "-algorithm", *kind, "-out", self.path(name))

    def write(self, name, octets):
        pathlib.Path(self.path(name)).write_bytes(octets)

    def show(self, *arguments):
        return subprocess.run(["openssl", *arguments], capture_output=True, check=True, timeout=60,
                              text=True).stdout

    def issue(self, host="192.0.2.0", swarm="e5a12c7ad2d8fab33c699d1e198d66f79fa610c3"):
        peer = tool("dnskey", self.path("peer")).stdout.strip()
        now = int(time.time())
        der = tool("issue", self.path("ca"), host, "6778", swarm, str(now), str(now + 3600), peer)
        self.write("member.der", bytes.fromhex(der.stdout))

    def foreign(self, extensions, arguments=("-days", "1")):
        """A certificate that the openssl command line signs with the key of our authority."""
        self.write("ext", extensions.encode() + b"\n")
        openssl("req", "-new", "-key", self.path("peer"), "-subj", "/", "-out", self.path("csr"))
        openssl("x509", "-req", "-in", self.path("csr"), "-CA", self.path("ca.pem"), "-CAkey",
                self.path("ca"), "-CAcreateserial", "-extfile", self.path("ext"), *arguments,
                "-outform", "DER", "-out", self.path("member.der"))

    def read(self, after=0):
        return tool("member", self.ca, self.path("member.der"), str(int(time.time()) + after),
                    check=False)

    def test_openssl_verifies_what_we_issue(self):
        """8.13 #181, #182, #183: X.509v3 in DER, of the profile of RFC 5280."""
        self.issue()
        text = self.show("x509", "-inform", "DER", "-in", self.path("member.der"), "-noout", "-text")
        self.assertIn("Version: 3", text)
        self.assertRegex(text, r"Subject Alternative Name: critical\n +"
                         "URI:file://192.0.2.0:6778/e5a12c7ad2d8fab33c699d1e198d66f79fa610c3")
        self.assertIn("Authority Key Identifier", text)
        dump = self.show("asn1parse", "-inform", "DER", "-in", self.path("member.der"))
        self.assertEqual(dump.count("UTCTIME"), 2)
        openssl("x509", "-inform", "DER", "-in", self.path("member.der"), "-out",
                self.path("member.pem"))
        # The key identifiers are chosen by the issuer: that of OpenSSL's root is another one.
        openssl("req", "-x509", "-new", "-key", self.path("ca"), "-subj", "/CN=PPSP tracker", "-addext",
                "subjectKeyIdentifier=none", "-days", "30", "-out", self.path("root.pem"))
        self.assertIn("OK", self.show("verify", "-CAfile", self.path("root.pem"), self.path("member.pem")))

    def test_a_certificate_of_openssl_with_what_the_rfc_asks_for_is_good(self):
        """8.13 #182, #183, 3.10.1 #184."""
        self.foreign(f"subjectAltName=critical,{URI}\nkeyUsage=critical,digitalSignature\n"
                     "basicConstraints=critical,CA:FALSE\n1.2.3.4=ASN1:NULL")
        good = self.read()
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertTrue(good.stdout.startswith("file://192.0.2.1:6778/e5a1 "), good.stdout)
        self.assertEqual(self.read(after=86_300).returncode, 0)
        self.assertEqual(self.read(after=86_500).returncode, 1)
        self.assertEqual(self.read(after=-3600).returncode, 1)

    def test_certificates_of_something_else_are_refused(self):
        """8.13 #182, #183."""
        for name, extensions in NOT_OF_A_PEER.items():
            with self.subTest(name):
                self.foreign(extensions)
                self.assertEqual(self.read().returncode, 1)

    def test_a_certificate_of_version_1_is_refused(self):
        """8.13 #181."""
        openssl("req", "-new", "-key", self.path("peer"), "-subj", "/", "-out", self.path("csr"))
        openssl("x509", "-req", "-in", self.path("csr"), "-CA", self.path("ca.pem"), "-CAkey",
                self.path("ca"), "-CAcreateserial", "-days", "1", "-outform", "DER", "-out",
                self.path("member.der"))
        self.assertEqual(self.read().returncode, 1)

    def test_openssl_verifies_our_requests(self):
        """12.2.2."""
        for kind in (["ED25519"], ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]):
            self.key("peer", kind)
            self.write("csr.der", bytes.fromhex(tool("request", self.path("peer")).stdout))
            openssl("req", "-inform", "DER", "-in", self.path("csr.der"), "-verify", "-noout")


if __name__ == "__main__":
    TOOL = sys.argv.pop(1)
    unittest.main()
