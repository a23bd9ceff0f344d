"""System calls, allocations and octets of control of a transfer, each counted in a transfer of its
own: counting slows the programs down."""

import contextlib
import shutil
import signal
import subprocess

from processes import Failed, Process, say

MIB = 1 << 20


def measure(bench):
    rows = []
    for chunk_size in (1024, 8192):
        row = {"name": f"chunks of {chunk_size}"}
        for side in ("source", "receiver"):
            try:
                row[f"{side}_allocations_per_chunk"] = allocations(bench, chunk_size, side)
                if shutil.which("strace"):
                    row[f"{side}_system_calls_per_mib"] = system_calls(bench, chunk_size, side)
            except (Failed, OSError, ValueError) as reason:
                say(f"  counting for the {side}: {reason}")
                row["failed"] = str(reason)
        rows.append(row)
    for chunk_size in (1024, 8192, 60000):
        row = {"name": f"chunks of {chunk_size}"}
        try:
            row |= control(bench, chunk_size)
        except (Failed, OSError, ValueError) as reason:
            say(f"  counting octets: {reason}")
            row["failed"] = str(reason)
        rows.append(row)
    return rows


def allocations(bench, chunk_size, side):
    """Of the program's whole life, per chunk of the content."""
    log, output = bench.path(f"{side}.allocations"), bench.fresh_output()
    log.unlink(missing_ok=True)
    counter = bench.program("bench/libcount_allocations.so")
    wrapper = ["env", f"LD_PRELOAD={counter}", f"ALLOCATIONS_TO={log}"]
    with bench.seed(chunk_size, wrapper=wrapper if side == "source" else ()) as source:
        with bench.get(source.first_line(), output, wrapper if side == "receiver" else ()) as receiver:
            receiver.run_to_end(bench.options.timeout)
    bench.check(output)
    return int(log.read_text()) / (bench.options.size / chunk_size)


def control(bench, chunk_size):
    """Octets of UDP payload that are no content, and datagrams, each way, per MiB of content."""
    output = bench.fresh_output()
    logs = {side: bench.path(f"{side}.octets") for side in ("source", "receiver")}
    wrappers = {}
    for side, log in logs.items():
        log.unlink(missing_ok=True)
        counter = bench.program("bench/libcount_octets.so")
        wrappers[side] = ["env", f"LD_PRELOAD={counter}", f"OCTETS_TO={log}"]
    with bench.seed(chunk_size, wrapper=wrappers["source"]) as source:
        with bench.get(source.first_line(), output, wrappers["receiver"]) as receiver:
            receiver.run_to_end(bench.options.timeout)
    bench.check(output)
    row, mib = {}, bench.options.size / MIB
    for side, log in logs.items():
        octets, datagrams = (int(word) for word in log.read_text().split())
        content = bench.options.size if side == "source" else 0
        row[f"{side}_control_octets_per_mib"] = (octets - content) / mib
        row[f"{side}_datagrams_per_mib"] = datagrams / mib
    return row


def system_calls(bench, chunk_size, side):
    """While the content is transferred, per MiB of it."""
    log, output = bench.path(f"{side}.calls"), bench.fresh_output()
    trace = ["strace", "-f", "-c", "-qq", "-U", "calls,name", "-o", log]
    with bench.seed(chunk_size) as source, contextlib.ExitStack() as stack:
        url = source.first_line()
        if side == "source":
            tracer = stack.enter_context(Process([*trace, "-p", source.child.pid],
                                                 bench.path("strace.log")))
        with bench.get(url, output, trace if side == "receiver" else ()) as receiver:
            receiver.run_to_end(bench.options.timeout)
        if side == "source":
            tracer.child.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                tracer.child.wait(10)
    bench.check(output)
    rows = [line.split() for line in log.read_text().splitlines()]
    total = [int(row[0]) for row in rows if len(row) == 2 and row[1] == "total"]
    if not total:
        raise Failed("strace counted nothing")
    return total[0] / (bench.options.size / MIB)


def show(rows):
    if not rows:
        return
    show_control([row for row in rows if "source_control_octets_per_mib" in row])
    rows = [row for row in rows if any("allocations" in key or "calls" in key for key in row)]
    print("\nSystem calls per MiB of content, and allocations per chunk (of the programs' whole lives)\n")
    print(f"{'':31}{'source':>10}{'receiver':>10}{'source':>14}{'receiver':>10}")
    print(f"{'':31}{'calls':>10}{'calls':>10}{'allocations':>14}{'':>10}")
    for row in rows:
        def cell(key, form):
            return format(row[key], form) if key in row else "-"
        print(f"{row['name']:31}{cell('source_system_calls_per_mib', '.1f'):>10}"
              f"{cell('receiver_system_calls_per_mib', '.1f'):>10}"
              f"{cell('source_allocations_per_chunk', '.4f'):>14}"
              f"{cell('receiver_allocations_per_chunk', '.4f'):>10}")


def show_control(rows):
    print("\nOctets that are no content, in UDP payload, and datagrams; per MiB of content\n")
    print(f"{'':31}{'source':>10}{'receiver':>10}{'source':>14}{'receiver':>10}")
    print(f"{'':31}{'octets':>10}{'octets':>10}{'datagrams':>14}{'':>10}")
    for row in rows:
        print(f"{row['name']:31}{row['source_control_octets_per_mib']:>10.0f}"
              f"{row['receiver_control_octets_per_mib']:>10.0f}"
              f"{row['source_datagrams_per_mib']:>14.1f}{row['receiver_datagrams_per_mib']:>10.1f}")
