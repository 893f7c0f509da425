/** The input field. Enter sends, Shift+Enter begins a new line, Esc stops or cancels. */

import { element } from './element.js';
import { icon } from './icon.js';

export class Composer {
  /** @param {{send: (question: string) => void, stop: () => void, cancel: () => void}} actions `cancel` ends an edit */
  constructor(language, actions, draft = '') {
    this.actions = actions;
    this.language = language;
    this.input = element('textarea', {
      'id': 'question', 'rows': 1, 'aria-label': language.text('composer.label'), 'aria-describedby': 'question-hint',
      'placeholder': language.text('composer.placeholder'), 'autocomplete': 'off', 'enterkeyhint': 'send',
    });
    this.input.value = draft;
    this.sendButton = element('button', { 'type': 'submit', 'class': 'primary round', 'aria-label': language.text('composer.send') }, icon('send'));
    this.stopButton = element('button', {
      'type': 'button', 'class': 'primary round', 'aria-label': language.text('composer.stop'), 'hidden': true, 'onclick': actions.stop,
    }, icon('stop'));
    this.element = element('form', { class: 'composer', onsubmit: (event) => this.#submit(event) },
      element('div', { class: 'field' }, this.input, this.sendButton, this.stopButton),
      element('p', { id: 'question-hint', class: 'hint' }, language.text('composer.hint')));
    this.input.addEventListener('keydown', (event) => this.#key(event));
    this.input.addEventListener('input', () => this.#fit());
    requestAnimationFrame(() => this.#fit());
  }

  /** `waits`: the agent waits for an approval, which a text declines. */
  update({ busy, enabled, waits = false }) {
    this.input.placeholder = this.language.text(waits ? 'composer.placeholder_waiting' : 'composer.placeholder');
    this.busy = busy;
    this.enabled = enabled;
    this.sendButton.hidden = busy;
    this.stopButton.hidden = !busy;
    this.#fit();
  }

  get draft() {
    return this.input.value;
  }

  write(text) {
    this.input.value = text;
    this.#fit();
    this.input.focus();
  }

  #submit(event) {
    event.preventDefault();
    const question = this.input.value.trim();
    if (question === '' || this.busy || !this.enabled) return;
    this.write('');
    this.actions.send(question);
  }

  #key(event) {
    // While an input method composes (Chinese, Japanese …), Enter confirms the composition.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) this.#submit(event);
    if (event.key === 'Escape' && this.busy) this.actions.stop();
    else if (event.key === 'Escape') this.actions.cancel();
  }

  #fit() {
    this.sendButton.disabled = !this.enabled || this.input.value.trim() === '';
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }
}
