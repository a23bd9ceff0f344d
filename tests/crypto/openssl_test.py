#!/usr/bin/env python3
"""Keys and signatures of ours against those of the `openssl` command line, in both directions.

openssl_test.py KEY-TOOL
"""

import os
import pathlib
import subprocess
import sys
import tempfile
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


if __name__ == "__main__":
    TOOL = sys.argv.pop(1)
    unittest.main()
