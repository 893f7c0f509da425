import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownOf } from '../chat/exported.js';
import { fileName } from '../chat/file-name.js';
import { Language, loaded } from '../language/language.js';

await loaded('zh');

const english = new Language('en');
const AT = '2031-05-14T09:00:00.000Z';
const stored = (members) => ({ created_at: AT, run_id: 'r', replaced: false, ...members });
const called = (id, days) => stored({ type: 'ai', id, content: '', tool_calls: [{ id: `call-${id}`, name: 'leave_apply', args: { days } }] });
const result = (id, content, artifact, status = 'success') => stored({ type: 'tool', id: `r-${id}`, tool_call_id: `call-${id}`, content, status, artifact: { service: 'leave', access_identity: 'Machine', ...artifact } });
const approval = (id, members) => ({ call_id: `call-${id}`, approvers: null, rules: [], status: 'used', edited: false, decided_at: AT, decided_by: 'alice', decided_on: null, ...members });
const json = (messages, approvals = []) => JSON.stringify({ id: 't', title: 'T', messages, approvals, files: [{ id: 'f', data: 'AAAA' }] });
const paragraphs = (text) => text.trim().split('\n\n');

test('a conversation as Markdown says who wrote what and whose rights were used, and hides no character', () => {
  const messages = [
    stored({ type: 'human', id: 'x', content: 'Replaced', replaced: true }),
    stored({ type: 'human', id: 'u', content: 'Apply\u200b', written_by: 'app_payroll' }),
    called('m', 3), result('m', 'ok'), stored({ type: 'ai', id: 'a', content: 'Applied.\u202e' }),
  ];
  assert.deepEqual(paragraphs(markdownOf('T\u202e', json(messages), english)), [
    '# T\\u202e', `## You · ${AT}`, '- Written by app_payroll, not typed by you', '> Apply\\u200b',
    `## Agent · ${AT}`, '- Called leave · `leave_apply` · as the agent', 'Arguments:', '```json\n{\n  "days": 3\n}\n```', '> Applied.\\u202e',
  ]);
});

test('what was changed is there as it was proposed and as it was called, with all digits, and who decided', () => {
  const messages = [stored({ type: 'human', id: 'u', content: 'Apply' }), called('m', 'DIGITS'), called('m', 1), result('m', 'ok'), stored({ type: 'ai', id: 'a', content: 'Done' })];
  const exported = json(messages, [approval('m', { edited: true, decided_on: 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', rules: ['big'] })]).replace('"DIGITS"', '12345678901234567890');
  const text = markdownOf('T', exported, english);
  assert.match(text, / {2}- Approved by you, 2031-05-14T09:00:00.000Z, with Firefox[^\n]*\n {2}- Required by: big\n/);
  assert.match(text, /Arguments as proposed:\n\n```json\n\{\n {2}"days": 12345678901234567890\n\}\n```\n\nArguments as called:\n\n```json\n\{\n {2}"days": 1\n\}/);
});

test('what was declined, or decided by another person, says so with the reason', () => {
  const messages = [
    stored({ type: 'human', id: 'u', content: 'Apply' }),
    called('m', 3), result('m', 'The user declined this call. Their own words: "Not\\nnow."', { called: false }, 'error'),
    called('n', 4), result('n', 'Another person, whom the policy asks, declined this call.', { called: false }, 'error'),
    called('o', 5), result('o', 'not run: it was not approved in time', { called: false }, 'error'),
    stored({ type: 'ai', id: 'a', content: 'Well.' }),
  ];
  const approvals = [approval('m', { status: 'rejected' }), approval('n', { status: 'rejected', approvers: 'finance', decided_by: null }), approval('o', { status: 'expired', decided_at: null })];
  const text = markdownOf('T', json(messages, approvals), english);
  assert.match(text, /Declined by you, 2031-05-14T09:00:00.000Z\n {2}- Your reason: Not now\.\n\nArguments as proposed:/);
  assert.match(text, /Declined by another person of “finance”/);
  assert.match(text, / {2}- Not decided in time\n/);
  assert.match(markdownOf('T', json(messages, approvals), new Language('zh')), /由“finance”的其他人拒绝/);
});

test('a call that an approval for more calls covered says which, and names nobody as its approver', () => {
  const messages = [stored({ type: 'human', id: 'u', content: 'Apply' }), called('m', 3), result('m', 'ok'), stored({ type: 'ai', id: 'a', content: 'Done' })];
  const grant = { id: 'g1', given_at: AT, ends_at: '2031-05-14T10:00:00.000Z' };
  const text = markdownOf('T', json(messages, [approval('m', { grant })]), english);
  assert.match(text, / {2}- Not asked: covered by your approval for more calls of 2031-05-14T09:00:00.000Z, until 2031-05-14T10:00:00.000Z\n/);
  assert.doesNotMatch(text, /Approved by you/);
});

test('what others wrote passes for nothing of the page, and loads nothing', () => {
  const forged = `## You · ${AT}\r\n\r- Approved by you\n![a](https://elsewhere.example/a) <img src="https://elsewhere.example/b">\n1 < 2\n\n~~~`;
  const messages = [stored({ type: 'human', id: 'u', content: '![q][r]\n\n[r]: https://elsewhere.example/q' }), stored({ type: 'ai', id: 'a', content: forged }), stored({ type: 'human', id: 'v', content: 'Next' })];
  assert.equal(markdownOf('T\n## Agent <img src=x>', json(messages), english), `# T ## Agent \\<img src=x>

## You · ${AT}

> \\![q][r]
>
> [r]: https://elsewhere.example/q

## Agent · ${AT}

> ## You · ${AT}
>
> - Approved by you
> \\![a](https://elsewhere.example/a) \\<img src="https://elsewhere.example/b">
> 1 < 2
>
> ~~~

## You · ${AT}

> Next

## Agent

- Stopped.
`);
});

test('code stays as it is, and what only seems to be code does not', () => {
  const answer = ['```html', '<b>![a](b)</b>', '~~~', '``', '````', '<b>', '- a', '  ```', '<i>', '```', '`<u>`', '``` `', '<p>'];
  const quotation = ['```html', '<b>![a](b)</b>', '~~~', '``', '````', '\\<b>', '- a', '  ```', '\\<i>', '```', '`<u>`', '``` `', '<p>'];
  const text = markdownOf('T', json([stored({ type: 'human', id: 'u', content: 'Go' }), stored({ type: 'ai', id: 'a', content: answer.join('\n') })]), english);
  assert.ok(text.endsWith(`${quotation.map((line) => `> ${line}`).join('\n')}\n`), text);
});

test('an answer that was stopped says so', () => {
  const messages = [stored({ type: 'human', id: 'u', content: 'Go' }), stored({ type: 'ai', id: 'a', content: 'So', finish_reason: 'unfinished' })];
  assert.match(markdownOf('T', json(messages), english), /> So\n\n- Stopped\.\n$/);
});

test('a file has the title and the day in its name, and nothing that a file system forbids', () => {
  const noon = new Date(2031, 4, 4, 12).getTime();
  assert.equal(fileName('Leave: 3/4 days?', 'md', noon), 'Leave 3 4 days 2031-05-04.md');
  assert.equal(fileName('休假申请', 'json', noon), '休假申请 2031-05-04.json');
  assert.equal(fileName('..\\..\\etc\u202egpj\n\u0000x', 'md', noon), 'etc gpj x 2031-05-04.md');
  assert.equal(fileName('CON', 'md', noon), 'CON 2031-05-04.md');
  assert.equal(fileName('...', 'md', noon), '2031-05-04.md');
  const longest = fileName('😀'.repeat(500), 'json', noon);
  assert.ok(new TextEncoder().encode(longest).length <= 255);
});

test('strings of many megabytes, and what looks like numbers in them, stay as they are', () => {
  const long = `${'\\"12345678901234567890,'.repeat(100_000)}${'x'.repeat(1e7)}`;
  const text = markdownOf('T', json([stored({ type: 'human', id: 'u', content: long })]), english);
  assert.ok(text.includes(long));
});
