"""ppsppd under a service manager: readiness, watchdog, sockets, log lines, signals, and the unit."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

import daemon
import harness

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Passes descriptors 3 and up to a program, as systemd does.
ACTIVATOR = """
import os, sys
count, names = sys.argv[1:3]
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count)
if names != "-":
    os.environ["LISTEN_FDNAMES"] = names
os.execv(sys.argv[3], sys.argv[3:])
"""


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.05)
        self.messages = []

    def poll(self):
        try:
            while True:
                self.messages.append(self.socket.recv(4096).decode().splitlines())
                self.socket.settimeout(0.001)
        except TimeoutError:
            self.socket.settimeout(0.05)

    def await_line(self, line, timeout=20, after=0):
        """How many messages came up to the first, after that many, with a line that begins so."""
        def found():
            self.poll()
            for number, message in enumerate(self.messages[after:], after + 1):
                if any(each.startswith(line) for each in message):
                    return number
            return None
        return harness.wait_until(found, timeout, f"the service manager hears {line}")


class Notify(daemon.TestCase):
    def start_daemon(self, environment=(), **sections):
        manager = Manager(self.directory)
        self.closers.append(manager.socket.close)
        process = self.daemon(prefix=["env", f"NOTIFY_SOCKET={manager.path}", *environment],
                              **sections)
        return process, manager

    def test_ready_when_sockets_answer_and_stopping_at_the_end(self):
        process, manager = self.start_daemon()
        manager.await_line("READY=1")
        ready = next(m for m in manager.messages if "READY=1" in m)
        self.assertRegex("\n".join(ready), r"STATUS=0 swarms, 0 channels")
        process.send_signal(signal.SIGTERM)
        manager.await_line("STOPPING=1")
        self.assertEqual(process.wait(20), 0)

    def test_reload_is_told_and_drops_no_channel(self):
        process, manager = self.start_daemon(limits={"upload": '"500k"'})
        swarm = self.seeded(process, self.content(3 << 20))
        getter = self.getter(swarm["url"], peers=[process.address])
        def established():
            peers = process.control.get(f"/v1/swarms/{swarm['number']}/peers")["peers"]
            return [p for p in peers if p["state"] == "established"]
        before = harness.wait_until(established, 20, "a channel is established")
        manager.poll()
        told = len(manager.messages)
        self.config("daemon", limits={"upload": '"50M"'}, node={"max_channels": 9})
        process.send_signal(signal.SIGHUP)
        reloading = manager.await_line("RELOADING=1", after=told)
        self.assertTrue(any(l.startswith("MONOTONIC_USEC=")
                            for l in manager.messages[reloading - 1]))
        manager.await_line("READY=1", after=reloading)
        after = established()
        if getter.running() and after:
            self.assertEqual(after[0]["address"], before[0]["address"])
            self.assertEqual(after[0]["connected_at"], before[0]["connected_at"])
        getter.wait(60)
        self.assertEqual(getter.returncode, 0)
        self.assertEqual(process.control.get("/v1/limits")["upload"], 50 << 20)
        late = [l for l in process.stderr().splitlines() if "restart" in l]
        self.assertEqual(len([l for l in late if "node.max_channels" in l]), 1, process.stderr())

    def test_a_wrong_configuration_changes_nothing(self):
        process, manager = self.start_daemon(limits={"upload": '"500k"'})
        manager.await_line("READY=1")
        manager.poll()
        told = len(manager.messages)
        path = self.config("daemon", limits={"upload": '"quick"'})
        process.send_signal(signal.SIGHUP)
        manager.await_line("READY=1", after=told)
        self.assertEqual(process.control.get("/v1/limits")["upload"], 500 << 10)
        self.assertRegex(process.stderr(), re.escape(path) + r":\d+: upload: ")

    def test_the_watchdog_is_answered_by_the_loop_and_not_when_it_hangs(self):
        process, manager = self.start_daemon(["WATCHDOG_USEC=600000"])
        first = manager.await_line("WATCHDOG=1")
        manager.await_line("WATCHDOG=1", after=first)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        manager.poll()
        count = len(manager.messages)
        time.sleep(1.0)
        manager.poll()
        self.assertEqual(len(manager.messages), count)
        process.send_signal(signal.SIGCONT)
        manager.await_line("WATCHDOG=1", after=count)

    def test_a_second_signal_ends_at_once(self):
        process, _ = self.start_daemon()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        self.assertIn(process.wait(10), (0, 1))

    def test_peers_are_told_of_the_end(self):
        process, _ = self.start_daemon(limits={"upload": '"100k"'})
        swarm = self.seeded(process, self.content(4 << 20))
        getter = self.getter(swarm["url"], "--timeout", "30", peers=[process.address])
        def connected():
            return process.control.swarm(swarm["number"])["channels"] > 0
        harness.wait_until(connected, 20, "a channel is established")
        self.assertEqual(process.stop(), 0)
        getter.stop()


class Log(daemon.TestCase):
    def test_lines_for_the_journal_have_priorities(self):
        path = self.config("daemon")
        log = self.path("journal")
        with open(log, "wb") as file:
            stream = f"{os.fstat(file.fileno()).st_dev}:{os.fstat(file.fileno()).st_ino}"
            process = subprocess.Popen([harness.program("PPSPPD"), "--config", path], stderr=file,
                                       env={**os.environ, "JOURNAL_STREAM": stream})
        try:
            harness.wait_until(lambda: "ready" in read(log), 20, "it is ready")
        finally:
            process.terminate()
            process.wait(20)
        for line in read(log).splitlines():
            self.assertRegex(line, r"^<[3467]>[^<]")

    def test_lines_for_people_have_the_program_s_name(self):
        process = self.daemon()
        harness.wait_until(lambda: "ready" in process.stderr(), 20, "it is ready")
        for line in process.stderr().splitlines():
            self.assertTrue(line.startswith("ppsppd: "), line)


class Sockets(daemon.TestCase):
    def activate(self, names, *sockets, **sections):
        """Starts the daemon with these sockets as descriptors 3 and up."""
        path = self.config("daemon", **sections)
        keep = [os.dup(s.fileno()) for s in sockets]
        high = [os.dup2(fd, 60 + i) for i, fd in enumerate(keep)]
        for fd in high:
            os.set_inheritable(fd, True)
        shell = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(high))
        command = f'exec "$@" {shell}'
        log = open(self.path("activated.log"), "wb")
        process = subprocess.Popen(
            ["bash", "-c", command, "bash", sys.executable, "-c", ACTIVATOR, str(len(sockets)),
             names, harness.program("PPSPPD"), "--config", path],
            stderr=log, pass_fds=high)
        for fd in high + keep:
            os.close(fd)

        def end():
            process.terminate()
            process.wait(20)
            log.close()
        self.closers.append(end)
        return process

    def sockets(self):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.bind(self.path("activated.sock"))
        control.listen()
        gateway = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        gateway.bind(("127.0.0.1", 0))
        gateway.listen()
        for each in (udp, control, gateway):
            self.closers.append(each.close)
        return udp, control, gateway

    def check(self, names, order):
        udp, control, gateway = self.sockets()
        sockets = {"udp": udp, "control": control, "gateway": gateway}
        self.activate(names, *(sockets[each] for each in order),
                      gateway={"enabled": "true", "listen": '"127.0.0.1:0"'})
        client = daemon.Control(self.path("activated.sock"))
        info = client.get("/v1")  # the socket listens already: this waits for the daemon
        self.assertEqual(info["listen"], ["127.0.0.1:%d" % udp.getsockname()[1]])
        self.assertEqual(info["gateway"], "http://127.0.0.1:%d" % gateway.getsockname()[1])
        path = self.content(300_000)
        number = client.add_file(path)["number"]
        harness.wait_until(lambda: client.swarm(number)["state"] == "seeding", 20, "it seeds")
        getter = self.getter(client.swarm(number)["url"], peers=info["listen"])
        self.assert_complete(getter, path)

    def test_by_name(self):
        self.check("gateway:udp:control", ["gateway", "udp", "control"])

    def test_by_type(self):
        self.check("-", ["control", "gateway", "udp"])

    def test_names_of_a_socket_unit_count_for_nothing(self):
        self.check("ppsppd.socket:ppsppd.socket:ppsppd.socket", ["udp", "gateway", "control"])

    def test_a_socket_of_no_use_is_refused(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.closers.append(listener.close)
        process = self.activate("udp", listener)
        self.assertEqual(process.wait(20 * harness.TIME_FACTOR), 2)
        self.assertIn("FileDescriptorName", read(self.path("activated.log")))


class Unit(harness.TestCase):
    """The unit files, by systemd's own tools; systemd need not run."""

    def setUp(self):
        super().setUp()
        if subprocess.run(["which", "systemd-analyze"], capture_output=True).returncode != 0:
            raise unittest.SkipTest("systemd-analyze is not installed")
        with open(os.path.join(ROOT, "conf/ppsppd.service.in")) as file:
            text = file.read()
        self.unit = self.path("ppsppd.service")
        text = text.replace("@CMAKE_INSTALL_FULL_SBINDIR@/ppsppd", harness.program("PPSPPD"))
        with open(self.unit, "w") as file:
            file.write(text.replace("@CMAKE_INSTALL_FULL_DOCDIR@", "/usr/share/doc/ppspp"))
        self.socket_unit = os.path.join(ROOT, "conf/ppsppd.socket")

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True,
                              text=True, timeout=60, check=False)

    def test_exposure_is_at_most_1_5(self):
        done = self.analyze("security", "--offline=true", "--threshold=15", self.unit)
        found = re.search(r"Overall exposure level for ppsppd.service: ([\d.]+)", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        print("exposure", found.group(1))
        self.assertLessEqual(float(found.group(1)), 1.5)
        self.assertEqual(done.returncode, 0)

    def test_systemd_understands_every_line(self):
        with open(self.socket_unit) as file:
            text = file.read()
        copy = self.path("ppsppd.socket")
        with open(copy, "w") as file:
            file.write(text)
        done = self.analyze("verify", "--man=no", "--recursive-errors=no", self.unit, copy)
        complaints = [l for l in done.stderr.splitlines() if "ppsppd" in l]
        self.assertEqual(complaints, [])

    def test_users_and_directories(self):
        root = self.path("root")
        os.makedirs(os.path.join(root, "etc"))
        for tool, name, kind in (("systemd-sysusers", "ppspp.sysusers", "sysusers.d"),
                                 ("systemd-tmpfiles", "ppspp.tmpfiles", "tmpfiles.d")):
            place = os.path.join(root, "usr/lib", kind)
            os.makedirs(place)
            with open(os.path.join(ROOT, "conf", name)) as file:
                text = file.read()
            with open(os.path.join(place, "ppspp.conf"), "w") as file:
                file.write(text)
            if os.geteuid() != 0:
                continue
            argument = ["--create"] if tool == "systemd-tmpfiles" else []
            done = subprocess.run([tool, f"--root={root}", *argument, "ppspp.conf"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can make users")
        with open(os.path.join(root, "etc/passwd")) as file:
            entry = next(l for l in file if l.startswith("ppspp:")).strip().split(":")
        self.assertEqual(entry[5:], ["/var/lib/ppspp", "/usr/sbin/nologin"])
        state = os.stat(os.path.join(root, "var/lib/ppspp"))
        self.assertEqual((state.st_uid, state.st_mode & 0o777), (int(entry[2]), 0o750))


if __name__ == "__main__":
    harness.main()
