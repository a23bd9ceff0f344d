"""Peers of one swarm find each other by DNS-SD: hosts of their own around a bridge, each with a
message bus and an avahi-daemon of its own, or without. Needs root."""

import os
import shutil
import time
import unittest

import harness
import lan

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
RESPONDER = """[server]
host-name={name}
use-ipv4=yes
use-ipv6=yes
enable-dbus=yes
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
"""
ALONE = ("--local-discovery", "dns-sd")


class TestCase(lan.TestCase):
    def setUp(self):
        super().setUp()
        for name in ("dbus-daemon", "avahi-daemon", "avahi-browse"):
            if shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
                raise unittest.SkipTest(f"{name} is not here")

    def start_bus(self, host):
        path = self.path(f"bus-{host.number}")
        host.bus = f"unix:path={path}"
        config = self.path(f"bus-{host.number}.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(BUS.format(address=host.bus))
        bus = self.start("dbus", ["dbus-daemon", f"--config-file={config}", "--nofork"])
        harness.wait_until(lambda: os.path.exists(path), 10, "the message bus is there",
                           unless=lambda: not bus.running())
        return bus

    def start_avahi(self, host):
        config = self.path(f"avahi-{host.number}.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(RESPONDER.format(name=f"host{host.number}"))
        # In /run are its socket and process ID, of which there can be one only.
        command = ("mount -t tmpfs none /run && mkdir /run/avahi-daemon && exec avahi-daemon "
                   f"-f {config} --no-drop-root --no-chroot --no-rlimits --no-proc-title")
        avahi = self.start("avahi", [*host.prefix, "sh", "-c", command])
        harness.wait_until(lambda: "Server startup complete" in avahi.stderr(), 20,
                           "avahi-daemon is ready", unless=lambda: not avahi.running())
        return avahi

    def avahi_host(self, **options):
        host = self.host(**options)
        host.dbus = self.start_bus(host)
        host.avahi = self.start_avahi(host)
        return host

    def services(self, host, resolve=False):
        """What can be seen of a host, as lines of fields."""
        options = "-tpr" if resolve else "-tp"
        done = lan.run("timeout", "10", *host.prefix, "avahi-browse", options, "_ppspp._udp")
        return [line.split(";") for line in done.stdout.splitlines() if line[0] in "+="]

    def published(self, host, count):
        """Waits until a host sees services of at least so many names."""
        def names():
            seen = {line[3] for line in self.services(host)}
            return seen if len(seen) >= count else None
        return harness.wait_until(names, 20, f"{count} services are there", interval=0.2)


class Find(TestCase):
    def test_over_ipv4_alone_and_who_listens_learns_no_id(self):
        near, far = self.avahi_host(v6=False), self.avahi_host(v6=False)
        path = self.content(300_000)
        seeder = self.seed_on(near, path, *ALONE)
        self.assert_complete(self.get_on(far, seeder.id, *ALONE), path)
        self.published(far, 1)
        seen = self.services(far, resolve=True)
        self.assertTrue(any(line[7:9] == [near.v4, "6778"] for line in seen), seen)
        text = "".join(";".join(line) for line in seen)
        for at in range(len(seeder.id) - 7):
            self.assertNotIn(seeder.id[at:at + 8], text)

    def test_over_ipv6_with_link_local_addresses_alone(self):
        near, far = self.avahi_host(v4=False), self.avahi_host(v4=False)
        for host in (near, far):
            host.command(f"ip addr del {host.ula}/64 dev lan0")
        path = self.content(300_000)
        seeder = self.seed_on(near, path, *ALONE)
        self.assert_complete(self.get_on(far, seeder.id, *ALONE), path)

    def test_who_waits_finds_who_comes_and_a_port_on_one_address(self):
        near, far = self.avahi_host(), self.avahi_host()
        path = self.content(300_000)
        seeder = self.seed_on(near, path, *ALONE)
        self.assertEqual(seeder.stop(), 0)
        getter = self.get_on(far, seeder.id, *ALONE)
        time.sleep(1)
        self.assertTrue(getter.running())
        self.seed_on(near, path, *ALONE, listen=f"{near.v4}:7001")
        self.assert_complete(getter, path)


class Trouble(TestCase):
    def test_avahi_that_ends_and_comes_again_and_another_bus(self):
        near, far = self.avahi_host(), self.avahi_host()
        path = self.content(100_000)
        seeder = self.seed_on(near, path, *ALONE)
        self.published(far, 1)
        near.avahi.kill()
        near.avahi = self.start_avahi(near)
        self.assert_complete(self.get_on(far, seeder.id, *ALONE), path)
        # The bus goes with all that is on it, and comes back at the same place.
        near.dbus.kill()
        near.avahi.kill()
        os.unlink(near.bus.split("=")[1])
        near.dbus = self.start_bus(near)
        near.avahi = self.start_avahi(near)
        self.assert_complete(self.get_on(far, seeder.id, *ALONE), path)

    def test_avahi_that_comes_later(self):
        near, far = self.avahi_host(), self.host()
        path = self.content(100_000)
        seeder = self.seed_on(near, path, *ALONE)
        self.start_bus(far)
        getter = self.get_on(far, seeder.id, *ALONE)
        harness.wait_until(lambda: "Avahi does not run" in getter.stderr(), 20, "a warning")
        self.start_avahi(far)
        self.assert_complete(getter, path)

    def test_without_avahi_nothing_is_missing_and_the_user_of_it_alone_is_told(self):
        near, far = self.host(), self.host()
        path = self.content(100_000)
        seeder = self.seed_on(near, path)
        self.assert_complete(self.get_on(far, seeder.id), path)
        getter = self.get_on(far, seeder.id, *ALONE, "--timeout", "2")
        self.assertEqual(getter.wait(20), 3)
        self.assertIn("Avahi does not run", getter.stderr())

    def test_a_name_that_is_taken(self):
        near, far, enemy = (self.avahi_host(v6=False) for _ in range(3))
        path = self.content(100_000)
        seeder = self.seed_on(near, path, *ALONE)
        name = self.published(far, 1).pop()
        near.avahi.kill()
        self.start("publish", [*enemy.prefix, "avahi-publish", "-s", name, "_ppspp._udp", "7777"])
        harness.wait_until(lambda: any(line[3] == name for line in self.services(enemy)), 20,
                           "the name is taken", interval=0.2)
        near.avahi = self.start_avahi(near)
        self.assert_complete(self.get_on(far, seeder.id, *ALONE), path)
        self.assertIn(name + "-2", self.published(far, 2))


class Mixed(TestCase):
    def test_hosts_with_and_without(self):
        with_it, without = self.avahi_host(), self.host()
        for near, far in ((with_it, without), (without, with_it)):
            with self.subTest(seeder_has_avahi=near is with_it):
                path = self.content(100_000, f"content-{near.number}")
                seeder = self.seed_on(near, path)
                self.assert_complete(self.get_on(far, seeder.id), path)
                self.assertEqual(seeder.stop(), 0)

    def test_who_waits_with_avahi_is_found_by_who_comes_without(self):
        with_it, without = self.avahi_host(), self.host()
        path = self.content(100_000)
        seeder = self.seed_on(without, path)
        self.assertEqual(seeder.stop(), 0)
        getter = self.get_on(with_it, seeder.id)
        time.sleep(2)
        self.seed_on(without, path)
        self.assert_complete(getter, path)

    def test_each_alone_does_not_hear_the_other(self):
        near, far = self.avahi_host(), self.avahi_host()
        for ours, theirs in (("dns-sd", "multicast"), ("multicast", "dns-sd")):
            with self.subTest(ours):
                path = self.content(100_000, ours)
                seeder = self.seed_on(near, path, "--local-discovery", ours)
                getter = self.get_on(far, seeder.id, "--local-discovery", theirs, "--timeout", "3")
                self.assertEqual(getter.wait(20), 3)
                self.assertEqual(seeder.stop(), 0)


class Daemon(TestCase):
    def test_a_bounded_number_of_services_of_many_swarms_and_what_is_wanted_first(self):
        near, far = self.avahi_host(v6=False), self.avahi_host(v6=False)
        node = {"listen": '["0.0.0.0:6778"]'}
        server = self.daemon("source", prefix=near.prefix, node=node,
                             discovery={"local": "true", "local_by": '"dns-sd"'})
        ids = []
        for number in range(100):
            added = server.control.add_file(self.content(2_000 + number, f"file-{number}"))
            ids.append(added["number"])
        ids = [self.wait_state(server, number, "seeding")["id"] for number in ids]
        names = self.published(far, 64)
        self.assertEqual(len(names), 64)
        # What was used is published, though it was the last that was added.
        wanted = self.get_on(far, ids[-1], "--peer", f"{near.v4}:6778", local=False)
        self.assertEqual(wanted.wait(30), 0)
        self.assert_complete(self.get_on(far, ids[-1], *ALONE), self.path("file-99"))
        # Avahi does not always take back at once what it has told others, so they cannot be counted.
        metrics = server.control.raw("GET", "/metrics")[1].decode()
        self.assertRegex(metrics, r"(?m)^ppspp_local_services 64$")


class Hostile(TestCase):
    def test_who_copies_a_service_without_knowing_the_id_is_not_told_it(self):
        near, far, enemy = (self.avahi_host(v6=False) for _ in range(3))
        trap = enemy.udp_socket()
        trap.bind((enemy.v4, 6778))
        trap.setblocking(False)
        self.closers.append(trap.close)
        path = self.content(100_000)
        seeder = self.seed_on(near, path, *ALONE)
        name = self.published(enemy, 1).pop()
        subtype = f"_{name.split('-')[1]}._sub._ppspp._udp"
        for fake in ("0" * 16 + name[16:], "1" * 16 + name[16:]):
            self.start("publish", [*enemy.prefix, "avahi-publish", "-s", fake,
                                   f"--subtype={subtype}", "_ppspp._udp", "6778",
                                   "p=0123456789abcdef"])
        self.published(far, 3)
        self.assertEqual(seeder.stop(), 0)
        getter = self.get_on(far, seeder.id, *ALONE, "--timeout", "4")
        self.assertEqual(getter.wait(20), 3)
        with self.assertRaises(BlockingIOError):
            trap.recv(2048)
        seeder = self.seed_on(near, path, *ALONE)
        self.assert_complete(self.get_on(far, seeder.id, *ALONE), path)


if __name__ == "__main__":
    harness.main()
