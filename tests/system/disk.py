"""Disks that are full, and files that change under a seeder."""

import os
import subprocess
import time
import unittest

import harness

CHUNK = 1024


class Full(harness.TestCase):
    def small_disk(self, size):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount a small tmpfs")
        place = self.path("disk")
        os.mkdir(place)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            raise unittest.SkipTest("cannot mount a tmpfs here")
        self.closers.insert(0, lambda: subprocess.run(["umount", "-l", place], check=False))
        return place

    def test_a_full_disk_is_one_clear_line_and_the_download_can_be_resumed(self):
        place = self.small_disk("2m")
        path = self.content(4 << 20)
        seeder = self.seeder(path)
        output = os.path.join(place, "output")
        getter = self.getter(seeder.url, output=output, peers=[seeder.address])
        self.assertEqual(getter.wait(60), 1)
        lines = [l for l in getter.stderr().strip().splitlines() if not l.startswith("{")]
        print("\n".join(lines))
        self.assertEqual(len(lines), 1)
        self.assertTrue(lines[0].startswith("ppspp-get"))
        self.assertRegex(lines[0].lower(), "space|full")
        subprocess.run(["mount", "-o", "remount,size=16m", place], check=True)
        again = self.getter(seeder.url, output=output, peers=[seeder.address])
        self.assert_complete(again, path)

    def test_a_full_standard_output_is_an_error(self):
        path = self.content(1 << 20)
        seeder = self.seeder(path)
        with open("/dev/full", "wb") as full:
            getter = self.getter(seeder.url, output="-", peers=[seeder.address], stdout=full)
            self.assertEqual(getter.wait(30), 1)


class Changed(harness.TestCase):
    """A leecher never gets a wrong octet of a file that changed while it was seeded."""

    size = 6 << 20

    def run_change(self, change):
        path = self.content(self.size)
        with open(path, "rb") as file:
            original = file.read()
        seeder = self.seeder(path, "--upload-limit", "2M")
        getter = self.getter(seeder.url, "--timeout", 8, peers=[seeder.address])
        time.sleep(1.0)
        self.assertTrue(getter.running())
        change(path)
        code = getter.wait(40)
        report = getter.json()
        print(f"exit {code}, {report}\n{seeder.stderr()[-500:]}")
        self.assertEqual(report["chunks_rejected"], 0, "the seeder sent what is not the content")
        with open(getter.output, "rb") as file:
            got = file.read()
        for i in range(0, len(got), CHUNK):
            piece = got[i:i + CHUNK]
            self.assertTrue(piece == original[i:i + CHUNK] or not piece.strip(b"\0"), f"at {i}")
        if code == 0:
            self.assertEqual(got, original)
        return code, seeder

    def test_overwritten_in_place(self):
        def change(path):
            with open(path, "r+b") as file:
                file.seek(self.size // 2)
                file.write(self.random.randbytes(self.size // 2))
        code, _ = self.run_change(change)
        self.assertNotEqual(code, 0)

    def test_a_few_octets_overwritten(self):
        def change(path):
            with open(path, "r+b") as file:
                for _ in range(50):
                    file.seek(self.size // 2 + self.random.randrange(self.size // 2))
                    file.write(b"changed")
        code, _ = self.run_change(change)
        self.assertNotEqual(code, 0)

    def test_shortened(self):
        code, _ = self.run_change(lambda path: os.truncate(path, self.size // 2))
        self.assertNotEqual(code, 0)

    def test_appended_to(self):
        def change(path):
            with open(path, "ab") as file:
                file.write(b"more")
        self.run_change(change)

    def test_removed(self):
        self.run_change(os.unlink)

    def test_replaced_by_another_file(self):
        def change(path):
            harness.write_content(path + ".new", self.size, 1)
            os.rename(path + ".new", path)
        self.run_change(change)


class Outputs(harness.TestCase):
    def test_a_foreign_file_is_not_overwritten_without_force(self):
        path = self.content(100_000)
        seeder = self.seeder(path)
        for foreign in (b"mine", b"", bytes(100_000), self.random.randbytes(100_000)):
            with self.subTest(size=len(foreign)):
                output = self.path(f"foreign-{len(foreign)}-{foreign[:1].hex()}")
                with open(output, "wb") as file:
                    file.write(foreign)
                getter = self.getter(seeder.url, output=output, peers=[seeder.address])
                self.assertIn(getter.wait(30), (1, 2))
                with open(output, "rb") as file:
                    self.assertEqual(file.read(), foreign)
                self.assertIn("--force", getter.stderr())
                forced = self.getter(seeder.url, "--force", output=output, peers=[seeder.address])
                self.assert_complete(forced, path)

    def test_a_directory_that_does_not_exist_is_a_one_line_error(self):
        path = self.content(1000)
        seeder = self.seeder(path)
        getter = self.getter(seeder.url, output=self.path("no/such/place"), peers=[seeder.address])
        self.assertIn(getter.wait(30), (1, 2))
        lines = [l for l in getter.stderr().strip().splitlines() if not l.startswith("{")]
        self.assertEqual(len(lines), 1)

    def test_the_output_is_not_there_under_its_name_with_wrong_content_at_any_time(self):
        """A reader who opens the output early sees right octets or zeros."""
        path = self.content(2 << 20)
        with open(path, "rb") as file:
            original = file.read()
        seeder = self.seeder(path, "--upload-limit", "1M")
        getter = self.getter(seeder.url, peers=[seeder.address])
        while getter.running():
            if os.path.exists(getter.output):
                with open(getter.output, "rb") as file:
                    got = file.read()
                self.assertTrue(all(a == b or a == 0 for a, b in
                                    zip(got[::64], original[:len(got)][::64])))
            time.sleep(0.1)
        self.assert_complete(getter, path)


if __name__ == "__main__":
    harness.main()
