// For each line of JSON on stdin, {url, token, bearerToken, threadId, steps: [{do, …}]}, drives the event-streaming
// protocol with @langchain/langgraph-sdk, and prints the outcomes of the steps as an array.

import { createInterface } from "node:readline";
import { Client } from "@langchain/langgraph-sdk";

let client, threadId;
const human = (text) => ({ messages: [{ type: "human", content: text }] });

async function ask({ text }) {
  const thread = client.threads.stream(threadId, { assistantId: "agent" });
  const pieces = [];
  const tools = {};
  const reading = (async () => {
    for await (const message of thread.messages) for await (const piece of message.text) pieces.push(piece);
  })();
  const calling = (async () => {
    for await (const call of thread.toolCalls) {
      // The iterator has a call when it starts, and again when it ends.
      tools[call.callId] = { name: call.name, input: call.input, output: await call.output };
    }
  })();
  const { run_id: run } = await thread.run.start({ input: human(text) });
  const values = await thread.output;
  await Promise.all([reading, calling]);
  const interrupts = thread.interrupts;
  await thread.close();
  return { run, pieces, tools: Object.values(tools), interrupts, messages: values.messages.map(({ type }) => type) };
}

async function attempt(call) {
  try {
    return { result: await call() };
  } catch (error) {
    return { error: String(error.message), status: error.status ?? null };
  }
}

const calls = {
  ask,
  state: () => client.threads.getState(threadId),
  start: ({ params }) => client.threads.stream(threadId, { assistantId: "agent" }).run.start(params),
  respond: ({ params }) => client.threads.stream(threadId, { assistantId: "agent" }).input.respond(params),
  fork: ({ params }) => client.threads.stream(threadId, { assistantId: "agent" }).state.fork(params),
  run: async ({ text }) => {
    const events = [];
    const input = human(text);
    for await (const part of client.runs.stream(threadId, "agent", { input })) events.push(part.event);
    return events;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { url, token, bearerToken, steps, ...rest } = JSON.parse(line);
  const bearer = async (_, request) => {
    const headers = { ...request.headers, Authorization: `Bearer ${token}` };
    return { ...request, headers };
  };
  threadId = rest.threadId;
  client = bearerToken
    ? new Client({ apiUrl: url, apiKey: null, onRequest: bearer })
    : new Client({ apiUrl: url, apiKey: token });
  const outcomes = [];
  for (const step of steps) outcomes.push(await attempt(() => calls[step.do](step)));
  console.log(JSON.stringify(outcomes));
}
