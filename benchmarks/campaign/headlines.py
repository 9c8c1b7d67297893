"""The headlines of the two documents, recomputed from the numbers that they give.

Both say how much shorter a campaign became. Neither says whether the one pretraining is
counted; the factors below are given without it, as the documents' own numbers come out,
and with it.
"""

from __future__ import annotations

from dataclasses import dataclass

EPOCHS = 2000  # of a full training; both documents
PRETRAIN_EPOCHS = 1000
FINETUNE_EPOCHS = 250
FULL_HOURS_STATED = 92.0  # poster: "It takes 92 hours to run once"
SAVED = EPOCHS / FINETUNE_EPOCHS  # 8, as both documents have it


@dataclass(frozen=True)
class Document:
    """What a document states of its campaign.

    Attributes:
        name: Of its configuration.
        trials: Trials run.
        hours: Wall time.
        batches: Batches of jobs, or None where it does not say.
        sequential_hours: All its fine-tunes one after another, or None.
        slots: Jobs at the same time, at most.
        factor: The factor of its headline.
    """

    name: str
    trials: int
    hours: float
    batches: int | None
    sequential_hours: float | None
    slots: int
    factor: int


JH220044 = Document("jh220044", 363, 262.0, 27, None, 50, 100)
POSTER = Document("poster", 545, 182.0, None, 4905.0, 50, 216)

# Hours of one fine-tune: 4905 / 545 = 9.0 exactly. The first document gives none.
JOB_HOURS = 4905.0 / 545
FULL_HOURS = SAVED * JOB_HOURS  # 72: a full training at the speed of the fine-tunes
PRETRAIN_HOURS = FULL_HOURS * PRETRAIN_EPOCHS / EPOCHS  # 36


def factor(trials: float, hours: float, *, pretraining: bool) -> float:
    """How much shorter than full trainings one after another, at 9 h a fine-tune.

    Args:
        trials: Trials run.
        hours: Wall time of the campaign.
        pretraining: Whether its 36 h are part of the wall time.
    """
    return trials * FULL_HOURS / (hours + PRETRAIN_HOURS * pretraining)


def checks() -> list[tuple[str, str]]:
    """What the documents' numbers say of each other: a statement and the arithmetic."""
    jh, poster = JH220044, POSTER
    without = {
        d.name: factor(d.trials, d.hours, pretraining=False) for d in (jh, poster)
    }
    return [
        (
            "derived: hours of one fine-tune (poster)",
            f"4905 / 545 = {JOB_HOURS:.2f} h",
        ),
        (
            "derived: hours of one batch (jh220044)",
            f"262 / 27 = {jh.hours / 27:.2f} h, 8 % above a fine-tune of 9.0 h: the "
            "job lengths varied little, or a pretraining is not in the 262 h",
        ),
        (
            "derived: mean width",
            f"363 / 27 = {363 / 27:.1f} (stated: 13.4); 4905 / 182 = "
            f"{4905 / 182:.1f} (stated: 1/27)",
        ),
        (
            "consistent: one hundredth",
            f"363 x 8 x 9.0 h / 262 h = {without['jh220044']:.1f}, without pretraining",
        ),
        (
            "consistent: one 216th",
            f"545 x 8 x 9.0 h / 182 h = {without['poster']:.1f}, without pretraining",
        ),
        (
            "inconsistent: the full training",
            f"92 h stated, 8 x 9.0 = {FULL_HOURS:.0f} h implied by both headlines; "
            f"with 92 h the factors were {363 * 92 / 262:.0f} and {545 * 92 / 182:.0f}",
        ),
        (
            "inconsistent: what the factors count",
            f"with a pretraining of {PRETRAIN_HOURS:.0f} h they are "
            f"{factor(363, 262, pretraining=True):.0f} and "
            f"{factor(545, 182, pretraining=True):.0f}",
        ),
        (
            "not stated",
            "batches of the poster (182 / 9.0 = "
            f"{182 / JOB_HOURS:.1f} if all lasted as long as a fine-tune); whether "
            "262 h and 182 h hold the pretraining, waiting in the queue and scoring",
        ),
    ]
