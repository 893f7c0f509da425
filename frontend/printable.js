/**
 * Untrusted text, made safe to show: it cannot show characters in another order than they have, and a reader sees each of
 * them. The agent has the same list (`identity/printable.py`).
 */

// C0 but newline and tab, DEL, C1; the overrides, embeddings and isolates of bidirectional text; lone surrogates.
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;

/** `text` with each unsafe character replaced by U+FFFD. */
export function printable(text) {
  return text.replace(UNSAFE, '\ufffd');
}

/**
 * JSON, indented, with all digits of its numbers, which `JSON.parse` would round, and with unsafe characters escaped.
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
  return text.replace(UNSAFE, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
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
