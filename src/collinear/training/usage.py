"""Utilisation of an NVIDIA GPU, read each second through its management library.

NVML's number is the share of the time in which any kernel ran, so it is 100 % long
before the GPU does all it can (NVIDIA, "NVML API Reference", nvmlUtilization_t). The
library comes with the driver and is called directly; no package is needed.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from types import TracebackType

from collinear.training.errors import TuningError

PERIOD = 1.0
"""Seconds between two readings, as in document 003."""

BUSY_ABOVE = 5.0
"""Percent; a GPU that is used more than this before a measurement is busy."""


class UsageSampler:
    """Reads a counter in a thread while a block runs.

    Args:
        read: Returns the utilisation in percent.
        period: Seconds between readings; the first is taken after one period.
    """

    def __init__(self, read: Callable[[], float], period: float = PERIOD) -> None:
        self._read = read
        self._period = period
        self._values: list[float] = []
        self._error: Exception | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> UsageSampler:
        """Start reading."""
        self._values, self._error = [], None
        self._end.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self._end.set()
        assert self._thread is not None
        self._thread.join()

    @property
    def values(self) -> tuple[float, ...]:
        """Percent, one a period.

        Raises:
            TuningError: The counter failed, or the block was over before one reading.
        """
        if self._error is not None:
            raise TuningError(
                f"the device counter failed while measuring ({self._error})"
            )
        if not self._values:
            raise TuningError(
                "a measurement of the utilisation must last longer than the "
                f"{self._period:g} s between two readings; time more steps"
            )
        return tuple(self._values)

    def _run(self) -> None:
        while not self._end.wait(self._period):
            try:
                self._values.append(float(self._read()))
            except Exception as error:
                self._error = error
                return


class NvmlCounter:
    """The utilisation counter of one GPU.

    Args:
        uuid: The GPU's identity, as `torch.cuda.get_device_properties` gives it
            (CUDA_VISIBLE_DEVICES renumbers GPUs, NVML does not).
        library: Name of the library.

    Raises:
        TuningError: There is no library, driver or such GPU.
    """

    def __init__(self, uuid: str, library: str = "libnvidia-ml.so.1") -> None:
        try:
            self._nvml = ctypes.CDLL(library)
        except OSError as error:
            raise TuningError(
                "the utilisation of a GPU needs NVIDIA's management library, but "
                f"{library} cannot be loaded ({error}); there is no device counter "
                "here: use a rule that goes by time"
            ) from error
        self._nvml.nvmlErrorString.restype = ctypes.c_char_p
        self._check(self._nvml.nvmlInit_v2(), "be started")
        self._handle = ctypes.c_void_p()
        name = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        self._check(
            self._nvml.nvmlDeviceGetHandleByUUID(
                name.encode(), ctypes.byref(self._handle)
            ),
            f"find {name}",
        )
        self.read()  # a partition of a GPU has no such counter: say so now

    def read(self) -> float:
        """Return the utilisation in percent over about the last second."""
        rates = (ctypes.c_uint * 2)()  # of the processors, of the memory
        self._check(
            self._nvml.nvmlDeviceGetUtilizationRates(self._handle, ctypes.byref(rates)),
            "read the utilisation",
        )
        return float(rates[0])

    def _check(self, code: int, what: str) -> None:
        if code:
            text = self._nvml.nvmlErrorString(code) or b"unknown error"
            raise TuningError(
                f"NVIDIA's management library cannot {what}: {text.decode()}; there is "
                "no device counter here: use a rule that goes by time"
            )


def check_idle(read: Callable[[], float], readings: int = 3) -> None:
    """Check that nothing else uses the device before it is measured.

    Args:
        read: Returns the utilisation in percent.
        readings: How often it is read, a second apart; the least one counts.

    Raises:
        TuningError: It is busy.
    """
    with UsageSampler(read) as sampler:
        threading.Event().wait(PERIOD * (readings + 0.5))
    least = min(sampler.values)
    if least > BUSY_ABOVE:
        raise TuningError(
            f"the device must be idle before it is measured, but it is used to "
            f"{least:g} % (at most {BUSY_ABOVE:g} % is taken as idle); wait for the "
            "other job, or take another device"
        )
