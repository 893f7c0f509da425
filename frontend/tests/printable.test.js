import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indentedJson, printable } from '../printable.js';

test('a text shows no character that reverses others, and no half of one', () => {
  assert.equal(printable('\u202eevil\u202c \u2066x\u2069 \x1b[2J \ud83d'), '\ufffdevil\ufffd \ufffdx\ufffd \ufffd[2J \ufffd');
  for (const text of ['two\n\tlines', '中文', '\ud83d\ude00', 'שלום']) assert.equal(printable(text), text);
});

test('JSON is indented with all digits, and unsafe characters are escaped', () => {
  const json = '{"amount": 12345678901234567890,"of":[1.10,{}, [], {"a":null}],"to":"\u202eevil, {\\"x\\": [1]}"}';
  const shown = indentedJson(json);
  assert.deepEqual(JSON.parse(shown), JSON.parse(json));
  assert.equal(shown, [
    '{', '  "amount": 12345678901234567890,', '  "of": [', '    1.10,', '    {},', '    [],', '    {', '      "a": null', '    }', '  ],',
    '  "to": "\\u202eevil, {\\"x\\": [1]}"', '}',
  ].join('\n'));
  assert.equal(indentedJson('3'), '3');
  assert.equal(indentedJson('{"a":'), undefined);
});
