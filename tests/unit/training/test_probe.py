"""Trying a step out leaves no trace, and what it tells is right."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from collinear.training.doubling import Doubling
from collinear.training.errors import TuningError
from collinear.training.measurement import Measurement
from collinear.training.probe import ProbeOptions, is_out_of_memory, probe
from collinear.training.snapshot import restored, snapshot
from collinear.training.tune import sweep, tune
from collinear.training.usage import NvmlCounter, UsageSampler, check_idle


class Loader:
    """Minibatches in a drawn order; knows its position."""

    def __init__(self):
        self.order = torch.Generator().manual_seed(4)
        self.at = 0

    def next(self, size):
        self.at += size
        return torch.randn(size, 3, 8, 8, generator=self.order)

    def state_dict(self):
        return {"at": self.at, "order": self.order.get_state()}

    def load_state_dict(self, state):
        self.at = state["at"]
        self.order.set_state(state["order"])


class User:
    """A user's training: batch normalisation, dropout, momentum, a schedule."""

    def __init__(self, optimizer=torch.optim.SGD, **options):
        torch.manual_seed(1)
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten()
        )
        self.net.register_buffer("seen", torch.zeros(()), persistent=False)
        self.adam = optimizer(self.net.parameters(), lr=0.1, **options)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.adam, 2)
        self.loader = Loader()
        self.parts = (self.net, self.adam, self.schedule, self.loader)

    def step(self, size):
        self.net.seen += size
        loss = self.net(self.loader.next(size)).square().mean()
        loss = loss + random.random() + float(np.random.rand())  # noqa: NPY002
        loss.backward()
        self.adam.step()
        self.schedule.step()
        torch.backends.cudnn.benchmark = True

    def everything(self):
        """All numbers, and each tensor's identity."""
        return {
            "net": copy.deepcopy(self.net.state_dict()),
            "seen": self.net.seen.clone(),
            "grads": [copy.deepcopy(p.grad) for p in self.net.parameters()],
            "ids": [id(p) for p in self.net.parameters()],
            "adam": copy.deepcopy(self.adam.state_dict()),
            "schedule": copy.deepcopy(self.schedule.state_dict()),
            "loader": self.loader.state_dict(),
            "torch": torch.get_rng_state(),
            "python": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002
            "flags": torch.backends.cudnn.benchmark,
            "modes": [m.training for m in self.net.modules()],
        }


def assert_same(ours, theirs):
    if isinstance(ours, torch.Tensor):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
    elif isinstance(ours, np.ndarray):
        assert np.array_equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert ours == theirs


class Rebinding(nn.Module):
    """Binds other tensors to its names in each step, and registers one."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 3)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("hidden", torch.ones(3), persistent=False)
        self.register_buffer("last", None)
        self.register_buffer("start", torch.ones(()))

    def step(self, size):
        x = torch.randn(size, 3)
        self.mean = 0.9 * self.mean + x.mean(0)
        self.hidden = self.hidden + 1
        self.last, self.start = x, None
        self.body.weight = nn.Parameter(self.body.weight.detach() + 1)
        if not hasattr(self, "late"):
            self.register_buffer("late", torch.zeros(size))

    def tensors(self):
        return {
            name: (tensor, tensor.clone())
            for pairs in (self.named_parameters(), self.named_buffers())
            for name, tensor in pairs
        }


OPTIMIZERS = [
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.Adam, {"amsgrad": True}),
    (torch.optim.Adagrad, {}),
]


@pytest.mark.parametrize(("optimizer", "options"), OPTIMIZERS)
@pytest.mark.parametrize("before", [0, 3])
def test_everything_is_restored_bit_for_bit(optimizer, options, before):
    user = User(optimizer, **options)
    for _ in range(before):
        user.step(4)
    torch.backends.cudnn.benchmark = False
    was = user.everything()
    probe(user.step, 8, keep=user.parts, options=ProbeOptions(least=2, most=2))
    assert_same(user.everything(), was)


@pytest.mark.parametrize("before", [0, 1])
def test_tensors_that_a_step_binds_anew_are_those_from_before(before):
    net = Rebinding()
    for _ in range(before):
        net.step(4)
    was = net.tensors()
    probe(net.step, 8, keep=[net], options=ProbeOptions(least=2, most=2))
    now = net.tensors()
    assert now.keys() == was.keys()
    for name, (tensor, value) in now.items():
        assert tensor is was[name][0]
        assert torch.equal(value, was[name][1])
    assert (net.last is None, net.start is None) == (before == 0, before == 1)


def test_a_snapshot_can_be_used_again_by_steps_that_add_to_gradients():
    net = nn.Linear(3, 1)
    net(torch.ones(2, 3)).sum().backward()
    was = net.weight.grad.clone()
    back = snapshot(net)
    for _ in range(2):
        net(torch.ones(2, 3)).sum().backward()
        back()
        assert torch.equal(net.weight.grad, was)


def test_a_training_goes_on_as_if_nothing_had_been_tried():
    tried, plain = User(), User()
    for user in (tried, plain):
        torch.manual_seed(2), random.seed(2), np.random.seed(2)  # noqa: NPY002
        user.step(4)
        if user is tried:
            tune(
                Doubling(largest=8),
                lambda b: probe(tried.step, b, keep=tried.parts),
                2,
            )
        user.step(4)
    assert_same(tried.everything()["net"], plain.everything()["net"])
    assert_same(tried.everything()["adam"], plain.everything()["adam"])


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
def test_out_of_memory_ends_a_probe_and_restores(error):
    user = User()
    torch.backends.cudnn.benchmark = False
    was = user.everything()

    def step(size):
        user.step(size)
        raise error

    found = probe(step, 8, keep=user.parts)
    assert (found.seconds, found.reason) == (None, "out of memory")
    assert_same(user.everything(), was)
    assert is_out_of_memory(error)


def test_memory_of_a_real_allocation_too_large():
    found = probe(lambda size: torch.empty(size, 2**50), 4)
    assert found.seconds is None


def test_any_other_error_is_raised_after_restoring():
    user = User()
    torch.backends.cudnn.benchmark = False
    was = user.everything()

    def step(size):
        user.step(size)
        raise RuntimeError("sizes of tensors must match")

    with pytest.raises(RuntimeError, match="must match"):
        probe(step, 8, keep=user.parts)
    assert_same(user.everything(), was)


def test_generators_are_kept():
    draws = torch.Generator().manual_seed(1), np.random.default_rng(1), random.Random(1)
    with restored(*draws):
        first = [
            torch.rand(1, generator=draws[0]),
            draws[1].random(),
            draws[2].random(),
        ]
    again = [torch.rand(1, generator=draws[0]), draws[1].random(), draws[2].random()]
    assert first == again


def test_what_cannot_be_restored_is_refused():
    with pytest.raises(TuningError, match="but got list_iterator"):
        probe(print, 1, keep=[iter([1])])


def test_a_median_is_measured_until_it_is_known(stand_in):
    options = ProbeOptions(warm_up=2, together=3, least=5, most=200)
    quiet, noisy = (stand_in(lambda b: 0.5, noise=n) for n in (0.001, 0.2))
    first, second = (device.measure(4, options) for device in (quiet, noisy))
    assert first.steps == 15
    assert len(quiet.steps) == 17
    assert second.steps > 50
    assert second.settled
    assert second.error < 0.05 / 3 * second.seconds
    assert second.seconds == pytest.approx(0.5, rel=0.06)


def test_what_never_settles_is_said(stand_in):
    device = stand_in(lambda b: 0.5, noise=1.0)
    found = tune(
        Doubling(largest=4), lambda b: device.measure(b, ProbeOptions(most=5)), 4
    )
    assert not found.measurements[0].settled
    assert found.unsettled == [4]


def test_a_slow_first_step_is_not_counted(stand_in):
    slow = iter([100.0, 50.0, 20.0])
    device = stand_in(lambda b: next(slow, 1.0))
    assert device.measure(4, ProbeOptions(together=1)).seconds == 1.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"least": 0}, "least must be"),
        ({"warm_up": -1}, "warm_up must not be below"),
        ({"least": 9, "most": 8}, "got 9 and 8"),
    ],
)
def test_bad_options_are_refused(values, words):
    with pytest.raises(TuningError, match=words):
        ProbeOptions(**values)


def test_size_must_be_positive():
    with pytest.raises(TuningError, match="minibatch size must be a whole number"):
        probe(print, 0)


def test_a_search_goes_on_from_its_file(stand_in, tmp_path):
    out = tmp_path / "sizes.json"
    whole = tune(Doubling(largest=32), stand_in(lambda b: 1.0).measure, 4)
    device = stand_in(lambda b: 1.0)

    def broken(size):
        if size == 16:
            raise KeyboardInterrupt
        return device.measure(size)

    with pytest.raises(KeyboardInterrupt):
        tune(Doubling(largest=32), broken, 4, out=out)
    assert not json.loads(out.read_text())["over"]
    device.steps.clear()
    found = tune(Doubling(largest=32), device.measure, 4, out=out)
    assert device.steps == [16, 32]
    assert [m.size for m in found.measurements] == [m.size for m in whole.measurements]
    device.steps.clear()
    assert tune(Doubling(largest=32), device.measure, 4, out=out) == found
    assert device.steps == []
    record = json.loads(out.read_text())
    assert record["size"] == found.size
    assert len(record["measurements"]) == 4


def test_given_sizes_are_measured_until_memory_ends(stand_in, tmp_path):
    out = tmp_path / "sweep.json"
    device = stand_in(lambda b: max(1.0, 0.1 * b), memory=45)
    found = sweep(device.measure, range(10, 501, 10), out=out)
    assert [m.size for m in found.measurements] == [10, 20, 30, 40, 50]
    assert (found.size, found.reason) == (10, "out of memory at size 50")
    device.steps.clear()
    assert sweep(device.measure, range(10, 501, 10), out=out) == found
    assert device.steps == []
    with pytest.raises(TuningError, match="sizes must ascend from 1 on"):
        sweep(device.measure, [8, 4])
    with pytest.raises(TuningError, match="64, the first size, cannot be run"):
        sweep(device.measure, [64, 128])


@pytest.mark.parametrize(
    "search",
    [
        lambda measure, out: tune(Doubling(), measure, 8, out=out),
        lambda measure, out: sweep(measure, [8, 16], out=out),
    ],
    ids=["tune", "sweep"],
)
def test_a_measurement_of_another_size_is_refused(search, tmp_path):
    out = tmp_path / "sizes.json"
    said = r"measure\(8\) must return .* of size 8, but returned one of 4"
    for path in (None, out):
        with pytest.raises(TuningError, match=said):
            search(lambda size: Measurement(4, 1.0), path)
    assert not out.exists(), "what is wrong is not kept"
    search(lambda size: Measurement(size, 1.0 * size), out)
    record = json.loads(out.read_text())
    record["measurements"][1]["size"] = 5
    out.write_text(json.dumps(record))
    with pytest.raises(TuningError, match="measurement 1 must be of size 16, but is"):
        search(lambda size: Measurement(size, 1.0 * size), out)


def test_a_file_of_another_search_is_refused(stand_in, tmp_path):
    out = tmp_path / "sizes.json"
    device = stand_in(lambda b: 1.0)
    tune(Doubling(largest=8), device.measure, 4, out=out, about={"device": "a"})
    with pytest.raises(TuningError, match=r"holds another search \(about"):
        tune(Doubling(largest=8), device.measure, 4, out=out, about={"device": "b"})
    with pytest.raises(TuningError, match=r"another search \(rule"):
        tune(Doubling(largest=9), device.measure, 4, out=out, about={"device": "a"})
    out.write_text("{}")
    with pytest.raises(TuningError, match="is not a record"):
        tune(Doubling(largest=8), device.measure, 4, out=out)


def test_measurements_survive_json():
    found = Measurement(4, 0.1, 0.01, 0.11, 0.09, 20, False, 97.0, (96.0, 98.0), 3, "x")
    assert Measurement.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_usage_is_sampled_while_a_step_runs():
    reads = iter([0, 10, 90, 100] + [100] * 1000)
    busy = threading.Event()
    found = probe(
        lambda size: busy.wait(0.05),
        4,
        options=ProbeOptions(warm_up=0, together=1, least=1, most=1),
        read_usage=None,
    )
    assert found.usage is None
    with UsageSampler(lambda: next(reads), period=0.01) as sampler:
        busy.wait(0.1)
    assert sampler.values[:4] == (0, 10, 90, 100)


def test_a_probe_shorter_than_a_reading_is_refused():
    with pytest.raises(TuningError, match="must last longer than the 1 s"):
        probe(lambda size: None, 4, read_usage=lambda: 50.0)


def test_a_failing_counter_is_reported():
    def broken():
        raise OSError("gone")

    with UsageSampler(broken, period=0.001) as sampler:
        threading.Event().wait(0.05)
    with pytest.raises(TuningError, match=r"counter failed while measuring \(gone\)"):
        _ = sampler.values


def test_without_a_counter_the_message_says_so():
    with pytest.raises(TuningError, match="no device counter here"):
        NvmlCounter("GPU-0", library="libno-such-library.so.9")


def test_a_busy_device_is_not_measured(monkeypatch):
    monkeypatch.setattr("collinear.training.usage.PERIOD", 0.01)
    monkeypatch.setattr(UsageSampler.__init__, "__defaults__", (0.01,))
    check_idle(lambda: 0.0)
    with pytest.raises(TuningError, match="must be idle before it is measured"):
        check_idle(lambda: 63.0)


class FakeNvml:
    """NVIDIA's library as Python functions; `codes` are what calls return."""

    def __init__(self, codes=None, usage=73):
        self.names = []
        codes = codes or {}

        def error(code):
            return b"Not Supported"

        def start():
            return codes.get("start", 0)

        def find(name, handle):
            self.names.append(name)
            return codes.get("find", 0)

        def read(handle, rates):
            rates._obj[0] = usage
            return codes.get("read", 0)

        self.nvmlErrorString, self.nvmlInit_v2 = error, start
        self.nvmlDeviceGetHandleByUUID = find
        self.nvmlDeviceGetUtilizationRates = read


def test_the_counter_reads_the_gpu_of_its_name(monkeypatch):
    fake = FakeNvml()
    monkeypatch.setattr("ctypes.CDLL", lambda _: fake)
    assert NvmlCounter("1-2-3").read() == 73.0
    NvmlCounter("GPU-4")
    assert fake.names == [b"GPU-1-2-3", b"GPU-4"]


@pytest.mark.parametrize("call", ["start", "find", "read"])
def test_what_the_library_cannot_do_is_told(monkeypatch, call):
    """A part of a GPU has no such counter, for one."""
    monkeypatch.setattr("ctypes.CDLL", lambda _: FakeNvml({call: 3}))
    with pytest.raises(TuningError, match="Not Supported; there is no device counter"):
        NvmlCounter("GPU-1")


def test_rules_and_fits_need_neither_torch_nor_snakemake():
    names = ("rules", "doubling", "tune", "division", "cost_model", "host_device")
    code = "; ".join(f"import collinear.training.{name}" for name in names)
    code += "; import sys; sys.exit(bool({'torch', 'snakemake'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
