"""Advice for calls that work: parsing, drawing, computing, with the GIL or without it.

Data only; `advice` reads it.
"""

from __future__ import annotations

from loopwatch.core.causes import PROCESS, THREAD
from loopwatch.explain.remedy import WORKS, Remedy

BUSY = (*WORKS, "gc")  # or in collections that the call's own objects set off

REGEX = (
    "Simplify the expression: nested repetition, such as (a+)+, backtracks without end. Bound the "
    "input's length, or use re2. A thread would not help: re keeps the GIL."
)

WORKING = (
    Remedy(
        f"Use create_async_engine(...) and AsyncSession, or {THREAD}: the driver works, or waits, "
        "while the statement runs.",
        (
            *("sqlalchemy.engine.default.DefaultDialect.do_execute",),
            *("sqlalchemy.engine.default.DefaultDialect.do_executemany",),
            *("sqlalchemy.engine.default.DefaultDialect.do_commit",),
        ),
        WORKS,
    ),
    Remedy(
        "Load fewer rows or columns at a time: turning them into objects takes this long.",
        (
            *("sqlalchemy", "sqlmodel", "django.db", "peewee", "tortoise", "pymongo", "bson"),
            *("asyncpg", "psycopg", "pymysql", "aiosqlite", "google.cloud.firestore"),
        ),
        BUSY,
    ),
    Remedy(
        "Make tracebacks shorter, without locals (show_locals=False, or "
        "structlog.processors.format_exc_info): drawing them takes this long. A "
        "logging.handlers.QueueHandler takes the writing off the loop, not the drawing.",
        ("rich.traceback", "rich", "structlog", "better_exceptions", "traceback", "stackprinter"),
        BUSY,
    ),
    Remedy(
        "Log less here: fewer or shorter records, and %-arguments in place of text made beforehand "
        "(a level that is off costs nothing then).",
        ("logging", "loguru"),
        BUSY,
    ),
    # documents, pictures, tables, models
    Remedy(
        f"Work on the document in another process, {PROCESS}. A thread would not help: this is "
        "Python code.",
        (
            *("pdfplumber", "pdfminer", "pypdf", "PyPDF2", "reportlab", "docx", "openpyxl"),
            *("xlsxwriter", "weasyprint", "pptx", "xhtml2pdf", "fpdf"),
        ),
        BUSY,
    ),
    Remedy(
        f"Work on the document in another process, {PROCESS}: MuPDF bears one thread only.",
        ("fitz", "pymupdf"),
    ),
    Remedy(
        f"Use {THREAD}: lxml lets the GIL go while it parses. What walks the tree afterwards is "
        "Python code, and needs less of it or another process.",
        ("lxml",),
        BUSY,
    ),
    Remedy(
        f"Parse smaller texts, or in another process: {PROCESS}. A thread would not help: parsing "
        "keeps the GIL.",
        (
            *("bs4", "html5lib", "html.parser", "xml", "pyexpat", "markdown", "mistune"),
            *("email", "sqlparse", "sqlglot", "pyparsing", "lark", "dateutil", "feedparser"),
            *("markdown_it", "docutils", "pygments", "cssselect", "tinycss2", "xmltodict"),
        ),
        BUSY,
    ),
    Remedy(f"Use {THREAD}: Pillow lets the GIL go for the most part.", ("PIL",), WORKS),
    Remedy(f"Use {THREAD}: OpenCV lets the GIL go.", ("cv2", "skimage", "imageio"), WORKS),
    Remedy(
        f"Draw in another process, {PROCESS}: it is Python code for the most part.",
        ("matplotlib", "plotly", "seaborn"),
        BUSY,
    ),
    Remedy(
        f"Use {THREAD}: most of numpy lets the GIL go. What does not (objects, strings, apply) "
        "needs another process.",
        ("pandas", "numpy", "polars", "scipy", "pyarrow", "_duckdb"),
        BUSY,
    ),
    Remedy(
        f"Run the model with {THREAD}, or in a process of its own.",
        (
            *("torch", "transformers", "sentence_transformers", "onnxruntime", "tensorflow"),
            *("keras", "sklearn", "xgboost", "lightgbm", "catboost", "spacy", "thinc", "whisper"),
            *("faster_whisper", "llama_cpp", "fasttext", "nltk", "easyocr", "pytesseract"),
        ),
        BUSY,
    ),
    Remedy(
        f"Use {THREAD}: the tokenizer lets the GIL go while it encodes. Bound the text's length.",
        ("tiktoken", "_tiktoken"),
        WORKS,
    ),
    Remedy(
        f"Use {THREAD} with encode_batch, which lets the GIL go. Bound the text's length.",
        ("tokenizers",),
        WORKS,
    ),
    # compressing and hashing, without the GIL
    Remedy(
        f"Use {THREAD}: compression lets the GIL go, so a thread does help.",
        (
            *("zlib", "gzip", "bz2", "lzma", "_bz2", "_lzma", "zipfile", "tarfile", "zstandard"),
            *("brotli", "_brotli", "lz4", "shutil.make_archive", "shutil.unpack_archive"),
        ),
    ),
    Remedy(
        f"Do this in another process: {PROCESS}. A thread would not help: this is Python code. "
        "The cryptography package has the same in C, without the GIL.",
        ("rsa", "ecdsa", "Crypto.PublicKey", "pyaes", "jose.backends.rsa_backend"),
    ),
    Remedy(
        f"Use {THREAD}: hashing lets the GIL go, so a thread does help.",
        (
            *("hashlib", "_hashlib", "bcrypt", "argon2", "passlib", "scrypt", "pwdlib"),
            *("werkzeug.security", "django.contrib.auth.hashers", "hmac", "_blake2", "_sha2"),
            *("_sha3", "_md5", "_sha1"),
        ),
    ),
    Remedy(
        f"Use {THREAD}: making keys, signing and ciphers let the GIL go, so a thread does help. "
        "Keys and loaded certificates can be kept.",
        ("cryptography", "jwt", "jose", "nacl", "Crypto", "authlib"),
    ),
    # C code that keeps the GIL
    Remedy(REGEX, ("re", "regex"), WORKS),
    Remedy(
        REGEX,
        ("*.match", "*.search", "*.fullmatch", "*.sub", "*.findall", "*.split"),
        ("native_gil",),
        ("re",),
    ),
    Remedy(
        "Validate less at a time, or the bytes themselves (model_validate_json) in another "
        "process; a thread would not help: validating keeps the GIL.",
        (
            *("pydantic.main.BaseModel.__init__", "pydantic.main.BaseModel.model_validate"),
            *("pydantic.main.BaseModel.model_validate_json", "pydantic.main.BaseModel.parse_obj"),
            *("pydantic.type_adapter.TypeAdapter.validate_python", "*.validate_python"),
            *("pydantic.type_adapter.TypeAdapter.validate_json", "*.validate_json"),
            *("*.model_validate", "*.model_validate_json", "marshmallow", "cerberus", "cattrs"),
            *("jsonschema", "attrs", "attr"),
        ),
        BUSY,
    ),
    Remedy(
        "Dump less: paginate, leave fields out, or stream. Dump what is large to bytes in another "
        "process; a thread would not help.",
        ("pydantic", "pydantic_core", "*.model_dump", "*.model_dump_json", "*.dump_python"),
        BUSY,
    ),
    Remedy(
        "Send less at a time, or dump and load it in another process. A thread would not help: "
        "json keeps the GIL. orjson takes a fraction of the time.",
        ("json", "_json", "simplejson", "ujson"),
        BUSY,
    ),
    Remedy(
        "Load it once, or less of it; yaml.CSafeLoader and CSafeDumper take a fraction of the "
        "time. A thread would not help: it keeps the GIL.",
        ("yaml", "ruamel", "tomllib", "tomli", "toml", "configparser"),
        BUSY,
    ),
    Remedy(
        "Send less at a time, or do it in another process. A thread would not help: it keeps the "
        "GIL.",
        ("orjson", "msgspec", "msgpack", "pickle", "_pickle", "marshal", "google.protobuf"),
        BUSY,
    ),
    Remedy(
        "Read it in pieces, with await asyncio.sleep(0) between them, or in another process. A "
        "thread would not help: csv keeps the GIL.",
        ("csv", "_csv"),
        BUSY,
    ),
    Remedy(
        "Copy only what will change, or use immutable data that needs no copy.",
        ("copy.deepcopy", "copy"),
        BUSY,
    ),
    Remedy(
        "Build the dict from the fields that you need: asdict copies everything below, object by "
        "object.",
        ("dataclasses.asdict", "dataclasses._asdict_inner", "dataclasses.astuple"),
        BUSY,
    ),
    Remedy(
        "Bound the texts' length: the time grows with its square. rapidfuzz is C and far faster; "
        f"else another process, {PROCESS}.",
        ("difflib", "fuzzywuzzy", "thefuzz", "jellyfish", "textdistance"),
        BUSY,
    ),
    Remedy(
        "Sort less: let the database sort, keep it sorted (bisect), or take heapq.nsmallest(...). "
        "A thread would not help: sorting keeps the GIL.",
        ("builtins.sorted", "builtins.list.sort", "*.sort"),
        BUSY,
    ),
    Remedy(
        "Bound the numbers' size: the time grows faster than the digits. gmpy2 is faster; else "
        f"another process, {PROCESS}. A thread would not help: it keeps the GIL.",
        ("**()", "builtins.pow", "math.factorial", "math.comb", "math.perm", "math.isqrt"),
        WORKS,
    ),
    Remedy(
        "Keep a set or dict for the look-up: `in` goes through a list from its beginning.",
        ("in()", "builtins.list.index", "builtins.list.count", "builtins.list.remove"),
        ("native_gil", "unknown"),
    ),
    Remedy(
        "Draw the randomness in one piece, os.urandom(n): each call asks the kernel. Where it need "
        "not be secret, random.Random is far faster.",
        ("random.SystemRandom", "secrets", "uuid", "os.urandom", "posix.urandom"),
        BUSY,
    ),
    Remedy(
        "Use datetime.fromisoformat(...) where the text is in ISO format: it is C code, and "
        "strptime goes through the format in Python each time.",
        ("datetime.datetime.strptime", "*.strptime", "time.strptime", "_strptime"),
        BUSY,
    ),
    Remedy(
        "Read data with json, or msgspec: literal_eval parses it as Python code.",
        ("ast.literal_eval", "ast.parse", "builtins.eval", "builtins.compile"),
        BUSY,
    ),
    Remedy(
        "Render less: paginate, keep what does not change, or stream it (generate_async).",
        ("jinja2", "mako", "django.template", "chevron", "starlette.templating"),
        BUSY,
    ),
)
