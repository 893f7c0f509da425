/** The implicit grant (RFC 6749, section 4.2): the access token arrives in the fragment. */

import { unverifiedClaims } from './session.js';
import { SignInError } from './sign-in-error.js';

const SKEW_SECONDS = 30;

/**
 * The token of a response that `checkAuthorizationResponse` has accepted.
 *
 * Not checked: the token itself, which the agent verifies.
 *
 * @returns {{accessToken: string, expiresIn: number | undefined, identity: object | undefined}} `expiresIn` in seconds;
 *   `identity` are the ID token's claims, if one was requested
 * @throws {SignInError}
 */
export function tokenFromFragment({ parameters, inFragment }, pending, configuration) {
  const accessToken = parameters.get('access_token');
  const tokenType = parameters.get('token_type');
  // A token in the query appears in logs: only the fragment is accepted.
  if (!inFragment || !accessToken) throw new SignInError('response_malformed');
  if (tokenType !== null && tokenType.toLowerCase() !== 'bearer') throw new SignInError('response_malformed');
  const expiresIn = Number(parameters.get('expires_in') ?? NaN);
  const identity = pending.nonce === undefined ? undefined : idTokenClaims(parameters.get('id_token'), pending, configuration);
  return { accessToken, expiresIn: Number.isFinite(expiresIn) ? expiresIn : undefined, identity };
}

/**
 * The claims of an ID token for this page's request (OpenID Connect Core, section 3.2.2.11): `nonce` is the one sent, `aud` is
 * this client, `exp` is in the future, `iss` is the configured issuer, if one is configured.
 *
 * Not checked: the signature. The page only shows the name in it; the agent verifies the access token.
 *
 * @throws {SignInError}
 */
function idTokenClaims(idToken, pending, { clientId, issuer }, now = Date.now()) {
  const claims = unverifiedClaims(idToken ?? '');
  const audience = [claims.aud].flat();
  const ours = audience.length === 1 ? audience[0] === clientId : audience.includes(clientId) && claims.azp === clientId;
  const valid = typeof claims.sub === 'string' && claims.sub !== ''
    && claims.nonce === pending.nonce
    && ours
    && (issuer === undefined || claims.iss === issuer)
    && typeof claims.exp === 'number' && claims.exp + SKEW_SECONDS > now / 1000;
  if (!valid) throw new SignInError('id_token_invalid');
  return claims;
}
