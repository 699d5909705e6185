"""What the viewer says; and that nothing from outside becomes more than words."""

from dataclasses import replace

import numpy as np
import pytest

from samnerf.viewer.scene_app.answers import SceneAnswer
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.words import object_line, objects_line, plain, sentence, status

EMPTY = SceneAnswer(np.zeros((2, 2), bool), 0.0, (), "nothing {here}")
QUARTER = SceneAnswer(np.array([[True, False], [False, False]]), 0.9, (), None)


@pytest.mark.parametrize("name", ["{alert(1)}", "<b>x</b>", "**x**", "[a](b)", "`x`", "a & b", "\\{", "import x"])
def test_names_become_no_markup(name):
    shown = plain(name)
    assert not set(shown) & set("{}<>*[]()`\\\"'_!")


def test_letters_of_all_alphabets_stay_as_they_are():
    assert plain("Füchsin 狐 2") == "Füchsin 狐 2"


def test_the_status_says_what_a_click_does_and_what_was_found():
    assert "adds" in status(Desk(), None)
    assert "takes away" in status(replace(Desk(), tool="Take away"), None)
    assert "**Score 0.90**, 25.0 %" in status(Desk(), QUARTER)
    assert "{" not in status(Desk(), EMPTY)
    assert "Say what you look for" in status(replace(Desk(), mode="Relevancy"), None)


def test_a_row_says_name_colour_confidence_and_state(toy):
    one = toy.layers(1).objects[0]
    assert "red square" in object_line(one, Desk())
    assert "#ff6f3c" in object_line(one, Desk())
    assert "85%" in object_line(one, Desk())
    assert "only this" in object_line(one, Desk().isolate(1))
    assert "removed" in object_line(one, Desk().remove(1))
    assert "hidden" in object_line(replace(one, visible=False), Desk())


def test_objects_are_counted(toy):
    assert objects_line(toy.layers(1)) == "1 object locked."
    assert objects_line(toy.layers(1, 2)) == "2 objects locked."


def test_a_message_becomes_a_sentence():
    assert sentence("there is nothing") == "There is nothing."
