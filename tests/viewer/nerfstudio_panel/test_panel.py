"""Clicks and words in nerfstudio's own viewer: its server, its render thread and its lock, an untrained scene."""

import threading

import numpy as np
import pytest
import torch
from nerfstudio.viewer_legacy.server.viewer_utils import IOChangeException

from samnerf.errors import SamNerfError
from samnerf.objects.palette import object_colour
from samnerf.viewer.nerfstudio_panel import decoders as decoders_module
from samnerf.viewer.nerfstudio_panel import panel as panel_module
from samnerf.viewer.nerfstudio_panel.panel import CLICKING, HELP, LOADING, NO_WORDS

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    # viser's server: old names of websockets, and what is left open when it is stopped.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <(socket|function BaseEventLoop):pytest.PytestUnraisableExceptionWarning"
    ),
]


def ask(scene, words):
    scene.panel.words.value = words
    scene.press(scene.panel.find)


def test_a_viewer_gets_the_outputs_and_nobody_else_does(watched):
    scene = watched()
    assert {"objects", "relevancy"} <= set(scene.options.options)
    assert scene.options.value == "rgb"
    assert scene.panel.status.content == HELP
    camera = scene.pipeline.datamanager.eval_dataset.cameras[0:1]
    outputs = scene.pipeline.model.eval().get_outputs_for_camera(camera)
    assert {"rgb", "sam_pca"} <= outputs.keys()
    assert outputs.keys().isdisjoint({"objects", "relevancy"})


def test_a_click_is_answered_where_it_was_made_and_clear_takes_it_back(watched):
    scene = watched()
    plain = scene.browser.rest()
    scene.press(scene.panel.click)
    assert scene.panel.around.visible
    assert scene.panel.status.content == CLICKING
    assert scene.options.value == "objects"
    scene.browser.click(0.4, 0.65)
    scene.until(lambda: "Score 0.75" in scene.panel.status.content)
    picture = scene.browser.rest()
    changed = (np.abs(picture - plain) > 4).any(axis=-1)
    rows, columns = np.indices(changed.shape)
    away = np.hypot(rows + 0.5 - 0.65 * 64, columns + 0.5 - 0.4 * 64)
    assert not changed[away > 16].any()  # the disc of radius 14, to the pixel that the click lies in
    fill = (away > 8) & (away < 11)  # outside the mark of the click, inside the disc's rim
    tone = np.array(object_colour(1))
    assert (np.abs(picture - tone)[fill].sum(-1) < np.abs(plain - tone)[fill].sum(-1)).all()
    scene.press(scene.panel.clear)
    assert np.abs(scene.browser.rest() - plain).max() <= 1
    assert scene.panel.status.content == CLICKING
    scene.press(scene.panel.stop)
    assert not scene.panel.around.visible
    assert scene.panel.status.content == HELP


def test_what_is_clicked_twice_is_decoded_with_both_labels(watched):
    scene = watched()
    scene.browser.click()
    scene.panel.label.value = "takes away"
    scene.browser.click(0.6, 0.4)
    scene.until(lambda: len(scene.panel.prompts._said.world_points) == 2)
    assert [point.label for point in scene.panel.prompts._said.world_points] == [1, 0]


def test_words_are_answered_by_heat_and_by_a_mask(watched):
    scene = watched()
    plain = scene.browser.rest()
    scene.options.value = "relevancy"
    scene.browser.click()
    scene.until(lambda: scene.panel.status.content == NO_WORDS)
    scene.press(scene.panel.clear)
    ask(scene, "the right")
    scene.until(lambda: "The words fit up to" in scene.panel.status.content)
    heat = scene.browser.rest()
    assert (np.abs(heat - plain).max(axis=-1) > 4).mean() > 0.5
    assert heat[:, -8:, 0].mean() > heat[:, :8, 0].mean()
    scene.options.value = "objects"
    scene.until(lambda: "Score 0.75" in scene.panel.status.content)
    changed = (np.abs(scene.browser.rest() - plain) > 4).any(axis=-1)
    assert changed[:, 48:].any()
    assert not changed[:, :40].any()
    scene.panel.threshold.value = 1.0
    scene.until(lambda: "Nothing found" in scene.panel.status.content)


def test_nothing_is_decoded_while_another_output_is_shown(watched):
    scene = watched()
    scene.browser.click()
    scene.until(lambda: "Score" in scene.panel.status.content)
    scene.options.value = "depth"
    scene.until(lambda: "Choose the output type" in scene.panel.status.content)
    scene.browser.rest()
    decoded = len(scene.decoders.mask.maps)
    scene.viewer._trigger_rerender()
    scene.browser.rest()
    assert len(scene.decoders.mask.maps) == decoded


def test_a_decoder_that_fails_is_shown_in_words_and_harms_no_thread(watched, capsys):
    scene = watched()
    plain = scene.browser.rest()
    scene.decoders.mask.failing = True
    scene.browser.click()
    scene.until(lambda: "No answer" in scene.panel.status.content)
    assert "&#123;tripped&#125;" in scene.panel.status.content  # braces would be code in viser's Markdown
    assert np.abs(scene.browser.rest() - plain).max() <= 1
    assert scene.browser.renderer.is_alive()
    assert "RuntimeError: the decoder {tripped}" in capsys.readouterr().out
    scene.decoders.mask.failing = False
    scene.viewer._trigger_rerender()
    scene.until(lambda: "Score" in scene.panel.status.content)


def test_a_click_that_meets_nothing_is_reported_once_and_forgotten(watched, monkeypatch):
    scene = watched()

    def fails(*_):
        raise SamNerfError("the ray leads nowhere")

    monkeypatch.setattr(panel_module, "met_by", fails)
    scene.browser.click()
    scene.until(lambda: "No answer" in scene.panel.status.content)
    scene.until(lambda: scene.panel.status.content == HELP)
    assert scene.panel.prompts.empty
    assert scene.browser.renderer.is_alive()


def test_decoders_that_cannot_be_loaded_are_named_and_tried_again(watched, monkeypatch):
    scene = watched()

    def missing(pair, device):
        raise SamNerfError("the weights of tiny are not here")

    with monkeypatch.context() as context:
        context.setattr(decoders_module, "load_mask_decoder", missing)
        scene.browser.click()
        scene.until(lambda: "the weights of tiny are not here" in scene.panel.status.content.replace("&#46;", "."))
    assert scene.browser.renderer.is_alive()
    scene.browser.click()
    scene.until(lambda: "Score" in scene.panel.status.content)


def test_pictures_do_not_wait_for_decoders(watched, monkeypatch):
    scene = watched()
    may_go_on = threading.Event()

    def slow(pair, device):
        assert may_go_on.wait(60)
        return scene.decoders.mask

    monkeypatch.setattr(decoders_module, "load_mask_decoder", slow)
    scene.browser.click()
    scene.until(lambda: scene.panel.status.content == LOADING)
    scene.browser.rest()
    may_go_on.set()
    scene.until(lambda: "Score" in scene.panel.status.content)


def test_nerfstudios_interrupts_pass_and_lose_no_click(watched, monkeypatch):
    scene = watched()
    met, interrupted = panel_module.met_by, []

    def once(*arguments):
        if not interrupted:
            interrupted.append(True)
            raise IOChangeException
        return met(*arguments)

    monkeypatch.setattr(panel_module, "met_by", once)
    scene.browser.click()
    scene.until(lambda: interrupted)
    scene.viewer._trigger_rerender()
    scene.until(lambda: "Score" in scene.panel.status.content)


def test_training_goes_on_while_people_click_and_decoders_fail(watched):
    scene = watched()
    model, failures, done = scene.pipeline.model, [], threading.Event()
    parameters = [one for group in scene.pipeline.get_param_groups().values() for one in group]
    # So slowly that what was clicked stays where it is, however many steps there are: noise would move, and hide it.
    optimiser, losses = torch.optim.Adam(parameters, 1e-7), []

    def train():
        try:
            while not done.is_set():
                with scene.lock:
                    scene.pipeline.train()
                    optimiser.zero_grad()
                    loss = sum(scene.pipeline.get_train_loss_dict(len(losses))[1].values())
                    loss.backward()
                    optimiser.step()
                    losses.append(float(loss.detach()))
                scene.viewer.update_scene(len(losses), 64)
        except Exception as error:
            failures.append(error)

    trainer = threading.Thread(target=train)
    trainer.start()
    try:
        for _ in range(2):
            scene.decoders.mask.failing = False
            scene.browser.click()
            scene.until(lambda: "Score" in scene.panel.status.content)
            scene.decoders.mask.failing = True
            scene.viewer._trigger_rerender()
            scene.until(lambda: "No answer" in scene.panel.status.content)
        before = len(losses)
        scene.until(lambda: len(losses) > before + 2)
    finally:
        done.set()
        trainer.join()
    assert not failures
    assert model.training
    assert np.isfinite(losses).all()
    assert scene.browser.renderer.is_alive()


def test_without_distillation_the_teachers_look_once_and_only_at_pictures_that_rest(watched, monkeypatch):
    scene = watched(distilled=False)
    seen = []
    encode = panel_module.TrainedScene.encode

    def counted(self, kind, image):
        seen.append((kind, image.shape[:2], scene.browser.renderer.state))
        return encode(self, kind, image)

    monkeypatch.setattr(panel_module.TrainedScene, "encode", counted)
    # What remembers maps holds the method that was there when the panel was made.
    scene.panel._maps._run = scene.panel._scene.encode
    scene.browser.click()
    scene.until(lambda: "Score 0.75" in scene.panel.status.content)
    assert "which is slow" in scene.panel.status.content
    scene.browser.rest()
    scene.panel.label.value = "takes away"
    scene.browser.click(0.6, 0.4)
    scene.browser.rest()
    scene.until(lambda: "Score 0.75" in scene.panel.status.content)
    assert seen == [("sam", (64, 64), "high")]


@pytest.mark.parametrize("module", ["", "samnerf.viewer.no_such_panel"], ids=["none", "missing"])
def test_without_a_panel_the_viewer_is_nerfstudios(pipeline, tmp_path, free_port, capsys, module):
    from nerfstudio.configs.base_config import ViewerConfig
    from nerfstudio.viewer.viewer import Viewer

    scene = pipeline()
    scene.viewer_door._module = module
    config = ViewerConfig(websocket_host="127.0.0.1", websocket_port=free_port)
    viewer = Viewer(config, tmp_path / "viewer.log", tmp_path, scene)
    viewer.viser_server.stop()
    assert viewer.ready
    assert scene.viewer_door.panel is None
    assert scene.model.answer_prompts is None
    assert ("The viewer has no SAM-NeRF panel: ModuleNotFoundError" in capsys.readouterr().out) == bool(module)
