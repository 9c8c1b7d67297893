"""Learning curves of many small trainings: python curves.py OUT.npz

A perceptron with two hidden layers on the digits of scikit-learn, a tenth of the
training labels replaced by random ones, error on held out images after every epoch.
Settings are drawn at random: learning rate, momentum, weight decay, dropout, width. The
nets are so small that all settings of one width train as one batched product.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.datasets import load_digits

WIDTHS = (16, 32, 64)
MINIBATCH = 64


def data(seed):
    digits = load_digits()
    x = torch.tensor(digits.data / 16.0, dtype=torch.float32)
    y = torch.tensor(digits.target)
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(x), generator=draw)
    x, y = x[order], y[order]
    train, held = 700, 600
    noisy = y[:train].clone()
    flipped = torch.rand(train, generator=draw) < 0.1
    noisy[flipped] = torch.randint(0, 10, (int(flipped.sum()),), generator=draw)
    return x[:train], noisy, x[-held:], y[-held:]


def settings(n, seed):
    draw = np.random.default_rng(seed)
    return {
        "learning_rate": 10 ** draw.uniform(-3.5, 0.3, n),
        "momentum": draw.choice([0.0, 0.5, 0.9, 0.97], n),
        "weight_decay": 10 ** draw.uniform(-6, -1.5, n),
        "dropout": draw.choice([0.0, 0.2, 0.5], n),
        "width": draw.choice(WIDTHS, n),
    }


def train_together(chosen, width, epochs, seed, decay_at):
    """All trainings of one width: (trainings, epochs) errors and cross entropies."""
    x, y, x_held, y_held = data(seed)
    n = len(chosen["learning_rate"])
    column = {k: torch.tensor(v, dtype=torch.float32) for k, v in chosen.items()}
    draw = torch.Generator().manual_seed(seed)
    sizes = [(64, width), (width, width), (width, 10)]
    weights = [
        torch.randn((n, a, b), generator=draw) * (2 / a) ** 0.5 for a, b in sizes
    ]
    biases = [torch.zeros(n, 1, b) for _, b in sizes]
    params = [p.requires_grad_() for p in (*weights, *biases)]
    speed = [torch.zeros_like(p) for p in params]
    keep = 1 - column["dropout"][:, None, None]

    def forward(batch, dropping):
        h = batch.expand(n, *batch.shape)
        for at in range(3):
            h = torch.baddbmm(params[3 + at], h, params[at])
            if at < 2:
                h = h.relu()
                if dropping:
                    h = h * (torch.rand(h.shape, generator=draw) < keep) / keep
        return h

    errors, entropies = np.empty((n, epochs)), np.empty((n, epochs))
    rate, momentum, decay = (
        column[k][:, None, None] for k in ("learning_rate", "momentum", "weight_decay")
    )
    for epoch in range(epochs):
        if epoch == decay_at:
            rate = rate / 10
        order = torch.randperm(len(x), generator=draw)
        for part in order.split(MINIBATCH):
            out = forward(x[part], dropping=True)
            target = y[part].repeat(n)
            loss = torch.nn.functional.cross_entropy(out.flatten(0, 1), target)
            gradients = torch.autograd.grad(loss * n, params)
            with torch.no_grad():
                for p, g, v in zip(params, gradients, speed, strict=True):
                    v.mul_(momentum).add_(g + decay * p)
                    p.sub_(rate * v)
        with torch.no_grad():
            out = forward(x_held, dropping=False)
            wrong = (out.argmax(2) != y_held).float().mean(1)
            each = torch.nn.functional.cross_entropy(
                out.flatten(0, 1), y_held.repeat(n), reduction="none"
            )
        errors[:, epoch] = wrong.numpy()
        entropies[:, epoch] = each.view(n, -1).mean(1).numpy()
    return errors, entropies


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--trials", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decay-at", type=int, help="epoch that divides rates by 10")
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    chosen = settings(given.trials, given.seed)
    errors = np.empty((given.trials, given.epochs))
    entropies = np.empty_like(errors)
    for width in WIDTHS:
        rows = chosen["width"] == width
        part = {k: v[rows] for k, v in chosen.items()}
        found = train_together(part, width, given.epochs, given.seed, given.decay_at)
        errors[rows], entropies[rows] = found
    finite = np.isfinite(entropies[:, -1])
    np.savez_compressed(
        given.out,
        error=errors.astype(np.float32),
        entropy=entropies.astype(np.float32),
        **chosen,
    )
    print(
        f"{given.trials} trainings of {given.epochs} epochs, {finite.sum()} ended "
        f"finite, {time.process_time() - started:.0f} s of CPU time"
    )


if __name__ == "__main__":
    main()
