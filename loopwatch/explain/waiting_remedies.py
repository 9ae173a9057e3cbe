"""Advice for calls that wait: the network, databases, files, people.

Data only; `advice` reads it. Each asyncio interface that is named here exists under that name.
"""

from __future__ import annotations

from loopwatch.core.causes import THREAD
from loopwatch.explain.remedy import WAITS, WORKS, Remedy, instead, thread

SERVICES = (
    Remedy(
        "Look inside, at the end of the stack: the client is an asyncio one, but something in it "
        "waits (DNS, TLS, a hook, a driver).",
        (
            *("httpx._client.AsyncClient", "httpcore._async", "openai._base_client.AsyncAPIClient"),
            *("sqlalchemy.ext.asyncio", "redis.asyncio", "pymongo.asynchronous", "grpc.aio"),
            *("psycopg.connection_async", "psycopg.cursor_async", "aiohttp", "asyncpg"),
            *("anthropic._base_client.AsyncAPIClient", "aiobotocore", "aiosqlite", "motor"),
        ),
        WAITS,
    ),
    Remedy(
        "All connections of the pool are taken, and the loop that could give them back is held. "
        "Use the library's asyncio engine or pool, whose wait is awaited; give connections back "
        "sooner, or open fewer at once (asyncio.Semaphore).",
        (
            *("sqlalchemy.util.queue", "psycopg_pool", "redis.connection.BlockingConnectionPool"),
            *("urllib3.connectionpool.HTTPConnectionPool._get_conn", "pymysqlpool"),
        ),
        WAITS,
    ),
    Remedy(
        "Use AsyncOpenAI or AsyncAzureOpenAI, and await the same call.",
        ("openai", "*.chat.completions.create", "*.responses.create", "*.embeddings.create"),
        WAITS,
    ),
    instead("AsyncAnthropic", "anthropic", "*.messages.create"),
    instead("AsyncGroq", "groq"),
    instead("the client's aio (client.aio.models...)", "google.genai"),
    instead("the library's a-methods (ainvoke, astream, abatch)", "langchain", "langchain_core"),
    instead("the library's a-methods (aquery, achat)", "llama_index"),
    instead("litellm.acompletion(...) and its like", "litellm"),
    instead("ollama.AsyncClient", "ollama"),
    instead("AsyncInferenceClient", "huggingface_hub.inference"),
    instead("AsyncQdrantClient", "qdrant_client"),
    Remedy(
        f"Use aioboto3 or aiobotocore instead of boto3, or {THREAD}.",
        ("boto3", "botocore", "s3transfer"),
        WAITS,
    ),
    Remedy(
        f"Use the library's own AsyncClient where it has one (Firestore, Tasks, Secret Manager), "
        f"or {THREAD}.",
        ("google.cloud", "google.api_core", "google.auth", "google.oauth2", "googleapiclient"),
        WAITS,
    ),
    instead("the same client from its .aio package (azure.storage.blob.aio)", "azure"),
    instead("kubernetes_asyncio instead of kubernetes", "kubernetes"),
    instead("aiodocker instead of docker", "docker"),
    instead("the call's _async twin (create_async)", "stripe"),
    instead("slack_sdk.web.async_client.AsyncWebClient", "slack_sdk"),
    instead("AsyncElasticsearch", "elasticsearch", "elastic_transport"),
    instead("AsyncOpenSearch", "opensearchpy"),
    thread("the client has no asyncio interface", "minio", "hvac", "consul", "twilio", "sendgrid"),
    # databases
    Remedy(
        "Load the related objects with the first query, options(selectinload(...)) or "
        "joinedload(...): an attribute that is loaded lazily is a query for each object.",
        (*("sqlalchemy.orm.strategies.LazyLoader", "sqlalchemy.orm.strategies._LazyLoader"),),
        (*WAITS, *WORKS, "gc"),
    ),
    Remedy(
        "Use create_async_engine(...) and AsyncSession, with an asyncio driver such as asyncpg or "
        "aiosqlite.",
        ("sqlalchemy", "sqlmodel"),
        WAITS,
    ),
    Remedy(
        "Use the a-methods of the ORM (aget, acreate, async for), or sync_to_async(...).",
        ("django.db",),
        WAITS,
    ),
    thread("the mapper has no asyncio interface", "peewee", "pony", "mongoengine", "pynamodb"),
    Remedy("Use redis.asyncio.Redis, and await the same call.", ("redis",), WAITS),
    Remedy("Use AsyncMongoClient of pymongo instead of MongoClient.", ("pymongo",), WAITS),
    Remedy(
        "Use an asyncio driver, aiomysql or asyncmy.",
        ("pymysql", "MySQLdb", "mysql.connector"),
        WAITS,
    ),
    Remedy("Use psycopg.AsyncConnection, or asyncpg.", ("psycopg",), WAITS),
    Remedy(
        "Use psycopg's AsyncConnection or asyncpg instead of psycopg2.",
        ("psycopg2", "pg8000"),
        WAITS,
    ),
    Remedy(f"Use aiosqlite instead of sqlite3, or {THREAD}.", ("sqlite3", "_sqlite3")),
    instead("aioodbc instead of pyodbc", "pyodbc"),
    instead("oracledb.connect_async(...)", "oracledb", "cx_Oracle"),
    instead("AsyncGraphDatabase", "neo4j"),
    instead("clickhouse_connect.get_async_client(...)", "clickhouse_connect", "clickhouse_driver"),
    instead("InfluxDBClientAsync", "influxdb_client"),
    thread("its futures wait in threads of its own", "cassandra", "snowflake", "pymssql"),
    Remedy(f"Use {THREAD}: DuckDB lets the GIL go while it works.", ("duckdb", "_duckdb")),
    instead("aiomcache instead", "pymemcache", "memcache", "pylibmc"),
    # queues of messages, calls of other services
    Remedy("Use aiokafka instead.", ("kafka", "confluent_kafka"), WAITS),
    Remedy("Use aio_pika instead of pika.", ("pika", "kombu", "amqp"), WAITS),
    thread("waiting for a task's result polls", "celery", "rq", "huey"),
    instead("zmq.asyncio", "zmq"),
    Remedy("Use the grpc.aio channel and stub, and await the same call.", ("grpc",), WAITS),
    Remedy(f"Use asyncssh instead of paramiko, or {THREAD}.", ("paramiko", "fabric"), WAITS),
    Remedy("Use httpx.AsyncClient or aiohttp instead of requests.", ("requests",), WAITS),
    Remedy("Use httpx.AsyncClient, and await the same call.", ("httpx", "httpcore"), WAITS),
    Remedy("Use aiosmtplib instead of smtplib.", ("smtplib",), WAITS),
    Remedy(f"Use aioftp instead of ftplib, or {THREAD}.", ("ftplib",), WAITS),
    Remedy(f"Use aioimaplib instead of imaplib, or {THREAD}.", ("imaplib", "poplib"), WAITS),
    Remedy(f"Use bonsai's asyncio client, or {THREAD}.", ("ldap", "ldap3"), WAITS),
    instead("dns.asyncresolver", "dns"),
    Remedy("Use the websockets package, which is an asyncio one.", ("websocket",), WAITS),
    instead("playwright.async_api", "playwright"),
    thread("the browser is waited for", "selenium"),
    thread("the line is slow", "serial", "telnetlib"),
    Remedy(
        "Use httpx.AsyncClient or aiohttp instead of urllib.",
        ("urllib.request", "urllib3", "http.client", "xmlrpc", "feedparser"),
        WAITS,
    ),
    Remedy(
        "Use await loop.getaddrinfo(...): the resolver may take seconds.",
        (
            *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
            *("socket.gethostbyname_ex", "socket.getfqdn", "socket.getnameinfo"),
            *("_socket.getaddrinfo", "_socket.gethostbyname", "_socket.gethostbyaddr"),
        ),
        WAITS,
    ),
    Remedy(
        "Use await asyncio.open_connection(...), or loop.sock_recv(...) and its like with a "
        "non-blocking socket.",
        (
            *("socket", "_socket", "ssl", "_ssl", "select", "selectors"),
            *("*.recv", "*.recv_into", "*.recvfrom", "*.sendall", "*.accept", "*sock.connect"),
        ),
        WAITS,
    ),
)

MACHINE = (
    Remedy(
        "Retry in an `async def`, whose retries tenacity awaits (AsyncRetrying), with an asyncio "
        "client in it: between two tries of a plain function it sleeps in the loop.",
        ("tenacity.nap",),
        WAITS,
    ),
    Remedy("Use await asyncio.sleep(...) instead of time.sleep(...).", ("time.sleep",), WAITS),
    Remedy(
        "Put a logging.handlers.QueueHandler before the slow handler, and let a QueueListener "
        "write from its own thread.",
        ("logging", "structlog", "loguru"),
        WAITS,
    ),
    Remedy(
        "Whoever reads this output (a pipe, a terminal) reads too slowly: log through a "
        "logging.handlers.QueueHandler, whose thread may wait, or write less.",
        ("builtins.print", "sys.stdout", "sys.stderr", "*.stdout.write", "*.stderr.write"),
        WAITS,
    ),
    Remedy(
        "Use await asyncio.create_subprocess_exec(...) and await process.communicate().",
        (
            *("subprocess", "os.system", "os.popen", "os.wait", "os.waitpid", "os.wait4"),
            *("posix.waitpid", "posix.system", "posix.wait", "pexpect", "git.cmd", "sh"),
        ),
        (*WAITS, "native_gil"),
    ),
    Remedy(f"Use {THREAD}: a person types slowly.", ("builtins.input", "getpass", "click.termui")),
    Remedy(f"Use {THREAD} for the wait for a signal.", ("signal", "_signal"), WAITS),
    Remedy(
        "Ask for the hardware address once, when the app starts, or use uuid.uuid4(): uuid1 runs "
        "other programs to find it.",
        ("uuid",),
        WAITS,
    ),
    Remedy(
        f"Use {THREAD} (or anyio.Path, aiofiles) for files.",
        (
            *("os.fsync", "os.fdatasync", "posix.fsync", "posix.fdatasync", "os.sync", "shutil"),
            *("*.file.read", "*.file.write", "*.file.readlines", "*.file.seek", "*.fsync"),
            *("zipfile.ZipFile.extractall", "tempfile", "pathlib.Path.read_bytes"),
            *("pathlib.Path.write_bytes", "os.walk", "os.scandir", "os.listdir", "glob"),
            *("pathlib.Path.rglob", "pathlib.Path.glob", "pathlib.Path.iterdir", "os.fwalk"),
        ),
    ),
    Remedy(
        f"Use {THREAD} (or anyio.Path, aiofiles) for files.",
        (
            *("builtins.open", "io", "_io", "pathlib", "fileinput", "os.path", "mmap", "os.stat"),
            *("os.sendfile", "posixpath", "os.chmod", "os.chown", "os.access", "os.statvfs"),
            *("os.read", "os.write", "os.open", "os.remove", "os.replace", "os.rename", "posix"),
            *("os.makedirs", "os.mkdir", "os.unlink", "os.link", "os.truncate", "os.utime"),
            *("*.read", "*.readline", "*.readlines", "*.write", "*.writelines", "*.flush"),
            *("*.read_text", "*.read_bytes", "*.write_text", "*.write_bytes", "csv", "_csv"),
            *("zipfile", "tarfile", "gzip", "bz2", "lzma", "h5py", "pyarrow", "fsspec", "dbm"),
            *("shelve", "pickle", "json", "yaml", "tomllib", "configparser", "PIL", "pandas"),
            *("numpy", "polars", "sqlite_utils", "openpyxl", "docx", "pypdf", "pdfplumber"),
            *("torch", "jinja2", "linecache", "importlib.metadata", "importlib.resources"),
        ),
        WAITS,
    ),
)

# a driver in C has no frames, and a connection is rarely a global: the module's imports tell
DRIVERS = (
    *(
        Remedy(
            f"Use {replacement}, or {THREAD}.",
            ("*.execute", "*.executemany", "*.fetchone", "*.fetchall", "*.commit", "*.__enter__"),
            imports=(driver,),
        )
        for driver, replacement in (
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

WAITING = (*SERVICES, *MACHINE, *DRIVERS)
