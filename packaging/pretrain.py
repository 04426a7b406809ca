"""pretrain.py [--work FOLDER] [--seconds N] [--set NAME=VALUE ...]: trains the weights that are shipped.

The first call decodes the tiles into FOLDER/tiles; every call goes on from the checkpoint in FOLDER/NAME,
saves it every two minutes and at its end, and writes there a ``.nirlora-backbone`` (``nirlora-tiny``; with
``--set patch=16`` ``nirlora-tiny-16``) and ``curve.json``. Ctrl-C, a SIGTERM and the end of ``--seconds``
stop it cleanly; a kill costs two minutes. In how many pieces a run is made changes nothing of its result,
the number of threads does in the last bits.
``--start`` trains the weights of an earlier, finished run further, with a schedule of their own.

``--publish`` puts what the run gave into ``resources/pretrained``, with its model card, and trains nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "packaging"))

from nirlora.errors import JobCancelled  # noqa: E402
from pretraining.card import publish  # noqa: E402
from pretraining.run import Places, Settings, Watch, run, with_overrides  # noqa: E402
from pretraining.sources import all_sources  # noqa: E402
from pretraining.tiles import read_tiles, write_tiles  # noqa: E402

PRETRAINED = ROOT / "resources" / "pretrained"
BENCHMARKS = ROOT / "tests" / "benchmarks" / "results"
_FIELDS, _FIELD_SEED = 8, 5000


def main() -> int:
    """Run or go on, as the command line asks."""
    parser = argparse.ArgumentParser(description="Train the weights that the project ships.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "pretraining")
    parser.add_argument("--name", default="run", help="folder of this run inside --work")
    parser.add_argument("--start", type=Path, help="backbone file of an earlier run, to be trained further")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after these; run again to go on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, as JSON")
    parser.add_argument("--publish", action="store_true", help="put the run's weights among the resources")
    options = parser.parse_args()
    if options.publish:
        print(publish(options.work / options.name, PRETRAINED, BENCHMARKS))
        return 0
    torch.set_num_threads(options.threads)
    settings = with_overrides(Settings(), options.set)
    if not (options.work / "tiles" / "tiles.json").exists():
        print("decoding the tiles", flush=True)
        write_tiles(list(all_sources(options.data, _FIELDS, _FIELD_SEED)), options.work / "tiles")
    tiles = read_tiles(options.work / "tiles")
    watch = Watch(options.seconds)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(watch, "stop", True))
    places = Places(options.data / "galileo_nano_weights", options.work / options.name, start=options.start)
    try:
        state = run(settings, tiles, places, watch)
    except JobCancelled:  # before its first step
        print("stopped; nothing was learnt yet")
        return 130
    print(f"step {state.step} of {settings.steps}, {state.elapsed_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
