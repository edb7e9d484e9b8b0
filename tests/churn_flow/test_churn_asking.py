"""Asking, once the churn flow has lived: it changes nothing."""

from __future__ import annotations

from tests import asking
from tests.churn import DATE, World


def test_asking_after_a_life_changes_nothing(lived: World) -> None:
    with lived.connect(autocommit=True) as connection:
        before = asking.files(lived.state), asking.objects(connection), asking.contents(connection)
        done = lived.run("-c", asking.QUESTIONS, DATE)
        assert done.code == 0, done.err
        assert "ScoreCohort ['ScoreCohort', 'BuildWeeklyFeatures', 'CleanRawSources']" in done.out
        assert "PromoteModel ['PromoteModel', 'DecidePromotion', " in done.out
        assert (asking.files(lived.state), asking.objects(connection), asking.contents(connection)) == before
