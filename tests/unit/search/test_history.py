"""A history is its events, one by one or all at once."""

from collinear.search import Asked, History, Proposal, Result, Status, Told

EVENTS = (
    Asked((Proposal((0,)), Proposal((1,)))),
    Told((Result((1,), 1, Status.DONE, {"y": 1.0}),)),
    Asked((Proposal((2,)),)),
    # Told again, and twice within an event: the first counts.
    Told(
        (
            Result((1,), 1, Status.FAILED),
            Result((2,), 1, Status.DONE, {"y": 3.0}),
            Result((2,), 1, Status.DIVERGED),
        )
    ),
)


def test_replay_equals_asking_and_telling():
    history = History()
    for event in EVENTS:
        if isinstance(event, Asked):
            history = history.ask(event.proposals)
        else:
            history = history.tell(event.results)
    assert History.replay(EVENTS) == history
    assert [r.values.get("y") for r in history.results] == [1.0, 3.0]


def test_a_longer_history_leaves_the_shorter_one_as_it_was():
    short = History.replay(EVENTS[:2])
    assert len(short.proposals) == 2
    longer = short.ask([Proposal((5,))]).tell([Result((5,), 1, Status.FAILED)])
    assert (len(short.proposals), len(short.results)) == (2, 1)
    assert (len(longer.proposals), len(longer.results)) == (3, 2)
