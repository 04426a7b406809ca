"""Runs the tests in ``inside/`` within QGIS's real desktop.

    python tests/qgis/run.py                                    all of them, in every QGIS there is
    python tests/qgis/run.py --qgis 3.22 test_layers.py -k nodata -x    one test, quickly (about 3 s)
    python tests/qgis/run.py --list

What follows the options of this program goes to pytest. Needs no virtual environment: any Python >= 3.10.
Screenshots that tests take go to --screenshots (default: nowhere).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from desktop import run_inside
from installations import installations, what_is_missing


def main() -> int:
    """Exit code 0 only if the tests passed in every QGIS asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--qgis", default="all", help="a version, such as 3.22, or all")
    parser.add_argument("--timeout", type=float, default=900, help="seconds until QGIS is killed")
    parser.add_argument("--screenshots", type=Path, help="folder for the screenshots that tests take")
    parser.add_argument("--list", action="store_true", help="show the QGIS versions found and stop")
    options, arguments = parser.parse_known_args()
    missing = what_is_missing()
    if missing:
        print(f"error: {missing}")
        return 2
    found = [one for one in installations() if options.qgis in ("all", one.version)]
    if options.list or not found:
        print("\n".join(f"{one.version}  {one.desktop}" for one in installations()))
        return 0 if options.list else 2
    if options.screenshots:
        os.environ["NIRLORA_SCREENSHOTS"] = str(options.screenshots.absolute())
    failed = False
    for qgis in found:
        print(f"== QGIS {qgis.version}", flush=True)
        outcome = run_inside(qgis, arguments, timeout_s=options.timeout, echo=True)
        print(outcome.log, f"exit code {outcome.code}", flush=True)
        failed |= outcome.code != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
