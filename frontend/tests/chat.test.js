import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentFailure } from '../chat/agent-failure.js';
import { Chat } from '../chat/chat.js';

/** A chat whose agent answers by `ask`, and has the other methods that a test gives. */
const chatWith = (ask, more = {}) => new Chat({ ask, ...more });

test('stopping aborts the request and keeps the partial answer', async () => {
  let aborted = false;
  const chat = chatWith(async function* ({ signal }) {
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
  const chat = chatWith(async function* () { yield { type: 'text', text: 'a' }; });
  await Promise.all([chat.send('one'), chat.send('two')]);
  assert.deepEqual(chat.turns.map(({ question }) => question), ['one']);
});

test('a failed answer keeps its failure, and its question can be edited', async () => {
  const chat = chatWith(async function* () { throw new AgentFailure({ code: 'access_token_invalid', status: 401 }); });
  await chat.send('q');
  assert.deepEqual([chat.turns[0].answer.failure.code, chat.turns[0].answer.failure.signInAgain], ['access_token_invalid', true]);
  assert.equal(chat.edit(chat.turns.at(-1)), 'q');
});

/** A chat whose answers repeat the question in capitals. */
const echo = () => chatWith(async function* ({ messages }) { yield { type: 'text', text: messages.at(-1).content.toUpperCase() }; });
const texts = ({ turns }) => turns.map(({ question, answer }) => [question, ...answer.parts.map(({ text }) => text)]);

test('an edited question keeps its answer until the new one is sent, and undo restores it afterwards', async () => {
  const chat = echo();
  await chat.send('one');
  await chat.send('two');
  assert.equal(chat.edit(chat.turns.at(-1)), 'two');
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO']]);
  chat.stopEditing();
  await chat.send('three');
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO'], ['three', 'THREE']]);
  chat.edit(chat.turns.at(-1));
  await chat.send('four');
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO'], ['four', 'FOUR']]);
  assert.equal(chat.undoable.by, 'replaced');
  chat.undo();
  assert.deepEqual(texts(chat), [['one', 'ONE'], ['two', 'TWO'], ['three', 'THREE']]);
});

test('undo restores the answer from before asking again, also while the new one streams', async () => {
  let signal;
  const chat = chatWith(async function* (request) {
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

const APPROVAL = { id: 'i', kind: 'tool_call', call_id: 'c', tool: 'leave_apply', service: 'leave' };

/** A chat in the thread `t`, whose first answer waits for `APPROVAL`; `requests` has what it asks of the agent. */
async function waitingChat(more = {}) {
  const requests = [];
  const note = (name) => async (...given) => { requests.push([name, ...given]); };
  const chat = chatWith(async function* ({ thread, messages }) {
    requests.push(['ask', thread, messages.map(({ content }) => content)]);
    yield { type: 'accepted' };
    yield { type: 'tool_started', call_id: 'c', tool: 'leave_apply', service: 'leave' };
    yield { type: 'approvals', approvals: [APPROVAL] };
  }, {
    decide: note('decide'), cancel: note('cancel'), goOn: note('goOn'),
    async* follow() { yield { type: 'text', text: 'Done.' }; },
    ...more,
  });
  chat.clear('t');
  await chat.send('Apply for leave');
  return { chat, requests };
}

test('a question of a thread is sent without the history, which the agent keeps', async () => {
  const { chat, requests } = await waitingChat();
  await chat.decide(APPROVAL, { decision: 'approve' });
  await chat.send('And now?');
  assert.deepEqual(requests.filter(([name]) => name === 'ask'), [['ask', 't', ['Apply for leave']], ['ask', 't', ['And now?']]]);
});

test('an approved call goes on in the same answer', async () => {
  const { chat, requests } = await waitingChat();
  assert.deepEqual([chat.turns[0].answer.status, chat.approvals, chat.busy], ['waiting', [APPROVAL], false]);
  await chat.decide(APPROVAL, { decision: 'approve' });
  assert.deepEqual(requests.at(-1), ['decide', 't', 'i', { decision: 'approve' }]);
  assert.equal(chat.turns.length, 1);
  assert.deepEqual([chat.turns[0].answer.status, chat.approvals, chat.turns[0].answer.parts.at(-1).text], ['done', [], 'Done.']);
});

test('a text decides nothing while the agent waits: it is sent after the decision, once', async () => {
  const { chat, requests } = await waitingChat();
  await chat.send('yes');
  assert.deepEqual([chat.queued, requests.length, chat.approvals], ['yes', 1, [APPROVAL]]);
  await chat.decide(APPROVAL, { decision: 'approve' });
  assert.deepEqual(requests.slice(1), [['decide', 't', 'i', { decision: 'approve' }], ['ask', 't', ['yes']]]);
  assert.deepEqual([chat.queued, chat.turns.map(({ question }) => question)], [undefined, ['Apply for leave', 'yes']]);
});

test('what is declined in many words is declined without them, and the words are sent afterwards', async () => {
  const { chat } = await waitingChat();
  assert.deepEqual(chat.rejection('not now'), { decision: 'reject', message: 'not now' });
  assert.deepEqual([chat.rejection('x'.repeat(1001)), chat.queued], [{ decision: 'reject' }, 'x'.repeat(1001)]);
  assert.equal(chat.unqueue(), 'x'.repeat(1001));
});

const ENDED = { id: 't', status: 'idle', approvals: [], run: null };

test('an edited question, and one that is asked again, replace the turn as the agent has stored it', async () => {
  const requests = [];
  const stored = (content, answer, version) => ({ ...ENDED, messages: [
    { id: `u${version}`, role: 'user', content, metadata: { 'idaas-agent': { version, versions: [1, version] } } },
    { id: `a${version}`, role: 'assistant', content: answer },
  ] });
  const { chat } = await waitingChat({
    replace: async (...given) => { requests.push(given); },
    showVersion: async (...given) => { requests.push(given); },
    read: async () => stored('right', 'RIGHT', 3),
  });
  await chat.open({ ...ENDED, messages: [
    { id: 'u', role: 'user', content: 'wrong' },
    { id: 'm', role: 'assistant', toolCalls: [{ id: 'c', function: { name: 'leave_apply', arguments: '{}' } }] },
    { id: 'r', role: 'tool', toolCallId: 'c', content: 'ok', metadata: { 'idaas-agent': { ok: true, service: 'leave' } } },
  ] });
  chat.edit(chat.turns.at(-1));
  await chat.send('right');
  assert.deepEqual(requests, [['t', 'u', 'right']]);
  assert.deepEqual(chat.turns.map(({ question, version, versions }) => [question, version, versions]), [['right', 3, [1, 3]]]);
  assert.deepEqual(chat.notUndone, ['leave']);
  await chat.askAgain();
  await chat.showVersion(1);
  assert.deepEqual(requests.slice(1), [['t', 'u3', undefined], ['t', 1]]);
});

test('a replacement that the agent refused can be tried again, and its question is kept', async () => {
  const requests = [];
  const { chat } = await waitingChat({ replace: async (...given) => { requests.push(given); throw new AgentFailure({ code: 'rate_limited', status: 429 }); } });
  await chat.open({ ...ENDED, messages: [{ id: 'u', role: 'user', content: 'wrong' }] });
  chat.edit(chat.turns.at(-1));
  await chat.send('right');
  assert.deepEqual([chat.turns.length, chat.turns[0].answer.failure.code, chat.refusedQuestion], [1, 'rate_limited', 'right']);
  await chat.askAgain();
  assert.deepEqual(requests, [['t', 'u', 'right'], ['t', 'u', 'right']]);
});

test('a question of a thread that the agent refused is kept for after the sign-in', async () => {
  const chat = chatWith(async function* () { throw new AgentFailure({ code: 'access_token_invalid', status: 401 }); });
  chat.clear('t');
  await chat.send('And in Beijing?');
  assert.equal(chat.refusedQuestion, 'And in Beijing?');
  const { chat: other } = await waitingChat();
  assert.equal(other.refusedQuestion, undefined);
});

test('a refused decision leaves the approval open, with the reason', async () => {
  const { chat } = await waitingChat({ decide: async () => { throw new AgentFailure({ code: 'approval_expired', status: 409 }); } });
  await chat.decide(APPROVAL, { decision: 'approve' });
  const { answer } = chat.turns[0];
  assert.deepEqual([answer.status, answer.approvals, answer.failure.code, chat.busy], ['waiting', [APPROVAL], 'approval_expired', false]);
});

test('a kept conversation is shown, and the run that goes on in it is followed', async () => {
  const chat = chatWith(undefined, { async* follow({ thread }) { yield { type: 'text', id: 'a', text: `more of ${thread}` }; } });
  const messages = [{ id: 'u', role: 'user', content: 'one' }];
  await chat.open({ id: 't2', status: 'running', messages, approvals: [], run: { id: 'r' } });
  assert.deepEqual([chat.thread, chat.turns[0].question, chat.turns[0].answer.parts[0].text], ['t2', 'one', 'more of t2']);
});

test('an interrupted run is completed, not asked again', async () => {
  const { chat, requests } = await waitingChat();
  await chat.open({ id: 't', status: 'interrupted', messages: [{ id: 'u', role: 'user', content: 'one' }], approvals: [], run: null });
  assert.deepEqual([chat.turns[0].answer.status, chat.turns[0].answer.failure.code], ['failed', 'run_interrupted']);
  assert.equal(chat.canContinue, true);
  await chat.goOn();
  assert.deepEqual(requests.at(-1), ['goOn', 't']);
  assert.deepEqual([chat.turns.length, chat.turns[0].answer.status], [1, 'done']);
});

test('leaving a conversation lets its run go on', async () => {
  const { chat, requests } = await waitingChat({ async* follow({ signal }) { yield { type: 'text', text: 'a' }; signal.throwIfAborted(); yield { type: 'text', text: 'b' }; } });
  const decided = chat.decide(APPROVAL, { decision: 'approve' });
  await new Promise((resolve) => { chat.addEventListener('answer', resolve, { once: true }); });
  chat.clear('t3');
  await decided;
  assert.equal(requests.some(([name]) => name === 'cancel'), false);
});
