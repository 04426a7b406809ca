"""Exit codes, streams, errors, signals, progress and start-up time, against scripted jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nirlora
from nirlora import errors
from nirlora.protocol import (
    ClassArea,
    ClassInfo,
    EvaluateResult,
    Progress,
    SegmentResult,
    TrainResult,
)

CLASSES = (ClassInfo(0, "crop", "#00ff00"), ClassInfo(1, "weed", "#ff0000"))
METRICS = {
    "miou": 0.75,
    "mean_f1": float("nan"),
    "accuracy": 0.9,
    "classes": {
        "crop": {"iou": 0.8, "f1": 0.89, "precision": 0.9, "recall": 0.88, "pixels": 1234567},
        "weed": {"iou": None, "f1": None, "precision": None, "recall": None, "pixels": 0},
    },
    "confusion": [[5, 1], [0, 0]],
    "verdict": "Weak evidence.",
}
TRAINED = TrainResult(
    "f.nirlora", "f_report.html", CLASSES, METRICS, 75.0, "cpu", 1000, 100_000, "", ("few polygons",), {}
)
SEGMENTED = SegmentResult(
    "f.tif",
    {"map": "f.tif", "style": "f.qml"},
    CLASSES,
    (ClassArea(0, "crop", 75, 1.5), ClassArea(1, "weed", 25, 0.5)),
    100,
    2.0,
    1.5e6,
    "cpu",
    (),
    {"torch": "2"},
)
EVALUATED = EvaluateResult(CLASSES, METRICS, 6, 1.0, "cpu", (), {})
TRAIN = ("train", "--layer", "f.tif")


@pytest.fixture
def job(monkeypatch):
    """Replace ``nirlora.<name>`` by a function of (request, progress)."""

    def replace(name, function):
        monkeypatch.setitem(vars(nirlora), name, function)  # setattr would look at the real one: torch

    return replace


def finish(result):
    def run(request, progress=None):
        print("a library prints")
        for i in range(1, 101):
            metrics = {"loss": 1 / i, "epoch": float((i - 1) // 50 + 1), "miou": 0.5, "best_miou": 0.6}
            progress(Progress("train", i / 100, f"step {i}/100", 100.0 - i, metrics | {"px_per_s": 2.5e6}))
        return result

    return run


def fail(error):
    def run(request, progress=None):
        raise error

    return run


def test_train_json_is_the_only_thing_on_stdout(cli, job):
    job("train", finish(TRAINED))
    done = cli(*TRAIN, "--json")
    assert done.code == 0
    assert done.json["model"] == "f.nirlora"
    assert done.json["classes"][1] == {"value": 1, "name": "weed", "color": "#ff0000"}
    assert done.json["metrics"]["miou"] == 0.75
    assert done.json["metrics"]["mean_f1"] is None  # NaN is no JSON
    assert "a library prints" in done.err


def test_train_for_people(cli, job):
    job("train", finish(TRAINED))
    done = cli(*TRAIN)
    assert done.code == 0
    for word in (
        "f.nirlora",
        "f_report.html",
        "mIoU 0.750",
        "1,234,567",
        "1:15 min",
        "1.00 %",
        "Weak evidence.",
    ):
        assert word in done.out
    assert "warning: few polygons" in done.err
    assert "a library prints" not in done.out


def test_train_without_scores(cli, job):
    job("train", finish(TrainResult("m", "", CLASSES, {}, 1, "cpu", 1, 1, "cancelled", (), {})))
    done = cli(*TRAIN)
    assert done.code == 0
    assert "nothing could be held out" in done.out
    assert "stopped by you" in done.out


def test_segment_and_evaluate_for_people(cli, job):
    job("segment", finish(SEGMENTED))
    job("evaluate", finish(EVALUATED))
    segmented = cli("segment", "--layer", "f.tif", "--model", "m")
    assert segmented.code == 0
    assert "75.0 %" in segmented.out
    assert "f.qml" in segmented.out
    assert "1.5 Mpx/s" in segmented.out
    evaluated = cli("evaluate", "--layer", "f.tif", "--model", "m", "--labels", "t.gpkg")
    assert evaluated.code == 0
    assert "scores against the reference" in evaluated.out


def test_a_log_gets_a_line_per_epoch_and_five_percent(cli, job):
    job("train", finish(TRAINED))
    lines = [line for line in cli(*TRAIN).err.splitlines() if line.startswith("train ")]
    assert 20 <= len(lines) <= 23
    assert (
        lines[0]
        == "train   1%  step 1/100 · loss 1.000 · val mIoU 0.500 (best 0.600) · 2.5 Mpx/s · ETA 1:39 min"
    )
    assert any(line.startswith("train  51%  step 51/100") for line in lines)  # epoch 2
    assert "\x1b" not in "".join(lines)


def test_dry_run(cli, job):
    plan = {
        "chips": 5,
        "total_parameters": 12345678,
        "seconds": 3.25,
        "classes": [{"name": "a", "pixels": 5}],
    }
    job("plan", lambda request: plan)
    job("train", fail(AssertionError("trained")))
    assert cli(*TRAIN, "--dry-run", "--json").json == plan
    shown = cli(*TRAIN, "--dry-run").out
    assert "12,345,678" in shown
    assert "total parameters" in shown


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RasterError("no bands", hint="look"), 2),
        (errors.OptionError("no such", hint="try"), 2),
        (errors.MismatchError("other bands", hint="map them"), 2),
        (errors.ModelError("truncated", hint="copy again"), 2),
        (errors.WeightsUnavailable("no network", hint="three ways"), 2),
        (errors.OutputPathError("no such folder", hint="elsewhere"), 2),
        (errors.OutputError("read-only", hint="elsewhere"), 1),
        (errors.DeviceError("no memory", hint="--batch"), 1),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Exception) else "",
)
def test_expected_errors(cli, job, error, code):
    job("train", fail(error))
    done = cli(*TRAIN, "--json")
    assert done.code == code
    assert done.err == f"error: {error.message}\nhint: {error.hint}\n"
    assert done.json == {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    assert cli(*TRAIN).out == ""


def test_an_unexpected_error_is_a_line_and_a_log(cli, job):
    job("train", fail(ZeroDivisionError("division\nby zero")))
    done = cli(*TRAIN)
    assert done.code == 1
    assert done.err.startswith("error: ZeroDivisionError: division by zero\nhint: ")
    assert "Traceback" not in done.err
    log = Path(next(w for w in done.err.split() if w.endswith(".log;")).rstrip(";"))
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")
    log.unlink()
    assert "Traceback" in cli(*TRAIN, "--debug").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train",), "--layer"),
        (("train", "--layer", "a", "--rank", "x"), "--rank"),
        (("train", "--layer", "a", "--rank", "0"), "--rank"),
        (("train", "--layer", "a", "--val-fraction", "0.9"), "--val-fraction"),
        (("trian",), "train"),
        (("train", "--layr", "a"), "--layer"),
        (("segment", "--layer", "a"), "--model"),
        (("info",), "FILE"),
    ],
)
def test_usage_errors(cli, words, said):
    done = cli(*words, "--json")
    assert done.code == 2
    first, second = done.err.splitlines()
    assert first.startswith("error: ")
    assert said in first
    assert second.startswith("hint: ")
    assert done.json["error"]["code"] == "usage"


def test_cancelled_before_anything_exists(cli, job):
    job("train", fail(nirlora.JobCancelled()))
    done = cli(*TRAIN, "--json")
    assert done.code == 130
    assert "nothing was written" in done.err
    assert done.json["error"]["code"] == "cancelled"


def test_ctrl_c_reaches_the_job_once_and_the_result_still_counts(cli, job):
    def train(request, progress):
        progress(Progress("train", 0.1))
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(nirlora.JobCancelled):
            progress(Progress("train", 0.2))
        progress(Progress("report", 1.0))
        return TRAINED

    before = signal.getsignal(signal.SIGINT)
    job("train", train)
    done = cli(*TRAIN, "--json")
    assert done.code == 0
    assert done.json["model"] == "f.nirlora"
    assert "stopping after this step" in done.err
    assert signal.getsignal(signal.SIGINT) is before


def test_second_ctrl_c_stops_at_once(cli, job):
    def train(request, progress):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        raise AssertionError("went on")

    job("train", train)
    assert cli(*TRAIN).code == 130


def test_ctrl_c_stops_a_dry_run_at_once(cli, job):
    def plan(request):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        raise AssertionError("went on")

    job("plan", plan)
    # A shell that starts the tests in the background has Ctrl-C ignored, and Python keeps that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = cli(*TRAIN, "--dry-run")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.code == 130
    assert "stopping after this step" not in done.err


def script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['nirlora', 'train', '--help']\n"
        "from nirlora_train.main import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code\n"
        "heavy = {'torch', 'numpy', 'rasterio', 'timm', 'peft', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_help_groups_options(cli):
    done = cli("train", "--help")
    assert done.code == 0
    for panel in ("Data", "Model", "Training", "Output", "Run"):
        assert f"─ {panel} ─" in done.out


def test_version(cli):
    done = cli("--version")
    assert (done.code, done.out) == (0, f"nirlora {nirlora.__version__}\n")


def test_bar_on_a_terminal(job):
    pty = pytest.importorskip("pty")
    code = (
        "import nirlora, sys; from nirlora.protocol import *\n"
        "def train(request, progress):\n"
        "    for i in range(5):\n"
        "        progress(Progress('train', i / 4, f'step {i}/4', 9.0, {'loss': .5, 'miou': .25}))\n"
        "    raise nirlora.JobCancelled\n"
        "nirlora.train = train\n"
        "sys.argv = ['nirlora', 'train', '--layer', 'a.tif']\n"
        "from nirlora_train.main import main; main()"
    )
    leader, follower = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen([sys.executable, "-c", code], stderr=follower, stdout=follower, env=env) as child:
        os.close(follower)
        seen = b""
        while True:
            try:
                chunk = os.read(leader, 4096)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
    os.close(leader)
    assert child.returncode == 130
    text = seen.decode()
    assert "━" in text
    assert "step 4/4 · loss 0.500 · val mIoU 0.250" in text


def test_closed_pipe_is_quiet(job):
    code = (
        "import nirlora, sys; nirlora.plan = lambda r: {str(i): i for i in range(20000)}\n"
        "sys.argv = ['nirlora', 'train', '--layer', 'a.tif', '--dry-run']\n"
        "from nirlora_train.main import main; main()"
    )
    line = [sys.executable, "-c", code]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()
        said = child.stderr.read()
    assert said == ""
    assert child.returncode == 1


def test_json_survives_a_shell(tmp_path):
    done = subprocess.run(
        [script("nirlora"), "info", str(tmp_path / "none.tif"), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "bad_raster"
