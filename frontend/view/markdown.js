/**
 * Markdown of the model, whose text may be controlled by an attacker. Two barriers, each sufficient: the parser emits no
 * raw HTML and no images, and DOMPurify passes only a short list of elements.
 *
 * Not passed: images (an image URL can exfiltrate a secret), styles, classes, ids, forms, and links that are not http,
 * https or mailto, or have a user name. A link shows the host that it leads to, unless its text is its address and has
 * that host in ASCII letters: others look alike. Characters that are hidden, or reorder others, are escapes, as in all texts
 * that are not the page's own (`printable`). Quotations and lists are nested `MOST_NESTED` deep at most; what is deeper is text.
 */

import { printable } from '../printable.js';
import { ChineseMarks } from './chinese-marks.js';
import { footnoteExtensions, numbered } from './footnotes.js';
import { Lexer, Marked } from '../node_modules/marked/lib/marked.esm.js';
// The UMD build: some static servers do not know .mjs. It sets globalThis.DOMPurify.
import '../node_modules/dompurify/dist/purify.min.js';

const LINK_SCHEMES = ['http:', 'https:', 'mailto:'];
const MOST_NESTED = 8;

export const PURIFY_OPTIONS = Object.freeze({
  ALLOWED_TAGS: ['p', 'br', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'h3', 'h4', 'h5', 'h6',
    'table', 'thead', 'tbody', 'tr', 'th', 'td', 'hr', 'a', 'sup', 'var', 'samp', '#text'],
  ALLOWED_ATTR: ['href', 'start', 'align'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ADD_URI_SAFE_ATTR: ['start', 'align'], // the expression above is for addresses alone
  RETURN_DOM_FRAGMENT: true,
});

/** Formulas of TeX are their source, in elements that no other Markdown becomes: `showFormula` replaces it. Single dollars are prices. */
const FORMULA = /^(?:\\\([^]{1,1000}?\\\)|\\\[[^]{1,1000}?\\\]|\$\$[^$]{1,1000}\$\$(?!\d))/;
const FORMULA_OF_ITS_OWN = /^ {0,3}(\\\[[^]{1,1000}?\\\]|\$\$[^]{1,1000}?\$\$)[ \t]*(?:\n+|$)/;

const formulas = [
  {
    name: 'formula',
    level: 'inline',
    start: (text) => text.indexOf('$$'), // a backslash ends a text anyway
    tokenizer(text) {
      const source = FORMULA.exec(text)?.[0];
      return source && { type: 'formula', raw: source, text: source };
    },
    renderer: ({ text }) => (isOfALine(text) ? `<var>${escaped(text)}</var>` : `<samp>${escaped(text)}</samp>`),
  },
  {
    name: 'formulaOfItsOwn',
    level: 'block',
    tokenizer(text) {
      const [raw, source] = FORMULA_OF_ITS_OWN.exec(text) ?? [];
      return raw && { type: 'formulaOfItsOwn', raw, text: source };
    },
    renderer: ({ text }) => `<p><samp>${escaped(text)}</samp></p>`,
  },
];

function isOfALine(formula) {
  return formula.startsWith('\\(');
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: [...formulas, ...footnoteExtensions(escaped)],
  renderer: {
    html: ({ text }) => escaped(text),
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
    heading({ tokens, depth, level = Math.min(depth + 2, 6) }) {
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      const target = linkTarget(href);
      return target ? `<a href="${escaped(target.href)}">${text}</a>` : text;
    },
    image({ href, text }) {
      const target = linkTarget(href);
      const words = `🖼 ${escaped(text || href)}`;
      return target ? `<a href="${escaped(target.href)}">${words}</a>` : words;
    },
  },
});

/**
 * The blocks of a Markdown text (paragraphs, lists, code …): each has its source and its HTML, which is
 * **not sanitized**. A growing text changes only its last blocks.
 *
 * The page's own headings are of level 1 and 2: those of a text begin at 3 and skip no level.
 *
 * @returns {{source: string, html: () => string, code?: string, notes?: boolean}[]} `code`: the language of a block of code,
 *   perhaps empty; `notes`: whether it is the list of footnotes, which is the last block
 */
export function markdownBlocks(text) {
  const { rest, notes } = numbered(lexed(text), (tokens, visit) => marked.walkTokens(tokens, visit));
  const tokens = rest.filter(({ type }) => type !== 'space' && type !== 'def');
  return [...blocksOf(tokens, notes.map(({ name }) => name)), ...(notes.length > 0 ? [blockOfNotes(notes)] : [])];
}

function blocksOf(tokens, names) {
  const depths = [...new Set(tokens.filter(({ type }) => type === 'heading').map(({ depth }) => depth))].sort();
  return tokens.map((token) => {
    const written = token.raw.includes('[^') ? `${names.join()} ${token.raw}` : token.raw; // its numbers may change
    if (token.type !== 'heading') return { source: written, code: token.type === 'code' ? token.lang ?? '' : undefined, html: () => marked.parser([token]) };
    const level = Math.min(3 + depths.indexOf(token.depth), 6);
    return { source: `${level} ${written}`, html: () => marked.parser([{ ...token, level }]) };
  });
}

function blockOfNotes(notes) {
  const items = () => notes.map(({ tokens }) => `<li>${marked.Parser.parseInline(tokens, marked.defaults)}</li>`).join('');
  return { source: notes.map(({ raw }) => raw).join('\n'), notes: true, html: () => `<ol>${items()}</ol>` };
}

/** Bounds the nesting: the time for a text grows with the cube of its depth. */
class BoundedLexer extends Lexer {
  #depth = 0;

  blockTokens(text, tokens = [], ...more) {
    if (this.#depth === MOST_NESTED) {
      const words = text.replace(/[ \t]+/g, ' ').trim();
      tokens.push({ type: 'paragraph', raw: text, text: words, tokens: this.inline(words) });
      return tokens;
    }
    this.#depth += 1;
    super.blockTokens(text, tokens, ...more);
    this.#depth -= 1;
    return tokens;
  }
}

function lexed(text) {
  return new BoundedLexer({ ...marked.defaults, tokenizer: new ChineseMarks(marked.defaults) }).lex(text);
}

/** The block as sanitized elements. Needs a document. */
export function blockFragment(block) {
  const fragment = globalThis.DOMPurify.sanitize(block.html(), PURIFY_OPTIONS);
  showHidden(fragment); // after the parser: an entity may be such a character
  for (const link of fragment.querySelectorAll('a')) {
    const target = linkTarget(link.getAttribute('href'));
    if (!target) {
      link.replaceWith(...link.childNodes);
      continue;
    }
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
    if (!showsItsHost(link.textContent.trim(), target)) link.append(' ', isolated(`(${target.host || target.pathname})`));
  }
  return fragment;
}

/** Whether the text of a link is its address, with the host in the letters in which it is looked up. */
function showsItsHost(text, target) {
  return linkTarget(text)?.href === target.href && text.split('/')[2]?.toLowerCase() === target.host;
}

/** A text whose order does not depend on what is before it. */
function isolated(text) {
  const node = document.createElement('bdi');
  node.textContent = text;
  return node;
}

export function showHidden(fragment) {
  const texts = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = printable(texts.currentNode.data);
}

/** A Markdown text as plain text for screen readers: no marks, cells and list items separated. Raw HTML stays text. */
export function plainText(text) {
  return printable(lexed(text).map(words).filter(Boolean).join('\n'));
}

function words(token) {
  const each = (tokens, separator) => tokens.map(words).filter(Boolean).join(separator);
  switch (token.type) {
    case 'space': case 'def': case 'hr': case 'checkbox': case 'footnoteName': return '';
    case 'br': return '\n';
    case 'list': return each(token.items, '\n');
    case 'list_item': case 'blockquote': return each(token.tokens, '\n');
    case 'table': return [token.header, ...token.rows].map((cells) => cells.map((cell) => each(cell.tokens, '')).join(', ')).join('\n');
    case 'image': return token.text;
    default: return token.tokens ? each(token.tokens, '') : token.text ?? token.raw;
  }
}

/** Elements for highlighted code: the highlighter's markup is no more trusted than the model's. */
export function codeFragment(html) {
  return globalThis.DOMPurify.sanitize(html, { ALLOWED_TAGS: ['span', '#text'], ALLOWED_ATTR: ['class'], RETURN_DOM_FRAGMENT: true });
}

/** An absolute URL that a link may have. `https://bank.example@elsewhere.example` is a disguise, and none. */
export function linkTarget(href) {
  try {
    const url = new URL(href);
    if (!LINK_SCHEMES.includes(url.protocol) || url.username || url.password) return undefined;
    // A mail with a text, or with receivers that are not shown, would be the answer's, and sent by the user.
    const writesMail = url.protocol === 'mailto:' && (!url.pathname || url.search);
    return writesMail ? undefined : url;
  } catch {
    return undefined;
  }
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
