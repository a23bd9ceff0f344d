"""/metrics and /healthz, and that the dashboard and the alerts ask for what there is."""

import http.client
import json
import os
import re
import shutil
import subprocess
import unittest

import daemon
import harness

CONF = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                    "conf")
NAME = re.compile(r"\b(?:ppspp|process)_[a-z0-9_]+")


def samples(text):
    """{name: {labels: value}}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        found.setdefault(name, {})[labels or ""] = float(value)
    return found


class Metrics(daemon.TestCase):
    def metrics(self, process):
        status, text, headers = process.control.raw("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        return text.decode()

    def test_the_format_is_prometheus_s(self):
        if shutil.which("promtool") is None:
            raise unittest.SkipTest("promtool is not installed")
        text = self.metrics(self.daemon())
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_what_was_transferred_is_counted(self):
        process = self.daemon()
        path = self.content(500_000)
        swarm = self.seeded(process, path)
        before = samples(self.metrics(process))
        self.fetch(swarm, process, path)
        after = samples(self.metrics(process))

        def grown(name, labels=""):
            return after[name][labels] - before[name][labels]
        out = grown("ppspp_content_bytes_total", 'direction="out",class="static"')
        self.assertGreaterEqual(out, 500_000)
        self.assertGreater(grown("ppspp_datagrams_total", 'direction="out"'), 7)
        self.assertGreater(grown("ppspp_queueing_delay_seconds_count"), 0)
        self.assertEqual(grown("ppspp_content_bytes_total", 'direction="out",class="live"'), 0)
        self.assertEqual(after["ppspp_swarms"]['kind="file",state="seeding"'], 1)
        self.assertGreater(after["process_resident_memory_bytes"][""], 1 << 20)
        self.assertGreater(after["process_open_fds"][""], 3)
        self.assertGreater(after["ppspp_catalogue_commits_total"][""], 0)

    def test_histograms_add_up(self):
        process = self.daemon()
        path = self.content(300_000)
        self.fetch(self.seeded(process, path), process, path)
        found = samples(self.metrics(process))
        buckets = list(found["ppspp_queueing_delay_seconds_bucket"].values())
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(buckets[-1], found["ppspp_queueing_delay_seconds_count"][""])

    def test_dashboard_and_alerts_ask_for_what_is_exported(self):
        text = self.metrics(self.daemon())
        exported = set(samples(text))
        with open(os.path.join(CONF, "grafana-dashboard.json")) as file:
            dashboard = json.load(file)
        asked = set()
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                asked |= set(NAME.findall(target["expr"]))
        self.assertGreater(len(asked), 20)
        with open(os.path.join(CONF, "prometheus-alerts.yml")) as file:
            alerts = set(NAME.findall("\n".join(re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n        "
                                                           r"(?:for|labels):", file.read()))))
        self.assertGreater(len(alerts), 6)
        self.assertEqual((asked | alerts) - exported, set())

    def test_alert_rules_are_valid(self):
        if shutil.which("promtool") is None:
            raise unittest.SkipTest("promtool is not installed")
        done = subprocess.run(["promtool", "check", "rules",
                               os.path.join(CONF, "prometheus-alerts.yml")],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_an_address_of_their_own(self):
        process = self.daemon(metrics={"listen": '"127.0.0.1:0"'})
        port = self.tcp_port(process)
        for target, status in (("/metrics", 200), ("/v1", 404),
                               ("/metrics/", 404)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", target)
            self.assertEqual(connection.getresponse().status, status, target)
            connection.close()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/metrics", body="x")
        self.assertEqual(connection.getresponse().status, 405)
        connection.close()

    def tcp_port(self, process):
        inodes = set()
        for fd in os.listdir(f"/proc/{process.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{process.pid}/fd/{fd}")
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        with open(f"/proc/{process.pid}/net/tcp") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[9] in inodes and fields[3] == "0A":
                    return int(fields[1].rsplit(":", 1)[1], 16)
        raise harness.Failed("no TCP port is open")


class Health(daemon.TestCase):
    def health(self, process, failed=0):
        """The status and the names of the problems. A loaded machine may stall the loop."""
        status, text, _ = process.control.raw("GET", "/healthz")
        body = json.loads(text)
        self.assertEqual(body["failed_swarms"], failed)
        self.assertEqual((status, body["status"]),
                         (503, "failing") if body["problems"] else (200, "ok"))
        self.assertTrue(all(problem["message"] for problem in body["problems"]))
        return [p["name"] for p in body["problems"] if p["name"] != "loop_stalled"]

    def test_well(self):
        self.assertEqual(self.health(self.daemon()), [])

    def test_a_swarm_that_failed_is_counted_and_the_service_is_well(self):
        process = self.daemon()
        path = self.content(100_000)
        swarm = self.seeded(process, path)
        process.stop()
        os.unlink(path)
        again = self.daemon()
        again.control.raw("POST", f"/v1/swarms/{swarm['number']}/resume")
        getter = self.getter(swarm["url"], "--timeout", "20", peers=[again.address])
        self.wait_state(again, swarm["number"], "failed")
        self.assertEqual(self.health(again, failed=1), [])
        getter.stop()

    def test_a_full_disk(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount a small tmpfs")
        state = self.path("state-daemon")
        os.mkdir(state)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", state],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            raise unittest.SkipTest("cannot mount a tmpfs here")
        self.closers.insert(0, lambda: subprocess.run(["umount", "-l", state], check=False))
        self.assertEqual(self.health(self.daemon()), ["disk_low"])


if __name__ == "__main__":
    harness.main()
