"""link_plugin.py PLUGINS: links this checkout into a QGIS profile's plugin folder, for development.

PLUGINS is the folder that holds plugins, for example ``<profile>/python/plugins``. In it the folder
``nir_lora_plugin`` appears as an installed plugin has it (metadata.txt, LICENSE and resources inside), made
of links, so that an edit in the checkout is what QGIS loads. Translations are compiled beside their sources.
Run it again after adding a file at the top of the package; it replaces what it made before, and nothing else.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from make_translations import compile_all

ROOT = Path(__file__).resolve().parents[1]
NAME = "nir_lora_plugin"
BESIDE = ("metadata.txt", "LICENSE", "resources")  # these lie at the top of the repository


def link_plugin(plugins: Path) -> Path:
    """Make ``plugins / "nir_lora_plugin"`` and return it.

    Raises:
        FileExistsError: There is a plugin of that name which is not made of links to this checkout.
    """
    target = plugins / NAME
    if target.is_symlink() or target.is_dir():
        _remove(target)
    target.mkdir(parents=True)
    compile_all()
    package = [path for path in (ROOT / NAME).iterdir() if path.name != "__pycache__"]
    for source in [*package, *(ROOT / name for name in BESIDE)]:
        (target / source.name).symlink_to(source, target_is_directory=source.is_dir())
    return target


def _remove(target: Path) -> None:
    if target.is_symlink():
        target.unlink()
        return
    real = [path for path in target.iterdir() if not path.is_symlink() and path.name != "__pycache__"]
    if real:
        raise FileExistsError(f"{target} holds {real[0].name}, which is no link: remove that folder first")
    shutil.rmtree(target)


def main() -> int:
    """Link into the folder that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    try:
        print(link_plugin(Path(sys.argv[1]).absolute()))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
