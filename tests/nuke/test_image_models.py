"""Every model that looks at frames, on a synthetic picture in linear light, with the bundled teachers."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.images.prompts import ImagePrompts
from samnerf.images.segmentation import segment_image
from samnerf.images.settings import ImageSettings
from samnerf.nuke.frames import Frame, srgb_curve
from samnerf.nuke.image_models import image_models
from samnerf.objects.palette import object_colour
from samnerf.preprocessing.synthetic.training_images import training_image
from samnerf.prompts import Box, Phrase, Point, PromptSet
from samnerf.server.remembered_maps import RememberedMaps
from samnerf.session import Session

PICTURE = training_image(0, 1, 160)
FRAME = Frame.from_srgb(PICTURE.rgb / 255)
HEIGHT, WIDTH = FRAME.size


def truth(name):
    return PICTURE.ids == next(one.id for one in PICTURE.objects if one.name == name)


CUBE = truth("striped pink cube")


def middle(mask):
    """(x, y) from the top left."""
    rows, columns = np.nonzero(mask)
    return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5


def overlap(mask, other):
    return (mask & other).sum() / (mask | other).sum()


X, Y = middle(CUBE)


@pytest.fixture(scope="module")
def client(kit, segmenter):
    with kit.served(image_models(segmenter)) as client:
        yield client


@pytest.fixture(scope="module")
def session(segmenter):
    return Session(segmenter.mask_decoder, segmenter.text_decoder())


def grey(frame):
    """The one matte of a reply in three channels."""
    assert frame.size == (HEIGHT, WIDTH) and len(frame.pixels) == 3
    assert np.array_equal(frame.pixels[0], frame.pixels[1]) and np.array_equal(frame.pixels[0], frame.pixels[2])
    return frame.pixels[0]


def test_a_point_gives_the_mask_that_a_session_gives(client, segmenter, session):
    mask = grey(client.infer("sam_points", [FRAME], points=f"{X},{HEIGHT - Y}"))
    expected = session.segment(segmenter.view(PICTURE.rgb), PromptSet(points=(Point(X, Y),))).mask().numpy()
    assert np.array_equal(mask, expected.astype(np.float32))
    assert overlap(mask > 0, CUBE) > 0.7


def test_points_in_the_lowest_row_are_the_same(client):
    pixels = FRAME.pixels.copy()
    pixels[:, -1] = 0
    pixels[0, -1, :3] = X / WIDTH * 1024, (HEIGHT - Y) / HEIGHT * 1024, 0
    clean = FRAME.pixels.copy()
    clean[:, -1] = clean[:, -2]
    in_row = grey(client.infer("sam_points", [Frame(pixels)], points_row=True))
    assert np.array_equal(in_row, grey(client.infer("sam_points", [Frame(clean)], points=f"{X},{HEIGHT - Y}")))


def test_a_subtractive_point_takes_away(client):
    x, y = middle(truth("striped pink capsule"))
    both = f"{X},{HEIGHT - Y} {x},{HEIGHT - y}"
    united = grey(client.infer("sam_points", [FRAME], points=both))
    without = grey(client.infer("sam_points", [FRAME], points=f"{both},1"))
    assert united[int(y), int(x)] == 1 and without[int(y), int(x)] == 0


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("sam_points", {}),
        ("sam_points", {"points": "50,50,0,0"}),
        ("sam_points", {"points": "50,50,1"}),
        ("sam_points", {"points": "-50,50"}),
        ("sam_box", {}),
        ("sam_box", {"box_x": 900.0, "box_y": 10.0, "box_r": 990.0, "box_t": 50.0}),
        ("clipseg_text", {}),
        ("clipseg_text", {"phrase": "  ", "output": "mask"}),
        ("clipseg_text", {"phrase": "cube", "output": "mask", "threshold": 1.0}),
        ("matte", {}),
        ("matte", {"points": "50,50,1"}),
    ],
)
def test_nothing_said_or_found_is_black(client, model, options):
    assert not grey(client.infer(model, [FRAME], **options)).any()


def test_a_box_is_counted_from_the_bottom(client, segmenter, session):
    rows, columns = np.nonzero(CUBE)
    x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    corners = {"box_x": x1, "box_y": HEIGHT - y2, "box_r": x2, "box_t": HEIGHT - y1}
    mask = grey(client.infer("sam_box", [FRAME], **{name: float(value) for name, value in corners.items()}))
    box = Box(float(x1), float(y1), float(x2), float(y2))
    expected = session.segment(segmenter.view(PICTURE.rgb), PromptSet(boxes=(box,))).mask().numpy()
    assert np.array_equal(mask > 0, expected)
    assert overlap(mask > 0, CUBE) > 0.7


def test_everything_is_numbered_and_coloured(client):
    settings = ImageSettings(points_per_side=5, iou_thres=0.5, stability_score_thresh=0.5)
    found = segment_image(PICTURE.rgb, ImagePrompts(), settings)
    few = {"points_per_side": 5, "quality": 0.5, "stability": 0.5}
    ids = grey(client.infer("sam_everything", [FRAME], output="ids", **few))
    assert np.array_equal(ids, found.id_map.astype(np.float32)) and ids.max() >= 2
    shown = client.infer("sam_everything", [FRAME], **few)
    place = tuple(np.argwhere(ids == 2)[0])
    np.testing.assert_allclose(srgb_curve(shown.pixels[:, place[0], place[1]]) * 255, object_colour(2), atol=1e-3)
    encoded = client.infer("sam_everything", [FRAME], bypass_srgb=True, points_per_side=2)
    assert encoded.size == FRAME.size


def test_everything_is_held_against_its_range(client):
    with pytest.raises(SamNerfError, match="must lie between -1 and 64"):
        client.infer("sam_everything", [FRAME], points_per_side=65)
    with pytest.raises(SamNerfError, match="'points_per_side' is 0"):
        client.infer("sam_everything", [FRAME], points_per_side=0)


def test_words_give_relevancy_or_a_mask(client, segmenter, session):
    view = segmenter.view(PICTURE.rgb)
    relevancy = grey(client.infer("clipseg_text", [FRAME], phrase="pink cube"))
    np.testing.assert_array_equal(relevancy, session.relevancy(view, "pink cube").numpy())
    assert relevancy[CUBE].mean() > 2 * relevancy[~CUBE].mean()
    mask = grey(client.infer("clipseg_text", [FRAME], phrase="pink cube", output="mask", top_k=2, threshold=0.4))
    expected = session.segment(view, PromptSet(phrase=Phrase("pink cube", 0.4, 2))).mask().numpy()
    assert np.array_equal(mask > 0, expected) and mask.any()


def test_a_matte_is_soft_where_a_mask_is_not(client, segmenter):
    point = f"{X},{HEIGHT - Y}"
    alpha = grey(client.infer("matte", [FRAME], points=point))
    assert alpha.min() >= 0 and alpha.max() <= 1
    assert ((alpha > 0.01) & (alpha < 0.99)).sum() > 20
    assert overlap(alpha > 0.5, grey(client.infer("sam_points", [FRAME], points=point)) > 0) > 0.8
    said = PromptSet(points=(Point(X, Y),))
    expected = segmenter.matter().decode(segmenter.view(PICTURE.rgb).feature_map("sam"), [said])
    np.testing.assert_allclose(alpha, expected, atol=1e-6)
    assert grey(client.infer("matte", [FRAME], phrase="pink cube")).any()


def test_linear_light_and_bypassed_srgb_are_the_same_picture(client):
    encoded = Frame(np.ascontiguousarray(PICTURE.rgb.transpose(2, 0, 1) / 255, np.float32))
    options = {"phrase": "pink cube"}
    one = client.infer("clipseg_text", [FRAME], **options)
    other = client.infer("clipseg_text", [encoded], bypass_srgb=True, **options)
    assert np.array_equal(one.pixels, other.pixels)
    assert not np.array_equal(one.pixels, client.infer("clipseg_text", [encoded], **options).pixels)


def test_malformed_words_of_a_request_are_answered(client):
    with pytest.raises(SamNerfError, match="the point '5' is not"):
        client.infer("sam_points", [FRAME], points="5")
    with pytest.raises(SamNerfError, match="must be one of relevancy, mask"):
        client.infer("clipseg_text", [FRAME], phrase="cube", output="heat")
    with pytest.raises(SamNerfError, match="no option 'pionts'; it has bypass_srgb, points_row, points"):
        client.infer("sam_points", [FRAME], pionts="5,5")


def test_a_picture_of_one_pixel_is_a_picture(client):
    assert client.infer("sam_points", [Frame(np.ones((3, 1, 1), np.float32))], points="1,1").size == (1, 1)


def test_a_point_that_moves_waits_for_no_encoder(segmenter):
    encoded = []

    def encode(kind, image):
        encoded.append(kind)
        return segmenter.encoder(kind).encode(image)

    maps = RememberedMaps(encode, most=2)
    points, text = (type(image_models(segmenter)[i])(segmenter, maps) for i in (0, 3))
    for x in (20, 40, 60):
        points.infer([FRAME], points.options(points=f"{x},{x}"))
    assert encoded == ["sam"]
    text.infer([FRAME], text.options(phrase="cube"))
    text.infer([FRAME], text.options(phrase="capsule"))
    assert encoded == ["sam", "clipseg"]
    for level in (0.1, 0.2, 0.3):
        points.infer([Frame(np.full((3, 8, 8), level, np.float32))], points.options(points="4,4"))
    assert len(maps) == 2 and len(encoded) == 5
    points.infer([FRAME], points.options(points="20,20"))
    assert len(encoded) == 6
