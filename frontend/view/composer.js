/**
 * The input field. Enter sends, Shift+Enter begins a new line, Esc stops or cancels. While the agent waits for a decision,
 * a text declines nothing unless the button says so: it is sent after the decision.
 */

import { Attachments } from './attachments.js';
import { element } from './element.js';
import { icon } from './icon.js';
import { isYes } from './spoken-yes.js';

export class Composer {
  /**
   * @param {{send: (question: string, files: object[]) => void, decline: (words: string) => void, approve: (approval: object) => void, offered: () => void, stop: () => void, cancel: () => void,
   *   written: (draft: string) => void}} actions `approve`: by a click on the button that a "yes" shows, which `offered` is told of; `cancel` ends an edit
   */
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
    this.declineButton = element('button', { type: 'button', class: 'quiet', onclick: () => this.#take(actions.decline) }, language.text('composer.decline_send'));
    this.approveButton = element('button', { type: 'button', class: 'quiet', hidden: true, onclick: () => actions.approve(this.approvable) }, language.text('composer.approve'));
    this.choice = element('div', { class: 'choice', hidden: true },
      this.approveButton, element('button', { type: 'submit', class: 'primary' }, language.text('composer.send_later')), this.declineButton);
    this.attachments = new Attachments(language, actions.announce, () => this.#fit());
    this.element = element('form', { class: 'composer', onsubmit: (event) => this.#submit(event) },
      this.attachments.list,
      element('div', { class: 'field' }, this.attachments.button, this.input, this.sendButton, this.stopButton), this.choice,
      element('p', { id: 'question-hint', class: 'hint' }, language.text('composer.hint')));
    this.attachments.receiveFrom(this.element);
    this.input.addEventListener('keydown', (event) => this.#key(event));
    this.input.addEventListener('input', () => {
      this.#fit();
      actions.written(this.draft);
    });
    requestAnimationFrame(() => this.#fit());
  }

  /** `waits`: the agent waits for an approval of the `user`, or of `another` person; `approvable`: the one call that a "yes" may mean. */
  update({ busy, enabled, images = false, waits = false, approvable = undefined }) {
    this.input.placeholder = this.language.text({ user: 'composer.placeholder_waiting', another: 'composer.placeholder_another' }[waits] ?? 'composer.placeholder');
    this.declineButton.hidden = waits === 'another';
    this.busy = busy;
    this.enabled = enabled;
    this.waits = waits;
    this.approvable = approvable;
    this.attachments.enabled = images && !waits;
    this.sendButton.hidden = busy || waits;
    this.stopButton.hidden = !busy;
    this.#fit();
  }

  /** Whether it shows the button that approves. */
  get offers() {
    return !this.approveButton.hidden;
  }

  get draft() {
    return this.input.value;
  }

  write(text) {
    this.put(text);
    this.input.focus();
  }

  /** Puts a text into the field, and not the focus. */
  put(text) {
    this.input.value = text;
    this.#fit();
    this.actions.written(text);
  }

  /** What could not be sent is in the field again, before what was written meanwhile. */
  giveBack(text, files = []) {
    this.put([text, this.draft].filter(Boolean).join('\n'));
    this.attachments.giveBack(files);
  }

  /** What was given back was sent nevertheless. */
  taken(text) {
    if (this.draft !== text) return;
    this.put('');
    this.attachments.take();
  }

  #submit(event) {
    event.preventDefault();
    this.#take(this.actions.send);
  }

  #take(action) {
    const text = this.input.value.trim();
    if (text === '' || this.busy || !this.enabled) return;
    this.write('');
    action(text, this.attachments.enabled ? this.attachments.take() : []);
  }

  #key(event) {
    if (event.isComposing) return; // an input method (Chinese, Japanese …), whose text Enter confirms, and Esc drops
    if (event.key === 'Enter' && !event.shiftKey) this.#submit(event);
    if (event.key === 'Escape' && this.busy) this.actions.stop();
    else if (event.key === 'Escape') this.actions.cancel();
  }

  #fit() {
    const empty = this.input.value.trim() === '';
    this.sendButton.disabled = !this.enabled || empty;
    this.choice.hidden = !this.waits || empty;
    const offered = this.offers;
    this.approveButton.hidden = !this.approvable || !isYes(this.input.value);
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
    if (this.offers && !offered) this.actions.offered();
  }
}
