/**
 * Marks of Markdown beside Chinese, Japanese and Korean text, which has no spaces around them.
 *
 * CommonMark decides by spaces and punctuation where emphasis begins and ends, so that `**重要。**后面` has none. Here a mark
 * also ends emphasis before such a character, and begins it after one, whatever is within; and an address ends at a mark of
 * punctuation that no address has unescaped.
 */

import { Tokenizer } from '../node_modules/marked/lib/marked.esm.js';

/** Also the marks of punctuation of these scripts, in their full width. */
const LETTER = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Bopomofo}';
const MARK = '\\u2014\\u2018\\u2019\\u201c\\u201d\\u2026\\u3000-\\u303f\\uff01-\\uff0f\\uff1a-\\uff20\\uff3b-\\uff40\\uff5b-\\uff65';
const AFTER_LETTER = new RegExp(`[${LETTER}]$`, 'u');
const BEFORE_END = new RegExp(`(?![*~])[\\p{P}\\p{S}](?=(?:\\*+|~~?)[${LETTER}])`, 'gu');
const END_OF_ADDRESS = new RegExp(`[${MARK}]`, 'u');

export class ChineseMarks extends Tokenizer {
  #masked;
  #relaxed;

  emStrong(text, masked, before) {
    const own = text.startsWith('*');
    return super.emStrong(text, own ? this.#ending(masked) : masked, own ? beginning(before) : before);
  }

  del(text, masked, before) {
    return super.del(text, this.#ending(masked), beginning(before));
  }

  url(text) {
    const end = text.search(END_OF_ADDRESS);
    return super.url(end < 0 ? text : text.slice(0, end));
  }

  /** `masked` is only read for where emphasis ends: a letter in place of the punctuation before such a mark lets it end there. */
  #ending(masked) {
    if (masked !== this.#masked) {
      this.#masked = masked;
      this.#relaxed = masked.replace(BEFORE_END, (mark) => 'a'.repeat(mark.length));
    }
    return this.#relaxed;
  }
}

/** The character before a mark that may begin emphasis, as a space after which any may. */
function beginning(before) {
  return AFTER_LETTER.test(before ?? '') ? ' ' : before;
}
