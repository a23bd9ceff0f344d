"""Keys, swarm IDs and signatures of live swarms through the `openssl` command line: nothing that is
checked here checks itself. DNSKEY forms: RFC 3110, 5702, 6605, 8080."""

import os
import shutil
import subprocess
import tempfile

ALGORITHMS = {"rsasha1": 5, "rsasha256": 8, "ecdsap256sha256": 13, "ecdsap384sha384": 14,
              "ed25519": 15}
_DIGEST = {5: "-sha1", 8: "-sha256", 13: "-sha256", 14: "-sha384"}
_GENERATE = {5: ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
             8: ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
             13: ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
             14: ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], 15: ["ED25519"]}
_EC_SIZE = {13: 32, 14: 48}
# SubjectPublicKeyInfo up to the key itself, for the kinds of which it never changes.
_PREFIX = {13: "3059301306072a8648ce3d020106082a8648ce3d030107034200" "04",
           14: "3076301006072a8648ce3d020106052b81040022036200" "04",
           15: "302a300506032b6570032100"}
_RSA_IDENTIFIER = bytes.fromhex("300d06092a864886f70d0101010500")


def available():
    return shutil.which("openssl") is not None


def _openssl(*arguments, octets=b"", check=True):
    done = subprocess.run(["openssl", *arguments], input=octets, capture_output=True, timeout=60)
    if check and done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")
    return done


# As much DER as keys and signatures need.

def _tlv(tag, value):
    size = len(value)
    if size < 128:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + value


def _integer(octets):
    octets = octets.lstrip(b"\0") or b"\0"
    return _tlv(2, b"\0" + octets if octets[0] & 0x80 else octets)


def _read(octets):
    """(value, what follows) of the element at the front."""
    size, at = octets[1], 2
    if size & 128:
        at += size & 127
        size = int.from_bytes(octets[2:at], "big")
    return octets[at:at + size], octets[at + size:]


def _two_integers(sequence):
    first, rest = _read(_read(sequence)[0])
    second, _ = _read(rest)
    return first.lstrip(b"\0"), second.lstrip(b"\0")


class PublicKey:
    """What a live swarm's ID says, and no more."""

    def __init__(self, swarm_id):
        self.swarm_id = swarm_id
        self.algorithm = swarm_id[0]
        key = swarm_id[1:]
        if self.algorithm in (5, 8):
            exponent_size, at = (key[0], 1) if key[0] else (int.from_bytes(key[1:3], "big"), 3)
            exponent, modulus = key[at:at + exponent_size], key[at + exponent_size:]
            self.signature_size = len(modulus)
            rsa = _tlv(0x30, _integer(modulus) + _integer(exponent))
            self.der = _tlv(0x30, _RSA_IDENTIFIER + _tlv(3, b"\0" + rsa))
        else:
            self.signature_size = 2 * _EC_SIZE.get(self.algorithm, 32)
            self.der = bytes.fromhex(_PREFIX[self.algorithm]) + key

    def verify(self, message, signature):
        """Whether `signature`, in RRSIG form, is one of `message`."""
        if self.algorithm in _EC_SIZE:
            half = _EC_SIZE[self.algorithm]
            if len(signature) != 2 * half:
                return False
            signature = _tlv(0x30, _integer(signature[:half]) + _integer(signature[half:]))
        with tempfile.TemporaryDirectory(prefix="ppspp-key-") as directory:
            def file(name, octets):
                path = os.path.join(directory, name)
                with open(path, "wb") as out:
                    out.write(octets)
                return path
            key, seal = file("key", self.der), file("signature", signature)
            if self.algorithm == 15:
                done = _openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER",
                                "-inkey", key, "-sigfile", seal, "-in", file("message", message),
                                check=False)
            else:
                done = _openssl("dgst", _DIGEST[self.algorithm], "-keyform", "DER", "-verify", key,
                                "-signature", seal, octets=message, check=False)
        return done.returncode == 0


class PrivateKey:
    """A fresh key in a PEM file, as a user would make it by hand."""

    def __init__(self, name, path):
        self.algorithm = ALGORITHMS[name]
        self.path = path
        old = os.umask(0o077)
        try:
            _openssl("genpkey", "-algorithm", *_GENERATE[self.algorithm], "-out", path)
        finally:
            os.umask(old)
        self.swarm_id = bytes([self.algorithm]) + self._dnskey()
        self.signature_size = PublicKey(self.swarm_id).signature_size

    def _dnskey(self):
        der = _openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER").stdout
        if self.algorithm == 15:
            return der[-32:]
        if self.algorithm in _EC_SIZE:
            return der[-2 * _EC_SIZE[self.algorithm]:]
        _, bits = _read(_read(der)[0])
        modulus, exponent = _two_integers(_read(bits)[0][1:])
        return bytes([len(exponent)]) + exponent + modulus

    def sign(self, message):
        if self.algorithm == 15:
            with tempfile.NamedTemporaryFile(prefix="ppspp-key-") as file:
                file.write(message)
                file.flush()
                return _openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in",
                                file.name).stdout
        signature = _openssl("dgst", _DIGEST[self.algorithm], "-sign", self.path,
                             octets=message).stdout
        if self.algorithm in _EC_SIZE:
            half = _EC_SIZE[self.algorithm]
            r, s = _two_integers(signature)
            return r.rjust(half, b"\0") + s.rjust(half, b"\0")
        return signature
