"""The table: what to use instead of a call that held the loop. Data only; `advice` reads it.

The first row that fits is taken, so libraries stand above what they are made of.
"""

from __future__ import annotations

from typing import NamedTuple

from loopwatch.core.causes import PROCESS, THREAD, of_calls

WAITS, WORKS = of_calls("waits"), of_calls("works")


class Remedy(NamedTuple):
    """One row: a sentence, and for what it is said.

    A call is a dotted name, of the call itself or of code that it runs through, and stands for all
    below it: `requests` for `requests.api.get`. One that begins with `*` is how the name of the
    call ends as it is written, whatever object it is of: `*.execute`.
    """

    advice: str
    calls: tuple[str, ...]
    causes: tuple[str, ...] = ()  # only these; none: any for which the call is to blame
    imports: tuple[str, ...] = ()  # only where the site's module has one of these among its names


REGEX = (
    "Simplify the expression: nested repetition, such as (a+)+, backtracks without end. Bound the "
    "input's length, or use re2. A thread would not help: re keeps the GIL."
)

REMEDIES = (
    # waiting for others
    Remedy("Use await asyncio.sleep(...) instead of time.sleep(...).", ("time.sleep",)),
    Remedy(
        "Put a logging.handlers.QueueHandler before the slow handler, and let a QueueListener "
        "write from its own thread.",
        ("logging",),
        WAITS,
    ),
    Remedy(
        "Make the HTTP client once, at start-up, and share it: its SSL context is made anew for "
        "every client, and loading the CA certificates takes this long.",
        (
            *("ssl.create_default_context", "ssl.SSLContext.load_verify_locations"),
            *("ssl.SSLContext.load_default_certs", "httpx._config.create_ssl_context"),
        ),
    ),
    Remedy(
        "Look inside, at the end of the stack: the client is an asyncio one, but something in it "
        "waits (DNS, TLS, a hook, a driver).",
        (
            *("httpx._client.AsyncClient", "httpcore._async", "openai._base_client.AsyncAPIClient"),
            *("sqlalchemy.ext.asyncio", "redis.asyncio", "pymongo.asynchronous", "grpc.aio"),
            *("psycopg.connection_async", "psycopg.cursor_async", "aiohttp", "asyncpg"),
        ),
        WAITS,
    ),
    Remedy(
        "Use AsyncOpenAI or AsyncAzureOpenAI, and await the same call.",
        ("openai", "*.chat.completions.create", "*.responses.create", "*.embeddings.create"),
        WAITS,
    ),
    Remedy("Use AsyncAnthropic, and await the same call.", ("anthropic",), WAITS),
    Remedy(
        f"Use aioboto3 or aiobotocore instead of boto3, or {THREAD}.",
        ("boto3", "botocore", "s3transfer"),
        WAITS,
    ),
    Remedy(
        "Use create_async_engine(...) and AsyncSession, with an asyncio driver such as asyncpg or "
        "aiosqlite.",
        ("sqlalchemy",),
        WAITS,
    ),
    Remedy(
        "Load fewer rows or columns at a time: turning them into objects takes this long.",
        ("sqlalchemy",),
        WORKS,
    ),
    Remedy(
        "Use the a-methods of the ORM (aget, acreate, async for), or sync_to_async(...).",
        ("django.db",),
        WAITS,
    ),
    Remedy("Use redis.asyncio.Redis, and await the same call.", ("redis",), WAITS),
    Remedy("Use AsyncMongoClient of pymongo instead of MongoClient.", ("pymongo",), WAITS),
    Remedy(
        "Use an asyncio driver, aiomysql or asyncmy.",
        ("pymysql", "MySQLdb", "mysql.connector"),
        WAITS,
    ),
    Remedy("Use psycopg.AsyncConnection, or asyncpg.", ("psycopg",), WAITS),
    Remedy("Use psycopg's AsyncConnection or asyncpg instead of psycopg2.", ("psycopg2",)),
    Remedy(f"Use aiosqlite instead of sqlite3, or {THREAD}.", ("sqlite3", "_sqlite3")),
    Remedy("Use aiokafka instead.", ("kafka", "confluent_kafka"), WAITS),
    Remedy("Use the grpc.aio channel and stub, and await the same call.", ("grpc",), WAITS),
    Remedy(f"Use asyncssh instead of paramiko, or {THREAD}.", ("paramiko",), WAITS),
    Remedy("Use httpx.AsyncClient or aiohttp instead of requests.", ("requests",), WAITS),
    Remedy("Use httpx.AsyncClient, and await the same call.", ("httpx", "httpcore"), WAITS),
    Remedy("Use aiosmtplib instead of smtplib.", ("smtplib",), WAITS),
    Remedy(
        "Use httpx.AsyncClient or aiohttp instead of urllib.",
        ("urllib.request", "urllib3", "http.client"),
        WAITS,
    ),
    Remedy(
        "Use await loop.getaddrinfo(...): the resolver may take seconds.",
        (
            *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
            *("socket.gethostbyname_ex", "socket.getfqdn", "socket.getnameinfo"),
            *("_socket.getaddrinfo", "_socket.gethostbyname", "_socket.gethostbyaddr"),
        ),
    ),
    Remedy(
        "Use await asyncio.open_connection(...), or loop.sock_recv(...) and its like with a "
        "non-blocking socket.",
        (
            *("socket", "_socket", "ssl", "select", "selectors"),
            *("*.recv", "*.recv_into", "*.recvfrom", "*.sendall", "*.accept", "*sock.connect"),
        ),
        WAITS,
    ),
    # other programs, other threads
    Remedy(
        "Use await asyncio.create_subprocess_exec(...) and await process.communicate().",
        ("subprocess", "os.system", "os.popen", "os.wait", "os.waitpid", "posix.waitpid"),
        WAITS,
    ),
    Remedy(
        "Await the future: await asyncio.wrap_future(future), or get it from "
        "loop.run_in_executor(...) in the first place.",
        ("concurrent.futures", "*.result"),
        WAITS,
    ),
    Remedy(
        "Use asyncio.Queue within the loop; janus.Queue between it and a thread.",
        ("queue", "_queue"),
    ),
    Remedy(
        f"Use {THREAD} for the wait, or asyncio.Event and its like if nobody waits in a thread.",
        ("multiprocessing",),
        WAITS,
    ),
    Remedy(
        f"Do not wait for the thread in the loop: {THREAD} runs the same function and lets you "
        "await it.",
        ("threading.Thread.join", "*thread.join"),
        WAITS,
    ),
    Remedy(
        f"Use asyncio.Lock, asyncio.Event or asyncio.Condition within the loop; {THREAD} to wait "
        "for what a thread holds.",
        (
            *("threading", "_thread", "*.acquire", "*ock.__enter__", "*LOCK.__enter__"),
            *("*mutex.__enter__", "*semaphore.__enter__"),
        ),
        WAITS,
    ),
    Remedy(f"Use {THREAD}: a person types slowly.", ("builtins.input", "getpass"), WAITS),
    # parsing and drawing, with the GIL
    Remedy(
        f"Work on the document in another process, {PROCESS}. A thread would not help: this is "
        "Python code.",
        (
            "pdfplumber",
            "pdfminer",
            "pypdf",
            "PyPDF2",
            "reportlab",
            "docx",
            "openpyxl",
            "xlsxwriter",
        ),
        WORKS,
    ),
    Remedy(
        f"Use {THREAD} for the document.",
        ("pdfplumber", "pdfminer", "pypdf", "PyPDF2", "reportlab", "docx", "openpyxl"),
    ),
    Remedy(
        f"Work on the document in another process, {PROCESS}: MuPDF bears one thread only.",
        ("fitz", "pymupdf"),
    ),
    Remedy(f"Use {THREAD}: Pillow lets the GIL go for the most part.", ("PIL",)),
    Remedy(
        f"Use {THREAD}: most of numpy lets the GIL go. What does not (objects, strings, apply) "
        "needs another process.",
        ("pandas", "numpy", "polars", "scipy", "sklearn"),
    ),
    Remedy(f"Run the model with {THREAD}, or in a process of its own.", ("torch", "transformers")),
    # compressing and hashing, without it
    Remedy(
        f"Use {THREAD}: compression lets the GIL go, so a thread does help.",
        ("zlib", "gzip", "bz2", "lzma", "_bz2", "_lzma", "zipfile", "tarfile", "zstandard"),
    ),
    Remedy(
        f"Use {THREAD}: hashing lets the GIL go, so a thread does help.",
        ("hashlib", "_hashlib", "bcrypt", "argon2", "passlib", "scrypt", "cryptography", "nacl"),
    ),
    # C code that keeps the GIL
    Remedy(REGEX, ("re",), WORKS),
    Remedy(
        REGEX,
        ("*.match", "*.search", "*.fullmatch", "*.sub", "*.findall", "*.split"),
        ("native_gil",),
        ("re",),
    ),
    Remedy(
        "Return less: paginate, leave fields out, or stream the response. Dump what is large to "
        "bytes in another process; a thread would not help.",
        (
            *(
                "pydantic",
                "pydantic_core",
                "fastapi.encoders",
                "fastapi.routing.serialize_response",
            ),
            *("*.model_dump", "*.model_dump_json", "*.model_validate", "*.model_validate_json"),
        ),
        WORKS,
    ),
    Remedy(
        "Send less at a time, or dump and load it in another process. A thread would not help: "
        "json keeps the GIL. orjson takes a fraction of the time.",
        ("json", "_json", "simplejson", "ujson"),
        WORKS,
    ),
    Remedy(
        "Send less at a time, or do it in another process. A thread would not help: it keeps the "
        "GIL.",
        ("orjson", "msgspec", "msgpack", "yaml", "pickle", "_pickle", "marshal"),
        WORKS,
    ),
    Remedy(
        "Copy only what will change, or use immutable data that needs no copy.",
        ("copy.deepcopy",),
        WORKS,
    ),
    Remedy(
        "Sort less: let the database sort, keep it sorted (bisect), or take heapq.nsmallest(...). "
        "A thread would not help: sorting keeps the GIL.",
        ("builtins.sorted", "builtins.list.sort", "*.sort"),
        WORKS,
    ),
    Remedy(
        "Render less: paginate, keep what does not change, or stream it (generate_async).",
        ("jinja2", "mako"),
    ),
    # files
    Remedy("Import it at the top of the module.", ("importlib",)),
    Remedy(
        f"Use {THREAD} (or anyio.Path, aiofiles) for files.",
        (
            *("builtins.open", "io", "_io", "pathlib", "shutil", "tempfile", "glob", "fileinput"),
            *("os.fsync", "os.fdatasync", "os.walk", "os.listdir", "os.scandir", "os.stat"),
            *("os.read", "os.write", "os.open", "os.remove", "os.replace", "os.rename", "posix"),
            *("*.read", "*.readline", "*.readlines", "*.write", "*.writelines", "*.flush"),
            *("*.read_text", "*.read_bytes", "*.write_text", "*.write_bytes", "csv", "_csv"),
        ),
        WAITS,
    ),
    # a driver in C has no frames, and a connection is rarely a global: the module's imports tell
    *(
        Remedy(
            f"Use {instead}, or {THREAD}.",
            ("*.execute", "*.executemany", "*.fetchone", "*.fetchall", "*.commit", "*.__enter__"),
            imports=(driver,),
        )
        for driver, instead in (
            ("sqlite3", "aiosqlite instead of sqlite3"),
            ("psycopg2", "psycopg's AsyncConnection or asyncpg instead of psycopg2"),
            ("MySQLdb", "aiomysql or asyncmy instead of MySQLdb"),
        )
    ),
    Remedy(
        "Use the database's asyncio driver (aiosqlite, asyncpg, psycopg's AsyncConnection), or "
        f"{THREAD}.",
        ("*.execute", "*.executemany", "*.fetchone", "*.fetchall", "*.fetchmany", "*.commit"),
        WAITS,
    ),
)
