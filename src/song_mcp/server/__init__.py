"""The MCP side: tools, resources and results over one studio; the only importer of `mcp`."""
