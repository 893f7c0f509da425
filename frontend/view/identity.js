/** The access identity of a call, in plain words: whose rights it used. */

import { element } from './element.js';
import { icon } from './icon.js';

const KINDS = { Machine: 'machine', Human: 'human' };
const ICONS = { machine: 'agent', human: 'person', none: 'service', unknown: 'question' };

/** @returns {'machine' | 'human' | 'none' | 'unknown'} also part of message keys and class names */
export function identityKind(accessIdentity) {
  if (accessIdentity === null) return 'none';
  return Object.hasOwn(KINDS, accessIdentity ?? '') ? KINDS[accessIdentity] : 'unknown';
}

/** A small label such as "on your behalf". */
export function identityBadge(language, accessIdentity) {
  const kind = identityKind(accessIdentity);
  return element('span', { class: `badge badge-${kind}` }, icon(ICONS[kind]), language.text(`identity.${kind}`));
}

/** The name that people know a service by. */
export function serviceName(language, service) {
  const key = `service.${service}`;
  return language.has(key) ? language.text(key) : String(service);
}
