/** The ID token of an implicit grant (OpenID Connect Core, section 3.2.2.11). oauth4webapi checks the ID token of a code grant. */

import { unverifiedClaims } from './session.js';
import { SignInError } from './sign-in-error.js';

const SKEW_SECONDS = 30;

/**
 * The claims of an ID token for this page's request: `nonce` is the one sent, `aud` is this client, `exp` is in the future,
 * `iss` is the configured issuer, if one is configured.
 *
 * Not checked: the signature. The page only shows the name in it; the agent verifies the access token.
 *
 * @throws {SignInError}
 */
export function idTokenClaims(idToken, pending, { clientId, issuer }, now = Date.now()) {
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
