"""Whatever is wrong with a request is answered at once, in one shape, with the cure."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from typing import cast

import pytest

from data.make_data import make_raster, pattern
from nirlora.jobs.supervisor import Supervisor
from nirlora.protocol import EvaluateRequest, ExportRequest, LayerRef, SegmentRequest, to_dict
from nirlora.server.job_routes import job_routes
from nirlora.server.question_routes import question_routes
from server.harness import TOKEN, tiny_training

# Every route there is; that none is missing here is tested.
ROUTES = [
    ("GET", "/v1/health"),
    ("POST", "/v1/shutdown"),
    ("GET", "/v1/jobs"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs/a"),
    ("GET", "/v1/jobs/a/events"),
    ("POST", "/v1/jobs/a/cancel"),
    ("POST", "/v1/jobs/a/resume"),
    ("DELETE", "/v1/jobs/a"),
    ("GET", "/v1/models"),
    ("POST", "/v1/inspect"),
    ("POST", "/v1/plan"),
    ("POST", "/v1/plan-adaptation"),
    ("POST", "/v1/check"),
    ("GET", "/v1/backbones"),
]
WITH_BODY = [path for method, path in ROUTES if method == "POST"]


def refused(answer, status, code):
    assert (answer.status, answer.error["code"]) == (status, code), answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert answer.error["message"]
    return answer.error


@pytest.mark.parametrize(
    "header", ["", "Bearer wrong", f"Basic {TOKEN}", f"bearer {TOKEN}", f"Bearer {TOKEN}x"]
)
@pytest.mark.parametrize("path", ["/v1/health", "/v1/jobs", "/v1/nothing"])
def test_without_the_token_nothing_is_told(cold, header, path):
    refused(cold.ask("GET", path, Authorization=header), 401, "unauthorised")


def test_every_route_is_in_these_tests():
    nobody = cast(Supervisor, None)
    routes = [*job_routes(nobody).routes, *question_routes(nobody).routes]
    known = {(method, route.path.replace("{job_id}", "a")) for route in routes for method in route.methods}
    assert known | {("GET", "/v1/health"), ("POST", "/v1/shutdown")} == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/v1/nothing")])
def test_no_route_answers_a_stranger(cold, method, path):
    refused(cold.ask(method, path, Authorization="Bearer wrong"), 401, "unauthorised")
    refused(cold.ask(method, path, Host="evil.example"), 403, "forbidden")
    refused(cold.ask(method, path, Origin="https://evil.example"), 403, "forbidden")


def test_names_that_a_web_page_could_use_are_refused(cold):
    for host in (
        "evil.example",
        f"evil.example:{cold.port}",
        "127.0.0.1",
        f"127.0.0.1:{cold.port + 1}",
        "[::1]",
    ):
        refused(cold.ask("GET", "/v1/health", Host=host), 403, "forbidden")
    assert cold.ask("GET", "/v1/health", Host=f"localhost:{cold.port}").status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
def test_web_pages_are_refused_even_with_the_token(cold, origin):
    refused(cold.ask("GET", "/v1/health", Origin=origin), 403, "forbidden")
    preflight = cold.ask("OPTIONS", "/v1/jobs", Origin=origin, Access_Control_Request_Method="POST")
    refused(preflight, 403, "forbidden")
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]


def test_it_listens_on_this_machine_alone(cold):
    listening = {c.laddr.ip for c in cold.psutil.net_connections("tcp") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/jobs/", "/docs", "/openapi.json", "/v1/jobs/a/b"]
)
def test_unknown_routes(cold, path):
    refused(cold.ask("GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/v1/jobs"), ("PUT", "/v1/health"), ("GET", "/v1/plan"), ("PATCH", "/v1/jobs/a")],
)
def test_wrong_methods(cold, method, path):
    refused(cold.ask(method, path), 405, "bad_method")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/resume"), ("DELETE", "")],
)
def test_unknown_jobs(cold, method, path):
    refused(cold.ask(method, f"/v1/jobs/0123456789abcdef{path}"), 404, "not_found")


@pytest.mark.parametrize("body", [b"{", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"kind": NaN}'])
@pytest.mark.parametrize("path", WITH_BODY)
def test_bodies_that_are_no_json(cold, path, body):
    refused(cold.ask("POST", path, body), 400, "bad_json")


@pytest.mark.parametrize("path", WITH_BODY)
@pytest.mark.parametrize("body", [[], 3, None, "x", {"surprise": 1}])
def test_bodies_of_another_shape(cold, path, body):
    raw = json.dumps(body).encode()
    refused(cold.ask("POST", path, raw), 422, "bad_request")


def test_bodies_over_the_limit(cold):
    refused(cold.ask("POST", "/v1/jobs", b" " * (2**20 + 1)), 413, "too_large")
    connection = http.client.HTTPConnection("127.0.0.1", cold.port, timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Transfer-Encoding": "chunked"}
    try:  # a body that does not say its length
        connection.request("POST", "/v1/jobs", iter([b" " * 2**19] * 3), headers, encode_chunked=True)
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["error"]["code"]) == (413, "too_large")
    except (BrokenPipeError, ConnectionResetError):
        pass  # hung up on before it was all sent: refused as well
    finally:
        connection.close()
    assert cold.ask("GET", "/v1/health").status == 200


def test_bytes_that_are_no_http_do_no_harm(cold):
    with socket.create_connection(("127.0.0.1", cold.port)) as connection:
        connection.sendall(b"\x16\x03\x01 not http\r\n\r\n")
        connection.recv(1000)
    assert cold.ask("GET", "/v1/health").status == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"surprise": 1}, "surprise"),
        ({"epochs": "30"}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"layers": "field.tif"}, "layers"),
        ({"layers": [{"path": "a.tif", "label": "b"}]}, "label"),
        ({"layers": [{}]}, "path"),
        ({"classes": [1]}, "classes"),
        ({"val_fraction": None}, "val_fraction"),
    ],
)
def test_fields_that_are_unknown_or_of_another_type(cold, field, change, said):
    request = to_dict(tiny_training(field.raster)) | change
    error = refused(cold.ask("POST", "/v1/jobs", {"kind": "train", "request": request}), 422, "bad_request")
    assert said in error["message"]
    assert said in refused(cold.ask("POST", "/v1/plan", request), 422, "bad_request")["message"]


@pytest.mark.parametrize(
    "submission",
    [
        {},
        {"kind": "train"},
        {"kind": "train", "request": {}, "extra": 1},
        {"kind": 1, "request": {}},
        {"kind": "train", "request": []},
    ],
)
def test_submissions_of_another_shape(cold, submission):
    refused(cold.ask("POST", "/v1/jobs", submission), 422, "bad_request")


def submit(backend, kind, request):
    return backend.ask("POST", "/v1/jobs", {"kind": kind, "request": to_dict(request)})


def test_an_unknown_kind_of_job(cold):
    error = refused(cold.ask("POST", "/v1/jobs", {"kind": "dance", "request": {}}), 422, "bad_option")
    assert "segment" in error["hint"]


def test_paths_that_are_not_there_are_named(cold, field, tmp_path):
    gone = str(tmp_path / "gone.tif")
    error = refused(submit(cold, "train", tiny_training(gone)), 422, "bad_raster")
    assert gone in error["message"]
    layer = LayerRef(str(field.raster))
    labels = LayerRef(str(field.raster), str(tmp_path / "gone.gpkg"))
    refused(submit(cold, "train", tiny_training(field.raster, layers=(labels,))), 422, "bad_labels")
    model = str(tmp_path / "gone.nirlora")
    assert (
        model in refused(submit(cold, "segment", SegmentRequest(layer, model)), 422, "bad_model")["message"]
    )
    refused(submit(cold, "evaluate", EvaluateRequest(layer, model)), 422, "bad_model")
    refused(submit(cold, "export", ExportRequest(model)), 422, "bad_model")
    refused(cold.ask("POST", "/v1/inspect", {"path": gone}), 422, "bad_raster")
    refused(cold.ask("GET", f"/v1/models?folder={tmp_path}/gone"), 422, "bad_input")
    refused(cold.ask("GET", "/v1/models?folder=relative"), 422, "bad_input")
    field.labels.unlink()
    refused(submit(cold, "train", tiny_training(field.raster)), 422, "bad_labels")
    assert cold.ask("GET", "/v1/jobs").json == {"jobs": []}


def test_outputs_that_cannot_be_written_and_numbers_that_cannot_be(cold, field, tmp_path):
    out = str(tmp_path / "nowhere" / "m.nirlora")
    refused(submit(cold, "train", tiny_training(field.raster, out=out)), 422, "cannot_write")
    refused(submit(cold, "train", tiny_training(field.raster, batch=0)), 422, "bad_option")
    refused(submit(cold, "train", tiny_training(field.raster, layers=())), 422, "bad_option")
    taken = tmp_path / "taken.nirlora"
    taken.write_bytes(b"mine")
    request = tiny_training(field.raster, out=str(taken), overwrite=False)
    refused(submit(cold, "train", request), 422, "cannot_write")
    assert taken.read_bytes() == b"mine"


def test_a_damaged_model_is_listed_with_its_problem_and_refused(cold, field, tmp_path):
    broken = tmp_path / "broken.nirlora"
    broken.write_bytes(b"not a zip")
    (listed,) = cold.ask("GET", f"/v1/models?folder={tmp_path}").json["models"]
    assert listed["name"] == "broken"
    assert "no model file" in listed["problem"]
    layer = LayerRef(str(field.raster))
    refused(submit(cold, "segment", SegmentRequest(layer, str(broken))), 422, "bad_model")
    problems = cold.ask("POST", "/v1/check", to_dict(SegmentRequest(layer, str(broken)))).json["problems"]
    assert [problem["code"] for problem in problems] == ["bad_model"]


def test_a_raster_is_described_without_a_worker(cold, tmp_path):
    raster = make_raster(tmp_path / "r.tif", pattern(2), descriptions=("red", "nir"))
    facts = cold.ask("POST", "/v1/inspect", {"path": str(raster)}).json
    assert [band["role"] for band in facts["bands"]] == ["red", "nir"]


def test_the_server_never_imports_torch(cold):
    mapped = {region.path for region in cold.psutil.memory_maps()}
    assert not [path for path in mapped if "torch" in path]
    assert [path for path in mapped if "rasterio" in path]


def test_the_state_is_for_the_owner_alone_and_the_token_is_nowhere(cold):
    assert stat.S_IMODE(cold.folder.stat().st_mode) == 0o700
    assert TOKEN not in " ".join(cold.psutil.cmdline())
    assert TOKEN not in str(cold.psutil.environ())
    written = [path for path in cold.folder.rglob("*") if path.is_file()]
    assert (cold.folder / "backend.log") in written
    for path in [*written, cold.folder.parent / "stderr.log"]:
        assert TOKEN.encode() not in path.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_folder_without_write_permission_is_said_before_the_job_is_queued(cold, field, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    request = tiny_training(field.raster, out=str(locked / "m.nirlora"))
    refused(submit(cold, "train", request), 422, "cannot_write")
