"""Undo and redo."""

import pytest

from samnerf.errors import SamNerfError
from samnerf.objects.history import MOST_STEPS, History


@pytest.fixture
def history(toy):
    start = History(toy.layers())
    deleted = start.done("delete 'red square'", start.layers.delete("red square"))
    return deleted.done("rename", deleted.layers.rename("blue square", "fox"))


def names(history):
    return [one.name for one in history.layers.objects]


def test_undo_goes_back_step_by_step_and_redo_forth(history):
    seen = [names(history)]
    while history.past:
        history = history.undo()
        seen.append(names(history))
    assert seen == [
        ["green square", "fox"],
        ["green square", "blue square"],
        ["red square", "green square", "blue square"],
    ]
    while history.future:
        history = history.redo()
    assert names(history) == seen[0]


def test_redo_after_undo_changes_nothing(history):
    again = history.undo().redo()
    assert again.layers.objects == history.layers.objects
    assert [step.what for step in again.past] == [step.what for step in history.past]
    assert again.future == ()


def test_steps_are_named(history):
    assert [step.what for step in history.past] == ["delete 'red square'", "rename"]
    assert [step.what for step in history.undo().future] == ["rename"]


def test_something_new_forgets_what_was_undone(history):
    back = history.undo()
    assert back.done("show", back.layers).future == ()


def test_an_id_stays_given_though_its_object_was_undone(toy, history):
    added = history.done("add", history.layers.add(toy.lock(1), "fourth"))
    back = added.undo()
    assert back.layers.add(toy.lock(1), "another").objects[-1].object_id == 5
    assert back.redo().layers.objects[-1].object_id == 4
    assert back.redo().layers.next_id == 5


def test_nothing_to_undo_or_redo_is_said(toy):
    empty = History(toy.layers())
    with pytest.raises(SamNerfError, match="nothing to undo"):
        empty.undo()
    with pytest.raises(SamNerfError, match="nothing to do again"):
        empty.redo()


def test_a_history_has_an_end(toy):
    history = History(toy.layers())
    for step in range(MOST_STEPS + 5):
        history = history.done(str(step), history.layers)
    assert [history.past[0].what, history.past[-1].what] == ["5", str(MOST_STEPS + 4)]
    assert len(history.past) == MOST_STEPS
