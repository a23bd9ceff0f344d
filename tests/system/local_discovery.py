"""Peers of one swarm find each other on the local network, by nothing but the swarm's ID: the real
programs on hosts of their own around a bridge. Needs root."""

import os
import pty
import re
import select
import socket
import struct
import subprocess
import time

import harness
import lan

GROUP4, GROUP6, PORT = "239.255.75.74", "ff12::7574", 6779


class Find(lan.TestCase):
    def test_over_ipv4_alone(self):
        near, far = self.host(v6=False), self.host(v6=False)
        path = self.content(300_000)
        seeder = self.seed_on(near, path)
        getter = self.get_on(far, seeder.id)
        self.assert_complete(getter, path)

    def test_over_ipv6_with_link_local_addresses_alone(self):
        near, far = self.host(v4=False), self.host(v4=False)
        for host in (near, far):
            host.command(f"ip addr del {host.ula}/64 dev lan0")
        path = self.content(300_000)
        seeder = self.seed_on(near, path)
        getter = self.get_on(far, seeder.id)
        self.assert_complete(getter, path)

    def test_over_both_and_who_waits_is_found_by_who_comes(self):
        hosts = [self.host() for _ in range(3)]
        path = self.content(500_000)
        size = os.path.getsize(path)
        # Nobody else has it at first; the seeder's ID is known from a seeder that ends at once.
        seeder = self.seed_on(hosts[0], path)
        identity = seeder.id
        self.assertEqual(seeder.stop(), 0)
        waiting = [self.get_on(host, identity, "--stay") for host in hosts[1:]]
        time.sleep(1.5)
        self.assertTrue(all(getter.running() for getter in waiting))
        self.seed_on(hosts[0], path)
        for getter in waiting:
            harness.wait_until(lambda g=getter: os.path.exists(g.output) and
                               os.path.getsize(g.output) == size and
                               not os.path.exists(g.output + ".ppspp"), 60, "it is complete")
            self.assert_identical(path, getter.output)

    def test_a_port_on_one_address_is_found_there(self):
        near, far = self.host(), self.host()
        path = self.content(100_000)
        for listen in (f"{near.v4}:7001", f"[{near.ula}]:7002"):
            with self.subTest(listen):
                seeder = self.seed_on(near, path, listen=listen)
                self.assert_complete(self.get_on(far, seeder.id), path)
                self.assertEqual(seeder.stop(), 0)
        # Nobody on the network can reach this one.
        seeder = self.seed_on(near, path, listen="127.0.0.1:7003")
        self.assertEqual(self.get_on(far, seeder.id, "--timeout", "2").wait(20), 3)
        self.assert_complete(self.get_on(near, seeder.id), path)

    def test_on_one_host_without_a_network(self):
        alone = self.host(plugged=False)
        path = self.content(100_000)
        seeder = self.seed_on(alone, path)
        self.assert_complete(self.get_on(alone, seeder.id), path)

    def test_a_network_that_comes_later(self):
        near, far = self.host(), self.host(plugged=False)
        path = self.content(100_000)
        seeder = self.seed_on(near, path)
        getter = self.get_on(far, seeder.id)
        time.sleep(1.5)
        self.assertTrue(getter.running())
        far.command("ip link set lan0 up")
        self.assert_complete(getter, path)

    def test_a_live_feed(self):
        near, far = self.host(), self.host()
        content = self.content(400_000)
        source = self.start("source", [*near.prefix, harness.program("PPSPP_SEED"), "--live",
                                       "--pace", "100k", "file:" + content], local=True)
        url = source.first_line(60)
        viewer = self.get_on(far, url, "--start", "oldest")
        self.assertEqual(viewer.wait(60), 0)
        self.assertGreater(os.path.getsize(viewer.output), 0)
        with open(content, "rb") as whole, open(viewer.output, "rb") as part:
            self.assertTrue(whole.read().endswith(part.read()))


class Off(lan.TestCase):
    def test_off_by_an_option_of_either_end(self):
        near, far = self.host(), self.host()
        path = self.content(100_000)
        hidden = self.seed_on(near, path, local=False)
        self.assertEqual(self.get_on(far, hidden.id, "--timeout", "2").wait(20), 3)
        blind = self.get_on(far, hidden.id, local=False)
        self.assertEqual(blind.wait(20), 2)
        self.assertIn("--peer", blind.stderr())
        self.assertIn("--no-local-discovery", blind.stderr())
        named = self.get_on(far, hidden.id, "--peer", f"{near.v4}:6778", local=False)
        self.assert_complete(named, path)

    def test_off_by_configuration_of_the_daemon(self):
        near, far = self.host(), self.host()
        path = self.content(100_000)
        node = {"listen": '["[::]:6778"]'}
        for name, on in (("off", "false"), ("on", "true")):
            server = self.daemon(name, prefix=near.prefix, node=node, discovery={"local": on})
            added = self.seeded(server, path)
            getter = self.get_on(far, added["id"], "--timeout", "2" if on == "false" else "60")
            if on == "false":
                self.assertEqual(getter.wait(20), 3)
            else:
                self.assert_complete(getter, path)
            server.stop()

    def test_a_user_at_a_terminal_is_told_what_is_looked_for_and_what_to_do(self):
        alone = self.host()
        leader, terminal = pty.openpty()
        self.closers.append(lambda: os.close(leader))
        process = subprocess.Popen([*alone.prefix, harness.program("PPSPP_GET"), "-o",
                                    self.path("out"), "ab" * 32], stderr=terminal,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(terminal)
        try:
            seen, deadline = "", time.monotonic() + 20 * harness.TIME_FACTOR
            while "--peer HOST:PORT" not in seen and time.monotonic() < deadline:
                if select.select([leader], [], [], 0.2)[0]:
                    seen += os.read(leader, 65536).decode(errors="replace")
            self.assertIn("looking on the local network", seen)
            self.assertIn("none on this network yet: name one with --peer HOST:PORT", seen)
        finally:
            process.terminate()
            process.wait(20)


class Many(lan.TestCase):
    def metric(self, server, name):
        text = server.control.raw("GET", "/metrics")[1].decode()
        return sum(float(value) for value in
                   re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def test_two_daemons_with_two_hundred_swarms(self):
        near, far = self.host(), self.host()
        node, discovery = {"listen": '["[::]:6778"]'}, {"local": "true"}
        source = self.daemon("source", prefix=near.prefix, node=node, discovery=discovery)
        swarms = []
        for number in range(200):
            path = self.content(2_000 + number, f"file-{number}")
            swarms.append((path, source.control.add_file(path)["number"]))
        swarms = [(path, self.wait_state(source, number, "seeding")["id"])
                  for path, number in swarms]
        sink = self.daemon("sink", prefix=far.prefix, node=node, discovery=discovery)
        begin = time.monotonic()
        fetched = []
        for path, identity in swarms:
            output = self.path(f"fetched-{len(fetched)}")
            fetched.append((path, output, sink.control.add_url(identity, output)["number"]))
        for path, output, number in fetched:
            self.wait_state(sink, number, "seeding", timeout=90)
            self.assert_identical(path, output)
        seconds = time.monotonic() - begin
        said = self.metric(sink, "ppspp_local_discovery_datagrams_total")
        print(f"200 swarms in {seconds:.1f} s; {said:.0f} datagrams of local discovery")
        self.assertGreaterEqual(self.metric(sink, "ppspp_local_peers_found_total"), 200)
        # Over the links of both IP versions and the loopback interface; at most 40 a second.
        self.assertLessEqual(said, 2 * (200 + 80 * seconds))


class Hostile(lan.TestCase):
    def group_socket(self, host):
        """One that hears the group on the network."""
        sock = host.udp_socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", PORT))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        socket.inet_aton(GROUP4) + socket.inet_aton(host.v4))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host.v4))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.setblocking(False)
        self.closers.append(sock.close)
        return sock

    @staticmethod
    def drain(sock):
        heard = []
        try:
            while True:
                heard.append(sock.recv(2048))
        except BlockingIOError:
            return heard

    @staticmethod
    def message(kind, nonce, tags, port=0):
        head = b"PPSL" + bytes([1, kind, 0, len(tags)]) + os.urandom(8) + nonce
        if kind == 1:
            return head + b"".join(tags)
        return head + struct.pack(">H", port) + b"".join(tag + os.urandom(16) for tag in tags)

    def test_who_listens_learns_no_id(self):
        near, far, ear = self.host(v6=False), self.host(v6=False), self.host(v6=False)
        heard = self.group_socket(ear)
        path = self.content(100_000)
        seeder = self.seed_on(near, path)
        self.assert_complete(self.get_on(far, seeder.id), path)
        datagrams = self.drain(heard)
        self.assertGreaterEqual(len(datagrams), 2, "nothing was heard")
        identity = bytes.fromhex(seeder.id)
        for datagram in datagrams:
            for at in range(len(identity) - 3):
                self.assertNotIn(identity[at:at + 4], datagram)

    def test_who_answers_without_knowing_the_id_is_not_told_it(self):
        far, enemy = self.host(v6=False), self.host(v6=False)
        sock = self.group_socket(enemy)
        trap = enemy.udp_socket()
        trap.bind((enemy.v4, 7777))
        trap.setblocking(False)
        self.closers.append(trap.close)
        getter = self.get_on(far, "cd" * 32, "--timeout", "6")
        asked = 0
        while getter.running():
            for datagram in self.drain(sock):
                if len(datagram) >= 48 and datagram[5] == 1:
                    asked += 1
                    answer = self.message(2, datagram[16:32], [datagram[32:48]], 7777)
                    sock.sendto(answer, (GROUP4, PORT))
            time.sleep(0.01)
        self.assertGreaterEqual(asked, 2)
        self.assertEqual(self.drain(trap), [], "a handshake names the swarm")
        self.assertEqual(getter.wait(1), 3)

    def test_a_host_that_floods(self):
        near, far, enemy = self.host(v6=False), self.host(v6=False), self.host(v6=False)
        node, discovery = {"listen": '["0.0.0.0:6778"]'}, {"local": "true"}
        server = self.daemon(prefix=near.prefix, node=node, discovery=discovery)
        path = self.content(400_000)
        added = self.seeded(server, path)
        sock = self.group_socket(enemy)
        sock.setblocking(True)
        # A question of its own tells the tag of the swarm, as any listener hears it.
        probe = self.get_on(enemy, added["id"])
        self.assert_complete(probe, path)
        sock.settimeout(5)
        tag = next(d for d in iter(lambda: sock.recv(2048), None) if d[5] == 1)[32:48]
        sent, begin, getter = 0, time.monotonic(), None
        while time.monotonic() - begin < 8 or getter.running():
            for _ in range(100):
                kind = self.random.choice((1, 1, 2))
                tags = [tag] * 32 if self.random.random() < 0.5 else [os.urandom(16)] * 32
                octets = self.message(kind, os.urandom(16), tags, 666)
                if self.random.random() < 0.1:
                    octets = os.urandom(self.random.randrange(1400))
                sock.sendto(octets, (GROUP4, PORT))
                sent += 1
            if getter is None and time.monotonic() - begin > 3:
                getter = self.get_on(far, added["id"], "--timeout", "60")
            time.sleep(0.01)
        seconds = time.monotonic() - begin
        self.assert_complete(getter, path)
        text = server.control.raw("GET", "/metrics")[1].decode()

        def metric(name):
            return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1))
        answers = metric('ppspp_local_discovery_datagrams_total{kind="answer",direction="out"}')
        limited = metric('ppspp_local_discovery_dropped_total{reason="over_limit"}')
        print(f"{sent} datagrams in {seconds:.1f} s: {answers:.0f} answers, {limited:.0f} not answered")
        self.assertLessEqual(answers, 100 + 40 * (seconds + 10))
        self.assertGreater(limited, 0)
        self.assertLess(server.resident_kib(), 200 * 1024 * harness.TIME_FACTOR)


if __name__ == "__main__":
    harness.main()
