"""A function-calling agent of LlamaIndex, with the tools of `llama-index-tools-mcp`.

Its client starts a server for each call.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import script
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec


class Scripted(FunctionCallingLLM):
    script: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True)

    def _prepare_chat_with_tools(
        self, tools: Sequence[BaseTool], chat_history: list[ChatMessage] | None = None, **_: Any
    ) -> dict[str, Any]:
        self.script.offer([tool.metadata.to_openai_tool()["function"] for tool in tools])
        return {"messages": chat_history}

    async def achat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        last = messages[-1]
        does = self.script.next((last.content or "") if last.role == MessageRole.TOOL else "")
        says = does if isinstance(does, str) else ""
        message = ChatMessage(role=MessageRole.ASSISTANT, content=says)
        return ChatResponse(message=message, raw=None if says else does)

    def get_tool_calls_from_response(
        self, response: ChatResponse, *_: Any, **__: Any
    ) -> list[ToolSelection]:
        does = response.raw
        if does is None:
            return []
        number = str(len(self.script.report.calls))
        return [ToolSelection(tool_id=number, tool_name=does.tool, tool_kwargs=does.arguments)]

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    chat = complete = stream_chat = stream_complete = _unused
    acomplete = astream_chat = astream_complete = _unused


async def main() -> None:
    work = script.work()
    client = BasicMCPClient(work.command, args=work.args, env=work.env)
    tools = await McpToolSpec(client).to_tool_list_async()
    model = script.Script(work.wish)
    agent = FunctionAgent(tools=tools, llm=Scripted(script=model), streaming=False)
    model.report.answer = str(await agent.run("Make a song.", max_iterations=script.MOST_CALLS))
    script.tell(model.report)


asyncio.run(main())
