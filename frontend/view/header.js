/** The bar at the top: the signed-in user, the time left, the language, sign-out. */

import { LANGUAGES } from '../language/language.js';
import { element } from './element.js';
import { icon } from './icon.js';
import { menu } from './menu.js';

const OWN_LOGO = 'icon.svg';
/** Seconds before the expiry at which the countdown warns. */
export const EXPIRES_SOON = 120;
/** Seconds before the expiry from which on the time that is left is shown; before that, it is over the name. */
const SHOWN_BEFORE = 300;

export class Header {
  /**
   * @param {{name: string, logoUrl: string | undefined}} product
   * @param {{signOut: () => void, newConversation: () => void, chooseLanguage: (code: string) => void,
   *   openInbox: () => void, openRights: () => void, save: (form: 'md' | 'json') => Promise<{name: string, text: string}>, notify: import('./attention.js').Attention}} actions
   */
  constructor(language, session, { name, logoUrl }, actions) {
    this.language = language;
    this.left = element('span', { class: 'left' });
    this.count = element('span');
    this.waiting = element('button', { type: 'button', class: 'quiet waiting-count', hidden: true, onclick: actions.openInbox }, icon('bell'), this.count);
    this.element = element('header', { class: 'bar' },
      element('div', { class: 'brand' }, logo(logoUrl),
        element('h1', {}, name)),
      session && this.#account(session),
      element('nav', {},
        session && this.waiting,
        session && this.#button('plus', 'chat.new', actions.newConversation, 'new'),
        ...this.#otherLanguages(actions),
        menu(language, { ...actions, conversation: session !== undefined }),
        session && this.#button('leave', 'account.sign_out', actions.signOut)));
  }

  /**
   * @param {number} seconds until the sign-in expires; `Infinity` if unknown
   * @param {number | undefined} expiresAt when that is, in milliseconds since 1970
   */
  update(seconds, expiresAt) {
    if (expiresAt !== undefined) this.account.title = this.language.text('account.until', { time: this.language.time(expiresAt) });
    this.left.textContent = timeLeft(this.language, seconds);
    this.left.classList.toggle('soon', seconds <= EXPIRES_SOON);
  }

  /** @param {number} count of calls of others that the user may decide */
  showWaiting(count) {
    const text = this.language.text('inbox.count', { count });
    this.waiting.hidden = count === 0;
    this.waiting.title = text;
    this.waiting.setAttribute('aria-label', text);
    this.count.textContent = String(count);
  }

  #account({ name }) {
    const { language } = this;
    const shown = name || language.text('account.unnamed');
    this.account = element('div', { class: 'account' },
      element('span', { class: 'dot' }, icon('person')),
      element('div', {},
        element('span', { class: 'visually-hidden' }, language.text('account.signed_in', { name: shown })),
        element('strong', { 'aria-hidden': 'true' }, shown), this.left));
    return this.account;
  }

  #button(name, label, onclick, kind = '') {
    return element('button', { type: 'button', class: `quiet ${kind}`, onclick, title: this.language.text(label) }, icon(name),
      element('span', { class: 'caption' }, this.language.text(label)));
  }

  #otherLanguages(actions) {
    return Object.entries(LANGUAGES).filter(([code]) => code !== this.language.code).map(([code, name]) =>
      element('button', { type: 'button', class: 'quiet', lang: code, onclick: () => actions.chooseLanguage(code) }, icon('globe'), name));
  }
}

function timeLeft(language, seconds) {
  if (seconds > SHOWN_BEFORE) return '';
  if (seconds <= 0) return language.text('account.expired');
  if (seconds <= EXPIRES_SOON) return language.text('account.seconds_left', { seconds });
  return language.text('account.minutes_left', { minutes: Math.floor(seconds / 60) });
}

/** The picture beside the product's name; the page's own if the configured one, which `appearance.js` has checked, cannot be loaded. */
function logo(url = OWN_LOGO) {
  const image = element('img', { src: url, alt: '', height: 28, referrerpolicy: 'no-referrer' });
  image.addEventListener('error', () => { image.src = OWN_LOGO; }, { once: true });
  return image;
}
