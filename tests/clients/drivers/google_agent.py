"""The google-genai SDK, which calls the tools of an MCP session by itself.

Its service is played by a transport: what it would send to Gemini is what is offered.
"""

import asyncio
import json

import httpx
import script
from google import genai
from google.genai import types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main() -> None:
    work = script.work()
    model = script.Script(work.wish)

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        model.offer([item for tool in body["tools"] for item in tool["functionDeclarations"]])
        last = body["contents"][-1]["parts"][-1].get("functionResponse")
        does = model.next(json.dumps(last["response"], ensure_ascii=False) if last else "")
        part = (
            {"text": does}
            if isinstance(does, str)
            else {"functionCall": {"name": does.tool, "args": does.arguments}}
        )
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
        return httpx.Response(200, json={"candidates": [candidate]})

    parameters = StdioServerParameters(command=work.command, args=work.args, env=work.env)
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        await session.initialize()
        client = genai.Client(
            api_key="made-up", http_options=types.HttpOptions(httpx_async_client=http)
        )
        end = await client.aio.models.generate_content(
            model="gemini",
            contents="Make a song.",
            config={  # an object would be copied with the session in it, which cannot be copied
                "tools": [session],
                "automatic_function_calling": {"maximum_remote_calls": script.MOST_CALLS},
            },
        )
    model.report.answer = end.text or ""
    script.tell(model.report)


asyncio.run(main())
