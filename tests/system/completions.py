"""The completions for bash and zsh: each option is in them, and bash completes what it should."""

import os
import re
import shutil
import subprocess

import harness
from fake_daemon import FakeDaemon, swarm

PLACE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../conf/completions")
PROGRAMS = {"ppspp-ctl": "PPSPP_CTL", "ppspp-seed": "PPSPP_SEED", "ppspp-get": "PPSPP_GET",
            "ppsppd": "PPSPPD", "ppspp-tracker": "PPSPP_TRACKER"}


def options_of(*argv):
    text = subprocess.run([*argv, "--help"], check=True, capture_output=True, text=True).stdout
    found = set()
    for line in text[text.index("\nOptions:"):].splitlines():
        match = re.match(r"^  (-[-\w,]+)", line)
        found |= set(match.group(1).split(",")) if match else set()
    commands = re.findall(r"^  ([\w-]+) ", text.partition("\nCommands:")[2], re.MULTILINE)
    return found, commands


class Completions(harness.TestCase):
    def text(self, name):
        with open(os.path.join(PLACE, name), encoding="utf-8") as file:
            return set(re.findall(r"(?<![\w-])-{0,2}[A-Za-z][\w-]*", file.read()))

    def test_every_option_and_command_is_in_them(self):
        for name, variable in PROGRAMS.items():
            with self.subTest(name):
                program = harness.program(variable)
                words, commands = options_of(program)
                for command in commands:
                    words |= options_of(program, command)[0] | {command}
                self.assertGreater(len(words), 6)
                self.assertEqual(words - self.text(name + ".bash"), set())
                self.assertEqual(words - self.text("_" + name), set())

    def test_the_shells_understand_them(self):
        for name in PROGRAMS:
            subprocess.run(["bash", "-n", os.path.join(PLACE, name + ".bash")], check=True)
            if shutil.which("zsh"):
                subprocess.run(["zsh", "-n", os.path.join(PLACE, "_" + name)], check=True)

    def complete(self, *words, path=None):
        """What bash offers for the last word."""
        name = os.path.basename(words[0])
        script = (f"source {PLACE}/{name}.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
                  f"_{name.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True,
                              check=False, cwd=self.directory, timeout=20 * harness.TIME_FACTOR,
                              env=os.environ | {"PPSPP_SOCKET": path or self.path("none.sock")})
        return done.stdout.split()

    def test_options_values_and_files_complete(self):
        with open(self.path("film.ts"), "w"):
            pass
        self.assertEqual(self.complete("ppspp-seed", "--up"), ["--upload-limit"])
        self.assertEqual(self.complete("ppspp-seed", "fi"), ["film.ts"])
        self.assertEqual(self.complete("ppspp-get", "--start", "o"), ["oldest"])
        self.assertEqual(self.complete("ppsppd", "--pri"), ["--print-config"])
        ctl = harness.program("PPSPP_CTL")
        self.assertEqual(self.complete(ctl, "add"), ["add", "add-peer"])
        self.assertEqual(self.complete(ctl, "add", "--weight", ""), [])
        self.assertEqual(self.complete(ctl, "list", "--state", "se"), ["seeding"])
        self.assertEqual(self.complete(ctl, "--socket", "/x", "remove", "--d"), ["--delete-content"])
        self.assertEqual(self.complete(ctl, "add", "fi"), ["film.ts"])

    def test_swarms_complete_from_the_daemon(self):
        daemon = FakeDaemon(self.path("control.sock"))
        self.closers.append(daemon.close)
        swarms = [swarm(7, name="a $(touch evil) `touch evil`"), swarm(71),
                  swarm(12, id="", state="hashing")]
        daemon.route("GET", "/v1/swarms", lambda **_: {"swarms": swarms, "total": 3})
        ctl = harness.program("PPSPP_CTL")
        found = self.complete(ctl, "pause", "7", path=daemon.path)
        self.assertEqual(found, ["7", "71"])
        found = self.complete(ctl, "show", "8f", path=daemon.path)
        self.assertEqual(set(found), {"8f8f8f8f8f"})
        self.assertEqual(self.complete(ctl, "--socket", daemon.path, "show", "1"), ["12"])
        self.assertFalse(os.path.exists(self.path("evil")))
        self.assertEqual(self.complete(ctl, "show", "7"), [], "no daemon, no swarms, no noise")


if __name__ == "__main__":
    harness.main()
