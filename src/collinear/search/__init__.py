"""The search: a grid, a history of trials, and strategies that propose the next ones.

Start with `SearchSpace`, `Goal` and `History`, build a strategy with `make_strategy`,
and call its ``ask(history, k)``: a pure function, so a stopped campaign continues from
its history alone. The d-spline and the searches follow DSICE 1.0.1
(Kogakuin-HPCL, https://github.com/Kogakuin-HPCL/DSICE).
"""

from collinear.search.analysis import ExploredLine, LineSample, explored_lines
from collinear.search.anova import Anova
from collinear.search.bands import Band, line_bands, smooth_stretch
from collinear.search.dspline import DSpline, DSplineError, fit
from collinear.search.factory import STRATEGIES, make_strategy, waits
from collinear.search.finals import (
    finalists,
    finals_shape,
    race,
    reserved,
    search_only,
    seeds_to_resolve,
)
from collinear.search.fresh_runs import (
    Difference,
    FreshRuns,
    chances_of_best,
    choose,
    fresh_runs,
    paired_difference,
)
from collinear.search.front import best_for_each_limit, pareto_front
from collinear.search.goal import Goal, Limit
from collinear.search.history import (
    FIRST_SEED,
    Asked,
    History,
    Proposal,
    Result,
    Status,
    Told,
)
from collinear.search.lines import Line
from collinear.search.queue import ask_with_queue, locate_settings
from collinear.search.recommend import Recommendation
from collinear.search.replay import StrategyError
from collinear.search.space import Axis, Point, SearchSpace, SpaceError
from collinear.search.stopping import Outlook, little_left, outlook
from collinear.search.strategies import (
    S2017,
    S2018,
    Exhaustive,
    Ippe,
    Levelled,
    Radial,
    RandomDraw,
    Strategy,
)
from collinear.search.warm import EarlierTrial, Prior, make_prior

__all__ = [
    "FIRST_SEED",
    "S2017",
    "S2018",
    "STRATEGIES",
    "Anova",
    "Asked",
    "Axis",
    "Band",
    "DSpline",
    "DSplineError",
    "Difference",
    "EarlierTrial",
    "Exhaustive",
    "ExploredLine",
    "FreshRuns",
    "Goal",
    "History",
    "Ippe",
    "Levelled",
    "Limit",
    "Line",
    "LineSample",
    "Outlook",
    "Point",
    "Prior",
    "Proposal",
    "Radial",
    "RandomDraw",
    "Recommendation",
    "Result",
    "SearchSpace",
    "SpaceError",
    "Status",
    "Strategy",
    "StrategyError",
    "Told",
    "ask_with_queue",
    "best_for_each_limit",
    "chances_of_best",
    "choose",
    "explored_lines",
    "finalists",
    "finals_shape",
    "fit",
    "fresh_runs",
    "line_bands",
    "little_left",
    "locate_settings",
    "make_prior",
    "make_strategy",
    "outlook",
    "paired_difference",
    "pareto_front",
    "race",
    "reserved",
    "search_only",
    "seeds_to_resolve",
    "smooth_stretch",
    "waits",
]
