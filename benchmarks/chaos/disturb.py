"""What may happen to a campaign on one machine or on a cluster."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from campaigns import PROGRAM, Checkout

# What a user may delete by mistake; journal and work/ are the campaign itself.
_PUBLISHED = (
    "trials/*/seed*/score.json",
    "trials/*/seed*/metrics.json",
    "trials/*/seed*/weights.pt",
    "lanes/*/*/update.json",
    "lanes/*/*/candidates.tsv",
    "lanes/*/closed.json",
    "pretrain/weights.pt",
)


@dataclass(frozen=True)
class Scene:
    """A running campaign.

    Attributes:
        checkout: Its folder.
        main: The process of Snakemake.
        chance: Random numbers of this round.
    """

    checkout: Checkout
    main: subprocess.Popen[bytes]
    chance: random.Random


def programs(checkout: Checkout) -> list[psutil.Process]:
    """Training and scoring programs of this campaign, on this machine."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if PROGRAM in process.cmdline() and process.cwd() == str(checkout.folder):
                found.append(process)
    return sorted(found, key=lambda p: p.pid)


def kill_main(scene: Scene) -> bool:
    """kill -9 of Snakemake alone; its jobs live on."""
    scene.main.kill()
    scene.main.wait()
    return True


def kill_everything(scene: Scene) -> bool:
    """kill -9 of Snakemake and of all that it started here."""
    with suppress(ProcessLookupError):
        os.killpg(scene.main.pid, signal.SIGKILL)
    scene.main.wait()
    return True


def interrupt(scene: Scene) -> bool:
    """Ctrl-C in the terminal."""
    with suppress(ProcessLookupError):
        os.killpg(scene.main.pid, signal.SIGINT)
    return True


def terminate_main(scene: Scene) -> bool:
    """SIGTERM, as a login node sends it when it goes down."""
    scene.main.terminate()
    return True


def _signal_program(scene: Scene, number: signal.Signals) -> bool:
    running = programs(scene.checkout)
    if not running:
        return False
    with suppress(psutil.Error):
        scene.chance.choice(running).send_signal(number)
        return True
    return False


def kill_program(scene: Scene) -> bool:
    """kill -9 of one training or scoring, as for too much memory."""
    return _signal_program(scene, signal.SIGKILL)


def preempt_program(scene: Scene) -> bool:
    """SIGTERM to one training or scoring."""
    return _signal_program(scene, signal.SIGTERM)


def fill_disk(scene: Scene) -> bool:
    """No byte is left for some seconds; Snakemake ends or is killed by its user."""
    folder = scene.checkout.folder
    if not os.path.ismount(folder):
        return False
    filler = folder / "filler"
    free = os.statvfs(folder)
    with open(filler, "wb") as stream, suppress(OSError):
        os.posix_fallocate(stream.fileno(), 0, free.f_bavail * free.f_frsize)
    _wait(scene.main, scene.chance.uniform(4, 12))
    if scene.main.poll() is None and scene.chance.random() < 0.5:
        kill_everything(scene)
    filler.unlink()
    return True


def delete_file(scene: Scene) -> bool:
    """Snakemake is interrupted, and a result is deleted."""
    interrupt(scene)
    _wait(scene.main, 60)
    kill_everything(scene)
    root = scene.checkout.root
    found = sorted(path for pattern in _PUBLISHED for path in root.glob(pattern))
    if not found:
        return False
    scene.chance.choice(found).unlink()
    return True


def _slurm(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout


def jobs(checkout: Checkout, state: str = "running,pending") -> list[str]:
    """Numbers of this campaign's Slurm jobs."""
    lines = _slurm("squeue", "-h", "-t", state, "-o", "%i|%Z").splitlines()
    rows = [line.split("|", 1) for line in lines]
    return sorted(number for number, where in rows if where == str(checkout.folder))


def cancel_job(scene: Scene) -> bool:
    """scancel of one job."""
    running = jobs(scene.checkout, "running")
    if running:
        _slurm("scancel", scene.chance.choice(running))
    return bool(running)


def requeue_job(scene: Scene) -> bool:
    """A job goes back to the queue, as after a failed node."""
    running = jobs(scene.checkout, "running")
    if running:
        _slurm("scontrol", "requeue", scene.chance.choice(running))
    return bool(running)


def kill_step(scene: Scene) -> bool:
    """kill -9 of the process that holds a job on its node."""
    found = []
    mine = set(jobs(scene.checkout, "running"))
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "slurmstepd":
            words = " ".join(process.info["cmdline"] or ())
            if any(f"[{number}." in words for number in mine):
                found.append(process)
    if not found:
        return False
    with suppress(psutil.Error):
        scene.chance.choice(sorted(found, key=lambda p: p.pid)).kill()
    return True


def kill_slurmd(scene: Scene) -> bool:
    """kill -9 of the node's daemon, started again some seconds later."""
    if not jobs(scene.checkout):
        return False
    _slurm("pkill", "-KILL", "-x", "slurmd")
    _wait(scene.main, scene.chance.uniform(2, 8))
    subprocess.run(["slurmd", "-N", os.uname().nodename.split(".")[0]], check=True)
    return True


def fail_node(scene: Scene) -> bool:
    """The node is down: Slurm ends its jobs as NODE_FAIL and queues them again."""
    if not jobs(scene.checkout, "running"):
        return False
    node = f"NodeName={os.uname().nodename.split('.')[0]}"
    _slurm("scontrol", "update", node, "State=DOWN", "Reason=chaos")
    _wait(scene.main, scene.chance.uniform(1, 5))
    _slurm("scontrol", "update", node, "State=RESUME")
    return True


LOCAL: Mapping[str, Callable[[Scene], bool]] = {
    "kill -9 of main": kill_main,
    "kill -9 of everything": kill_everything,
    "Ctrl-C": interrupt,
    "SIGTERM to main": terminate_main,
    "kill -9 of a program": kill_program,
    "SIGTERM to a program": preempt_program,
    "disk full": fill_disk,
    "result deleted": delete_file,
}
SLURM: Mapping[str, Callable[[Scene], bool]] = {
    "kill -9 of main": kill_main,
    "kill -9 of a program": kill_program,
    "SIGTERM to a program": preempt_program,
    "scancel": cancel_job,
    "requeue": requeue_job,
    "kill -9 of a job step": kill_step,
    "kill -9 of slurmd": kill_slurmd,
    "node down": fail_node,
    "disk full": fill_disk,
}


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


def small_disk(folder: Path, megabytes: int) -> bool:
    """Puts a file system of its own under a folder; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or os.path.ismount(folder):
        return os.path.ismount(folder)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def remove_disk(folder: Path) -> None:
    if os.path.ismount(folder):
        subprocess.run(["umount", "-l", str(folder)], check=False)
