/** Colours code by its language (highlight.js, with the languages that are common). It is loaded with the first code. */

import { codeFragment } from './markdown.js';

const LONGEST = 50_000;
let loading;

/** Highlights the text of `code`, unless the language is unknown. A failure leaves it as it is. */
export async function highlight(code, language) {
  const text = code.textContent;
  if (language === '' || text.length > LONGEST) return;
  try {
    loading ??= import('../node_modules/@highlightjs/cdn-assets/es/highlight.min.js');
    const { default: highlighter } = await loading;
    if (!highlighter.getLanguage(language)) return;
    code.replaceChildren(codeFragment(highlighter.highlight(text, { language, ignoreIllegals: true }).value));
  } catch {
    loading = undefined;
  }
}
