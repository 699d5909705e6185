"""Masks over HTTP: the same as a session gives, described, and bounded."""

import io
import json

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools import mask as coco_masks

from samnerf.export.alpha_rle import decode_alpha
from samnerf.images.segmentation import ImageSegmenter
from samnerf.preprocessing.synthetic.training_images import training_image
from samnerf.prompts import Phrase, Point, PromptSet
from samnerf.server.http_application import HttpLimits, MaskService, http_application
from samnerf.session import Session

PICTURE = training_image(0, 1, 160)
CUBE = PICTURE.ids == next(one.id for one in PICTURE.objects if one.name == "striped pink cube")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools on NumPy 2
LIMITS = HttpLimits(body_bytes=300_000, body_seconds=5.0, pixels=200_000)


@pytest.fixture(scope="module")
def segmenter():
    return ImageSegmenter("tiny")


def client_of(service):
    return TestClient(http_application(service), base_url="http://127.0.0.1")


@pytest.fixture
def client(segmenter):
    return client_of(MaskService(segmenter, limits=LIMITS))


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def post(client, content, objects, **fields):
    data = {"objects": objects if isinstance(objects, str) else json.dumps(objects), **fields}
    return client.post("/v1/image", files={"image": ("a.png", content)}, data=data)


def click(name="cube"):
    rows, columns = np.nonzero(CUBE)
    return {"name": name, "points": [{"xy": [float(columns.mean()) + 0.5, float(rows.mean()) + 0.5]}]}


def test_a_picture_and_a_click_give_mask_score_and_matte(client, segmenter):
    answer = post(client, png(PICTURE.rgb), [click(), {"name": "words", "phrase": "pink cube"}])
    assert answer.status_code == 200
    document = answer.json()
    assert document["image_size"] == [160, 160]
    cube, words = document["objects"]
    (x, y), session = click()["points"][0]["xy"], Session(segmenter.mask_decoder)
    expected = session.segment(segmenter.view(PICTURE.rgb), PromptSet(points=(Point(x, y),)))
    mask = coco_masks.decode(cube["mask"]).astype(bool)
    assert np.array_equal(mask, expected.mask().numpy())
    assert cube["score"] == pytest.approx(float(expected.best.scores[0]))
    said = PromptSet(points=(Point(x, y),))
    alpha = segmenter.matter().decode(segmenter.view(PICTURE.rgb).feature_map("sam"), [said])
    assert np.abs(decode_alpha(cube["alpha"]) - alpha.numpy()).max() <= 0.5 / 255 + 1e-6
    assert cube["area"] == mask.sum() and cube["reason"] is None
    rows, columns = np.nonzero(mask)
    assert cube["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert words["name"] == "words"


def test_mattes_are_left_out_on_request_and_nothing_found_has_a_reason(client):
    (found,) = post(client, png(PICTURE.rgb), [click()], alpha="false").json()["objects"]
    assert found["alpha"] is None
    nothing = [{"name": "n", "phrase": {"text": "cube", "threshold": 1.0}}]
    (found,) = post(client, png(PICTURE.rgb), nothing).json()["objects"]
    assert (found["area"], found["box"], found["score"]) == (0, [0, 0, 0, 0], 0)
    assert "nothing reaches the relevancy 1" in found["reason"]


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ("{", "objects is no JSON"),
        ("[" * 100_000, "objects is no JSON"),
        ([], "1 to 64 objects"),
        ({"name": "a"}, "must be a list of 1 to 64 objects"),
        ([{"name": "a"}], "objects, object 1 ('a'): nothing is said"),
        ([click()] * 65, "1 to 64 objects"),
        ([{"name": "a", "points": [{"xy": [500, 5]}]}], "lies outside the image of 160 x 160"),
        ([{"name": "a", "points": [{"xyz": [0, 0, 0]}]}], "has no camera"),
    ],
)
def test_what_is_wrong_with_prompts_is_said(client, objects, words):
    answer = post(client, png(PICTURE.rgb), objects)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"no picture", png(PICTURE.rgb)[:2000]])
def test_what_is_no_picture_is_refused_and_names_no_file(client, content):
    answer = post(client, content, [click()])
    assert answer.status_code == 422
    assert "image" in str(answer.json()["detail"]) and "samnerf-serve-" not in str(answer.json())


def test_pictures_and_requests_are_bounded(client):
    answer = post(client, png(np.zeros((500, 500, 3), np.uint8)), [click()])
    assert answer.status_code == 422 and "at most 200000 are taken" in answer.json()["detail"]
    assert post(client, bytes(400_000), [click()]).status_code == 413
    for length in ("99999999999", "nonsense"):
        answer = client.post("/v1/view", content=b"{}", headers={"content-length": length})
        assert answer.status_code == 413

    def endless():
        for _ in range(100):
            yield bytes(10_000)

    answer = client.post("/v1/view", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413 and "more than 300000 bytes" in answer.json()["detail"]


def test_a_view_of_a_scene_is_segmented_and_kept(toy):
    field = toy.Field()
    teachers = ImageSegmenter("tiny")
    teachers.mask_decoder, teachers.text_decoder = toy.MaskDecoder(), toy.TextDecoder
    scene = toy.scene(field)
    client = client_of(MaskService(teachers, scene))
    assert client.get("/v1/about").json()["views"] == ["frame_0", "frame_1", "frame_2", "frame_3", "frame_4"]
    request = {"view": "frame_3", "objects": [{"name": "green", "phrase": "green square"}]}
    for _ in range(2):
        answer = client.post("/v1/view", json=request)
        assert answer.status_code == 200
        (found,) = answer.json()["objects"]
        mask = coco_masks.decode(found["mask"]).astype(bool)
        said = PromptSet(phrase=Phrase("green square"))
        view = toy.view("frame_3", x=0.3)
        assert np.array_equal(mask, Session(toy.MaskDecoder(), toy.TextDecoder()).segment(view, said).mask().numpy())
        assert mask[field.ids(view.camera) == 2].mean() > 0.9
    assert field.feature_renders == 1
    answer = client.post("/v1/view", json=request | {"view": "frame_9"})
    assert answer.status_code == 422 and "no view called 'frame_9'" in answer.json()["detail"]


def test_without_a_scene_there_are_no_views(client):
    assert client.get("/v1/about").json() == {
        "program": client.get("/v1/about").json()["program"],
        "teachers": "tiny",
        "views": [],
    }
    answer = client.post("/v1/view", json={"view": "a", "objects": [click()]})
    assert answer.status_code == 422 and "--config RUN/config.yml" in answer.json()["detail"]
    assert client.post("/v1/view", json={"view": "a", "objects": [click()], "colour": 1}).status_code == 422


def test_the_description_knows_addresses_fields_and_problems(client):
    description = client.get("/openapi.json").json()
    assert set(description["paths"]) == {"/v1/about", "/v1/image", "/v1/view"}
    assert {"200", "408", "413", "422"} <= set(description["paths"]["/v1/image"]["post"]["responses"])
    schemas = description["components"]["schemas"]
    assert {"counts", "size", "version"} <= set(schemas["AlphaRuns"]["properties"])
    assert schemas["ViewRequest"]["properties"]["objects"]["items"]["examples"][0]["name"] == "red cube"


def test_a_page_that_poses_as_this_machine_is_refused(segmenter):
    service = MaskService(segmenter)
    elsewhere = TestClient(http_application(service), base_url="http://evil.example")
    assert elsewhere.get("/v1/about").status_code == 400
    public = TestClient(http_application(service, "0.0.0.0"), base_url="http://some.name")
    assert public.get("/v1/about").status_code == 200
