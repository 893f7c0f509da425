import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentFailure, failureFromBody } from '../chat/agent-failure.js';
import { followRun, startRun } from '../chat/run-stream.js';

const REQUEST = {
  url: 'http://localhost:9002/ag-ui/agent', accessToken: 'at',
  input: { threadId: 't', messages: [{ id: 'm', role: 'user', content: 'hi' }], kept: false },
};
const sent = (event) => `data: ${JSON.stringify(event)}\n\n`;
const textOf = (text) => sent({ type: 'TEXT_MESSAGE_CONTENT', messageId: 'a', delta: text });
const DONE = sent({ type: 'RUN_FINISHED', threadId: 't', runId: 'r', outcome: { type: 'success' } });

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
  for await (const event of startRun({ ...request, fetch })) events.push(event);
  return events;
}

function failsWith(code, status) {
  return (error) => error instanceof AgentFailure && error.code === code && error.status === status;
}

test('the address of a consent arrives with its call, and other custom events are ignored', async () => {
  const { fetch } = agentSaying([
    sent({ type: 'CUSTOM', name: 'idaas-agent:consent_required', value: { service: 'calendar', call_id: 'c', url: 'https://a.example/c' } }),
    sent({ type: 'CUSTOM', name: 'on_interrupt', value: '{}' }),
    DONE,
  ]);
  assert.deepEqual(await eventsOf(fetch), [
    { type: 'accepted' }, { type: 'consent_required', call_id: 'c', url: 'https://a.example/c' },
  ]);
});

test('services that are unavailable are named by the event of the run', async () => {
  const services = { amap: 'external_service_failed' };
  const { fetch } = agentSaying([sent({ type: 'CUSTOM', name: 'idaas-agent:services_unavailable', value: { services } }), DONE]);
  assert.deepEqual(await eventsOf(fetch), [{ type: 'accepted' }, { type: 'services_unavailable', services: ['amap'] }]);
});

test('what the user should know beside the answer is an event of the run', async () => {
  const value = { code: 'canteen', text: 'It closes at 2', values: { hour: 2 } };
  const { fetch } = agentSaying([sent({ type: 'CUSTOM', name: 'idaas-agent:notice', value }), DONE]);
  assert.deepEqual(await eventsOf(fetch), [{ type: 'accepted' }, { ...value, type: 'notice' }]);
});

test('an answer that was cut off says why at the end of its run', async () => {
  for (const reason of ['length', 'content_filter', 'stop', undefined]) {
    const end = { type: 'RUN_FINISHED', threadId: 't', runId: 'r', outcome: { type: 'success' }, metadata: { 'idaas-agent': { finish_reason: reason } } };
    const { fetch } = agentSaying([textOf('Sun'), sent(end)]);
    const ends = (await eventsOf(fetch)).slice(2);
    assert.deepEqual(ends, reason === 'length' || reason === 'content_filter' ? [{ type: 'cut_off', reason }] : []);
  }
});

test('text, thinking and tool activity arrive in order', async () => {
  const about = { service: 'amap', access_identity: 'Machine', credential: 'amap_api_key' };
  const { fetch } = agentSaying([
    sent({ type: 'RUN_STARTED', threadId: 't', runId: 'r' }),
    sent({ type: 'REASONING_MESSAGE_CONTENT', messageId: 'b', delta: 'hm' }),
    sent({ type: 'TOOL_CALL_START', toolCallId: 'c', toolCallName: 'maps_weather', metadata: { 'idaas-agent': about } }),
    sent({ type: 'TOOL_CALL_ARGS', toolCallId: 'c', delta: '{"city":' }),
    sent({ type: 'TOOL_CALL_ARGS', toolCallId: 'c', delta: '"Hangzhou"}' }),
    sent({ type: 'TOOL_CALL_END', toolCallId: 'c' }),
    sent({ type: 'TOOL_CALL_RESULT', messageId: 'd', toolCallId: 'c', content: '24', metadata: { 'idaas-agent': { ...about, ok: true, called: true, duration_ms: 5 } } }),
    textOf('Sunny'),
    sent({ type: 'RUN_FINISHED', threadId: 't', runId: 'r', outcome: { type: 'success' } }),
  ]);
  const call = { ...about, tool: 'maps_weather', call_id: 'c', argumentsJson: '{"city":"Hangzhou"}' };
  assert.deepEqual(await eventsOf(fetch), [
    { type: 'accepted' }, { type: 'reasoning', id: 'b', text: 'hm' }, { type: 'tool_started', ...call },
    { type: 'tool_finished', ...call, ok: true, called: true, duration_ms: 5, result: '24' },
    { type: 'text', id: 'a', text: 'Sunny' },
  ]);
});

test('a run that waits ends with its approvals', async () => {
  const approval = { id: 'i', kind: 'tool_call', call_id: 'c', tool: 'leave_apply', arguments: { days: 3 } };
  const { fetch } = agentSaying([sent({
    type: 'RUN_FINISHED', threadId: 't', runId: 'r',
    outcome: { type: 'interrupt', interrupts: [{ id: 'i', reason: 'tool_call', metadata: { 'idaas-agent': approval } }] },
  })]);
  assert.deepEqual(await eventsOf(fetch), [{ type: 'accepted' }, { type: 'approvals', approvals: [approval] }]);
});

test('a run of a kept conversation goes on without its reader', async () => {
  const { fetch, requests } = agentSaying([DONE]);
  await eventsOf(fetch, { ...REQUEST, input: { ...REQUEST.input, kept: true } });
  const body = JSON.parse(requests[0].body);
  assert.deepEqual([body.threadId, body.messages, body.forwardedProps], ['t', REQUEST.input.messages, { on_disconnect: 'continue' }]);
});

test('nothing follows where no run goes on', async () => {
  const events = [];
  for await (const event of followRun({ url: 'http://localhost:9002/threads/t/events', accessToken: 'at', fetch: async () => new Response(null, { status: 204 }) })) events.push(event);
  assert.deepEqual(events, []);
});

test('the stream may be split anywhere, also within a character', async () => {
  const bytes = new TextEncoder().encode(`: keep-alive\n\n${textOf('杭州')}${textOf('晴')}${DONE}`.replaceAll('\n', '\r\n'));
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
  assert.deepEqual(failureFromBody({ error: { code: 'conversation_full', limit: { unit: 'bytes', most: 2 } } }).limit, { unit: 'bytes', most: 2 });
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
  const { fetch } = agentSaying([textOf('Sun'), sent({ type: 'RUN_ERROR', code: 'model_call_failed', message: 'm' })]);
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
  const complete = bodyOf(textOf('Sun'), DONE, ': after\n\n');
  await eventsOf(complete.fetch);
  const failed = bodyOf(sent({ type: 'RUN_ERROR', code: 'model_call_failed', message: 'm' }));
  await assert.rejects(eventsOf(failed.fetch));
  const broken = bodyOf('data: {\n\n', textOf('more'));
  await assert.rejects(eventsOf(broken.fetch));
  await new Promise((resolve) => { setImmediate(resolve); });
  assert.deepEqual(complete.seen, { ended: true, cancelled: false });
  assert.deepEqual(failed.seen, { ended: true, cancelled: false });
  assert.deepEqual(broken.seen, { ended: false, cancelled: true });
});

test('a stream without a final event was interrupted', async () => {
  await assert.rejects(eventsOf(agentSaying([textOf('Sun')]).fetch), failsWith('answer_interrupted', undefined));
});

test('a response that is not an event stream is a failure', async () => {
  const { fetch } = agentSaying(['{}'], { headers: { 'Content-Type': 'application/json' } });
  await assert.rejects(eventsOf(fetch), failsWith('agent_failed', 200));
});

test('an unreachable agent has its own code', async () => {
  await assert.rejects(eventsOf(async () => { throw new TypeError('Failed to fetch'); }), failsWith('agent_unreachable', undefined));
});
