"""What LEDBAT, pacing and acknowledgements make of simulated bottlenecks: exact, whatever else the
machine does."""

import json
import subprocess

from processes import say


def measure(simulator):
    if simulator is None:
        return []
    try:
        out = subprocess.run([simulator, "paths"], capture_output=True, text=True, timeout=600,
                             check=True).stdout
    except (OSError, subprocess.SubprocessError) as reason:
        say(f"  simulated paths: {reason}")
        return []
    return [json.loads(line) for line in out.splitlines()]


def show(rows):
    if not rows:
        return
    print("\nSimulated bottlenecks; bursts in ms of the sender's rate, at first and later\n")
    print(f"{'':46}{'use':>8}{'queue, ms':>15}{'TCP':>8}{'bursts':>14}{'ACKs':>8}")
    print(f"{'':46}{'':>8}{'mean':>8}{'95 %':>7}{'':>8}{'first':>7}{'later':>7}{'per RTT':>8}")
    for row in rows:
        print(f"{row['path']:46}{row['use']:>8.1%}{row['queue_mean_ms']:>8.2f}"
              f"{row['queue_p95_ms']:>7.1f}{row['tcp_share']:>8.1%}{row['first_burst_ms']:>7.1f}"
              f"{row['burst_ms']:>7.1f}{row['acks_per_rtt']:>8.1f}")
