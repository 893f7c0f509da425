/** The only content of the page while its configuration has faults. */

import { element } from './element.js';

export function showUnconfigured(root, language, faults) {
  document.documentElement.lang = language.code;
  root.replaceChildren(element('main', { class: 'welcome' },
    element('h1', {}, language.text('configuration.title')),
    element('div', { class: 'card failure', role: 'alert' },
      element('p', {}, language.text('configuration.lead')),
      element('ul', {}, ...faults.map(({ key, reason }) => element('li', {},
        element('code', {}, key), ' ', language.text(`configuration.reason.${reason}`)))))));
}
