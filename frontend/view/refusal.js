/** Above the composer: why the agent did not take the question that is in it again. */

import { element } from './element.js';
import { failureCard } from './failure.js';

export class Refusal {
  #shown;

  /** @param {{signIn: () => void}} actions */
  constructor(language, actions) {
    Object.assign(this, { language, actions });
    this.countdown = element('p', { class: 'note', role: 'timer' });
    this.element = element('div', { class: 'refusal', role: 'alert', hidden: true });
  }

  /** @param {import('../chat/chat.js').Chat} chat */
  update({ refusal }) {
    if (refusal === this.#shown) return;
    this.#shown = refusal;
    this.element.hidden = refusal === undefined;
    const card = refusal && failureCard(this.language, refusal.failure, this.actions);
    if (refusal?.question !== undefined) card.prepend(element('p', {}, this.language.text('chat.not_sent')));
    card?.append(this.countdown);
    this.element.replaceChildren(...(card ? [card] : []));
    this.tick();
  }

  /** Counts down the agent's `Retry-After`. */
  tick(now = Date.now()) {
    const { retryAt } = this.#shown?.failure ?? {};
    this.countdown.hidden = retryAt === undefined;
    if (retryAt === undefined) return;
    const seconds = Math.ceil((retryAt - now) / 1000);
    this.countdown.textContent = seconds > 0
      ? this.language.text('failure.retry_in', { wait: this.language.wait(seconds) })
      : this.language.text('failure.retry_now');
  }
}
