"""Prints running, success or failed for a job of PJM, as Snakemake asks for it."""

import subprocess
import sys
import time
from pathlib import Path

MARKS = Path(".snakemake/pjm")
# Accepted, queued, held, starting, running, ending, suspended.
WAITING = frozenset(
    ["ACC", "QUE", "HLD", "RNA", "RNP", "RUN", "RNE", "RNO", "SPP", "SPD", "RSM"]
)
ENDED = frozenset(["EXT", "CCL", "RJT", "ERR"])
# A job that has left the queue may reach the records of ended jobs late.
MISSING_SECONDS = 600


def read_table(text: str, number: str) -> tuple[str, str] | None:
    """State and exit code of a job in what pjstat printed, found by its headings."""
    columns: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if "JOB_ID" in words and "ST" in words:
            columns = words
        elif columns and len(words) >= len(columns) - 1 and words[0] == number:
            row = dict(zip(columns, words, strict=False))
            return row["ST"], row.get("EC", "-")
    return None


def verdict(state: str, code: str) -> str:
    """What Snakemake wants to know."""
    if state in ENDED:
        return "success" if state == "EXT" and code == "0" else "failed"
    if state not in WAITING:
        print(f"pjstat gives the unknown state {state!r}: waiting", file=sys.stderr)
    return "running"


def ask(number: str, *words: str) -> str | None:
    """What pjstat prints; None when it fails, as while the system is restarted."""
    arguments = ["pjstat", *words, "--choose", "jid,st,ec", number]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"cannot run pjstat: {error}; profiles/pjm is for clusters under PJM")
    return done.stdout if done.returncode == 0 else None


def missing(number: str, now: float) -> str:
    """A job that nobody knows: waited for at first, then failed."""
    mark = MARKS / f"{number}.missing"
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(now))
    return "failed" if now - float(mark.read_text()) > MISSING_SECONDS else "running"


def status(number: str, now: float) -> str:
    """running, success or failed."""
    answers = []
    for words in ((), ("-H",)):
        answer = ask(number, *words)
        found = read_table(answer or "", number)
        if found is not None:
            (MARKS / f"{number}.missing").unlink(missing_ok=True)
            return verdict(*found)
        answers.append(answer)
    if None in answers:
        print("pjstat does not answer: waiting", file=sys.stderr)
        return "running"
    return missing(number, now)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: status.py JOB")
    print(status(sys.argv[1], time.time()))
