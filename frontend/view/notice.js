/** Above the composer: what an action has changed, and its undo. It stays until the next question. */

import { element } from './element.js';

export class Notice {
  #shown = '';

  /** @param {{cancel: () => void, undo: () => void}} actions */
  constructor(language, actions) {
    this.language = language;
    this.actions = actions;
    this.element = element('div', { class: 'card notice', role: 'status' });
    this.element.hidden = true;
  }

  /** @param {import('../chat/chat.js').Chat} chat */
  update({ editing, undoable, busy }) {
    const kind = editing && !busy ? 'editing' : undoable && `undo_${undoable.by}`;
    if (kind === this.#shown) return;
    this.#shown = kind;
    this.element.hidden = !kind;
    if (!kind) return;
    const [label, onclick] = kind === 'editing' ? ['chat.cancel', this.actions.cancel] : ['chat.undo', this.actions.undo];
    this.element.replaceChildren(element('span', {}, this.language.text(`chat.${kind}`)),
      element('button', { type: 'button', class: 'quiet', onclick }, this.language.text(label)));
  }
}
