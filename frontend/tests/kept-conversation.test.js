import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDBFactory } from 'fake-indexeddb';
import { addEvent, newTurn } from '../chat/conversation.js';
import { ConversationDatabase } from '../chat/conversation-database.js';
import { KeptConversation } from '../chat/kept-conversation.js';
import { MemoryStorage } from './memory-storage.js';

const ALICE = '["https://idaas.example.com","user_alice01"]';
const BOB = '["https://idaas.example.com","user_bob01"]';

function turnOf(question) {
  const turn = newTurn(question);
  addEvent(turn.answer, { type: 'text', text: `answer to ${question}` });
  return turn;
}

const questions = (turns) => turns.map(({ question }) => question);

/** A tab of the browser with this IndexedDB. */
function tabOf(browser) {
  return new KeptConversation(new MemoryStorage(), new ConversationDatabase(browser));
}

test('a conversation is restored for its user, and removed for any other', async () => {
  const storage = new MemoryStorage();
  const kept = new KeptConversation(storage);
  await kept.keep(ALICE, [turnOf('q')]);
  const [restored] = await kept.restore(ALICE);
  assert.equal(restored.question, 'q');
  assert.equal(restored.answer.status, 'stopped');
  assert.deepEqual(await kept.restore(BOB), []);
  assert.equal(storage.size, 0);
});

test('an unreadable conversation is removed', async () => {
  for (const broken of ['{', 'null', JSON.stringify({ person: ALICE, turns: [1] }), JSON.stringify({ person: ALICE, turns: 3 })]) {
    const storage = new MemoryStorage();
    storage.setItem('idaas-agent.api.messages', broken);
    assert.deepEqual(await new KeptConversation(storage).restore(ALICE), []);
    assert.equal(storage.size, 0);
  }
});

test('nothing is stored for an unknown user, or in memory mode', async () => {
  const storage = new MemoryStorage();
  await new KeptConversation(storage).keep(undefined, [turnOf('q')]);
  assert.equal(storage.size, 0);
  const memory = new KeptConversation(undefined);
  await memory.keep(ALICE, [turnOf('q')]);
  assert.deepEqual(await memory.restore(ALICE), []);
});

test('with a database a later tab continues the conversation, each user with their own', async () => {
  const browser = new IDBFactory();
  await tabOf(browser).keep(ALICE, [turnOf('of alice')]);
  await tabOf(browser).keep(BOB, [turnOf('of bob')]);
  assert.deepEqual(questions(await tabOf(browser).restore(ALICE)), ['of alice']);
  assert.deepEqual(questions(await tabOf(browser).restore(BOB)), ['of bob']);
});

test('the copy of this tab has priority over that of another tab, even an empty one', async () => {
  const browser = new IDBFactory();
  const [first, second] = [tabOf(browser), tabOf(browser)];
  await first.keep(ALICE, []);
  await second.keep(ALICE, [turnOf('elsewhere')]);
  assert.deepEqual(await first.restore(ALICE), []);
});

test('the last of several fast writes is the one that is restored', async () => {
  const browser = new IDBFactory();
  const tab = tabOf(browser);
  const turns = [];
  await Promise.all(Array.from({ length: 20 }, (_, index) => {
    turns.push(turnOf(`q${index}`));
    return tab.keep(ALICE, [...turns]);
  }));
  assert.equal((await tabOf(browser).restore(ALICE)).length, 20);
});

test('sign-out removes the conversation of the user from tab and database, and no other', async () => {
  const browser = new IDBFactory();
  const tab = tabOf(browser);
  await tab.keep(ALICE, [turnOf('of alice')]);
  await tabOf(browser).keep(BOB, [turnOf('of bob')]);
  await tab.forget(ALICE);
  assert.deepEqual(await tabOf(browser).restore(ALICE), []);
  assert.deepEqual(await tab.restore(ALICE), []);
  assert.deepEqual(questions(await tabOf(browser).restore(BOB)), ['of bob']);
});

test('a browser that refuses storage does not affect the conversation itself', async () => {
  const refuses = { open() { throw new DOMException('no', 'SecurityError'); } };
  const storage = { setItem() { throw new DOMException('full', 'QuotaExceededError'); }, getItem: () => null, removeItem() {} };
  const kept = new KeptConversation(storage, new ConversationDatabase(refuses));
  await kept.keep(ALICE, [turnOf('q')]);
  assert.deepEqual(await kept.restore(ALICE), []);
  await kept.forget(ALICE);
});
