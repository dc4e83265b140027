"""One model of each service, for requests of which any will do."""

from song_mcp.songs import SERVICES

UDIO = SERVICES["piapi"].default_model
DEFAULT_SUNO = SERVICES["gptge"].default_model
