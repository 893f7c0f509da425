/** The browser and the system of a `User-Agent`, as people name them. */

const BROWSERS = [['Edg', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']];
const SYSTEMS = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS X', 'macOS'], ['Linux', 'Linux']];

/** “Firefox, Windows”; of another program its own words. */
export function deviceName(userAgent = '') {
  const named = (names) => names.find(([word]) => userAgent.includes(word))?.[1];
  const browser = named(BROWSERS);
  return browser ? [browser, named(SYSTEMS)].filter(Boolean).join(', ') : userAgent.slice(0, 60);
}
