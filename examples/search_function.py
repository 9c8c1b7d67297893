"""Tunes a Python function on a grid: ask, measure, tell."""

from math import log10

from collinear.search import Goal, History, Result, SearchSpace, Status, make_strategy


def loss(rate: float, width: float) -> float:
    """Stands for a training of hours; lower is better."""
    return (log10(rate) + 1.4) ** 2 + ((width - 14.0) / 12.0) ** 2


space = SearchSpace.from_values(
    {"rate": [0.01, 0.03, 0.1, 0.3, 1.0], "width": [4, 8, 12, 16, 24, 32]}
)
goal = Goal("loss")
strategy = make_strategy("anova", space=space, goal=goal, seed=1)
history = History()
for _ in range(3):
    batch = strategy.ask(history, 5)
    values = [loss(**space.params(p.point)) for p in batch]
    results = [
        Result(p.point, p.seed, Status.DONE, {"loss": value})
        for p, value in zip(batch, values, strict=True)
    ]
    history = history.ask(batch).tell(results)
best = history.incumbent(goal)
print(space.params(best.point), best.values)
