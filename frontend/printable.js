/**
 * Untrusted text, made safe to show: a reader sees each of its characters, in the order that they have. The agent has the
 * same function (`identity/printable.py`); `tests/printable.json` holds both to one table.
 */

// UTS #51: what selects a variant of an emoji, and joins emojis, is not shown as an escape.
const EMOJI = '[\\u00a9\\u00ae\\u203c\\u2049\\u2122\\u2139\\u2190-\\u21ff\\u2300-\\u23ff\\u24c2\\u25a0-\\u27bf\\u2900-\\u297f\\u2b00-\\u2bff\\u3030\\u303d\\u3297\\u3299\\u{1f000}-\\u{1faff}]';
const VARIANT = `${EMOJI}[\\u{1f3fb}-\\u{1f3ff}]?[\\ufe0e\\ufe0f]?`;
const JOINTS = /[\ufe0e\ufe0f\u200d]/gu;
// What a reader does not see, or what changes how others are shown: by category and by Unicode, and blank letters.
const HIDDEN = '(?![\\n\\t])[\\p{C}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}\\u2800\\u2d7f\\ufffc\\u{1107f}\\u{13441}\\u{13442}\\u{16fe4}\\u{1d159}]';
const EACH_HIDDEN = new RegExp(HIDDEN, 'gu');
const REMARKABLE = new RegExp(`${VARIANT}(?:\\u200d${VARIANT})*|[0-9#*]\\ufe0f\\u20e3|${HIDDEN}`, 'gu');
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;

/**
 * `text`, with an escape in place of each character that a reader would not see, or that changes how others are shown: as in
 * JSON, `\u202e`, and two for a character beyond U+FFFF. `identity/printable.py` says which.
 *
 * @param {string} text
 */
export function printable(text) {
  return text.replace(REMARKABLE, (part) => {
    const seen = part.length > 1 ? part.replace(JOINTS, '') : part;
    return seen.search(EACH_HIDDEN) < 0 ? part : part.replace(EACH_HIDDEN, escaped);
  });
}

const escaped = (character) => character.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

/**
 * JSON, indented, with all digits of its numbers, which `JSON.parse` would round, and as `printable` shows it.
 *
 * @param {string} json
 * @returns {string | undefined} `undefined` if `json` is none
 */
export function indentedJson(json) {
  if (!isJson(json)) return undefined;
  let text = '', depth = 0, before = '';
  for (const token of json.match(TOKENS)) {
    if (token === '}' || token === ']') depth -= 1;
    const empty = (before === '{' && token === '}') || (before === '[' && token === ']');
    const begins = ['{', '[', ','].includes(before) || token === '}' || token === ']';
    if (begins && !empty) text += `\n${'  '.repeat(depth)}`;
    text += token === ':' ? ': ' : token;
    if (token === '{' || token === '[') depth += 1;
    before = token;
  }
  return printable(text);
}

/** @param {string} text */
export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
