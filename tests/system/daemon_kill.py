"""kill -9 of ppsppd at random moments under load: what was acknowledged is there afterwards.

PPSPP_LONG=1: a hundred kills in place of a few.
"""

import http.client
import os
import random
import shutil
import threading
import time

import daemon
import harness

ROUNDS = 100 if os.environ.get("PPSPP_LONG") else 8
FILES = 24
MEMBERS = ("id", "name", "label", "path", "limits", "kind")


class Client(threading.Thread):
    """Adds, removes and changes at random, one after the other, until the daemon is gone. What it
    asked for and got no answer to may have happened or not."""

    def __init__(self, control, files, seed, model):
        super().__init__(daemon=True)
        self.control = control
        self.files = files
        self.random = random.Random(seed)
        self.model = model  # number: what it must be
        self.doubt = set()  # numbers whose last change was not answered
        self.paths_in_doubt = set()
        self.removed = set()
        self.count = 0
        self.error = None
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step()
                self.count += 1
        except (OSError, http.client.HTTPException):
            pass  # killed
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def step(self):
        free = [f for f in self.files if f not in {s["path"] for s in self.model.values()}
                and f not in self.paths_in_doubt]
        action = self.random.random()
        if free and (not self.model or action < 0.35):
            return self.add(self.random.choice(free))
        if not self.model:
            return None
        number = self.random.choice(list(self.model))
        if action < 0.5:
            return self.remove(number)
        return self.change(number)

    def add(self, path):
        self.paths_in_doubt.add(path)
        try:
            added = self.control.add_file(path, label=f"label {self.random.randrange(100)}")
        except daemon.Refused as refused:
            if refused.status != 409:
                raise
            return
        self.model[added["number"]] = {k: added.get(k) for k in MEMBERS if k != "id"}
        self.paths_in_doubt.discard(path)

    def remove(self, number):
        self.doubt.add(number)
        self.control.remove(number)
        self.removed.add(number)
        del self.model[number]
        self.doubt.discard(number)

    def change(self, number):
        change = {"label": f"label {self.random.randrange(1000)}",
                  "limits": {"upload": self.random.randrange(1 << 20, 1 << 30),
                             "weight": self.random.randrange(1, 1000)}}
        self.doubt.add(number)
        answer = self.control.call("PATCH", f"/v1/swarms/{number}", change)
        self.model[number].update({k: answer[k] for k in ("label", "limits")})
        self.doubt.discard(number)


class Kill(daemon.TestCase):
    def test_kills_lose_nothing_that_was_acknowledged(self):
        files = []
        for i in range(FILES):
            files.append(self.content(self.random.randrange(1, 200_000), f"file-{i}"))
        clients = 3
        parts = [files[i::clients] for i in range(clients)]
        models = [{} for _ in range(clients)]
        acknowledged = checked = fetched = 0
        limit_may_be = doubts = running = ()
        for round_number in range(ROUNDS):
            service = self.daemon()
            found = {s["number"]: s for s in service.control.everything()}
            if round_number > 0:
                checked += self.compare(found, models, doubts)
                for client in running:
                    self.assertFalse(client.removed & set(found), "removed, and there again")
                limits = service.control.get("/v1/limits")
                self.assertIn(limits.get("upload"), limit_may_be)
            # What happened to what was in doubt is known now.
            for i, model in enumerate(models):
                model.clear()
                model.update({n: {k: s.get(k) for k in MEMBERS if k != "id"}
                              for n, s in found.items() if s["path"] in parts[i]})
            fetched += self.fetch_one(service)
            running = [Client(service.control, parts[i], self.random.getrandbits(63), models[i])
                       for i in range(clients)]
            for client in running:
                client.start()
            limit = self.random.randrange(1 << 28, 1 << 30)
            limit_may_be = {service.control.get("/v1/limits").get("upload"), limit}
            service.control.call("PATCH", "/v1/limits", {"upload": limit})
            limit_may_be = {limit}
            time.sleep(self.random.uniform(0.05, 0.8) * harness.TIME_FACTOR)
            service.kill()
            for client in running:
                client.join(60)
                self.assertFalse(client.is_alive())
                if client.error:
                    raise client.error
            acknowledged += sum(c.count for c in running)
            doubts = [c.doubt for c in running]
            self.forget_killed()
        service = self.daemon()
        checked += self.compare({s["number"]: s for s in service.control.everything()}, models,
                                doubts)
        self.assertEqual(service.stop(), 0)
        print(f"{ROUNDS} kills, {acknowledged} changes acknowledged, {checked} swarms compared, "
              f"{fetched} files fetched")
        self.assertGreater(acknowledged, ROUNDS)

    def compare(self, found, models, doubts):
        count = 0
        for model, doubt in zip(models, doubts):
            for number, expected in model.items():
                if number in doubt:
                    continue
                self.assertIn(number, found, f"swarm {number} was acknowledged and is lost")
                actual = found[number]
                self.assertNotEqual(actual["state"], "failed", actual)
                for key, value in expected.items():
                    self.assertEqual(actual.get(key), value, f"{key} of swarm {number}")
                count += 1
        known = set().union(*models, *doubts)
        paths = {m["path"] for model in models for m in model.values()}
        for number, actual in found.items():
            if number in known:
                continue
            # An addition that was not answered: it may be there, once.
            self.assertNotIn(actual["path"], paths)
        self.assertEqual(len({s["path"] for s in found.values()}), len(found))
        return count

    def fetch_one(self, service):
        swarms = service.control.everything()
        if not swarms:
            return 0
        chosen = self.random.choice(swarms)
        swarm = self.wait_state(service, chosen["number"], "seeding")
        self.fetch(swarm, service, swarm["path"])
        return 1

    def forget_killed(self):
        self.processes = [p for p in self.processes
                          if p.running() or self._in_trouble(p)]

    def start(self, name, argv, **options):
        """Names stay unique although ended processes are forgotten."""
        self.started_count = getattr(self, "started_count", 0) + 1
        return super().start(f"{name}-{self.started_count}", argv, **options)


class Downloads(daemon.TestCase):
    """Downloads go on after a kill, and end with the right content."""

    def test_a_download_survives_kills(self):
        rounds = 25 if os.environ.get("PPSPP_LONG") else 4
        source = self.content(24 << 20)
        seeder = self.daemon("seeder")
        swarm = self.seeded(seeder, source, limits={"upload": 6 << 20})
        output = self.path("fetched")
        getter = self.daemon("getter")
        added = getter.control.add_url(swarm["url"], output, peers=[seeder.address])
        number, verified = added["number"], 0
        for _ in range(rounds):
            time.sleep(self.random.uniform(0.2, 0.6) * harness.TIME_FACTOR)
            verified = max(verified, getter.control.swarm(number)["verified"])
            getter.kill()
            getter = self.daemon("getter")
            now = getter.control.swarm(number)
            self.assertEqual(now["id"], swarm["id"])
            self.assertEqual(now["path"], output)
            self.assertNotEqual(now["state"], "failed", now)
            # What was verified is there again, as soon as it was checked.
            harness.wait_until(lambda: getter.control.swarm(number)["verified"] >= verified, 30,
                               f"{verified} octets are known again")
        seeder.control.call("PATCH", f"/v1/swarms/{swarm['number']}", {"limits": {}})
        done = self.wait_state(getter, number, "seeding", 90)
        self.assert_identical(source, output)
        self.assertGreater(verified, 0)
        # And it is served from there, also after one more kill, without the first seeder.
        getter.kill()
        self.assertEqual(seeder.stop(), 0)
        getter = self.daemon("getter")
        self.fetch(done, getter, source)
        shutil.rmtree(seeder.state)
        self.assertEqual(getter.stop(), 0)


if __name__ == "__main__":
    harness.main()
