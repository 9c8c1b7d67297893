"""A pretended PJM: pjsub and pjstat in one program, told apart by its name.

(pjdel is a shell script: Snakemake gives it two seconds, little for Python on a busy
machine.)

Jobs are processes of this machine; a folder named by PRETENDED_PJM keeps what is known
of them. It prints what the real commands print (PJM's user guide), and sends SIGXCPU at
the end of the time, as they do.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["PRETENDED_PJM"])
# Runs the script in a session of its own; the last word is the file of its exit code.
RUNNER = """
import os, signal, subprocess, sys
script, log, limit, end = sys.argv[1:]
with open(log, "w") as stream:
    job = subprocess.Popen(["sh", script], stdout=stream, stderr=subprocess.STDOUT)
    try:
        code = job.wait(timeout=float(limit))
    except subprocess.TimeoutExpired:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        os.killpg(0, signal.SIGXCPU)
        try:
            job.wait(timeout=5)
        except subprocess.TimeoutExpired:
            job.kill()
        code = 11
with open(end + ".part", "w") as stream:
    stream.write(str(code))
os.rename(end + ".part", end)
"""


def seconds(elapse):
    hours, minutes, rest = (int(part) for part in elapse.split(":"))
    # A minute of a job lasts a second, so that tests can meet the limit.
    return hours * 60 + minutes + rest / 60


def pjsub(words):
    options, rest = {}, list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        options[word] = None if word == "-j" else rest.pop(0)
    (script,) = rest
    limits = dict(item.split("=") for item in options["-L"].split(","))
    if limits["rscgrp"] != "cx-share":
        sys.exit("[ERR.] PJM 0003 pjsub no such resource group")
    number = 1000 + len(list(STATE.glob("*.json")))
    log = options["-o"].replace("%j", str(number))
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            RUNNER,
            script,
            log,
            str(seconds(limits["elapse"])),
            str(STATE / f"{number}.code"),
        ],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    (STATE / f"{number}.pid").write_text(str(process.pid))
    (STATE / f"{number}.json").write_text(json.dumps(list(words)))
    print(f"[INFO] PJM 0000 pjsub Job {number} submitted.")


def pjstat(words):
    (STATE / "asked").touch()
    history, number = "-H" in words, words[-1]
    record, code = STATE / f"{number}.json", STATE / f"{number}.code"
    print("JOB_ID     ST  EC")
    if not record.exists():
        return
    ended = code.exists() or (STATE / f"{number}.cancelled").exists()
    if ended == history:
        state = "RUN" if not ended else "EXT" if code.exists() else "CCL"
        print(f"{number:<10} {state} {code.read_text() if code.exists() else '-'}")


if __name__ == "__main__":
    {"pjsub": pjsub, "pjstat": pjstat}[Path(sys.argv[0]).name](sys.argv[1:])
