"""The sockets that are served on."""

import socket

from loopwatch.tools.cli.serving import listen


def test_listening_socket_says_that_it_is_tcps() -> None:
    """asyncio sets TCP_NODELAY for no other: answers in two packets would take 40 ms."""
    with listen("", "127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.proto == socket.IPPROTO_TCP
