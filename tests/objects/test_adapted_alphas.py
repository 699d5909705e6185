"""Alphas by an adapter: near the lock, at most a pixel in all, and the geometry's where the adapter looks elsewhere."""

import numpy as np
import pytest
import torch

from samnerf.matting.matter import Matter
from samnerf.objects.adapted_alphas import (
    MARGIN,
    SMALLEST,
    Layer,
    adapted_alphas,
    confined,
    reconciled,
    shape_prompts,
)
from samnerf.objects.object_rendering import ObjectAlphas

SIZE = (40, 64)


def block(rows, columns, value=1.0, size=SIZE):
    alpha = torch.zeros(size)
    alpha[slice(*rows), slice(*columns)] = value
    return alpha


def geometry(*alphas):
    layers = [Layer.of(alpha) for alpha in alphas]
    size = tuple(alphas[0].shape)
    return ObjectAlphas(size, tuple(one.rays for one in layers), tuple(one.alpha for one in layers))


def whole(found):
    return torch.stack([found.alphas.alpha(index) for index in range(len(found.alphas.rays))])


class Answers(Matter):
    """A matter that gives one picture after the other and remembers what it was asked."""

    refine = False

    def __init__(self, *alphas):
        self.alphas = list(alphas)
        self.asked = []

    def decode(self, feature_map, decoded, image=None, shown=None):
        self.asked.append((feature_map, decoded, image, shown))
        return self.alphas[len(self.asked) - 1]


def iou(one, other):
    return float((one & other).sum() / (one | other).sum())


def test_alpha_reaches_no_further_than_the_margin_and_is_left_alone_within():
    mask = block((10, 20), (20, 40)).numpy() > 0
    alpha = torch.rand(SIZE, generator=torch.Generator().manual_seed(0))
    kept = confined(alpha, mask)
    margin = int(max(1, MARGIN * SIZE[1]))
    near = block((10 - margin, 20 + margin), (20, 40)) + block((10, 20), (20 - margin, 40 + margin)) > 0
    assert torch.equal(kept[near], alpha[near])
    far = block((10 - margin, 20 + margin), (20 - margin, 40 + margin)) == 0
    assert not kept[far].any()


def test_an_answer_that_agrees_is_taken_to_the_bit():
    answer = block((10, 20), (20, 40), 0.9) + block((9, 10), (20, 40), 0.4)
    found = reconciled(geometry(block((10, 20), (20, 40))), {0: Layer.of(answer)})
    assert torch.equal(whole(found)[0], answer)
    assert found.kept == ()


@pytest.mark.parametrize("answer", [block((10, 14), (20, 40)), block((10, 20), (20, 40), 0.4), torch.zeros(SIZE)])
def test_an_answer_about_something_else_leaves_the_geometry_as_it_is(answer):
    rendered = block((10, 20), (20, 40), 0.8)
    found = reconciled(geometry(rendered), {0: Layer.of(answer)})
    assert torch.equal(whole(found)[0], rendered)
    assert found.kept == (0,)


def test_what_two_objects_claim_is_shared_by_what_they_claim():
    left, right = block((10, 20), (10, 30)), block((10, 20), (30, 50))
    answers = {0: Layer.of(left + block((10, 20), (30, 31), 0.6)), 1: Layer.of(right)}
    alphas = whole(reconciled(geometry(left, right), answers))
    torch.testing.assert_close(alphas[:, 10:20, 30], torch.tensor([[0.375], [0.625]]).expand(2, 10))
    assert torch.equal(alphas[:, :, :30], torch.stack([left, right])[:, :, :30])


def test_what_keeps_its_geometry_yields_nothing_to_others():
    left, right = block((10, 20), (10, 30)), block((10, 20), (30, 50), 0.7)
    answers = {0: Layer.of(left + block((10, 20), (30, 31), 0.6)), 1: Layer.of(torch.zeros(SIZE))}
    found = reconciled(geometry(left, right), answers)
    assert torch.equal(whole(found)[1], right)
    torch.testing.assert_close(whole(found)[0, 10:20, 30], torch.full((10,), 0.3))


def test_who_loses_the_mask_to_others_takes_the_geometry_back():
    small, large = block((10, 14), (30, 38)), block((10, 20), (10, 30))
    greedy = large + block((10, 14), (30, 34))
    found = reconciled(geometry(small, large), {0: Layer.of(small), 1: Layer.of(greedy)})
    assert found.kept == (0,)
    assert torch.equal(whole(found)[0], small)
    assert torch.equal(whole(found)[1], large)


def test_the_laws_hold_whatever_the_adapter_says():
    random = torch.Generator().manual_seed(3)
    rendered = [block((5, 20), (5 + 10 * i, 15 + 10 * i), 0.9) for i in range(5)]
    shown = geometry(*rendered)
    for _ in range(40):
        wild = [(one + torch.randn(SIZE, generator=random) * 0.5).clamp(0, 1) for one in rendered]
        answers = {i: Layer.of(confined(one, (rendered[i] > 0.5).numpy())) for i, one in enumerate(wild) if i != 2}
        found = reconciled(shown, answers)
        alphas = whole(found)
        assert alphas.min() >= 0 and alphas.sum(0).max() <= 1 + 1e-5
        for i, (alpha, own) in enumerate(zip(alphas, rendered, strict=True)):
            assert torch.equal(alpha, own) if i == 2 or i in found.kept else iou(alpha > 0.5, own > 0.5) >= 0.7


def test_an_object_is_prompted_by_its_box_and_places_inside_of_it():
    said = shape_prompts(block((10, 20), (20, 40)).numpy() > 0)
    (box,) = said.boxes
    assert (box.x1, box.y1, box.x2, box.y2) == (20, 10, 40, 20)
    assert all(20 < point.x < 40 and 10 < point.y < 20 and point.label == 1 for point in said.points)


def test_every_object_is_asked_that_is_large_enough(toy):
    view = toy.view()
    ids = torch.from_numpy(toy.Field().ids(view.camera))
    speck = torch.zeros(view.image_size)
    speck.view(-1)[: SMALLEST - 1] = 1
    rendered = [(ids == 1).float(), speck, (ids == 2).float()]
    soft = [one * 0.9 for one in (rendered[0], rendered[2])]
    matter = Answers(*soft)
    found = adapted_alphas(view, geometry(*rendered), matter)
    assert len(matter.asked) == 2
    assert all(feature_map is view.feature_map("sam") for feature_map, *_ in matter.asked)
    assert torch.equal(whole(found), torch.stack([soft[0], speck, soft[1]]))
    assert found.kept == ()


def test_without_objects_there_is_nothing(toy):
    found = adapted_alphas(toy.view(), ObjectAlphas((96, 128), (), ()), Answers())
    assert found.alphas.rays == () and found.kept == ()
    assert np.array_equal(found.alphas.id_map([]), np.zeros((96, 128)))
