/**
 * Formulas of TeX, `\(…\)`, `\[…\]` and `$$…$$`, as MathML (Temml). Both modules are loaded with the first one. Until then, and
 * where it cannot be read, a formula is its source.
 */

import { showHidden } from './markdown.js';

const MOST_EXPANSIONS = 200;
/** In em: a formula paints nothing far from its place. */
const LARGEST = [20, 20];
const DELIMITER = 2;
/** Of what Temml writes: the policy of the page would report each, before DOMPurify removes it. */
const STYLES = / style="[^"]*"/g;
const FORMULA_OPTIONS = Object.freeze({
  ALLOWED_TAGS: ['math', 'mrow', 'mi', 'mo', 'mn', 'ms', 'mtext', 'mspace', 'mfrac', 'msqrt', 'mroot', 'msup', 'msub', 'msubsup', 'munder', 'mover',
    'munderover', 'mtable', 'mtr', 'mtd', '#text'],
  ALLOWED_ATTR: ['display', 'mathvariant', 'stretchy', 'fence', 'form', 'separator', 'accent', 'accentunder', 'linethickness', 'columnalign',
    'displaystyle', 'scriptlevel', 'movablelimits', 'symmetric', 'largeop', 'minsize', 'maxsize', 'lspace', 'rspace', 'width'],
  RETURN_DOM_FRAGMENT: true,
});
let loading;

/** Replaces the source in `place`, a `var` of a line or a `samp` of its own, by the formula. */
export async function showFormula(place) {
  const source = place.textContent;
  try {
    loading ??= import('../node_modules/temml/dist/temml.mjs');
    const { default: temml } = await loading;
    const markup = temml.renderToString(source.slice(DELIMITER, -DELIMITER), {
      displayMode: place.localName === 'samp', throwOnError: true, trust: false, maxSize: LARGEST, maxExpand: MOST_EXPANSIONS,
    });
    place.replaceChildren(formulaFragment(markup));
    place.classList.add('formula');
  } catch (error) {
    if (error.name !== 'ParseError') loading = undefined; // not loaded: the next formula tries it again
  }
}

/** Elements of a formula. No colours, links, styles or shifts: it looks like a formula, and stays in its place. */
function formulaFragment(markup) {
  const fragment = globalThis.DOMPurify.sanitize(markup.replaceAll(STYLES, ''), FORMULA_OPTIONS);
  showHidden(fragment);
  return fragment;
}
