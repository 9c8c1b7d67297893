"""Racing of variants: prediction, ranking, refusals."""

import math

import numpy as np
import pytest
import torch

from collinear.training.continuation import check_smooth, noise_share, predict
from collinear.training.errors import TuningError
from collinear.training.race import (
    Variant,
    continues_well,
    rank,
    rank_by_last,
    trade_off,
)
from collinear.training.snapshot import snapshot

T = np.arange(1, 41)


def power(end, t=T):
    return end + 2.0 * (t + 1.0) ** -0.7


@pytest.mark.parametrize("end", [0.0, 0.5, 3.0])
def test_a_power_law_is_continued(end):
    found = predict(power(end), 400)
    assert found.form == "power"
    assert found.value == pytest.approx(power(end, 400.0), abs=0.03)


def test_an_exponential_is_continued():
    found = predict(1.0 + 3.0 * np.exp(-T / 12), 200)
    assert found.value == pytest.approx(1.0, abs=0.02)


def test_a_prediction_is_between_nothing_and_the_last_loss():
    rising = np.linspace(1, 2, 20)
    assert predict(rising, 100).value == pytest.approx(rising[-3:].mean())
    assert predict(np.linspace(2, 0.1, 20), 1000).value >= 0
    assert predict([3.0] * 10, 50).value == 3.0
    assert predict(power(0.5), 7).value == power(0.5)[6]


@pytest.mark.parametrize("losses", [[1.0] * 4, [1.0] * 9 + [math.nan]])
def test_a_curve_that_says_nothing_is_refused(losses):
    with pytest.raises(TuningError, match="5 epochs or more with finite losses"):
        predict(losses, 50)


def test_prediction_beats_the_last_value_on_noisy_power_laws():
    draw = np.random.default_rng(0)
    errors, last = [], []
    for _ in range(30):
        end, d = draw.uniform(0.1, 1), draw.uniform(0.4, 1.2)
        curve = end + 2 * (np.arange(1, 201) + 1) ** -d
        seen = curve[:30] + draw.normal(0, 0.005, 30)
        errors.append(abs(predict(seen, 200).value - curve[-1]))
        last.append(abs(seen[-1] - curve[-1]))
    assert np.mean(errors) < 0.6 * np.mean(last)


def variants():
    """One is fast and ends early, one is slow and ends lower."""
    fast = 1.0 + 2.0 * np.exp(-T[:20] / 3)
    slow = 0.5 + 2.0 * np.exp(-T[:20] / 10)
    return [Variant("fast", tuple(fast), 1.0), Variant("slow", tuple(slow), 2.0)]


def test_the_winner_depends_on_the_wall_time():
    assert trade_off(variants(), [12.0, 300.0]) == {12.0: "fast", 300.0: "slow"}
    best = rank(variants(), 300.0, longest=50)[0]
    assert (best.name, best.epochs) == ("slow", 50)
    assert best.prediction.value == pytest.approx(0.5 + 2 * math.exp(-5), abs=0.02)


def test_a_diverged_variant_comes_last():
    ranked = rank([Variant("lost", (1.0, math.nan), 1.0), *variants()], 100.0)
    assert [r.name for r in ranked][-1] == "lost"
    assert ranked[-1].prediction is None


def test_a_score_that_jumps_is_refused():
    draw = np.random.default_rng(1)
    jumpy = 5 + draw.normal(0, 0.7, 30)
    assert noise_share(jumpy) > 0.1 > noise_share(power(0.5))
    with pytest.raises(TuningError, match="not on the score of a GAN"):
        check_smooth("gan", jumpy)
    with pytest.raises(TuningError, match="variant 'gan'"):
        rank([Variant("gan", tuple(jumpy), 1.0), *variants()], 100.0)


@pytest.mark.parametrize(
    ("entries", "wall", "said"),
    [
        ([], 10.0, "two variants or more, but got 0"),
        (variants()[:1], 10.0, "but got 1"),
        ([variants()[0]] * 2, 10.0, "different names"),
        (variants(), 0.0, "wall_seconds must be above 0"),
        (variants(), math.inf, "wall_seconds must be finite, but got inf; leave it"),
        (variants(), 1.5, "shorter than an epoch of variant 'slow'"),
        ([Variant(n, (math.nan,), 1.0) for n in "ab"], 9.0, "every variant diverged"),
        ([Variant(n, (1.0,) * 9, 0.0) for n in "ab"], 9.0, "seconds of variant 'a'"),
    ],
)
def test_a_race_that_cannot_be_run_is_refused(entries, wall, said):
    with pytest.raises(TuningError, match=said):
        rank(entries, wall)


def test_a_race_of_trainings_continues_the_known_winner_from_its_state():
    torch.manual_seed(0)
    x = torch.randn(256, 6)
    y = x @ torch.randn(6, 1)
    entries, states = [], {}
    for rate in (1e-4, 0.02, 0.1):
        net = torch.nn.Linear(6, 1)
        torch.nn.init.zeros_(net.weight)
        sgd = torch.optim.SGD(net.parameters(), lr=rate)
        losses = []
        for _ in range(12):
            sgd.zero_grad()
            loss = torch.nn.functional.mse_loss(net(x), y)
            losses.append(loss.item())
            loss.backward()
            sgd.step()
        entries.append(Variant(f"{rate:g}", tuple(losses), 1.0))
        states[f"{rate:g}"] = net, snapshot(net, sgd)
    winner = rank(entries, 200.0)[0].name
    assert winner == "0.1"
    net, back = states[winner]
    kept = net.weight.detach().clone()
    torch.nn.init.zeros_(net.weight)
    back()
    assert torch.equal(net.weight, kept)


def test_without_a_wall_time_each_is_judged_at_its_own_end():
    fast, slow = variants()
    short = Variant("short", slow.losses, 2.0, longest=25)
    ranked = rank([fast, slow, short], longest=200)
    assert [(r.name, r.epochs) for r in ranked[:2]] == [("slow", 200), ("short", 25)]
    with pytest.raises(TuningError, match="variant 'fast' needs an end"):
        rank(variants())


@pytest.mark.parametrize("longest", [0, -3, 2.5])
def test_an_end_before_the_first_epoch_is_refused(longest):
    with pytest.raises(TuningError, match=f"longest must be .* but got {longest}"):
        rank(variants(), longest=longest)
    short = Variant("short", variants()[0].losses, 1.0, longest)
    with pytest.raises(TuningError, match="longest of variant 'short' must be a whole"):
        rank([short, *variants()], longest=50)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_epochs_without_a_time_are_not_compared_in_time(seconds):
    entries = [Variant("odd", variants()[0].losses, seconds), *variants()]
    for judge in (rank_by_last, continues_well):
        with pytest.raises(TuningError, match="seconds of variant 'odd' must be"):
            judge(entries, same_time=True)
        assert judge(entries, same_time=False)
    lost = Variant("lost", (math.nan,), seconds)  # its time does not matter
    ranked = rank_by_last([lost, *variants()], same_time=True)
    assert [r.name for r in ranked] == ["fast", "slow", "lost"]


def test_a_variant_without_any_loss_has_diverged():
    ranked = rank([Variant("dead", (), 1.0), *variants()], 100.0)
    assert (ranked[-1].name, ranked[-1].prediction) == ("dead", None)


def test_by_last_value_where_nothing_can_be_continued():
    steady = Variant("steady", (5.0, 4.0, 3.0, 2.0), 1.0)
    slow = Variant("slow", (4.0, 3.0, 2.0, 1.0), 2.0)
    lost = Variant("lost", (1.0, math.inf), 0.1)
    at_end = rank_by_last([steady, slow, lost], same_time=False)
    assert [r.name for r in at_end] == ["slow", "steady", "lost"]
    assert at_end[0].prediction.value == 2.0  # of 3, 2, 1
    in_time = rank_by_last([steady, slow, lost], same_time=True)
    # In the four seconds of the shortest race the slow one had two losses.
    assert [(r.name, r.epochs) for r in in_time[:2]] == [("steady", 4), ("slow", 2)]
    assert in_time[1].prediction.value == 3.5
    with pytest.raises(TuningError, match="every variant diverged"):
        rank_by_last([lost, Variant("other", (), 1.0)], same_time=True)


def test_a_curve_still_at_its_start_falls_no_faster_than_in_its_last_doubling():
    t = np.arange(1, 21)
    start = 16.7 - 0.001 * t**2  # bends down, as networks that start as identity do
    found = predict(start, 100).value
    last_doubling = start[8:11].mean() - start[-3:].mean()
    assert found >= start[-3:].mean() - last_doubling * math.log2(5) - 1e-9


def test_predictions_are_tested_on_the_race_itself():
    fast = Variant("fast", tuple(1.0 + 2.0 * np.exp(-T[:20] / 3)), 1.0)
    slow = Variant("slow", tuple(0.5 + 2.0 * np.exp(-T[:20] / 8)), 1.0)
    assert continues_well([fast, slow], same_time=False)
    worse = Variant("worse", tuple(2.0 + 2.0 * np.exp(-T[:20] / 3)), 1.0)
    assert not continues_well([fast, worse], same_time=False), "last values do as well"
    lost = Variant("lost", (), 1.0)
    assert continues_well([fast, slow, lost], same_time=False)
    assert not continues_well([fast, lost], same_time=False), "there is no order"
    # In the time of the shortest race the slow one had too few losses for a test.
    late = Variant("late", slow.losses, 3.0)
    assert not continues_well([fast, late], same_time=True)


@pytest.mark.parametrize("unit", [1e-300, 1e-10, 1e-4, 1e6, 1e300])
def test_a_curve_in_another_unit_ends_alike(unit):
    losses = 1.0 + 4.0 * np.arange(1, 13) ** -1.5
    found, plain = predict(losses * unit, 60), predict(losses, 60)
    assert found.form == plain.form
    assert found.value == pytest.approx(plain.value * unit, rel=1e-9)
    with pytest.raises(TuningError, match="epoch must be a whole number from 1 on"):
        predict(losses, 0)
