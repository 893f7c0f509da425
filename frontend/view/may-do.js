/** On the empty page: which services the agent may use for the user, and with whose rights. */

import { element } from './element.js';
import { identityBadge, identityOf } from './identity.js';
import { serviceName } from './names.js';

const MOST_SHOWN = 6;

/**
 * @param {import('../application.js').Application} app
 * @param {() => void} openRights shows all of it, with the tools
 * @param {AbortSignal} signal ends the reading again of an agent that could not be reached at first
 */
export function mayDo(app, openRights, signal) {
  const { language } = app;
  const shown = element('div', { class: 'may-do', hidden: true });
  const show = ({ services }) => {
    const entries = services.slice(0, MOST_SHOWN).map((service) => element('li', {},
      element('strong', {}, serviceName(language, service.name)), identityBadge(language, identityOf(service))));
    const more = services.length > MOST_SHOWN ? 'chat.may_do_more' : 'chat.may_do_all';
    const button = element('button', { type: 'button', class: 'quiet', onclick: openRights }, language.text(more, { count: services.length - MOST_SHOWN }));
    shown.replaceChildren(element('p', { id: 'may-do' }, language.text('chat.may_do')), element('ul', { 'aria-labelledby': 'may-do' }, ...entries), button);
    shown.hidden = services.length === 0;
  };
  const read = () => Promise.all([app.request('GET', '/rights'), app.titles.read(app.request)]).then(([rights]) => show(rights))
    .catch(() => {}); // the first question shows what is wrong
  app.addEventListener('arrived', read, { signal });
  read();
  return shown;
}
