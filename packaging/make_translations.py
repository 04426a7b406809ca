"""make_translations.py [LANGUAGE ...]: collects the plugin's strings for translators.

Writes ``resources/i18n/nir_lora.ts`` (all strings) and brings the ``nir_lora_<language>.ts`` that
exist, or are named, up to date; what is translated stays. Where ``lrelease`` is installed, the ``.qm`` files
that QGIS loads are made too. Needs PyQt6 (``pip install -e .[dev]``).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "resources" / "i18n"
PACKAGE = ROOT / "nir_lora_plugin"


def collect(target: Path) -> None:
    """Bring one ``.ts`` file up to date with the sources."""
    from PyQt6.lupdate import lupdate

    sources = [str(path) for path in sorted(PACKAGE.rglob("*.py"))]
    lupdate(sources, [str(target)], no_obsolete=True)


def release(source: Path) -> bool:
    """Make the ``.qm`` beside ``source``; False where ``lrelease`` is not installed."""
    program = shutil.which("lrelease") or shutil.which("lrelease6")
    if program is None:
        return False
    subprocess.run([program, "-silent", str(source), "-qm", str(source.with_suffix(".qm"))], check=True)
    return True


def main() -> int:
    """Collect, then release what is translated."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    template = FOLDER / "nir_lora.ts"
    named = [FOLDER / f"nir_lora_{language}.ts" for language in sys.argv[1:]]
    translations = sorted({*FOLDER.glob("nir_lora_*.ts"), *named})
    for target in (template, *translations):
        collect(target)
        print(target.relative_to(ROOT))
    for target in translations:
        if not release(target):
            print("lrelease is not installed: no .qm was made")
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
