"""A training that takes seconds, saves its state as it goes, and keeps a diary.

It honours the contract of docs/application.md. The diary is what the checks read: one
line for each moment that a process trained a trial, written outside the results, so
that a full disk cannot hide anything. Settings: `steps`, `pause` (seconds a step),
`diary` (a folder).
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

WEIGHTS_BYTES = 200_000


def write_slowly(path: Path, content: bytes) -> None:
    """Writes in pieces to a temporary name, so that a kill often meets a half file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "wb") as stream:
        for start in range(0, len(content), 20_000):
            stream.write(content[start : start + 20_000])
            stream.flush()
            time.sleep(0.01)
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def write_json(path: Path, value: object) -> None:
    write_slowly(path, json.dumps(value).encode())


def note(diary: Path, trial: str, event: str) -> None:
    """One line of the diary; short appended lines are written whole."""
    line = json.dumps([time.time(), os.getpid(), event]) + "\n"
    descriptor = os.open(
        diary / f"{trial}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666
    )
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def train(config: dict, out: Path, init: Path | None) -> None:
    """Trains from the last saved state; the weights depend on every step."""
    settings = config["settings"]
    diary, trial = Path(settings["diary"]), "-".join(out.parent.parts[-2:])
    state = out / "state.json"
    done, chain = 0, hashlib.sha256(init.read_bytes() if init else b"").hexdigest()
    if state.exists():
        done, chain = json.loads(state.read_text())
    note(diary, trial, "start")
    while done < settings["steps"]:
        time.sleep(settings["pause"])
        chain = hashlib.sha256(
            f"{chain} {done} {config['params']}".encode()
        ).hexdigest()
        done += 1
        note(diary, trial, "step")
        write_json(state, [done, chain])
    write_slowly(out / "weights.pt", (chain * WEIGHTS_BYTES)[:WEIGHTS_BYTES].encode())
    rows = "".join(f"{i + 1}\t{1 / (i + 1)}\n" for i in range(done))
    write_slowly(out / "curve.tsv", ("epoch\tloss\n" + rows).encode())
    write_json(out / "metrics.json", {"status": "done", "epochs": done})
    note(diary, trial, "end")


def score(config: dict, init: Path, out: Path, seed: int) -> None:
    """A value that depends on the setting, the seed, and the weights being whole."""
    content = init.read_bytes()
    if len(content) != WEIGHTS_BYTES:
        sys.exit(f"{init} has {len(content)} bytes, not {WEIGHTS_BYTES}")
    params = list(config["params"].values())
    text = json.dumps([params, seed, content[:64].decode()])
    draw = hashlib.sha256(text.encode()).digest()[0] / 255 - 0.5
    value = sum((p - 3.0) ** 2 for p in params) / len(params) + 0.1 * draw
    values = {"niqe": value, "rmse": 10.0 + params[-1]}
    write_json(out / "score.json", {"status": "done", "values": values})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("stage", choices=["pretrain", "finetune", "score"])
    parser.add_argument("--config", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    # The state is saved at every step: the end of the time needs nothing more.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    config = json.loads(arguments.config.read_text())
    if arguments.stage == "score":
        score(config, arguments.init, arguments.out, arguments.seed)
    else:
        train(config, arguments.out, arguments.init)


if __name__ == "__main__":
    main()
