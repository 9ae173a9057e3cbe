"""Advice fits the call: the library nearest to the site decides, and what is made once is told."""

import asyncio
from dataclasses import replace

import httpx
import pydantic
import pytest

from loopwatch.core.causes import CAUSES, Cause
from loopwatch.core.record_types import Frame, Site, Stall
from loopwatch.explain import advice as sentences
from loopwatch.explain.advice import Adviser
from loopwatch.explain.held_call import HeldCall
from loopwatch.explain.observation import Observation
from loopwatch.explain.proposal import CONTRAST, proposals, proposes
from loopwatch.explain.remedies import REMEDIES
from tests.explain.made_stalls import LIBRARIES, module, stalled

ADVISER = Adviser()
W: Cause = "blocking_call"
C: Cause = "cpu"
G: Cause = "native_gil"
SPAWN = ("asyncio.subprocess.create_subprocess_exec", "subprocess.Popen._execute_child")
EXIT = ("concurrent.futures._base.Executor.__exit__", "threading.Thread.join")
POOLED = ("sqlalchemy.engine.base.Engine.connect", "sqlalchemy.pool.impl.QueuePool._do_get")

WAIT = ("threading.Condition.wait",)
LAZY = (
    "sqlalchemy.orm.attributes.InstrumentedAttribute.__get__",
    "sqlalchemy.orm.strategies.LazyLoader._load_for_state",
)
EXECUTED = (
    "sqlalchemy.engine.base.Connection.execute",
    "sqlalchemy.engine.default.DefaultDialect.do_execute",
)


@pytest.mark.parametrize(
    ("code", "cause", "inside", "words"),
    [
        ("charge(1)", W, ("stripe._customer.Customer.list", "requests.api.get"), "_async twin"),
        ("it.go(1)", W, ("acme.Client.go", "requests.api.get"), "asyncio interface of acme"),
        ("await it.go(1)", W, ("acme.go", "socket.create_connection"), "Look inside"),
        ("it.parse(x)", C, ("acme.parse", "re.match"), "another process"),
        ("get(1)", W, ("tenacity.Retrying.__call__", "requests.api.get"), "of requests"),
        ("get(1)", W, ("functools.wrapper", "redis.client.Redis.get"), "redis.asyncio.Redis"),
        ("it.kind", C, ("acme.kind", "importlib._bootstrap._find_and_load"), "another process"),
        ("log.error(1)", W, ("logging.Logger.error", "smtplib.SMTP.sendmail"), "QueueHandler"),
        ("slog.exception(1)", C, ("structlog._base.x", "rich.traceback.x"), "show_locals=False"),
        ("s.execute(q)", C, ("sqlalchemy.orm.Session.execute", "re.sub"), "rows or columns"),
        ("POOL.connect()", W, (*POOLED, "sqlalchemy.util.queue.Queue.get"), "are taken"),
        ("p.render(x)", C, ("jinja2.environment.Template.render", "re.sub"), "Render less"),
        ("env.from_string(x)", C, ("jinja2.environment.Environment.from_string",), "once"),
        ("await spawn('x', preexec_fn=f)", W, SPAWN, "preexec_fn"),
        ("with Pool(4) as pool:", W, EXIT, "Keep one pool"),
        ("generate_latest()", C, ("prometheus_client.exposition.generate_latest",), "fewer series"),
        ("up.file.read()", C, (), "to_thread"),
        ("os.fsync(out)", C, (), "to_thread"),
        ("del rows", G, (), "Hold fewer objects"),
        ("x = 3**n", G, (), "Bound the numbers' size"),
        ("if x in rows:", G, (), "Keep a set or dict"),
        ("with LOCK: go()", W, (), "asyncio.Lock"),
        ("p.join()", W, ("multiprocessing.process.BaseProcess.join",), "other process"),
        (
            "POOL.submit(f).result()",
            W,
            ("concurrent.futures._base.Future.result", *WAIT),
            "Await the",
        ),
        ("Thread(target=f).join()", W, ("threading.Thread.join",), "Do not wait for the thread"),
        ("total += len(a.books)", C, (*LAZY, *EXECUTED), "selectinload"),
        ("total += len(a.books)", W, (*LAZY, *EXECUTED), "selectinload"),
        ("s.execute(q)", C, EXECUTED, "create_async_engine"),
        ("get(1)", W, ("tenacity.Retrying.__call__", "tenacity.nap.sleep"), "AsyncRetrying"),
        ("strptime(x, y)", C, ("_strptime._strptime_datetime",), "fromisoformat"),
        ("key.sign(x)", C, ("cryptography.x",), "signing"),
        ("load()", C, ("transformers.AutoModel.from_pretrained",), "model"),
        ("AutoModel.from_pretrained(x)", C, (), "Load the model once"),
    ],
)
def test_what_the_site_asked_for_decides(
    code: str, cause: Cause, inside: tuple[str, ...], words: str
) -> None:
    with module("import os, requests"):
        assert words in ADVISER.advise(stalled(code, cause, *inside))


@pytest.mark.parametrize("cause", [C, G, "unknown", "gc"])
@pytest.mark.parametrize(
    ("code", "inside"),
    [
        ("httpx.AsyncClient()", ("httpx._client.AsyncClient.__init__", "ssl.x")),
        ("make()", ("httpx._client.AsyncClient.__init__", "httpx._config.create_ssl_context")),
        ("pydantic.TypeAdapter(x)", ("pydantic.type_adapter.TypeAdapter.__init__", "re.x")),
        ("ssl.create_default_context()", ("ssl.create_default_context",)),
        ("boto3.client('s3')", ("boto3.client", "botocore.x", "json.loads")),
        ("make()", ("openai._client.AsyncOpenAI.__init__", "httpx._client.AsyncClient.__init__")),
        ("make()", ("acme.ThingClient.__init__", "json.load")),
        ("make()", ("sentence_transformers.SentenceTransformer.__init__", "torch.x")),
        (
            "make()",
            ("onnxruntime.capi.onnxruntime_inference_collection.InferenceSession.__init__",),
        ),
        ("settings()", ("pydantic_settings.main.BaseSettings.__init__",)),
        ("re.compile(x)", ("re.compile",)),
        ("tiktoken.get_encoding('x')", ("tiktoken.registry.get_encoding", "json.x")),
    ],
)
def test_what_is_made_for_each_request_is_to_be_made_once(
    code: str, inside: tuple[str, ...], cause: Cause
) -> None:
    with module("import re, ssl", httpx=httpx, pydantic=pydantic):
        assert "once" in ADVISER.advise(stalled(code, cause, *inside))


class Order(pydantic.BaseModel):
    total: int


@pytest.mark.parametrize(
    ("code", "inside"),
    [
        ("Order(**row)", ("pydantic.main.BaseModel.__init__",)),
        ("Reader(file)", ("pypdf._reader.PdfReader.__init__",)),
        ("frame(rows)", ("pandas.core.frame.DataFrame.__init__",)),
    ],
)
def test_what_is_made_of_the_request_s_data_is_not(code: str, inside: tuple[str, ...]) -> None:
    with module(Order=Order):
        assert "once" not in ADVISER.advise(stalled(code, C, *inside))


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (("starlette.requests.Request.json", "json.loads"), "Accept smaller bodies"),
        (
            ("fastapi.dependencies.utils.x", "pydantic.x"),
            "Accept smaller bodies",
        ),
        (("fastapi.routing.serialize_response", "pydantic.x"), "Return less"),
        (("starlette.responses.JSONResponse.render", "json.dumps"), "Return less"),
        (("starlette.formparsers.MultiPartParser.parse", "multipart.x"), "await file.read(size)"),
    ],
)
def test_a_framework_s_own_work_is_known_by_its_frames(inside: tuple[str, ...], words: str) -> None:
    """The endpoint is named as the site, but is not on the stack."""
    served = ("uvicorn.x", "acme_asgi.Middleware.__call__", "fastapi.routing.app", *inside)
    stall = Stall(
        started_at=0.0,
        duration=0.5,
        cause=C,
        site=Site("store.body", "/app/store.py", 7, "", exact=False),
        stack=tuple(Frame(name, LIBRARIES, 1) for name in served),
    )
    assert words in ADVISER.advise(stall)


def test_a_collection_that_the_app_asked_for_is_its_own_doing() -> None:
    with module("import gc"):
        told = ADVISER.advise(stalled("gc.collect()", "gc"))
    assert told.startswith("Leave garbage collection to the interpreter")
    assert CAUSES["gc"].advice not in told


def test_a_collection_that_a_call_set_off_is_told_with_the_call() -> None:
    told = ADVISER.advise(stalled("s.all()", "gc", "sqlalchemy.orm.loading.instances"))
    assert told.startswith("Load fewer rows or columns")
    assert told.endswith(CAUSES["gc"].advice)
    assert ADVISER.advise(stalled("x()", "gc")) == CAUSES["gc"].advice


def test_a_call_that_imports_is_told_with_what_it_imports() -> None:
    frames = ("kubernetes.client.__getattr__", "importlib._bootstrap.x", "kubernetes.api.<module>")
    told = ADVISER.advise(stalled("kubernetes.client.CoreV1Api()", "import", *frames))
    assert told.startswith("Import kubernetes.api when the app starts")
    assert "kubernetes.client.CoreV1Api imports it the first time" in told


def test_what_holds_while_a_module_is_imported_does_not_import_it() -> None:
    stall = stalled("time.sleep(1)", "import")
    top = Site("settings.<module>", "/app/settings.py", 3, "time.sleep(1)")
    within = Frame("importlib._bootstrap._find_and_load", LIBRARIES, 1)
    stack = (*stall.stack, within, Frame(top.function, top.file, top.line))
    told = ADVISER.advise(replace(stall, site=top, stack=stack))
    assert told.startswith("Import settings when the app starts")
    assert "time.sleep" not in told


@pytest.mark.parametrize(
    ("function", "phase", "words"),
    [
        ("store.Order.check", "the validation of the body", "the endpoint or a dependency"),
        ("store.File.__del__", "", "__del__ cannot await"),
        ("store.Order.check", "", ""),
        ("store.File.__aexit__", "", ""),
    ],
)
def test_where_nothing_can_be_awaited_it_is_to_be_done_elsewhere(
    function: str, phase: str, words: str
) -> None:
    with module("import time"):
        stall = stalled("time.sleep(1)", W, phase=phase)
        told = ADVISER.advise(replace(stall, site=replace(stall.site, function=function)))
    assert told.startswith("Use await asyncio.sleep(...)")
    assert words in told
    assert ("Do it in" in told) == bool(words)


def test_a_plain_function_that_a_coroutine_calls_is_to_become_one() -> None:
    stall = stalled("time.sleep(1)", W)
    with module("import time"):
        plain = ADVISER.advise(stall, Observation(plain=True))
    assert plain.startswith("Use await asyncio.sleep(...)")
    assert "handler is a plain function: make it async def" in plain
    with module("import time"):
        other = ADVISER.advise(replace(stall, stack=(*stall.stack,)[:-1]))
    assert "plain function" not in other
    with module("import time"):
        busy = ADVISER.advise(replace(stall, cause=C), Observation(plain=True))
    assert "plain function" not in busy


def test_where_only_the_function_is_certain_what_ran_in_it_says_nothing() -> None:
    stall = stalled("", C, "importlib._bootstrap._find_and_load")
    told = ADVISER.advise(replace(stall, site=replace(stall.site, exact=False)))
    assert "import" not in told.lower()


@pytest.mark.parametrize(
    ("seen", "words"),
    [(True, "add await asyncio.sleep(0)"), (None, "If one round of the loop"), (False, "")],
)
def test_a_loop_that_never_suspends(seen: bool | None, words: str) -> None:
    observed = Observation(gil_released=False, never_suspends=seen)
    told = ADVISER.advise(stalled("work(item)", C), observed)
    assert words in told
    assert ("sleep(0)" in told) == (seen is not False)
    row = ADVISER.advise(stalled("json.dumps(x)", C, "json.dumps"), observed)
    assert ("sleep(0)" in row) == (seen is True)


SENTENCES = {
    *(remedy.advice for remedy in REMEDIES),
    *(row.advice for row in CAUSES.values()),
    *(text for row in CAUSES.values() for text in row.advice_if.values()),
    *(sentences.NEVER_SUSPENDS, sentences.LIBRARY),
}
PROPOSED = sorted({".".join(names) for text in SENTENCES for names in proposals(text)})
CAUSED: tuple[Cause, ...] = (W, C, G, "unknown", "gc")


def test_the_calls_that_advice_proposes_are_found_in_it() -> None:
    assert {"asyncio.to_thread", "httpx.AsyncClient", "loop.run_in_executor"} <= {*PROPOSED}
    assert "time.sleep" not in PROPOSED  # named as what stands there


@pytest.mark.parametrize("cause", CAUSED)
@pytest.mark.parametrize("how", ["{}(x)", "await {}(x)", "y = await {}(x, preexec_fn=f)"])
def test_no_advice_proposes_the_very_call_that_stands_there(cause: Cause, how: str) -> None:
    """With nothing inside, and within libraries whose rows might propose it."""
    with module(asyncio=asyncio, httpx=httpx):
        for proposed in PROPOSED:
            for inside in ((), (proposed, "socket.x"), (f"requests.{proposed}",), ("redis.x",)):
                told = ADVISER.advise(stalled(how.format(proposed), cause, *inside))
                assert told
                assert proposed not in CONTRAST.sub("", told).replace("(", " ").split()


@pytest.mark.parametrize(
    ("code", "inside", "stands"),
    [
        ("await asyncio.to_thread(f)", (), "asyncio.to_thread"),
        ("await to_thread(f)", (), "asyncio.to_thread"),
        ("await asyncio.get_running_loop().run_in_executor(None, f)", (), "loop.run_in_executor"),
        ("await later(f)", ("asyncio.threads.to_thread",), "asyncio.to_thread"),
        ("make()", ("httpx._client.AsyncClient.__init__",), "httpx.AsyncClient"),
        ("make()", ("redis.asyncio.client.Redis.get",), "redis.asyncio.Redis"),
        ("make()", ("openai._client.AsyncOpenAI.__init__",), "AsyncOpenAI"),
    ],
)
def test_a_call_is_recognised_whatever_it_is_called(
    code: str, inside: tuple[str, ...], stands: str
) -> None:
    with module("import asyncio\nfrom asyncio import to_thread"):
        names = HeldCall(stalled(code, W, *inside)).stands
    assert proposes(f"Use {stands}(...).", names)
    assert not proposes(f"Use this instead of {stands}(...).", names)


@pytest.mark.parametrize(
    ("inside", "proposed"),
    [("socket.getaddrinfo", "loop.getaddrinfo"), ("redis.client.Redis.get", "redis.asyncio.Redis")],
)
def test_a_namesake_is_another_call(inside: str, proposed: str) -> None:
    assert not proposes(f"Use {proposed}.", (inside,))
