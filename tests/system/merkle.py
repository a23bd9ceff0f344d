"""The Merkle hash tree of RFC 7574, section 5, in the plainest way. A node is its (first, last)."""

import hashlib


def parent(node):
    width = node[1] - node[0] + 1
    first = node[0] - node[0] % (2 * width)
    return (first, first + 2 * width - 1)


def sibling(node):
    width = node[1] - node[0] + 1
    first = node[0] ^ width
    return (first, first + width - 1)


def peaks(count):
    """The filled nodes whose sibling is not filled, left to right (5.6.1)."""
    nodes, first = [], 0
    for bit in reversed(range(count.bit_length())):
        if count >> bit & 1:
            nodes.append((first, first + (1 << bit) - 1))
            first += 1 << bit
    return nodes


class Tree:
    def __init__(self, content, chunk_size, function="sha256"):
        self.content = content
        self.chunk_size = chunk_size
        self.count = (len(content) + chunk_size - 1) // chunk_size
        self.function = function
        size = hashlib.new(function).digest_size
        self.empty = bytes(size)
        level = [self.hash(self.chunk(i)) for i in range(self.count)]
        base = 1
        while base < self.count:
            base *= 2
        level += [self.empty] * (base - self.count)
        self.nodes = {}
        width = 1
        while True:
            for i, value in enumerate(level):
                self.nodes[(i * width, (i + 1) * width - 1)] = value
            if len(level) == 1:
                break
            level = [self.combine(level[i], level[i + 1]) for i in range(0, len(level), 2)]
            width *= 2
        self.root_node = (0, base - 1)
        self.root = self.nodes[self.root_node]

    def hash(self, octets):
        return hashlib.new(self.function, octets).digest()

    def combine(self, left, right):
        if left == self.empty and right == self.empty:
            return self.empty
        return self.hash(left + right)

    def chunk(self, index):
        return self.content[index * self.chunk_size:(index + 1) * self.chunk_size]

    def peaks(self):
        return peaks(self.count)

    def uncles(self, index, known=()):
        """What proves a chunk to someone who knows the root and `known`: the highest node first."""
        node, found = (index, index), []
        while node not in known and node != self.root_node:
            if sibling(node) not in known:
                found.append(sibling(node))
            node = parent(node)
        return found[::-1]
