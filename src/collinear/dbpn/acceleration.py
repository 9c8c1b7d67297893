"""Levers that make a training faster and keep its mathematics.

Each is a key with a default; where it cannot be used, it is switched off with a warning
that says why (`usable`).
"""

from __future__ import annotations

import dataclasses
import logging

import torch
from torch import nn

from collinear.dbpn.config import Settings

_log = logging.getLogger(__name__)
_MODES = {"default": "default", "graphs": "reduce-overhead"}
"""Names of torch.compile for `compile`; its reduce-overhead records CUDA graphs."""


def usable(settings: Settings, device: torch.device) -> Settings:
    """Return the settings without the levers that do not work on this machine."""
    settings = _with_precision(settings, device)
    return _with_compile(settings, device)


def memory_format(settings: Settings) -> torch.memory_format:
    """Return the order of the numbers in image tensors: by channel, or by pixel."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


def compile_networks(settings: Settings, *networks: nn.Module | None) -> None:
    """Let torch compile networks in place; names in their state stay the same."""
    if settings.compile == "none":
        return
    # Tells the compiler too, which `prepare_torch` avoids to load.
    torch.use_deterministic_algorithms(True)
    for network in networks:
        if network is not None:
            network.compile(mode=_MODES[settings.compile], dynamic=False)


def start_of_update(settings: Settings) -> None:
    """Tell CUDA graphs that results of the last update may be overwritten."""
    if settings.compile == "graphs":
        torch.compiler.cudagraph_mark_step_begin()


def _with_precision(settings: Settings, device: torch.device) -> Settings:
    if settings.precision == "fp32" or _has_bf16(device):
        return settings
    _log.warning("precision bf16 is not supported by this %s: using fp32", device.type)
    return dataclasses.replace(settings, precision="fp32")


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _with_compile(settings: Settings, device: torch.device) -> Settings:
    if settings.compile == "graphs" and device.type != "cuda":
        _log.warning("compile: graphs needs a GPU, but this runs on a CPU: default")
        settings = dataclasses.replace(settings, compile="default")
    if settings.compile == "none":
        return settings
    reason = _why_not_compiled(device)
    if reason is None:
        return settings
    _log.warning("compile does not work here (%s): none", reason)
    return dataclasses.replace(settings, compile="none")


def _why_not_compiled(device: torch.device) -> str | None:
    """Compile a layer of one channel; return what went wrong, if anything."""
    layer = nn.Sequential(nn.Conv2d(1, 1, 1), nn.PReLU()).to(device)
    try:
        compiled = torch.compile(layer, dynamic=False)
        compiled(torch.ones(1, 1, 2, 2, device=device)).sum().backward()
    except Exception as error:  # compilers fail in many ways, each a reason to go on
        lines = str(error).strip().splitlines()
        return lines[0] if lines else type(error).__name__
    return None
