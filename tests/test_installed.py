"""Which install this is: each kind as its installer leaves it, and what is typed for it."""

import json
import os
import sys
from pathlib import Path

import pytest

from song_mcp import installed
from song_mcp.cli import main
from song_mcp.installed import Install, Surroundings, install, typed

PIP, UV = "pip", "uv"


def environment(
    prefix: Path, *, installer: str = PIP, source: dict[str, object] | None = None
) -> Surroundings:
    """A virtual environment with song-mcp, as an installer of that name leaves it."""
    site = prefix / "lib" / "site-packages"
    package = site / "song_mcp"
    script = prefix / "bin" / "song-mcp"
    recorded = site / "song_mcp-0.1.0.dist-info"
    for folder in (package, script.parent, recorded):
        folder.mkdir(parents=True)
    script.touch()
    (recorded / "METADATA").write_text("Metadata-Version: 2.4\nName: song-mcp\nVersion: 0.1.0\n")
    (recorded / "RECORD").write_text("../../bin/song-mcp,,\nsong_mcp/__init__.py,,\n")
    (recorded / "INSTALLER").write_text(f"{installer}\n")
    if source:
        (recorded / "direct_url.json").write_text(json.dumps(source))
    return Surroundings(package, prefix, str(prefix / "bin" / "python"), (), {"PATH": ""})


def wheel(folder: Path) -> dict[str, object]:
    return {"url": (folder / "song_mcp-0.1.0.whl").as_uri(), "archive_info": {}}


def editable(root: Path) -> Surroundings:
    """A project's folder whose environment runs the code from there."""
    where = environment(root / ".venv")
    (root / "pyproject.toml").touch()
    package = root / "src" / "song_mcp"
    package.mkdir(parents=True)
    site = str(where.package.parent)
    return Surroundings(package, where.prefix, where.python, (site,), where.environ)


def test_a_virtual_environment_is_told_by_its_interpreter(tmp_path: Path) -> None:
    told = install(environment(tmp_path / "venv"))
    python = str(tmp_path / "venv" / "bin" / "python")
    assert told == Install(
        "pip",
        (str(tmp_path / "venv" / "bin" / "song-mcp"),),
        typed([python, "-m", "pip", "install", "--upgrade", "song-mcp"]),
        typed([python, "-m", "pip", "install", "lameenc", "tqdm"]),
    )


def test_an_environment_made_by_uv_has_no_pip(tmp_path: Path) -> None:
    told = install(environment(tmp_path / "venv", installer=UV))
    python = str(tmp_path / "venv" / "bin" / "python")
    assert told.kind == "pip"
    assert told.add_sandbox == f"uv pip install --python {python} lameenc tqdm"


def test_without_its_program_it_is_started_by_the_interpreter(tmp_path: Path) -> None:
    where = environment(tmp_path / "venv")
    (tmp_path / "venv" / "bin" / "song-mcp").unlink()
    assert install(where).command == (where.python, "-m", "song_mcp")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ({"url": "file:///home/you/song%20mcp", "dir_info": {}}, "'/home/you/song mcp'"),
        ({"url": "file:///opt/song_mcp-0.1.0.whl", "archive_info": {}}, "/opt/song_mcp-0.1.0.whl"),
        (
            {"url": "https://host.example/x.whl", "archive_info": {}},
            "'song-mcp @ https://host.example/x.whl'",
        ),
        (
            {"url": "https://host.example/x", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "'song-mcp @ git+https://host.example/x'",
        ),
    ],
    ids=["folder", "wheel", "address", "git"],
)
def test_it_is_upgraded_from_where_it_came(
    tmp_path: Path, source: dict[str, object], named: str
) -> None:
    told = install(environment(tmp_path / "venv", source=source))
    assert told.upgrade.endswith(f"pip install --upgrade {named}")


def test_a_checkout_runs_from_its_folder(tmp_path: Path) -> None:
    told = install(editable(tmp_path))
    python = str(tmp_path / ".venv" / "bin" / "python")
    assert told == Install(
        "checkout",
        (str(tmp_path / ".venv" / "bin" / "song-mcp"),),
        f"git -C {tmp_path} pull && {python} -m pip install --editable {tmp_path}",
        f"{python} -m pip install lameenc tqdm",
    )


def test_the_makefiles_environment_is_renewed_by_the_makefile(tmp_path: Path) -> None:
    where = editable(tmp_path)
    (tmp_path / ".venv" / ".pins").touch()
    told = install(where)
    assert told.upgrade == f"git -C {tmp_path} pull && make -C {tmp_path} setup"
    assert told.add_sandbox == f"make -C {tmp_path} setup"


def test_a_tool_of_uv_is_started_where_uv_put_its_program(tmp_path: Path) -> None:
    where = environment(tmp_path / "tools" / "song-mcp", installer=UV)
    (where.prefix / "uv-receipt.toml").write_text(
        '[tool]\nrequirements = [{ name = "song-mcp" }]\nentrypoints = [\n'
        '    { name = "song-mcp", install-path = "/home/you/.local/bin/song-mcp" },\n]\n'
    )
    assert install(where) == Install(
        "uv tool",
        ("/home/you/.local/bin/song-mcp",),
        "uv tool upgrade song-mcp",
        "uv tool install --compile-bytecode --with=lameenc --with=tqdm song-mcp",
    )


def test_a_tool_of_uv_from_a_file_is_installed_from_it_again(tmp_path: Path) -> None:
    where = environment(tmp_path / "song-mcp", installer=UV, source=wheel(tmp_path))
    (where.prefix / "uv-receipt.toml").write_text('[tool]\nrequirements = []\npython = "3"\n')
    told = install(where)
    file = tmp_path / "song_mcp-0.1.0.whl"
    assert told.command == (str(where.prefix / "bin" / "song-mcp"),)
    assert told.upgrade == f"uv tool install --compile-bytecode --reinstall {file}"


@pytest.mark.parametrize("cell", ["archive-v0/8giS3Q1W", "environments-v2/3f0c", "builds-v0/.tmpx"])
def test_uvx_is_never_told_by_a_path_in_its_cache(tmp_path: Path, cell: str) -> None:
    (tmp_path / "CACHEDIR.TAG").touch()
    told = install(environment(tmp_path / cell, installer=UV))
    assert told == Install(
        "uvx",
        ("uvx", "song-mcp"),
        "uvx --refresh song-mcp --version",
        "uvx --with=lameenc --with=tqdm song-mcp demo",
    )
    assert str(tmp_path) not in str(told)


def test_uvx_that_overlays_another_environment_is_known_by_the_package(tmp_path: Path) -> None:
    (tmp_path / "CACHEDIR.TAG").touch()
    cached = environment(tmp_path / "archive-v0" / "8giS", source=wheel(tmp_path / "dist"))
    where = Surroundings(cached.package, tmp_path / "venv", "python", (), {"PATH": ""})
    file = tmp_path / "dist" / "song_mcp-0.1.0.whl"
    assert install(where).command == ("uvx", "--from", str(file), "song-mcp")


def test_a_program_is_told_by_its_path_as_clients_have_another(tmp_path: Path) -> None:
    (tmp_path / "CACHEDIR.TAG").touch()
    uvx = tmp_path / "local" / ("uvx.exe" if os.name == "nt" else "uvx")
    uvx.parent.mkdir()
    uvx.touch(mode=0o755)
    at = environment(tmp_path / "archive-v0" / "8giS")
    where = Surroundings(at.package, at.prefix, at.python, (), {"PATH": str(uvx.parent)})
    assert install(where).command == (str(uvx), "song-mcp")


def test_a_folder_that_is_only_named_like_uvs_cache_is_none(tmp_path: Path) -> None:
    assert install(environment(tmp_path / "archive-v0" / "venv")).kind == "pip"


def test_pipx_knows_it_by_the_name_of_its_folder(tmp_path: Path) -> None:
    where = environment(tmp_path / "venvs" / "song-mcp-next")
    (where.prefix / "pipx_metadata.json").write_text("{}")
    assert install(where) == Install(
        "pipx",
        (str(where.prefix / "bin" / "song-mcp"),),
        "pipx upgrade song-mcp-next",
        "pipx inject song-mcp-next lameenc tqdm",
    )


def test_pipx_from_a_folder_installs_it_from_there_again(tmp_path: Path) -> None:
    where = environment(tmp_path / "venvs" / "song-mcp", source=wheel(tmp_path))
    (where.prefix / "pipx_metadata.json").write_text("{}")
    assert install(where).upgrade == f"pipx install --force {tmp_path / 'song_mcp-0.1.0.whl'}"


def test_what_pipx_runs_from_its_cache_is_not_told_by_its_path(tmp_path: Path) -> None:
    where = environment(tmp_path / ".cache" / "pipx" / "7434bb67100ea73")
    (where.prefix / "pipx_metadata.json").write_text("{}")
    told = install(where)
    assert (told.kind, told.command) == ("pipx run", ("pipx", "run", "song-mcp"))
    assert str(tmp_path) not in str(told)


def test_a_bundle_is_started_by_uv_in_its_folder(tmp_path: Path) -> None:
    where = editable(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    told = install(where)
    assert (told.kind, told.command) == (
        "mcpb",
        ("uv", "run", "--directory", str(tmp_path), "src/server.py"),
    )
    assert "song-mcp.mcpb" in told.upgrade
    hosts = Surroundings(where.package, where.prefix, where.python, (), {"UV": "/opt/host/uv"})
    assert install(hosts).command[0] == "/opt/host/uv"


def test_an_image_is_started_with_its_volumes_and_the_clients_keys(tmp_path: Path) -> None:
    at = environment(tmp_path / "venv")
    where = Surroundings(at.package, at.prefix, at.python, (), {installed.IMAGE: "song-mcp:0.1"})
    told = install(where)
    assert told.kind == "docker"
    assert told.command[:4] == ("docker", "run", "--interactive", "--rm")
    assert "--volume=song-mcp-journal:/data/journal" in told.command
    assert "--env=PIAPI_API_KEY" in told.command
    assert told.command[-1] == "song-mcp:0.1"


def test_a_container_with_another_install_in_it_is_that_install(tmp_path: Path) -> None:
    at = environment(tmp_path / "venv")  # whether or not there is a /.dockerenv
    assert install(Surroundings(at.package, at.prefix, at.python, (), {})).kind == "pip"


def test_this_very_process_is_told_too() -> None:
    told = install()
    assert told.kind in {"checkout", "pip"}  # `pip` where the tests run against a wheel
    assert Path(told.command[0]).is_file()
    assert Path(told.command[0]).is_relative_to(Path(sys.prefix))


@pytest.mark.parametrize("command", ["sandbox", "demo"])
@pytest.mark.parametrize("package", installed.SANDBOX)
def test_a_missing_encoder_is_told_before_anything_begins(
    package: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)  # so to import it fails
    status = main([command])
    said = capsys.readouterr()
    assert status == 2
    assert f"is missing here: {package}.\n" in said.err
    assert said.err.endswith(f"  {install().add_sandbox}\n")
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
