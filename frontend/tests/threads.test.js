import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConversationList } from '../chat/conversation-list.js';
import { Threads } from '../chat/threads.js';

/** An agent whose responses are `[status, body]`, in order; `requests` has what was sent. */
function agentWith(...responses) {
  const requests = [];
  const fetch = async (url, { method, headers, body, redirect, credentials }) => {
    requests.push([method, url.replace('https://agent.example', ''), body && JSON.parse(body)]);
    assert.deepEqual([headers.Authorization, redirect, credentials], ['Bearer at', 'error', 'omit']);
    const [status, given] = responses.shift() ?? [204];
    return new Response(given === undefined ? null : JSON.stringify(given), { status });
  };
  return { requests, threads: new Threads({ agentUrl: 'https://agent.example', accessToken: () => 'at', fetch }) };
}

const thread = (id, pending = 0) => ({ id, title: `title of ${id}`, status: 'idle', updated_at: '2026-11-25T10:00:00Z', pending_approvals: pending });

test('each request carries the access token, and goes to the agent only', async () => {
  const { threads, requests } = agentWith([200, {}], [202, { run: 'r' }], [200, {}], [200, {}], [204]);
  await threads.read('t');
  await threads.decide('t', 'a', { decision: 'reject', message: 'no' });
  await threads.rename('t', 'new');
  await threads.cancel('t');
  await threads.remove('t');
  assert.deepEqual(requests, [
    ['GET', '/threads/t', undefined],
    ['POST', '/threads/t/approvals/a', { decision: 'reject', message: 'no' }],
    ['PATCH', '/threads/t', { title: 'new' }],
    ['POST', '/threads/t/cancel', undefined],
    ['DELETE', '/threads/t', undefined],
  ]);
});

test('a refusal is a failure with the agent\'s code', async () => {
  const { threads } = agentWith([409, { error: { code: 'approval_expired', message: 'm', request_id: '1f2e' } }]);
  await assert.rejects(threads.decide('t', 'a', { decision: 'approve' }), { code: 'approval_expired', status: 409, requestId: '1f2e' });
});

test('an agent without conversations is not a failure', async () => {
  const { threads } = agentWith([404, { error: { code: 'not_found' } }]);
  const list = new ConversationList(threads);
  await list.refresh();
  assert.deepEqual([list.available, list.shown], [false, []]);
});

test('conversations that wait for the user are first', async () => {
  const { threads } = agentWith([200, { threads: [thread('a'), thread('b', 1), thread('c'), thread('d', 2)], next: null }]);
  const list = new ConversationList(threads);
  await list.refresh();
  assert.deepEqual(list.inOrder.map(({ id }) => id), ['b', 'd', 'a', 'c']);
});

test('a failure keeps the list as it is', async () => {
  const { threads } = agentWith([200, { threads: [thread('a')], next: null }], [503, {}]);
  const list = new ConversationList(threads);
  await list.refresh();
  await list.refresh();
  assert.deepEqual([list.available, list.shown.length], [true, 1]);
});

test('the search is sent to the agent', async () => {
  const { threads, requests } = agentWith([200, { threads: [], next: null }]);
  await new ConversationList(threads).find('leave & more');
  assert.deepEqual(requests, [['GET', '/threads?search=leave%20%26%20more', undefined]]);
});

test('a deleted conversation can be restored', async () => {
  const listed = [200, { threads: [thread('a')], next: null }];
  const { threads, requests } = agentWith(listed, [204], [200, { threads: [], next: null }], [200, thread('a')], listed);
  const list = new ConversationList(threads);
  await list.refresh();
  await list.remove('a');
  assert.deepEqual([list.shown, list.deleted], [[], { id: 'a', title: 'title of a' }]);
  assert.equal(await list.undo(), 'a');
  assert.deepEqual([list.shown.length, list.deleted], [1, undefined]);
  assert.deepEqual(requests.at(-2), ['POST', '/threads/a/restore', undefined]);
});
