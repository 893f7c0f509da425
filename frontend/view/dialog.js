/** A view over the page, which Esc closes. The focus goes back to where it was. */

import { element } from './element.js';
import { icon } from './icon.js';

/** @param {{element: HTMLElement, tick?: () => void, leave?: () => void}} content */
export function openDialog(language, title, content) {
  const close = element('button', { 'type': 'button', 'class': 'quiet', 'aria-label': language.text('dialog.close'), 'onclick': () => dialog.close() }, icon('cross'));
  const heading = element('h2', { id: 'dialog-title', tabindex: -1 }, language.text(title));
  const dialog = element('dialog', { 'class': 'sheet', 'aria-labelledby': 'dialog-title' },
    element('div', { class: 'title' }, heading, close), content.element);
  dialog.addEventListener('close', () => {
    content.leave?.();
    dialog.remove();
  });
  document.getElementById('page').append(dialog);
  dialog.showModal();
  heading.focus();
  return { close: () => dialog.close(), tick: () => { if (dialog.open) content.tick?.(); } };
}
