/** The note at the end of an answer that is not whole, or has no text. */

import { answerText } from '../chat/conversation.js';

const CUT_OFF = { length: 'chat.cut_off', content_filter: 'chat.withheld' };

/** The key of the text; `undefined` if the answer needs no note. */
export function endNote(answer) {
  if (answer.status === 'stopped') return answer.parts.length > 0 ? 'chat.stopped' : 'chat.stopped_empty';
  if (answer.status !== 'done') return undefined;
  const empty = answerText(answer).trim() === '';
  const cut = CUT_OFF[answer.cutOff];
  if (cut) return empty ? `${cut}_empty` : cut;
  return empty ? 'chat.no_text' : undefined;
}
