"""The octets of RFC 7574 in Python: a second implementation, independent of the library under test.

A chunk specification is a pair (first, last) of chunk numbers here, whatever the addressing.
"""

import dataclasses
import hashlib
import struct
import time
import typing

ADDRESSING = {"bin32": 0, "byte64": 1, "chunk32": 2, "bin64": 3, "chunk64": 4}
INTEGRITY = {"merkle": 1, "sign-all": 2, "unified-merkle": 3}
HASHES = {"sha1": 0, "sha224": 1, "sha256": 2, "sha384": 3, "sha512": 4}
ALL_MESSAGES = range(14)


class Malformed(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Format:
    addressing: str = "chunk32"
    chunk_size: int = 1024
    hash: str = "sha256"
    signature_size: int = 0  # octets; of a live swarm

    @property
    def hash_size(self):
        return hashlib.new(self.hash).digest_size

    @property
    def addressing_bits(self):
        return 32 if self.addressing in ("bin32", "chunk32") else 64


@dataclasses.dataclass
class Handshake:
    source: int
    version: int | None = 1
    minimum_version: int | None = None
    swarm_id: bytes | None = None
    integrity: int | None = None
    hash: int | None = None
    addressing: int | None = None
    supported: typing.Any = None  # an iterable of message types
    chunk_size: int | None = None
    signature: int | None = None
    window: int | None = None
    order: list | None = None  # of the option codes, as they were on the wire


@dataclasses.dataclass
class Data:
    chunk: tuple
    timestamp: int
    payload: bytes


@dataclasses.dataclass
class Ack:
    chunks: tuple
    delay: int = 0


@dataclasses.dataclass
class Have:
    chunks: tuple | None


@dataclasses.dataclass
class Integrity:
    chunks: tuple
    hash: bytes


@dataclasses.dataclass
class SignedIntegrity:
    chunks: tuple
    timestamp: int  # NTP, 64 bits
    signature: bytes


@dataclasses.dataclass
class Request:
    chunks: tuple


@dataclasses.dataclass
class Cancel:
    chunks: tuple


@dataclasses.dataclass
class Choke:
    pass


@dataclasses.dataclass
class Unchoke:
    pass


@dataclasses.dataclass
class PexReq:
    pass


@dataclasses.dataclass
class PexRes:
    host: bytes  # 4 or 16 octets
    port: int


@dataclasses.dataclass
class PexCert:
    certificate: bytes


_TYPES = {Handshake: 0, Data: 1, Ack: 2, Have: 3, Integrity: 4, PexReq: 6, SignedIntegrity: 7,
          Request: 8, Cancel: 9, Choke: 10, Unchoke: 11, PexCert: 13}


def message_type(message):
    if isinstance(message, PexRes):
        return 5 if len(message.host) == 4 else 12
    return _TYPES[type(message)]


def now_us():
    return time.time_ns() // 1000


def ntp(unix_ns):
    """The 64-bit NTP timestamp (RFC 5905) of a time in Unix nanoseconds."""
    seconds, rest = divmod(unix_ns, 10**9)
    return ((seconds + 2208988800) << 32 | (rest << 32) // 10**9) % 2**64


def ntp_to_unix_ns(timestamp):
    """Of the era that began in 1900, as long as that lasts."""
    return ((timestamp >> 32) - 2208988800) * 10**9 + ((timestamp & 0xFFFFFFFF) * 10**9 >> 32)


# Chunk specifications (section 4).

def to_bin(chunks):
    first, last = chunks
    width = last - first + 1
    if width & (width - 1) or first % width:
        raise ValueError(f"{chunks} is not one bin")
    return 2 * first + width - 1


def from_bin(number, bits):
    if number == (1 << bits) - 1:
        return None
    if number == (1 << (bits - 1)) - 1:
        return (0, (1 << (bits - 1)) - 1)
    width = (number ^ (number + 1)) + 1 >> 1
    first = (number + 1 - width) // 2
    return (first, first + width - 1)


def encode_chunks(chunks, form):
    if form.addressing in ("bin32", "bin64"):
        return struct.pack(">I" if form.addressing == "bin32" else ">Q", to_bin(chunks))
    if form.addressing == "byte64":
        first, end = chunks[0] * form.chunk_size, (chunks[1] + 1) * form.chunk_size
        return struct.pack(">QQ", first, end - 1)
    return struct.pack(">II" if form.addressing == "chunk32" else ">QQ", *chunks)


class Reader:
    def __init__(self, octets):
        self.octets = octets
        self.at = 0

    def take(self, size):
        if self.at + size > len(self.octets):
            raise Malformed("cut short")
        self.at += size
        return self.octets[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def rest(self):
        return len(self.octets) - self.at

    def chunks(self, form):
        if form.addressing in ("bin32", "bin64"):
            bits = 32 if form.addressing == "bin32" else 64
            return from_bin(self.number(bits // 8), bits)
        size = 4 if form.addressing == "chunk32" else 8
        first, last = self.number(size), self.number(size)
        if form.addressing == "byte64":
            if first % form.chunk_size:
                raise Malformed("a byte range that does not begin with a chunk")
            first, last = first // form.chunk_size, last // form.chunk_size
        if last < first:
            raise Malformed(f"chunks {first} to {last}")
        return (first, last)


# HANDSHAKE (sections 7 and 8.4).

def encode_handshake(message):
    out = bytearray([0]) + struct.pack(">I", message.source)

    def option(code, value):
        if value is not None:
            out.append(code)
            out.extend(value)

    def octet(value):
        return None if value is None else bytes([value])

    option(0, octet(message.version))
    option(1, octet(message.minimum_version))
    if message.swarm_id is not None:
        option(2, struct.pack(">H", len(message.swarm_id)) + message.swarm_id)
    option(3, octet(message.integrity))
    option(4, octet(message.hash))
    option(5, octet(message.signature))
    option(6, octet(message.addressing))
    if message.window is not None:
        size = 4 if message.addressing in (0, 2) else 8
        option(7, message.window.to_bytes(size, "big"))
    if message.supported is not None:
        option(8, encode_supported(message.supported))
    if message.chunk_size is not None:
        option(9, struct.pack(">I", message.chunk_size))
    out.append(255)
    return bytes(out)


def encode_supported(types):
    bitmap = bytearray(32)
    for number in types:
        bitmap[number // 8] |= 0x80 >> number % 8
    bitmap = bytes(bitmap).rstrip(b"\0")
    return bytes([len(bitmap)]) + bitmap


def decode_handshake(reader):
    message = Handshake(reader.number(4), version=None)
    message.order = []
    while (code := reader.number(1)) != 255:
        message.order.append(code)
        if code in (0, 1, 3, 4, 5, 6):
            name = {0: "version", 1: "minimum_version", 3: "integrity", 4: "hash", 5: "signature",
                    6: "addressing"}[code]
            setattr(message, name, reader.number(1))
        elif code == 2:
            message.swarm_id = reader.take(reader.number(2))
        elif code == 7:
            message.window = reader.number(4 if message.addressing in (0, 2) else 8)
        elif code == 8:
            bitmap = reader.take(reader.number(1))
            message.supported = [i for i in range(8 * len(bitmap))
                                 if bitmap[i // 8] & 0x80 >> i % 8]
            message.bitmap = bitmap
        elif code == 9:
            message.chunk_size = reader.number(4)
        else:
            raise Malformed(f"option {code}")
    return message


# All messages (section 8).

def encode(message, form):
    kind = bytes([message_type(message)])
    match message:
        case Handshake():
            return encode_handshake(message)
        case Data():
            return (kind + encode_chunks(message.chunk, form) +
                    struct.pack(">Q", message.timestamp % 2**64) + message.payload)
        case Ack():
            return (kind + encode_chunks(message.chunks, form) +
                    struct.pack(">Q", message.delay % 2**64))
        case Have() | Request() | Cancel():
            return kind + encode_chunks(message.chunks, form)
        case Integrity():
            return kind + encode_chunks(message.chunks, form) + message.hash
        case SignedIntegrity():
            return (kind + encode_chunks(message.chunks, form) +
                    struct.pack(">Q", message.timestamp) + message.signature)
        case PexRes():
            return kind + message.host + struct.pack(">H", message.port)
        case PexCert():
            return kind + struct.pack(">H", len(message.certificate)) + message.certificate
    return kind


def signed64(value):
    return value - 2**64 if value >= 2**63 else value


def decode(datagram, form):
    """(channel, messages) of a datagram; Malformed where a conforming peer would not send it."""
    reader = Reader(datagram)
    channel = reader.number(4)
    messages = []
    while reader.rest():
        kind = reader.number(1)
        if kind == 0:
            if messages:
                raise Malformed("a HANDSHAKE that is not the first message")
            messages.append(decode_handshake(reader))
        elif kind == 1:
            chunk, timestamp = reader.chunks(form), reader.number(8)
            payload = reader.take(min(reader.rest(), form.chunk_size))
            if len(payload) < form.chunk_size and reader.rest():
                raise Malformed("something behind a short chunk")
            messages.append(Data(chunk, timestamp, payload))
        elif kind == 2:
            messages.append(Ack(reader.chunks(form), signed64(reader.number(8))))
        elif kind in (3, 8, 9):
            messages.append({3: Have, 8: Request, 9: Cancel}[kind](reader.chunks(form)))
        elif kind == 4:
            messages.append(Integrity(reader.chunks(form), reader.take(form.hash_size)))
        elif kind == 7 and form.signature_size:
            messages.append(SignedIntegrity(reader.chunks(form), reader.number(8),
                                            reader.take(form.signature_size)))
        elif kind in (5, 12):
            messages.append(PexRes(reader.take(4 if kind == 5 else 16), reader.number(2)))
        elif kind in (6, 10, 11):
            messages.append({6: PexReq, 10: Choke, 11: Unchoke}[kind]())
        elif kind == 13:
            messages.append(PexCert(reader.take(reader.number(2))))
        else:
            raise Malformed(f"message type {kind}")
    return channel, messages


def datagram(channel, messages, form):
    return struct.pack(">I", channel) + b"".join(encode(m, form) for m in messages)
