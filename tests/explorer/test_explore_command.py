"""`blindspots explore`: refusals before anything is loaded, the address, the end by Ctrl-C."""

import http.client
import json
import os
import signal
import socket
import threading

import pytest

from blindspots.cli.main import call
from blindspots.explorer.app_state import facts
from blindspots.explorer.serve import ADDRESS, listen
from blindspots.models.catalog import ZOO as NAMES
from tests.support.explorer_client import SHAPES, ZOO, wait_until


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--images", "sample:shapes", "--run", "demo"], "give one of them"),
        (["--run", "no-such-run"], "is no directory"),
        (["--port", "70000"], "expected 0 (any free one) to 65535"),
        (["--model", "zoo:nothing"], "not in the zoo"),
        (["--model", ZOO, "--model", ZOO], "the same model twice"),
        (["--model", ZOO, "--images", "folder:no-such-folder"], "names no directory"),
        (["--size", "64"], "exactly one --model"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else None,
)
def test_what_cannot_be_shown_is_refused(words, said, capsys, tmp_path):
    given = ["--no-open", "--out", str(tmp_path / "cases"), *words]
    assert call(["explore", *(["--port", "0"] if "--port" not in words else []), *given]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "cases").exists()


def test_a_run_of_another_score_is_refused(capsys, tmp_path):
    info = {"format": 1, "plan": {"score": {"name": "margin"}}}
    (tmp_path / "run.json").write_text(json.dumps(info))
    words = ["--run", str(tmp_path), "--port", "0", "--no-open", "--out", str(tmp_path / "cases")]
    assert call(["explore", *words]) == 2
    assert "the score margin" in " ".join(capsys.readouterr().err.split())


def test_a_taken_port_is_refused(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert call(["explore", "--no-open", "--port", port, "--out", str(tmp_path)]) == 2
    assert "type --port 0" in " ".join(capsys.readouterr().err.split())


def test_it_says_its_address_and_ends_with_ctrl_c(capsys, tmp_path):
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]

    def visit():
        wait_until(lambda: answers(port), seconds=60)
        os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit)
    visitor.start()
    words = ["--model", ZOO, "--images", SHAPES, "--port", str(port), "--out", str(tmp_path)]
    assert call(["explore", "--no-open", "--json", *words]) == 0
    visitor.join()
    assert json.loads(capsys.readouterr().out) == {"url": f"http://{ADDRESS}:{port}/"}


def test_it_listens_on_this_machine_alone():
    with listen(0) as connection:
        assert connection.getsockname()[0] == "127.0.0.1"


def test_without_arguments_it_has_the_zoo_and_the_sample_and_opens_the_browser(
    monkeypatch, capsys, tmp_path
):
    told = {}

    def serve(hub, connection, said, *, show, origins):
        told.update(
            models=list(hub.subjects),
            images=len(facts(hub)["gallery"]["images"]),
            show=show,
            origins=origins,
        )
        said(f"http://{ADDRESS}:{connection.getsockname()[1]}/")
        connection.close()

    monkeypatch.setattr("blindspots.explorer.serve.serve", serve)
    monkeypatch.chdir(tmp_path)
    # Nothing can be written here: that matters when a case is saved.
    monkeypatch.setattr("os.access", lambda *_: False)
    assert call(["explore", "--port", "0", "--origin", "http://localhost:9000/"]) == 0
    assert told["origins"] == ["http://localhost:9000"]
    assert told["models"] == [f"zoo:{name}" for name in NAMES]
    assert told["show"]
    assert told["images"] == 100
    assert "Ctrl-C" in capsys.readouterr().out


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr("blindspots.cli.explore_command.find_spec", lambda _name: None)
    assert call(["explore", "--port", "0"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "fastapi and python_multipart and uvicorn" in error
    assert "pip install 'blindspots[explore]'" in error


def answers(port):
    try:
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
