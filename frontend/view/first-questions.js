/** The empty conversation: what the agent may do, and suggested questions. */

import { element } from './element.js';

const QUESTIONS = ['chat.first_question.1', 'chat.first_question.2', 'chat.first_question.3'];

/**
 * @param {string[] | undefined} suggestions replace the page's own
 * @param {(question: string) => void} send
 * @param {HTMLElement} mayDo
 */
export function firstQuestions(language, suggestions, send, mayDo) {
  const questions = suggestions ?? QUESTIONS.map((key) => language.text(key));
  return element('section', { class: 'first-questions' },
    element('h2', {}, language.text('chat.empty_title')), mayDo,
    element('p', {}, language.text('chat.empty_lead')),
    element('ul', {}, ...questions.map((question) =>
      element('li', {}, element('button', { type: 'button', class: 'suggestion', onclick: () => send(question) }, question)))));
}
