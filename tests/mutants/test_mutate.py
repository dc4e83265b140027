"""What the mutator finds to change, and what it leaves alone."""

from pathlib import Path

import pytest

from tests.mutants.mutate import has_mutants, mutants_of
from tests.mutants.run import PACKAGE, TESTS, groups_of


def changed(tmp_path: Path, source: str) -> list[str]:
    """The mutants of a piece of source, each as its changed line."""
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    return [mutant.after for mutant in mutants_of(tmp_path, "module.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b <= c\n", ["a = b < c"]),
        ("a = b is not None\n", ["a = b is None"]),
        ("a = b not in c\n", ["a = b in c"]),
        ("a = not b\n", ["a = (b)"]),
        ("a = b and c\n", ["a = ((b))", "a = ((c))", "a = b or c"]),
        ("a = True\n", ["a = False"]),
        ("a = 3.0\n", ["a = 4.0"]),
        ("a = b - c\n", ["a = b + c"]),
        ('a = "yes"\n', ['a = "mutant"']),
        ('a = ("yes", b)\n', ["a = (*(), b)"]),
        ("if a: b = c\n", ["if (not (a)): b = c"]),
        ("f(a)\n", ["pass"]),
        ("a.b = c\n", ["pass"]),
        ("f(a, b=c)\n", ["f(a, )", "pass"]),
        ("def f(): return a\n", ["def f(): return None"]),
        ("raise a\n", ["pass"]),
        ("try: a = b\nexcept ValueError: c = d\n", ["except (): c = d"]),
        ("with suppress(ValueError): a = b\n", ["with suppress(): a = b"]),
    ],
)
def test_each_construct_of_python_is_changed_in_its_way(
    tmp_path: Path, source: str, expected: list[str]
) -> None:
    assert sorted(changed(tmp_path, source)) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        '"""Says 1 < 2."""\n',
        'a = "A sentence for people."\n',
        'logger.info("%s is %d", a, 3)\n',
        "def f(a: int) -> b[1]: pass\n",
        "@a(1)\ndef f(): pass\n",
        'a = row["key"]\n',
        "class A:\n    def __init__(self): self.a = b\n",
    ],
)
def test_what_decides_nothing_is_left_alone(tmp_path: Path, source: str) -> None:
    assert changed(tmp_path, source) == []


SQL = "UPDATE t SET a = ?, b = 'yes' WHERE x = ? AND s IN ('one', 'two') AND n <= 5"


def test_sql_is_changed_where_it_decides(tmp_path: Path) -> None:
    found = [line.removeprefix('q = "').removesuffix('"') for line in changed(
        tmp_path, f'q = "{SQL}"\n'
    )]  # fmt: skip
    for old, new in (
        ("a = ?", "a = iif(1, a, ?)"),
        ("b = 'yes'", "b = iif(1, b, 'yes')"),
        ("'yes'", "'mutant'"),
        ("x = ?", "(x = ? OR 1)"),
        ("s IN ('one', 'two')", "(s IN ('one', 'two') OR 1)"),
        ("('one', 'two')", "('two')"),
        ("('one', 'two')", "('one')"),
        ("n <= 5", "(n <= 5 OR 1)"),
        ("<=", "<"),
        ("5", "6"),
    ):
        assert SQL.replace(old, new) in found, new
    assert len(found) == 10


def test_choices_orders_and_ranges_of_sql_are_changed_too(tmp_path: Path) -> None:
    query = "SELECT a FROM t WHERE (b IS NULL OR c > 1) AND d BETWEEN 2 AND :e ORDER BY a DESC"
    found = changed(tmp_path, f'q = "{query}"\n')
    for old, new in (
        ("b IS NULL", "(b IS NULL AND 0)"),
        ("c > 1", "(c > 1 AND 0)"),
        ("IS NULL", "IS NOT NULL"),
        ("c > 1", "c >= 1"),
        ("d BETWEEN 2 AND :e", "(d BETWEEN 2 AND :e OR 1)"),
        (" DESC", ""),
    ):
        assert f'q = "{query.replace(old, new)}"' in found, new


def test_a_mutant_is_known_by_its_lines_wherever_they_move(tmp_path: Path) -> None:
    source = "def f(a):\n    return a < 1 and b(\n        'ü', 2\n    )\n"
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    (tmp_path / "moved.py").write_text(f"\n\n{source}", encoding="utf-8")
    here, there = (mutants_of(tmp_path, name) for name in ("module.py", "moved.py"))
    assert [mutant.line + 2 for mutant in here] == [mutant.line for mutant in there]
    assert [mutant.key[1:] for mutant in here] == [mutant.key[1:] for mutant in there]
    assert {mutant.scope for mutant in here} == {"f"}
    assert "'ü', 3" in [mutant.after for mutant in here]


@pytest.mark.parametrize("path", TESTS)
def test_every_module_of_the_table_has_mutants_and_tests(path: str) -> None:
    assert has_mutants(PACKAGE, path)
    for group in groups_of(path):
        assert all((PACKAGE.parents[1] / name).exists() for name in group)
