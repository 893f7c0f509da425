/** The notes at the end of an answer that is not whole, has no text, or was given without a service; and what else its user should know. */

import { answerText, toolCalls } from '../chat/conversation.js';
import { printable } from '../printable.js';
import { serviceName } from './names.js';

/** With text before the end, and without. */
const CUT_OFF = { length: ['chat.cut_off', 'chat.cut_off_empty'], content_filter: ['chat.withheld', 'chat.withheld_empty'] };

/** The key of the text; `undefined` if the answer needs no note. */
export function endNote(answer) {
  if (answer.status === 'stopped') return answer.parts.length > 0 ? 'chat.stopped' : 'chat.stopped_empty';
  if (answer.status !== 'done') return undefined;
  const empty = answerText(answer).trim() === '';
  const cut = CUT_OFF[answer.cutOff];
  if (cut) return cut[Number(empty)];
  const undecided = toolCalls(answer).some(({ expired, withdrawn }) => expired || withdrawn); // its row says why nothing follows
  return empty && !undecided ? 'chat.no_text' : undefined;
}

/** Which services were unavailable; `undefined` if all were there. */
export function unavailableNote(language, { unavailable }) {
  if (!unavailable) return undefined;
  return language.text('chat.services_unavailable', { services: unavailable.map((each) => serviceName(language, each)).join(', ') });
}

/** What the user should know beside the answer: in their language if the page has words for it, else in the agent's. */
export function noticeTexts(language, { notices = [] }) {
  return notices.map(({ code, text, values }) => {
    const key = `notice.${code}`;
    return language.has(key) ? language.text(key, values) : printable(String(text));
  });
}
