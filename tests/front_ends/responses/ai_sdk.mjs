// The AI SDK's provider of OpenAI, unchanged: prints the parts that one prompt leads to, and its end.
// Reads {"url", "token", "prompt", "stream", "options", "format"} as JSON.
import { text } from "node:stream/consumers";
import { createOpenAI } from "@ai-sdk/openai";

const asked = JSON.parse(await text(process.stdin));
const openai = createOpenAI({ baseURL: `${asked.url}/openai/v1`, apiKey: asked.token });
const model = openai.responses("qwen-plus");
const options = {
  prompt: asked.prompt,
  responseFormat: asked.format,
  providerOptions: { openai: asked.options ?? {} },
};

async function whole() {
  const { content, finishReason, response } = await model.doGenerate(options);
  return { parts: content, finishReason, id: response.id };
}

async function streamed() {
  const { stream } = await model.doStream(options);
  const parts = [];
  for await (const part of stream) parts.push(part);
  const { finishReason } = parts.find((part) => part.type === "finish");
  const { id } = parts.find((part) => part.type === "response-metadata");
  return { parts, finishReason, id };
}

try {
  console.log(JSON.stringify(await (asked.stream ? streamed() : whole())));
} catch (error) {
  const { statusCode, message, data } = error;
  console.log(JSON.stringify({ statusCode, message, data }));
}
