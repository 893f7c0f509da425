import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentFailure } from '../chat/agent-failure.js';
import { Chat } from '../chat/chat.js';

/** A chat whose agent answers by `ask`, and has the other methods that a test gives. */
const chatWith = (ask, more = {}) => new Chat({ ask, read: async () => { throw new AgentFailure({ code: 'agent_unreachable' }); }, ...more });

/** The questions that a chat gives back. */
function givenBack(chat) {
  const questions = [];
  chat.addEventListener('given_back', ({ detail }) => questions.push(detail.question));
  return questions;
}

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
  const back = givenBack(chat);
  await Promise.all([chat.send('one'), chat.send('two')]);
  assert.deepEqual(chat.turns.map(({ question }) => question), ['one']);
  assert.deepEqual([back, chat.refusal.failure.code], [['two'], 'thread_busy']);
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

test('several texts that are written while the agent waits are sent together, as none of them is lost', async () => {
  const { chat, requests } = await waitingChat();
  await chat.send('first');
  await chat.send('second');
  await chat.decide(APPROVAL, { decision: 'approve' });
  assert.deepEqual(requests.at(-1), ['ask', 't', ['first\nsecond']]);
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

test('a replacement that the agent refused is given back, and the conversation is as before', async () => {
  const requests = [];
  const { chat } = await waitingChat({ replace: async (...given) => { requests.push(given); throw new AgentFailure({ code: 'rate_limited', status: 429 }); } });
  await chat.open({ ...ENDED, messages: [{ id: 'u', role: 'user', content: 'wrong' }] });
  const back = givenBack(chat);
  chat.edit(chat.turns.at(-1));
  await chat.send('right');
  assert.deepEqual([chat.turns.map(({ question }) => question), chat.editing.id, chat.refusal.failure.code, back], [['wrong'], 'u', 'rate_limited', ['right']]);
  await chat.send('right');
  assert.deepEqual(requests, [['t', 'u', 'right'], ['t', 'u', 'right']]);
  chat.stopEditing();
  await chat.askAgain();
  assert.deepEqual([requests.at(-1), chat.turns[0].answer.status, back], [['t', 'u', undefined], 'stopped', ['right', 'right']]);
});

test('a replacement that the agent took is not given back, although the conversation cannot be read after it', async () => {
  const { chat } = await waitingChat({ replace: async () => {} });
  await chat.open({ ...ENDED, messages: [{ id: 'u', role: 'user', content: 'wrong' }] });
  const back = givenBack(chat);
  chat.edit(chat.turns.at(-1));
  await chat.send('right');
  assert.deepEqual([back, chat.refusal, chat.turns.map(({ question }) => question)], [[], undefined, ['right']]);
  assert.deepEqual([chat.turns[0].answer.failure.code, chat.canContinue], ['agent_unreachable', true]);
});

const REFUSALS = [
  { code: 'thread_busy', status: 409 }, { code: 'rate_limited', status: 429 }, { code: 'access_token_invalid', status: 401 },
  { code: 'request_too_large', status: 413 }, { code: 'agent_unreachable' }, { code: 'conversations_unavailable', status: 503 },
];

for (const failure of REFUSALS) {
  test(`a question that a kept conversation did not take (${failure.code}) is given back with the reason`, async () => {
    const ids = [];
    const chat = chatWith(async function* ({ messages }) { ids.push(messages[0].id); throw new AgentFailure(failure); });
    const back = givenBack(chat);
    await chat.open({ ...ENDED, messages: [{ id: 'u', role: 'user', content: 'first' }] });
    await chat.send('And in Beijing?');
    assert.deepEqual([back, chat.refusal.failure.code, chat.turns.length], [['And in Beijing?'], failure.code, 1]);
    await chat.open({ ...ENDED, messages: [{ id: 'u', role: 'user', content: 'first' }] }); // another tab's run ended
    assert.equal(chat.refusal.failure.code, failure.code);
    await chat.send('And in Beijing?');
    assert.equal(ids[0], ids[1], 'the agent may have stored it: it is asked once');
    await chat.send('And in Shanghai?');
    assert.notEqual(ids[0], ids[2]);
  });
}

test('a question whose run failed before its first word is stored, and its answer can be continued', async () => {
  let id;
  const chat = chatWith(
    async function* ({ messages }) { ({ id } = messages[0]); throw new AgentFailure({ code: 'model_call_failed', status: 503 }); },
    { read: async () => ({ ...ENDED, status: 'failed', messages: [{ id, role: 'user', content: 'Hello?' }] }) },
  );
  const back = givenBack(chat);
  chat.clear('t');
  await chat.send('Hello?');
  assert.deepEqual([back, chat.refusal, chat.canContinue, chat.turns[0].answer.failure.code], [[], undefined, true, 'model_call_failed']);
});

for (const status of ['running', 'idle']) {
  test(`a question whose response was lost is shown as it is stored (${status})`, async () => {
    let id;
    const said = { id: 'a', role: 'assistant', content: 'Yes.' };
    const stored = () => [{ id, role: 'user', content: 'Hello?' }, ...(status === 'idle' ? [said] : [])];
    const chat = chatWith(
      async function* ({ messages }) { ({ id } = messages[0]); throw new AgentFailure({ code: 'agent_unreachable' }); },
      {
        read: async () => ({ ...ENDED, status, run: status === 'running' ? { id: 'r' } : null, messages: stored() }),
        async* follow() { yield { type: 'text', id: 'a', text: 'Yes.' }; },
      },
    );
    const back = givenBack(chat);
    chat.clear('t');
    await chat.send('Hello?');
    assert.deepEqual([back, chat.refusal, texts(chat)], [[], undefined, [['Hello?', 'Yes.']]]);
    assert.equal(chat.turns[0].answer.status, 'done');
  });
}

test('a question that was given back is taken, if the agent has stored it nevertheless', async () => {
  let id;
  const chat = chatWith(async function* ({ messages }) { ({ id } = messages[0]); throw new AgentFailure({ code: 'agent_unreachable' }); });
  const taken = [];
  chat.addEventListener('taken', ({ detail }) => taken.push(detail));
  chat.clear('t');
  await chat.send('Hello?');
  await chat.open({ ...ENDED, messages: [{ id, role: 'user', content: 'Hello?' }, { id: 'a', role: 'assistant', content: 'Yes.' }] });
  assert.deepEqual([taken, chat.refusal, texts(chat)], [['Hello?'], undefined, [['Hello?', 'Yes.']]]);
});

test('what was to be sent after a decision is given back, when the conversation is left or read again', async () => {
  const { chat } = await waitingChat();
  const back = givenBack(chat);
  await chat.send('and then?');
  await chat.open({ ...ENDED, messages: [] });
  assert.deepEqual([back, chat.queued], [['and then?'], undefined]);
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

const ELSEWHERE = [
  ['nothing_to_continue', { status: 'idle', run: null, messages: [{ id: 'a', role: 'assistant', content: 'Whole.' }] }, 'done'],
  ['thread_busy', { status: 'running', run: { id: 'r' }, messages: [] }, 'done'],
  ['approval_open', { status: 'paused', run: null, messages: [], approvals: [APPROVAL] }, 'waiting'],
];

for (const [code, stored, shown] of ELSEWHERE) {
  test(`an answer that does not wait to be continued any more (${code}) is shown as it is stored`, async () => {
    const asked = { id: 'u', role: 'user', content: 'one' };
    const { chat } = await waitingChat({
      goOn: async () => { throw new AgentFailure({ code, status: 409 }); },
      read: async () => ({ ...ENDED, ...stored, messages: [asked, ...stored.messages] }),
      async* follow() { yield { type: 'text', id: 'a', text: 'Whole.' }; },
    });
    await chat.open({ ...ENDED, status: 'interrupted', messages: [asked] });
    await chat.goOn();
    const [{ answer }] = chat.turns;
    assert.deepEqual([answer.status, answer.failure, chat.busy], [shown, undefined, false]);
    assert.deepEqual(answer.parts.map(({ text }) => text), shown === 'done' ? ['Whole.'] : []);
  });
}

test('an answer that cannot be continued now can be continued later', async () => {
  const { chat } = await waitingChat({ goOn: async () => { throw new AgentFailure({ code: 'rate_limited', status: 429 }); } });
  await chat.open({ ...ENDED, status: 'interrupted', messages: [{ id: 'u', role: 'user', content: 'one' }] });
  await chat.goOn();
  assert.deepEqual([chat.turns[0].answer.failure.code, chat.canContinue], ['rate_limited', true]);
});

test('a new conversation in place of one that is gone says so until the next question', async () => {
  const { chat } = await waitingChat({ ask: async function* () { yield { type: 'accepted' }; } });
  chat.clear('new', { gone: true });
  assert.equal(chat.gone, true);
  await chat.send('Hello');
  assert.equal(chat.gone, false);
  chat.clear('new', { gone: true });
  await chat.open({ ...ENDED, messages: [] });
  assert.equal(chat.gone, false);
});
