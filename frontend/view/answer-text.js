/** A text part of an answer, which grows while it streams. Unchanged blocks keep their elements. */

import { copyButton } from './copy-button.js';
import { element } from './element.js';
import { highlight } from './highlight.js';
import { blockFragment, markdownBlocks } from './markdown.js';

export class AnswerText {
  #shown = '';
  #blocks = [];

  constructor(language) {
    this.language = language;
    this.element = element('div', { class: 'prose' });
  }

  update({ text }) {
    if (text === this.#shown) return;
    this.#shown = text;
    const blocks = markdownBlocks(text);
    blocks.forEach((block, index) => {
      const shown = this.#blocks[index];
      if (shown?.source === block.source) return;
      const next = { source: block.source, element: this.#blockElement(block) };
      if (shown) shown.element.replaceWith(next.element);
      else this.element.append(next.element);
      this.#blocks[index] = next;
    });
    for (const { element: left } of this.#blocks.splice(blocks.length)) left.remove();
  }

  #blockElement(block) {
    const container = element('div', { class: 'block' }, blockFragment(block));
    for (const code of container.querySelectorAll('pre')) {
      if (block.code) highlight(code.querySelector('code') ?? code, block.code.split(/\s/)[0]);
      const copy = copyButton(this.language, 'chat.copy_code', () => code.textContent);
      code.tabIndex = 0; // so that the keyboard can scroll it
      const frame = element('div', { class: 'code' });
      code.replaceWith(frame);
      frame.append(code, copy);
    }
    for (const place of container.querySelectorAll('sup')) place.replaceChildren(this.#noteButton(place.textContent));
    if (block.notes) this.#nameNotes(container);
    showFormulas(container.querySelectorAll('var, samp'));
    for (const table of container.querySelectorAll('table')) {
      const frame = element('div', { 'class': 'table', 'tabindex': 0, 'role': 'region', 'aria-label': this.language.text('chat.table') });
      table.replaceWith(frame);
      frame.append(table);
    }
    return container;
  }

  /** Leads to a footnote. */
  #noteButton(number) {
    return element('button', { 'type': 'button', 'aria-label': this.language.text('chat.footnote', { number }), 'onclick': () => {
      this.#blocks.at(-1).element.querySelectorAll('li')[number - 1]?.focus();
    } }, number);
  }

  #nameNotes(container) {
    container.classList.add('notes');
    container.querySelector('ol').setAttribute('aria-label', this.language.text('chat.footnotes'));
    for (const note of container.querySelectorAll('li')) note.tabIndex = -1;
  }
}

/** Their module is loaded with the first one. Without it, formulas are their sources. */
async function showFormulas(places) {
  if (places.length === 0) return;
  const { showFormula } = await import('./formula.js').catch(() => ({}));
  if (showFormula) for (const place of places) showFormula(place);
}
