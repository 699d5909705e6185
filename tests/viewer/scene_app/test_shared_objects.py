"""One history for all."""

import threading

import pytest

from samnerf.errors import SamNerfError
from samnerf.viewer.scene_app.shared_objects import SharedObjects


def test_steps_are_undone_and_done_again_by_name(toy):
    objects = SharedObjects(toy.layers(1, 2))
    objects.change("delete 'red square'", lambda layers: layers.delete("red square"))
    assert objects.undo() == "delete 'red square'"
    assert len(objects.layers.objects) == 2
    assert objects.redo() == "delete 'red square'"
    assert len(objects.layers.objects) == 1


def test_a_step_that_fails_is_none(toy):
    objects = SharedObjects(toy.layers(1))
    with pytest.raises(SamNerfError):
        objects.change("delete", lambda layers: layers.delete("nobody"))
    with pytest.raises(SamNerfError, match="nothing to undo"):
        objects.undo()


def test_listeners_hear_of_changes_until_they_leave(toy):
    objects, heard = SharedObjects(toy.layers(1)), []
    leave = objects.listen(lambda: heard.append(len(objects.layers.objects)))
    objects.change("delete", lambda layers: layers.delete("red square"))
    leave()
    objects.undo()
    assert heard == [0]


def test_changes_of_many_threads_are_all_kept(toy):
    objects = SharedObjects()

    def add(number):
        objects.change("add", lambda layers: layers.add(toy.lock(1), f"object {number}"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.name for one in objects.layers.objects} == {f"object {number}" for number in range(16)}
