"""The evaluation of document 003, redone: rules, sweep and timeline of one pattern.

    python benchmarks/minibatch/run.py --pattern 1 --data DIR_OF_CIFAR --out DIR
    python benchmarks/minibatch/run.py --pattern 5 --data config/demo.yaml --out DIR
    python benchmarks/minibatch/run.py --simulate --out DIR      # all five, no device

On a GPU the document's rules time 1000 updates a measurement, as the author's program;
`--updates` takes fewer. On a CPU the process's own time is taken, and the rule that
needs a utilisation is left out: there is no counter. `--divisor` makes networks
narrower. `report.py` turns the folder into tables and figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from patterns import PATTERNS, Pattern, Training, build
from simulated import DEVICES, Simulation, best_size
from timeline import record_timeline

from collinear.dbpn.device import prepare_torch
from collinear.training.doubling import Doubling
from collinear.training.measurement import Measurement
from collinear.training.probe import ProbeOptions, probe
from collinear.training.rules import EpochTimeMinimize, GpuUsageMaximize
from collinear.training.tune import sweep, tune, write_json
from collinear.training.usage import NvmlCounter, check_idle

Measure = Callable[[int, ProbeOptions], Measurement]
SWEEP = range(10, 501, 10)
OURS = ProbeOptions()
ROUNDS = 7


def evaluate(
    pattern: Pattern,
    measure: Measure,
    theirs: ProbeOptions,
    largest: int,
    counter: bool,
) -> dict[str, Any]:
    """Run the rules on one pattern."""
    rules: dict[str, Any] = {}
    if counter:
        rule = GpuUsageMaximize(largest=largest)
        rules["GpuUsageMaximize"] = _searched(
            rule, partial(measure, options=theirs), min(pattern.usage_start, largest)
        )
    timed = EpochTimeMinimize(pattern.items, largest=largest)
    start = min(pattern.time_start, largest)
    rules["EpochTimeMinimize"] = _searched(
        timed, partial(measure, options=theirs), start
    )
    doubled = Doubling(largest=largest)
    rules["Doubling"] = _searched(doubled, partial(measure, options=OURS), start)
    return rules


def _searched(rule: Any, measure: Any, start: int) -> dict[str, Any]:
    found = tune(rule, measure, start)
    times = {m.size: m.per_item for m in found.measurements if m.per_item}
    ran = [m for m in found.measurements if m.seconds is not None]
    # Time of the answer against the first size; of an answer that was left unmeasured
    # by a step back, that of the size before.
    answer = times.get(found.size)
    return {
        "start": start,
        "size": found.size,
        "changes": len(found.measurements) - 1,
        "steps": sum(m.steps for m in ran),
        "reason": found.reason,
        "improvement": 1 - answer / ran[0].per_item if answer else None,
        "model": found.model.as_json() if found.model else None,
        "measurements": [m.as_json() for m in found.measurements],
    }


def on_device(options: argparse.Namespace) -> None:
    """Evaluate one pattern on this machine's device."""
    pattern = PATTERNS[options.pattern - 1]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prepare_torch(1)
    torch.use_deterministic_algorithms(False)
    read_usage = None
    if device.type == "cuda":
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        read_usage = NvmlCounter(uuid).read
        check_idle(read_usage)
    training = build(pattern, options.data, device, options.divisor)
    measure = _measure_with(training, device, read_usage)
    updates = options.updates or (1000 if device.type == "cuda" else 5)
    theirs = ProbeOptions(warm_up=1, together=updates, least=1, most=1)
    began = time.perf_counter()
    rules = evaluate(pattern, measure, theirs, options.largest, read_usage is not None)
    sizes = [size for size in SWEEP if size <= options.sweep]
    swept = sweep(partial(measure, options=theirs), sizes)
    record = {
        "pattern": pattern.number,
        "simulated": False,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "clock": "wall" if device.type == "cuda" else "cpu",
        "data": options.label,
        "divisor": options.divisor,
        "torch": str(torch.__version__),
        "seconds": round(time.perf_counter() - began),
        "rules": [rules],
        "sweep": [each.as_json() for each in swept.measurements],
        "sweep model": swept.model.as_json() if swept.model else None,
        "timeline": (
            record_timeline(training, options.timeline, device)
            if training.load is not None
            else None
        ),
    }
    write_json(options.out / f"pattern{pattern.number}.json", record)


def compare_answers(options: argparse.Namespace) -> None:
    """Measure the rules' answers and the best size found again, in turn."""
    path = options.out / f"pattern{options.pattern}.json"
    record = json.loads(path.read_text())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prepare_torch(1)
    torch.use_deterministic_algorithms(False)
    pattern = PATTERNS[options.pattern - 1]
    training = build(pattern, options.data, device, options.divisor)
    measure = _measure_with(training, device, None)
    sizes = {run["size"] for run in record["rules"][0].values()}
    sizes |= set(fastest_sizes(record, 2))
    once = ProbeOptions(warm_up=1, together=2, least=1, most=1)
    rounds: dict[int, list[float]] = {size: [] for size in sorted(sizes)}
    for _ in range(ROUNDS):
        for size, times in rounds.items():
            seconds = measure(size, once).seconds
            assert seconds is not None
            times.append(seconds / size)
    record["compared"] = {str(size): times for size, times in rounds.items()}
    write_json(path, record)


def fastest_sizes(record: dict[str, Any], count: int) -> list[int]:
    """Return the sizes with the least time an item of all that were measured."""
    times: dict[int, float] = {}
    everything = list(record["sweep"])
    for rules in record["rules"]:
        for run in rules.values():
            everything += run["measurements"]
    for each in everything:
        if each["seconds"]:
            size, seconds = each["size"], each["fastest"] / each["size"]
            times[size] = min(seconds, times.get(size, seconds))
    return sorted(times, key=lambda size: times[size])[:count]


def _measure_with(
    training: Training, device: torch.device, read_usage: Callable[[], float] | None
) -> Measure:
    def measure(size: int, options: ProbeOptions) -> Measurement:
        return probe(
            training.step,
            size,
            keep=training.keep,
            device=device,
            options=options,
            read_usage=read_usage,
            clock=time.perf_counter if device.type == "cuda" else time.process_time,
        )

    return measure


def simulate(options: argparse.Namespace) -> None:
    """Evaluate all patterns on devices that follow a formula, several times."""
    theirs = ProbeOptions(warm_up=0, together=1000, least=1, most=1)
    for pattern in PATTERNS:
        device = DEVICES[pattern.number]
        rules, sweeps = [], []
        for seed in range(options.repeats):
            simulation = Simulation(device, options.noise, seed)
            measure = simulation.measure
            rules.append(evaluate(pattern, measure, theirs, options.largest, True))
            sizes = [b for b in SWEEP if b <= min(device.memory, options.largest)]
            sweeps.append([measure(b, OURS).as_json() for b in sizes])
        best, least = best_size(device, options.largest)
        for each in rules:
            for found in each.values():
                taken = device.step(found["size"]) / found["size"]
                found["slower"] = taken / least - 1
                found["measurements"] = _thinned(found["measurements"])
        record = {
            "pattern": pattern.number,
            "simulated": True,
            "device": vars(device),
            "noise": options.noise,
            "best": best,
            "rules": rules,
            "sweep": [_thinned([each])[0] for each in sweeps[0]],
        }
        write_json(options.out / f"simulated{pattern.number}.json", record)


def _thinned(measurements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave single readings out of a record; their spread stays."""
    found = []
    for each in measurements:
        readings = torch.tensor(each["usages"])
        spread = float(readings.std()) if len(readings) > 1 else None
        found.append({**each, "usages": [], "usage spread": spread})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument(
        "--compare", action="store_true", help="the answers of a record, in turn"
    )
    parser.add_argument("--pattern", type=int, choices=range(1, 6))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--label", default="", help="what the data are, for the record")
    parser.add_argument("--divisor", type=int, default=1)
    parser.add_argument("--updates", type=int)
    parser.add_argument("--largest", type=int, default=512)
    parser.add_argument("--sweep", type=int, default=500, help="largest size of it")
    parser.add_argument("--timeline", type=int, default=32, help="minibatch size in it")
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.simulate:
        simulate(options)
    elif options.compare:
        compare_answers(options)
    elif options.pattern is None or options.data is None:
        parser.error("--pattern and --data are needed without --simulate")
    else:
        on_device(options)


if __name__ == "__main__":
    main()
