"""Reference labels valued by a model's classes."""

from grids import empty_raster, from_pixels, write_vector
from nirlora.inference.evaluate import match_labels
from nirlora.protocol import ClassInfo
from nirlora.raster.source import open_raster
from nirlora.vector.labels import open_labels

BINARY = (ClassInfo(0, "other", "#bdbdbd"), ClassInfo(1, "crop", "#00ff00"))


def matched(tmp_path, names):
    import shapely

    boxes = [shapely.box(20 * i, 2, 20 * i + 9, 11) for i in range(len(names))]
    path = write_vector(tmp_path / "a.gpkg", from_pixels(boxes), {"class": names})
    with open_raster(empty_raster(tmp_path / "i.tif")) as source:
        return match_labels(open_labels(path, source), BINARY, "crop")


def test_all_but_the_positive_class_is_the_rest(tmp_path):
    labels, notes = matched(tmp_path, ["crop", "weed", "soil"])
    assert sorted(item.class_value for item in labels.items) == [0, 0, 1]
    assert notes == []


def test_labels_without_the_positive_class_are_told(tmp_path):
    """A misspelt class would score as a perfect "other"."""
    labels, notes = matched(tmp_path, ["Crop", "soil"])
    assert {item.class_value for item in labels.items} == {0}
    assert notes == [
        "No label is of the class 'crop' that the model finds; all count as 'other': Crop, soil."
    ]
