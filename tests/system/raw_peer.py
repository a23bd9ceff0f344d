"""Scripted peers over raw UDP: one that a test drives step by step, and a small seeder in a thread
that can be told to misbehave."""

import random
import select
import socket
import struct
import threading
import time

import harness
import merkle
import wire


def split_address(address):
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def udp_socket(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    result = socket.socket(family, socket.SOCK_DGRAM)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    result.bind((host, 0))
    return result


def handshake(form, swarm_id, source, **changes):
    """A complete HANDSHAKE of an initiator for a static swarm."""
    fields = dict(version=1, minimum_version=1, swarm_id=swarm_id, integrity=1,
                  hash=wire.HASHES[form.hash], addressing=wire.ADDRESSING[form.addressing],
                  supported=wire.ALL_MESSAGES, chunk_size=form.chunk_size)
    fields.update(changes)
    return wire.Handshake(source, **fields)


class Verifier:
    """Accepts hashes and chunks as a receiver does that trusts the root alone (5.2, 5.6.2)."""

    def __init__(self, tree):
        self.tree = tree  # for its shape and its hash function; its hashes are not looked at
        self.known = {tree.root_node: tree.root}
        self.chunks = {}
        self.ahead = {}  # hashes that came in datagrams without DATA (5.4)

    def _prove(self, node, value, offered):
        """The nodes of the path up from `node` and their siblings, if it reaches a known hash."""
        path = {node: value}
        while node not in self.known:
            if node == self.tree.root_node:
                return None
            beside = merkle.sibling(node)
            other = self._value(beside, offered)
            if other is None:
                return None
            path[beside] = other
            left, right = (value, other) if node[0] < beside[0] else (other, value)
            node, value = merkle.parent(node), self.tree.combine(left, right)
            path[node] = value
        return path if self.known[node] == value else None

    def _value(self, node, offered):
        """What a hash is, or what follows from its children (an empty one from the peaks)."""
        for source in (self.known, offered):
            if node in source:
                return source[node]
        if node[0] >= self.tree.count:
            return self.tree.empty
        width = node[1] - node[0] + 1
        if width == 1:
            return None
        left = self._value((node[0], node[0] + width // 2 - 1), offered)
        right = self._value((node[0] + width // 2, node[1]), offered)
        return None if left is None or right is None else self.tree.combine(left, right)

    def accept(self, messages):
        """The chunks of a datagram that are proved by it and by what came before."""
        offered = {m.chunks: m.hash for m in messages if isinstance(m, wire.Integrity)}
        if not any(isinstance(m, wire.Data) for m in messages):
            self.ahead |= offered
        offered = self.ahead | offered
        proved = []
        for peak in self.tree.peaks():
            if peak in offered and peak not in self.known:
                self.known.update(self._prove(peak, offered[peak], offered) or {})
        for message in messages:
            if isinstance(message, wire.Data):
                leaf = message.chunk
                path = self._prove(leaf, self.tree.hash(message.payload), offered)
                if path is not None:
                    self.known.update(path)
                    self.chunks[leaf[0]] = message.payload
                    proved.append(leaf[0])
        return proved


class RawPeer:
    """A peer that does exactly what a test says."""

    def __init__(self, form, swarm_id, target, host="127.0.0.1"):
        self.form = form
        self.swarm_id = swarm_id
        self.target = split_address(target)
        self.socket = udp_socket(host)
        self.channel = random.SystemRandom().randrange(1, 2**32)
        self.remote = None

    def close(self):
        self.socket.close()

    def send_raw(self, octets):
        self.socket.sendto(octets, self.target)

    def send(self, *messages, channel=None):
        channel = self.remote if channel is None else channel
        self.send_raw(wire.datagram(channel, messages, self.form))

    def first_datagram(self, *more, **changes):
        swarm_id = changes.pop("swarm_id", self.swarm_id)
        first = handshake(self.form, swarm_id, self.channel, **changes)
        return wire.datagram(0, [first, *more], self.form)

    def receive_raw(self, timeout=1.0):
        """The next datagram's octets, or None when none comes."""
        ready, _, _ = select.select([self.socket], [], [], timeout * harness.TIME_FACTOR)
        return self.socket.recv(65536) if ready else None

    def receive(self, timeout=1.0):
        """The messages of the next datagram, which has to be for our channel."""
        octets = self.receive_raw(timeout)
        if octets is None:
            return None
        channel, messages = wire.decode(octets, self.form)
        if channel != self.channel:
            raise wire.Malformed(f"a datagram for channel {channel:#x}, ours is {self.channel:#x}")
        return messages

    def silence(self, timeout=0.4):
        """True when nothing but keep-alives comes."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            octets = self.receive_raw(left / harness.TIME_FACTOR)
            if octets is not None and len(octets) > 4:
                return False
        return True

    def open(self, *more, **changes):
        """The handshake up to the second datagram, whose messages it returns."""
        first = self.first_datagram(*more, **changes)
        for _ in range(5):
            self.send_raw(first)
            messages = self.receive(1.0)
            if messages is not None:
                self.remote = messages[0].source
                return messages
        raise harness.Failed("no answer to the HANDSHAKE")

    def collect(self, wanted, timeout=5.0, acknowledge=True):
        """Datagrams as lists of messages until `wanted(all messages)`, each DATA acknowledged."""
        datagrams, flat = [], []
        deadline = time.monotonic() + timeout * harness.TIME_FACTOR
        while not wanted(flat):
            left = deadline - time.monotonic()
            messages = self.receive(left / harness.TIME_FACTOR) if left > 0 else None
            if messages is None:
                raise harness.Failed(f"what was waited for did not come; last: {flat[-3:]}")
            if not messages:
                continue
            datagrams.append(messages)
            flat += messages
            acks = [wire.Ack(m.chunk, wire.now_us() - m.timestamp)
                    for m in messages if isinstance(m, wire.Data)]
            if acks and acknowledge:
                self.send(*acks)
        return datagrams

    def data(self, chunks, timeout=5.0):
        """Collects until a DATA for each of `chunks` is here."""
        def here(messages):
            return set(chunks) <= {m.chunk[0] for m in messages if isinstance(m, wire.Data)}
        return self.collect(here, timeout)


class FakeSeeder(threading.Thread):
    """Serves a tree over UDP, for one getter, as plainly as the protocol allows. What it received
    is in `received`: (time, sender, octets, channel, messages). Subclasses misbehave."""

    def __init__(self, tree, form, host="127.0.0.1"):
        super().__init__(daemon=True)
        self.tree = tree
        self.form = form
        self.socket = udp_socket(host)
        self.address = harness.host_port(host, self.socket.getsockname()[1])
        self.channels = {}  # by sender: (our channel, theirs)
        self.received = []
        self.known = {}  # by sender: what it can compute already
        self.requests = []  # (sender, chunk)
        self.served = 0
        self.choked = False
        self.window = 32
        self.failure = None
        self._stopping = threading.Event()

    def run(self):
        try:
            while not self._stopping.is_set():
                ready, _, _ = select.select([self.socket], [], [], 0 if self.requests else 0.02)
                if ready:
                    self.handle(*self.socket.recvfrom(65536))
                self.serve_some()
        except Exception as error:  # the test asks for it: a thread's exception fails nothing
            self.failure = error
        finally:
            self.socket.close()

    def stop(self):
        self._stopping.set()
        self.join()

    def handle(self, octets, sender):
        channel, messages = wire.decode(octets, self.form)
        self.received.append((time.monotonic(), sender, octets, channel, messages))
        if channel == 0:
            self.on_first(messages, sender, octets)
            return
        if channel != self.channels.get(sender, (None,))[0]:
            return
        for message in messages:
            self.on_message(message, sender)

    def on_first(self, messages, sender, octets):
        first = messages[0]
        if first.swarm_id != self.tree.root:
            return
        ours = self.channels.get(sender, (random.SystemRandom().randrange(1, 2**32),))[0]
        self.channels[sender] = (ours, first.source)
        self.known.setdefault(sender, set())
        self.reply(sender)

    def reply_handshake(self, sender):
        return handshake(self.form, None, self.channels[sender][0], minimum_version=None)

    def reply(self, sender):
        self.send(sender, self.reply_handshake(sender), *self.haves())

    def haves(self):
        return [wire.Have(peak) for peak in self.tree.peaks()]

    def send(self, sender, *messages):
        octets = wire.datagram(self.channels[sender][1], messages, self.form)
        self.socket.sendto(octets, sender)

    def on_message(self, message, sender):
        match message:
            case wire.Request() if not self.choked:
                first, last = message.chunks
                last = min(last, self.tree.count - 1)
                self.requests += [(sender, i) for i in range(first, last + 1)]
            case wire.Cancel():
                first, last = message.chunks
                self.requests = [r for r in self.requests if not first <= r[1] <= last]
            case wire.Handshake():
                self.requests = [r for r in self.requests if r[0] != sender]

    def serve_some(self):
        now, self.requests = self.requests[:self.window], self.requests[self.window:]
        for sender, chunk in now:
            self.serve(sender, chunk)
            self.served += 1

    def timestamp(self):
        return wire.now_us()

    def payload(self, chunk):
        return self.tree.chunk(chunk)

    def proof(self, sender, chunk):
        """All hashes each time: plain, and independent of what was lost."""
        nodes = [*self.tree.peaks(), *self.tree.uncles(chunk)]
        return [wire.Integrity(node, self.tree.nodes[node]) for node in dict.fromkeys(nodes)]

    def serve(self, sender, chunk):
        data = wire.Data((chunk, chunk), self.timestamp(), self.payload(chunk))
        self.send(sender, *self.proof(sender, chunk), data)

    # What tests ask.

    def messages(self, kind):
        return [m for *_, messages in list(self.received) for m in messages if isinstance(m, kind)]

    def first_datagrams(self):
        return [octets for _, _, octets, channel, _ in list(self.received) if channel == 0]


class LyingSeeder(FakeSeeder):
    """Announces everything and answers with garbage of the right size."""

    def payload(self, chunk):
        return random.randbytes(len(self.tree.chunk(chunk)))


def pack_channel(channel):
    return struct.pack(">I", channel)
