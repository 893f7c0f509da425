/** One question to the agent over its OpenAI-compatible route, as a stream of typed events. */

import { createParser } from '../node_modules/eventsource-parser/dist/index.js';
import { AgentFailure, failureFromBody } from './agent-failure.js';

const END_MS = 5000;

/**
 * Sends the question, and yields events until the answer is complete:
 *
 * - `{type: 'accepted'}`: the agent has accepted the request, so it has verified the access token
 * - `{type: 'text' | 'reasoning', text}`
 * - `{type: 'tool_started' | 'tool_finished', tool, service, access_identity, ok, duration_ms, …}`, as received from the agent
 * - `{type: 'usage', usage}`
 *
 * Returns normally only after the agent's final event. Aborting `signal` ends the request and the agent's run.
 *
 * @throws {AgentFailure} if the request is refused, or the stream fails or ends early
 */
export async function* streamAnswer({ url, accessToken, model, messages, signal, fetch = globalThis.fetch }) {
  const response = await send({ url, accessToken, model, messages, signal, fetch });
  if (!response.ok) throw failureFromBody(await json(response), response);
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    await response.body?.cancel();
    throw new AgentFailure({ code: 'agent_failed', status: response.status, requestId: response.headers.get('x-request-id') ?? undefined });
  }
  yield { type: 'accepted' };

  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let over = false; // the final event has been received
  try {
    for await (const data of serverSentData(reader, signal)) {
      over = data === '[DONE]';
      if (over) return;
      const chunk = parsed(data);
      over = Boolean(chunk.error);
      yield* chunkEvents(chunk);
    }
  } finally {
    if (over) readToEnd(reader);
    else reader.cancel().catch(() => {});
  }
  throw new AgentFailure({ code: 'answer_interrupted' });
}

async function send({ url, accessToken, model, messages, signal, fetch }) {
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { 'Authorization': `Bearer ${accessToken}`, 'Content-Type': 'application/json', 'Accept': 'text/event-stream' },
      body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error', // the token is sent only to the configured agent
      referrerPolicy: 'no-referrer',
      signal,
    });
  } catch {
    signal?.throwIfAborted();
    throw new AgentFailure({ code: 'agent_unreachable' });
  }
}

/** The `data` of each server-sent event. */
async function* serverSentData(reader, signal) {
  const queue = [];
  const parser = createParser({ onEvent: ({ data }) => queue.push(data) });
  for (;;) {
    const { done, value } = await read(reader, signal);
    if (done) return;
    parser.feed(value);
    yield* queue.splice(0);
  }
}

/** Reads the rest of the body after the last event: browsers report a cancelled body as an aborted request. */
async function readToEnd(reader) {
  const late = setTimeout(() => reader.cancel().catch(() => {}), END_MS);
  try {
    while (!(await reader.read()).done);
  } catch { /* the answer was complete */ } finally {
    clearTimeout(late);
  }
}

async function read(reader, signal) {
  try {
    return await reader.read();
  } catch {
    signal?.throwIfAborted();
    throw new AgentFailure({ code: 'answer_interrupted' });
  }
}

function* chunkEvents(chunk) {
  if (chunk.error) throw failureFromBody(chunk);
  if (chunk.agent_event) yield chunk.agent_event;
  const delta = chunk.choices?.[0]?.delta;
  if (delta?.reasoning_content) yield { type: 'reasoning', text: delta.reasoning_content };
  if (delta?.content) yield { type: 'text', text: delta.content };
  if (chunk.usage) yield { type: 'usage', usage: chunk.usage };
}

function parsed(data) {
  try {
    const chunk = JSON.parse(data);
    if (typeof chunk === 'object' && chunk !== null) return chunk;
  } catch { /* below */ }
  throw new AgentFailure({ code: 'answer_interrupted' });
}

async function json(response) {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}
