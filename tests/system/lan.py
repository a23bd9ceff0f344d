"""Hosts on one network: network namespaces around a bridge. Needs root."""

import ctypes
import os
import socket
import subprocess
import threading
import unittest

import daemon
import harness

_libc = ctypes.CDLL(None, use_errno=True)


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False)


class Host:
    """A network namespace, with one interface named lan0 on the bridge."""

    def __init__(self, name, number):
        self.name, self.number = name, number
        self.v4, self.ula = f"10.79.0.{number}", f"fd79::{number}"
        # The system's message bus, on which Avahi is: none of this machine's.
        self.bus = "unix:path=/nonexistent/bus"

    @property
    def prefix(self):
        return ["ip", "netns", "exec", self.name, "env", f"DBUS_SYSTEM_BUS_ADDRESS={self.bus}"]

    def command(self, text):
        done = run(*self.prefix, *text.split())
        if done.returncode != 0:
            raise harness.Failed(f"{self.name}: {text}: {done.stderr.strip()}")

    def inside(self, function):
        """What `function` returns to a thread of its own that is in the namespace."""
        result = []

        def work():
            with open(f"/run/netns/{self.name}", "rb") as file:
                if _libc.setns(file.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
                    raise OSError(ctypes.get_errno(), "setns")
            result.append(function())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if not result:
            raise harness.Failed(f"{self.name}: failed in the namespace")
        return result[0]

    def udp_socket(self, family=socket.AF_INET):
        return self.inside(lambda: socket.socket(family, socket.SOCK_DGRAM))


class TestCase(daemon.TestCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may make network namespaces")
        self.hosts = []
        self.bridge = f"ppspp-{os.getpid()}-lan"
        self._namespace(self.bridge)
        self.addCleanup(self._end_all)
        for command in ("link add lan type bridge mcast_snooping 0", "link set lan up"):
            done = run("ip", "-n", self.bridge, *command.split())
            if done.returncode != 0:
                raise unittest.SkipTest(f"ip {command}: {done.stderr.strip()}")

    def _namespace(self, name):
        if run("ip", "netns", "add", name).returncode != 0:
            raise unittest.SkipTest("cannot make network namespaces here")
        # First in the list, so that it comes last: the programs inside end before.
        self.addCleanup(run, "ip", "netns", "del", name)

    def host(self, v4=True, v6=True, plugged=True):
        """One more host; `v6` with a link-local address and a unique local one."""
        number = len(self.hosts) + 1
        host = Host(f"ppspp-{os.getpid()}-h{number}", number)
        self._namespace(host.name)
        self.hosts.append(host)
        host.command("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 "
                     f"net.ipv6.conf.default.disable_ipv6={0 if v6 else 1}")
        host.command("ip link set lo up")
        done = run("ip", "-n", host.name, "link", "add", "lan0", "type", "veth", "peer", "name",
                   f"port{number}", "netns", self.bridge)
        if done.returncode != 0:
            raise unittest.SkipTest(f"no veth: {done.stderr.strip()}")
        run("ip", "-n", self.bridge, "link", "set", f"port{number}", "master", "lan", "up")
        if v4:
            host.command(f"ip addr add {host.v4}/24 dev lan0")
        if v6:
            host.command(f"ip addr add {host.ula}/64 dev lan0 nodad")
        if plugged:
            host.command("ip link set lan0 up")
        return host

    def seed_on(self, host, path, *options, listen="[::]:6778", local=True):
        process = self.start("seed", [*host.prefix, harness.program("PPSPP_SEED"), "-l", listen,
                                      *options, path], local=local)
        process.url = process.first_line(60)
        process.id = process.url.split(":")[1].split("?")[0]
        return process

    def get_on(self, host, what, *options, local=True):
        output = self.path(f"output-{len(self.processes)}")
        process = self.start("get", [*host.prefix, harness.program("PPSPP_GET"), "-o", output,
                                     "--json", *options, what], local=local)
        process.output = output
        return process
