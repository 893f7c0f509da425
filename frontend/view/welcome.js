/** The page before the sign-in: what it is, who will act for whom, why a sign-in failed. */

import { element } from './element.js';
import { icon } from './icon.js';

/** @param {{signIn: () => void}} actions */
export function welcome(language, { error, kept, signingIn, checking }, actions) {
  const step = (name, key) => element('li', { class: `link link-${name}` }, element('span', { class: 'dot' }, icon(name)),
    element('p', {}, language.text(key)));
  return element('main', { class: 'welcome' },
    element('h2', {}, language.text('welcome.title')),
    element('p', { class: 'lead' }, language.text('welcome.lead')),
    error && signInFailure(language, error),
    kept && !error && element('p', { class: 'card note', role: 'status' }, language.text('welcome.kept')),
    checking
      ? element('p', { class: 'waiting', role: 'status' }, element('span', { class: 'spinner' }), language.text('welcome.checking'))
      : element('button', { type: 'button', class: 'primary large', onclick: actions.signIn, disabled: signingIn }, icon('key'),
        language.text(signingIn ? 'welcome.signing_in' : 'welcome.sign_in')),
    element('ol', { class: 'links' }, step('person', 'welcome.you'), step('agent', 'welcome.agent'), step('service', 'welcome.service')));
}

function signInFailure(language, { code }) {
  const known = language.has(`sign_in_error.${code}`) ? code : 'failed';
  return element('div', { class: 'card failure', role: 'alert' },
    element('p', { class: 'symptom' }, icon('alert'), language.text('sign_in_error.title')),
    element('p', {}, language.text(`sign_in_error.${known}`)),
    element('p', {}, language.text('sign_in_error.remedy', { remedy: language.text(`sign_in_error.${known}.remedy`) })),
    element('p', { class: 'code-of-failure' }, language.text('failure.code', { code })));
}
