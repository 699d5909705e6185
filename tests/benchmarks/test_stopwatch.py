"""What is measured, and how often."""

from stopwatch import seconds, spread, times


def test_the_first_run_warms_up_and_does_not_count():
    calls = []
    assert len(times(lambda: calls.append(None), "cpu", 3)) == 3
    assert len(calls) == 4


def test_seconds_are_not_negative():
    assert seconds(lambda: None) >= 0


def test_a_spread_names_the_middle_and_both_ends():
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "least": 1.0, "greatest": 3.0, "runs": 3}
