/**
 * Footnotes of Markdown: `[^name]` in a text, and `[^name]: what it says` at the beginning of a line. They are numbered in the
 * order in which the text names them, and follow it as a list. A name without a note stays as it was written, and so does
 * a note that nothing names.
 */

const NAME = /^\[\^([^\][\s^]{1,64})\]/;
const NOTE = /^ {0,3}\[\^([^\][\s^]{1,64})\]:[ \t]*([^\n]*(?:\n(?! {0,3}\[\^)(?![ \t]*(?:\n|$))[^\n]+)*)(?:\n+|$)/;
const NOTE_BEGINS = /(?:^|\n) {0,3}\[\^[^\][\s^]{1,64}\]:/;

/** @param {(text: string) => string} escaped makes a text of HTML */
export function footnoteExtensions(escaped) {
  return [
    {
      name: 'footnote',
      level: 'block',
      start: (text) => {
        const begins = text.match(NOTE_BEGINS);
        return begins ? begins.index : undefined;
      },
      tokenizer(text) {
        const [raw, name, words] = NOTE.exec(text) ?? [];
        if (raw === undefined) return undefined;
        const token = { type: 'footnote', raw, name, text: words, tokens: [] };
        this.lexer.inline(words, token.tokens);
        return token;
      },
      renderer({ name, tokens }) {
        return `<p>${escaped(`[^${name}]: `)}${this.parser.parseInline(tokens)}</p>`;
      },
    },
    {
      name: 'footnoteName',
      level: 'inline',
      start: (text) => {
        const at = text.indexOf('[^');
        return at < 0 ? undefined : at;
      },
      tokenizer(text) {
        const [raw, name] = NAME.exec(text) ?? [];
        return raw === undefined ? undefined : { type: 'footnoteName', raw, name, text: raw };
      },
      renderer: ({ text, number }) => (number === undefined ? escaped(text) : `<sup>${number}</sup>`),
    },
  ];
}

/**
 * Numbers the names in `tokens`, and takes out the notes that are named: those, by their numbers.
 *
 * @param {object[]} tokens the blocks of a text; names in them get a `number`
 * @param {(tokens: object[], visit: (token: object) => void) => void} walk visits each token, also of other tokens
 * @returns {{rest: object[], notes: object[]}}
 */
export function numbered(tokens, walk) {
  const written = new Map();
  for (const token of tokens) if (token.type === 'footnote' && !written.has(token.name)) written.set(token.name, token);
  if (written.size === 0) return { rest: tokens, notes: [] };
  const notes = [];
  walk(tokens, (token) => {
    if (token.type !== 'footnoteName' || !written.has(token.name)) return;
    const note = written.get(token.name);
    if (!notes.includes(note)) notes.push(note);
    token.number = notes.indexOf(note) + 1;
  });
  return { rest: tokens.filter((token) => !notes.includes(token)), notes };
}
