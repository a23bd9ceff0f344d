"""The Unified Merkle Tree of RFC 7574, 6.1.2, in the plainest way: one that a source builds, and
the check of a receiver that trusts a public key alone. A node is its (first, last)."""

import dataclasses
import hashlib
import time

import merkle
import wire


@dataclasses.dataclass(frozen=True)
class Munro:
    chunks: tuple
    hash: bytes
    timestamp: int
    signature: bytes

    def messages(self):
        return [wire.Integrity(self.chunks, self.hash),
                wire.SignedIntegrity(self.chunks, self.timestamp, self.signature)]


def signed_octets(chunks, timestamp, what, form):
    """What is signed: of a munro `what` is its hash (6.1.2.2), with Sign All the chunk (6.1.1)."""
    return wire.encode_chunks(chunks, form) + timestamp.to_bytes(8, "big") + what


def sign_munro(key, form, chunks, value, timestamp=None):
    timestamp = wire.ntp(time.time_ns()) if timestamp is None else timestamp
    return Munro(chunks, value, timestamp,
                 key.sign(signed_octets(chunks, timestamp, value, form)))


class LiveTree:
    """The chunks of a feed and the hashes over them, up to the munros."""

    def __init__(self, width, function="sha256"):
        self.width = width
        self.function = function
        self.empty = bytes(hashlib.new(function).digest_size)
        self.chunks = {}
        self.nodes = {}

    def hash(self, octets):
        return hashlib.new(self.function, octets).digest()

    def combine(self, left, right):
        if left == self.empty and right == self.empty:
            return self.empty
        return self.hash(left + right)

    def munro_of(self, chunk):
        first = chunk - chunk % self.width
        return (first, first + self.width - 1)

    def add_subtree(self, number, payloads):
        """The chunks of one subtree, at most `width`; its other leaves are empty. Its munro."""
        first = number * self.width
        level = [self.hash(p) for p in payloads]
        level += [self.empty] * (self.width - len(level))
        self.chunks |= {first + i: p for i, p in enumerate(payloads)}
        width = 1
        while True:
            for i, value in enumerate(level):
                self.nodes[(first + i * width, first + (i + 1) * width - 1)] = value
            if len(level) == 1:
                return self.munro_of(first)
            level = [self.combine(level[i], level[i + 1]) for i in range(0, len(level), 2)]
            width *= 2

    def uncles(self, chunk):
        """What proves a chunk to someone who knows its munro: the highest node first."""
        node, found = (chunk, chunk), []
        while node != self.munro_of(chunk):
            found.append(merkle.sibling(node))
            node = merkle.parent(node)
        return found[::-1]


class Receiver:
    """Accepts munros and chunks as a receiver does that knows only the swarm ID."""

    def __init__(self, public_key, form):
        self.key = public_key
        self.form = form
        self.width = None  # NCHUNKS_PER_SIG: of the first munro
        self.munros = {}  # by its chunks
        self.known = {}
        self.chunks = {}
        self.ends = set()  # munros of subtrees without chunks
        self.ahead = {}  # hashes that came in datagrams without DATA (5.4)
        self.tree = LiveTree(2, form.hash)

    def accept(self, messages):
        """Checks a datagram; an AssertionError names what a conforming peer must not send."""
        offered = {}
        for message in messages:
            if isinstance(message, wire.Integrity):
                offered[message.chunks] = message.hash
            elif isinstance(message, wire.SignedIntegrity):
                self._munro(message, offered)
            elif isinstance(message, wire.Data):
                self._chunk(message, self.ahead | offered)
        if not any(isinstance(m, wire.Data) for m in messages):
            self.ahead |= offered

    def _munro(self, message, offered):
        chunks = message.chunks
        assert chunks in offered, "6.1.2.3 #135: the munro's INTEGRITY stands before its signature"
        value = offered[chunks]
        octets = signed_octets(chunks, message.timestamp, value, self.form)
        assert self.key.verify(octets, message.signature), f"the signature of munro {chunks}"
        width = chunks[1] - chunks[0] + 1
        assert width >= 2 and width & (width - 1) == 0, "6.1.2.1 #129, #130: a power of two"
        assert self.width in (None, width), "6.1.2.1 #129: one fixed NCHUNKS_PER_SIG"
        assert chunks[0] % width == 0
        assert self.munros.get(chunks, value) == value, "two hashes signed for one munro"
        self.width = self.tree.width = width
        self.munros[chunks] = value
        if value == self.tree.empty:
            self.ends.add(chunks)
        self.known[chunks] = value

    def _chunk(self, message, offered):
        first, last = message.chunk
        assert first == last, "one chunk in a DATA message"
        assert self.width, "a chunk before any munro"
        node, value = (first, first), self.tree.hash(message.payload)
        path = {node: value}
        while node not in self.known:
            assert node != self.tree.munro_of(first), f"chunk {first} before its munro"
            beside = merkle.sibling(node)
            other = self.known.get(beside, offered.get(beside))
            assert other is not None, f"5.4: the uncle {beside} of chunk {first} is missing"
            path[beside] = other
            left, right = (value, other) if node[0] < beside[0] else (other, value)
            node, value = merkle.parent(node), self.tree.combine(left, right)
            path[node] = value
        assert self.known[node] == value, f"chunk {first} does not match {node}"
        self.known |= path
        self.chunks[first] = message.payload

    def is_complete(self):
        """The end was signed, and every chunk before the empty leaves that are proved is here."""
        if not self.ends:
            return False
        count = min(self.ends)[0]
        while count and count - 1 not in self.chunks and self._is_empty(count - 1):
            count -= 1
        return all(i in self.chunks for i in range(count))

    def _is_empty(self, chunk):
        return any(value == self.tree.empty and node[0] <= chunk <= node[1]
                   for node, value in self.known.items())

    def content(self):
        return b"".join(self.chunks[i] for i in sorted(self.chunks))
