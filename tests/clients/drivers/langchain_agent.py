"""A LangChain agent (on LangGraph), with the tools of `langchain-mcp-adapters`.

Its client starts a server for each call, which is what it does unless told otherwise.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import script
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.client import MultiServerMCPClient


class Scripted(BaseChatModel):
    script: Any

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> "Scripted":
        self.script.offer([convert_to_openai_tool(tool)["function"] for tool in tools])
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        last = messages[-1]
        does = self.script.next(last.text if isinstance(last, ToolMessage) else "")
        if isinstance(does, str):
            says = AIMessage(does)
        else:
            call = {"name": does.tool, "args": does.arguments, "id": f"call-{len(messages)}"}
            says = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=says)])


async def main() -> None:
    work = script.work()
    server = {"command": work.command, "args": work.args, "env": work.env, "transport": "stdio"}
    tools = await MultiServerMCPClient({"song": server}).get_tools()
    model = Scripted(script=script.Script(work.wish))
    agent = create_agent(model, tools)
    end = await agent.ainvoke(
        {"messages": [{"role": "user", "content": "Make a song."}]}, {"recursion_limit": 100}
    )
    model.script.report.answer = end["messages"][-1].text
    script.tell(model.script.report)


asyncio.run(main())
