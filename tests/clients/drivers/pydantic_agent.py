"""An agent of Pydantic AI, with its MCP toolset."""

import asyncio

import script
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


async def main() -> None:
    work = script.work()
    model = script.Script(work.wish)

    def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        model.offer(
            [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters_json_schema,
                }
                for tool in info.function_tools
            ]
        )
        last = messages[-1].parts[-1]
        does = model.next(last.model_response_str() if isinstance(last, ToolReturnPart) else "")
        if isinstance(does, str):
            return ModelResponse([TextPart(does)])
        return ModelResponse([ToolCallPart(does.tool, does.arguments)])

    server = {"command": work.command, "args": work.args, "env": work.env}
    agent = Agent(FunctionModel(respond), toolsets=[MCPToolset({"mcpServers": {"song": server}})])
    async with agent:
        end = await agent.run("Make a song.")
    model.report.answer = end.output
    script.tell(model.report)


asyncio.run(main())
