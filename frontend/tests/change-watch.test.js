import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeWatch } from '../chat/change-watch.js';

const listed = (more) => ({ id: 't', updated_at: '1', status: 'idle', pending_approvals: 0, ...more });

/** A watch on the thread `t`, which was read at `1`. `list` is what the agent lists next; `opened` counts. */
function watched() {
  const chat = { thread: 't', busy: false, stopping: false, editing: false, approvals: [] };
  const conversations = Object.assign(new EventTarget(), { shown: [], search: '' });
  const opened = [];
  const watch = new ChangeWatch(chat, conversations, (id) => opened.push(id));
  watch.seen(listed());
  const list = (...shown) => {
    conversations.shown = shown;
    conversations.dispatchEvent(new Event('change'));
    return opened.length;
  };
  return { chat, conversations, watch, list };
}

test('a conversation that another device has changed is read again, once', () => {
  const { list } = watched();
  assert.equal(list(listed()), 0);
  assert.equal(list(listed({ updated_at: '2' })), 1);
  assert.equal(list(listed({ updated_at: '2' })), 1);
});

test('a change of this tab is no news', () => {
  const { chat, watch, list } = watched();
  chat.busy = true;
  assert.equal(list(listed({ updated_at: '2', status: 'running' })), 0);
  chat.busy = false;
  watch.changedHere();
  assert.equal(list(listed({ updated_at: '3' })), 0);
  assert.equal(list(listed({ updated_at: '4' })), 1);
});

test('a run or an approval that this tab does not show is news, also if another device began it', () => {
  for (const state of [{ status: 'running' }, { status: 'paused', pending_approvals: 1 }]) {
    const { watch, list } = watched();
    watch.changedHere();
    assert.equal(list(listed({ updated_at: '2', ...state })), 1);
  }
});

test('an approval that was answered elsewhere is news', () => {
  const { chat, list } = watched();
  chat.approvals = [{ id: 'a' }];
  assert.equal(list(listed()), 1);
});

test('nothing is read again while the user edits, or a run is being stopped', () => {
  for (const state of ['editing', 'stopping']) {
    const { chat, list } = watched();
    chat[state] = true;
    assert.equal(list(listed({ updated_at: '2', status: 'running' })), 0);
  }
});

test('a conversation that is missing from the list is read once, and at each change while a search may hide it', () => {
  const { list } = watched();
  assert.equal(list(), 1); // deleted
  assert.equal(list(), 1);
  const searching = watched();
  searching.conversations.search = 'x';
  assert.equal(searching.list(), 1);
  assert.equal(searching.list(), 2);
});
