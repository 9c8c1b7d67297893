"""Short-term pre-training: the document's tables, its cost, and the policy."""

import copy
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collinear.training.errors import TuningError
from collinear.training.lars import Lars
from collinear.training.sharing import put_states, states_of
from collinear.training.snapshot import snapshot
from collinear.training.stpt import (
    ALPHA_STUDY,
    MIDDLE,
    MIX,
    NARROW,
    WARM_UP_EPOCHS,
    WARM_UP_RATE,
    WIDE,
    StptPlan,
    candidate_set,
    choose,
    cost,
    mix_for,
)
from collinear.training.stpt_policy import Stpt


def test_sets_are_those_of_tables_2_and_3():
    assert NARROW == (1.25, 1.17, 1.08, 1.0, 0.95, 0.9, 0.85, 0.8)
    assert MIDDLE == (2.5, 2.0, 1.5, 1.0, 0.85, 0.7, 0.55, 0.4)
    assert WIDE == (5.0, 3.67, 2.33, 1.0, 0.8, 0.6, 0.4, 0.2)
    assert ALPHA_STUDY == (10.0, 5.0, 3.0, 1.5, 1.0, 0.9, 0.5, 0.4)


def test_mix_is_that_of_table_4():
    plan = StptPlan(2500, 200, MIX, WARM_UP_EPOCHS, WARM_UP_RATE)
    by_epoch = {e: plan.factors(e) for e in range(1, 41)}
    assert [e for e, f in by_epoch.items() if f == ()] == [1, 2, 3, 4]
    assert [e for e, f in by_epoch.items() if f == NARROW] == list(range(5, 20))
    assert [e for e, f in by_epoch.items() if f == MIDDLE] == list(range(20, 30))
    assert [e for e, f in by_epoch.items() if f == WIDE] == list(range(30, 41))
    assert mix_for(40) == MIX
    assert [first for first, _ in mix_for(20)] == [1, 11, 15]


def test_one_factor_above_and_below_makes_a_set_of_three():
    assert candidate_set(3.0, 0.5, above=1, below=1) == (3.0, 1.0, 0.5)


@pytest.mark.parametrize("alpha", [200, 600, 625, 1250, 2500])
def test_the_saving_of_87_5_percent_is_one_of_eight_and_no_matter_of_alpha(alpha):
    assert cost(2500, alpha, 8).whole == 20_000
    assert cost(2500, alpha, 8).saved_concurrent == pytest.approx(1 - 1 / 8)


@pytest.mark.parametrize(
    ("alpha", "saved"), [(200, 0.805), (625, 0.656), (1250, 0.4375), (2500, 0.0)]
)
def test_one_worker_saves_less_the_longer_alpha_is(alpha, saved):
    assert cost(2500, alpha, 8).saved_sequential == pytest.approx(saved, abs=5e-4)


def test_one_gpu_pays_half_more_than_a_plain_epoch():
    assert cost(2500, 200, 8).over_plain == pytest.approx(1.56)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0.5, 0.2), "most, the largest factor, must be above 1, but got 0.5"),
        ((1.0, 0.2), "must be above 1"),
        ((math.nan, 0.2), "most must be above 0"),
        ((math.inf, 0.2), "most must be finite"),
        ((2.0, 2.0), "least must be between 0 and 1"),
        ((2.0, 0.0), "least must be between 0 and 1"),
        ((2.0, math.nan), "least must be between 0 and 1"),
        ((2.0, 0.004), "give 0.01 or more"),
        ((2.0, 0.5, 0), "above must be a whole number"),
        ((2.0, 0.5, 1, 0), "below must be a whole number"),
    ],
)
def test_a_set_that_is_not_around_one_is_refused(arguments, said):
    with pytest.raises(TuningError, match=said):
        candidate_set(*arguments)


@pytest.mark.parametrize("rate", [5.0, 1e-5])
def test_a_warm_up_keeps_the_bounds(rate):
    problem, options = Problem(), {"warm_up_rate": rate, "least": 1e-4, "most": 0.1}
    with pytest.raises(TuningError, match=f"and most 0.1, but got {rate:g}"):
        problem.policy(plan={"warm_up": 2, **options})
    assert problem.policy(plan=options).rate == 0.01, "without one it is not used"


@pytest.mark.parametrize("tolerance", [-1.0, math.nan])
def test_a_tolerance_is_checked_before_anything_is_trained(tolerance):
    problem = Problem()
    with pytest.raises(TuningError, match="tolerance must be 0 or more"):
        problem.policy(tolerance=tolerance)
    assert problem.rates == []
    with pytest.raises(TuningError, match="tolerance must be 0 or more"):
        choose([1.0], [0.5], tolerance)


SCORES = st.lists(
    st.one_of(st.just(math.nan), st.just(math.inf), st.sampled_from([0.1, 0.5, 0.9])),
    min_size=8,
    max_size=8,
)


@given(SCORES)
def test_the_choice_is_finite_best_and_nearest_to_one(scores):
    chosen = choose(WIDE, scores)
    finite = [s for s in scores if math.isfinite(s)]
    if not finite:
        assert chosen is None
        return
    assert scores[chosen] == max(finite)
    away = abs(math.log(WIDE[chosen]))
    others = [f for f, s in zip(WIDE, scores, strict=True) if s == max(finite)]
    assert away == min(abs(math.log(f)) for f in others)


def test_of_two_factors_as_near_the_smaller_goes_on():
    assert choose([2.0, 0.5], [1.0, 1.0]) == 1
    assert choose([5.0, 1.0], [0.95, 0.94], tolerance=0.02) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"alpha": 11}, "alpha 11 with 10 updates"),
        ({"alpha": 0}, "alpha must be a whole number"),
        ({"schedule": ()}, "must begin with epoch 1"),
        ({"schedule": ((2, WIDE),)}, "must begin with epoch 1"),
        ({"schedule": ((1, ()),)}, "set from epoch 1 on is empty"),
        ({"schedule": ((1, (1.0, -2.0)),)}, "must be above 0"),
        ({"least": 1.0, "most": 0.1}, "0 < least <= most"),
        (
            {"schedule": ((1, WIDE), (2.5, WIDE))},
            "first epoch of a set must be a whole",
        ),
        ({"schedule": ((1, (1.0, math.inf)),)}, "must be finite, but got inf"),
        ({"warm_up": -1}, "warm_up must be a whole number from 0 on"),
        ({"warm_up": 1.5}, "warm_up must be a whole number from 0 on"),
        ({"warm_up": math.nan}, "warm_up must be a whole number from 0 on"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(changes, said):
    with pytest.raises(TuningError, match=said):
        StptPlan(**({"iterations": 10, "alpha": 2, "schedule": ((1, WIDE),)} | changes))


class Problem:
    """A linear regression whose minibatches come from a generator that is kept."""

    def __init__(self, optimizer=torch.optim.SGD, **options):
        torch.manual_seed(3)
        draw = torch.Generator().manual_seed(1)
        self.x = torch.randn(64, 5, generator=draw)
        self.y = self.x @ torch.randn(5, 1, generator=draw)
        self.net = torch.nn.Sequential(torch.nn.Linear(5, 1), torch.nn.Dropout(0.1))
        self.optimizer = optimizer(self.net.parameters(), lr=0.1, **options)
        self.draw = torch.Generator().manual_seed(5)
        self.rates = []

    def train(self, n):
        for _ in range(n):
            rows = torch.randint(0, 64, (8,), generator=self.draw)
            self.optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(self.net(self.x[rows]), self.y[rows])
            loss.backward()
            self.optimizer.step()
            self.rates.append(self.optimizer.param_groups[0]["lr"])

    def score(self):
        with torch.no_grad():
            return -float(torch.nn.functional.mse_loss(self.net(self.x), self.y))

    def policy(self, factors=(4.0, 1.0, 0.25), alpha=3, rate=0.01, **options):
        plan = {"least": 1e-4, "most": 0.5} | options.pop("plan", {})
        return Stpt(
            StptPlan(10, alpha, ((1, factors),), **plan),
            self.optimizer,
            rate=rate,
            train=self.train,
            score=options.pop("score", self.score),
            keep=(self.net, self.draw),
            **options,
        )


def numbers(problem):
    return torch.cat([p.detach().flatten() for p in problem.net.parameters()])


OPTIMIZERS = pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9}),
        (torch.optim.Adam, {}),
        (torch.optim.Adagrad, {}),
        (Lars, {"weight_decay": 1e-3, "trust": 0.1}),
    ],
    ids=["SGD", "Adam", "AdaGrad", "LARS"],
)


@OPTIMIZERS
def test_one_factor_of_one_is_the_plain_training(optimizer, options):
    plain = Problem(optimizer, **options)
    plain.optimizer.param_groups[0]["lr"] = 0.01
    plain.train(30)
    tried = Problem(optimizer, **options)
    policy = tried.policy(factors=(1.0,), score=lambda: 0.0)
    for _ in range(3):
        policy.run_epoch()
    assert torch.equal(numbers(plain), numbers(tried))


def test_a_better_rate_is_found_and_compounds():
    problem = Problem(momentum=0.9)
    policy = problem.policy(rate=1e-4)
    records = [policy.run_epoch() for _ in range(4)]
    assert [r.factors[r.chosen] for r in records[:3]] == [4.0] * 3
    assert records[2].rate == pytest.approx(1e-4 * 4**3)
    assert policy.rate == records[-1].rate


def tensors_of(problem):
    """Weights, the optimiser's state, and all random states, copied."""
    states = [problem.optimizer.state[p] for p in problem.net.parameters()]
    kept = [value for state in states for value in state.values()]
    rest = [problem.draw.get_state(), torch.get_rng_state()]
    return copy.deepcopy([numbers(problem), *kept, *rest])


def same(ours, theirs):
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


@OPTIMIZERS
def test_every_candidate_starts_from_the_same_state(optimizer, options):
    problem, seen = Problem(optimizer, **options), []
    train = problem.train

    def spying(n):
        seen.append(tensors_of(problem))
        train(n)

    problem.train = spying
    policy = problem.policy()
    policy.run_epoch()
    seen.clear()
    policy.run_epoch()
    assert len(seen) == 4  # three candidates and the rest
    assert len(seen[0]) > 3  # the optimiser has a state
    assert same(seen[1], seen[0])
    assert same(seen[2], seen[0])
    assert not same(seen[3], seen[0])


@OPTIMIZERS
def test_the_chosen_candidate_goes_on_where_it_was(optimizer, options):
    problem = Problem(optimizer, **options)
    record = problem.policy().run_epoch()
    alone = Problem(optimizer, **options)
    alone.optimizer.param_groups[0]["lr"] = record.rate
    alone.train(10)
    assert same(tensors_of(problem), tensors_of(alone))


@OPTIMIZERS
def test_a_training_from_files_goes_on_bit_for_bit(tmp_path, optimizer, options):
    whole = Problem(optimizer, **options)
    policy = whole.policy()
    for _ in range(2):
        policy.run_epoch()
    parts = (whole.net, whole.optimizer, policy)
    kept = [*(part.state_dict() for part in parts), whole.draw.get_state()]
    torch.save([*kept, torch.get_rng_state()], tmp_path / "state.pt")
    for _ in range(2):
        policy.run_epoch()
    ends = tensors_of(whole)
    again = Problem(optimizer, **options)
    second = again.policy()
    net, state, rates, drawn, here = torch.load(
        tmp_path / "state.pt", weights_only=True
    )
    again.net.load_state_dict(net)
    again.optimizer.load_state_dict(state)
    second.load_state_dict(rates)
    again.draw.set_state(drawn)
    torch.set_rng_state(here)
    for _ in range(2):
        second.run_epoch()
    assert same(tensors_of(again), ends)
    assert second.records == policy.records


def test_candidates_that_diverge_are_out_and_the_rate_has_bounds():
    problem = Problem()
    policy = problem.policy(factors=(1e6, 1.0), plan={"most": 1e9})
    record = policy.run_epoch()
    assert record.chosen == 1
    assert problem.policy(factors=(1e6,), rate=0.4).run_epoch().rate == 0.5


def test_when_all_are_out_the_start_of_the_epoch_is_kept_with_the_least_rate():
    problem = Problem()
    record = problem.policy(score=lambda: math.nan).run_epoch()
    assert (record.chosen, record.rate) == (None, 0.0025)
    alone = Problem()
    alone.optimizer.param_groups[0]["lr"] = 0.0025
    alone.train(10)
    assert torch.equal(numbers(problem), numbers(alone))


def test_warm_up_comes_first_and_group_ratios_stay():
    problem = Problem()
    weights, bias = problem.net.parameters()
    problem.optimizer = torch.optim.SGD(
        [{"params": [weights], "lr": 0.1}, {"params": [bias], "lr": 0.2}]
    )
    policy = problem.policy(plan={"warm_up": 1, "warm_up_rate": 0.005})
    assert policy.run_epoch().rate == 0.005
    record = policy.run_epoch()
    rates = [g["lr"] for g in problem.optimizer.param_groups]
    assert rates == [record.rate, pytest.approx(2 * record.rate)]


@pytest.mark.parametrize("rate", [0.0, math.nan])
def test_ratios_to_a_first_group_without_a_rate_are_refused(rate):
    problem = Problem()
    problem.optimizer.param_groups[0]["lr"] = rate
    with pytest.raises(
        TuningError, match=f"first group must be above 0, but got {rate}"
    ):
        problem.policy()


def test_a_tolerance_keeps_the_state_of_whatever_is_chosen():
    scores = iter([0.92, 0.90, 0.95])
    problem = Problem()
    policy = problem.policy(
        factors=(2.0, 1.0, 5.0), score=lambda: next(scores), tolerance=0.04
    )
    record = policy.run_epoch()
    assert record.chosen == 0
    alone = Problem()
    alone.optimizer.param_groups[0]["lr"] = record.rate
    alone.train(10)
    assert torch.equal(numbers(problem), numbers(alone))


def test_a_policy_that_is_put_back_goes_on_alike():
    whole = Problem(momentum=0.9)
    policy = whole.policy()
    for _ in range(4):
        policy.run_epoch()
    broken = Problem(momentum=0.9)
    first = broken.policy()
    for _ in range(2):
        first.run_epoch()
    second = broken.policy()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for _ in range(2):
        second.run_epoch()
    assert torch.equal(numbers(whole), numbers(broken))
    assert second.records == policy.records


def tensor_adam(dtype=torch.float64, **options):
    """Adam whose learning rate is a tensor."""
    return lambda parameters, lr: torch.optim.Adam(
        parameters, lr=torch.tensor(lr, dtype=dtype), **options
    )


def epochs_of(problem):
    """Records of four epochs, and the weights at their end."""
    policy = problem.policy()
    return [policy.run_epoch() for _ in range(4)], numbers(problem)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_rate_that_is_a_tensor_trains_as_one_that_is_a_number(dtype):
    records, weights = epochs_of(Problem(torch.optim.Adam))
    problem = Problem(tensor_adam(dtype))
    rate = problem.optimizer.param_groups[0]["lr"]
    found, ends = epochs_of(problem)
    assert [(r.rates, r.chosen) for r in found] == [
        (r.rates, r.chosen) for r in records
    ]
    assert len({record.rate for record in records}) > 1
    assert problem.optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(records[-1].rate, rel=1e-6)
    close = {"rtol": 0.0, "atol": 0.0} if dtype == torch.float64 else {}
    torch.testing.assert_close(ends, weights, **close)


def test_a_snapshot_fills_the_tensor_of_a_rate_and_holds_a_copy():
    problem = Problem(tensor_adam(betas=(torch.tensor(0.9), torch.tensor(0.99))))
    (group,) = problem.optimizer.param_groups
    rate, betas = group["lr"], group["betas"]
    back = snapshot(problem.optimizer)
    for _ in range(2):
        rate.fill_(7.0)
        betas[0].fill_(0.1)
        group["lr"] = torch.tensor(8.0)
        back()
        assert group["lr"] is rate
        assert group["betas"][0] is betas[0]
        assert (rate.item(), betas[0].item()) == (0.1, pytest.approx(0.9))


def test_the_state_of_another_process_fills_the_tensor_of_a_rate():
    here, there = Problem(tensor_adam()), Problem(tensor_adam())
    there.optimizer.param_groups[0]["lr"].fill_(0.3)
    there.train(2)
    rate = here.optimizer.param_groups[0]["lr"]
    put_states([here.optimizer], states_of([there.optimizer]))
    assert here.optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.3


def test_ratios_of_tensor_rates_stay():
    problem = Problem()
    weights, bias = problem.net.parameters()
    problem.optimizer = torch.optim.Adam(
        [{"params": [weights]}, {"params": [bias], "lr": torch.tensor(0.2)}],
        lr=torch.tensor(0.1),
    )
    record = problem.policy().run_epoch()
    rates = [float(g["lr"]) for g in problem.optimizer.param_groups]
    assert rates == pytest.approx([record.rate, 2 * record.rate])


class Drawing(Problem):
    """Its minibatches come from a random state that is kept without being named."""

    def __init__(self, draw, **options):
        super().__init__(**options)
        random.seed(4), np.random.seed(4)  # noqa: NPY002
        self.one = draw

    def train(self, n):
        for _ in range(n):
            self.draw.manual_seed(self.one())
            super().train(1)


class Centred(torch.nn.Linear):
    """Subtracts a mean of what it has seen, in a buffer of one kind."""

    def __init__(self, kind):
        super().__init__(5, 1)
        first = None if kind == "empty" else torch.zeros(5)
        self.kind = kind
        self.register_buffer("mean", first, persistent=kind != "hidden")

    def forward(self, x):
        if torch.is_grad_enabled():
            mean = x.mean(0) if self.mean is None else 0.5 * (self.mean + x.mean(0))
            if self.kind == "late" and not hasattr(self, "seen"):
                self.register_buffer("seen", torch.zeros(5), persistent=False)
            if self.kind == "late":
                self.seen += mean
                mean = mean + 0.1 * self.seen
            self.mean = mean if self.kind != "hidden" else self.mean.copy_(mean)
        return super().forward(x - self.mean)


class Buffered(Problem):
    """Its network has a buffer that a step changes."""

    def __init__(self, kind, **options):
        super().__init__(**options)
        self.net = Centred(kind)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)


class Accumulating(Problem):
    """Its gradients go on from the last update, halved."""

    def train(self, n):
        zero, self.optimizer.zero_grad = self.optimizer.zero_grad, self.halve
        super().train(n)
        self.optimizer.zero_grad = zero

    def halve(self):
        for parameter in self.net.parameters():
            if parameter.grad is not None:
                parameter.grad *= 0.5


class Double(Problem):
    """Its optimiser keeps a product in single precision."""

    def __init__(self):
        super().__init__(torch.optim.NAdam)
        self.net.double()
        self.x, self.y = self.x.double(), self.y.double()


class Generators(Drawing):
    """Its minibatches come from generators of Python and numpy that are kept."""

    def __init__(self):
        self.own = random.Random(1), np.random.default_rng(1)
        python, numpy = self.own
        super().__init__(lambda: python.randrange(99) + int(numpy.integers(99)))

    def policy(self, **options):
        policy = super().policy(**options)
        policy._keep = (*policy._keep, *self.own)
        return policy


SHARED = {
    "plain": lambda: Problem(momentum=0.9),
    "python": lambda: Drawing(lambda: random.randrange(99)),
    "numpy": lambda: Drawing(lambda: int(np.random.randint(99))),  # noqa: NPY002
    "torch": lambda: Drawing(lambda: int(torch.randint(99, ()))),
    "generators": Generators,
    "hidden": lambda: Buffered("hidden"),
    "rebound": lambda: Buffered("rebound"),
    "empty": lambda: Buffered("empty"),
    "late": lambda: Buffered("late"),
    "gradients": lambda: Accumulating(momentum=0.9),
    "double": Double,
    "tensor": lambda: Problem(tensor_adam()),
}


def shared(kind, group=None):
    """All that a training of three epochs leaves behind."""
    problem = SHARED[kind]()
    policy = problem.policy(factors=(4.0, 2.0, 1.0, 0.5, 0.25), group=group)
    for _ in range(3):
        policy.run_epoch()
    buffers = {name: b.clone() for name, b in problem.net.named_buffers()}
    return numbers(problem), buffers, policy.state_dict()


WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch, torch.distributed as dist
from test_stpt import SHARED, shared
rank, folder = int(sys.argv[2]), Path(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
)
found = {kind: shared(kind, dist.group.WORLD) for kind in SHARED}
torch.save(found, folder / f"{rank}.pt")
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def found_by_two(tmp_path_factory):
    """What each of two processes has at the end, for all kinds of trainings."""
    out, folder = tmp_path_factory.mktemp("two"), str(Path(__file__).parent)
    command = [sys.executable, "-c", WORKER, folder]
    workers = [
        subprocess.Popen([*command, str(rank), str(out)], stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    try:
        for worker in workers:
            _, said = worker.communicate(timeout=120)
            assert worker.returncode == 0, said.decode()
    finally:
        for worker in workers:
            worker.kill()
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("kind", SHARED)
def test_two_processes_find_what_one_finds(found_by_two, kind):
    weights, buffers, state = shared(kind)
    for found in found_by_two:
        theirs, seen, rates = found[kind]
        assert torch.equal(theirs, weights)
        assert seen.keys() == buffers.keys()
        assert all(torch.equal(seen[name], buffers[name]) for name in buffers)
        assert rates == state


def test_a_group_of_one_worker_is_refused(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1
    )
    try:
        with pytest.raises(TuningError, match="at least two processes, but got one"):
            Problem().policy(group=torch.distributed.group.WORLD)
    finally:
        torch.distributed.destroy_process_group()
