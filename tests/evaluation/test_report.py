"""A report is plain files that need nothing from elsewhere."""

import base64
import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.evaluation.goals import Goal
from samnerf.evaluation.report import CasePicture, Column, Report, Table, words
from samnerf.evaluation.report_files import csv_text, write_report


@pytest.fixture
def report():
    picture = np.zeros((20, 400, 3), np.uint8)
    picture[..., 0] = 200
    rows = [
        {"object": "red <cube>", "views": 2, "iou": 0.5, "found": True},
        {"object": "кот", "views": 0, "iou": math.nan, "found": None, "emphasis": True},
    ]
    columns = (words("object", "object"), words("views", "views"), Column("iou", "IoU"), words("found", "found"))
    return Report(
        kind="scene",
        title="A & B",
        subtitle="two objects",
        about={"run": "a/<b>/config.yml"},
        goals=(Goal("iou", "mean IoU", goal=0.4), Goal("psnr", "PSNR", "{:.1f}", 27.0)),
        scores={"iou": 0.5, "psnr": math.inf},
        tables=[
            Table("objects", "Each object", columns, rows, note="a note"),
            Table("more", "More", columns, rows, folded=True),
        ],
        pictures=[CasePicture("worst: IoU 0.10", [("the mask", picture)])],
        notes=["1 < 2"],
    )


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(report, tmp_path):
    text = write_report(tmp_path, report).read_text()
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    assert not {"script", "link", "iframe"} & set(tags.seen)
    assert all(address.startswith("data:image/") for address in tags.addresses)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert "@import" not in text and "url(" not in text


def test_words_are_escaped_and_numbers_printed(report, tmp_path):
    text = write_report(tmp_path, report).read_text()
    for said in (
        "A &amp; B",
        "red &lt;cube&gt;",
        "a/&lt;b&gt;/config.yml",
        "кот",
        "0.500",
        ">reached<",
        "1 &lt; 2",
        "a note",
    ):
        assert said in text
    assert "<cube>" not in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)


def test_pictures_lie_in_the_page(report, tmp_path):
    text = write_report(tmp_path, report).read_text()
    (stored,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    picture = Image.open(io.BytesIO(base64.b64decode(stored)))
    assert picture.size == (360, 18)
    assert abs(np.asarray(picture)[9, 180].astype(int) - [200, 0, 0]).max() < 6


def test_the_json_form_holds_every_number_and_null_for_none(report, tmp_path):
    write_report(tmp_path, report)
    found = json.loads((tmp_path / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert (found["format"], found["version"], found["kind"]) == ("samnerf-evaluation", 1, "scene")
    assert found["scores"] == {"iou": 0.5, "psnr": None}
    assert found["goals"] == {"iou": 0.4, "psnr": 27.0}
    assert [row["iou"] for row in found["tables"]["objects"]] == [0.5, None]


def test_each_table_is_a_csv_file(report, tmp_path):
    write_report(tmp_path, report)
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["more.csv", "objects.csv"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "objects.csv").read_text())))
    assert rows[0] == {"object": "red <cube>", "views": "2", "iou": "0.5", "found": "True"}
    assert rows[1]["iou"] == rows[1]["found"] == ""


def test_the_csv_keeps_every_digit():
    table = Table("t", "t", (Column("x", "x"),), [{"x": 1 / 3}])
    assert float(csv_text(table).splitlines()[1]) == 1 / 3


def test_the_same_results_give_the_same_bytes(report, tmp_path):
    first, second = write_report(tmp_path / "a", report), write_report(tmp_path / "b", report)
    for path in first.parent.iterdir():
        assert path.read_bytes() == (second.parent / path.name).read_bytes()


def test_a_folder_that_cannot_be_written_is_named(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SamNerfError, match="cannot write"):
        write_report(tmp_path / "file" / "out", report)
