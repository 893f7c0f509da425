/** Untrusted text, folded, never shown as markup. Long texts scroll, also with the keyboard. */

import { element } from './element.js';
import { icon } from './icon.js';
import { printable } from '../printable.js';

export class FoldedText {
  constructor(title) {
    this.text = element('pre', { tabindex: 0 });
    this.element = element('details', { class: 'folded', hidden: true }, element('summary', {}, icon('chevron'), title), this.text);
  }

  /** @param {string | undefined} text `undefined` shows nothing */
  update(text) {
    this.element.hidden = text === undefined;
    if (text === undefined) return;
    const shown = printable(text);
    if (this.text.textContent !== shown) this.text.textContent = shown;
  }
}
