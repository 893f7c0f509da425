/** What was decided about a call, when, by whom and with what: of past calls, and in a saved conversation. */

import { deviceName } from './device.js';

/** The statuses of approvals that have another name as decisions. */
const DECISIONS = { used: 'approved', rejected: 'declined' };

/** The decision of an approval, as an export of the agent has it, in the form of `/calls`. */
export function decisionOf({ status, approvers, decided_at: at, decided_on: device, grant }) {
  return { decision: DECISIONS[status] ?? status, at, approvers, device, grant };
}

/**
 * Without a full stop. One that was withdrawn after a decision had been approved. Of a call about which nobody was asked, the
 * approval for more calls that covered it.
 *
 * @param {{decision: string, at?: string | null, approvers?: string | null, changed?: boolean, device?: string | null,
 *   grant?: {id: string, given_at: string, ends_at: string} | null}} made
 * @param {(moment: string) => string} shownTime writes its time
 */
export function decisionWords(language, { decision, at, approvers, changed, device, grant }, shownTime = (moment) => moment) {
  if (grant) return language.text('decision.by_grant', { time: shownTime(grant.given_at), end: shownTime(grant.ends_at) });
  if (!at) return language.text(`decision.${decision}`);
  const who = approvers ? language.text('decision.another', { group: approvers }) : language.text('decision.you');
  const verb = decision === 'declined' ? 'declined' : 'approved';
  const words = language.text(`decision.${verb}${device ? '_on' : ''}`, { who, time: shownTime(at), device: device ? deviceName(device) : '' });
  return changed ? `${words}${language.text('decision.changed')}` : words;
}
