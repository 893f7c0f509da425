/** Reading what others may have changed, again and again, without a request while the page is hidden. */

/** The list of conversations and the inbox: an idle page makes two requests a minute. */
const EVERY_MS = 60_000;

/**
 * Calls `read` now, once a minute while the page is visible, and when it becomes visible, until `signal` is aborted.
 * Returns what the first call returns.
 */
export function whileVisible(read, signal, page = globalThis.document) {
  let timer;
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (page.visibilityState === 'visible') again(); }, EVERY_MS);
    return read();
  };
  signal.addEventListener('abort', () => clearTimeout(timer));
  page?.addEventListener('visibilitychange', () => { if (page.visibilityState === 'visible') again(); }, { signal });
  return again();
}
