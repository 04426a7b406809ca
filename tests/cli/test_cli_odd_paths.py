"""Folders, dots and the root where files are expected: refused in words, and nothing is written."""

from __future__ import annotations

import pytest
from training_field import make_field

from nirlora.errors import OutputError
from nirlora.raster.outputs import named

SMALL = ("--backbone", "vit-demo", "--no-pretrained", "--device", "cpu")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A field in the current folder, and a look at what is there."""
    folder = tmp_path / "field folder"
    folder.mkdir()
    make_field(folder)
    (folder / "model.nirlora").write_bytes(b"no model")
    monkeypatch.chdir(folder)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "--layer", ".", *SMALL), "cannot be opened as a raster"),
        (("train", "--layer", "..", *SMALL), "cannot be opened as a raster"),
        (("train", "--layer", "/", *SMALL), "/ gives a result no name"),
        (("train", "--layer", "field.tif", "--labels", ".", *SMALL), "error: ."),
        (("train", "--layer", "field.tif", "--out", ".", *SMALL), ". is a folder"),
        (("segment", "--layer", ".", "--model", "model.nirlora"), "cannot be opened as a raster"),
        (("segment", "--layer", "field.tif", "--model", "."), ". is refused"),
        (("segment", "--layer", "field.tif", "--model", "model.nirlora", "--out", ".."), ".. is a folder"),
        (("export", "--model", "."), "error: "),
        (("classify", "train", "--images", ".", *SMALL), "error: "),
        (("classify", "predict", "--images", ".", "--model", "model.nirlora"), "model.nirlora is refused"),
        (("adapt", "--layer", "field.tif", "--out", ".", *SMALL), ". is a folder"),
        (("adapt", "--layer", "/", *SMALL), "/ gives a result no name"),
        (("compare", "--layer", "/", *SMALL), "/ gives a result no name"),
        (("info", "."), "cannot be opened as a raster"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_folders_are_refused_in_words(cli, here, words, said):
    before = {(path, path.stat().st_mtime_ns) for path in here.rglob("*") if path.is_file()}
    done = cli(*words)
    assert (done.code, done.out) == (2, ""), done.err
    error, hint = done.err.splitlines()[-2:]
    assert error.startswith("error: ")
    assert said in error
    assert not error.endswith("..")
    assert hint.startswith("hint: ")
    assert "fault of the program" not in done.err
    assert {(path, path.stat().st_mtime_ns) for path in here.rglob("*") if path.is_file()} == before


def test_a_folder_of_rasters_may_be_the_present_one(cli, here):
    adapted = cli("adapt", "--layer", ".", "--steps", "1", "--chip-px", "64", "--batch", "2", *SMALL)
    assert adapted.code == 0, adapted.err
    assert [path.name for path in here.rglob("*.nirlora-backbone")] == ["field folder.nirlora-backbone"]


def test_a_least_area_without_polygons_is_refused(cli, here):
    done = cli("segment", "--layer", "field.tif", "--model", "model.nirlora", "--min-area-m2", "5")
    assert done.code == 2
    assert "--min-area-m2 leaves out polygons" in done.err


def test_a_dot_stands_for_the_folder(here):
    assert named(".") == here / "field folder"
    assert str(named("field.tif")) == "field.tif"
    with pytest.raises(OutputError, match="no name"):
        named("/")
