"""The Debian package: made, looked at by lintian, installed into a root of its own, and run with the
command line, the user and the limits of its unit; used from another host (network namespace).

PPSPP_BUILD names the directory of the build.
"""

import filecmp
import glob
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import unittest

import browser
import daemon
import harness


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300, **options)


def needs(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            raise unittest.SkipTest(f"{tool} is not installed")


class Package(daemon.TestCase):
    def setUp(self):
        super().setUp()
        needs("cpack", "dpkg-deb", "dpkg-shlibdeps", "gzip", "file")
        build = os.environ.get("PPSPP_BUILD", "")
        if not os.path.exists(os.path.join(build, "CPackConfig.cmake")):
            raise unittest.SkipTest("PPSPP_BUILD does not name a build")
        done = run("cpack", "--config", os.path.join(build, "CPackConfig.cmake"), "-G", "DEB",
                   "-B", self.path("pack"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.package, = glob.glob(self.path("pack/*.deb"))

    def test_lintian_has_nothing_to_say(self):
        needs("lintian")
        done = run("lintian", "--allow-root", self.package)
        found = [l for l in done.stdout.splitlines() if l[:2] in ("E:", "W:")]
        self.assertEqual(found, [])

    def test_what_is_in_it(self):
        listed = run("dpkg-deb", "-c", self.package).stdout
        files = {line.split()[5].lstrip("."): line.split()[:2] for line in listed.splitlines()}
        for name in ("/usr/sbin/ppsppd", "/usr/sbin/ppspp-tracker", "/usr/bin/ppspp-ctl", "/usr/bin/ppspp-seed",
                     "/usr/bin/ppspp-get"):
            self.assertEqual(files[name], ["-rwxr-xr-x", "root/root"])
        for name in ("/etc/ppspp/ppsppd.toml", "/etc/ppspp/ppspp-tracker.toml",
                     "/usr/lib/systemd/system/ppspp-tracker.service",
                     "/usr/share/man/man8/ppspp-tracker.8.gz", "/usr/lib/systemd/system/ppsppd.service",
                     "/usr/lib/systemd/system/ppsppd.socket", "/usr/lib/sysusers.d/ppspp.conf",
                     "/usr/lib/tmpfiles.d/ppspp.conf", "/usr/share/man/man8/ppsppd.8.gz",
                     "/usr/share/man/man5/ppsppd.toml.5.gz", "/usr/share/man/man1/ppspp-ctl.1.gz",
                     "/usr/share/man/man7/ppsppd-api.7.gz",
                     "/usr/share/bash-completion/completions/ppspp-ctl",
                     "/usr/share/zsh/vendor-completions/_ppspp-ctl",
                     "/usr/share/doc/ppspp/copyright", "/usr/share/doc/ppspp/changelog.Debian.gz",
                     "/usr/share/doc/ppspp/examples/prometheus-alerts.yml"):
            self.assertEqual(files[name], ["-rw-r--r--", "root/root"])
        self.assertEqual([f for f in files if f.endswith((".a", ".h", ".cmake"))], [])
        self.assertEqual(run("dpkg-deb", "-f", self.package, "Package").stdout.strip(), "ppspp")
        self.assertIn("libsystemd0", run("dpkg-deb", "-f", self.package, "Depends").stdout)


class Installed(Package):
    """The whole way: install, start, add a film, fetch it from another host and over the gateway,
    watch it in a player and in a browser."""

    SECONDS = 30  # of film

    # Only what is below: the tests of the base class have run.
    test_lintian_has_nothing_to_say = None
    test_what_is_in_it = None

    def setUp(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can install a package")
        needs("dpkg", "systemd-sysusers", "deb-systemd-helper", "setpriv", "prlimit", "unshare", "ip",
              "curl")
        super().setUp()
        os.chmod(self.directory, 0o755)
        self.root = self.path("root")
        self.install()
        self.connect_hosts()

    def install(self):
        for name in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers", "etc",
                     "proc", "dev"):
            os.makedirs(os.path.join(self.root, name))
        for name in ("tmp", "var/tmp"):
            os.mkdir(os.path.join(self.root, name))
            os.chmod(os.path.join(self.root, name), 0o1777)
        for name in ("status", "available"):
            with open(os.path.join(self.root, "var/lib/dpkg", name), "w"):
                pass
        done = run("dpkg", f"--root={self.root}", "--force-script-chrootless", "--force-depends",
                   "--log=" + self.path("dpkg.log"), "-i", self.package)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def connect_hosts(self):
        self.near, self.far = (f"ppspp-{os.getpid()}-{name}" for name in ("near", "far"))
        for name in (self.near, self.far):
            if run("ip", "netns", "add", name).returncode != 0:
                raise unittest.SkipTest("cannot make network namespaces here")
            self.addCleanup(run, "ip", "netns", "del", name)
        for command in (
                f"ip -n {self.near} link add link0 type veth peer name link0 netns {self.far}",
                f"ip -n {self.near} addr add 10.78.1.1/24 dev link0",
                f"ip -n {self.far} addr add 10.78.1.2/24 dev link0",
                f"ip -n {self.near} link set link0 up", f"ip -n {self.far} link set link0 up",
                f"ip -n {self.near} link set lo up", f"ip -n {self.far} link set lo up"):
            done = run(*command.split())
            if done.returncode != 0:
                raise unittest.SkipTest(f"{command}: {done.stderr.strip()}")
        self.addCleanup(self._end_all)  # before the namespaces go

    def unit(self):
        """{directive: last value} of the installed unit."""
        with open(os.path.join(self.root, "usr/lib/systemd/system/ppsppd.service")) as file:
            return dict(re.findall(r"^(\w+)=(.*)$", file.read(), re.M))

    def in_root(self, arguments):
        """A command that runs in the installed root, with the host's libraries, as the unit's user."""
        unit = self.unit()
        # As many as this system lets root have.
        descriptors = min(int(unit["LimitNOFILE"]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        mounts = " && ".join(
            f"mount --bind {at} {shlex.quote(self.root + at)}" for at in
            ("/usr/lib", "/usr/lib64", "/proc", "/dev") if os.path.exists(at))
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                f'umask {unit["UMask"]} && {mounts} && exec "$@"', "sh",
                "prlimit", f"--nofile={descriptors}", "setpriv", "--no-new-privs",
                "chroot", f"--userspec={unit['User']}:{unit['Group']}", "--groups=", self.root,
                *arguments]

    def start_installed(self):
        for link in ("lib", "lib64"):
            os.makedirs(os.path.join(self.root, "usr", link), exist_ok=True)
            if not os.path.lexists(os.path.join(self.root, link)):
                os.symlink(f"usr/{link}", os.path.join(self.root, link))
        unit = self.unit()
        command = shlex.split(unit["ExecStart"])
        checked = run("ip", "netns", "exec", self.near,
                      *self.in_root(shlex.split(unit["ExecStartPre"])))
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))
        process = self.start("ppsppd", self.in_root(command),
                             prefix=["ip", "netns", "exec", self.near])
        process.control = daemon.Control(os.path.join(self.root, "run/ppspp/control.sock"))
        self.wait_ready(process)
        return process

    def test_from_installation_to_another_host(self):
        wants = "etc/systemd/system/multi-user.target.wants/ppsppd.service"
        self.assertTrue(os.path.islink(os.path.join(self.root, wants)), "the unit is not enabled")
        with open(os.path.join(self.root, "etc/passwd")) as file:
            user = next(l.split(":") for l in file if l.startswith("ppspp:"))
        state = os.stat(os.path.join(self.root, "var/lib/ppspp"))
        self.assertEqual((state.st_uid, state.st_mode & 0o777), (int(user[2]), 0o750))

        process = self.start_installed()
        with open(f"/proc/{process.pid}/status") as file:
            status = file.read()
        self.assertRegex(status, rf"Uid:\t{user[2]}\t{user[2]}\t")
        self.assertRegex(status, r"CapEff:\t0+\n")
        socket = os.stat(process.control.path)
        self.assertEqual((socket.st_uid, socket.st_gid, socket.st_mode & 0o777),
                         (int(user[2]), int(user[3]), 0o660))

        os.makedirs(os.path.join(self.root, "srv/media"))
        path = self.film()
        os.chmod(path, 0o644)
        added = run(os.path.join(self.root, "usr/bin/ppspp-ctl"), "--socket", process.control.path,
                    "add", "/srv/media/film.mp4")
        self.assertEqual(added.returncode, 0, added.stderr)
        number = process.control.everything()[0]["number"]
        swarm = self.wait_state(process, number, "seeding")

        self.check_peer(swarm, path)
        self.check_gateway(swarm, path)
        self.check_player(swarm)
        self.check_browser(swarm)
        self.assertEqual(process.stop(), 0)
        self.check_restart(swarm)
        self.check_removal()

    def film(self):
        """A film where it can be made, for what plays it, else content of its size."""
        path = self.path("root/srv/media/film.mp4")
        if shutil.which("ffmpeg") is None:
            return self.content(5 << 20, "root/srv/media/film.mp4")
        done = run(*map(str, browser.make_film(path, self.SECONDS)))
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def check_peer(self, swarm, path):
        output = self.path("fetched")
        getter = self.start("get", [os.path.join(self.root, "usr/bin/ppspp-get"), "-o", output,
                                    "--peer", "10.78.1.1:6778", swarm["url"]],
                            prefix=["ip", "netns", "exec", self.far])
        getter.output = output
        self.assert_complete(getter, path)

    def check_gateway(self, swarm, path):
        url = f"http://127.0.0.1:8778/swarm/{swarm['id']}"
        curl = ["ip", "netns", "exec", self.near, "curl", "-sS", "--fail", "--max-time", "60"]
        done = run(*curl, "-o", self.path("whole"), url)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(filecmp.cmp(path, self.path("whole"), shallow=False))
        done = run(*curl, "-o", self.path("part"), "-r", "1000000-1999999", url)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, "rb") as whole, open(self.path("part"), "rb") as part:
            whole.seek(1_000_000)
            self.assertEqual(part.read(), whole.read(1_000_000))
        outside = run("ip", "netns", "exec", self.far, "curl", "-sS", "--max-time", "5",
                      "http://10.78.1.1:8778/")
        self.assertNotEqual(outside.returncode, 0, "the gateway is for this host only")

    def check_player(self, swarm):
        if not all(shutil.which(tool) for tool in ("ffmpeg", "mpv")):
            return
        log = self.path("mpv.log")
        done = run("ip", "netns", "exec", self.near, "mpv", "--no-config", "--vo=null", "--ao=null",
                   "--untimed", "--no-terminal", "--hwdec=no", f"--log-file={log}",
                   "--msg-level=all=v", f"http://127.0.0.1:8778/swarm/{swarm['id']}/film.mp4")
        self.assertEqual(done.returncode, 0)
        with open(log, errors="replace") as file:
            lines = file.read()
        self.assertIn("playback restart complete", lines)
        self.assertNotRegex(lines, r"\]\[[ef]\]\[")

    def check_browser(self, swarm):
        if not all(shutil.which(tool) for tool in ("ffmpeg", "chromium", "chromedriver")):
            return
        target = self.SECONDS * 0.8
        done = run("ip", "netns", "exec", self.near, sys.executable, browser.__file__,
                   self.path("profile"), f"http://127.0.0.1:8778/swarm/{swarm['id']}/film.mp4",
                   str(target))
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = json.loads(done.stdout)
        self.assertEqual((seen["width"], seen["error"]), (320, None))
        self.assertAlmostEqual(seen["duration"], self.SECONDS, delta=1)
        self.assertGreater(seen["time"], target)

    def check_restart(self, swarm):
        again = self.start_installed()
        kept = again.control.swarm(swarm["number"])
        self.assertEqual((kept["id"], kept["path"]), (swarm["id"], "/srv/media/film.mp4"))
        self.assertEqual(again.stop(), 0)

    def check_removal(self):
        common = [f"--root={self.root}", "--force-script-chrootless", "--force-depends",
                  "--log=" + self.path("dpkg.log")]
        done = run("dpkg", *common, "--purge", "ppspp")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.root, "usr/sbin/ppsppd")))
        self.assertFalse(os.path.exists(os.path.join(self.root, "etc/ppspp/ppsppd.toml")))
        self.assertTrue(os.listdir(os.path.join(self.root, "var/lib/ppspp")),
                        "what was fetched is not deleted")


if __name__ == "__main__":
    harness.main()
