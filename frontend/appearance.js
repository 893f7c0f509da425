/**
 * The appearance that config.js can change: product name, logo, suggestions, accent colour.
 *
 * Texts are never markup. The accent colour is lightened or darkened until it has enough contrast (WCAG 2.2, section 1.4.3).
 */

import { LANGUAGES } from './language/language.js';

const IMAGE_DATA = /^data:image\/(png|jpeg|webp|gif|svg\+xml)[;,]/i;
const COLOUR = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i;
const CONTRAST = 4.5;
// The backgrounds of accent-coloured text (theme.css): the darkest light one, and the lightest dark one.
const GROUNDS = { light: '#eef1f5', dark: '#1f242d' };

/**
 * @param {Record<string, unknown>} appConfig
 * @param {URL | Location} page the base of relative addresses
 * @param {(key: string, reason: string) => void} fault is called for each invalid value
 */
export function readAppearance(appConfig, page, fault) {
  const { PRODUCT_NAME, LOGO_URL, SUGGESTIONS, ACCENT_COLOR } = appConfig;
  const checked = (key, value, valid, reason) => {
    if (value === undefined) return undefined;
    if (valid(value)) return value;
    fault(key, reason);
    return undefined;
  };
  return {
    productName: checked('PRODUCT_NAME', PRODUCT_NAME, isText(60), 'text')?.trim(),
    logoUrl: checked('LOGO_URL', LOGO_URL, (value) => isLogo(value, page), 'logo'),
    suggestions: checked('SUGGESTIONS', SUGGESTIONS, areSuggestions, 'suggestions'),
    accentColor: checked('ACCENT_COLOR', ACCENT_COLOR, (value) => typeof value === 'string' && COLOUR.test(value), 'colour'),
  };
}

/** Light or dark, by the user's choice in this browser; `system` leaves it to the device. */
export const SCHEMES = ['system', 'light', 'dark'];
const SCHEME = 'idaas-agent.scheme';

export function chosenScheme(storage = browserStorage()) {
  const chosen = storage?.getItem(SCHEME);
  return SCHEMES.includes(chosen) ? chosen : 'system';
}

export function chooseScheme(scheme, storage = browserStorage()) {
  storage?.setItem(SCHEME, scheme);
  applyScheme(scheme);
}

export function applyScheme(scheme = chosenScheme(), style = document.documentElement.style) {
  style.colorScheme = scheme === 'system' ? '' : scheme;
}

/** `undefined` if the browser's settings forbid storage. */
function browserStorage() {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

/** The suggestions of a language; `undefined` for the page's defaults. */
export function suggestionsIn(suggestions, code) {
  return Array.isArray(suggestions) ? suggestions : suggestions?.[code];
}

/** The values of theme.css for an accent colour: a button, a button under the pointer, and the text on it. */
export function accentColors(color) {
  const accent = parsed(color);
  return Object.fromEntries(Object.entries(GROUNDS).map(([scheme, ground]) => {
    const towards = scheme === 'light' ? [0, 0, 0] : [255, 255, 255];
    let readable = accent;
    for (let part = 0; contrast(readable, parsed(ground)) < CONTRAST; part += 0.05) readable = mixed(accent, towards, part);
    const [white, black] = [[255, 255, 255], [11, 21, 51]];
    const on = contrast(readable, white) >= contrast(readable, black) ? white : black;
    return [scheme, { accent: hex(readable), hover: hex(mixed(readable, towards, 0.2)), on: hex(on) }];
  }));
}

/** Applies the accent colour through the object model, which a policy against inline styles allows. */
export function applyAccent(color, style) {
  if (color === undefined) return;
  const { light, dark } = accentColors(color);
  for (const [name, member] of [['--accent', 'accent'], ['--accent-hover', 'hover'], ['--on-accent', 'on']]) {
    style.setProperty(name, `light-dark(${light[member]}, ${dark[member]})`);
  }
}

function isText(longest) {
  return (value) => typeof value === 'string' && value.trim() !== '' && value.trim().length <= longest;
}

function areSuggestions(value) {
  if (Array.isArray(value)) return value.length >= 1 && value.length <= 6 && value.every(isText(200));
  if (typeof value !== 'object' || value === null) return false;
  const lists = Object.entries(value);
  return lists.length > 0 && lists.every(([code, list]) => Object.hasOwn(LANGUAGES, code) && Array.isArray(list) && areSuggestions(list));
}

function isLogo(value, page) {
  if (typeof value !== 'string' || value === '') return false;
  if (IMAGE_DATA.test(value)) return true;
  try {
    const url = new URL(value, page.href);
    return url.username === '' && (url.protocol === 'https:' || url.origin === page.origin);
  } catch {
    return false;
  }
}

function parsed(color) {
  const digits = color.slice(1);
  const pairs = digits.length === 3 ? [...digits].map((digit) => digit + digit) : digits.match(/../g);
  return pairs.map((pair) => parseInt(pair, 16));
}

function hex(color) {
  return `#${color.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

function mixed(color, other, part) {
  return color.map((channel, index) => Math.round(channel + (other[index] - channel) * Math.min(part, 1)));
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** Relative luminance (WCAG 2.2). */
function luminance(color) {
  const [red, green, blue] = color.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
