/** The picture beside the product's name; the page's own if the configured one cannot be loaded. */

import { element } from './element.js';

const OWN = 'icon.svg';

/** @param {string | undefined} url checked by `appearance.js` */
export function logo(url = OWN) {
  const image = element('img', { src: url, alt: '', height: 28, referrerpolicy: 'no-referrer' });
  image.addEventListener('error', () => { image.src = OWN; }, { once: true });
  return image;
}
