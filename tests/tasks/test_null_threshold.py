"""An explicit threshold of no answer counts in an evaluation too, also of a model that learnt no such question."""

from types import SimpleNamespace

import numpy as np
import pytest

from byeori.tasks.question_answering import QuestionAnswering


class Read(QuestionAnswering):
    """Two questions: the second looks like one without an answer."""

    def _read(self, answers, store):
        import numpy as np

        return ["Seoul", "Busan"], np.array([-3.0, 1.0])


@pytest.mark.parametrize("threshold, wanted", [(None, ["Seoul", "Busan"]), (0.0, ["Seoul", ""]), (-5.0, ["", ""])])
def test_an_asked_threshold_is_honoured(threshold, wanted):
    task = Read(null_score_diff_threshold=threshold)
    task.learnt, task.impossible = True, False
    assert task.predictions(SimpleNamespace(), SimpleNamespace()) == wanted


@pytest.mark.parametrize("gained, lost, tuned", [(0, 0, False), (2, 1, False), (3, 0, True), (30, 4, True)])
def test_a_threshold_is_tuned_only_where_that_is_no_luck(gained, lost, tuned):
    """Of 40 questions so many are answered and have no answer, and so many have one and look the same: what a threshold gains must
    be more than a standard error (1 of 40 by two right and one wrong: 1 ± 1.7)."""
    near = gained + lost
    likeness = np.array([-1.0] * near + [-9.0] * (40 - near))
    task = Read()
    task._read = lambda answers, store: (["Seoul"] * 40, likeness)
    task.learnt = task.impossible = True
    task.tune(SimpleNamespace(), SimpleNamespace(), [[]] * gained + [["Seoul"]] * (40 - gained))
    assert (task.threshold != 0.0) == tuned
    assert task.predictions(SimpleNamespace(), SimpleNamespace()).count("") == (near if tuned else 0)
