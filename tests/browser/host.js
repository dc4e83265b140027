// A chat that can show MCP Apps: the official AppBridge, and nothing of its own that a page could
// lean on. What the page asks of the server goes to `serverCall`, what it says to the conversation
// to `heard`: both are the test's.

import { AppBridge, buildAllowAttribute, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const PROXY = "https://sandbox.test/proxy.html";
let bridge;
let frame;

function waitFor(method) {
  return new Promise((resolve) => {
    addEventListener("message", function listen({ source, data }) {
      if (source !== frame.contentWindow || data?.method !== method) return;
      removeEventListener("message", listen);
      resolve();
    });
  });
}

function made(capabilities, hostContext) {
  const made = new AppBridge(null, { name: "chat", version: "1" }, capabilities, { hostContext });
  if (capabilities.serverTools) made.oncalltool = (params) => window.serverCall(params);
  made.onmessage = async (params) => ({ isError: !(await window.heard(params)) });
  made.onsizechange = ({ height }) => {
    if (height) frame.style.height = `${height}px`;
  };
  return made;
}

window.chat = {
  async show({ html, csp, permissions, capabilities, context }) {
    frame?.remove();
    frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
    frame.allow = buildAllowAttribute(permissions);
    frame.src = PROXY;
    const isReady = waitFor("ui/notifications/sandbox-proxy-ready");
    document.getElementById("player").append(frame);
    await isReady;
    bridge = made(capabilities, context);
    const isMet = new Promise((resolve) => (bridge.oninitialized = resolve));
    await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
    await bridge.sendSandboxResourceReady({ html, csp, permissions });
    await isMet;
  },
  input: (args) => bridge.sendToolInput({ arguments: args }),
  result: (result) => bridge.sendToolResult(result),
  cancelled: (reason) => bridge.sendToolCancelled({ reason }),
  context: (context) => bridge.setHostContext(context),
  teardown: () => bridge.teardownResource({}),
  close: () => frame.remove(),
};
