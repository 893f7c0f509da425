import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TabMemory } from '../chat/tab-memory.js';
import { MemoryStorage } from './memory-storage.js';

test('what a tab keeps for a user is given to nobody else, and nothing is kept for an unknown one', () => {
  const memory = new TabMemory(new MemoryStorage(), 'k');
  memory.keep(undefined, 'x');
  assert.equal(memory.of(undefined), undefined);
  memory.keep('alice', { t: 'draft' });
  assert.deepEqual([memory.of('alice'), memory.of('bob'), memory.of(undefined)], [{ t: 'draft' }, undefined, undefined]);
  memory.forget();
  assert.equal(memory.of('alice'), undefined);
});

test('what is over the quota of the browser leaves what was kept before', () => {
  const storage = new MemoryStorage();
  const memory = new TabMemory(storage, 'k');
  memory.keep('alice', 1);
  storage.setItem = () => { throw new Error('quota'); };
  memory.keep('alice', 2);
  assert.equal(memory.of('alice'), 1);
});
