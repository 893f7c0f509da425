/** A conversation in the list: opened, renamed or deleted. */

import { element } from './element.js';
import { icon } from './icon.js';

export class ConversationItem {
  #shown = '';
  #renaming = false;

  /**
   * @param {{open: (id: string) => void, rename: (id: string, title: string) => void, remove: (id: string) => void}} actions
   */
  constructor(language, actions) {
    Object.assign(this, { language, actions });
    this.element = element('li');
  }

  /** @param {boolean} current whether the conversation is the one that is shown */
  update(thread, current) {
    const state = JSON.stringify([thread, current]);
    if (state === this.#shown) return;
    this.#shown = state;
    this.thread = thread;
    this.current = current;
    this.element.classList.toggle('current', current);
    if (!this.#renaming) this.#showTitle();
  }

  /** Puts the focus on the conversation. */
  focus() {
    this.element.querySelector('.open, input').focus();
  }

  #showTitle() {
    const { language, actions, thread: { id, status, updated_at: changed, pending_approvals: waiting, ofAnother }, current } = this;
    const paused = ofAnother === 'decided' ? 'list.decided' : 'list.expired';
    const focused = [...this.element.querySelectorAll('button')].indexOf(document.activeElement);
    const title = this.#title();
    this.element.replaceChildren(
      element('button', { 'type': 'button', 'class': 'open', 'title': title, 'aria-current': current && 'true', 'onclick': () => actions.open(id) },
        element('span', { class: 'title' }, title),
        waiting > 0 && element('span', { class: 'badge badge-waiting' }, language.text(ofAnother === 'open' ? 'list.waits_for_another' : 'list.waits')),
        status === 'running' && element('span', { class: 'running' }, element('span', { class: 'spinner' }), language.text('list.running')),
        waiting === 0 && status !== 'running' && element('span', { class: 'when' }, status === 'paused' ? language.text(paused) : language.moment(Date.parse(changed)))),
      element('span', { class: 'change' },
        this.#iconButton('edit', 'list.rename', title, () => this.#rename()),
        this.#iconButton('trash', 'list.delete', title, () => actions.remove(id))));
    if (focused >= 0) this.element.querySelectorAll('button')[focused].focus({ preventScroll: true });
  }

  #rename() {
    this.#renaming = true;
    const input = element('input', {
      'type': 'text', 'maxlength': 200, 'value': this.thread.title ?? '', 'aria-label': this.language.text('list.new_title'),
    });
    const end = () => {
      this.#renaming = false;
      this.#showTitle();
      this.element.querySelector('.change button').focus();
    };
    const save = (event) => {
      event.preventDefault();
      const title = input.value.trim();
      this.#renaming = false;
      if (title !== '') this.actions.rename(this.thread.id, title);
      end();
    };
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation(); // it would fold the list on a phone
      end();
    });
    this.element.replaceChildren(element('form', { onsubmit: save }, input,
      element('button', { type: 'submit', class: 'quiet' }, this.language.text('list.save'))));
    input.focus();
    input.select();
  }

  #title() {
    return this.thread.title || this.language.text('list.untitled');
  }

  #iconButton(name, label, title, onclick) {
    const text = this.language.text(label, { title });
    return element('button', { 'type': 'button', 'class': 'quiet small', 'title': text, 'aria-label': text, onclick }, icon(name));
  }
}
