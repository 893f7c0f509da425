import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigurationError, readConfiguration } from '../configuration.js';

const PAGE = new URL('http://localhost:9001/');
const FIVE_KEYS = {
  API_URL: 'http://localhost:9002',
  IDAAS_AUTHORIZE_ENDPOINT: 'https://idaas.example.com/login/app/common/oauth2/authorize',
  IDAAS_LOGOUT_ENDPOINT: 'https://idaas.example.com/login/app/common/oauth2/logout',
  CLIENT_ID: 'app_client01',
  SCOPE: 'https://agent.example.com|agent.access',
};

function faultsOf(appConfig) {
  try {
    readConfiguration(appConfig, PAGE);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.faults.map(({ key, reason }) => `${key} ${reason}`);
  }
  return [];
}

test('the five keys of the tutorial are sufficient and select the implicit grant', () => {
  const configuration = readConfiguration(FIVE_KEYS, PAGE);
  assert.equal(configuration.responseType, 'token');
  assert.equal(configuration.redirectUri, 'http://localhost:9001/');
  assert.equal(configuration.tokenStorage, 'session');
});

test('API_URL is the base of the agent or its OpenAI route', () => {
  for (const [given, base] of [
    ['http://localhost:9002', 'http://localhost:9002'],
    ['http://localhost:9002/', 'http://localhost:9002'],
    ['http://localhost:9002/openai/v1/chat/completions', 'http://localhost:9002'],
    ['https://a.example.com/stage/', 'https://a.example.com/stage'],
    ['https://a.example.com/stage/openai/v1/', 'https://a.example.com/stage'],
  ]) assert.equal(readConfiguration({ ...FIVE_KEYS, API_URL: given }, PAGE).agentUrl, base);
});

test('the redirect URI is the page without query, fragment and index file', () => {
  const page = new URL('https://chat.example.com/page/index.html?x=1#y');
  assert.equal(readConfiguration(FIVE_KEYS, page).redirectUri, 'https://chat.example.com/page/');
});

test('all faults are reported at once, each with its key', () => {
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, API_URL: 'ftp://x', CLIENT_ID: ' ', RESPONSE_TYPE: 'password' }),
    ['CLIENT_ID missing', 'RESPONSE_TYPE choice', 'API_URL insecure']);
});

test('http is allowed to loopback only', () => {
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, IDAAS_AUTHORIZE_ENDPOINT: 'http://localhost:9400/authorize' }), []);
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, IDAAS_AUTHORIZE_ENDPOINT: 'http://idaas.example.com/authorize' }),
    ['IDAAS_AUTHORIZE_ENDPOINT insecure']);
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, API_URL: 'http://localhost.example.com' }), ['API_URL insecure']);
});

test('a script URL is refused', () => {
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, IDAAS_LOGOUT_ENDPOINT: 'javascript:alert(1)' }), ['IDAAS_LOGOUT_ENDPOINT insecure']);
});

test('the placeholders of the example are refused', () => {
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, CLIENT_ID: 'app_…', IDAAS_LOGOUT_ENDPOINT: 'https://{host}/logout' }),
    ['IDAAS_LOGOUT_ENDPOINT placeholder', 'CLIENT_ID placeholder']);
});

test('the code grant needs a token endpoint or an issuer', () => {
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, RESPONSE_TYPE: 'code' }), ['TOKEN_ENDPOINT missing_for_code']);
  assert.deepEqual(faultsOf({ ...FIVE_KEYS, RESPONSE_TYPE: 'code', ISSUER: 'https://idaas.example.com/oauth2' }), []);
});

test('a missing config.js is reported', () => {
  assert.deepEqual(faultsOf(undefined), ['APP_CONFIG missing']);
});
