/**
 * The conversation: turns of a question and its answer. An answer is a list of parts in the order of arrival:
 * thinking, text, tool calls.
 *
 * @typedef {{type: 'reasoning' | 'text', text: string}} TextPart
 * @typedef {{type: 'tool', callId?: string, tool: string, service: string, accessIdentity: string,
 *   outcome: 'running' | 'ok' | 'failed' | 'not_called' | 'unknown', durationMs?: number, error?: string,
 *   audience?: string, scope?: string, credential?: string, arguments?: string, result?: string}} ToolPart
 *   `not_called`: the call was refused before it reached the service; `arguments` is JSON
 * @typedef {{status: 'streaming' | 'done' | 'stopped' | 'failed', accepted?: boolean, parts: (TextPart | ToolPart)[],
 *   failure?: object}} Answer `accepted`: the agent accepted the request, so it verified the access token
 * @typedef {{question: string, answer: Answer}} Turn
 */

const LONGEST_TEXT = 4000;

/** @returns {Turn} */
export function newTurn(question) {
  return { question, answer: { status: 'streaming', parts: [] } };
}

/** Adds an event to an answer. Unknown types are ignored. */
export function addEvent(answer, event) {
  const { parts } = answer;
  if (event.type === 'text' || event.type === 'reasoning') {
    const last = parts.at(-1);
    if (last?.type === event.type) last.text += event.text;
    else parts.push({ type: event.type, text: event.text });
  } else if (event.type === 'accepted') {
    answer.accepted = true;
  } else if (event.type === 'tool_started') {
    const part = { type: 'tool', callId: event.call_id, outcome: 'running', ...toolMembers(event) };
    if (typeof event.arguments === 'object' && event.arguments !== null) part.arguments = shortened(JSON.stringify(event.arguments, null, 2));
    parts.push(part);
  } else if (event.type === 'tool_finished') {
    let part = parts.find((candidate) => isCallOf(candidate, event));
    if (!part) parts.push(part = { type: 'tool', callId: event.call_id });
    Object.assign(part, toolMembers(event), { outcome: outcome(event), durationMs: event.duration_ms });
    if (typeof event.error === 'string') part.error = event.error;
    if (typeof event.result === 'string') part.result = shortened(event.result);
  }
}

/** Ends an answer. Unfinished tool calls have an unknown outcome: they may have taken effect. */
export function endAnswer(answer, status, failure) {
  answer.status = status;
  answer.failure = failure;
  for (const part of answer.parts) if (part.outcome === 'running') part.outcome = 'unknown';
}

/** The text of an answer, without its other parts. */
export function answerText(answer) {
  return answer.parts.filter(({ type }) => type === 'text').map(({ text }) => text).join('\n\n');
}

/** The tool calls of an answer. */
export function toolCalls(answer) {
  return answer.parts.filter(({ type }) => type === 'tool');
}

/** The whole history as chat messages, the open question last. Thinking and tool calls are not sent. */
export function chatMessages(turns) {
  return turns.flatMap(({ question, answer }) => {
    const content = answerText(answer);
    const user = { role: 'user', content: question };
    return content ? [user, { role: 'assistant', content }] : [user];
  });
}

function outcome({ called, ok }) {
  if (called === false) return 'not_called';
  return ok ? 'ok' : 'failed';
}

function shortened(text) {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

function isCallOf(part, event) {
  if (part.type !== 'tool' || part.outcome !== 'running') return false;
  return event.call_id === undefined ? part.tool === event.tool : part.callId === event.call_id;
}

function toolMembers(event) {
  const members = { tool: event.tool, service: event.service, accessIdentity: event.access_identity };
  for (const optional of ['audience', 'scope', 'credential']) {
    if (typeof event[optional] === 'string') members[optional] = event[optional];
  }
  return members;
}
