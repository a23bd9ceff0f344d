"""One seeder, one leecher: whatever the content and the parameters, the file is identical."""

import itertools
import os
import re
import unittest

import harness
import wire


class Parameters(harness.TestCase):
    def test_every_addressing_with_every_hash_function(self):
        path = self.content(100_000)
        for addressing, function in itertools.product(wire.ADDRESSING, wire.HASHES):
            with self.subTest(addressing=addressing, hash=function):
                self.transfer(path, ["--addressing", addressing, "--hash", function])

    def test_chunk_sizes_from_512_to_65000(self):
        path = self.content(1_000_003)
        for size in (512, 1000, 1024, 1400, 2048, 4096, 8192, 65000):
            with self.subTest(chunk_size=size):
                self.transfer(path, ["--chunk-size", size])

    def test_one_thread_and_several_write_the_same(self):
        path = self.content(20_000_003)
        for threads, size in itertools.product((1, 2, 3), (1024, 8192, 60000)):
            with self.subTest(threads=threads, chunk_size=size):
                option = ["--threads", threads]
                self.transfer(path, ["--chunk-size", size, *option], option)

    def test_chunks_below_512_are_refused(self):
        """8.1 #233."""
        process = self.start("seed", [harness.program("PPSPP_SEED"), "-l", "127.0.0.1:0",
                                      "--chunk-size", "256", self.content(1000)])
        self.assertEqual(process.wait(20), 2)
        self.assertEqual(len(process.stderr().strip().splitlines()), 1)


class Sizes(harness.TestCase):
    def test_sizes_around_chunk_borders(self):
        for size in (1, 2, 63, 64, 65, 511, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 7162):
            with self.subTest(size=size):
                self.transfer(self.content(size))

    def test_powers_of_two_and_one_more_or_less(self):
        for exponent in (12, 13, 16, 17, 20):
            for difference in (-1, 0, 1):
                size = 2**exponent + difference
                with self.subTest(size=size):
                    self.transfer(self.content(size))

    def test_some_mebibytes(self):
        for size in ((5 << 20) + 17, 32 << 20):
            with self.subTest(size=size):
                getter = self.transfer(self.content(size))
                print(f"{size} octets: {size / getter.seconds() / 1e6:.0f} MB/s, "
                      f"leecher {getter.cpu_seconds:.2f} s CPU")

    def test_sizes_without_a_length_in_the_url(self):
        for size in (1, 63, 65, 1023, 1024, 1025, 2048, 7162, 65536, 100_001, 3 << 20):
            with self.subTest(size=size):
                path = self.content(size)
                seeder = self.seeder(path)
                url = harness.without_length(seeder.url)
                self.assertNotIn("len=", url)
                getter = self.getter(url, peers=[seeder.address])
                self.assert_complete(getter, path)

    def test_one_chunk_of_two_hashes_is_not_believed_without_a_length(self):
        """5.6.1: it could as well be the two halves of a bigger tree's root."""
        path = self.content(64)
        seeder = self.seeder(path)
        url = harness.without_length(seeder.url)
        getter = self.getter(url, "--timeout", "3", peers=[seeder.address])
        self.assertEqual(getter.wait(20), 3)

    def test_an_empty_file_is_refused(self):
        process = self.start("seed", [harness.program("PPSPP_SEED"), "-l", "127.0.0.1:0",
                                      self.content(0)])
        self.assertIn(process.wait(20), (1, 2))
        message = process.stderr().strip()
        self.assertEqual(process.stdout(), "")
        self.assertTrue(message.startswith("ppspp-seed"), message)
        self.assertEqual(len(message.splitlines()), 1)

    def test_a_file_that_does_not_exist_is_a_one_line_error(self):
        process = self.start("seed", [harness.program("PPSPP_SEED"), "-l", "127.0.0.1:0",
                                      self.path("nothing")])
        self.assertIn(process.wait(20), (1, 2))
        self.assertEqual(len(process.stderr().strip().splitlines()), 1)


class Addresses(harness.TestCase):
    def test_ipv4_and_ipv6(self):
        path = self.content(300_000)
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host):
                self.transfer(path, host=host)

    def test_a_seeder_on_both_versions_serves_both(self):
        path = self.content(300_000)
        seeder = self.seeder(path, host="::")
        port = seeder.port()
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host):
                getter = self.getter(seeder.url, peers=[harness.host_port(host, port)], host=host)
                self.assert_complete(getter, path)

    def test_a_leecher_on_its_default_address_reaches_both(self):
        path = self.content(300_000)
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host):
                seeder = self.seeder(path, host=host)
                output = self.path("default-" + host.replace(":", ""))
                getter = self.start("get", [harness.program("PPSPP_GET"), "--peer", seeder.address,
                                            "-o", output, seeder.url])
                self.assertEqual(getter.wait(60), 0)
                self.assert_identical(path, output)

    def test_the_peer_may_stand_in_the_url(self):
        path = self.content(300_000)
        seeder = self.seeder(path)
        joint = "&" if "?" in seeder.url else "?"
        for peer in (seeder.address, seeder.address.replace(":", "%3A"),
                     seeder.address.replace("127.0.0.1", "localhost")):
            with self.subTest(peer):
                getter = self.getter(f"{seeder.url}{joint}peer={peer}")
                self.assert_complete(getter, path)

    def test_an_advertised_peer_is_in_the_printed_url(self):
        path = self.content(300_000)
        seeder = self.seeder(path, "--advertise", "192.0.2.7:6778")
        self.assertIn("192.0.2.7", seeder.url)


class Names(harness.TestCase):
    def test_a_bare_swarm_id_with_options(self):
        path = self.content(50_000)
        for options in (["--hash", "sha1", "--chunk-size", "2048"],
                        ["--hash", "sha512", "--addressing", "bin64"], []):
            with self.subTest(options):
                seeder = self.seeder(path, *options)
                swarm_id = re.match(r"ppspp:([0-9a-f]+)", seeder.url).group(1)
                getter = self.getter(swarm_id, *options, peers=[seeder.address])
                self.assert_complete(getter, path)

    def test_the_output_s_name_comes_from_the_url(self):
        path = self.content(5000)
        seeder = self.seeder(path)
        joint = "&" if "?" in seeder.url else "?"
        url = re.sub(r"&?dn=[^&]*", "", seeder.url)
        os.mkdir(self.path("there"))
        argv = [harness.program("PPSPP_GET"), "-l", "127.0.0.1:0", "--peer", seeder.address]
        for suffix, name in ((f"{joint}dn=a%20name", "a name"), ("", url[6:].split("?")[0])):
            with self.subTest(name):
                shell = f'cd "{self.path("there")}" && exec "$@"'
                getter = self.start("get", ["sh", "-c", shell, "sh", *argv, url + suffix])
                self.assertEqual(getter.wait(30), 0)
                self.assert_identical(path, self.path(f"there/{name}"))

    def test_standard_output(self):
        path = self.content(3_000_000)
        seeder = self.seeder(path)
        getter = self.getter(seeder.url, output="-", peers=[seeder.address])
        self.assertEqual(getter.wait(60), 0)
        self.assert_identical(path, getter.stdout_path)
        self.assertEqual(getter.json()["chunks_rejected"], 0)

    def test_the_json_tells_what_happened(self):
        path = self.content(3_000_000)
        report = self.transfer(path).json()
        print(f"json: {report}")
        self.assertEqual(report["bytes"], 3_000_000)
        self.assertGreater(report["seconds"], 0)

    def test_nobody_there_is_a_timeout_with_its_own_exit_code(self):
        swarm_id = "00" * 31 + "01"
        getter = self.getter(swarm_id, "--timeout", "1", peers=["127.0.0.1:9"])
        self.assertEqual(getter.wait(20), 3)

    def test_wrong_usage_has_its_own_exit_code(self):
        for arguments in ([], ["--no-such-option"], ["ppspp:zz"], ["ppspp:00"],
                          ["ppspp:" + "00" * 32 + "?cs=abc"], ["http://example.org/"]):
            with self.subTest(arguments):
                process = self.start("get", [harness.program("PPSPP_GET"), *arguments])
                self.assertEqual(process.wait(20), 2)
                self.assertEqual(process.stdout(), "")


class OneGibibyte(harness.TestCase):
    def test_one_gibibyte(self):
        path = self.content(1 << 30)
        getter = self.transfer(path, timeout=400)
        seconds = getter.seconds()
        seed_cpu = self.processes[0].cpu_seconds
        print(f"1 GiB: {(1 << 30) / seconds / 1e6:.0f} MB/s, CPU seed {seed_cpu:.2f} s (it hashes "
              f"first), get {getter.cpu_seconds:.2f} s; memory {getter.max_rss_kib >> 10} MiB")


if __name__ == "__main__":
    harness.main()
