/** Why a question was not answered: symptom, likely cause, remedy, and a way to go on. */

import { element } from './element.js';
import { icon } from './icon.js';

/** The words for a failure: the page's own in the person's language, else those that the agent sent. */
export function failureWords(language, failure) {
  const word = (part) => {
    const key = `error.${failure.code}.${part}`;
    if (language.has(key)) return language.text(key);
    return failure[part] ?? language.text(`error.agent_failed.${part}`);
  };
  return { symptom: word('symptom'), cause: word('cause'), remedy: word('remedy') };
}

/** @param {{signIn: () => void}} actions */
export function failureCard(language, failure, actions) {
  const { symptom, cause, remedy } = failureWords(language, failure);
  return element('div', { class: 'card failure' },
    element('p', { class: 'symptom' }, icon('alert'), symptom),
    element('dl', {},
      element('dt', {}, language.text('failure.cause')), element('dd', {}, cause),
      element('dt', {}, language.text('failure.remedy')), element('dd', {}, remedy)),
    element('p', { class: 'code-of-failure' }, language.text('failure.code', { code: failure.code })),
    failure.signInAgain && element('p', {}, element('button', { type: 'button', class: 'primary', onclick: actions.signIn },
      language.text('failure.sign_in'))),
  );
}
