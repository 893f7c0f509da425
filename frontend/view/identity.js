/** The access identity of a call as text: whose rights it used. */

import { element } from './element.js';
import { icon } from './icon.js';

const KINDS = { Machine: 'machine', Human: 'human' };
const ICONS = { machine: 'agent', human: 'person', shared_key: 'key', none: 'service', unknown: 'question', not_called: 'stop' };

/**
 * Whose rights a call used. A service that receives an API key sees the owner of the key, for every user: such a call is
 * not made on a user's behalf. A call that was refused beforehand used no rights.
 *
 * @param {import('../chat/conversation.js').ToolPart} call
 * @returns {'machine' | 'human' | 'shared_key' | 'none' | 'unknown' | 'not_called'} also part of message keys and class names
 */
export function identityKind({ accessIdentity, credential, outcome }) {
  if (outcome === 'not_called') return 'not_called';
  if (accessIdentity === null) return 'none';
  if (!Object.hasOwn(KINDS, accessIdentity ?? '')) return 'unknown';
  return accessIdentity === 'Human' && credential !== undefined ? 'shared_key' : KINDS[accessIdentity];
}

/** The same as a sentence. */
export function identitySentence(language, call) {
  const kind = identityKind(call);
  const key = kind === 'machine' && call.credential !== undefined ? 'machine_key' : kind;
  return language.text(`identity.${key}_long`);
}

/** A small label such as "on your behalf". */
export function identityBadge(language, kind) {
  return element('span', { class: `badge badge-${kind}` }, icon(ICONS[kind]),
    element('span', { class: 'badge-text' }, language.text(`identity.${kind}`)));
}

/** The display name of a service; of one that is not known, a description. */
export function serviceName(language, service) {
  if (service === undefined || service === null) return language.text('service.unnamed');
  const key = `service.${service}`;
  return language.has(key) ? language.text(key) : String(service);
}
