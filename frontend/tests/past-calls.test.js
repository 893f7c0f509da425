import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byDay, csv, PastCalls } from '../chat/past-calls.js';
import { Language } from '../language/language.js';
import { identityKind } from '../view/identity.js';
import { argumentsJson, decisionSentence, recordOf } from '../view/past-calls-view.js';

const call = (id, at) => ({ call_id: id, thread_id: 't', at });

test('pages are read one after the other, the newest call first, each call once', async () => {
  const pages = { '/calls': { calls: [call('a', '2026-01-01T10:00:00Z')], next: 'x y' }, '/calls?before=x%20y': { calls: [call('a', '2026-01-01T10:00:00Z'), call('b', '2026-01-02T10:00:00Z')], next: null } };
  const past = new PastCalls(async (_, path) => pages[path]);
  assert.ok(past.more);
  await past.readAll();
  assert.deepEqual(past.calls.map(({ call_id: id }) => id), ['b', 'a']);
  assert.ok(!past.more);
});

test('a table of very many calls ends, and more are left', async () => {
  let page = 0;
  const past = new PastCalls(async () => ({ calls: [call(`c${page += 1}`, '2026-01-01T10:00:00Z')], next: `${page}` }));
  await past.readAll();
  assert.deepEqual([past.calls.length, past.more], [200, true]);
});

test('calls of a day stand together', () => {
  const days = byDay([call('c', '2026-01-02T12:10:00Z'), call('b', '2026-01-02T12:00:00Z'), call('a', '2026-01-01T12:00:00Z')]);
  assert.deepEqual(days.map(({ calls }) => calls.map(({ call_id: id }) => id)), [['c', 'b'], ['a']]);
});

test('a table has no formula, and its quotation marks are doubled', () => {
  assert.equal(csv([['a"b', '=1+1'], ['-2', undefined]]), '\u{feff}"a""b","\'=1+1"\r\n"\'-2",""\r\n');
  assert.equal(csv([['＝1+1', '\n=1', 'x;=1+1;y']]), '\u{feff}"\'＝1+1","\'\n=1","x;\'=1+1;y"\r\n');
});

test('a table has all digits of an argument, and its texts as JSON', () => {
  const display = [{ name: 'note', label: 'note', text: '5' }, { name: 'to', label: 'to', text: '"\\u202e1"' }, { name: 'amount', label: 'amount', text: '12345678901234567890' }];
  const json = argumentsJson({ arguments: JSON.parse('{"note": "5", "to": "\\u202e1", "amount": 12345678901234567890}'), display });
  assert.equal(json, '{"note":"5","to":"\\u202e1","amount":12345678901234567890}');
});

test('a decision says by whom it was made, and whether it changed the call', () => {
  const language = new Language('en');
  const at = '2026-01-02T12:10:00Z';
  assert.match(decisionSentence(language, { decision: 'approved', at, approvers: null, changed: true }), /^Approved by you, .+, with changed arguments\.$/);
  assert.match(decisionSentence(language, { decision: 'declined', at, approvers: 'finance', changed: false }), /^Declined by another person of “finance”, /);
  assert.match(decisionSentence(language, { decision: 'withdrawn', at, approvers: null, changed: false }), /^Approved by you, /);
  assert.match(decisionSentence(language, { decision: 'withdrawn', at, approvers: 'finance', changed: false }), /^Approved by another person of “finance”, /);
  assert.equal(decisionSentence(language, { decision: 'withdrawn', at: null, approvers: null, changed: false }), 'Withdrawn before a decision.');
  assert.equal(decisionSentence(language, { decision: 'expired', at: null, approvers: 'finance', changed: false }), 'Not decided in time.');
});

test('a call that an approval for more calls covered says which, and that nobody was asked', () => {
  const grant = { id: 'g', given_at: '2026-01-02T12:10:00Z', ends_at: '2026-01-02T13:10:00Z' };
  const words = decisionSentence(new Language('en'), { decision: 'approved', at: '2026-01-02T12:30:00Z', approvers: null, changed: false, grant });
  assert.match(words, /^Not asked: covered by your approval for more calls of .+, until .+\.$/);
  assert.doesNotMatch(words, /Approved by you/);
});

test('a call about which a question is open was not made, and only a result says that no identity was needed', () => {
  const call = { access_identity: 'Human', credential_kind: 'access_token', outcome: 'unknown', decisions: [{ decision: 'expired' }, { decision: 'open' }] };
  assert.deepEqual(recordOf(call), { accessIdentity: 'Human', credentialKind: 'access_token', outcome: 'waiting' });
  const unasked = { ...call, access_identity: null, credential_kind: null, decisions: [] };
  assert.deepEqual(recordOf(unasked), { accessIdentity: undefined, credentialKind: undefined, outcome: 'unknown' });
  assert.equal(identityKind(recordOf(unasked)), 'unknown');
  assert.equal(identityKind(recordOf({ ...unasked, outcome: 'ok' })), 'none');
});
