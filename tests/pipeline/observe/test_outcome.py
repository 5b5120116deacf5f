import pickle

import pytest

from pipeline.observe.outcome import Outcome


def test_the_value_is_there_though_nobody_asked_for_the_work():
    assert Outcome(lambda: 7).result() == 7


def test_the_work_is_done_once():
    calls = []
    outcome = Outcome(lambda: calls.append(1))
    outcome.run()
    outcome.result()
    outcome.result()
    assert calls == [1]


def test_the_error_of_the_work_is_raised_to_who_runs_it_and_to_who_asks():
    outcome = Outcome(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError) as run:
        outcome.run()
    with pytest.raises(ZeroDivisionError) as asked:
        outcome.result()
    assert run.value is asked.value is outcome.error


def test_a_good_exit_is_no_error_to_who_runs_it_but_reaches_who_asks():
    def leave():
        raise SystemExit(0)

    outcome = Outcome(leave)
    outcome.run()
    with pytest.raises(SystemExit):
        outcome.result()


def test_a_bad_exit_is_an_error():
    def leave():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        Outcome(leave).run()


def test_in_another_process_arrives_an_outcome_without_work():
    outcome = Outcome(lambda: 1 / 0)  # no lambda can be pickled
    assert pickle.loads(pickle.dumps(outcome)).result() is None
