/** The empty conversation: questions to begin with. */

import { element } from './element.js';

const QUESTIONS = ['chat.first_question.1', 'chat.first_question.2', 'chat.first_question.3'];

/** @param {(question: string) => void} send */
export function firstQuestions(language, send) {
  return element('section', { class: 'first-questions' },
    element('h2', {}, language.text('chat.empty_title')),
    element('p', {}, language.text('chat.empty_lead')),
    element('ul', {}, ...QUESTIONS.map((key) => {
      const question = language.text(key);
      return element('li', {}, element('button', { type: 'button', class: 'suggestion', onclick: () => send(question) }, question));
    })));
}
