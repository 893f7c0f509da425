import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { indentedJson, printable } from '../printable.js';

const TABLE = JSON.parse(readFileSync(new URL('printable.json', import.meta.url), 'utf8'));

/** The characters of ranges of the table. */
function* characters(ranges) {
  for (const [first, last] of ranges) {
    for (let code = parseInt(first, 16); code <= parseInt(last, 16); code += 1) yield String.fromCodePoint(code);
  }
}

test('hidden characters of the table are shown as escapes', () => {
  for (const character of characters(TABLE.hidden)) {
    const shown = printable(`a${character}b`);
    assert.match(shown, /^[\x20-\x7e]+$/);
    assert.equal(JSON.parse(`"${shown}"`), `a${character}b`);
  }
});

test('visible characters of the table are shown as they are', () => {
  for (const character of characters(TABLE.shown)) assert.equal(printable(`a${character}b`), `a${character}b`);
});

test('texts of the table are shown as it says', () => {
  for (const [text, shown] of TABLE.texts) assert.equal(printable(text), shown);
});

test('every character that Unicode ignores by default is shown as an escape', () => {
  for (let code = 0; code <= 0x10ffff; code += 1) {
    const character = String.fromCodePoint(code);
    if (/\p{Default_Ignorable_Code_Point}/u.test(character)) assert.notEqual(printable(character), character);
  }
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
