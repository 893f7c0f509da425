/** The access identity of a call as text: whose rights it used. */

import { element } from './element.js';
import { icon } from './icon.js';

const ICONS = {
  machine: 'agent', human: 'person', shared_key: 'key', oauth_account: 'globe', cloud_role: 'key', issuer: 'key', none: 'service', unknown: 'question', not_called: 'stop',
};
/** Kinds of credentials whose subject is the user, under Human identity. */
const ABOUT_THE_USER = ['access_token', 'issued_jwt'];

/**
 * Whose rights a call used, by the rule of the agent (`identity/credentials/rights.py`). Of several credentials, the one
 * that names the user counts. A call that was refused beforehand used no rights.
 *
 * @param {import('../chat/conversation.js').ToolPart} call
 * @returns {keyof typeof ICONS} part of message keys and class names, too
 */
export function identityKind({ accessIdentity, credentialKind, outcome }) {
  if (outcome === 'not_called') return 'not_called';
  if (accessIdentity === null) return 'none';
  if (accessIdentity === 'Machine') return 'machine';
  if (accessIdentity !== 'Human' || !credentialKind) return 'unknown';
  const kinds = credentialKind.split(' ');
  if (kinds.some((kind) => ABOUT_THE_USER.includes(kind))) return 'human';
  if (kinds.includes('oauth_token')) return 'oauth_account';
  if (kinds.includes('cloud_role')) return 'cloud_role';
  if (kinds.includes('issuer_credential')) return 'issuer';
  return onlyKeys(credentialKind) ? 'shared_key' : 'unknown';
}

/** The same for an approval, a grant or a service. */
export function identityOf({ access_identity: accessIdentity, credential_kind: credentialKind }) {
  return identityKind({ accessIdentity, credentialKind: credentialKind ?? undefined });
}

/** The same as a sentence. */
export function identitySentence(language, call) {
  const kind = identityKind(call);
  const key = kind === 'machine' && onlyKeys(call.credentialKind) ? 'machine_key' : kind;
  return language.text(`identity.${key}_long`);
}

/** Whose rights a call that waits would use, in the words of a label, for the person who reads it. */
export function rightsWords(language, approval) {
  const kind = identityOf(approval);
  return language.text(approval.asker && kind === 'human' ? 'inbox.rights_human' : `identity.${kind}`);
}

/** The same as a sentence; for an approver, in whose name. */
export function rightsSentence(language, approval) {
  const { asker, credential_kind: credentialKind } = approval;
  const kind = identityOf(approval);
  if (asker && language.has(`inbox.identity_${kind}`)) return language.text(`inbox.identity_${kind}`, { asker: asker.sub });
  return language.text(`approval.identity_${kind === 'machine' && onlyKeys(credentialKind) ? 'machine_key' : kind}`);
}

function onlyKeys(credentialKind) {
  return Boolean(credentialKind) && credentialKind.split(' ').every((kind) => kind === 'api_key');
}

/** A small label such as "on your behalf"; for another person than the user, in other `words`. */
export function identityBadge(language, kind, words = language.text(`identity.${kind}`)) {
  return element('span', { class: `badge badge-${kind}` }, icon(ICONS[kind]), element('span', { class: 'badge-text' }, words));
}
