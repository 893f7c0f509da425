/** Above a long conversation: a button that shows earlier messages. */

import { element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';

export class EarlierMessages {
  #reading = false;

  /**
   * @param {import('../chat/chat.js').Chat} chat
   * @param {(count: number) => void} shown is called with the number of turns that were added
   */
  constructor(language, chat, shown) {
    Object.assign(this, { language, chat, shown });
    this.failure = element('p', { class: 'note', role: 'alert' });
    this.element = element('div', { class: 'earlier', hidden: true },
      element('button', { type: 'button', class: 'quiet', onclick: () => this.#show() }, icon('up'), language.text('chat.earlier')), this.failure);
  }

  update() {
    this.element.hidden = !this.chat.hasEarlier;
  }

  async #show() {
    if (this.#reading) return;
    this.#reading = true;
    this.failure.textContent = '';
    try {
      const count = await this.chat.showEarlier();
      if (count > 0) this.shown(count);
    } catch (error) {
      this.failure.textContent = this.language.sentence(failureWords(this.language, error).symptom);
    } finally {
      this.#reading = false;
    }
  }
}
