/** Above the composer: that the computer is not on the network, as far as the browser knows. */

import { element } from './element.js';
import { icon } from './icon.js';

/** @param {AbortSignal} signal ends the observation @param {() => void} back is called when the computer is on the network again */
export function offlineNotice(language, signal, back) {
  const notice = element('div', { class: 'card offline', role: 'status' });
  const show = () => {
    notice.replaceChildren(...(navigator.onLine ? [] : [icon('alert'), element('span', {}, language.text('chat.offline'))]));
  };
  addEventListener('offline', show, { signal });
  addEventListener('online', () => {
    show();
    back();
  }, { signal });
  show();
  return notice;
}
