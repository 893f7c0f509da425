/**
 * A conversation as a file in Markdown: questions and answers, and of each call whose rights it used, its arguments as they were
 * proposed and as it was made with them, and who decided about it, when and why.
 *
 * What users and the model wrote is quoted, line by line, so that none of it can pass for a heading, a call or a decision of
 * the page, or reach beyond its turn. Viewers of CommonMark and GFM load no image of it, and read no HTML in it.
 */

import { indentedJson, printable } from '../printable.js';
import { decisionOf, decisionWords } from '../view/decision.js';
import { identityKind } from '../view/identity.js';
import { answerText, toolCalls, turnsOf } from './conversation.js';

const FILES = '],"files":[';
/** A block of code, from a line's beginning: what is indented may be in a list, which a viewer ends elsewhere. */
const FENCE = /^(?:(`{3,})[^`]*|(~{3,}).*)$/;
/** What begins an image, or HTML. */
const LOADED = /!(?=\[)|<(?=[a-z/!?])/gi;
const NUMBERS = /-?\d[\d.eE+-]*/g;

/**
 * @param {string} title
 * @param {string} json the agent's export of the conversation
 * @param {import('../language/language.js').Language} language
 */
export function markdownOf(title, json, language) {
  const { messages, approvals, written } = parsed(json);
  const shown = messages.filter(({ replaced }) => !replaced);
  const proposals = proposalsOf(shown, written);
  const decisions = new Map(approvals.map((approval) => [approval.call_id, approval]));
  const about = (call) => aboutCall(call, proposals.get(call.callId) ?? [], decisions.get(call.callId), language);
  const turns = turnsOf(shown.map((message) => asShown(message, written)).filter(Boolean)).map(({ question, at, writtenBy, answer }) => [
    `## ${language.text('chat.you')}${at ? ` · ${at}` : ''}`,
    writtenBy && `- ${inline(language.text('chat.written_by', { program: writtenBy }))}`,
    quoted(question),
    `## ${language.text('chat.agent')}${answer.at ? ` · ${answer.at}` : ''}`,
    ...toolCalls(answer).flatMap(about),
    quoted(answerText(answer)),
    answer.status === 'stopped' && `- ${language.text('chat.status_stopped')}`,
  ].filter(Boolean).join('\n\n'));
  return printable(`${[`# ${inline(title)}`, ...turns].join('\n\n')}\n`);
}

/** What somebody wrote, as a quotation, of which each line is one. */
function quoted(text) {
  let fence = '';
  return text && linesOf(text).map((line) => {
    const inCode = fence !== '';
    if (inCode) fence = isClosedBy(fence, line) ? '' : fence;
    else fence = FENCE.exec(line)?.slice(1).find(Boolean) ?? '';
    return `> ${inCode ? line : inert(line)}`.trimEnd();
  }).join('\n');
}

function isClosedBy(fence, line) {
  const end = line.trimEnd();
  return end.length >= fence.length && end === fence[0].repeat(end.length);
}

/** What somebody wrote, as a part of a line of the page. */
function inline(text) {
  return inert(linesOf(text).join(' '));
}

function linesOf(text) {
  return text.split(/\r\n|\r|\n/);
}

function inert(line) {
  return line.replace(LOADED, '\\$&');
}

/**
 * The conversation without the bytes of its files. A number that would lose digits is a string until `written` writes it as
 * JSON again.
 */
function parsed(json) {
  const end = json.lastIndexOf(FILES);
  const mark = crypto.randomUUID();
  const exact = (number) => (String(Number(number)) === number ? number : `"${mark}${number}"`);
  const kept = outsideOfStrings(end < 0 ? json : `${json.slice(0, end)}]}`, (text) => text.replace(NUMBERS, exact));
  const { messages, approvals = [] } = JSON.parse(kept);
  return { messages, approvals, written: (value) => JSON.stringify(value).replaceAll(new RegExp(`"${mark}([^"]*)"`, 'g'), '$1') };
}

/** JSON with each part that is outside of its strings changed. By steps: a regular expression fails for strings of some megabytes. */
function outsideOfStrings(json, change) {
  const parts = [];
  for (let at = 0; at < json.length;) {
    const begin = json.indexOf('"', at);
    if (begin < 0) return [...parts, change(json.slice(at))].join('');
    let end = json.indexOf('"', begin + 1);
    while (isEscaped(json, end)) end = json.indexOf('"', end + 1);
    if (end < 0) return json; // it is none
    parts.push(change(json.slice(at, begin)), json.slice(begin, end + 1));
    at = end + 1;
  }
  return parts.join('');
}

/** Whether the character is after an odd number of backslashes. */
function isEscaped(json, at) {
  let first = at;
  while (json[first - 1] === '\\') first -= 1;
  return (at - first) % 2 === 1;
}

/** Of each call, the arguments with which it was stored: as the model proposed them, and then as they were changed. */
function proposalsOf(messages, written) {
  const proposals = new Map();
  for (const { id, args } of messages.flatMap(({ tool_calls: calls = [] }) => calls)) {
    const known = proposals.get(id) ?? [];
    const json = written(args);
    if (known.at(-1) !== json) proposals.set(id, [...known, json]);
  }
  return proposals;
}

/** A stored message in the form in which the agent shows it. */
function asShown({ type, id, content, created_at: at, ...message }, written) {
  const about = (members) => ({ metadata: { 'idaas-agent': { created_at: at, ...members } } });
  switch (type) {
    case 'human': return { id, role: 'user', content: textOf(content), ...about({ written_by: message.written_by }) };
    case 'tool': {
      const result = { ok: message.status === 'success', ...message.artifact };
      return { id, role: 'tool', toolCallId: message.tool_call_id, content: textOf(content), ...about(result) };
    }
    case 'ai': {
      const calls = message.tool_calls?.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: written(call.args) } }));
      return { id, role: 'assistant', content: textOf(content), toolCalls: calls, ...about({ finish_reason: message.finish_reason }) };
    }
    default: return undefined;
  }
}

function textOf(content) {
  if (typeof content === 'string') return content;
  return content.map((block) => (typeof block === 'string' ? block : block.text ?? (block.name && `[${block.name}]`) ?? '')).join('');
}

function aboutCall(call, proposals, approval, language) {
  const { service, tool, outcome } = call;
  const outcomeWords = language.text(`tool.${outcome}`, { service: service ?? language.text('service.unnamed') });
  const line = `- ${inline(outcomeWords)} · \`${tool}\` · ${language.text(`identity.${identityKind(call)}`)}`;
  const words = [...(approval ? [decisionWords(language, decisionOf(approval))] : []), ...reasons(call, approval, language)];
  return [[line, ...words.map((text) => `  - ${inline(text)}`)].join('\n'), ...argumentBlocks(call, proposals, language)];
}

/** As proposed, and as the call was made, if these differ. */
function argumentBlocks({ outcome }, proposals, language) {
  const block = (key, json) => `${language.text(key)}:\n\n\`\`\`json\n${indentedJson(json)}\n\`\`\``;
  if (proposals.length === 0) return [];
  const [first, last] = [proposals[0], proposals.at(-1)];
  if (proposals.length === 1) return [block(outcome === 'not_called' ? 'export.proposed' : 'tool.arguments', first)];
  return [block('export.proposed', first), block(outcome === 'not_called' ? 'export.changed' : 'export.called', last)];
}

function reasons({ declined, expired, withdrawn }, approval, language) {
  return [
    declined && `${language.text('tool.reason')}: ${declined}`,
    !approval && expired && language.text('decision.expired'),
    !approval && withdrawn && language.text('decision.withdrawn'),
    approval?.rules.length > 0 && `${language.text('inbox.rules')}: ${approval.rules.join('; ')}`,
  ].filter(Boolean);
}
