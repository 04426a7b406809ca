from __future__ import annotations

import base64
import io
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from nirlora.errors import OutputError
from nirlora.protocol import ClassInfo, LayerRef, TrainRequest
from nirlora.training.report import (
    QuickLook,
    command_line,
    confusion_rows,
    paint,
    picture,
    render,
    write_report,
)
from report_sample import sample


class Text(HTMLParser):
    """Visible text and the addresses that a page would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loads += [value for key, value in attrs if key in ("src", "href", "data", "srcset")]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return render(sample())


def test_one_file_without_network(page):
    text = Text(page)
    assert len(text.loads) == 4
    assert all(u.startswith("data:image/png;base64,") for u in text.loads)
    assert not text.tags & {"script", "link", "iframe"}
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    assert "@import" not in page


def test_pictures_are_png_of_the_right_size(page):
    sizes = [
        imread(io.BytesIO(base64.b64decode(u.split(",")[1])), format="png").shape[:2]
        for u in Text(page).loads
    ]
    assert sizes[:3] == [(480, 480)] * 3


def test_text_is_escaped(page):
    assert "<shadow>" not in page
    assert "bare soil &amp; &lt;shadow&gt;" in page
    assert "repaired &lt;b&gt;" in page


def test_says_what_a_reader_needs(page):
    text = " ".join(" ".join(Text(page).words).split())
    for needed in ("field.nirlora", "Mean IoU 0.81", "reference", "prediction", "147 456", "3:07 min"):
        assert needed in text
    assert "nirlora-train --layer '/data/my fields/field.tif'" in text
    assert "torch 2.15.0" in text


def test_leaves_pyplot_and_backend_alone(page):
    assert matplotlib.get_backend().lower() == "agg" or "matplotlib.pyplot" not in __import__("sys").modules


def test_without_anything_held_out():
    data = replace(sample(), metrics={}, counts=(), quick_looks=(), history=(), channels=(), warnings=())
    page = render(data)
    assert "nothing is known" in page
    assert "Confusion" not in page


def test_the_verdict_on_top_weighs_the_evidence():
    """26 held-out polygons in the sample; nothing is toned down for dense labels by the hundred."""
    text = " ".join(" ".join(Text(render(sample())).words).split())
    assert "on only 26 held-out polygons (bare soil & <shadow>: 4)" in text
    assert "weak evidence" in text
    assert "drawn inside clear areas flatter" in text
    many = tuple(replace(c, val_items=40) for c in sample().counts)
    text = " ".join(" ".join(Text(render(replace(sample(), counts=many, dense=True))).words).split())
    assert "Mean IoU 0.81 on 160 held-out blocks of labels: very good." in text
    assert "weak" not in text
    assert "flatter" not in text


def test_history_with_holes_and_one_epoch():
    entry = {"epoch": 1, "step": 5, "loss": None, "lr": 0.0, "miou": None, "seconds": 1.0}
    render(replace(sample(), history=(entry, entry)))
    assert "Learning rate" not in render(replace(sample(), history=(entry,)))


def test_confusion_rows_are_shares_of_the_reference():
    rows = confusion_rows([[3, 1], [0, 0]], ["a", "b"])
    assert [c["share"] for c in rows[0]["cells"]] == [0.75, 0.25]
    assert [c["share"] for c in rows[1]["cells"]] == [0.0, 0.0]


def test_picture_stretches_and_keeps_holes_white():
    image = np.linspace(0, 1, 100, dtype=np.float32).reshape(1, 10, 10)
    image[0, 0, 0] = np.nan
    rgb = picture(image)
    assert rgb.shape == (10, 10, 3)
    assert rgb[0, 0].tolist() == [255] * 3
    assert rgb[0, 1].tolist() == [0] * 3
    assert rgb[9, 9].tolist() == [255] * 3
    assert (picture(np.full((1, 4, 4), 7.0)) == 0).all()
    assert (picture(np.full((3, 4, 4), np.nan)) == 255).all()


def test_paint_takes_colours_by_value():
    classes = (ClassInfo(0, "a", "#010203"), ClassInfo(1, "b", "#0a0b0c"))
    values = np.array([[0, 1, 255]], np.uint8)
    assert paint(values, classes, None)[0].tolist() == [[1, 2, 3], [10, 11, 12], [255, 255, 255]]
    under = np.full((1, 3, 3), 9, np.uint8)
    assert paint(values, classes, under)[0, 2].tolist() == [9, 9, 9]


def test_large_quick_look_is_made_smaller():
    big = QuickLook(
        "big",
        np.zeros((3, 1500, 300)),
        np.full((1500, 300), 255, np.uint8),
        np.full((1500, 300), 255, np.uint8),
    )
    uri = Text(render(replace(sample(), quick_looks=(big,)))).loads[0]
    assert imread(io.BytesIO(base64.b64decode(uri.split(",")[1])), format="png").shape[:2] == (500, 100)


def test_command_line_has_what_differs_and_nothing_else():
    request = TrainRequest(
        layers=(LayerRef("a b.tif", "l.gpkg"), LayerRef("c.tif", "m.gpkg")),
        classes=("x", "y"),
        report=False,
        resume=True,
        rank=8,
    )
    words = shlex.split(command_line(request))
    assert words[9:] == ["--classes", "x,y", "--rank", "8", "--resume", "--no-report"]


def test_write_report_is_whole_or_not_at_all(tmp_path: Path):
    target = tmp_path / "r.html"
    write_report(target, sample())
    assert target.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OutputError, match="no-report"):
        write_report(tmp_path / "missing" / "r.html", sample())
