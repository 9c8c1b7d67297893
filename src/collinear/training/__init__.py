"""Tuning the inside of a training; every part works on any PyTorch training.

- Minibatch size for speed: `collinear.training.tune` with a rule of `rules` or
  `doubling`, on a step that `probe` times.
- Micro-batches: `collinear.training.micro_batch` and `division`.
- Cost of a step before it is run: `collinear.training.counting` and `cost_model`.
- Learning rates by trying: `stpt` and `stpt_policy`. Variants against each other:
  `race`, on curves that `continuation` continues. Ending hopeless trainings:
  `stopping` and `stop_replay`.

Nothing here imports Snakemake. Modules that need torch import it themselves; rules,
fits and divisions need numpy and scipy only.
"""
