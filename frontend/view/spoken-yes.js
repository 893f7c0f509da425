/** Whether words that a person types are a plain "yes", in either language: then the page offers *Approve*, and decides nothing. */

const YES = /^(y|yes|yep|yeah|ok|okay|sure|go ahead|do it|approve|approved|confirm|是|是的|好|好的|行|可以|同意|批准|确认|没问题)[\s.!。！]*$/iu;

export function isYes(text) {
  return YES.test(text.trim());
}
