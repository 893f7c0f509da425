/** What is needed now and then: the conversation as a file, notifications, light or dark. */

import { chooseScheme, chosenScheme, SCHEMES } from '../appearance.js';
import { element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';
import { saveFile } from './save-file.js';

/**
 * @param {{save: (form: 'md' | 'json') => Promise<{name: string, text: string}>, notify: import('./attention.js').Attention,
 *   openInbox: () => void, openDone: () => void, openRights: () => void, conversation: boolean}} actions `conversation`: whether there may be one
 */
export function menu(language, { save, notify, openInbox, openDone, openRights, conversation }) {
  const failure = element('p', { class: 'problem', role: 'alert' });
  const button = (name, label, onclick) => element('button', { type: 'button', class: 'quiet', onclick }, icon(name), language.text(label));
  const download = async (form) => {
    failure.textContent = '';
    try {
      const { name, text } = await save(form);
      saveFile(name, text, form === 'json' ? 'application/json' : 'text/markdown');
    } catch (error) {
      failure.textContent = language.sentence(failureWords(language, error).symptom);
    }
  };
  const permit = notify.canAsk && button('bell', 'menu.notify', async () => {
    await notify.ask();
    permit.hidden = !notify.canAsk;
  });
  const summary = element('summary', { class: 'quiet', title: language.text('menu.title') }, icon('more'),
    element('span', { class: 'visually-hidden' }, language.text('menu.title')));
  const view = (name, label, open) => button(name, label, () => {
    close();
    summary.focus();
    open();
  });
  const panel = element('div', { class: 'panel card' },
    conversation && view('bell', 'inbox.heading', openInbox),
    conversation && view('clock', 'done.heading', openDone),
    conversation && view('key', 'rights.heading', openRights),
    conversation && button('save', 'menu.markdown', () => download('md')),
    conversation && button('save', 'menu.json', () => download('json')),
    conversation && permit,
    element('fieldset', {}, element('legend', {}, language.text('menu.scheme')), ...SCHEMES.map((scheme) => element('label', {},
      element('input', { type: 'radio', name: 'scheme', value: scheme, checked: scheme === chosenScheme(), onchange: () => chooseScheme(scheme) }),
      language.text(`menu.scheme_${scheme}`)))),
    failure);
  const details = element('details', { class: 'menu' }, summary, panel);
  const close = () => { details.open = false; };
  details.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || !details.open) return;
    close();
    summary.focus();
  });
  details.addEventListener('focusout', ({ relatedTarget }) => { if (relatedTarget && !details.contains(relatedTarget)) close(); });
  return details;
}
