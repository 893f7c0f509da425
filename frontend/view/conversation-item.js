/**
 * A conversation in the list: opened, renamed or deleted. It is one stop of the Tab key: the arrow keys left and right lead to
 * its buttons and back, F2 renames it, and Delete deletes it.
 */

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
    this.element = element('li', { onkeydown: (event) => this.#key(event) });
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
    const { language, actions, thread: { id, status, updated_at: changed, pending_approvals: waiting, ofAnother, group }, current } = this;
    const paused = ofAnother === 'decided' ? 'list.decided' : 'list.expired';
    const focused = [...this.element.querySelectorAll('button')].indexOf(document.activeElement);
    const title = this.#title();
    this.element.replaceChildren(
      element('button', { 'type': 'button', 'class': 'open', 'title': title, 'aria-current': current && 'true', 'aria-keyshortcuts': 'F2 Delete', 'onclick': () => actions.open(id) },
        element('span', { class: 'title' }, title),
        waiting > 0 && element('span', { class: 'badge badge-waiting' }, language.text(ofAnother === 'open' ? 'list.waits_for_another' : 'list.waits')),
        status === 'running' && element('span', { class: 'running' }, element('span', { class: 'spinner' }), language.text('list.running')),
        waiting === 0 && status !== 'running' && (status === 'paused' ? element('span', { class: 'when' }, language.text(paused)) : this.#when(Date.parse(changed), group))),
      element('span', { class: 'change' },
        this.#iconButton('edit', 'list.rename', title, () => this.#rename()),
        this.#iconButton('trash', 'list.delete', title, () => actions.remove(id))));
    if (focused >= 0) this.element.querySelectorAll('button')[focused].focus({ preventScroll: true });
  }

  #when(changed, group) {
    const { language } = this;
    return element('time', { class: 'when', datetime: new Date(changed).toISOString(), title: language.date(changed) }, language.momentIn(group, changed));
  }

  #key(event) {
    if (this.#renaming) return;
    const places = [...this.element.querySelectorAll('button')];
    const at = places.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Escape: at > 0 ? 0 : undefined }[event.key];
    const act = at === 0 && { F2: () => this.#rename(), Delete: () => this.actions.remove(this.thread.id) }[event.key];
    if (!act && places[to] === undefined) return;
    event.preventDefault(); // the list does not fold
    if (act) act();
    else places[to].focus();
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
      if (event.key !== 'Escape' || event.isComposing) return;
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
    return element('button', { 'type': 'button', 'class': 'quiet small', 'tabindex': -1, 'title': text, 'aria-label': text, onclick }, icon(name));
  }
}
