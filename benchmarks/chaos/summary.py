"""Prints how often each disturbance came and what did not hold, from logs of run.py.

python summary.py measured/seed*.jsonl
"""

import json
import sys
from collections import Counter
from pathlib import Path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    logs = {path.stem: read(path) for path in map(Path, sys.argv[1:])}
    if not logs:
        sys.exit("usage: summary.py LOG...")
    counts = {
        name: Counter(
            f"{x['profile']}: {x['disturbance']}" for x in log if "round" in x
        )
        for name, log in logs.items()
    }
    print(f"| | {' | '.join(logs)} |")
    print("| --- |" + " --- |" * len(logs))
    for kind in sorted(set().union(*counts.values())):
        print(f"| {kind} | {' | '.join(str(c[kind]) for c in counts.values())} |")
    ends = {name: [x for x in log if "end" in x] for name, log in logs.items()}
    for text, value in (
        ("rounds", lambda n: sum(counts[n].values())),
        ("campaigns", lambda n: len(ends[n])),
        ("campaigns with a fault", lambda n: sum(bool(x["faults"]) for x in ends[n])),
    ):
        print(f"| {text} | {' | '.join(str(value(name)) for name in logs)} |")


if __name__ == "__main__":
    main()
