// The walk with the AI SDK's client, which asks `server/discover` for a second and then shakes hands.
import { readFileSync, writeFileSync } from "node:fs";
import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as Stdio } from "@ai-sdk/mcp/mcp-stdio";

const [, , told, left] = process.argv;
const work = JSON.parse(readFileSync(told, "utf8"));
const transport = work.url
  ? { type: "http", url: work.url, headers: work.headers }
  : new Stdio({ command: work.command, args: work.args, env: work.env });

const client = await createMCPClient({ transport });
const report = { era: client.initializeResult.protocolVersion, server: client.serverInfo.name };
const tools = await client.tools();
report.tools = Object.keys(tools);
const call = async (name, args) => await tools[name].execute(args, { toolCallId: "1", messages: [] });
report.first = (await call("generate_song", { description: "a jig", wait_seconds: 0 })).structuredContent;
const taskId = report.first.task_id;
do report.task = (await call("get_task", { task_id: taskId, wait_seconds: 20 })).structuredContent;
while (report.task.status !== "completed" || !report.task.clips.every((clip) => clip.file));
report.resources = (await client.listResources()).resources.map((each) => each.uri);
const uri = `song://clips/${report.task.clips[0].clip_id}`;
report.clip = JSON.parse((await client.readResource({ uri })).contents[0].text);
writeFileSync(left, JSON.stringify(report));
await client.close();
