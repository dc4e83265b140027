"""An agent of the OpenAI Agents SDK, with its strict schemas and its 5 s for an answer.

A strict service lets a model give every argument: null is what it does not want to give.
"""

import asyncio
from typing import Any

import script
from agents import Agent, Runner
from agents.mcp import MCPServerStdio
from agents.models.openai_responses import Converter
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call


def turn(model: script.Script) -> ModelStep:
    def respond(call: ModelCall) -> Any:
        model.offer([dict(tool) for tool in Converter.convert_tools(list(call.tools), []).tools])
        last = call.input[-1] if isinstance(call.input, list) else {}
        does = model.next(str(last.get("output", "")))
        if isinstance(does, str):
            return [assistant_message(does)]
        number = str(len(model.report.calls))
        [schema] = [tool.params_json_schema for tool in call.tools if tool.name == does.tool]
        does.arguments = dict.fromkeys(schema["required"]) | does.arguments
        return [function_call(does.tool, does.arguments, call_id=number)]

    return ModelStep(responder=respond)


async def main() -> None:
    work = script.work()
    model = script.Script(work.wish)
    parameters = {"command": work.command, "args": work.args, "env": work.env}
    async with MCPServerStdio(parameters) as server:
        agent = Agent(
            name="composer",
            model=ScriptedModel([turn(model)] * script.MOST_CALLS),
            mcp_servers=[server],
            mcp_config={"convert_schemas_to_strict": True},
        )
        end = await Runner.run(agent, "Make a song.", max_turns=script.MOST_CALLS)
    model.report.answer = end.final_output
    script.tell(model.report)


asyncio.run(main())
