"""Short-term pre-training on any PyTorch training: see `stpt`.

Candidates run one after another, or in the processes of a torch.distributed group, each
from the same networks, optimiser, random states and loader position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import Optimizer

from collinear.training.errors import TuningError, check_positive
from collinear.training.sharing import put_states, states_of
from collinear.training.snapshot import snapshot
from collinear.training.stpt import StptPlan, check_tolerance, choose


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did.

    Attributes:
        epoch: Its number, from 1.
        factors: The candidates; none in the warm-up.
        rates: Their learning rates, within the bounds.
        scores: Their scores; NaN or infinite: out.
        chosen: Index of the one that went on; None in the warm-up, or when all were
            out.
        rate: Learning rate of the rest of the epoch.
    """

    epoch: int
    factors: tuple[float, ...]
    rates: tuple[float, ...]
    scores: tuple[float, ...]
    chosen: int | None
    rate: float


class Stpt:
    """An epoch-wise learning-rate policy.

    Args:
        plan: What is tried, and when.
        optimizer: Any of torch's. The ratios of its groups' learning rates are kept. A
            rate that is a tensor stays the same tensor and is filled, as optimisers
            that are compiled or captured need it.
        rate: Learning rate at the start.
        train: Does so many updates on this process alone.
        score: Says how good the networks are now, higher is better.
        keep: Networks, random generators and loaders whose state a candidate changes
            (all that `snapshot` takes); the optimiser and the global random states are
            kept anyway.
        main: Does the rest of an epoch; `train` by default. With several processes this
            is where gradients are averaged.
        group: Process group whose processes share out the candidates; None: one after
            another.
        tolerance: Scores that close to the best count as equal; 0 or more.

    Raises:
        TuningError: The start rate, or the rate of the optimiser's first group, is not
            above 0, the rate of the warm-up leaves the plan's bounds, the tolerance is
            below 0, or the group of processes has one.

    Attributes:
        epoch: Epochs done.
        rate: Learning rate now.
        records: What each epoch did.
    """

    def __init__(
        self,
        plan: StptPlan,
        optimizer: Optimizer,
        *,
        rate: float,
        train: Callable[[int], Any],
        score: Callable[[], float],
        keep: Sequence[Any] = (),
        main: Callable[[int], Any] | None = None,
        group: dist.ProcessGroup | None = None,
        tolerance: float = 0.0,
    ) -> None:
        check_positive("rate", rate)
        plan.check_warm_up()
        check_tolerance(tolerance)
        given = [_plain(group["lr"]) for group in optimizer.param_groups]
        first = given[0]
        check_positive("the learning rate of the optimiser's first group", first)
        if group is not None and dist.get_world_size(group) < 2:
            raise TuningError(
                "candidates in parallel need a group of at least two processes, but "
                "got one worker; leave out group to run them one after another"
            )
        self.plan, self.epoch = plan, 0
        self.rate = plan.bounded(rate)
        self.records: list[EpochRecord] = []
        self._optimizer, self._keep = optimizer, tuple(keep)
        self._train, self._score, self._main = train, score, main or train
        self._group, self._tolerance = group, tolerance
        self._ratios = [each / first for each in given]

    def run_epoch(self) -> EpochRecord:
        """Train one epoch: candidates, then the rest with the best of them.

        When every candidate is out, training goes on from the start of the epoch with
        the smallest of their rates, for a whole epoch.
        """
        plan, epoch = self.plan, self.epoch + 1
        factors = plan.factors(epoch)
        if not factors:
            self._set_rate(plan.warm_up_rate)
            self._main(plan.iterations)
            record = EpochRecord(epoch, (), (), (), None, plan.warm_up_rate)
        else:
            rates = tuple(plan.bounded(self.rate * factor) for factor in factors)
            scores, chosen = self._try(factors, rates)
            self.rate = min(rates) if chosen is None else rates[chosen]
            self._set_rate(self.rate)
            done = 0 if chosen is None else plan.alpha
            if plan.iterations > done:
                self._main(plan.iterations - done)
            record = EpochRecord(epoch, factors, rates, scores, chosen, self.rate)
        self.epoch = epoch
        self.records.append(record)
        return record

    def state_dict(self) -> dict[str, Any]:
        """All that the policy needs to go on after an epoch, as plain values."""
        return {
            "epoch": self.epoch,
            "rate": self.rate,
            "records": [asdict(record) for record in self.records],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of `state_dict`."""
        self.epoch, self.rate = state["epoch"], state["rate"]
        self.records = [_record(values) for values in state["records"]]

    @torch.no_grad()
    def _set_rate(self, rate: float) -> None:
        for group, ratio in zip(
            self._optimizer.param_groups, self._ratios, strict=True
        ):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * ratio)
            else:
                group["lr"] = rate * ratio

    def _try(
        self, factors: Sequence[float], rates: Sequence[float]
    ) -> tuple[tuple[float, ...], int | None]:
        """Run the candidates of this process; leave the best one's state everywhere."""
        size = dist.get_world_size(self._group) if self._group else 1
        rank = dist.get_rank(self._group) if self._group else 0
        parts = (*self._keep, self._optimizer)
        start = snapshot(*parts)
        found = [math.nan] * len(rates)
        ends: dict[int, Callable[[], None]] = {}
        for at in range(rank, len(rates), size):
            start()
            self._set_rate(rates[at])
            self._train(self.plan.alpha)
            # The score is measured on a copy of the random states: a candidate that is
            # scored must go on as one that is not.
            end = snapshot(*parts)
            found[at] = float(self._score())
            if math.isfinite(found[at]):
                ends[at] = end
                # What is out of reach of the best now will never be chosen.
                reach = max(found[i] for i in ends) - self._tolerance
                ends = {i: e for i, e in ends.items() if found[i] >= reach}
        scores = self._gather(found, size)
        chosen = choose(factors, scores, self._tolerance)
        back = start if chosen is None else ends.get(chosen, start)
        back()
        if chosen is not None and self._group is not None:
            self._share(parts, chosen % size)
        return scores, chosen

    def _gather(self, found: list[float], size: int) -> tuple[float, ...]:
        if self._group is None:
            return tuple(found)
        rows: list[Any] = [None] * size
        dist.all_gather_object(rows, found, group=self._group)
        return tuple(rows[at % size][at] for at in range(len(found)))

    def _share(self, parts: Sequence[Any], source: int) -> None:
        """Give the state of one process to all others."""
        assert self._group is not None
        sender = dist.get_global_rank(self._group, source)
        mine = dist.get_rank(self._group) == source
        content: list[Any] = [states_of(parts) if mine else None]
        dist.broadcast_object_list(content, src=sender, group=self._group)
        if not mine:
            put_states(parts, content[0])


def _plain(rate: float | Tensor) -> float:
    return float(rate) if isinstance(rate, Tensor) else rate


def _record(values: Mapping[str, Any]) -> EpochRecord:
    lists = {name: tuple(values[name]) for name in ("factors", "rates", "scores")}
    return EpochRecord(**{**values, **lists})
