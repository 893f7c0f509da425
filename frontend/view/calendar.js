/** When a conversation was changed last, as the list of conversations shows it: in groups of days, by the user's own clock. */

const DAY_MS = 86_400_000;
const WEEK = 7;

/** The groups in the order of the list, the last changed first. */
export const DAY_GROUPS = Object.freeze(['today', 'yesterday', 'week', 'older']);

/**
 * The group of a moment: `today`, `yesterday`, `week` (of the last seven days before today) or `older`. What is yet to come,
 * by a clock that is not this computer's, is of today.
 *
 * @param {number} milliseconds since 1970
 */
export function dayGroup(milliseconds, now = Date.now()) {
  const days = Math.round((midnight(now) - midnight(milliseconds)) / DAY_MS); // rounded: a day may have 23 or 25 hours
  if (days <= 0) return 'today';
  if (days === 1) return 'yesterday';
  return days <= WEEK ? 'week' : 'older';
}

function midnight(milliseconds) {
  return new Date(milliseconds).setHours(0, 0, 0, 0);
}
