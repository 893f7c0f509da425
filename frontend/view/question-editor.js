/** A question that is edited where it stands, with what its editing means. Enter sends, Esc cancels. */

import { element } from './element.js';

export class QuestionEditor {
  /**
   * @param {string} words what the field begins with
   * @param {string} note what sending replaces, and what it does not undo
   * @param {{send: (words: string) => void, cancel: () => void}} actions
   */
  constructor(language, words, note, actions) {
    this.actions = actions;
    this.input = element('textarea', { 'rows': 1, 'aria-label': language.text('chat.edit_label'), 'enterkeyhint': 'send' });
    this.input.value = words;
    this.sendButton = element('button', { type: 'submit', class: 'primary' }, language.text('composer.send'));
    this.element = element('form', { class: 'question-editor', onsubmit: (event) => this.#submit(event) },
      this.input,
      element('p', { class: 'note' }, note),
      element('div', { class: 'actions' }, this.sendButton, element('button', { type: 'button', class: 'quiet', onclick: actions.cancel }, language.text('chat.cancel'))));
    this.input.addEventListener('input', () => this.#fit());
    this.input.addEventListener('keydown', (event) => {
      if (event.isComposing) return;
      if (event.key === 'Enter' && !event.shiftKey) this.#submit(event);
      if (event.key === 'Escape') actions.cancel();
    });
  }

  /** Once it is on the page. */
  enter() {
    this.#fit();
    this.input.focus();
    this.input.setSelectionRange(this.input.value.length, this.input.value.length);
    this.element.scrollIntoView({ block: 'nearest' });
  }

  #submit(event) {
    event.preventDefault();
    const words = this.input.value.trim();
    if (words !== '') this.actions.send(words);
  }

  #fit() {
    this.sendButton.disabled = this.input.value.trim() === '';
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }
}
