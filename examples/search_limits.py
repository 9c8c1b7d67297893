"""Several limits in one search: the best setting for each, and the Pareto front."""

from collinear.search import (
    Goal,
    History,
    Limit,
    Result,
    SearchSpace,
    Status,
    best_for_each_limit,
    make_strategy,
    pareto_front,
)


def training(sharpness: float, depth: float) -> dict[str, float]:
    """Stands for a training of hours; a sharper picture has a larger error."""
    index = (1.0 - sharpness) ** 2 + 0.01 * (depth - 6.0) ** 2
    return {"index": index, "rmse": 10.0 + 6.0 * sharpness + 0.1 * depth}


space = SearchSpace.from_values(
    {"sharpness": [i / 10 for i in range(11)], "depth": [2, 4, 6, 8, 10, 12]}
)
goal = Goal("index", (Limit("rmse", 16.0, tighter=(11.5, 12.5)),))
strategy = make_strategy("anova", space=space, goal=goal, seed=1)
history = History()
for _ in range(4):
    batch = strategy.ask(history, 6)
    results = [
        Result(p.point, p.seed, Status.DONE, training(**space.params(p.point)))
        for p in batch
    ]
    history = history.ask(batch).tell(results)
for limit, best in best_for_each_limit(history, goal):
    print(f"rmse <= {limit.maximum}:", best and (space.params(best.point), best.values))
front = pareto_front(history.results, goal, "rmse")
print([(round(r.values["rmse"], 2), round(r.values["index"], 3)) for r in front])
