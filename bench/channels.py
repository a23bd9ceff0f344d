"""Many channels of one endpoint, without sockets: bench_channels measures, here it is shown."""

import json
import subprocess

from processes import say


def measure(program):
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(f"bench_channels: {done.stderr.strip() or 'failed'}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def show(rows):
    idle = [row for row in rows if row["what"] == "idle"]
    active = [row for row in rows if row["what"] == "active"]
    same = [row for row in rows if row["what"] == "same swarm"]
    if idle:
        print("\nIdle channels of one endpoint, each: memory, CPU to open it, and what keep-alives take\n"
              "a minute (without sockets; the first channel of a swarm takes memory of the swarm's)\n")
        print(f"{'':31}{'channels':>9}{'swarms':>8}{'octets':>8}{'open us':>9}{'us/min':>8}"
              f"{'datagrams':>11}")
    for row in idle:
        print(f"{row['past']:31}{row['established']:9}{row['swarms']:8}{row['octets']:8.0f}"
              f"{row['open_us']:9.1f}{row['idle_us_per_minute']:8.1f}"
              f"{row['datagrams_per_minute']:11.1f}")
    if active:
        print("\nCPU for a datagram, in or out, where channels send (out) or receive, each in a swarm of\n"
              "its own, beside idle ones in others\n")
        print(f"{'':31}{'active':>9}{'idle':>8}{'us':>8}{'allocations':>13}")
    for row in active:
        print(f"{'content goes ' + row['direction']:31}{row['active']:9}{row['idle']:8}"
              f"{row['us_per_datagram']:8.2f}{row['allocations_per_datagram']:13.4f}")
    for row in same:
        print(f"{'out, all in one swarm':31}{1:9}{row['idle']:8}{row['us_per_datagram']:8.2f}")
