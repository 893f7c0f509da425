/** A button that copies a text, and confirms it. */

import { element } from './element.js';
import { icon } from './icon.js';

const ACKNOWLEDGED_MS = 1600;

/** @param {() => string} text called at the click */
export function copyButton(language, label, text) {
  const button = element('button', { 'type': 'button', 'class': 'quiet copy', 'aria-label': language.text(label) }, icon('copy'));
  const caption = element('span', {}, language.text('chat.copy'));
  button.append(caption);
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text());
    caption.textContent = language.text('chat.copied');
    setTimeout(() => { caption.textContent = language.text('chat.copy'); }, ACKNOWLEDGED_MS);
  });
  return button;
}
