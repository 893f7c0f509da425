import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownOf } from '../chat/exported.js';
import { Language } from '../language/language.js';

const english = new Language('en');
const PAGES = [
  { messages: [{ id: 'a', role: 'assistant', content: 'Applied.\u202e' }], next: 1 },
  {
    messages: [
      { id: 'u', role: 'user', content: 'Apply\u200b', metadata: { 'idaas-agent': { written_by: 'app_payroll' } } },
      { id: 'm', role: 'assistant', toolCalls: [{ id: 'c', function: { name: 'leave_apply', arguments: '{}' } }] },
      { id: 'r', role: 'tool', toolCallId: 'c', content: 'ok', metadata: { 'idaas-agent': { ok: true, service: 'leave', access_identity: 'Machine' } } },
    ],
    next: null,
  },
];

test('a conversation as Markdown says who wrote what and whose rights were used, and hides no character', async () => {
  const pages = [...PAGES];
  const text = await markdownOf('T\u202e', async () => pages.shift(), (key, values) => english.text(key, values));
  assert.deepEqual(text.trim().split('\n\n').map((line) => line.replace(/^(## You) · .*/, '$1')), [
    '# T\\u202e', '## You', '> Written by app_payroll, not typed by you', 'Apply\\u200b',
    '## Agent', '> Called leave · `leave_apply` · as the agent', 'Applied.\\u202e',
  ]);
});
