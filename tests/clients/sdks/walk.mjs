// The whole walk with a TypeScript SDK, an old one, the last of the first kind, or one of the second.
// Told in work.json what to start or where to connect; leaves in report.json what it got.
import { readFileSync, writeFileSync } from "node:fs";

const [, , told, left] = process.argv;
const work = JSON.parse(readFileSync(told, "utf8"));
const report = { updated: [] };

const isSplit = work.sdk === "@modelcontextprotocol/client";
const load = (part) => import(isSplit ? work.sdk + part.split : `${work.sdk}/client/${part.one}.js`);
const { Client } = await load({ split: "", one: "index" });
const client = isSplit
  ? new Client({ name: "walk", version: "1" }, { versionNegotiation: { mode: work.mode } })
  : new Client({ name: "walk", version: "1" });

async function transport() {
  if (work.url) {
    const { StreamableHTTPClientTransport } = await load({ split: "", one: "streamableHttp" });
    const options = { requestInit: { headers: work.headers } };
    return new StreamableHTTPClientTransport(new URL(work.url), options);
  }
  const { StdioClientTransport } = await load({ split: "/stdio", one: "stdio" });
  return new StdioClientTransport({ command: work.command, args: work.args, env: work.env });
}

const call = (name, args, options) =>
  isSplit
    ? client.callTool({ name, arguments: args }, options)
    : client.callTool({ name, arguments: args }, undefined, options);

async function onUpdate(note) {
  if (isSplit) client.setNotificationHandler("notifications/resources/updated", note);
  else {
    const { ResourceUpdatedNotificationSchema } = await import(`${work.sdk}/types.js`);
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, note);
  }
}

async function subscribed(uri) {
  if (work.mode === "auto") await client.listen({ resourceSubscriptions: [uri] });
  else await client.subscribeResource({ uri });
}

async function cancelled(taskId) {
  const stop = new AbortController();
  const options = { signal: stop.signal, timeout: 60000, onprogress: () => stop.abort("enough") };
  try {
    await call("get_task", { task_id: taskId, wait_seconds: 50 }, options);
    return "answered";
  } catch {
    return stop.signal.aborted ? "cancelled" : "failed";
  }
}

async function code(request) {
  try {
    await request();
    return 0;
  } catch (error) {
    return error.code;
  }
}

const heard = new Promise((resolve) => {
  report.hear = resolve;
});
await onUpdate((notification) => {
  report.updated.push(notification.params.uri);
  report.hear();
});
await client.connect(await transport());
report.server = client.getServerVersion().name;
report.instructions = client.getInstructions();
report.tools = (await client.listTools()).tools.map((tool) => tool.name);
report.resources = (await client.listResources()).resources.map((each) => each.uri);
report.templates = (await client.listResourceTemplates()).resourceTemplates.map((each) => each.uriTemplate);
report.prompts = (await client.listPrompts()).prompts.map((each) => each.name);
report.guide = (await client.readResource({ uri: "song://guide/lyrics" })).contents[0].text;

const song = await call("generate_song", { description: "a jig", wait_seconds: 0 });
report.first = song.structuredContent;
const taskId = report.first.task_id;
await subscribed(`song://tasks/${taskId}`);
do report.task = (await call("get_task", { task_id: taskId, wait_seconds: 20 })).structuredContent;
while (report.task.status !== "completed" || !report.task.clips.every((clip) => clip.file));
await heard;

const clip = report.task.clips[0];
report.clip = JSON.parse((await client.readResource({ uri: `song://clips/${clip.clip_id}` })).contents[0].text);
const completed = await client.complete({
  ref: { type: "ref/resource", uri: "song://clips/{clip_id}" },
  argument: { name: "clip_id", value: clip.clip_id.slice(0, 6) },
});
report.completed = completed.completion.values;

const refused = await call("generate_song", { descripton: "x" });
report.refused = { is_error: refused.isError, text: refused.content[0].text };
report.missing = await code(() => client.readResource({ uri: "song://clips/nobody-knows" }));

const endless = await call("generate_song", { description: "another [[slow:1000]]", wait_seconds: 0 });
report.cancelled = await cancelled(endless.structuredContent.task_id);
if (work.mode !== "auto") report.pinged = Object.keys(await client.ping()).length === 0;
report.after = (await call("list_songs", {})).structuredContent.total;
delete report.hear;
writeFileSync(left, JSON.stringify(report));
await client.close();
