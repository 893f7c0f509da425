/** Creates elements without parsing markup: text is always text, and printable. */

import { printable } from '../printable.js';

/**
 * `element('button', {type: 'button', onclick: send, hidden: false}, 'Send')`
 *
 * Functions become event listeners; `true` is an attribute without a value; `false`, `undefined` and `null` are left out.
 *
 * @param {string} name
 * @param {Record<string, unknown>} attributes
 * @param {...(Node | string | undefined | null | false)} children
 */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(key.replace(/^on/, ''), value);
    else if (value === true) node.setAttribute(key, '');
    else if (!isLeftOut(value)) node.setAttribute(key, printable(String(value)));
  }
  const shown = children.filter((child) => !isLeftOut(child));
  node.append(...shown.map((child) => (typeof child === 'string' ? printable(child) : child)));
  return node;
}

const isLeftOut = (value) => value === undefined || value === null || value === false;

/** Makes `children` the children of `parent`, in this order. Those in their place are not moved, and the focus stays. */
export function arrange(parent, children) {
  const focused = document.activeElement;
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  if (document.activeElement !== focused && parent.contains(focused)) focused.focus({ preventScroll: true });
}
