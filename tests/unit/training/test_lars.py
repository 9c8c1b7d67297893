"""LARS against algorithm 1 of its paper, computed by hand and in numpy."""

import io

import numpy as np
import pytest
import torch

from collinear.training.errors import TuningError
from collinear.training.lars import Lars


def parameter(values):
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64))


def update(optimizer, weights, gradient):
    weights.grad = torch.tensor(gradient, dtype=torch.float64)
    optimizer.step()
    return weights.detach().numpy().copy()


def test_two_updates_agree_with_a_computation_by_hand():
    weights = parameter([[3.0, 4.0]])
    optimizer = Lars([weights], lr=2.0, momentum=0.5, weight_decay=0.2, trust=0.1)
    # |w| = 5, |g| = 1, so local = 0.1 * 5 / (1 + 0.2 * 5) = 0.25, and v is
    # 2 * 0.25 * ((1, 0) + 0.2 (3, 4)) = (0.8, 0.4).
    assert update(optimizer, weights, [[1.0, 0.0]]) == pytest.approx(
        np.array([[2.2, 3.6]])
    )
    # The rate falls to 1 between updates: v keeps what it had. |w| = sqrt(17.8),
    # |g| = 0.5, local = 0.1 sqrt(17.8) / (0.5 + 0.2 sqrt(17.8)) = 0.3139605, and v is
    # 0.5 (0.8, 0.4) + local ((0, 0.5) + 0.2 (2.2, 3.6)).
    optimizer.param_groups[0]["lr"] = 1.0
    local = 0.1 * 17.8**0.5 / (0.5 + 0.2 * 17.8**0.5)
    assert local == pytest.approx(0.3139605, abs=1e-7)
    velocity = np.array([[0.4 + local * 0.44, 0.2 + local * 1.22]])
    assert update(optimizer, weights, [[0.0, 0.5]]) == pytest.approx(
        np.array([[2.2, 3.6]]) - velocity
    )


def reference(weights, gradients, lr, momentum, decay, trust):
    """Algorithm 1 in numpy."""
    velocity = np.zeros_like(weights)
    for gradient in gradients:
        size, slope = np.linalg.norm(weights), np.linalg.norm(gradient)
        local = trust * size / (slope + decay * size)
        velocity = momentum * velocity + lr * local * (gradient + decay * weights)
        weights = weights - velocity
    return weights


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_many_updates_agree_with_the_algorithm(momentum, decay):
    draw = np.random.default_rng(1)
    start, gradients = draw.normal(size=(3, 2, 2)), draw.normal(size=(7, 3, 2, 2))
    weights = parameter(start)
    optimizer = Lars(
        [weights], lr=3.0, momentum=momentum, weight_decay=decay, trust=0.02
    )
    for gradient in gradients:
        found = update(optimizer, weights, gradient)
    wanted = reference(start, gradients, 3.0, momentum, decay, 0.02)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_the_size_of_a_gradient_does_not_matter():
    ends = []
    for factor in (1.0, 1e6):
        weights = parameter([[1.0, 2.0], [3.0, 4.0]])
        optimizer = Lars([weights], lr=1.0)
        ends.append(update(optimizer, weights, [[factor, 0.0], [0.0, -factor]]))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)


def test_vectors_are_plain_momentum_without_decay_unless_asked():
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.5}
    vector, plain = parameter([1.0, -2.0]), parameter([1.0, -2.0])
    lars = Lars([vector], **options)
    sgd = torch.optim.SGD([plain], lr=0.1, momentum=0.9)
    for gradient in ([1.0, 2.0], [0.5, 0.0]):
        found = update(lars, vector, gradient)
        np.testing.assert_allclose(found, update(sgd, plain, gradient), rtol=1e-12)
    asked = parameter([1.0, -2.0])
    found = update(Lars([asked], **options, adapt_vectors=True), asked, [1.0, 2.0])
    wanted = reference(
        np.array([1.0, -2.0]), [np.array([1.0, 2.0])], 0.1, 0.9, 0.5, 1e-3
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_tensor_of_zeros_moves_and_a_gradient_of_zeros_changes_nothing():
    weights = parameter([[0.0, 0.0]])
    assert update(Lars([weights], lr=0.5), weights, [[1.0, 0.0]]).tolist() == [
        [-0.5, 0.0]
    ]
    still = parameter([[1.0, 2.0]])
    assert update(Lars([still], lr=0.5), still, [[0.0, 0.0]]).tolist() == [[1.0, 2.0]]


def test_a_state_from_a_file_goes_on_bit_for_bit():
    def run(weights, optimizer, rows):
        for row in rows:
            update(optimizer, weights, row)

    draw = np.random.default_rng(2)
    gradients = draw.normal(size=(6, 2, 3))
    whole = parameter(np.ones((2, 3)))
    run(whole, Lars([whole], lr=5.0, weight_decay=1e-4), gradients)
    first = parameter(np.ones((2, 3)))
    optimizer = Lars([first], lr=5.0, weight_decay=1e-4)
    run(first, optimizer, gradients[:3])
    file = io.BytesIO()
    torch.save((first.detach(), optimizer.state_dict()), file)
    file.seek(0)
    values, state = torch.load(file, weights_only=True)
    second = torch.nn.Parameter(values)
    again = Lars([second], lr=0.1, momentum=0.0, trust=0.5)
    again.load_state_dict(state)
    run(second, again, gradients[3:])
    assert torch.equal(whole, second)


def test_groups_have_their_own_values_and_a_closure_gives_the_loss():
    one, other = parameter([[2.0]]), parameter([[2.0]])
    optimizer = Lars([{"params": [one]}, {"params": [other], "lr": 0.0}], lr=1.0)

    def closure():
        optimizer.zero_grad()
        loss = (one * other).sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 4.0
    assert one.item() == pytest.approx(2 - 0.001 * 2)
    assert other.item() == 2.0


def test_a_network_learns():
    torch.manual_seed(0)
    x = torch.randn(256, 8)
    y = x.sum(1, keepdim=True)
    net = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
    )
    optimizer = Lars(net.parameters(), lr=0.1, trust=0.1)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr": -1.0}, "lr must be 0 or above, but got -1.0"),
        ({"lr": float("nan")}, "lr must be 0 or above"),
        ({"lr": 1.0, "momentum": 1.0}, "momentum must be 0 to below 1"),
        ({"lr": 1.0, "weight_decay": -0.1}, "weight_decay must be 0 or above"),
        ({"lr": 1.0, "trust": 0.0}, "trust must be above 0"),
    ],
)
def test_values_out_of_range_are_refused(options, said):
    with pytest.raises(TuningError, match=said):
        Lars([parameter([[1.0]])], **options)


def test_sparse_gradients_are_refused():
    table = torch.nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(TuningError, match="dense gradients"):
        Lars(table.parameters(), lr=1.0).step()
