"""Finding labelled images: a folder with one folder of images per class, or a table of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nirlora.errors import InputError, LabelsError
from nirlora.protocol import ClassInfo
from nirlora.protocol.colors import default_colors
from nirlora.vector.items import MAX_CLASSES

SUFFIXES = (".tif", ".tiff", ".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes:
        root: Folder that ``names`` are below.
        names: Path of each image below ``root``, with forward slashes, sorted within a class.
        values: Class value of each.
        classes: In value order.
        warnings: What was left out.
    """

    root: Path
    names: tuple[str, ...]
    values: tuple[int, ...]
    classes: tuple[ClassInfo, ...]
    warnings: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files."""
        return tuple(str(self.root / name) for name in self.names)


def find_images(folder: str | Path) -> list[Path]:
    """All images below a folder, sorted; hidden files and folders are left out.

    Raises:
        InputError: There is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.", hint="Give the folder that holds the images.")
    found = (p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts))


def labelled_images(folder: str, wanted: Sequence[str] = ()) -> LabelledImages:
    """The images of a folder whose sub-folders are the classes, as UC Merced and NWPU-RESISC45 come.

    Args:
        folder: Holds one folder per class; images lie in these at any depth. Or a ``.csv`` with the columns
            ``image`` (a path from where the table lies; each once) and ``class``, in any order of rows.
        wanted: Only these classes, in this order; empty: all, alphabetically.

    Raises:
        InputError: There is no such folder or table.
        LabelsError: Fewer than two classes have images, a wanted one has none, or an image is listed twice.
    """
    root = Path(folder)
    if root.suffix.lower() == ".csv":
        by_class, warnings = _table(root)
        root = root.parent
    else:
        by_class, warnings = _folders(root)
    names = list(wanted) or sorted(by_class)
    missing = [name for name in names if name not in by_class]
    if missing:
        raise LabelsError(
            f"{root} has no images of class {missing[0]!r}; it has {', '.join(sorted(by_class)) or 'none'}.",
            hint="A class is a folder of images, named after it.",
        )
    if len(names) < 2:
        listed = f"only {names[0]!r}" if names else "none"
        raise LabelsError(
            f"{root} should hold a folder of images for each of two or more classes, but holds {listed}.",
            hint="Give the folder right above the class folders (images are .tif, .jpg or .png), or a table.",
        )
    if len(names) > MAX_CLASSES:
        raise LabelsError(f"{root} has {len(names)} classes, expected at most {MAX_CLASSES}.")
    rows = [(name, value) for value, kind in enumerate(names) for name in by_class[kind]]
    colors = default_colors(names)
    return LabelledImages(
        root=root,
        names=tuple(name for name, _ in rows),
        values=tuple(value for _, value in rows),
        classes=tuple(ClassInfo(v, n, c) for v, (n, c) in enumerate(zip(names, colors, strict=True))),
        warnings=tuple(warnings),
    )


def _folders(root: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Names of the images of each class, and what was skipped."""
    by_class: dict[str, list[str]] = {}
    loose = 0
    for path in find_images(root):
        name = path.relative_to(root).as_posix()
        if "/" in name:
            by_class.setdefault(name.split("/")[0], []).append(name)
        else:
            loose += 1
    warnings = [f"{loose} image(s) lie in {root} itself, in no class; skipped."] if loose else []
    empty = sorted(p.name for p in root.iterdir() if _holds_nothing(p, by_class))
    if empty:
        warnings.append(f"No images in {', '.join(empty)}; skipped.")
    return by_class, warnings


def _table(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """As :func:`_folders`, from a table."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark before the text
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table {path} cannot be read: {error}.", hint="Check the path.") from error
    by_class: dict[str, list[str]] = {}
    line_of: dict[Path, int] = {}
    for number, row in rows:
        image, kind = row.get("image"), row.get("class")
        if not image or not kind:
            raise LabelsError(
                f"Line {number} of {path} has no image or no class.",
                hint="The first line must be image,class and every other line hold both.",
            )
        first = line_of.setdefault((path.parent / image).resolve(), number)
        if first != number:
            raise LabelsError(
                f"Lines {first} and {number} of {path} hold the same image, {image}.",
                hint="Keep one of them: an image has one class, and must not train and be held out at once.",
            )
        by_class.setdefault(kind, []).append(image)
    return {kind: sorted(images) for kind, images in by_class.items()}, []


def _holds_nothing(path: Path, by_class: dict[str, list[str]]) -> bool:
    return path.is_dir() and not path.name.startswith(".") and path.name not in by_class
