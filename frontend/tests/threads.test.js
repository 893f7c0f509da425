import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requester } from '../chat/agent-request.js';
import { ConversationList } from '../chat/conversation-list.js';
import { Inbox } from '../chat/inbox.js';
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
  return { requests, threads: new Threads(requester({ agentUrl: 'https://agent.example', accessToken: () => 'at', fetch })) };
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

test('changed arguments are sent with all digits', async () => {
  const requests = [];
  const fetch = async (_, { body }) => { requests.push(body); return new Response('{}', { status: 202 }); };
  const threads = new Threads(requester({ agentUrl: 'https://agent.example', accessToken: () => 'at', fetch }));
  await threads.decide('t', 'a', { decision: 'edit', argumentsJson: '{"amount":12345678901234567890}' });
  assert.deepEqual(requests, ['{"decision":"edit","arguments":{"amount":12345678901234567890}}']);
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

test('the list is read at once when the page becomes visible, once a minute then, and never while it is hidden', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { threads, requests } = agentWith();
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  const turn = (state) => { page.visibilityState = state; page.dispatchEvent(new Event('visibilitychange')); };
  const list = new ConversationList(threads);
  const readIn = (seconds) => {
    const before = requests.length;
    for (let second = 0; second < seconds; second += 1) t.mock.timers.tick(1000);
    return requests.length - before;
  };
  await list.watch(page);
  assert.deepEqual([requests.length, readIn(600)], [1, 10]);
  readIn(59);
  turn('hidden');
  assert.equal(readIn(600), 0);
  readIn(59);
  turn('visible');
  assert.deepEqual([requests.length, readIn(59), readIn(1)], [12, 0, 1]);
  list.leave();
  turn('visible');
  assert.equal(readIn(600), 0);
});

test('an idle page makes two requests a minute', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { threads, requests } = agentWith();
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  const list = new ConversationList(threads);
  const inbox = new Inbox(async (_, path) => { requests.push(path); return { asked: [], own: [], prepared: [] }; });
  await Promise.all([list.watch(page), inbox.watch(page)]);
  requests.length = 0;
  for (let second = 0; second < 600; second += 1) t.mock.timers.tick(1000);
  assert.equal(requests.length, 20);
  list.leave();
  inbox.leave();
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
  assert.deepEqual(requests, [['GET', '/threads?search=leave+%26+more&limit=50', undefined]]);
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

/** An agent with `count` conversations, of which `t0` was changed last; pages as the agent's. */
function manyThreads(count) {
  const all = Array.from({ length: count }, (_, n) => ({ ...thread(`t${n}`), updated_at: new Date(1e12 - n * 1000).toISOString() }));
  const list = async ({ search = '', limit, before }) => {
    const found = all.filter(({ title }) => title.includes(search));
    const begin = before === undefined ? 0 : Number(before);
    return { threads: found.slice(begin, begin + limit), next: begin + limit < found.length ? String(begin + limit) : null };
  };
  return { all, threads: { list } };
}
const ids = ({ shown }) => shown.map(({ id }) => id);

test('more conversations are shown on demand, until there are no more', async () => {
  const { all, threads } = manyThreads(120);
  const list = new ConversationList(threads);
  await list.refresh();
  assert.deepEqual([list.shown.length, list.more], [50, true]);
  await list.showMore();
  await list.showMore();
  assert.deepEqual([ids(list), list.more], [all.map(({ id }) => id), false]);
});

test('a refresh keeps the conversations that were loaded, in order, and drops those that are gone', async () => {
  const { all, threads } = manyThreads(300);
  const list = new ConversationList(threads);
  await list.refresh();
  for (let page = 0; page < 5; page += 1) await list.showMore();
  assert.deepEqual([list.shown.length, list.more], [300, false]);
  const [moved] = all.splice(250, 1);
  all.unshift({ ...moved, updated_at: new Date(1e12 + 1000).toISOString() });
  all.splice(100, 1);
  await list.refresh();
  assert.deepEqual(ids(list), all.map(({ id }) => id));
});

test('two readings at once show each conversation once', async () => {
  const { threads } = manyThreads(120);
  const list = new ConversationList(threads);
  await list.refresh();
  await Promise.all([list.showMore(), list.showMore(), list.refresh()]);
  assert.deepEqual([list.shown.length, new Set(ids(list)).size], [100, 100]);
});

test('a search is about all conversations, and ends with the first page again', async () => {
  const { threads } = manyThreads(120);
  const list = new ConversationList(threads);
  await list.refresh();
  await list.find('of t11');
  assert.deepEqual([ids(list), list.more], [['t11', 't110', 't111', 't112', 't113', 't114', 't115', 't116', 't117', 't118', 't119'], false]);
  await list.find('');
  assert.deepEqual([list.shown.length, list.more], [50, true]);
});

test('a search ends the one before, so that the agent stops it', async () => {
  const signals = [];
  const fetch = (_, { signal }) => new Promise((resolve, reject) => {
    signals.push(signal);
    signal.addEventListener('abort', () => reject(signal.reason));
    if (signals.length === 2) resolve(new Response(JSON.stringify({ threads: [thread('t')], next: null })));
  });
  const list = new ConversationList(new Threads(requester({ agentUrl: 'https://agent.example', accessToken: () => 'at', fetch })));
  await Promise.all([list.find('lea'), list.find('leave')]);
  assert.deepEqual([signals.map(({ aborted }) => aborted), ids(list)], [[true, false], ['t']]);
});

test('an outdated response has no effect', async () => {
  const waiting = [];
  const list = new ConversationList({ list: () => new Promise((resolve) => { waiting.push(resolve); }) });
  const readings = [list.refresh(), list.refresh()];
  waiting[1]({ threads: [thread('new')], next: null });
  await readings[1];
  waiting[0]({ threads: [thread('old')], next: null });
  await readings[0];
  assert.deepEqual(ids(list), ['new']);
});

test('a new title is shown at once, and the former one if it is refused', async () => {
  const { threads } = agentWith([200, { threads: [thread('a')], next: null }], [503, {}], [200, { threads: [thread('a')], next: null }]);
  const list = new ConversationList(threads);
  await list.refresh();
  const renamed = list.rename('a', 'new');
  assert.equal(list.shown[0].title, 'new');
  await assert.rejects(renamed);
  await list.refresh();
  assert.equal(list.shown[0].title, 'title of a');
});

test('a conversation is read to the question of its last turn', async () => {
  const { threads, requests } = agentWith(
    [200, { id: 't', messages: [{ id: 'a', role: 'assistant', content: 'A' }], next: 7, approvals: [], run: null }],
    [200, { messages: [{ id: 'u', role: 'user', content: 'Q' }], next: 3 }],
  );
  const { messages, next } = await threads.read('t');
  assert.deepEqual([messages.map(({ id }) => id), next], [['u', 'a'], 3]);
  assert.deepEqual(requests.map(([, path]) => path), ['/threads/t', '/threads/t/messages?before=7']);
});
