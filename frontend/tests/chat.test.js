import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentFailure, failureFromBody } from '../chat/agent-failure.js';
import { streamAnswer } from '../chat/chat-completions.js';
import { Chat } from '../chat/chat.js';
import { addEvent, chatMessages, endAnswer, newTurn, toolCalls } from '../chat/conversation.js';

const REQUEST = { url: 'http://localhost:9002/openai/v1/chat/completions', accessToken: 'at', messages: [{ role: 'user', content: 'hi' }] };
const delta = (members) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: members }] })}\n\n`;
const DONE = 'data: [DONE]\n\n';

/** An agent whose response body has these pieces. */
function agentSaying(pieces, init = {}) {
  const requests = [];
  const fetch = async (url, options) => {
    requests.push({ url, ...options });
    const body = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
        controller.close();
      },
    });
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' }, ...init });
  };
  return { fetch, requests };
}

async function eventsOf(fetch, request = REQUEST) {
  const events = [];
  for await (const event of streamAnswer({ ...request, fetch })) events.push(event);
  return events;
}

function failsWith(code, status) {
  return (error) => error instanceof AgentFailure && error.code === code && error.status === status;
}

test('text, thinking, tool activity and usage arrive in order', async () => {
  const tool = { type: 'tool_started', tool: 'maps_weather', service: 'amap', access_identity: 'Machine' };
  const { fetch } = agentSaying([
    delta({ role: 'assistant' }), delta({ reasoning_content: 'hm' }),
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: {} }], agent_event: tool })}\n\n`,
    delta({ content: 'Sunny' }), `data: ${JSON.stringify({ choices: [], usage: { total_tokens: 3 } })}\n\n`, DONE,
  ]);
  assert.deepEqual(await eventsOf(fetch), [
    { type: 'accepted' }, { type: 'reasoning', text: 'hm' }, tool, { type: 'text', text: 'Sunny' }, { type: 'usage', usage: { total_tokens: 3 } },
  ]);
});

test('the stream may be split anywhere, also within a character', async () => {
  const bytes = new TextEncoder().encode(`: keep-alive\n\n${delta({ content: '杭州' })}${delta({ content: '晴' })}${DONE}`.replaceAll('\n', '\r\n'));
  for (const size of [1, 2, 7]) {
    const pieces = [];
    for (let start = 0; start < bytes.length; start += size) pieces.push(bytes.slice(start, start + size));
    const texts = (await eventsOf(agentSaying(pieces).fetch)).map(({ text }) => text);
    assert.deepEqual(texts.slice(1), ['杭州', '晴']);
  }
});

test('the token is sent in the Authorization header, only to the agent and through no redirect', async () => {
  const { fetch, requests } = agentSaying([DONE]);
  await eventsOf(fetch);
  const [{ url, headers, redirect, credentials, referrerPolicy, body }] = requests;
  assert.equal(url, REQUEST.url);
  assert.equal(headers.Authorization, 'Bearer at');
  assert.deepEqual([redirect, credentials, referrerPolicy], ['error', 'omit', 'no-referrer']);
  assert.doesNotMatch(body, /"at"/);
});

test('an error body becomes a failure with its text, service, reference and wait', async () => {
  const error = { code: 'external_service_failed', message: 'm', service: 'amap', request_id: '1f2e', retry_after: 12 };
  const { fetch } = agentSaying([JSON.stringify({ error })], { status: 429, headers: { 'Content-Type': 'application/json' } });
  const before = Date.now();
  await assert.rejects(eventsOf(fetch), (failure) => {
    const { code, status, userText, service, requestId } = failure;
    assert.deepEqual([code, status, userText, service, requestId], ['external_service_failed', 429, 'm', 'amap', '1f2e']);
    assert.ok(failure.retryAt >= before + 12_000 && failure.retryAt <= Date.now() + 12_000);
    return true;
  });
});

test('missing members of an error body are taken from the headers, and an extreme wait is shortened', () => {
  const failure = (headers, body) => failureFromBody(body, { status: 429, headers: new Headers(headers), now: 1000 });
  assert.equal(failure({ 'X-Request-Id': '1f2e' }).requestId, '1f2e');
  assert.equal(failure({ 'Retry-After': '7' }).retryAt, 8000);
  assert.equal(failure({ 'Retry-After': 'Thu, 01 Jan 1970 00:00:31 GMT' }).retryAt, 31_000);
  assert.equal(failure({ 'Retry-After': '99999999999' }).retryAt, 3_601_000);
  assert.equal(failure({ 'Retry-After': '7' }, { error: { retry_after: 2 } }).retryAt, 3000);
  for (const none of ['0', '-3', 'soon', 'Thu, 01 Jan 1970 00:00:00 GMT']) assert.equal(failure({ 'Retry-After': none }).retryAt, undefined);
  assert.equal(failure({}).retryAt, undefined);
});

for (const [status, code] of [[401, 'access_token_invalid'], [403, 'insufficient_scope'], [413, 'request_too_large'], [429, 'rate_limited'], [504, 'agent_failed']]) {
  test(`a ${status} without a body counts as ${code}`, async () => {
    const { fetch } = agentSaying(['<html>'], { status, headers: { 'Content-Type': 'text/html' } });
    await assert.rejects(eventsOf(fetch), failsWith(code, status));
  });
}

test('a 401 asks for a new sign-in, a 403 does not', () => {
  assert.equal(new AgentFailure({ code: 'access_token_invalid', status: 401 }).signInAgain, true);
  assert.equal(new AgentFailure({ code: 'insufficient_scope', status: 403 }).signInAgain, false);
});

test('an error in a stream ends the answer with its code', async () => {
  const { fetch } = agentSaying([delta({ content: 'Sun' }), `data: ${JSON.stringify({ error: { code: 'model_call_failed', message: 'm' } })}\n\n`]);
  await assert.rejects(eventsOf(fetch), failsWith('model_call_failed', undefined));
});

test('the body of a complete answer is read to its end, and that of an incomplete one is cancelled', async () => {
  const bodyOf = (...texts) => {
    const seen = { ended: false, cancelled: false };
    const body = new ReadableStream({
      pull(controller) {
        const text = texts.shift();
        if (text !== undefined) controller.enqueue(new TextEncoder().encode(text));
        else { seen.ended = true; controller.close(); }
      },
      cancel() { seen.cancelled = true; },
    }, { highWaterMark: 0 });
    return { seen, fetch: async () => new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }) };
  };
  const complete = bodyOf(delta({ content: 'Sun' }), DONE, ': after\n\n');
  await eventsOf(complete.fetch);
  const failed = bodyOf(`data: ${JSON.stringify({ error: { code: 'model_call_failed' } })}\n\n`);
  await assert.rejects(eventsOf(failed.fetch));
  const broken = bodyOf('data: {\n\n', delta({ content: 'more' }));
  await assert.rejects(eventsOf(broken.fetch));
  await new Promise((resolve) => { setImmediate(resolve); });
  assert.deepEqual(complete.seen, { ended: true, cancelled: false });
  assert.deepEqual(failed.seen, { ended: true, cancelled: false });
  assert.deepEqual(broken.seen, { ended: false, cancelled: true });
});

test('a stream without a final event was interrupted', async () => {
  await assert.rejects(eventsOf(agentSaying([delta({ content: 'Sun' })]).fetch), failsWith('answer_interrupted', undefined));
});

test('a response that is not an event stream is a failure', async () => {
  const { fetch } = agentSaying(['{}'], { headers: { 'Content-Type': 'application/json' } });
  await assert.rejects(eventsOf(fetch), failsWith('agent_failed', 200));
});

test('an unreachable agent has its own code', async () => {
  await assert.rejects(eventsOf(async () => { throw new TypeError('Failed to fetch'); }), failsWith('agent_unreachable', undefined));
});

test('parallel tool calls end independently', () => {
  const { answer } = newTurn('q');
  const call = (id, members) => ({ tool: 'maps_weather', service: 'amap', access_identity: 'Machine', call_id: id, ...members });
  addEvent(answer, call('1', { type: 'tool_started' }));
  addEvent(answer, call('2', { type: 'tool_started' }));
  addEvent(answer, call('2', { type: 'tool_finished', ok: false, duration_ms: 9, error: 'external_service_failed' }));
  addEvent(answer, call('1', { type: 'tool_finished', ok: true, duration_ms: 5 }));
  assert.deepEqual(toolCalls(answer).map(({ callId, outcome, durationMs, error }) => [callId, outcome, durationMs, error]),
    [['1', 'ok', 5, undefined], ['2', 'failed', 9, 'external_service_failed']]);
});

test('tool calls without ids are matched by name', () => {
  const { answer } = newTurn('q');
  const members = { tool: 'call_enterprise_service', service: 'enterprise', access_identity: 'Human' };
  addEvent(answer, { type: 'tool_started', ...members });
  addEvent(answer, { type: 'tool_finished', ...members, ok: true, duration_ms: 12 });
  assert.deepEqual(toolCalls(answer).map(({ outcome, accessIdentity }) => [outcome, accessIdentity]), [['ok', 'Human']]);
});

test('a call that was running when the answer ended has an unknown outcome, never success', () => {
  const { answer } = newTurn('q');
  addEvent(answer, { type: 'tool_started', tool: 't', service: 's', access_identity: 'Machine' });
  endAnswer(answer, 'stopped');
  assert.equal(toolCalls(answer)[0].outcome, 'unknown');
});

test('unknown events are ignored', () => {
  const { answer } = newTurn('q');
  addEvent(answer, { type: 'tool_renamed' });
  assert.deepEqual(answer.parts, []);
});

test('the whole history is sent, without thinking and tool calls', () => {
  const first = newTurn('one');
  for (const event of [
    { type: 'reasoning', text: 'hm' }, { type: 'text', text: 'Let me ' }, { type: 'text', text: 'look.' },
    { type: 'tool_started', tool: 't', service: 's', access_identity: 'Machine' }, { type: 'text', text: 'Done.' },
  ]) addEvent(first.answer, event);
  const failed = newTurn('two');
  endAnswer(failed.answer, 'failed', { code: 'agent_unreachable' });
  assert.deepEqual(chatMessages([first, failed, newTurn('three')]), [
    { role: 'user', content: 'one' }, { role: 'assistant', content: 'Let me look.\n\nDone.' },
    { role: 'user', content: 'two' }, { role: 'user', content: 'three' },
  ]);
});

test('stopping aborts the request and keeps the partial answer', async () => {
  let aborted = false;
  const chat = new Chat(async function* ({ signal }) {
    yield { type: 'text', text: 'half' };
    aborted = signal.aborted;
    signal.throwIfAborted();
    yield { type: 'text', text: 'more' };
  });
  chat.addEventListener('answer', () => chat.stop());
  await chat.send('q');
  assert.equal(aborted, true);
  assert.equal(chat.busy, false);
  assert.deepEqual([chat.turns[0].answer.status, chat.turns[0].answer.parts], ['stopped', [{ type: 'text', text: 'half' }]]);
});

test('one question at a time', async () => {
  const chat = new Chat(async function* () { yield { type: 'text', text: 'a' }; });
  await Promise.all([chat.send('one'), chat.send('two')]);
  assert.deepEqual(chat.turns.map(({ question }) => question), ['one']);
});

test('a failed answer keeps its failure, and its question can be edited', async () => {
  const chat = new Chat(async function* () { throw new AgentFailure({ code: 'access_token_invalid', status: 401 }); });
  await chat.send('q');
  assert.deepEqual([chat.turns[0].answer.failure.code, chat.turns[0].answer.failure.signInAgain], ['access_token_invalid', true]);
  assert.equal(chat.edit(), 'q');
});

/** A chat whose answers repeat the question in capitals. */
const echo = () => new Chat(async function* ({ messages }) { yield { type: 'text', text: messages.at(-1).content.toUpperCase() }; });
const texts = ({ turns }) => turns.map(({ question, answer }) => [question, ...answer.parts.map(({ text }) => text)]);

test('an edited question keeps its answer until the new one is sent, and undo restores it afterwards', async () => {
  const chat = echo();
  await chat.send('one');
  await chat.send('two');
  assert.equal(chat.edit(), 'two');
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO']]);
  chat.stopEditing();
  await chat.send('three');
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO'], ['three', 'THREE']]);
  chat.edit();
  await chat.send('four');
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO'], ['four', 'FOUR']]);
  assert.equal(chat.undoable.by, 'replaced');
  chat.undo();
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO'], ['three', 'THREE']]);
});

test('undo restores the answer from before asking again, also while the new one streams', async () => {
  let signal;
  const chat = new Chat(async function* (request) {
    signal = request.signal;
    yield { type: 'text', text: 'a' };
  });
  await chat.send('one');
  const asked = chat.askAgain();
  chat.undo();
  await asked;
  assert.equal(signal.aborted, true);
  assert.equal(chat.busy, false);
  assert.deepEqual(texts(chat), [['one', 'a']]);
});

test('undo restores a cleared conversation until the next question, and not after sign-out', async () => {
  const chat = echo();
  await chat.send('one');
  chat.clear();
  assert.deepEqual(chat.turns, []);
  chat.clear();
  chat.undo();
  assert.deepEqual(texts(chat), [['one', 'ONE']]);
  chat.clear();
  await chat.send('two');
  chat.undo();
  assert.deepEqual(texts(chat), [['two', 'TWO']]);
  chat.clear();
  chat.forget();
  chat.undo();
  assert.deepEqual(chat.turns, []);
});

test('arguments and result of a call are kept as text, and long ones are truncated', () => {
  const { answer } = newTurn('q');
  const call = { tool: 't', service: 's', access_identity: 'Machine', call_id: '1' };
  addEvent(answer, { ...call, type: 'tool_started', arguments: { city: '<b>' } });
  addEvent(answer, { ...call, type: 'tool_finished', ok: true, called: true, duration_ms: 1, result: 'x'.repeat(5000) });
  const [part] = toolCalls(answer);
  assert.deepEqual(JSON.parse(part.arguments), { city: '<b>' });
  assert.equal(part.result, `${'x'.repeat(4000)}…`);
});

test('a call that was refused before it reached the service is not a failed call', () => {
  const { answer } = newTurn('q');
  const call = { tool: 't', service: 'leave', access_identity: 'Human', call_id: '1', audience: 'a', scope: 's' };
  addEvent(answer, { ...call, type: 'tool_started' });
  addEvent(answer, { ...call, type: 'tool_finished', ok: false, called: false, duration_ms: 0, error: 'token_exchange_failed' });
  assert.equal(toolCalls(answer)[0].outcome, 'not_called');
});

test('an answer counts as accepted only after the agent accepted the request', async () => {
  const { fetch } = agentSaying([DONE]);
  const chat = new Chat((request) => streamAnswer({ ...REQUEST, ...request, fetch }));
  await chat.send('q');
  assert.equal(chat.turns[0].answer.accepted, true);
  const refused = agentSaying(['{}'], { status: 502, headers: { 'Content-Type': 'application/json' } });
  const other = new Chat((request) => streamAnswer({ ...REQUEST, ...request, fetch: refused.fetch }));
  await other.send('q');
  assert.equal(other.turns[0].answer.accepted, undefined);
});
