/** The response of the authorization endpoint, in this page's address (RFC 6749, sections 4.1.2 and 4.2.2). */

import { SignInError } from './sign-in-error.js';

const MEMBERS = ['access_token', 'code', 'error', 'id_token'];
const KNOWN_ERRORS = ['access_denied', 'invalid_scope', 'unauthorized_client', 'unsupported_response_type',
  'server_error', 'temporarily_unavailable', 'invalid_request', 'login_required'];

/**
 * Removes a response from the address and the history, so that no token or code stays in either, and returns it.
 *
 * @returns {{parameters: URLSearchParams, inFragment: boolean} | undefined}
 */
export function takeAuthorizationResponse(location, history) {
  for (const [text, inFragment] of [[location.hash, true], [location.search, false]]) {
    const parameters = new URLSearchParams(text.slice(1));
    if (MEMBERS.some((member) => parameters.has(member))) {
      history.replaceState(null, '', location.pathname);
      return { parameters, inFragment };
    }
  }
  return undefined;
}

/**
 * Checks what both grants have in common: `state` is this tab's (RFC 6749, section 10.12), each member occurs once, `iss`,
 * if present, is the configured issuer (RFC 9207), and the response is not an error.
 *
 * @throws {SignInError}
 */
export function checkAuthorizationResponse({ parameters }, pending, configuration) {
  const names = [...parameters.keys()];
  if (new Set(names).size !== names.length) throw new SignInError('response_malformed');
  if (!pending || parameters.get('state') !== pending.state) throw new SignInError('state_mismatch');
  const issuer = parameters.get('iss');
  if (issuer !== null && configuration.issuer && issuer !== configuration.issuer) {
    throw new SignInError('issuer_mismatch');
  }
  const error = parameters.get('error');
  if (error !== null) {
    const detail = parameters.get('error_description') ?? error;
    throw new SignInError(KNOWN_ERRORS.includes(error) ? error : 'refused', detail.slice(0, 300));
  }
}
