"""An MCP server that makes songs through PiAPI (Udio) and gpt.ge (Suno)."""

__version__ = "0.1.0"
