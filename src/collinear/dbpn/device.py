"""Setting up torch: device, precision, threads, determinism."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

import torch

from collinear.dbpn.config import Settings
from collinear.dbpn.section import ConfigError

_KIB_PER_MIB = 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def prepare_torch(threads: int) -> None:
    """Make this process's torch reproducible: fixed threads, deterministic kernels."""
    # cuBLAS needs this before its first use to be deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # As use_deterministic_algorithms(True), which imports torch's compiler as well: two
    # seconds of CPU time in every command.
    torch.set_deterministic_debug_mode("error")
    # Filling fresh memory finds bugs, but costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def keep_freed_memory() -> None:
    """Let glibc keep what a training frees: each update takes the same sizes again.

    By default it gives each block above some megabytes back, and the system has to fill
    it with zeros for the next update. No number depends on it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def choose_device(settings: Settings) -> torch.device:
    """Return the device of a configuration.

    Raises:
        ConfigError: CUDA is asked for, but there is none.
    """
    return device_of(settings.device)


def device_of(name: str) -> torch.device:
    """Return the device called "auto", "cpu" or "cuda".

    Raises:
        ConfigError: CUDA is asked for, but there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError("device is cuda, but torch finds no GPU; use auto or cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def peak_memory_mb(device: torch.device) -> float:
    """Return the largest memory so far in MiB: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _KIB_PER_MIB**2
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage counts the peak of the process that started this one as well.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / _KIB_PER_MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB
