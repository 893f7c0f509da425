import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../chat/chat.js';
import { History } from '../chat/history.js';
import { endNote } from '../view/answer-end.js';

/** A conversation of `count` questions, each with a call, its result and an answer: four messages. */
function messagesOf(count) {
  return Array.from({ length: count }, (_, n) => [
    { id: `u${n}`, role: 'user', content: `question ${n}` },
    { id: `c${n}`, role: 'assistant', toolCalls: [{ id: `call${n}`, type: 'function', function: { name: 't', arguments: '{}' } }] },
    { id: `r${n}`, role: 'tool', toolCallId: `call${n}`, content: 'ok', metadata: { 'idaas-agent': { ok: true } } },
    { id: `a${n}`, role: 'assistant', content: `answer ${n}` },
  ]).flat();
}

/** Pages of `size` messages before a position, as the agent's. */
function pagesOf(messages, size) {
  return (before = messages.length) => {
    const begin = Math.max(before - size, 0);
    return { messages: messages.slice(begin, before), next: begin > 0 ? begin : null };
  };
}

const shown = (turns) => turns.map(({ question, answer }) => [question, answer.parts.map(({ outcome, text }) => outcome ?? text)]);

for (const size of [2, 3, 5, 6, 100]) {
  test(`pages of ${size} messages are whole turns, each once and in order`, async () => {
    const messages = messagesOf(5);
    const page = pagesOf(messages, size);
    const history = new History(page(), async (before) => page(before));
    let { turns } = history;
    while (history.more) {
      const earlier = await history.earlier();
      assert.ok(earlier.length > 0);
      turns = [...earlier, ...turns];
    }
    assert.deepEqual(shown(turns), [0, 1, 2, 3, 4].map((n) => [`question ${n}`, ['ok', `answer ${n}`]]));
  });
}

test('a failed reading can be repeated', async () => {
  const page = pagesOf(messagesOf(2), 4);
  let fails = true;
  const history = new History(page(), async (before) => {
    if (fails) throw new Error('unreachable');
    return page(before);
  });
  await assert.rejects(history.earlier());
  fails = false;
  assert.deepEqual((await history.earlier()).map(({ id }) => id), ['u0']);
});

test('a message that was stored again replaces its first form, also on the page before', async () => {
  const messages = [...messagesOf(1), { id: 'a0', role: 'assistant', content: 'answer 0, corrected' }];
  const page = pagesOf(messages, 1);
  const history = new History(page(), async (before) => page(before));
  const [turn] = await history.earlier();
  assert.deepEqual(shown([turn]), [['question 0', ['ok', 'answer 0, corrected']]]);
});

/** A chat that shows the thread `t` of `count` questions, read by pages of `size` messages. */
async function chatOf(count, size) {
  const page = pagesOf(messagesOf(count), size);
  const chat = new Chat({ messages: async (thread, before) => page(before) });
  const open = (more) => chat.open({ id: 't', status: 'idle', approvals: [], run: null, ...page(), ...more });
  await open();
  return { chat, open };
}
const ids = ({ turns }) => turns.map(({ id }) => id);

test('earlier turns are shown before those that are shown', async () => {
  const { chat } = await chatOf(5, 8);
  assert.deepEqual([ids(chat), chat.hasEarlier], [['u3', 'u4'], true]);
  assert.equal(await chat.showEarlier(), 2);
  assert.deepEqual([ids(chat), chat.hasEarlier], [['u1', 'u2', 'u3', 'u4'], true]);
  assert.equal(await chat.showEarlier(), 1);
  assert.deepEqual([ids(chat), chat.hasEarlier], [['u0', 'u1', 'u2', 'u3', 'u4'], false]);
});

test('a click that is repeated shows each turn once', async () => {
  const { chat } = await chatOf(5, 8);
  assert.deepEqual(await Promise.all([chat.showEarlier(), chat.showEarlier()]), [2, 0]);
  assert.deepEqual(ids(chat), ['u1', 'u2', 'u3', 'u4']);
});

test('a conversation that is read again keeps its earlier turns', async () => {
  const { chat, open } = await chatOf(5, 8);
  await chat.showEarlier();
  await open();
  assert.deepEqual([ids(chat), chat.hasEarlier], [['u1', 'u2', 'u3', 'u4'], true]);
  await open({ id: 'other' });
  assert.deepEqual(ids(chat), ['u3', 'u4']);
});

test('earlier turns of a conversation that was left are not shown in another one', async () => {
  const { chat } = await chatOf(5, 8);
  const earlier = chat.showEarlier();
  chat.clear('new');
  assert.equal(await earlier, 0);
  assert.deepEqual([ids(chat), chat.hasEarlier], [[], false]);
});

test('a call whose run its user ended before the decision says so, and its answer is not called empty', () => {
  const content = 'not run: the user ended the run before they decided';
  const { turns: [{ answer }] } = new History({
    messages: [
      { id: 'u', role: 'user', content: 'Apply' },
      { id: 'a', role: 'assistant', content: '', toolCalls: [{ id: 'c', function: { name: 'leave_apply', arguments: '{}' } }] },
      { id: 't', role: 'tool', toolCallId: 'c', content, metadata: { 'idaas-agent': { called: false, ok: false } } },
    ],
    next: null,
  });
  assert.deepEqual(answer.parts.map(({ outcome, withdrawn }) => [outcome, withdrawn]), [['not_called', true]]);
  assert.equal(endNote(answer), undefined);
  assert.equal(endNote({ status: 'done', parts: [{ type: 'tool', outcome: 'not_called', expired: true }] }), undefined);
  assert.equal(endNote({ status: 'done', parts: [{ type: 'tool', outcome: 'ok' }] }), 'chat.no_text');
});

test('calls whose approval has expired were not made', async () => {
  const chat = new Chat({});
  const messages = messagesOf(1).slice(0, 2);
  await chat.open({ id: 't', status: 'paused', messages, next: null, approvals: [], run: null });
  assert.equal(chat.turns[0].answer.parts[0].outcome, 'not_called');
});
