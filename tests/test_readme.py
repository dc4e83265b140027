"""The README's table of models is that of the program."""

import os
from pathlib import Path

from song_mcp.server import guides

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- models: written by UPDATE_SNAPSHOTS=1 pytest tests/test_readme.py -->\n"
END = "<!-- end of models -->"


def test_the_table_of_models_is_that_of_the_program() -> None:
    """Set UPDATE_SNAPSHOTS=1 to write it again."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    current = f"{before}{BEGIN}\n{guides.table()}\n\n{END}{after}"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        README.write_text(current, encoding="utf-8")
    assert README.read_text(encoding="utf-8") == current
