/** A conversation as a file in Markdown: questions, answers, and who called what under whose rights. */

import { printable } from '../printable.js';
import { identityKind } from '../view/identity.js';
import { answerText, toolCalls, turnsOf } from './conversation.js';

/**
 * @param {(before?: number) => Promise<{messages: object[], next: number | null}>} read a page of messages
 * @param {(key: string, values?: object) => string} text the page's words
 */
export async function markdownOf(title, read, text) {
  let messages = [];
  for (let next; next !== null;) {
    const page = await read(next);
    messages = [...page.messages, ...messages];
    next = page.next ?? null;
  }
  const turns = turnsOf(messages).map(({ question, at, writtenBy, answer }) => [
    `## ${text('chat.you')}${at ? ` · ${at}` : ''}`,
    writtenBy && `> ${text('chat.written_by', { program: writtenBy })}`,
    question,
    `## ${text('chat.agent')}${answer.at ? ` · ${answer.at}` : ''}`,
    ...toolCalls(answer).map((call) => callLine(call, text)),
    answerText(answer),
  ].filter(Boolean).join('\n\n'));
  return printable(`${[`# ${title}`, ...turns].join('\n\n')}\n`);
}

function callLine(call, text) {
  const { service, tool, outcome } = call;
  return `> ${text(`tool.${outcome}`, { service: service ?? text('service.unnamed') })} · \`${tool}\` · ${text(`identity.${identityKind(call)}`)}`;
}
