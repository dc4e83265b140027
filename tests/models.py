"""One model of each service, for requests of which any will do."""

from song_mcp.songs import MODELS, SERVICES

UDIO = MODELS["udio"]
DEFAULT_SUNO = SERVICES["gptge"].default_model
