"""What the demo's routes answer, bad and good alike."""

import time
from typing import Any

import pytest
from websockets.sync.client import connect

from examples.demo.document import PAGES

from .running import Demo

pytestmark = pytest.mark.slow
ERROR = {"message": "please [error]"}


@pytest.mark.parametrize("way", ["sqlite3", "aiosqlite"])
def test_user_is_found_or_404(demo: Demo, way: str) -> None:
    user = demo.client.get(f"/users/{way}/7").json()
    assert (user["id"], user["name"], user["mentions"]) == (7, "User 7", 1)
    assert demo.client.get(f"/users/{way}/0").status_code == 404
    assert demo.client.get(f"/users/{way}/seven").status_code == 422


def test_without_a_database_asyncpg_says_what_to_do(demo: Demo) -> None:
    answer = demo.client.get("/users/asyncpg/7")
    assert answer.status_code == 503
    assert "DATABASE_URL" in answer.text


@pytest.mark.parametrize("way", ["async-def", "def", "process-pool"])
def test_squares_are_summed_within_bounds(demo: Demo, way: str) -> None:
    assert demo.client.get(f"/cpu/{way}", params={"n": 4}).json() == {"sum": 14}
    for wrong in ("0", "-1", "20000001", "many"):
        assert demo.client.get(f"/cpu/{way}", params={"n": wrong}).status_code == 422


@pytest.mark.parametrize("path", ["/chat/openai", "/chat/async-openai", "/azure/chat"])
def test_chat_answers(demo: Demo, path: str) -> None:
    answer = demo.client.post(path, json={}).json()["answer"]
    assert answer == "You said: Why is my service slow?"


@pytest.mark.parametrize("path", ["/embeddings/openai", "/embeddings/async-openai"])
def test_embeddings_have_their_dimensions(demo: Demo, path: str) -> None:
    assert demo.client.post(path, json={}).json() == {"dimensions": 256}


@pytest.mark.parametrize(
    "path",
    ["/chat/openai", "/chat/async-openai", "/chat/stream", "/embeddings/async-openai"],
)
def test_error_upstream_is_502(demo: Demo, path: str) -> None:
    assert demo.client.post(path, json=ERROR).status_code == 502


def test_stream_arrives_in_pieces(demo: Demo) -> None:
    """The words come one by one, a twentieth of a second apart, not at the end together."""
    body = {"message": "one two three four five six"}
    pieces, times = [], []
    with demo.client.stream("POST", "/chat/stream", json=body) as answer:
        for piece in answer.iter_text():
            pieces.append(piece)
            times.append(time.monotonic())
    assert "".join(pieces).split() == ["You", "said:", *body["message"].split()]
    assert len(pieces) >= 4
    assert times[-1] - times[0] > 0.15


def azure(content: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"content": content}], **more}


def test_azure_upstream_error_is_502(demo: Demo) -> None:
    answer = demo.client.post("/azure/chat", json=azure("[error]"))
    assert (answer.status_code, "InternalServerError" in answer.text) == (502, True)


def test_azure_too_late_is_504(demo: Demo) -> None:
    started = time.monotonic()
    answer = demo.client.post("/azure/chat", json=azure("[slow]", deadline=0.3))
    assert answer.status_code == 504
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        azure(""),
        azure("x" * 4001),
        azure("hello", temperature=3),
        azure("hello", max_tokens=0),
        azure("hello", deadline=-1),
        azure("hello", unknown=1),
    ],
)
def test_azure_request_is_validated(demo: Demo, body: dict[str, Any]) -> None:
    assert demo.client.post("/azure/chat", json=body).status_code == 422


@pytest.mark.parametrize("way", ["serial", "gather", "deadline"])
def test_batch_is_classified(demo: Demo, way: str) -> None:
    texts = {"texts": ["It works", "Why is it slow?"]}
    assert demo.client.post(f"/classify/{way}", json=texts).json() == ["statement", "question"]


def test_gathering_is_faster_than_serial(demo: Demo) -> None:
    assert taken(demo, "/classify/serial") > 2 * taken(demo, "/classify/gather")


def taken(demo: Demo, path: str) -> float:
    started = time.monotonic()
    demo.client.post(path, json={})
    return time.monotonic() - started


def test_one_failed_text(demo: Demo) -> None:
    """It fails the gathered batch, and only itself where exceptions are returned."""
    texts = {"texts": ["It works", "[error]"]}
    assert demo.client.post("/classify/gather", json=texts).status_code == 502
    works, failed = demo.client.post("/classify/each", json=texts).json()
    assert works == {"text": "It works", "label": "statement", "error": None}
    assert failed == {"text": "[error]", "label": None, "error": "InternalServerError"}


def test_batch_past_its_deadline_is_504(demo: Demo) -> None:
    batch = {"texts": ["It works", "[slow]"], "deadline": 0.5}
    assert demo.client.post("/classify/deadline", json=batch).status_code == 504


def test_batch_is_validated(demo: Demo) -> None:
    for texts in ([], [""], ["x" * 501], ["x"] * 51):
        assert demo.client.post("/classify/gather", json={"texts": texts}).status_code == 422


@pytest.mark.parametrize("way", ["direct", "to-thread"])
def test_pdf_is_analysed(demo: Demo, way: str) -> None:
    counted = demo.client.get(f"/pdf/{way}").json()
    assert counted["pages"] == PAGES
    assert counted["words"] > 1000


@pytest.mark.parametrize("way", ["blocking", "waiting"])
def test_websocket_echoes(demo: Demo, way: str) -> None:
    with connect(f"ws://{demo.address}/websocket/{way}", proxy=None) as websocket:
        for text in ("one", "two"):
            websocket.send(text)
            assert websocket.recv(timeout=10) == text


@pytest.mark.parametrize("way", ["blocking", "threaded"])
def test_background_answers_at_once(demo: Demo, way: str) -> None:
    assert demo.client.post(f"/background/{way}").status_code == 202


def test_timed_coroutine_is_in_the_metrics(demo: Demo) -> None:
    demo.client.post("/classify/gather", json={})
    assert 'loopwatch_coroutine_seconds_count{coroutine="classify"}' in metrics(demo)


def metrics(demo: Demo) -> str:
    return demo.client.get("/metrics/").text
