"""``python -m benchmarks.page``: docs/benchmarks.md and its plots, from the figures kept."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
PLOTS = ROOT / "docs" / "benchmarks"
HEAD = """\
# Benchmarks

Written by `make bench`. Everything is measured side by side in one run on one server; figures are
medians over the cycles, and the machine is whatever it was: compare the columns, not machines.
Where tables are small, that favours REFRESH and recomputing; `make bench-full` takes 1,000,000
orders, TPC-H and TPC-DS at scale 1, and [decisions/floor.md](decisions/floor.md) says what a
refresh is made of. Each section says its sizes.
"""
MANY = 20
"""Cases of a workload from which on their mean says more than each."""
# The same file for the same figures.
mpl.rcParams["svg.hashsalt"] = "pgtrickle"


def write() -> Path:
    """The page, from every file under results/."""
    PLOTS.mkdir(parents=True, exist_ok=True)
    sections = [_section(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text("\n".join([HEAD, *sections]), encoding="utf-8")
    return PAGE


def _section(kept: dict[str, Any]) -> str:
    sides = list(dict.fromkeys(side for case in kept["cases"] for side in case["milliseconds"]))
    lines = [
        f"## {kept['workload'].capitalize()}",
        "",
        kept["about"],
        "",
        "| case | " + " | ".join([*sides, *(f"to {one}" for one in sides[1:])]) + " |",
        "|---|" + "---:|" * (2 * len(sides) - 1),
    ]
    for case in kept["cases"]:
        medians = {side: statistics.median(t) for side, t in case["milliseconds"].items()}
        cells = [f"{medians[side]:.2f}" if side in medians else "" for side in sides]
        ours = next(iter(medians.values()))
        cells += [f"{ours / medians[one]:.3f}" if one in medians else "" for one in sides[1:]]
        lines.append(f"| {case['name']} | " + " | ".join(cells) + " |")
    if len(kept["cases"]) > MANY:
        means = [f"{_mean(kept, one):.3f} of {one}" for one in sides[1:]]
        lines += ["", f"Geometric mean of the ratios: {', '.join(means)}."]
    lines += ["", f"![{kept['workload']}]({_plot(kept, sides)})", "", _where(kept), ""]
    return "\n".join(lines)


def _mean(kept: dict[str, Any], yardstick: str) -> float:
    times = [case["milliseconds"] for case in kept["cases"]]
    return statistics.geometric_mean(
        statistics.median(next(iter(each.values()))) / statistics.median(each[yardstick])
        for each in times
        if yardstick in each
    )


def _where(kept: dict[str, Any]) -> str:
    settings = ", ".join(
        f"{name} {value}" for name, value in {**kept["sizes"], **kept["settings"]}.items()
    )
    verdict = "equalled its query" if kept["equal"] else "did NOT equal its query"
    return (
        f"{kept['at']}, pgtrickle {kept['pgtrickle']}, {kept['cores']} cores ({kept['machine']}),"
        f" {kept['memory_gib']} GiB, load {kept['load'][0]}; {settings}."
        f" Every stream table {verdict}."
    )


def _plot(kept: dict[str, Any], sides: list[str]) -> str:
    cases = kept["cases"]
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.35 * len(cases)), layout="constrained")
    height = 0.8 / len(sides)
    for number, side in enumerate(sides):
        places = [
            row + number * height for row, case in enumerate(cases) if side in case["milliseconds"]
        ]
        widths = [
            statistics.median(case["milliseconds"][side])
            for case in cases
            if side in case["milliseconds"]
        ]
        axes.barh(places, widths, height, label=side)
    axes.set_yticks(
        [row + 0.4 - height / 2 for row in range(len(cases))], [c["name"] for c in cases]
    )
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds, logarithmic")
    axes.legend()
    name = f"{kept['workload'].replace(' ', '-')}.svg"
    figure.savefig(PLOTS / name, metadata={"Date": None})
    plt.close(figure)
    return f"benchmarks/{name}"


if __name__ == "__main__":
    print(write())
