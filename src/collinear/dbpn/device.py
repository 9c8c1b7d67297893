"""Setting up torch: device, precision, threads, determinism."""

from __future__ import annotations

import dataclasses
import logging
import os
import resource

import torch

from collinear.dbpn.config import Settings
from collinear.dbpn.section import ConfigError

_log = logging.getLogger(__name__)
_KIB_PER_MIB = 1024


def prepare_torch(threads: int) -> None:
    """Make this process's torch reproducible: fixed threads, deterministic kernels."""
    # cuBLAS needs this before its first use to be deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory finds bugs, but costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def choose_device(settings: Settings) -> torch.device:
    """Return the device of a configuration.

    Raises:
        ConfigError: CUDA is asked for, but there is none.
    """
    available = torch.cuda.is_available()
    if settings.device == "cuda" and not available:
        raise ConfigError("device is cuda, but torch finds no GPU; use auto or cpu")
    return torch.device("cuda" if available and settings.device != "cpu" else "cpu")


def with_usable_precision(settings: Settings, device: torch.device) -> Settings:
    """Return the settings with fp32 in place of a bf16 that the hardware lacks."""
    if settings.precision == "fp32" or _has_bf16(device):
        return settings
    _log.warning("precision bf16 is not supported by this %s: using fp32", device.type)
    return dataclasses.replace(settings, precision="fp32")


def peak_memory_mb(device: torch.device) -> float:
    """Return the largest memory so far in MiB: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _KIB_PER_MIB**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
