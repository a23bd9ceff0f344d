"""Scripted peers of live swarms over raw UDP: a source with a tree and signatures of its own, and a
leecher that a test drives step by step."""

import threading
import time

import live_tree
import raw_peer
import wire

ALL = {32: 0xFFFFFFFF, 64: 0xFFFFFFFFFFFFFFFF}


def live_handshake(form, swarm_id, source, method="unified-merkle", algorithm=None, **changes):
    """A complete HANDSHAKE of an initiator for a live swarm."""
    fields = dict(integrity=wire.INTEGRITY[method], signature=algorithm or swarm_id[0],
                  window=ALL[form.addressing_bits])
    if method == "sign-all":
        fields["hash"] = None
    fields.update(changes)
    return raw_peer.handshake(form, swarm_id, source, **fields)


def live_form(key, **options):
    return wire.Format(signature_size=key.signature_size, **options)


class LiveRawPeer(raw_peer.RawPeer):
    """An initiator in a live swarm that does exactly what a test says."""

    def __init__(self, form, swarm_id, target, method="unified-merkle"):
        super().__init__(form, swarm_id, target)
        self.method = method

    def first_datagram(self, *more, **changes):
        swarm_id = changes.pop("swarm_id", self.swarm_id)
        first = live_handshake(self.form, swarm_id, self.channel, self.method,
                               **{"algorithm": self.swarm_id[0], **changes})
        return wire.datagram(0, [first, *more], self.form)


class LivePeer(raw_peer.FakeSeeder):
    """Answers getters in a live swarm; subclasses say what it has. Not in `self.tree` but in
    `self.live` is what is served: a LiveTree that grows."""

    def __init__(self, form, swarm_id, width, method="unified-merkle", window=None):
        super().__init__(None, form)
        self.swarm_id = swarm_id
        self.method = method
        self.own_window = ALL[form.addressing_bits] if window is None else window
        self.live = live_tree.LiveTree(width, form.hash)
        self.munros = {}  # by the number of the subtree
        self.established = []  # senders that have answered our HANDSHAKE
        self.started = time.monotonic()

    def on_first(self, messages, sender, octets):
        if messages[0].swarm_id != self.swarm_id:
            return
        ours = self.channels.get(sender, (raw_peer.random.SystemRandom().randrange(1, 2**32),))[0]
        self.channels[sender] = (ours, messages[0].source)
        self.known.setdefault(sender, set())
        self.reply(sender)

    def reply_handshake(self, sender):
        return live_handshake(self.form, None, self.channels[sender][0], self.method,
                              algorithm=self.swarm_id[0], minimum_version=None,
                              window=self.own_window)

    def haves(self):
        return []

    def handle(self, octets, sender):
        if sender in self.channels and sender not in self.established and \
                octets[:4] == raw_peer.pack_channel(self.channels[sender][0]):
            self.established.append(sender)
            self.on_established(sender)
        super().handle(octets, sender)

    def on_established(self, sender):
        """The fourth datagram: the rightmost munro, and what there is (6.1.2.4)."""
        for number in sorted(self.munros)[-self.announced():]:
            self.announce(sender, number)

    def announced(self):
        return 64

    def on_message(self, message, sender):
        if isinstance(message, wire.Request):
            first, last = message.chunks
            last = min(last, max(self.live.chunks, default=-1))
            self.requests += [(sender, i) for i in range(first, last + 1) if i in self.live.chunks]
        elif isinstance(message, wire.Handshake):
            self.requests = [r for r in self.requests if r[0] != sender]
            if message.source == 0:
                self.channels.pop(sender, None)
                if sender in self.established:
                    self.established.remove(sender)
        else:
            super().on_message(message, sender)

    def announce(self, sender, number):
        first = number * self.live.width
        last = max((i for i in range(first, first + self.live.width) if i in self.live.chunks),
                   default=None)
        haves = [] if last is None else self.have_ranges(first, last)
        self.send(sender, *haves, *self.munros[number].messages())

    def have_ranges(self, first, last):
        """Complete aligned intervals, as bins can name them."""
        found = []
        while first <= last:
            width = 1
            while first % (2 * width) == 0 and first + 2 * width - 1 <= last:
                width *= 2
            found.append(wire.Have((first, first + width - 1)))
            first += width
        return found

    def to_all(self, *messages):
        for sender in list(self.established):
            self.send(sender, *messages)

    def serve(self, sender, chunk):
        if sender not in self.channels:
            return
        data = wire.Data((chunk, chunk), self.timestamp(), self.payload(chunk))
        self.send(sender, *self.proof(sender, chunk), data)

    def payload(self, chunk):
        return self.live.chunks[chunk]

    def proof(self, sender, chunk):
        munro = self.munros[chunk // self.live.width]
        return [*munro.messages(),
                *(wire.Integrity(n, self.live.nodes[n]) for n in self.live.uncles(chunk))]

    def serve_some(self):
        self.work()
        super().serve_some()

    def work(self):
        """Whatever the peer does on its own: called at least every 20 ms."""


class FakeSource(LivePeer):
    """A source in Python: `content` in subtrees of `width` chunks, one every `interval` seconds.
    At the end the last subtree is padded with empty leaves, and the next munro, over empty leaves
    only, says that nothing follows."""

    def __init__(self, key, form, content, width, interval, **options):
        super().__init__(form, key.swarm_id, width, **options)
        self.key = key
        self.interval = interval
        size = form.chunk_size
        self.payloads = [content[i:i + size] for i in range(0, len(content), size)]
        self.next = 0
        self.ended = threading.Event()

    def timestamp_of(self, number):
        return wire.ntp(time.time_ns())

    def work(self):
        if not self.ended.is_set() and \
                time.monotonic() >= self.started + self.next * self.interval:
            self.publish()

    def publish(self):
        width = self.live.width
        payloads = self.payloads[self.next * width:(self.next + 1) * width]
        chunks = self.live.add_subtree(self.next, payloads)
        self.munros[self.next] = live_tree.sign_munro(
            self.key, self.form, chunks, self.live.nodes[chunks], self.timestamp_of(self.next))
        for sender in list(self.established):
            self.announce(sender, self.next)
        self.next += 1
        if not payloads:
            self.ended.set()


class SignAllSource(FakeSource):
    """The same with a signature for each chunk (6.1.1), without a tree; the end is the signature of
    an empty chunk behind the last."""

    def __init__(self, key, form, content, interval):
        super().__init__(key, form, content, 1, interval, method="sign-all")

    def publish(self):
        payload = self.payloads[self.next] if self.next < len(self.payloads) else b""
        chunks = (self.next, self.next)
        timestamp = self.timestamp_of(self.next)
        octets = live_tree.signed_octets(chunks, timestamp, payload, self.form)
        self.munros[self.next] = wire.SignedIntegrity(chunks, timestamp, self.key.sign(octets))
        if payload:
            self.live.chunks[self.next] = payload
            self.to_all(wire.Have(chunks))
        else:
            self.ended.set()
            self.to_all(self.munros[self.next])
        self.next += 1

    def on_established(self, sender):
        if self.live.chunks:
            self.send(sender, *self.have_ranges(0, max(self.live.chunks)))
        if self.ended.is_set():
            self.send(sender, self.munros[self.next - 1])

    def proof(self, sender, chunk):
        return [self.munros[chunk]]
