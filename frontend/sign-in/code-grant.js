/** The authorization code grant with PKCE (RFC 6749, section 4.1; RFC 7636), by oauth4webapi. */

import { isLoopback } from '../configuration.js';
import { SignInError } from './sign-in-error.js';

// Loaded only by pages that are configured for this grant.
const loadOauth = () => import('../node_modules/oauth4webapi/build/index.js');
const FAULTS = {
  OAUTH_JWT_CLAIM_COMPARISON_FAILED: 'id_token_invalid',
  OAUTH_JWT_TIMESTAMP_CHECK_FAILED: 'id_token_invalid',
  OAUTH_INVALID_RESPONSE: 'response_malformed',
};

/**
 * Exchanges the code of a response that `checkAuthorizationResponse` has accepted. The client is public: no secret.
 *
 * A requested ID token must be present, have the `nonce` that was sent, the configured issuer and this client as audience,
 * and not be expired.
 *
 * @returns {Promise<{accessToken: string, expiresIn: number | undefined, identity: object | undefined, refreshToken: string | undefined}>}
 *   `expiresIn` in seconds; `identity` are the ID token's claims, if one was requested; `refreshToken`, if IDaaS issued one
 * @throws {SignInError}
 */
export async function tokenFromCode({ parameters, inFragment }, pending, configuration, fetch = globalThis.fetch) {
  if (inFragment || !parameters.get('code') || !pending.codeVerifier) throw new SignInError('response_malformed');
  const { oauth, client, options } = await oauthClient(configuration, fetch);
  try {
    const server = await authorizationServer(oauth, configuration, options);
    const accepted = oauth.validateAuthResponse(server, client, parameters, pending.state);
    const response = await oauth.authorizationCodeGrantRequest(
      server, client, oauth.None(), accepted, pending.redirectUri, pending.codeVerifier, options(server.token_endpoint),
    );
    const token = await oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: pending.nonce ?? oauth.expectNoNonce,
      requireIdToken: pending.nonce !== undefined,
    });
    const identity = pending.nonce === undefined ? undefined : oauth.getValidatedIdTokenClaims(token);
    return { accessToken: token.access_token, expiresIn: token.expires_in, identity, refreshToken: token.refresh_token };
  } catch (error) {
    throw signInError(error, oauth);
  }
}

/**
 * A new access token for a refresh token (RFC 6749, section 6). `refreshToken` is absent if the old one remains valid.
 *
 * @throws {SignInError}
 */
export async function tokenFromRefreshToken(refreshToken, configuration, fetch = globalThis.fetch) {
  const { oauth, client, options } = await oauthClient(configuration, fetch);
  try {
    const server = await authorizationServer(oauth, configuration, options);
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, options(server.token_endpoint));
    const token = await oauth.processRefreshTokenResponse(server, client, response);
    const next = { accessToken: token.access_token, expiresIn: token.expires_in, identity: oauth.getValidatedIdTokenClaims(token) };
    return token.refresh_token === undefined ? next : { ...next, refreshToken: token.refresh_token };
  } catch (error) {
    throw signInError(error, oauth);
  }
}

async function oauthClient(configuration, fetch) {
  const oauth = await loadOauth();
  const options = (url) => ({ [oauth.customFetch]: fetch, [oauth.allowInsecureRequests]: isLoopback(url) });
  return { oauth, client: { client_id: configuration.clientId }, options };
}

async function authorizationServer(oauth, configuration, options) {
  const { issuer, tokenEndpoint } = configuration;
  if (tokenEndpoint) return { issuer: issuer ?? new URL(tokenEndpoint).origin, token_endpoint: tokenEndpoint };
  const url = new URL(issuer);
  const response = await oauth.discoveryRequest(url, options(issuer));
  return oauth.processDiscoveryResponse(url, response);
}

function signInError(error, oauth) {
  if (error instanceof SignInError) return error;
  if (error instanceof oauth.ResponseBodyError) {
    return new SignInError('code_refused', error.error_description ?? error.error);
  }
  if (error instanceof TypeError) return new SignInError('token_endpoint_unreachable');
  return new SignInError(FAULTS[error.code] ?? 'code_refused');
}
