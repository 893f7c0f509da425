/**
 * Markdown of the model, whose text may be controlled by an attacker. Two barriers, each sufficient: the parser emits no
 * raw HTML and no images, and DOMPurify passes only a short list of elements.
 *
 * Not passed: images (an image URL can exfiltrate a secret), styles, classes, ids, forms, and links that are not http,
 * https or mailto, or have a user name. A link whose text is not its address shows the host that it leads to.
 */

import { Marked } from '../node_modules/marked/lib/marked.esm.js';
// The UMD build: some static servers do not know .mjs. It sets globalThis.DOMPurify.
import '../node_modules/dompurify/dist/purify.min.js';

const LINK_SCHEMES = ['http:', 'https:', 'mailto:'];

export const PURIFY_OPTIONS = Object.freeze({
  ALLOWED_TAGS: ['p', 'br', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'h3', 'h4', 'h5', 'h6',
    'table', 'thead', 'tbody', 'tr', 'th', 'td', 'hr', 'a', '#text'],
  ALLOWED_ATTR: ['href', 'start', 'align'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  RETURN_DOM_FRAGMENT: true,
});

const marked = new Marked({
  gfm: true,
  breaks: true,
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
 * @returns {{source: string, html: () => string, code?: string}[]} `code`: the language of a block of code, perhaps empty
 */
export function markdownBlocks(text) {
  const tokens = marked.lexer(text).filter(({ type }) => type !== 'space' && type !== 'def');
  const depths = [...new Set(tokens.filter(({ type }) => type === 'heading').map(({ depth }) => depth))].sort();
  return tokens.map((token) => {
    if (token.type !== 'heading') return { source: token.raw, code: token.type === 'code' ? token.lang ?? '' : undefined, html: () => marked.parser([token]) };
    const level = Math.min(3 + depths.indexOf(token.depth), 6);
    return { source: `${level} ${token.raw}`, html: () => marked.parser([{ ...token, level }]) };
  });
}

/** The block as sanitized elements. Needs a document. */
export function blockFragment(block) {
  const fragment = globalThis.DOMPurify.sanitize(block.html(), PURIFY_OPTIONS);
  for (const link of fragment.querySelectorAll('a')) {
    const target = linkTarget(link.getAttribute('href'));
    if (!target) {
      link.replaceWith(...link.childNodes);
      continue;
    }
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
    const destination = target.host || target.pathname;
    if (linkTarget(link.textContent.trim())?.href !== target.href) link.append(` (${destination})`);
  }
  return fragment;
}

/** A Markdown text as plain text for screen readers: no marks, cells and list items separated. Raw HTML stays text. */
export function plainText(text) {
  return marked.lexer(text).map(words).filter(Boolean).join('\n');
}

function words(token) {
  const each = (tokens, separator) => tokens.map(words).filter(Boolean).join(separator);
  switch (token.type) {
    case 'space': case 'def': case 'hr': case 'checkbox': return '';
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
    return LINK_SCHEMES.includes(url.protocol) && !url.username && !url.password ? url : undefined;
  } catch {
    return undefined;
  }
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
