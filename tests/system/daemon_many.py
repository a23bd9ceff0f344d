"""Many swarms: a thousand that are asked for, and ten thousand that are not.

PPSPP_LONG=1: the full numbers; without it, smaller ones that a small machine does in seconds.
"""

import os
import re
import shutil
import sqlite3
import time

import daemon
import harness

LONG = bool(os.environ.get("PPSPP_LONG"))
SWARMS = 1000 if LONG else 150
PEERS = 200 if LONG else 24
IDLE = 10_000 if LONG else 2_000
IDLE_SECONDS = 60 if LONG else 10


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"Threads:\s+(\d+)", file.read()).group(1))


class Many(daemon.TestCase):
    def add_files(self, service, count, size):
        """Adds that many files and waits until all are seeded."""
        place = self.path("files")
        os.makedirs(place, exist_ok=True)
        paths = []
        for i in range(count):
            path = os.path.join(place, f"{i:05}")
            harness.write_content(path, size(i), self.random.getrandbits(63))
            paths.append(path)
            service.control.add_file(path)
        harness.wait_until(
            lambda: service.control.get("/v1/swarms?state=seeding&limit=1")["total"] == count,
            60 + count / 20, "all files are hashed", 0.2)
        return paths

    def test_peers_fetch_at_random_from_many_swarms(self):
        service = self.daemon("daemon", node={"max_channels": 2000})
        begun = time.monotonic()
        self.add_files(service, SWARMS, lambda i: 10_000 + 977 * (i % 100))
        print(f"{SWARMS} files added and hashed in {time.monotonic() - begun:.1f} s")
        swarms = service.control.everything()
        cpu, begun = cpu_seconds(service.pid), time.monotonic()
        waiting = [self.random.choice(swarms) for _ in range(PEERS)]
        running, most = [], [0, 0]
        at_once = 50 if LONG else 8
        while waiting or running:
            while waiting and len(running) < at_once:
                swarm = waiting.pop()
                running.append((self.getter(swarm["url"], peers=[service.address]), swarm))
            getter, swarm = running.pop(0)
            self.assert_complete(getter, swarm["path"], 120)
            os.unlink(getter.output)
            most = [max(most[0], descriptors(service.pid)), max(most[1], threads(service.pid))]
        passed, cpu = time.monotonic() - begun, cpu_seconds(service.pid) - cpu
        print(f"{SWARMS} swarms, {PEERS} peers: {passed:.1f} s, {cpu:.2f} s of CPU, "
              f"{service.resident_kib() / 1024:.1f} MiB resident, at most {most[0]} descriptors, "
              f"{most[1]} threads")
        self.assertLess(most[0], 1024)
        self.assertLess(most[1], 64)
        info = service.control.get("/v1")
        self.assertGreater(info["uploaded"], 0)

    def test_idle_swarms_cost_next_to_nothing_and_a_restart_is_quick(self):
        service = self.daemon()
        few = 40
        paths = self.add_files(service, few, lambda i: 3_000 + i)
        self.assertEqual(service.stop(), 0)
        self.multiply(service.state, paths, IDLE)
        service = self.daemon()
        print(f"restart with {IDLE} swarms: ready after {service.ready_after:.2f} s")
        total = service.control.get("/v1/swarms?limit=1")["total"]
        self.assertEqual(total, IDLE)
        time.sleep(2)  # what it still looks at after the start
        cpu, begun = cpu_seconds(service.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = (cpu_seconds(service.pid) - cpu) / (time.monotonic() - begun)
        resident = service.resident_kib() / 1024
        print(f"{IDLE} idle swarms: {resident:.1f} MiB resident, {share:.2%} of a core, "
              f"{descriptors(service.pid)} descriptors, {threads(service.pid)} threads")
        self.assertLess(descriptors(service.pid), 100)
        if harness.TIME_FACTOR == 1:
            self.assertLess(resident, 200)
            self.assertLess(share, 0.05)
            self.assertLess(service.ready_after, 10)
        chosen = service.control.swarm(few // 2)
        self.fetch(chosen, service, chosen["path"])

    def multiply(self, state, paths, count):
        """As if that many files had been added: rows like those of a few, with IDs that nobody
        will ask for. Adding them one by one is the other test."""
        with sqlite3.connect(os.path.join(state, "catalogue.db")) as catalogue:
            rows = catalogue.execute("SELECT * FROM swarms").fetchall()
            columns = [c[1] for c in catalogue.execute("PRAGMA table_info(swarms)")]
            place = {name: i for i, name in enumerate(columns)}
            for number in range(len(rows) + 1, count + 1):
                row = list(rows[number % len(rows)])
                new_id = self.random.randbytes(32).hex()
                row[place["url"]] = row[place["url"]].replace(row[place["id"]], new_id)
                row[place["id"]] = new_id
                row[place["number"]] = number
                copy = os.path.join(os.path.dirname(paths[0]), f"copy-{number:05}")
                shutil.copyfile(row[place["path"]], copy)
                tree = os.path.join(state, "trees", f"{number}.tree")
                shutil.copyfile(row[place["tree"]], tree)
                row[place["path"]], row[place["tree"]] = copy, tree
                status = os.stat(copy)
                for name, value in (("device", status.st_dev), ("inode", status.st_ino),
                                    ("modified", status.st_mtime_ns),
                                    ("changed", status.st_ctime_ns)):
                    row[place[name]] = value
                catalogue.execute(f"INSERT INTO swarms VALUES({','.join('?' * len(row))})", row)
        catalogue.close()


if __name__ == "__main__":
    harness.main()
