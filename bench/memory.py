"""Peak memory of both ends by the size of the content.

A file full of holes will do: it is read, hashed and sent all the same. What arrives is written, so
that a transfer of more than the disk takes is ended when so much of it is there as the one before
had in all."""

import argparse
import contextlib
import os
import shutil
import time

from processes import Failed, say

GIB = 1 << 30
STEPS = (1, 16, 256)
CHUNK_SIZES = (1024, 8192)


def measure(make_bench, options, work):
    rows = []
    for step, before in zip(STEPS, (None, *STEPS)):
        size = step * options.size
        for chunk_size in CHUNK_SIZES:
            name = f"{size / GIB:g} GiB, chunks of {chunk_size}"
            folder = work / f"{size}-{chunk_size}"
            folder.mkdir()
            own = argparse.Namespace(**{**vars(options), "size": size})
            try:
                rows.append({"name": name, **transfer(make_bench(own, folder), chunk_size,
                                                      before and before * options.size)})
                beyond = [rows[-1][f"{side}_private_kib"] / 1024 for side in ("source", "receiver")]
                say(f"  {name}: {beyond[0]:.1f} and {beyond[1]:.1f} MiB beyond pages of files")
            except (Failed, OSError) as reason:
                say(f"  {name}: {reason}")
                rows.append({"name": name, "failed": str(reason)})
            shutil.rmtree(folder)
    return {"memory": rows}


def transfer(bench, chunk_size, enough):
    size = bench.options.size
    with open(bench.file, "wb") as out:
        out.truncate(size)
    # The seeder's tree and the getter's have two hashes of 32 octets for each chunk.
    room = shutil.disk_usage(bench.work).free
    if size + 4 * 32 * (size // chunk_size) < 0.9 * room:
        return bench.ppspp(chunk_size)
    if enough is None or enough + 4 * 32 * (size // chunk_size) > 0.9 * room:
        raise Failed(f"{room / GIB:.0f} GiB of disk are not enough")
    return part(bench, chunk_size, enough)


def part(bench, chunk_size, enough):
    """As bench.ppspp, until `enough` octets have arrived."""
    output = bench.fresh_output()
    with bench.seed(chunk_size) as source:
        url = source.first_line(bench.options.timeout)
        with bench.get(url, output) as receiver:
            while octets_in(output) < enough:
                if receiver.ended() is not None or waited(receiver) > bench.options.timeout:
                    raise Failed(f"{receiver.name} has not got so far: {receiver.last_words()}")
                time.sleep(0.1)
            seconds = waited(receiver)
            cpu = receiver.cpu()
        result = bench.result(seconds, source.cpu(), cpu, source, receiver)
    return {**result, "mb_per_s": enough / seconds / 1e6, "part_gib": enough / GIB}


def waited(process):
    return time.monotonic() - process.start


def octets_in(output):
    """What has been written: the file has its full length from the beginning."""
    with contextlib.suppress(OSError):
        return os.stat(output).st_blocks * 512
    return 0


def show(result):
    def cell(row, side, what):
        return f"{row[f'{side}_{what}_kib'] / 1024:.1f}"

    print("\nPeak memory in MiB: resident, and without pages of files\n")
    print(f"{'':28}{'source':>10}{'without':>9}{'receiver':>10}{'without':>9}{'MB/s':>7}")
    for row in result["memory"]:
        if "failed" in row:
            print(f"{row['name']:28}failed: {row['failed']}")
            continue
        note = f"  (the first {row['part_gib']:g} GiB)" if "part_gib" in row else ""
        print(f"{row['name']:28}{cell(row, 'source', 'rss'):>10}{cell(row, 'source', 'private'):>9}"
              f"{cell(row, 'receiver', 'rss'):>10}{cell(row, 'receiver', 'private'):>9}"
              f"{row['mb_per_s']:7.0f}{note}")
