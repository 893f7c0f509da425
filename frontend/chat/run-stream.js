/** Runs of the agent as streams of events (`RunEvents`): started or answered over AG-UI, or followed by their thread. */

import { createParser } from '../node_modules/eventsource-parser/dist/index.js';
import { AgentFailure, failureFromBody } from './agent-failure.js';
import { send } from './agent-request.js';
import { RunEvents } from './run-events.js';

const END_MS = 5000;

/**
 * Starts a run, and yields `{type: 'accepted'}` once the agent has verified the access token, and then its events.
 *
 * Returns normally only after the agent's final event. Aborting `signal` ends the request; it ends the run as well, unless
 * the run belongs to a thread.
 *
 * @param {object} request
 * @param {string} request.url the agent's AG-UI route
 * @param {{threadId: string, messages: object[], kept: boolean}} request.input `kept`: the run goes on without its reader
 * @throws {AgentFailure} if the request is refused, or the stream fails or ends early
 */
export function startRun({ url, accessToken, input: { threadId, messages, kept }, signal, fetch = globalThis.fetch }) {
  const forwardedProps = kept ? { on_disconnect: 'continue' } : {};
  const body = { threadId, runId: crypto.randomUUID(), messages, tools: [], context: [], state: {}, forwardedProps };
  return events({ url, method: 'POST', body: JSON.stringify(body), accessToken, signal, fetch });
}

/** The events of the run that goes on in a thread, from its beginning; none if there is no such run. */
export function followRun({ url, accessToken, signal, fetch = globalThis.fetch }) {
  return events({ url, method: 'GET', accessToken, signal, fetch });
}

async function* events(request) {
  const { signal } = request;
  const response = await begin(request);
  if (!response.ok) throw failureFromBody(await json(response), response);
  if (response.status === 204) return;
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    await response.body?.cancel();
    throw new AgentFailure({ code: 'agent_failed', status: response.status, requestId: response.headers.get('x-request-id') ?? undefined });
  }
  yield { type: 'accepted' };

  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const run = new RunEvents();
  try {
    for await (const data of serverSentData(reader, signal)) {
      yield* run.read(parsed(data));
      if (run.ended) return;
    }
  } finally {
    if (run.ended) readToEnd(reader);
    else reader.cancel().catch(() => {});
  }
  throw new AgentFailure({ code: 'answer_interrupted' });
}

async function begin({ url, method, body, accessToken, signal, fetch }) {
  const headers = { 'Authorization': `Bearer ${accessToken}`, 'Accept': 'text/event-stream', ...(body && { 'Content-Type': 'application/json' }) };
  try {
    return await send(fetch, url, { method, headers, body, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
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
