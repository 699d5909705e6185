"""The app as other programs see it: what its page asks for, who is let in, and how it ends."""

import json
import re
import urllib.error
import urllib.request

import pytest


def ask(app, path, host=None):
    """Status and text of an answer."""
    request = urllib.request.Request(app.address + path, headers={"Host": host or f"127.0.0.1:{app.port}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_page_loads_nothing_from_elsewhere(app):
    status, page = ask(app, "/")
    assert status == 200
    assert "SAM-NeRF" in page
    loaded = re.findall(r"<(?:script|link)[^>]+(?:src|href)=\"(https?://[^\"]+)", page)
    assert [address for address in loaded if not address.startswith(app.address)] == []


def test_fonts_are_those_of_the_system(app):
    _, styles = ask(app, "/theme.css")
    assert "system-ui" in styles
    assert "@font-face" not in styles
    assert "googleapis" not in styles


def test_no_action_can_be_called_from_outside_the_page_and_nobody_is_told(app):
    configuration = json.loads(ask(app, "/config")[1])
    assert {one["api_visibility"] for one in configuration["dependencies"]} == {"private"}
    assert not configuration["analytics_enabled"]


@pytest.mark.parametrize("host", ["evil.example", "10.0.0.7:7860"])
def test_a_page_that_poses_as_this_machine_is_refused(app, host):
    assert ask(app, "/", host)[0] == 400


@pytest.mark.slow
def test_an_interruption_ends_it_and_leaves_no_picture_behind(started_app):
    pictures = started_app.folder.glob("samnerf-image-app-*/**/*.webp")
    assert ask(started_app, "/")[0] == 200
    assert list(pictures)
    assert started_app.interrupt() == 0
    assert list(started_app.folder.glob("samnerf-image-app-*")) == []
    assert started_app.output.read_text().endswith("closed\n")
    assert started_app.errors.read_text() == ""
