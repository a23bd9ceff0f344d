"""What threads beside the protocol's take over: transfers with one and with two, in turns.

Where both ends share two cores their threads wait for each other. The CPU time of the source's
busiest thread tells what one core can send where there are more."""

import contextlib
import statistics
import time

from processes import Failed, say

THREADS = (1, 2)
SETUPS = ((1024, 1), (8192, 1), (1024, 8))  # chunk size, leechers
FIGURES = ("mb_per_s", "source_s_per_gib", "busiest_s_per_gib", "receiver_s_per_gib")


def measure(bench):
    if not bench.knows("--threads"):
        return []
    runs = {(setup, threads): [] for setup in SETUPS for threads in THREADS}
    for number in range(bench.options.runs):
        say(f"threads, run {number + 1} of {bench.options.runs}")
        for (setup, threads), results in runs.items():
            try:
                results.append(transfer(bench, *setup, threads))
            except (Failed, OSError) as reason:
                say(f"  chunks of {setup[0]} to {setup[1]} with {threads}: {reason}")
    return [{"name": f"ppspp, {size}" + (f", to {leechers} at once" if leechers > 1 else ""),
             "threads": threads,
             **{key: statistics.median(run[key] for run in results) for key in FIGURES}}
            for ((size, leechers), threads), results in runs.items() if results]


def transfer(bench, chunk_size, leechers, threads):
    bench.fresh_output(leechers)
    option = ("--threads", threads)
    with bench.seed(chunk_size, *option) as source, contextlib.ExitStack() as stack:
        url = source.first_line()
        before, start = source.threads(), time.monotonic()
        receivers = [stack.enter_context(bench.get(url, bench.out / f"content{i}", more=option))
                     for i in range(leechers)]
        receiver_cpu = sum(r.run_to_end(bench.options.timeout)[1] for r in receivers)
        seconds, after = time.monotonic() - start, source.threads()
    for i in range(leechers):
        bench.check(bench.out / f"content{i}")
    used = [cpu - before.get(thread, 0) for thread, cpu in after.items()]
    gib = bench.gib * leechers
    return {"mb_per_s": bench.options.size * leechers / seconds / 1e6,
            "source_s_per_gib": sum(used) / gib, "busiest_s_per_gib": max(used) / gib,
            "receiver_s_per_gib": receiver_cpu / gib}


def show(rows):
    if not rows:
        return
    print("\nThe same transfers with one thread and with two (--threads, at both ends), CPU s/GiB;\n"
          "one core of many would be the limit of a source at 1 GiB by its busiest thread's time\n")
    print(f"{'':31}{'threads':>8}{'MB/s':>7}{'source':>8}{'busiest thread':>16}{'receiver':>10}")
    for row in rows:
        print(f"{row['name']:31}{row['threads']:8}{row['mb_per_s']:7.0f}"
              f"{row['source_s_per_gib']:8.2f}{row['busiest_s_per_gib']:16.2f}"
              f"{row['receiver_s_per_gib']:10.2f}")
