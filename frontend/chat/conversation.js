/**
 * The conversation: turns of a question and its answer. An answer is a list of parts in the order of arrival:
 * thinking, text, tool calls.
 *
 * @typedef {{type: 'reasoning' | 'text', id?: string, text: string}} TextPart `id` is that of the agent's message
 * @typedef {{type: 'tool', callId?: string, tool: string, service: string, accessIdentity: string,
 *   outcome: 'running' | 'waiting' | 'ok' | 'failed' | 'not_called' | 'unknown', durationMs?: number, error?: string,
 *   ofAnother?: boolean, question?: boolean, declined?: string, declinedByAnother?: boolean, expired?: boolean, withdrawn?: boolean,
 *   progress?: {fraction: number | null, message: string},
 *   audience?: string, scope?: string, credential?: string, credentialKind?: string, arguments?: string, result?: string, consentUrl?: string}} ToolPart
 *   `not_called`: the call was refused before it reached the service; `waiting`: for an approval; `arguments` is JSON;
 *   `consentUrl`: where the user allows the access; `declined`: the user's reason, perhaps empty; `ofAnother`: another person
 *   decides; `question`: the server of the tool asks, in a call that has begun; `expired`: not decided in time;
 *   `withdrawn`: its user ended the run before the decision
 * @typedef {{status: 'streaming' | 'waiting' | 'done' | 'stopped' | 'failed', accepted?: boolean, parts: (TextPart | ToolPart)[],
 *   failure?: object, approvals?: object[], cutOff?: 'length' | 'content_filter', unavailable?: string[], notices?: {code: string, text: string, values: object}[]}} Answer `accepted`: the agent accepted the request, so it verified the access
 *   token; `approvals`: what the run waits for, while `status` is `waiting`; `cutOff`: why its last message is not whole;
 *   `unavailable`: the services without which it was given; `notices`: what its user should know beside it
 * @typedef {{id: string, question: string, files?: import('./files.js').FilePart[], answer: Answer, at?: string, version?: number, versions?: number[], replaces?: string, writtenBy?: string}} Turn
 *   `id` is that of the user's message; `at` is when it was sent; `versions` are the positions of all versions of the
 *   question, and `version` that of this one; `replaces` is the id of the question that it is to replace;
 *   `writtenBy` is the program that wrote it, if the user did not
 */

import { indentedJson } from '../printable.js';
import { contentOf } from './files.js';
import { about, cutOff } from './run-events.js';

const LONGEST_TEXT = 4000;
/** The `finish_reason` of a message that was cut off when its run ended. */
const UNFINISHED = 'unfinished';

/** @returns {Turn} */
export function newTurn(question, id = crypto.randomUUID()) {
  return { id, question, at: new Date().toISOString(), answer: { status: 'streaming', parts: [] } };
}

/** Adds an event to an answer. Unknown types are ignored. */
export function addEvent(answer, event) {
  const { parts } = answer;
  if (event.type === 'text' || event.type === 'reasoning') {
    const last = parts.find(({ id }) => id !== undefined && id === event.id) ?? parts.at(-1);
    if (last?.type === event.type && last.id === event.id) last.text += event.text;
    else parts.push({ type: event.type, ...(event.id !== undefined && { id: event.id }), text: event.text });
  } else if (event.type === 'begins') {
    for (const part of parts) if (part.id === event.id) part.text = '';
    delete answer.cutOff;
  } else if (event.type === 'cut_off') {
    answer.cutOff = event.reason;
  } else if (event.type === 'messages') {
    const turn = turnsOf(event.messages).at(-1);
    if (turn) Object.assign(answer, { parts: turn.answer.parts, cutOff: turn.answer.cutOff });
    else for (const message of event.messages) addMessage(answer, message); // the end of a long answer
  } else if (event.type === 'accepted') {
    answer.accepted = true;
  } else if (event.type === 'tool_started') {
    let part = event.call_id === undefined ? undefined : parts.find(({ callId }) => callId === event.call_id);
    if (!part) parts.push(part = { type: 'tool', callId: event.call_id });
    Object.assign(part, toolMembers(event), { outcome: 'running' });
    if (event.argumentsJson !== undefined) part.arguments = shortened(indentedJson(event.argumentsJson) ?? '');
  } else if (event.type === 'tool_finished') {
    let part = callOf(parts, event);
    if (!part) parts.push(part = { type: 'tool', callId: event.call_id });
    Object.assign(part, toolMembers(event), { outcome: outcome(event), durationMs: event.duration_ms, progress: undefined });
    if (typeof event.error === 'string') part.error = event.error;
    if (Array.isArray(event.files)) part.files = event.files;
    if (typeof event.result === 'string') Object.assign(part, whyNot(event), { result: shortened(event.result) });
  } else if (event.type === 'tool_progress') {
    const part = callOf(parts, event);
    const goesOn = ['running', 'waiting', 'unknown'].includes(part?.outcome); // its beginning is not sent again after an approval
    if (goesOn) Object.assign(part, toolMembers(event), { outcome: 'running', progress: { fraction: event.progress, message: event.message } });
  } else if (event.type === 'consent_required') {
    const part = callOf(parts, event);
    if (part) part.consentUrl = event.url;
  } else if (event.type === 'services_unavailable') {
    answer.unavailable = [...new Set([...answer.unavailable ?? [], ...event.services])];
  } else if (event.type === 'notice') {
    const { code, text, values } = event;
    answer.notices = [...answer.notices ?? [], { code, text, values }];
  } else if (event.type === 'approvals') {
    wait(answer, event.approvals);
  }
}

/**
 * The turns of a stored conversation. Messages before the first question are left out (`History` keeps them).
 *
 * @param {object[]} messages in AG-UI's form, the oldest first
 * @param {object[]} approvals what the conversation waits for
 * @returns {Turn[]}
 */
export function turnsOf(messages, approvals = []) {
  const turns = [];
  const last = new Map();
  for (const message of messages) {
    if (message.role === 'user') turns.push(storedTurn(message));
    else if (turns.length > 0) addMessage(turns.at(-1).answer, message);
    if (turns.length > 0) last.set(turns.at(-1), message);
  }
  for (const turn of turns) endAnswer(turn.answer, isWhole(turn.answer, last.get(turn)) ? 'done' : 'stopped');
  if (approvals.length > 0 && turns.length > 0) wait(turns.at(-1).answer, approvals);
  return turns;
}

/** Whether the run that gave an answer went to its end. If not, the last message is no response, or one that was cut off. */
function isWhole(answer, { role, toolCalls: calls = [], ...last }) {
  const undecided = toolCalls(answer).some(({ expired, withdrawn }) => expired || withdrawn); // its row says why nothing follows
  return undecided || (role === 'assistant' && calls.length === 0 && about(last).finish_reason !== UNFINISHED);
}

function storedTurn(message) {
  const { created_at: at, version, versions, files, written_by: writtenBy } = about(message);
  return { ...newTurn(message.content, message.id), files, at, version, versions, writtenBy, answer: { status: 'done', accepted: true, parts: [] } };
}

function addMessage(answer, message) {
  const { id: messageId, content, role } = message;
  answer.at = about(message).created_at ?? answer.at;
  addEvent(answer, { type: 'begins', id: messageId }); // a message may be stored again, in its last form
  if (role === 'reasoning') addEvent(answer, { type: 'reasoning', id: messageId, text: content });
  if (role === 'assistant' && content) addEvent(answer, { type: 'text', id: messageId, text: content });
  for (const { id, function: call } of message.toolCalls ?? []) {
    addEvent(answer, { type: 'tool_started', call_id: id, tool: call.name, argumentsJson: call.arguments });
  }
  if (role === 'assistant' && cutOff(message)) addEvent(answer, { type: 'cut_off', reason: cutOff(message) });
  if (role === 'tool') addEvent(answer, { ...about(message), type: 'tool_finished', call_id: message.toolCallId, result: content });
}

function wait(answer, approvals) {
  answer.status = 'waiting';
  answer.approvals = approvals;
  for (const part of toolCalls(answer)) {
    const approval = approvals.find(({ call_id: id }) => id === part.callId);
    if (['running', 'unknown'].includes(part.outcome)) part.outcome = 'waiting';
    if (approval) Object.assign(part, toolMembers(approval), { ofAnother: Boolean(approval.approvers), question: approval.question !== undefined && approval.question !== null });
  }
}

/** Ends an answer. Unfinished tool calls have an unknown outcome: they may have taken effect. */
export function endAnswer(answer, status, failure) {
  answer.status = status === 'done' && answer.approvals ? 'waiting' : status;
  answer.failure = failure;
  for (const part of answer.parts) if (part.outcome === 'running') Object.assign(part, { outcome: 'unknown', progress: undefined });
}

/** The text of an answer, without its other parts. */
export function answerText(answer) {
  return answer.parts.filter(({ type }) => type === 'text').map(({ text }) => text).join('\n\n');
}

/** The tool calls of an answer. */
export function toolCalls(answer) {
  return answer.parts.filter(({ type }) => type === 'tool');
}

/** The whole history as messages, the open question last. Thinking and tool calls are not sent. */
export function chatMessages(turns) {
  return turns.flatMap(({ id, question, files, answer }) => {
    const content = answerText(answer);
    const user = { id, role: 'user', content: contentOf(question, files) };
    return content ? [user, { id: `${id}-answer`, role: 'assistant', content }] : [user];
  });
}

function outcome({ called, ok }) {
  if (called === false) return 'not_called';
  return ok ? 'ok' : 'failed';
}

/** What the agent's words for a call that was not made say about its user. */
function whyNot({ called, result }) {
  if (called !== false) return {};
  const [, , reason] = result.match(/^The user declined this call\.( Their own words: ([^]*))?$/) ?? [];
  if (result.startsWith('The user declined this call.')) return { declined: unquoted(reason ?? '') };
  if (result.startsWith('Another person, whom the policy asks, declined this call.')) return { declinedByAnother: true };
  if (result === 'not run: the user ended the run before they decided') return { withdrawn: true };
  return result === 'not run: it was not approved in time' ? { expired: true } : {};
}

function unquoted(text) {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

function shortened(text) {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

/** The call that has ended: one that goes on, or, if its result is sent again, the one that has it. */
function callOf(parts, { call_id: id, tool }) {
  const calls = parts.filter((part) => part.type === 'tool' && (id === undefined ? part.tool === tool : part.callId === id));
  const open = calls.find(({ outcome: is }) => ['running', 'waiting'].includes(is));
  return open ?? (id === undefined ? undefined : calls.at(-1));
}

function toolMembers(event) {
  const members = {};
  if (event.tool !== undefined) members.tool = event.tool;
  if (event.service !== undefined) members.service = event.service;
  if (event.access_identity !== undefined) members.accessIdentity = event.access_identity;
  for (const optional of ['audience', 'scope', 'credential']) {
    if (typeof event[optional] === 'string') members[optional] = event[optional];
  }
  if (typeof event.credential_kind === 'string') members.credentialKind = event.credential_kind;
  return members;
}
