"""The interceptor for grpc.aio, in process: calls, streams and errors are what they would be."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

grpc = pytest.importorskip("grpc")
pytest.importorskip("grpc.aio")

from loopwatch.frameworks.grpc import Interceptor, interceptor
from tests.conftest import MakeWatch, run_on
from tests.ports import HOST

CLOSED: list[str] = []


async def double(request: bytes, context: Any) -> bytes:
    await asyncio.sleep(0)
    return 2 * request


async def count(request: bytes, context: Any) -> AsyncIterator[bytes]:
    try:
        for number in range(int(request)):
            yield b"%d" % number
            await asyncio.sleep(0.01)
    finally:
        CLOSED.append("count")


async def echo(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def abort(request: bytes, context: Any) -> None:
    await context.abort(grpc.StatusCode.NOT_FOUND, "nothing")


async def fail(request: bytes, context: Any) -> bytes:
    raise ValueError("broken")


def threaded(request: bytes, context: Any) -> bytes:
    return request


METHODS = {
    "Double": grpc.unary_unary_rpc_method_handler(double),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
    "Abort": grpc.unary_unary_rpc_method_handler(abort),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Threaded": grpc.unary_unary_rpc_method_handler(threaded),
}


async def play(*interceptors: Any) -> list[Any]:
    """Return what a client sees of a server that has these interceptors."""
    server = grpc.aio.server(interceptors=interceptors)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", METHODS),))
    port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    seen: list[Any] = []
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        seen.append(await channel.unary_unary("/a.B/Double")(b"ab"))
        seen.append([part async for part in channel.unary_stream("/a.B/Count")(b"3")])
        seen.append([part async for part in channel.stream_stream("/a.B/Echo")(iter([b"x"]))])
        seen.append(await channel.unary_unary("/a.B/Threaded")(b"t"))
        for method in ("Abort", "Fail", "Unknown"):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary(f"/a.B/{method}")(b"")
            seen.append((raised.value.code(), raised.value.details()))
        call = channel.unary_stream("/a.B/Count")(b"1000")
        seen.append(await call.read())
        call.cancel()
        await asyncio.sleep(0.2)
    await server.stop(None)
    return seen


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_client_sees_no_difference(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    CLOSED.clear()
    bare = run_on(loop, play())
    assert run_on(loop, play(Interceptor(watch=watch))) == bare
    assert bare[:4] == [b"abab", [b"0", b"1", b"2"], [b"x"], b"t"]
    assert CLOSED == ["count"] * 4
    counted = {(r.route, r.method): r.latency.count for r in watch.snapshot().requests}
    assert counted == {
        ("/a.B/Double", "POST"): 1,
        ("/a.B/Count", "POST"): 2,
        ("/a.B/Echo", "POST"): 1,
        ("/a.B/Abort", "POST"): 1,
        ("/a.B/Fail", "POST"): 1,
    }


def test_module_has_one_to_be_used_as_it_is() -> None:
    assert isinstance(interceptor, Interceptor)
    with pytest.raises(TypeError, match="watch must be"):
        Interceptor(watch="yes")  # type: ignore[arg-type]


class Details:
    method = "/a.B/C"


@pytest.mark.parametrize("handler", [METHODS["Threaded"], None, object()])
def test_what_does_not_run_on_the_loop_is_left_alone(
    handler: Any, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def continuation(details: Any) -> Any:
        return handler

    hook = Interceptor(watch=make_watch())
    assert asyncio.run(hook.intercept_service(continuation, Details())) is handler
