"""The name of a call, however it is written: of aliases, methods, blocks and text that is cut."""

import pytest

from loopwatch.explain.call_names import called


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("time.sleep(0.5)", ["time.sleep"]),
        ("client.get(url)", ["client.get"]),
        ("await client.get(url)", []),
        ("open(path).read()", ["?.read", "open"]),
        ("requests.get(a, b=[f(x) for x in y]).json()", ["?.json", "requests.get"]),
        ("self.pool[0].execute('select (')", ["?.execute"]),
        ('", ".join(slow(x) for x in y)', ["?.join"]),
        ('db.run("""it\'s ) all""", f\'{a["x"]}\')', ["db.run"]),
        ("client.chat.completions.create( model='a', messages=[{'a'", ["client.chat.completions"]),
        ("text = json.dumps(x)", ["json.dumps"]),
        ("a, b.c = json.loads(x)", ["json.loads"]),
        ("return t.sleep(1)", ["t.sleep"]),
        ("rows = await get(y)", []),
        ("with self._lock:", ["self._lock.__enter__"]),
        ("with LOCK as held:", ["LOCK.__enter__"]),
        ("f(a) + g(b)", []),
        ("x = 3**n", []),
        ("", []),
    ],
)
def test_a_call_is_known_as_it_is_written(code: str, names: list[str]) -> None:
    found = [name for name in called(code) if name]
    assert [name[: len(wanted)] for name, wanted in zip(found, names, strict=True)] == names
