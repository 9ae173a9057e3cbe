"""Advice for what is made or loaded once, for a framework's own work, and for waits in general.

Data only; `advice` reads it.
"""

from __future__ import annotations

from loopwatch.core.causes import PROCESS, THREAD
from loopwatch.explain.remedy import WAITS, WORKS, Remedy

ANY = (*WAITS, *WORKS, "gc")

SETUP = (
    # made or loaded for each request
    Remedy(
        "Make the HTTP client once, at start-up, and share it: its SSL context is made anew for "
        "every client, and loading the CA certificates takes this long.",
        (
            *("httpx._config.create_ssl_context", "httpx._config.SSLConfig"),
            *("httpx._client.AsyncClient.__init__", "httpx._client.Client.__init__"),
            *("httpx._transports.default", "httpx.AsyncClient", "httpx.Client"),
        ),
        ("cpu", "native_gil", "unknown", "gc"),
    ),
    Remedy(
        "Make the SSL context once, at start-up, and share it: loading the CA certificates takes "
        "this long.",
        (
            *("ssl.create_default_context", "ssl.SSLContext.load_verify_locations"),
            *("ssl.SSLContext.load_default_certs", "ssl.SSLContext.set_default_verify_paths"),
            *("ssl.SSLContext.load_cert_chain", "*.load_verify_locations", "*.load_cert_chain"),
        ),
        ANY,
    ),
    Remedy(
        "Make the client once, at start-up, and share it: reading its service's description takes "
        "this long.",
        (
            *("boto3.client", "boto3.resource", "boto3.session.Session.client"),
            *("boto3.session.Session.resource", "boto3.session.Session.__init__"),
            *("botocore.session.Session.create_client", "googleapiclient.discovery.build"),
        ),
        ("cpu", "native_gil", "unknown", "import", "gc"),
    ),
    Remedy(
        "Load the model once, at start-up, and share it.",
        (
            *("*.from_pretrained", "*.load_model", "*.load_from_checkpoint"),
            *("transformers.pipeline", "transformers.pipelines.pipeline"),
            *("torch.load", "torch.jit.load", "torch.serialization", "torch.hub.load"),
            *("spacy.load", "spacy.util.load_model", "whisper.load_model", "joblib.load"),
            *("joblib.numpy_pickle", "safetensors", "tensorflow.saved_model.load"),
        ),
        ANY,
    ),
    Remedy(
        "Load the encoding once, at start-up, and share it: it is read, or downloaded, and then "
        "built.",
        (
            *("tiktoken.get_encoding", "tiktoken.encoding_for_model", "tiktoken.registry"),
            *("tiktoken.model", "tiktoken.load", "tiktoken.core.Encoding.__init__"),
            *("tokenizers.Tokenizer.from_file", "tokenizers.Tokenizer.from_str"),
        ),
        ANY,
    ),
    Remedy(
        "Make the engine once, at start-up, and share it: it has the pool of connections, and the "
        "cache of compiled queries.",
        (
            *("sqlalchemy.create_engine", "sqlalchemy.engine.create"),
            *("sqlalchemy.ext.asyncio.create_async_engine",),
            *("sqlalchemy.ext.asyncio.engine.create_async_engine",),
        ),
        WORKS,
    ),
    Remedy(
        "Compile the template once: keep one Environment for the app, and let it cache.",
        (
            *("jinja2.environment.Environment.from_string", "jinja2.environment.Template.__new__"),
            *("jinja2.environment.Environment.compile", "jinja2.environment.Template.from_code"),
        ),
        (*WORKS, "gc"),
    ),
    Remedy(
        "Compile the expression once, at the top of the module.",
        ("re.compile", "re._compiler", "sre_compile"),
        (*WORKS, "gc"),
    ),
    Remedy(
        "Make the class or adapter once, at the top of the module: building its validator takes "
        "this long.",
        (
            *("pydantic.type_adapter.TypeAdapter.__init__", "pydantic._internal"),
            *("pydantic.main.create_model", "pydantic.create_model", "dataclasses.make_dataclass"),
            *("pydantic.main.BaseModel.model_rebuild", "dataclasses.dataclass"),
            *("pydantic._internal._model_construction", "pydantic.json_schema"),
        ),
        (*WORKS, "gc"),
    ),
    # the body and the answer, by the framework's own code
    Remedy(
        "Accept smaller bodies: limit their size, take them in pages or as a stream, or validate "
        "the bytes in another process. A thread would not help: parsing keeps the GIL.",
        (
            *("fastapi.dependencies", "fastapi._compat", "fastapi.routing.request_body_to_args"),
            *("starlette.requests.Request.json", "litestar.connection.request.Request.json"),
            *("litestar._kwargs", "litestar._signature"),
        ),
        (*WORKS, "gc"),
    ),
    Remedy(
        f"Read the upload in pieces, with await file.read(size), and limit the request's size; "
        f"{THREAD} for what is done with it.",
        ("starlette.formparsers", "multipart", "python_multipart", "starlette.datastructures"),
    ),
    Remedy(
        "Return less: paginate, leave fields out, or stream the response. What is JSON already "
        "needs no encoding: return a Response of it. A thread would not help.",
        (
            *("fastapi.routing.serialize_response", "fastapi.encoders", "fastapi.responses"),
            *("starlette.responses", "litestar.serialization", "litestar.response"),
        ),
        (*WORKS, "gc"),
    ),
    Remedy(
        "Have fewer series (labels with fewer values), or serve metrics from a thread of their "
        "own, prometheus_client.start_http_server(...) or loopwatch's metrics_port: making the "
        "text takes this long.",
        ("prometheus_client.exposition", "prometheus_client.asgi", "prometheus_client.openmetrics"),
    ),
    Remedy(
        "Have fewer series (labels with fewer values), and collect what is slow beforehand, in the "
        "background.",
        ("prometheus_client",),
    ),
    # collections, imports, frees
    Remedy(
        "Leave garbage collection to the interpreter: without gc.collect() here the loop would not "
        "have been held. To have it run seldom, call gc.freeze() once when the app has started.",
        ("gc.collect",),
        ANY,
    ),
    Remedy(
        "Hold fewer objects at a time (batches, a generator), or one compact object for many "
        "(array, numpy): freeing so many takes this long, and keeps the GIL.",
        ("del()",),
        WORKS,
    ),
    Remedy(
        "Import it when the app starts, at the top of the module.",
        ("importlib", "builtins.__import__"),
        (*WAITS, *WORKS),
    ),
    # threads and processes, from the loop
    Remedy(
        "Do not leave the `with` block of a pool in the loop: it waits until all of the pool's "
        "work is done. Keep one pool for the app, and await loop.run_in_executor(pool, ...).",
        (
            *("concurrent.futures._base.Executor.__exit__", "*.shutdown"),
            *("concurrent.futures.thread.ThreadPoolExecutor.shutdown",),
            *("concurrent.futures.process.ProcessPoolExecutor.shutdown",),
        ),
    ),
    Remedy(
        "Make the pool of processes once, when the app starts: starting its processes takes this "
        "long.",
        (
            *(
                "concurrent.futures.process.ProcessPoolExecutor",
                "multiprocessing.pool.Pool.__init__",
            ),
            *(
                "multiprocessing.context.BaseContext.Pool",
                "multiprocessing.context.BaseContext.Manager",
            ),
            *("multiprocessing.process.BaseProcess.start",),
        ),
    ),
    Remedy(
        "Starting a process holds the loop until the child runs its program: leave out preexec_fn "
        "(start_new_session, user, cwd, env do without), or start it from a small helper process.",
        (
            *("asyncio.subprocess.create_subprocess_exec", "asyncio.create_subprocess_exec"),
            *("asyncio.subprocess.create_subprocess_shell", "asyncio.create_subprocess_shell"),
            *("subprocess.Popen._execute_child", "*.subprocess_exec", "*.subprocess_shell"),
            *("asyncio.unix_events._UnixSubprocessTransport", "anyio.open_process"),
            *("asyncio.base_subprocess", "anyio.run_process"),
        ),
    ),
    Remedy(
        "Start threads when the app starts, or keep a pool of them: the loop waits until a new "
        "thread runs.",
        (
            *("threading.Thread.start", "concurrent.futures.thread.ThreadPoolExecutor.submit"),
            *("asyncio.threads.to_thread",),
        ),
        (*WAITS, *WORKS),
    ),
    Remedy(
        "Await the future: await asyncio.wrap_future(future), or get it from "
        "loop.run_in_executor(...) in the first place.",
        (
            *("concurrent.futures", "*.result", "*.exception"),
            *("asgiref.sync.AsyncToSync", "multiprocessing.pool.ApplyResult"),
        ),
        WAITS,
    ),
    Remedy(
        f"Await it in the loop itself; where it must run in another loop, {THREAD} for the call "
        "that waits for that loop.",
        ("anyio.from_thread", "asyncio.runners", "nest_asyncio", "asyncio.run"),
        WAITS,
    ),
    Remedy(
        f"Do not wait for the thread in the loop: {THREAD} runs the same function and lets you "
        "await it.",
        ("threading.Thread.join", "*thread.join"),
        WAITS,
    ),
    Remedy(
        "Use asyncio.Queue within the loop; janus.Queue between it and a thread.",
        ("queue", "_queue"),
        WAITS,
    ),
    Remedy(
        f"Do not wait for the other process in the loop: {PROCESS} runs the function and lets you "
        f"await it; {THREAD} for a queue or a join.",
        ("multiprocessing", "billiard"),
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
    Remedy(
        f"Use {THREAD} for the lock: another process has it.",
        ("fcntl", "filelock", "portalocker", "fasteners"),
        WAITS,
    ),
)
