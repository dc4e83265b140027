"""A tool-calling agent of smolagents, with the tools of `mcpadapt`."""

from typing import Any

import script
from mcp import StdioServerParameters
from smolagents import MCPClient, ToolCallingAgent
from smolagents.models import (
    ChatMessage,
    ChatMessageToolCall,
    ChatMessageToolCallFunction,
    MessageRole,
    Model,
    get_tool_json_schema,
)


class Scripted(Model):
    def __init__(self, model: script.Script) -> None:
        super().__init__(model_id="scripted")
        self.script = model

    def generate(
        self, messages: list[ChatMessage], *_: Any, tools_to_call_from: Any = None, **__: Any
    ) -> ChatMessage:
        schemas = [get_tool_json_schema(tool)["function"] for tool in tools_to_call_from]
        self.script.offer([each for each in schemas if each["name"] != "final_answer"])
        last = messages[-1]
        read = "" if last.role == MessageRole.USER else str(last.content)
        does = self.script.next(read)
        name, arguments = (
            ("final_answer", {"answer": does})
            if isinstance(does, str)
            else (does.tool, does.arguments)
        )
        function = ChatMessageToolCallFunction(name=name, arguments=arguments)
        call = ChatMessageToolCall(id=str(len(messages)), type="function", function=function)
        return ChatMessage(role=MessageRole.ASSISTANT, content="", tool_calls=[call])


def main() -> None:
    work = script.work()
    model = script.Script(work.wish)
    parameters = StdioServerParameters(command=work.command, args=work.args, env=work.env)
    with MCPClient(parameters, structured_output=False) as tools:
        agent = ToolCallingAgent(tools=tools, model=Scripted(model), max_steps=script.MOST_CALLS)
        model.report.answer = str(agent.run("Make a song."))
    script.tell(model.report)


main()
