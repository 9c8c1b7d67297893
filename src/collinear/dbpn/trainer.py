"""One trainer for both stages: pretraining is fine-tuning with one term.

The step of the adversarial training is a lean one: the generator runs forward once, the
discriminator sees its detached output, neither the discriminator nor the feature
network collects gradients in the generator's step, and originals run without a graph.
The discriminator runs on originals and super-resolved images one after the other,
because its normalisation is over a minibatch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from collinear.dbpn.acceleration import (
    compile_networks,
    memory_format,
    start_of_update,
)
from collinear.dbpn.config import AUGMENTATIONS
from collinear.dbpn.features import build_features
from collinear.dbpn.losses import (
    TERMS,
    discriminator_error,
    generator_terms,
    weighted_sum,
)
from collinear.dbpn.minibatch import PatchSource, choose_resident
from collinear.dbpn.model import DBPN
from collinear.dbpn.networks import build_adam, build_discriminator, build_generator
from collinear.dbpn.patches import Patch, plan_patches
from collinear.dbpn.pixels import normalise, to_levels
from collinear.dbpn.task import Task

COLUMNS = ("iteration", "epoch", "learning_rate", "loss", *TERMS, "discriminator")
"""Columns of the learning curve; `rmse` (grey levels, RGB, minibatch) follows them."""

CURVE_COLUMNS = (*COLUMNS, "rmse")
_CURVE_ROWS = 200
_NEVER = -1
_CHECKS = 4  # minibatches of `check_loss`
_Network = TypeVar("_Network", bound=nn.Module)


class Trainer:
    """The networks of a training and their updates.

    Attributes:
        task: What is trained.
        step: Updates done.
        generator: The network in training.
        average: Its moving average, or None.
        discriminator: None when the adversarial weight is 0.
        features: None when no term needs them.
        curve: Rows of the learning curve so far.
        scores: (update, value) of the network where a stop table asked for it.
        scored: Name of that value; empty before there is one.
        marks: (update, loss, seconds since the mark before) of a race
            (`collinear.dbpn.race`); seconds are None where a restart lies between.
        rate: Learning rate, where it is searched for (`collinear.dbpn.stpt`).
        rates: (update, learning rate) of each search.
        curve_rows: About how many rows the whole training gets.
        seconds: Training time so far.
    """

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task = task
        self.device = device
        self.step = 0
        self.seconds = 0.0
        self.curve: list[list[float | None]] = []
        self.scores: list[tuple[int, float | None]] = []
        self.scored = ""
        self.marks: list[tuple[int, float, float | None]] = []
        self.rate = task.stage_settings.learning_rate
        self.rates: list[tuple[int, float]] = []
        self.curve_rows = _CURVE_ROWS
        stage = task.stage_settings
        settings = task.settings
        self._normalisation = settings.model.normalisation
        self._format = memory_format(settings)
        resident = choose_resident(settings.data.store, task.images, device)
        self._source = PatchSource(
            task.images, settings.scale, device, resident=resident
        )
        self.generator = self._place(build_generator(task))
        self.average = copy.deepcopy(self.generator) if stage.ema > 0 else None
        discriminator = build_discriminator(task)
        self.discriminator = self._place(discriminator) if discriminator else None
        self.features = (
            self._place(
                build_features(settings.features, normalisation=self._normalisation)
            )
            if stage.uses_features
            else None
        )
        compile_networks(settings, self.generator, self.discriminator, self.features)
        self._optimizer = build_adam(self.generator, stage.learning_rate)
        self._optimizer_d = (
            build_adam(self.discriminator, stage.learning_rate)
            if self.discriminator is not None
            else None
        )
        self._first_bad = torch.full((), _NEVER, dtype=torch.int64, device=device)

    def update(self) -> None:
        """Do one update; the learning curve gets a row when one is due."""
        lq, gt = self._minibatch()
        start_of_update(self.task.settings)
        self._set_learning_rate()
        parts = self.task.stage_settings.accumulate
        pairs = list(zip(lq.chunk(parts), gt.chunk(parts), strict=True))
        if parts == 1:
            sr = self._generate(lq)
            loss_d = self._update_discriminator([(sr.detach(), gt)])
            results: Iterable[tuple[Tensor, Tensor]] = [(sr, gt)]
        else:
            loss_d = self._update_discriminator(self._generated(pairs))
            results = ((self._generate(part), original) for part, original in pairs)
        self._optimizer.zero_grad(set_to_none=True)
        found = [self._add_gradients(sr, gt, parts) for sr, gt in results]
        self._optimizer.step()
        self._update_average()
        losses = {
            name: torch.stack([f[name] for f in found]).sum() for name in found[0]
        }
        self._watch(losses["loss"], loss_d)
        self.step += 1
        if self.row_due:
            self._add_row(losses, loss_d)

    def _generate(self, lq: Tensor) -> Tensor:
        with self._autocast():
            return self.generator(lq)

    def _generated(
        self, pairs: Sequence[tuple[Tensor, Tensor]]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Generate parts without a graph, for the discriminator, which learns first."""
        for lq, gt in pairs:
            with torch.no_grad():
                sr = self._generate(lq)
            yield sr, gt

    def _add_gradients(self, sr: Tensor, gt: Tensor, parts: int) -> dict[str, Tensor]:
        """Add a part's gradients to the generator; return its share of each number."""
        stage = self.task.stage_settings
        with self._autocast():
            terms = generator_terms(
                sr,
                gt,
                stage,
                features=self.features,
                discriminator=self.discriminator,
            )
        loss = weighted_sum(terms, stage) / parts
        loss.backward()
        shares = {name: term.detach() / parts for name, term in terms.items()}
        shares["loss"] = loss.detach()
        if self._next_row_due:
            ours, theirs = (
                to_levels(x, self._normalisation) for x in (sr.detach(), gt)
            )
            shares["squares"] = (ours - theirs).square().mean() / parts
        return shares

    @property
    def row_due(self) -> bool:
        """Whether the learning curve has a row for the current step."""
        return self._is_row(self.step)

    @property
    def _next_row_due(self) -> bool:
        return self._is_row(self.step + 1)

    def _is_row(self, step: int) -> bool:
        every = max(1, self.task.iterations // self.curve_rows)
        return step % every == 0 or step in (1, self.task.iterations)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the update after `step` updates."""
        stage = self.task.stage_settings
        if stage.stpt is not None:
            return self.rate
        passed = sum(
            self.step >= share * self.task.iterations for share in stage.decay_at
        )
        return stage.learning_rate * stage.decay_factor**passed

    @torch.no_grad()
    def check_loss(self) -> float:
        """Return the loss on minibatches that only serve to compare learning rates."""
        stage, found = self.task.stage_settings, []
        for number in range(_CHECKS):
            lq, gt = self._minibatch("check", number)
            for small, original in zip(
                lq.chunk(stage.accumulate), gt.chunk(stage.accumulate), strict=True
            ):
                terms = generator_terms(
                    self._generate(small),
                    original,
                    stage,
                    features=self.features,
                    discriminator=self.discriminator,
                )
                found.append(weighted_sum(terms, stage))
        return float(torch.stack(found).mean())

    @torch.no_grad()
    def rmse_on(self, patches: Sequence[Patch], patch: int) -> float:
        """Return the RMSE of the network to keep, in grey levels of RGB.

        Args:
            patches: Where; the training is left as it is.
            patch: Their side in low resolution pixels.
        """
        lq, gt = self._source.minibatch(patches, patch)
        with self._autocast():
            sr = self.result(self._seen(lq))
        ours, theirs = (to_levels(x, self._normalisation) for x in (sr, self._seen(gt)))
        return math.sqrt(float((ours - theirs).square().mean()))

    @property
    def image_sizes(self) -> Sequence[tuple[int, int]]:
        """Height and width of each low resolution training image."""
        return self._source.sizes

    def epochs(self, step: int) -> float:
        """Return the passes over the training images after some updates."""
        return step * self.task.stage_settings.minibatch / len(self.task.images)

    def trouble(self) -> tuple[int, str] | None:
        """Return (iteration, reason) when the training has diverged."""
        first = int(self._first_bad)
        if first != _NEVER:
            return first + 1, f"the loss is not finite at iteration {first + 1}"
        limit = self.task.settings.max_rmse
        rmse = self.curve[-1][-1] if self.curve else None
        if limit is not None and rmse is not None and not rmse <= limit:
            iteration = int(self.curve[-1][0] or 0)
            return iteration, (
                f"the RMSE of the minibatch is {rmse:.4g} at iteration {iteration}, "
                f"above abort.max_rmse {limit:g}"
            )
        if self.step == self.task.iterations and not self._result_is_finite():
            return self.step, f"the weights are not finite at iteration {self.step}"
        return None

    @property
    def result(self) -> DBPN:
        """The network to keep: the moving average if there is one."""
        return self.generator if self.average is None else self.average

    def state(self) -> dict[str, Any]:
        """Return all that changes during the training, for `state.save_state`."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "first_bad": int(self._first_bad),
            "curve": self.curve,
            "scores": [list(score) for score in self.scores],
            "scored": self.scored,
            "marks": [list(mark) for mark in self.marks],
            "rate": self.rate,
            "rates": [list(rate) for rate in self.rates],
            "g": self.generator.state_dict(),
            "ema": _state_of(self.average),
            "d": _state_of(self.discriminator),
            "opt_g": self._optimizer.state_dict(),
            "opt_d": _state_of(self._optimizer_d),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same training."""
        self.step = state["step"]
        self.seconds = state["seconds"]
        self.curve = state["curve"]
        # States of before these keys have none of them.
        self.scores = [(step, value) for step, value in state.get("scores", [])]
        self.scored = state.get("scored", "")
        self.marks = [(step, *rest) for step, *rest in state.get("marks", [])]
        self.rate = state.get("rate", self.rate)
        self.rates = [(step, rate) for step, rate in state.get("rates", [])]
        self._first_bad.fill_(state["first_bad"])
        self.generator.load_state_dict(state["g"])
        self._optimizer.load_state_dict(state["opt_g"])
        if self.average is not None:
            self.average.load_state_dict(state["ema"])
        if self.discriminator is not None and self._optimizer_d is not None:
            self.discriminator.load_state_dict(state["d"])
            self._optimizer_d.load_state_dict(state["opt_d"])

    def _place(self, network: _Network) -> _Network:
        placed = network.to(self.device)
        # torch's types do not know this argument of `to`.
        return placed.to(memory_format=self._format)  # type: ignore[call-overload]

    def _minibatch(
        self, stream: str | None = None, number: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return lq (n, 3, p, p) and gt (n, 3, s p, s p) as the networks see them.

        By default those of this update; else a numbered one of another stream.
        """
        task, stage = self.task, self.task.stage_settings
        patches = plan_patches(
            task.seed,
            stream or task.stage,
            self.step if number is None else number,
            minibatch=stage.minibatch,
            patch=stage.patch,
            sizes=self._source.sizes,
            orientations=AUGMENTATIONS[stage.augment],
        )
        lq, gt = self._source.minibatch(patches, stage.patch)
        return self._seen(lq), self._seen(gt)

    def _seen(self, pixels: Tensor) -> Tensor:
        image = normalise(pixels, self._normalisation)
        return image.contiguous(memory_format=self._format)

    def _autocast(self) -> torch.autocast:
        enabled = self.task.settings.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def _set_learning_rate(self) -> None:
        for optimizer in (self._optimizer, self._optimizer_d):
            if optimizer is not None:
                for group in optimizer.param_groups:
                    group["lr"] = self.learning_rate

    def _update_discriminator(
        self, pairs: Iterable[tuple[Tensor, Tensor]]
    ) -> Tensor | None:
        """Teach the discriminator on parts (sr, gt) of a minibatch; return its loss."""
        network, optimizer = self.discriminator, self._optimizer_d
        if network is None or optimizer is None:
            return None
        network.requires_grad_(True)
        optimizer.zero_grad(set_to_none=True)
        losses = []
        for sr, gt in pairs:
            with self._autocast():
                loss = discriminator_error(network(gt), network(sr))
            loss = loss / self.task.stage_settings.accumulate
            loss.backward()
            losses.append(loss.detach())
        optimizer.step()
        network.requires_grad_(False)
        return torch.stack(losses).sum()

    @torch.no_grad()
    def _update_average(self) -> None:
        if self.average is not None:
            share = 1 - self.task.stage_settings.ema
            ours: list[Tensor] = list(self.average.parameters())
            torch._foreach_lerp_(ours, list(self.generator.parameters()), share)

    def _watch(self, *losses: Tensor | None) -> None:
        """Note the first update with a loss that is not finite, without a wait."""
        found = [loss.detach() for loss in losses if loss is not None]
        bad = ~torch.isfinite(torch.stack(found)).all() & (self._first_bad == _NEVER)
        self._first_bad.masked_fill_(bad, self.step)

    def _add_row(self, losses: dict[str, Tensor], loss_d: Tensor | None) -> None:
        terms = [losses.get(name) for name in TERMS]
        values = [losses["loss"], *terms, loss_d, losses["squares"].sqrt()]
        rate = self._optimizer.param_groups[0]["lr"]
        row = [float(self.step), self.epochs(self.step), float(rate)]
        self.curve.append([*row, *(None if v is None else float(v) for v in values)])

    def _result_is_finite(self) -> bool:
        return all(bool(torch.isfinite(p).all()) for p in self.result.parameters())


def _state_of(part: Any) -> dict[str, Any] | None:
    return None if part is None else part.state_dict()
