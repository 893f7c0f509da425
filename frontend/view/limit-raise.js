/** What an approver of a raise reads: whose limit, which one, and by how much it would be raised. */

const AMOUNT = /^([\d.]+) (tokens|of money)$/;
const OWNER = /^(user|group|client) (.+)$/s;

/**
 * The rows, each of a key of its label and a text. What the agent says in another form is shown as it is.
 *
 * @param {{name: string, text: string}[]} display of the approval
 */
export function raiseRows(language, display) {
  const texts = Object.fromEntries(display.map(({ name, text }) => [name, text]));
  return [
    ['raise.owner', owner(language, texts.budget)],
    ['raise.limit', amount(language, texts.limit)],
    ['raise.by', amount(language, texts.raise_by)],
  ];
}

function owner(language, text) {
  const [, kind, name] = text?.match(OWNER) ?? [];
  return kind ? language.text(`raise.of_${kind}`, { name }) : text;
}

function amount(language, text) {
  const [, digits, unit] = text?.match(AMOUNT) ?? [];
  if (!unit) return text;
  const number = new Intl.NumberFormat(language.code, { maximumFractionDigits: 20 }).format(digits);
  return language.text(unit === 'tokens' ? 'raise.tokens' : 'raise.money', { number });
}
