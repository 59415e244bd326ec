"""An explicit threshold of no answer counts in an evaluation too, also of a model that learnt no such question."""

from types import SimpleNamespace

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
