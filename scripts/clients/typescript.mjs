// The official TypeScript clients against a host: list, call, answer, progress, cancel. What they saw goes to standard
// output as JSON, and journey.py judges it. It is read from standard input, so that what it imports is found in
// the folder that it runs in.
//
//   node --input-type=module - URL v1|legacy|auto CALL ARGUMENTS WAITS ASKS MESSAGE ANSWER < typescript.mjs

const [url, which, name, given, waits, asks, message, answer] = process.argv.slice(2);
const info = { name: "journey", version: "1" };
const v1 = which === "v1";
const { Client, ElicitRequestSchema, StreamableHTTPClientTransport } = v1
  ? {
      ...(await import("@modelcontextprotocol/sdk/client/index.js")),
      ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
      ...(await import("@modelcontextprotocol/sdk/types.js")),
    }
  : await import("@modelcontextprotocol/client");

const capabilities = { elicitation: {} };
const client = new Client(info, v1 ? { capabilities } : { capabilities, versionNegotiation: { mode: which } });
const asked = [];
client.setRequestHandler(v1 ? ElicitRequestSchema : "elicitation/create", async ({ params }) => {
  asked.push(params.message);
  return { action: "accept", content: JSON.parse(answer) };
});
const transport = new StreamableHTTPClientTransport(new URL(url));
// In a session, to cancel is to send a notification; a client that closes at once does not send it.
const sent = [];
const send = transport.send.bind(transport);
transport.send = (...message) => {
  sent.push(send(...message));
  return sent.at(-1);
};
await client.connect(transport);
const call = (name, args, options) =>
  v1 ? client.callTool({ name, arguments: args }, undefined, options) : client.callTool({ name, arguments: args }, options);

const seen = { asked, version: v1 ? transport.protocolVersion : client.getNegotiatedProtocolVersion(), progress: [] };
const { tools } = await client.listTools();
seen.tools = tools.map((tool) => tool.name);
seen.result = (await call(name, JSON.parse(given))).structuredContent;
seen.told = (await call(asks, { message })).content[0].text;

// It says how far it is, then waits until somebody stops it.
const stop = new AbortController();
const onprogress = ({ progress, total }) => {
  seen.progress.push([progress, total]);
  if (progress === total) stop.abort("that is enough");
};
seen.cancelled = await call(waits, {}, { signal: stop.signal, onprogress, timeout: 60_000 }).then(
  (result) => `it answered ${JSON.stringify(result)}`,
  () => true,
);
await Promise.allSettled(sent);
await client.close();
console.log(JSON.stringify(seen));
