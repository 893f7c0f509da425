/** A failed question: what happened, what the user can do, and the reference for operators. */

import { copyButton } from './copy-button.js';
import { element } from './element.js';
import { icon } from './icon.js';
import { serviceName } from './names.js';

/** Why the model gave no answer, by the agent's status: it is busy, did not respond, or refused the request or failed. */
const MODEL_FAILED = { 429: 'model_busy', 503: 'model_unreachable', 502: 'model_refused' };

/**
 * The text for a failure: the page's own in the user's language, otherwise the agent's.
 *
 * @returns {{symptom: string, remedy: string}} without a full stop
 */
export function failureWords(language, { code: given, status, service, userText, requestId }) {
  const code = given === 'model_call_failed' ? MODEL_FAILED[status] ?? given : given;
  const known = language.has(`error.${code}.symptom`);
  if (!known && userText !== undefined) {
    return { symptom: withoutReference(userText, requestId), remedy: language.text('error.agent_failed.remedy') };
  }
  return errorWords(language, known ? code : 'agent_failed', service);
}

/** The text for a code of the error tables, about `service`. */
export function errorWords(language, code, service) {
  const values = { service: service === undefined ? language.text('service.unnamed') : serviceName(language, service) };
  return { symptom: sentence(language.text(`error.${code}.symptom`, values)), remedy: language.text(`error.${code}.remedy`, values) };
}

/** @param {{signIn: () => void}} actions */
export function failureCard(language, failure, actions) {
  const { symptom, remedy } = failureWords(language, failure);
  return element('div', { class: 'card failure' },
    element('p', { class: 'symptom' }, icon('alert'), symptom),
    element('p', {}, language.sentence(remedy)),
    failure.limit && element('p', {}, limitWords(language, failure.limit)),
    element('p', { class: 'code-of-failure' }, element('span', {}, language.text('failure.code', { code: failure.code })),
      failure.requestId && element('span', {}, language.text('failure.reference'), ' ', element('code', {}, failure.requestId)),
      failure.requestId && copyButton(language, 'failure.copy_reference', () => failure.requestId)),
    failure.signInAgain && element('p', {}, element('button', { type: 'button', class: 'primary', onclick: actions.signIn },
      language.text('failure.sign_in'))),
  );
}

/** Above the composer: why the agent did not take the question that is in it again. */
export class Refusal {
  #shown;

  /** @param {{signIn: () => void}} actions */
  constructor(language, actions) {
    Object.assign(this, { language, actions });
    this.countdown = element('p', { class: 'note', role: 'timer' });
    this.element = element('div', { class: 'refusal', role: 'alert' });
  }

  /** @param {import('../chat/chat.js').Chat} chat */
  update({ refusal }) {
    if (refusal === this.#shown) return;
    this.#shown = refusal;
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
    this.countdown.textContent = retryWords(this.language, Math.ceil((retryAt - now) / 1000));
  }
}

/** When the user may ask again, by the agent's `Retry-After`. */
export function retryWords(language, seconds) {
  return seconds > 0 ? language.text('failure.retry_in', { wait: language.wait(seconds) }) : language.text('failure.retry_now');
}

function limitWords(language, { unit, most }) {
  return language.text(`failure.limit.${unit}`, { most: language.number(unit === 'bytes' ? most / 2 ** 20 : most) });
}

/** The agent's text ends with the reference, which the card shows separately. */
function withoutReference(text, requestId) {
  return text.replace(`; reference ${requestId}`, '').replace(/\.$/, '');
}

/** A service's name may begin a sentence. */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
