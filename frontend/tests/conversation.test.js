import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addEvent, chatMessages, endAnswer, newTurn, toolCalls, turnsOf } from '../chat/conversation.js';

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

test('the address of a consent belongs to its call and is in no message', () => {
  const turn = newTurn('q');
  addEvent(turn.answer, { type: 'tool_started', tool: 'events', service: 'calendar', call_id: '1' });
  addEvent(turn.answer, { type: 'consent_required', call_id: '1', url: 'https://a.example/c' });
  addEvent(turn.answer, { type: 'tool_finished', tool: 'events', call_id: '1', ok: false, called: false, error: 'consent_required' });
  addEvent(turn.answer, { type: 'text', text: 'Allow it first.' });
  assert.equal(toolCalls(turn.answer)[0].consentUrl, 'https://a.example/c');
  assert.ok(!JSON.stringify(chatMessages([turn])).includes('a.example'));
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

test('an answer names each service once that was unavailable for it', () => {
  const { answer } = newTurn('q');
  assert.equal(answer.unavailable, undefined);
  for (const services of [['amap'], ['amap', 'maps']]) addEvent(answer, { type: 'services_unavailable', services });
  assert.deepEqual(answer.unavailable, ['amap', 'maps']);
});

test('an answer has what its user should know, in the order of arrival', () => {
  const { answer } = newTurn('q');
  assert.equal(answer.notices, undefined);
  for (const code of ['a', 'b']) addEvent(answer, { type: 'notice', code, text: `${code}.`, values: { n: 1 } });
  assert.deepEqual(answer.notices, [{ code: 'a', text: 'a.', values: { n: 1 } }, { code: 'b', text: 'b.', values: { n: 1 } }]);
});

test('an answer is cut off until the model writes another one, also in a stored conversation', () => {
  const { answer } = newTurn('q');
  addEvent(answer, { type: 'text', id: 'a', text: 'Sun' });
  addEvent(answer, { type: 'cut_off', reason: 'length' });
  assert.equal(answer.cutOff, 'length');
  addEvent(answer, { type: 'begins', id: 'b' });
  assert.equal(answer.cutOff, undefined);
  const cut = { metadata: { 'idaas-agent': { finish_reason: 'content_filter' } } };
  const stored = [{ role: 'user', id: 'u', content: 'q' }, { role: 'assistant', id: 'a', ...cut }];
  assert.equal(turnsOf(stored)[0].answer.cutOff, 'content_filter');
  addEvent(answer, { type: 'messages', messages: stored });
  assert.equal(answer.cutOff, 'content_filter');
  assert.equal(turnsOf([...stored, { role: 'assistant', id: 'b', content: 'Sunny' }])[0].answer.cutOff, undefined);
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
  assert.deepEqual(chatMessages([first, failed, newTurn('three')]).map(({ role, content }) => [role, content]), [
    ['user', 'one'], ['assistant', 'Let me look.\n\nDone.'], ['user', 'two'], ['user', 'three'],
  ]);
});

test('arguments and result of a call are kept as text, and long ones are truncated', () => {
  const { answer } = newTurn('q');
  const call = { tool: 't', service: 's', access_identity: 'Machine', call_id: '1' };
  addEvent(answer, { ...call, type: 'tool_started', argumentsJson: '{"city":"<b>"}' });
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

const APPROVAL = { id: 'i', kind: 'tool_call', call_id: 'c2', tool: 'leave_apply', service: 'leave', access_identity: 'Human', audience: 'a', scope: 's' };
const MESSAGES = [
  { id: 'u1', role: 'user', content: 'one' },
  { id: 'r1', role: 'reasoning', content: 'hm' },
  { id: 'a1', role: 'assistant', content: 'Let me look.', toolCalls: [{ id: 'c1', type: 'function', function: { name: 't', arguments: '{"x":1}' } }] },
  { id: 'result-c1', role: 'tool', toolCallId: 'c1', content: '24', metadata: { 'idaas-agent': { ok: true, service: 'amap', access_identity: 'Machine' } } },
  { id: 'a2', role: 'assistant', content: 'Done.' },
  { id: 'u2', role: 'user', content: 'two' },
  { id: 'a3', role: 'assistant', toolCalls: [{ id: 'c2', type: 'function', function: { name: 'leave_apply', arguments: '{"days":3}' } }] },
];

test('a stored conversation has the turns that it had', () => {
  const [first, second] = turnsOf(MESSAGES);
  assert.deepEqual([first.id, first.question, first.answer.status], ['u1', 'one', 'done']);
  assert.deepEqual(first.answer.parts.map(({ type, text, outcome, service }) => [type, text ?? outcome, service]), [
    ['reasoning', 'hm', undefined], ['text', 'Let me look.', undefined], ['tool', 'ok', 'amap'], ['text', 'Done.', undefined],
  ]);
  assert.equal(toolCalls(second.answer)[0].outcome, 'unknown'); // it may have taken effect
});

test('a conversation that waits shows what it waits for, as a call that was not made', () => {
  const [, { answer }] = turnsOf(MESSAGES, [APPROVAL]);
  assert.equal(answer.status, 'waiting');
  assert.deepEqual(answer.approvals, [APPROVAL]);
  const [call] = toolCalls(answer);
  assert.deepEqual([call.outcome, call.service, call.accessIdentity], ['waiting', 'leave', 'Human']);
});

test('a snapshot before a pause leaves no call with an unknown outcome', () => {
  const { answer } = newTurn('two', 'u2');
  addEvent(answer, { type: 'messages', messages: MESSAGES });
  addEvent(answer, { type: 'approvals', approvals: [APPROVAL] });
  assert.deepEqual(toolCalls(answer).map(({ outcome, service }) => [outcome, service]), [['waiting', 'leave']]);
});

test('a message that is sent again replaces what is known of it', () => {
  const [{ answer }] = turnsOf(MESSAGES.slice(0, 5));
  for (const event of [{ type: 'begins', id: 'a2' }, { type: 'text', id: 'a2', text: 'Done' }, { type: 'text', id: 'a2', text: ' now.' }]) addEvent(answer, event);
  assert.equal(answer.parts.at(-1).text, 'Done now.');
  addEvent(answer, { type: 'tool_started', call_id: 'c1', tool: 't' });
  assert.equal(toolCalls(answer).length, 1);
});

test('a snapshot of the messages replaces the answer', () => {
  const { answer } = newTurn('one', 'u1');
  addEvent(answer, { type: 'text', id: 'x', text: 'old' });
  addEvent(answer, { type: 'messages', messages: MESSAGES.slice(0, 5) });
  assert.deepEqual(answer.parts.map(({ type }) => type), ['reasoning', 'text', 'tool', 'text']);
});

test('a result that is sent again, or after the conversation was read, belongs to the call that is shown', () => {
  const result = { type: 'tool_finished', call_id: 'c2', tool: 'leave_apply', service: 'leave', access_identity: 'Human', ok: true, duration_ms: 5 };
  const [, { answer }] = turnsOf(MESSAGES); // the call has no result yet
  for (let times = 0; times < 2; times += 1) {
    addEvent(answer, result);
    assert.deepEqual(toolCalls(answer).map(({ outcome }) => outcome), ['ok']);
  }
});

test('the files of a question and of a call are those of the messages, and images that were just attached are sent', () => {
  const file = { id: 'f', name: 'a.png', media_type: 'image/png', bytes: 3 };
  const of = (files) => ({ metadata: { 'idaas-agent': { files } } });
  const [turn] = turnsOf([
    { id: 'u', role: 'user', content: 'Draw', ...of([file]) },
    { id: 'a', role: 'assistant', toolCalls: [{ id: 'c', function: { name: 'draw', arguments: '{}' } }] },
    { id: 'r', role: 'tool', toolCallId: 'c', content: 'Drawn.', ...of([{ ...file, id: 'g' }]) },
  ]);
  assert.deepEqual([turn.files, toolCalls(turn.answer)[0].files[0].id], [[file], 'g']);
  const attached = { name: 'b.webp', media_type: 'image/webp', bytes: 3, url: 'data:image/webp;base64,QUJD' };
  const [sent] = chatMessages([{ ...newTurn('What is it?', 'u'), files: [attached] }]);
  assert.deepEqual(sent.content, [
    { type: 'text', text: 'What is it?' }, { type: 'image', source: { type: 'data', value: 'QUJD', mimeType: 'image/webp' } }]);
  assert.equal(chatMessages([turn])[0].content, 'Draw');
});

test('an answer whose run was ended is shown as stopped after a reload, too', () => {
  const user = { id: 'u', role: 'user', content: 'When?' };
  const call = { id: 'a', role: 'assistant', toolCalls: [{ id: 'c', type: 'function', function: { name: 't', arguments: '{}' } }] };
  const result = (content, about) => ({ id: 'r', role: 'tool', toolCallId: 'c', content, metadata: { 'idaas-agent': about } });
  const words = { id: 'b', role: 'assistant', content: 'Mon' };
  const cut = { ...words, metadata: { 'idaas-agent': { finish_reason: 'unfinished' } } };
  const status = (...messages) => turnsOf([user, ...messages, { id: 'v', role: 'user', content: 'Next' }, words]).map(({ answer }) => answer.status);
  assert.deepEqual(status(), ['stopped', 'done']);
  assert.deepEqual(status(cut), ['stopped', 'done']);
  assert.deepEqual(status(call, result('ok', { ok: true })), ['stopped', 'done']);
  assert.deepEqual(status(call, result('ok', { ok: true }), words), ['done', 'done']);
  assert.deepEqual(status({ id: 'b', role: 'assistant' }), ['done', 'done'], 'an empty answer is an answer');
  for (const why of ['it was not approved in time', 'the user ended the run before they decided']) {
    assert.deepEqual(status(call, result(`not run: ${why}`, { ok: false, called: false })), ['done', 'done'], 'its row says it');
  }
});
