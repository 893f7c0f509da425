/** Gives a text to the browser to save, under a name. */

import { element } from './element.js';

export function saveFile(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
