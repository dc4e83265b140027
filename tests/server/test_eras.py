"""The eras matrix: each tool, template and prompt, called once in each era, answers the same.

What is new and not called here fails the first test: whoever adds it says here how it is called.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from song_mcp.server.guides import GUIDES
from tests import eras
from tests.house import House, open_house, uri_of

Json = dict[str, Any]


class Made:
    """What the calls below refer to: a song, one of Suno, and a doubt."""

    song: Json
    timed: Json
    suno: Json
    doubt: Json


TOOLS: Mapping[str, Callable[[Made], Json]] = {
    "generate_song": lambda _: {"lyrics": "[Verse]\nTrams", "description": "pop", "title": "Trams"},
    "extend_song": lambda made: {"clip_id": clip_of(made), "description": "strings"},
    "cover_song": lambda made: {"clip_id": clip_of(made), "description": "ska"},
    "play_song": lambda made: {"clip_id": clip_of(made)},
    "read_clip": lambda made: {"clip_id": clip_of(made), "part": "cover"},
    "join_song": lambda made: {"clip_id": clip_of(made)},
    "generate_lyrics": lambda _: {"topic": "the harbour at night"},
    "get_task": lambda made: {"task_id": made.song["task_id"], "include_lyrics": True},
    "fetch_suno_task": lambda made: {"task_id": made.suno["task_id"]},
    "list_songs": lambda _: {"limit": 50},
    "check_account": lambda _: {},
    "resolve_task": lambda made: {"task_id": made.doubt["task_id"], "action": "abandon"},
}
TEMPLATES: Mapping[str, Callable[[Made], str]] = {
    "song://clips/{clip_id}": lambda made: f"song://clips/{clip_of(made)}",
    "song://clips/{clip_id}/audio": lambda made: f"song://clips/{clip_of(made)}/audio",
    "song://clips/{clip_id}/whole": lambda made: f"song://clips/{clip_of(made)}/whole",
    "song://clips/{clip_id}/cover": lambda made: f"song://clips/{clip_of(made)}/cover",
    "song://clips/{clip_id}/lyrics.lrc": lambda made: (
        f"{uri_of(made.timed['clips'][0])}/lyrics.lrc"
    ),
    "song://tasks/{task_id}": lambda made: f"song://tasks/{made.song['task_id']}",
}
PROMPTS: Mapping[str, Callable[[Made], dict[str, str]]] = {
    "compose_song": lambda _: {"idea": "lamps along the quay"},
    "extend_to_full_song": lambda made: {"clip_id": clip_of(made)},
}

VARYING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"local-[0-9a-f]+", "<id>"),
    (r" [a-z2-7]{8,}\.(mp3|jpg|jpeg|png|lrc)", r" <short>.\1"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "<time>"),
    (r'"size": \d+', '"size": "<bytes>"'),
    (r"\d\d:\d\d UTC", "<time>"),
    (r'"blob": "[^"]+"', '"blob": "<media, some with the clip\'s id in them>"'),
    (r"127\.0\.0\.1:\d+", "<sandbox>"),
)
"""What is never the same twice, whatever the era."""
PAID = {"generate_song", "extend_song", "cover_song", "generate_lyrics"}
TIMED = {"model": "diffrhythm", "description": "waltz", "lyrics": "[00:00.10]Lamps"}
PATIENT = {"wait_seconds": 55}
OF_ONE_ERA = {"ttl_ms", "cache_scope", "result_type", "meta"}


def clip_of(made: Made) -> str:
    return str(made.song["clips"][0]["clip_id"])


@asynccontextmanager
async def opened(folder: Path, era: str) -> AsyncIterator[tuple[House, Made]]:
    """A house of one era, with what the calls refer to."""
    before, eras.now_tested.era = eras.now_tested.era, era
    try:
        async with open_house(folder / era, extensions=[eras.APPS]) as house:
            made = Made()
            made.song = await house.ok(
                "generate_song", description="waltz", title="Quay", **PATIENT
            )
            made.timed = await house.ok("generate_song", **TIMED, **PATIENT)
            made.suno = await house.ok(
                "generate_song", description="waltz", model="suno-v5", **PATIENT
            )
            lost = await house.call("generate_song", description="x [[html-502:accepted]]")
            made.doubt = dict(lost.structured_content or {})
            yield house, made
    finally:
        eras.now_tested.era = before


def comparable(result: BaseModel, folder: Path, era: str) -> Any:  # noqa: ANN401 - JSON
    """A result as JSON, without what differs from one call to the next."""
    text = json.dumps(result.model_dump(mode="json", exclude_none=True, exclude=OF_ONE_ERA))
    text = text.replace(str(folder / era), "<folder>")
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return json.loads(text)


async def answers(folder: Path, era: str) -> Json:
    """Everything that there is to call, read and get, each with what came of it."""
    found: Json = {}
    async with opened(folder, era) as (house, made):
        client = house.client
        for name, arguments in TOOLS.items():
            waiting = PATIENT if name in PAID else {}
            found[f"tool {name}"] = await client.call_tool(name, arguments(made) | waiting)
        for name, uri in TEMPLATES.items():
            found[f"template {name}"] = await client.read_resource(uri(made))
        for name, values in PROMPTS.items():
            found[f"prompt {name}"] = await client.get_prompt(name, values(made))
        for guide in GUIDES:
            found[f"guide {guide.uri}"] = await client.read_resource(guide.uri)
        found["tools"] = await client.list_tools()
        found["resources"] = await client.list_resources()
        found["templates"] = await client.list_resource_templates()
        found["prompts"] = await client.list_prompts()
    return {name: comparable(result, folder, era) for name, result in found.items()}


async def test_everything_that_is_offered_is_called_here(tmp_path: Path) -> None:
    async with open_house(tmp_path, extensions=[eras.APPS]) as house:
        tools = (await house.client.list_tools()).tools
        templates = (await house.client.list_resource_templates()).resource_templates
        prompts = (await house.client.list_prompts()).prompts
    assert {tool.name for tool in tools} == set(TOOLS)
    assert {template.uri_template for template in templates} == set(TEMPLATES)
    assert {prompt.name for prompt in prompts} == set(PROMPTS)


@pytest.mark.no_client
async def test_both_eras_answer_the_same(tmp_path: Path) -> None:
    legacy, modern = [await answers(tmp_path, era) for era in eras.ERAS]
    assert [name for name in legacy if name.startswith("tool ") and legacy[name]["is_error"]] == []
    for name, answer in legacy.items():
        assert modern[name] == answer, name


@pytest.mark.no_client
async def test_both_eras_say_the_same_of_the_server(tmp_path: Path) -> None:
    said, extensions = [], []
    for era in eras.ERAS:
        async with opened(tmp_path, era) as (house, _):
            client = house.client
            told = client.server_capabilities
            assert told is not None
            extensions.append(told.extensions)
            told = told.model_copy(update={"extensions": None})
            said.append((client.server_info, told, client.instructions))
    assert said[0] == said[1]
    older, newer = extensions
    assert older is None  # the older protocol has no word for them
    assert set(newer or {}) == {"io.modelcontextprotocol/tasks", "io.modelcontextprotocol/ui"}
