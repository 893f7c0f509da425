// OpenAI's client for Node, unchanged: prints what it makes of one request, whole or streamed.
// Reads {"url", "token", "stream", "method", "body"} as JSON; `method` is of `client.responses`.
import { text } from "node:stream/consumers";
import OpenAI from "openai";

const asked = JSON.parse(await text(process.stdin));
const client = new OpenAI({ baseURL: `${asked.url}/openai/v1`, apiKey: asked.token, maxRetries: 0 });

async function streamed() {
  const stream = client.responses.stream({ model: "qwen-plus", ...asked.body });
  const types = [];
  for await (const event of stream) types.push(event.type);
  return { response: await stream.finalResponse(), types };
}

async function whole() {
  const method = asked.method ?? "create";
  if (method !== "create") return { response: await client.responses[method](asked.id) };
  return { response: await client.responses.create({ model: "qwen-plus", ...asked.body }) };
}

try {
  console.log(JSON.stringify(await (asked.stream ? streamed() : whole())));
} catch (error) {
  const { status, code, param, message } = error;
  console.log(JSON.stringify({ status, code, param, message }));
}
