"""Alpha with and without an adapter, one object and several, refined and not."""

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.evaluation.matting_metrics import matting_scores
from samnerf.masks import MaskPrediction
from samnerf.matting.adapter_files import adapter_of
from samnerf.matting.lora import Ranks
from samnerf.matting.matter import Matter, load_matter
from samnerf.matting.refinement import refined
from samnerf.prompts import Point, PromptSet


@pytest.fixture(scope="module")
def adapter(decoder, kit):
    return adapter_of(kit.loud(decoder), "ab" * 32, Ranks())


@pytest.fixture(scope="module")
def prediction(decoder, feature_map, kit):
    return decoder.decode(feature_map, kit.prompts)


def test_without_an_adapter_alpha_is_the_sigmoid_of_the_mask(decoder, feature_map, prediction, kit):
    alpha = Matter(decoder).alpha(prediction, feature_map, [kit.prompts], kit.picture())
    assert torch.equal(alpha, torch.sigmoid(prediction.logits[0]))


def test_with_an_adapter_the_first_answer_is_shown_to_the_adapted_decoder(
    decoder, feature_map, prediction, adapter, kit
):
    alpha = Matter(decoder, adapter).alpha(prediction, feature_map, [kit.prompts])
    worn = adapter.worn_by(decoder)
    first = prediction.low_resolution_logits
    expected = worn.decode(feature_map, kit.prompts, previous=first).alpha()
    assert torch.equal(alpha, expected)
    assert not torch.equal(alpha, prediction.alpha())


def test_several_prompt_sets_give_what_any_of_them_covers(decoder, feature_map, prediction, adapter, kit):
    matter = Matter(decoder, adapter)
    other = PromptSet("corner", points=(Point(5.0, 5.0),))
    both = matter.alpha(prediction, feature_map, [kit.prompts, other])
    single = [matter.decode(feature_map, [one]) for one in (kit.prompts, other)]
    assert torch.equal(both, torch.maximum(*single))


def test_nothing_stays_nothing(decoder, feature_map, adapter):
    empty = MaskPrediction(torch.full((1, 80, 120), -32.0), torch.zeros(1), torch.full((1, 1, 1), -32.0))
    alpha = Matter(decoder, adapter, refine=True).alpha(empty, feature_map, [], np.zeros((80, 120, 3), np.uint8))
    assert alpha.max() < 1e-9


def test_a_decoder_of_another_kind_takes_no_adapter_but_has_alpha(toy, adapter):
    view = toy.view()
    said = PromptSet("x", points=(Point(*toy.centre(view, 1)),))
    matter = load_matter(toy.MaskDecoder())
    assert matter.adapter is None
    prediction = toy.MaskDecoder().decode(view.feature_map("sam"), said)
    assert torch.equal(matter.alpha(prediction, view.feature_map("sam"), [said]), prediction.alpha())
    with pytest.raises(SamNerfError, match="takes no matting adapter"):
        Matter(toy.MaskDecoder(), adapter)


def test_the_key_tells_adapters_apart(decoder, adapter, kit):
    other = adapter_of(kit.loud(decoder, seed=1), "ab" * 32, Ranks())
    matters = [Matter(decoder), Matter(decoder, adapter), Matter(decoder, other), Matter(decoder, adapter, refine=True)]
    assert len({matter.key for matter in matters}) == 4


def test_refinement_draws_a_blurred_edge_to_that_of_the_picture(kit):
    image = kit.picture()
    true = torch.from_numpy((image[..., 0] == 200).astype(np.float32))
    blurred = torch.nn.functional.avg_pool2d(true[None, None], 9, 1, 4, count_include_pad=False)[0, 0]
    sharp = refined(blurred, image, radius=6)
    before, after = (matting_scores(alpha.numpy(), true.numpy()) for alpha in (blurred, sharp))
    assert after.mse < 0.5 * before.mse
    assert after.grad < 0.5 * before.grad
    assert abs(float(sharp.sum() / true.sum()) - 1) < 0.02
    assert sharp.min() >= 0 and sharp.max() <= 1


def test_refinement_leaves_an_even_alpha_as_it_is(kit):
    alpha = torch.full((80, 120), 0.3)
    torch.testing.assert_close(refined(alpha, kit.picture()), alpha, atol=1e-4, rtol=0)


def test_refinement_takes_any_size_and_refuses_another_one():
    assert refined(torch.ones(1, 1), np.zeros((1, 1, 3), np.uint8)).shape == (1, 1)
    assert refined(torch.ones(2, 300), np.zeros((2, 300, 3), np.uint8)).shape == (2, 300)
    with pytest.raises(ValueError, match="must be positive"):
        refined(torch.ones(4, 4), np.zeros((4, 4, 3), np.uint8), radius=0)


def test_a_matter_that_refines_follows_the_image(decoder, feature_map, prediction, kit):
    plain = Matter(decoder).alpha(prediction, feature_map, [kit.prompts], kit.picture())
    followed = Matter(decoder, refine=True).alpha(prediction, feature_map, [kit.prompts], kit.picture())
    assert torch.equal(followed, refined(plain, kit.picture()))
    assert torch.equal(Matter(decoder, refine=True).alpha(prediction, feature_map, [kit.prompts]), plain)
