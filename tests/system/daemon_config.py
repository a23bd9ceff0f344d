"""What ppsppd says of its configuration, and of a system on which it cannot run."""

import os
import subprocess
import unittest

import daemon
import harness


def run(*argv, **options):
    return subprocess.run([harness.program("PPSPPD"), *argv], capture_output=True, text=True,
                          timeout=20 * harness.TIME_FACTOR, check=False, **options)


class Config(harness.TestCase):
    def write(self, text):
        path = self.path("ppsppd.toml")
        with open(path, "w") as file:
            file.write(text)
        return path

    def test_a_right_configuration_is_checked_without_a_word(self):
        done = run("--check", "--config", self.write("[limits]\nupload = \"1M\"\n"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_every_mistake_is_shown_with_its_line_and_what_is_right(self):
        path = self.write("[limits]\nuplod = \"1M\"\ndownload = \"fast\"\n[nod]\n[log]\nlevel = 3\n")
        done = run("--check", "--config", path)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        lines = done.stderr.splitlines()
        self.assertEqual([line.split(": ")[1] for line in lines],
                         [f"{path}:{n}" for n in (2, 3, 4, 6)])
        self.assertIn("did you mean upload?", lines[0])
        self.assertIn('"500k"', lines[1])
        self.assertIn("did you mean [node]?", lines[2])
        self.assertIn('"warning"', lines[3])
        # The same when it is to run: nothing is opened.
        self.assertEqual(run("--config", path).stderr, done.stderr)
        self.assertEqual(run("--config", path).returncode, 2)

    def test_what_is_printed_can_be_used(self):
        path = self.write("[[schedule]]\nname = 'night'\nfrom = '22:00'\nto = '06:00'\n"
                          "upload = 'none'\n[node]\nlisten = ['127.0.0.1:0']\n")
        first = run("--print-config", "--config", path)
        self.assertEqual(first.returncode, 0)
        self.assertIn('from = "22:00"', first.stdout)
        second = run("--print-config", "--config", self.write(first.stdout))
        self.assertEqual(second.stdout, first.stdout)

    def test_a_file_that_is_not_there_is_named(self):
        done = run("--config", self.path("nothing.toml"))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^ppsppd: .*nothing\.toml: .*No such file or directory\n$")

    def test_wrong_usage(self):
        for arguments in (["--no-such-option"], ["extra"], ["--config"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


class CannotStart(daemon.TestCase):
    """One clear line, and the exit code."""

    def refused(self, code, pattern, name="refused", prefix=(), **sections):
        process = self.daemon(name, prefix=prefix, wait=False, **sections)
        self.assertEqual(process.wait(20), code, process.stderr())
        errors = [l for l in process.stderr().splitlines() if "warning" not in l]
        self.assertEqual(len(errors), 1, process.stderr())
        self.assertTrue(errors[0].startswith("ppsppd: "), errors[0])
        self.assertRegex(errors[0], pattern)

    def test_port_in_use(self):
        first = self.daemon("first")
        self.refused(1, "in use", node={"listen": f'["{first.address}"]'})
        self.assertTrue(first.running())

    def test_gateway_port_in_use(self):
        first = self.daemon("first", gateway={"enabled": "true", "listen": '"127.0.0.1:0"'})
        address = first.control.get("/v1")["gateway"].removeprefix("http://")
        self.refused(1, "in use", gateway={"enabled": "true", "listen": f'"{address}"'})
        self.assertTrue(first.running())

    def test_state_of_another_daemon(self):
        first = self.daemon("first")
        self.refused(1, "use", state={"directory": f'"{first.state}"'})
        self.assertTrue(first.running())

    def test_control_socket_of_another_daemon(self):
        first = self.daemon("first")
        self.refused(1, "use", control={"socket": f'"{first.control.path}"'})
        self.assertTrue(first.control.get("/v1"))

    def test_something_else_where_the_control_socket_should_be(self):
        path = self.path("precious")
        with open(path, "w") as file:
            file.write("kept")
        self.refused(1, "in the way|not a socket", control={"socket": f'"{path}"'})
        with open(path) as file:
            self.assertEqual(file.read(), "kept")

    def test_state_that_cannot_be_read_or_made(self):
        with open(self.path("file"), "w"):
            pass
        self.refused(1, "directory", state={"directory": f'"{self.path("file/state")}"'})

    def test_wrong_permissions(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can become another user")
        os.chmod(self.directory, 0o755)
        state = self.path("state")
        os.mkdir(state, 0o700)
        run_directory = self.path("run-refused")
        os.makedirs(run_directory)
        os.chmod(run_directory, 0o777)
        self.refused(1, "[Pp]ermission|permitted", state={"directory": f'"{state}"'},
                     prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])


if __name__ == "__main__":
    harness.main()
