"""Transfers by two builds in turns: on a machine whose speed drifts only pairs tell what changed."""

import argparse
import random
import statistics

from processes import Failed, say

CHUNK_SIZES = (1024, 8192)
FIGURES = (("mb_per_s", "MB/s"), ("source_s_per_gib", "source s/GiB"),
           ("receiver_s_per_gib", "receiver s/GiB"))


def measure(make_bench, options, work):
    benches = {}
    for name, build in (("before", options.base), ("now", options.build)):
        folder = work / name
        folder.mkdir()
        benches[name] = make_bench(argparse.Namespace(**{**vars(options), "build": build}), folder)
        benches[name].file.hardlink_to(work / "content")
    runs = {size: [] for size in CHUNK_SIZES}
    for number in range(options.runs):
        say(f"pair {number + 1} of {options.runs}")
        for size in CHUNK_SIZES:
            order = list(benches)
            random.shuffle(order)
            try:
                runs[size].append({name: benches[name].ppspp(size) for name in order})
            except (Failed, OSError) as reason:
                say(f"  chunks of {size}: {reason}")
    return {"pairs": {str(size): pairs for size, pairs in runs.items()}}


def show(result, size):
    print(f"\nTransfers of {size / (1 << 30):g} GiB as the programs were and as they are, in turns\n"
          "(medians; and the ratio of each pair, now to before: the median, least and most)\n")
    print(f"{'':16}{'':16}{'before':>9}{'now':>9}{'ratio':>9}{'least':>8}{'most':>8}")
    for chunk_size, pairs in result["pairs"].items():
        for key, title in FIGURES if pairs else ():
            ratios = [pair["now"][key] / pair["before"][key] for pair in pairs
                      if pair["before"][key] > 0]
            if not ratios:
                continue
            middle = [statistics.median(pair[name][key] for pair in pairs)
                      for name in ("before", "now")]
            digits = 0 if key == "mb_per_s" else 2
            print(f"{'chunks of ' + chunk_size:16}{title:16}{middle[0]:9.{digits}f}{middle[1]:9.{digits}f}"
                  f"{statistics.median(ratios):9.3f}{min(ratios):8.3f}{max(ratios):8.3f}")
        if not pairs:
            print(f"chunks of {chunk_size}: failed")
