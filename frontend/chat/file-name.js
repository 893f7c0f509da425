/** The name of a saved conversation: its title and the day, safe for the file systems of all devices. */

const LONGEST_TITLE = 58; // of characters of four bytes, with the day, 255 bytes at most
/** What some file system forbids, and what a reader does not see or what reorders other characters. */
const UNSAFE = /[\\/:*?"<>|\p{C}\p{Zl}\p{Zp}]+/gu;

/** @param {string} title @param {string} extension without a dot @param {number} now in milliseconds since 1970 */
export function fileName(title, extension, now = Date.now()) {
  const safe = title.replace(UNSAFE, ' ').replace(/\s+/g, ' ').replace(/^[\s.]+/, '');
  const short = [...safe].slice(0, LONGEST_TITLE).join('').trim();
  const day = new Date(now);
  const date = [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
  return `${short ? `${short} ` : ''}${date}.${extension}`;
}
